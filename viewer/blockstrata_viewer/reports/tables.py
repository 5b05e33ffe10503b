"""The truth tables, alone or held against an image: where each row occurs first, and on how many bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from blockstrata.facts.codes import Mapping
from blockstrata.facts.node import protocol_node
from blockstrata.graph.chain import Chain, Layer, MissingNode
from blockstrata.guest.merge import alone, in_place
from blockstrata.guest.view import View
from blockstrata.questions.faults import faults_in, is_fault
from blockstrata.semantics import SEMANTICS
from blockstrata.semantics.nbd import NBD_6_0, WIRES
from blockstrata.semantics.table import Row, Semantics
from blockstrata.text.printable import base_name, printable
from blockstrata.text.sizes import format_size

SHOWN_BY: Final[dict[tuple[str, bool], dict[str, str]]] = {
    ("old", False): {
        "DZO": "every-zero",
        "D·O": "web-server",
        "·ZO": "every-zero",
        "··O": "subclusters",
        "D··": "golden-image",
        "·Z·": "every-zero",
        "···": "web-server",
    },
    ("old", True): {"D·O": "web-server", "·ZO": "web-server", "··O": "null-driver"},
    ("new", False): dict.fromkeys(
        "LZAO L·AO LZ·O L··O LZA· L·A· LZ·· L··· ·ZAO ··AO ····".split(), "every-row"
    ),
    ("new", True): dict.fromkeys(("ZAO", "·AO", "Z·O", "··O"), "every-row"),
    ("nbd", False): {"HZ": "every-zero", "·Z": "every-zero", "H·": "null-driver", "··": "web-server"},
}
"""A scenario in which to see a row, by the switch and whether the layer is a protocol's; not all have one."""


class Place(NamedTuple):
    """Where a row occurs: the first byte, in the topmost layer that has it, and the bytes of all layers.

    ``depth`` is the layer's, or that of the layer whose file it is.  ``has_axis``: the viewer can go there;
    it draws the file that holds the guest's bytes, not one that holds nothing but tables.
    """

    offset: int
    depth: int
    name: str
    length: int
    has_axis: bool


class Entry(NamedTuple):
    """A row of a table: its place if it occurs, and the scenario that shows it, or an empty string."""

    row: Row
    letters: str
    place: Place | None
    scenario: str


@dataclass(frozen=True, slots=True)
class Table:
    """A truth table held against a chain."""

    semantics: Semantics
    is_protocol: bool
    entries: tuple[Entry, ...]

    @property
    def kind(self) -> str:
        """What its rows speak of."""
        if not self.semantics.deferred_flag:
            return "protocol layers" if self.is_protocol else "format layers"
        return "what a server says"


class _Part(NamedTuple):
    """A layer, or the file of one, in place."""

    depth: int
    name: str
    view: View
    has_axis: bool = True


def tables(chain: Chain, shown: Sequence[Semantics] = SEMANTICS) -> Iterator[Table]:
    """Yield the tables of some semantics, of format and of protocol layers; one for what is on the wire."""
    layers = [
        _Part(layer.depth, layer.name, in_place(chain, layer.depth, 0, layer.size))
        for layer in chain.layers
        if not isinstance(layer.node, MissingNode)
    ]
    formats = [part for part in layers if not chain.layers[part.depth].node.is_protocol]
    protocols = list(_protocols(chain))
    for semantics in shown:
        if semantics.deferred_flag:
            yield _table(semantics, layers, is_protocol=False)
        else:
            yield _table(semantics, formats, is_protocol=False)
            yield _table(semantics, protocols, is_protocol=True)


def truth_tables() -> Iterator[str]:
    """Yield the truth tables of every semantics."""
    for semantics in SEMANTICS:
        kinds = {" — format layers": False, " — protocol layers": True}
        if semantics.protocol_rows is semantics.format_rows:
            kinds = {"": False}
        for kind, is_protocol in kinds.items():
            shown = semantics.lettered(is_protocol=is_protocol)
            names = ", ".join(f"{each.letter} {each.name}" for each in shown)
            yield f"{semantics.name}: {semantics.title} ({names}){kind}\n"
            for row in semantics.protocol_rows if is_protocol else semantics.format_rows:
                yield f"  {semantics.letters(row.flags, is_protocol=is_protocol)}  {row.words}\n"
            yield "\n"
    yield "nbd: what a server sends (H HOLE, Z ZERO)\n"
    for row in NBD_6_0.format_rows:
        yield f"  {NBD_6_0.letters(row.flags)}  {row.words}\n"
    yield "\n"
    for wire in WIRES:
        yield f"  {wire.server.name:<13} {wire.rule} of the {wire.base.name} flags ({wire.server.title})\n"


def row_lines(chain: Chain) -> Iterator[str]:
    """Yield each table's rows: letters, words, where the row occurs in a chain or else in which scenario."""
    for table in tables(chain):
        yield f"{table.semantics.name}: {table.semantics.title} — {table.kind}\n"
        for entry in table.entries:
            yield f"  {entry.letters}  {entry.row.words}\n"
            yield f"        {_where(entry)}\n"
        yield "\n"
    for layer in chain.layers:
        for each in faults_in(layer, in_place(chain, layer.depth, 0, layer.size)):
            if is_fault(each.kind):
                yield f"{each.severity}: {printable(layer.name)}: {printable(each.says)}\n"


def _where(entry: Entry) -> str:
    place, scenario = entry.place, entry.scenario
    if place is None:
        return f"not here; demo {scenario} shows it" if scenario else "not here, and in no scenario"
    also = f"; demo {scenario}" if scenario else ""
    return f"{format_size(place.length)}, first at {place.offset:#x} of {base_name(place.name)}{also}"


def _protocols(chain: Chain) -> Iterator[_Part]:
    """Yield the protocol nodes that layers stand on, each once, over their own bytes; guests' bytes first."""
    seen: set[tuple[object, ...]] = set()
    layers = [layer for layer in chain.layers if not isinstance(layer.node, MissingNode)]
    hosts = [(layer.depth, layer.node.host, True) for layer in layers]
    for depth, host, has_axis in (*hosts, *((layer.depth, layer.node.file, False) for layer in layers)):
        protocol = protocol_node(host)
        if protocol.identity not in seen:
            seen.add(protocol.identity)
            below = Layer(depth, protocol)
            # in place, or a row that ends a walk with nothing would be lost
            yield _Part(depth, protocol.name, replace(alone(below, 0, below.size), in_place=True), has_axis)


def _table(semantics: Semantics, parts: list[_Part], *, is_protocol: bool) -> Table:
    found = _found(semantics, parts, is_protocol=is_protocol)
    shown_by = SHOWN_BY[semantics.switch, is_protocol]
    entries = []
    for row in semantics.protocol_rows if is_protocol else semantics.format_rows:
        letters = semantics.letters(row.flags, is_protocol=is_protocol)
        entries.append(Entry(row, letters, found.get(row), shown_by.get(letters, "")))
    return Table(semantics, is_protocol, tuple(entries))


def _found(semantics: Semantics, parts: list[_Part], *, is_protocol: bool) -> dict[Row, Place]:
    found: dict[Row, Place] = {}
    for depth, name, view, has_axis in parts:
        flags = semantics.flags(view)
        # on the wire nothing is said of what a layer defers
        known = ~view.extents.having(Mapping.INVALID, Mapping.UNREAD) & (flags & semantics.deferred_flag == 0)
        for each in np.unique(flags[known]).tolist():
            chosen = known & (flags == each)
            row = semantics.row(each, is_protocol=is_protocol)
            first = int(view.extents.edges[:-1][chosen][0])
            length = int(view.extents.lengths[chosen].sum())
            before = found.get(row)
            if before is None:
                found[row] = Place(first, depth, name, length, has_axis)
            else:
                nearer = min(first, before.offset) if before.name == name else before.offset
                found[row] = before._replace(offset=nearer, length=before.length + length)
    return found
