"""The truth tables held against an image: where each row occurs first, and on how many bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from blockstrata.chain import Layer
from blockstrata.facts import Mapping
from blockstrata.gap import GapNode
from blockstrata.guest import alone, in_place
from blockstrata.printable import base_name
from blockstrata.semantics import SEMANTICS
from blockstrata.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blockstrata.chain import Chain
    from blockstrata.guest import View
    from blockstrata.semantics.table import Row, Semantics

SHOWN_BY: Final[dict[tuple[str, bool], dict[str, str]]] = {
    ("historic", False): {
        "DZO": "every-zero",
        "D·O": "web-server",
        "·ZO": "every-zero",
        "··O": "subclusters",
        "D··": "golden-image",
        "·Z·": "every-zero",
        "···": "web-server",
    },
    ("historic", True): {"D·O": "web-server", "·ZO": "web-server", "··O": "null-driver"},
    ("proposed", False): dict.fromkeys(
        "LZAO L·AO LZ·O L··O LZA· L·A· LZ·· L··· ·ZAO ··AO ····".split(), "every-row"
    ),
    ("proposed", True): dict.fromkeys(("ZAO", "·AO", "Z·O", "··O"), "every-row"),
}
"""A scenario in which to see a row, by semantics and whether the layer is a protocol's; not all have one."""


class Place(NamedTuple):
    """Where a row occurs: the first byte, in the topmost layer that has it, and the bytes of all layers."""

    offset: int
    name: str
    length: int


def row_lines(chain: Chain) -> Iterator[str]:
    """Yield each table's rows: letters, words, where the row occurs in a chain or else in which scenario."""
    formats = [
        (layer.name, in_place(chain, layer.depth, 0, layer.size))
        for layer in chain.layers
        if not isinstance(layer.node, GapNode) and not layer.node.traits.is_protocol
    ]
    protocols = list(_protocols(chain))
    for semantics in SEMANTICS:
        for is_protocol, views in ((False, formats), (True, protocols)):
            kind = "protocol" if is_protocol else "format"
            yield f"{semantics.name}: {semantics.title} — {kind} layers\n"
            found = _found(semantics, views, is_protocol=is_protocol)
            shown_by = SHOWN_BY[semantics.name, is_protocol]
            for row in semantics.protocol_rows if is_protocol else semantics.format_rows:
                letters = semantics.letters(row.flags, is_protocol=is_protocol)
                scenario = f"demo {shown_by[letters]}" if letters in shown_by else ""
                yield f"  {letters}  {row.words}\n"
                yield f"        {_where(found.get(row), scenario)}\n"
            yield "\n"


def _where(place: Place | None, scenario: str) -> str:
    if place is None:
        return f"not here; {scenario} shows it" if scenario else "not here, and in no scenario"
    also = f"; {scenario}" if scenario else ""
    return f"{format_size(place.length)}, first at {place.offset:#x} of {base_name(place.name)}{also}"


def _protocols(chain: Chain) -> Iterator[tuple[str, View]]:
    """Yield the protocol nodes that layers stand on, each once, over their own bytes."""
    seen: set[tuple[object, ...]] = set()
    for layer in chain.layers:
        for node in () if isinstance(layer.node, GapNode) else (layer.node.file, layer.node.host):
            host = node
            while not host.traits.is_protocol:
                host = host.host
            if host.identity not in seen:
                seen.add(host.identity)
                below = Layer(layer.depth, host)
                # in place, or a row that ends a walk with nothing would be lost
                yield host.name, replace(alone(below, 0, below.size), in_place=True)


def _found(semantics: Semantics, views: list[tuple[str, View]], *, is_protocol: bool) -> dict[Row, Place]:
    found: dict[Row, Place] = {}
    for name, view in views:
        flags = semantics.flags(view)
        known = ~view.extents.having(Mapping.INVALID, Mapping.UNREAD)
        for each in np.unique(flags[known]).tolist():
            chosen = known & (flags == each)
            row = semantics.row(each, is_protocol=is_protocol)
            first = int(view.extents.edges[:-1][chosen][0])
            length = int(view.extents.lengths[chosen].sum())
            before = found.get(row)
            if before is None:
                found[row] = Place(first, name, length)
            else:
                nearer = min(first, before.offset) if before.name == name else before.offset
                found[row] = Place(nearer, before.name, before.length + length)
    return found
