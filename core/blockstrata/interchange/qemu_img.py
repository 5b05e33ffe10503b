"""The output of ``qemu-img map``: JSON and the table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blockstrata.facts.codes import NO_HOST
from blockstrata.interchange.columns import Hex, Words, text
from blockstrata.interchange.entries import Names
from blockstrata.semantics.historic import Flag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from blockstrata.graph.chain import Layer
    from blockstrata.interchange.entries import Entries

WORDS = ("false", "true")
_PIECE = 1 << 13
"""Entries looked at at once."""


def json_text(parts: Iterable[Entries]) -> Iterator[str]:
    """Yield a JSON array in pieces, one object a line, laid out as qemu-img lays them out.

    ``parts`` follow one another.  The keys are ``start, length, depth``, the flags of the semantics by name,
    and ``offset`` where valid.
    """
    rows = (piece for part in parts for piece in _json_rows(part))
    yield "[" + next(rows, "").removeprefix(",\n")
    yield from rows
    yield "]\n"


def _json_rows(entries: Entries) -> Iterator[str]:
    columns = [(column.key, column.flag) for column in entries.semantics.columns]
    bits = [b""] * 256
    for flags in entries.meanings():
        bits[flags] = "".join(f', "{key}": {WORDS[bool(flags & flag)]}' for key, flag in columns).encode()
    return text(
        len(entries),
        *(b',\n{ "start": ', entries.start, b', "length": ', entries.length, b', "depth": ', entries.depth),
        Words(np.array(bits), entries.flags),
        *(Words(np.array([b"", b', "offset": ']), entries.offset != NO_HOST), entries.offset),
        b"}",
    )


class NoOffsetError(Exception):
    """A run has data that no offset leads to, which the table for people cannot show."""


def human_lines(parts: Iterable[Entries], layers: tuple[Layer, ...]) -> Iterator[str]:
    """Yield the lines of qemu-img's table: the runs that have data and are not zero, in hexadecimal.

    ``NoOffsetError`` when it comes to data that has no offset, as qemu-img ends there too.
    """
    yield f"{'Offset':<16}{'Length':<16}{'Mapped to':<16}File\n"
    names = Names(layers)
    is_first = True
    for entries in parts:
        has_data, is_zero = ((entries.flags & np.uint8(flag)) != 0 for flag in (Flag.DATA, Flag.ZERO))
        shown = has_data & ~is_zero
        without = shown & (entries.offset == NO_HOST)
        if is_first and len(entries):
            # of the first run qemu-img asks for an offset even if it is zero
            without[0] = has_data[0] and entries.offset[0] == NO_HOST
            is_first = False
        end = int(without.argmax()) if without.any() else len(entries)
        yield from _human_rows(entries, np.flatnonzero(shown[:end]), names)
        if end < len(entries):
            raise NoOffsetError("File contains external, encrypted or compressed clusters.")


def _human_rows(entries: Entries, shown: NDArray[np.intp], names: Names) -> Iterator[str]:
    sources, nth = np.unique(entries.source[shown], return_inverse=True)
    files = np.array([names[index].encode() for index in sources.tolist()] or [b""])
    for first in range(0, len(shown), _PIECE):
        piece = shown[first : first + _PIECE]
        numbers = (each[piece] for each in (entries.start, entries.length, entries.offset))
        columns = (column for each in numbers for column in _hex(each))
        yield from text(len(piece), *columns, Words(files, nth[first : first + _PIECE]), b"\n")


def _hex(numbers: NDArray[np.int64]) -> tuple[Words, Hex, Words]:
    """Return the columns of numbers as C's ``%#-16x`` writes them: 0 has no prefix."""
    digits = np.searchsorted(16 ** np.arange(1, 15), numbers, side="right") + 1
    room = np.maximum(16 - digits - 2 * (numbers != 0), 0)
    prefixes, blanks = np.array([b"0x", b""]), np.array([b" " * width for width in range(16)])
    return Words(prefixes, numbers == 0), Hex(numbers), Words(blanks, room)
