"""The text of ``info``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from blockstrata.errors import BlockstrataError
from blockstrata.facts.codes import Mapping, words_for
from blockstrata.facts.node import HostNode
from blockstrata.formats.qcow2.bitmaps import Bitmap
from blockstrata.formats.qcow2.node import HeaderNode, Qcow2Node
from blockstrata.formats.qcow2.snapshots import Snapshot
from blockstrata.graph.chain import Chain, Layer, MissingNode
from blockstrata.guest.chain_reader import in_parts
from blockstrata.guest.merge import in_place, merged
from blockstrata.questions.faults import Losses, faults, is_fault, tail
from blockstrata.questions.summary import Summary, Total
from blockstrata.semantics import SEMANTICS
from blockstrata.semantics.historic import HISTORIC, Flag
from blockstrata.semantics.proposed import PROPOSED
from blockstrata.text.printable import printable
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.units import counted
from blockstrata_viewer.reports.findings import finding_json

_SHOWN: Final = 10
"""Findings of a layer that are written out for people."""


def collect(chain: Chain, *, quick: bool = False) -> dict[str, Any]:
    """Return what ``info --output json`` prints.

    Sizes in bytes; ``quick`` leaves out all that needs the tables to be read.
    """
    layers = [_layer(layer, quick=quick) for layer in chain.layers]
    found = [list(faults(layer, quick=quick)) for layer in chain.layers]
    facts: dict[str, Any] = {
        "image": chain.layers[0].name,
        "virtual-size": chain.size,
        "layers": layers,
    }
    if chain.missing:
        facts["gap"] = str(chain.missing)
    if not quick:
        guest, each, losses = _summaries(chain)
        facts["guest"] = _totals(guest, chain)
        for depth, (layer, summary) in enumerate(zip(layers, each, strict=True)):
            if "error" in layer:
                continue
            found[depth] += losses.of(chain.layers[depth])
            behind = tail(chain.layers[depth])
            found[depth] += [behind] if behind else []
            if "cluster-size" in layer["features"] and layer["format"] == "qcow2":
                compressed = summary.length_of(Mapping.COMPRESSED)
                layer["compressed-clusters"] = -(-compressed // layer["features"]["cluster-size"])
            layer.update(_totals(summary, chain))
    for layer, findings in zip(layers, found, strict=True):
        if findings:
            layer["findings"] = [finding_json(each) for each in findings]
    return facts


def find_break(facts: dict[str, Any]) -> str | None:
    """Return why the chain cannot be read from top to base, by the first layer that cannot, or None."""
    refused = (layer["refusal"] for layer in facts["layers"] if "refusal" in layer)
    return next(refused, facts.get("gap"))


def _summaries(chain: Chain) -> tuple[Summary, list[Summary], Losses]:
    """Return what the guest sees, and what each layer holds and has lost, added up region by region."""
    guest, losses = Summary(chain.layers), Losses(chain.layers)
    each = [Summary(chain.layers, in_place=True) for _ in chain.layers]
    for region, part in in_parts(chain, 0, max(layer.size for layer in chain.layers)):
        for layer, summary in zip(chain.layers, each, strict=True):
            view = in_place(part, layer.depth, *region.within(layer.size))
            summary.add(view)
            losses.add(view)
        guest.add(merged(part, *region.within(chain.size)))
    return guest, each, losses


def _layer(layer: Layer, *, quick: bool) -> dict[str, Any]:
    node = layer.node
    facts: dict[str, Any] = {"depth": layer.depth, "filename": node.name, "format": node.driver}
    if isinstance(node, MissingNode):
        facts["error"] = str(node.error)
        return facts
    facts["virtual-size"] = layer.size
    facts.update(_file(node.file))
    if isinstance(node, HeaderNode) and node.header.data_file:
        facts["data-file"] = {"filename": node.header.data_file}
    elif node.host is not node.file:
        facts["data-file"] = {"filename": node.host.name, **_file(node.host)}
    if node.backing:
        facts["backing"] = node.backing
        if node.backing_format:
            facts["backing-format"] = node.backing_format
    facts["features"] = dict(node.features())
    if isinstance(node, HeaderNode) and node.is_sound:
        facts.update(_listed(Qcow2Node(node.file, node.header, None)))
    elif isinstance(node, Qcow2Node):
        facts.update(_listed(node))
    if (isinstance(node, HeaderNode) or not quick) and (refusal := node.find_refusal()):
        facts["refusal"] = str(refusal)
    if node.file is not node and node.file.driver == "nbd":
        facts["server"] = dict(node.file.features())
    return facts


def _file(file: HostNode) -> dict[str, Any]:
    facts = {"file-length": file.length, "allocated": file.allocated}
    shared = file.shared()
    return facts if shared is None else {**facts, "shared-bytes": shared}


def _listed(node: Qcow2Node) -> dict[str, Any]:
    """Return snapshots and bitmaps, named as ``qemu-img info`` names them, up to what is malformed."""
    facts: dict[str, Any] = {}
    if node.snapshot:
        facts["opened-snapshot"] = node.snapshot.id
    try:
        if found := node.read_snapshots():
            facts["snapshots"] = [_snapshot(each) for each in found]
        if marked := node.read_bitmaps():
            facts["bitmaps"] = [_bitmap(each) for each in marked]
    except BlockstrataError as error:
        facts["refusal"] = str(error)
    return facts


def _snapshot(snapshot: Snapshot) -> dict[str, Any]:
    seconds, nanoseconds = divmod(snapshot.vm_clock_nsec, 10**9)
    facts = {
        "id": snapshot.id,
        "name": snapshot.name,
        "disk-size": snapshot.disk_size,
        "vm-state-size": snapshot.vm_state_size,
        "date-sec": snapshot.date_sec,
        "date-nsec": snapshot.date_nsec,
        "vm-clock-sec": seconds,
        "vm-clock-nsec": nanoseconds,
    }
    return facts if snapshot.icount is None else {**facts, "icount": snapshot.icount}


def _bitmap(bitmap: Bitmap) -> dict[str, Any]:
    flags = [name for name, is_set in (("in-use", bitmap.in_use), ("auto", bitmap.auto)) if is_set]
    return {"name": bitmap.name, "granularity": bitmap.granularity, "flags": flags}


def _totals(summary: Summary, chain: Chain) -> dict[str, Any]:
    is_protocol = chain.layers[0].node.is_protocol
    found: dict[str, Any] = {
        "runs": summary.runs,
        "totals": [_total(line, is_protocol=is_protocol) for line in summary.totals()],
    }
    if summary.faults:
        found["faults"] = summary.faults
    return found


def _total(line: Total, *, is_protocol: bool) -> dict[str, Any]:
    size = {"bytes": line.length, "runs": line.runs}
    if line.is_invalid:
        return {**size, "invalid": True}
    flags = line.flags
    return {
        **size,
        "present": bool(flags[HISTORIC.name] & Flag.ALLOCATED),
        **{
            semantics.name: semantics.letters(flags[semantics.name], is_protocol=is_protocol)
            for semantics in SEMANTICS
        },
        "words": _words(line, is_protocol=is_protocol),
        **({} if line.lost is None else {"lost": True}),
    }


def _words(line: Total, *, is_protocol: bool) -> str:
    """Return the words of the proposed row; of two reasons that it names, the one that is known."""
    flags = line.flags
    words = PROPOSED.row(flags[PROPOSED.name], is_protocol=is_protocol).words
    is_compressed = flags[HISTORIC.name] & Flag.COMPRESSED
    if reason := "compressed" if is_compressed else "encrypted" if line.is_encrypted else "":
        words = words.replace("(compressed, encrypted)", f"({reason})")
    return words if line.lost is None else words_for(words, line.lost)


def json_lines(facts: dict[str, Any]) -> Iterator[str]:
    """Yield collected facts as JSON."""
    yield from json.JSONEncoder(indent=2).iterencode(facts)
    yield "\n"


def human_lines(facts: dict[str, Any]) -> Iterator[str]:
    """Yield collected facts as a tree of layers, the active one first."""
    layers = facts["layers"]
    size, name = _size(facts["virtual-size"]), printable(facts["image"])
    yield f"{name}: {size} virtual, {counted(len(layers), 'layer')}\n"
    for layer in layers:
        last = layer is layers[-1]
        yield "│\n"
        yield from _layer_lines(layer, "└─ " if last else "├─ ", "   " if last else "│  ")
    if "guest" in facts:
        yield f"\nguest sees  {counted(facts['guest']['runs'], 'extent')}\n"
        yield from _total_lines(facts["guest"], [layer.get("refusal") for layer in layers])


def _layer_lines(layer: dict[str, Any], branch: str, trunk: str) -> Iterator[str]:
    yield f"{branch}{layer['depth']}  {printable(layer['filename'])}  ({layer['format']})\n"
    trunk += "   "
    if "error" in layer:
        yield f"{trunk}{layer['error']}\n"
        return
    yield f"{trunk}{_size(layer['virtual-size'])} virtual, {_stored(layer)}\n"
    if "data-file" in layer:
        data_file = layer["data-file"]
        stored = f": {_stored(data_file)}" if "file-length" in data_file else ""
        yield f"{trunk}data file {printable(data_file['filename'])}{stored}\n"
    features = ", ".join(f"{name} {_word(value)}" for name, value in layer["features"].items() if value)
    if features:
        yield f"{trunk}{features}\n"
    yield from (f"{trunk}{line}" for line in _listed_lines(layer))
    server = ", ".join(f"{name} {_word(value)}" for name, value in layer.get("server", {}).items() if value)
    if server:
        yield f"{trunk}server: {server}\n"
    if "backing" in layer:
        stated = printable(layer.get("backing-format", "probed"))
        yield f"{trunk}backing {printable(layer['backing'])} ({stated})\n"
    if layer.get("compressed-clusters"):
        yield f"{trunk}{counted(layer['compressed-clusters'], 'compressed cluster')}\n"
    yield from (f"{trunk}{line}" for line in _finding_lines(layer))
    if "runs" in layer:
        yield f"{trunk}{counted(layer['runs'], 'extent')}\n"
        yield from (f"{trunk}{line}" for line in _total_lines(layer, [layer.get("refusal")]))


def _listed_lines(layer: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each snapshot and bitmap, and what QEMU would refuse about them."""
    for each in layer.get("snapshots", ()):
        date = datetime.fromtimestamp(each["date-sec"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        opened = " (opened)" if each["id"] == layer.get("opened-snapshot") else ""
        name, size = printable(f"{each['id']} {each['name']}"), _size(each["disk-size"])
        yield f"snapshot {name}{opened}: {size}, {date}, VM state {_size(each['vm-state-size'])}\n"
    for each in layer.get("bitmaps", ()):
        flags = "".join(f", {flag}" for flag in each["flags"])
        yield f"bitmap {printable(each['name'])}: granularity {format_size(each['granularity'])}{flags}\n"
    if "refusal" in layer:
        yield f"! map refuses this image, as QEMU does: {layer['refusal']}\n"


def _finding_lines(layer: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a layer, and who says more about it."""
    findings = layer.get("findings", ())
    for each in findings[:_SHOWN]:
        yield f"{each['severity']}: {printable(each['says'])}\n"
    if len(findings) > _SHOWN:
        yield f"… {counted(len(findings) - _SHOWN, 'more finding')}, all with --output json\n"
    if layer["format"] == "qcow2" and any(is_fault(each["kind"]) for each in findings):
        yield "blockstrata check says more\n"


def _stored(file: dict[str, Any]) -> str:
    stored = "an unknown amount" if file["allocated"] is None else format_size(file["allocated"])
    shared = ""
    if file.get("shared-bytes"):
        shared = f", {format_size(file['shared-bytes'])} shared with other files"
    return f"{format_size(file['file-length'])} file, {stored} stored{shared}"


def _total_lines(found: dict[str, Any], said: Iterable[str | None]) -> Iterator[str]:
    """Yield a line for each combination of flags, and where entries are corrupt unless ``said`` has why."""
    for line in found["totals"]:
        size = f"{format_size(line['bytes']):>10}"
        if "invalid" in line:
            yield f"{size}  invalid\n"
        else:
            letters = "  ".join(line[semantics.name] for semantics in SEMANTICS)
            # what the block layer supplies looks like a zero that is stored nowhere, but it is in no layer
            unallocated = " (not ALLOCATED)" if "Z" in line[HISTORIC.name] and not line["present"] else ""
            yield f"{size}  {letters}  {line['words']}{unallocated}\n"
    faults = (reason for reason in found.get("faults", ()) if not any(why and why in reason for why in said))
    yield from (f"! {printable(reason)}\n" for reason in faults)


def _size(size: int) -> str:
    return f"{format_size(size)} ({size} bytes)" if size % 1024 else format_size(size)


def _word(value: object) -> str:
    if value is True:
        return "on"
    if isinstance(value, list):
        return " ".join(map(_word, value))
    return printable(str(value))
