"""Our own listings of map entries: a table for people with the letters of any semantics, and CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blockstrata.facts.codes import NO_HOST
from blockstrata.interchange.columns import Words, text
from blockstrata.interchange.entries import Names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blockstrata.graph.chain import Layer
    from blockstrata.interchange.entries import Entries
    from blockstrata.semantics.table import Semantics

_PIECE = 1 << 13
"""Entries turned into Python's numbers at once, which take four times the room."""


def human_lines(parts: Iterable[Entries], layers: tuple[Layer, ...], semantics: Semantics) -> Iterator[str]:
    """Yield a table of every entry: offset, length and host offset in hexadecimal, letters, depth, file."""
    is_protocol = layers[0].node.traits.is_protocol
    flags_head = "".join(each.letter for each in semantics.lettered(is_protocol=is_protocol))
    yield f"{'Offset':<16}{'Length':<16}{flags_head:<6}{'Depth':<6}{'Mapped to':<16}File\n"
    names = Names(layers)
    for entries in parts:
        found = entries.meanings()
        letters = {flags: semantics.letters(flags, is_protocol=is_protocol) for flags in found}
        for start, length, depth, source, flags, offset in _rows(entries):
            where, name = "-", ""
            if offset != NO_HOST:
                where, name = f"{offset:#x}", names[source]
            row = f"{start:<#16x}{length:<#16x}{letters[flags]:<6}{depth:<6}{where:<16}{name}"
            yield f"{row.rstrip()}\n"


def csv_lines(parts: Iterable[Entries], semantics: Semantics) -> Iterator[str]:
    """Yield the columns of the JSON form as CSV: numbers, flags as 0 and 1, no offset as an empty field."""
    columns = semantics.columns
    yield ",".join(["start", "length", "depth", *(column.key for column in columns), "offset"]) + "\n"
    for entries in parts:
        bits = [b""] * 256
        for flags in entries.meanings():
            bits[flags] = ",".join("1" if flags & column.flag else "0" for column in columns).encode()
        yield from text(
            len(entries),
            *(entries.start, b",", entries.length, b",", entries.depth, b","),
            *(Words(np.array(bits), entries.flags), b",", entries.offset, b"\n"),
        )


def _rows(entries: Entries) -> Iterator[tuple[int, int, int, int, int, int]]:
    columns = (entries.start, entries.length, entries.depth, entries.source, entries.flags, entries.offset)
    for first in range(0, len(entries), _PIECE):
        yield from zip(*(column[first : first + _PIECE].tolist() for column in columns), strict=True)
