"""The text of a trace: a read followed down the layers, fit to be pasted into a bug report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from blockstrata import __version__
from blockstrata.facts.codes import Mapping, Traits, fact, is_lost, mapping_of, storage_of, words_for
from blockstrata.formats.qcow2.node import Qcow2Node
from blockstrata.graph.chain import Chain
from blockstrata.questions.trace import Rule, Step, Trace, trace
from blockstrata.semantics import SEMANTICS
from blockstrata.semantics.historic import HISTORIC, Flag, present_words
from blockstrata.semantics.table import Semantics
from blockstrata.text.printable import printable
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.units import exact_size
from blockstrata_viewer.model.states import Paint, state_of_flags
from blockstrata_viewer.model.switch import word_of
from blockstrata_viewer.reports.extent import entry_lines, fact_lines, hex_lines, nothing_stored
from blockstrata_viewer.reports.told import Spot, Told

_READ_AS_STORED: Final = (Rule.DATA, Rule.PASSTHROUGH, Rule.PROTOCOL)


def trace_lines(chain: Chain, offset: int) -> Iterator[str]:
    """Yield the lines about a read of one guest byte; errors as :func:`blockstrata.trace` has them."""
    return (line.text for line in trace_told(chain, offset))


def trace_told(chain: Chain, offset: int) -> Iterator[Told]:
    """Yield the same lines, with the layers and the bytes of files that they name."""
    followed = trace(chain, offset)
    active = chain.layers[0]
    yield Told(f"image     {printable(active.name)}")
    yield Told(f"offset    {offset:#x}, {exact_size(offset)} of {exact_size(chain.size)}")
    last = followed.last
    where = "" if last.host is None else f", at {last.host:#x} of {printable(last.file.name)}"
    answer = f"answer    depth {last.layer.depth}, {printable(last.layer.name)}: {last.rule.value}{where}"
    yield Told(answer, Spot(last.layer.depth, offset))
    yield Told(f"qemu-img  {map_line(last)}")
    for step in followed.steps:
        yield Told("")
        yield from _step_lines(step, offset)
    yield from _stored_lines(followed)
    yield Told("")
    yield Told(f"blockstrata {__version__}; storage as the files report it; nothing was written")


def map_line(last: Step) -> str:
    """Return what ``qemu-img map --output=json`` says of the byte, by QEMU's rules."""
    flags = int(HISTORIC.settle(np.array([last.flags(HISTORIC)], np.uint8))[0])
    if last.rule in (Rule.INVALID, Rule.UNREAD):
        return "no answer"
    words = [f"depth {last.layer.depth}"]
    words += [
        f"{column.key} {str(bool(flags & column.flag)).lower()}"
        for column in HISTORIC.columns
        if column.flag != Flag.COMPRESSED or flags & Flag.COMPRESSED
    ]
    if flags & Flag.OFFSET_VALID and last.host is not None:
        words.append(f"offset {last.host}")
    return ", ".join(words)


def _step_lines(step: Step, offset: int) -> Iterator[Told]:
    layer, node = step.layer, step.layer.node
    head = f"{layer.depth}  {printable(layer.name)}  ({node.driver}, {format_size(layer.size)})"
    yield Told(head, Spot(layer.depth, offset) if offset < layer.size else None)
    lines = [f"rule     {step.rule.value}", f"         {step.rule.sentence}"]
    if step.fault:
        lines.append(f"fault    {printable(step.fault)}")
    if isinstance(node, Qcow2Node) and step.entry:
        # the fault is said above
        found = entry_lines(node, step.entry, offset)
        lines += [line for line in found if not line.startswith("fault")]
    elif step.host is not None:
        lines.append(f"offset   no table: byte {offset:#x} of the layer is byte {step.host:#x} of its file")
    lines += fact_lines(step.code)
    told = [Told(line) for line in lines]
    if step.rule not in (Rule.INVALID, Rule.UNREAD):
        told += [_meaning(step, each) for each in SEMANTICS]
    if node.read_traits().recurse and mapping_of(step.code) is Mapping.NORMAL:
        told.append(
            Told("         the image looks preallocated (metadata), so QEMU asks its file about holes")
        )
    if node.is_encrypted and step.host is not None:
        what = "encrypted: what is stored is not what the guest reads, so no offset is valid"
        told.append(Told(f"         {what}"))
    if step.host is not None and not node.is_protocol:
        spot = Spot(layer.depth, step.host, in_file=True) if step.host < node.host.length else None
        told.append(Told(f"below    {_below(step)}", spot))
    yield from (each._replace(text=f"   {each.text}", at=each.at and each.at + 3) for each in told)


def _meaning(step: Step, semantics: Semantics) -> Told:
    flags, is_protocol = step.flags(semantics), step.layer.node.is_protocol
    letters = semantics.letters(flags, is_protocol=is_protocol)
    words = words_for(semantics.row(flags, is_protocol=is_protocol).words, step.code)
    present = f"{present_words(flags)} · " if semantics is HISTORIC else ""
    head = f"{word_of(semantics):<8} "
    shown = state_of_flags(semantics, flags, is_protocol=is_protocol).paint
    paint = Paint.INVALID if is_lost(step.code) else shown
    return Told(f"{head}{letters:<4}  {present}{words}", None, paint, len(head))


def _below(step: Step) -> str:
    """Say what the protocol layer says of the host byte."""
    driver = step.layer.node.host_driver
    traits = Traits(host_driver=driver, is_protocol=True)
    code = fact(Mapping.PASSTHROUGH, storage_of(step.code))
    letters = [
        f"{word_of(each)} {each.letters(int(each.table(traits)[code]), is_protocol=True)}"
        for each in SEMANTICS
    ]
    return f"{driver}: {', '.join(letters)} at {step.host:#x} of {printable(step.file.name)}"


def _stored_lines(followed: Trace) -> Iterator[Told]:
    last = followed.last
    if last.host is None or followed.stored is None:
        return
    yield Told("")
    own = last.rule in _READ_AS_STORED and not last.layer.node.is_encrypted
    note = "" if own else " (not what the guest reads)"
    spot = None if last.layer.node.is_protocol else Spot(last.layer.depth, last.host, in_file=True)
    yield Told(f"stored at {last.host:#x} of {printable(last.file.name)}{note}", spot)
    if not followed.stored:
        yield Told(nothing_stored(last.file))
    yield from map(Told, hex_lines(last.host, followed.stored))
