"""The output of ``qemu-img map``: JSON and the table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blockstrata.facts import NO_HOST
from blockstrata.interchange.entries import Names
from blockstrata.semantics.historic import Flag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from blockstrata.chain import Layer
    from blockstrata.interchange.entries import Entries

WORDS = ("false", "true")
_PIECE = 1 << 13
"""Entries written at once: most of what a row costs is the call that writes it."""


def json_text(parts: Iterable[Entries]) -> Iterator[str]:
    """Yield a JSON array in pieces, one object a line, laid out as qemu-img lays them out.

    ``parts`` follow one another, and hold one entry at the least.  The keys are ``start, length, depth``, the
    flags of the semantics by name, and ``offset`` where valid.
    """
    before = "["
    for entries in parts:
        columns = [(column.key, column.flag) for column in entries.semantics.columns]
        bits = {
            flags: "".join(f', "{key}": {WORDS[bool(flags & flag)]}' for key, flag in columns)
            for flags in np.unique(entries.flags).tolist()
        }
        for first in range(0, len(entries), _PIECE):
            piece = slice(first, first + _PIECE)
            rows = zip(
                entries.start[piece].tolist(),
                entries.length[piece].tolist(),
                entries.depth[piece].tolist(),
                entries.flags[piece].tolist(),
                entries.offset[piece].tolist(),
                strict=True,
            )
            yield before
            yield ",\n".join(
                [
                    f'{{ "start": {start}, "length": {length}, "depth": {depth}{bits[flags]}'
                    + ("}" if offset == NO_HOST else f', "offset": {offset}}}')
                    for start, length, depth, flags, offset in rows
                ]
            )
            before = ",\n"
    yield "]\n"


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
    for first in range(0, len(shown), _PIECE):
        piece = shown[first : first + _PIECE]
        columns = (entries.start, entries.length, entries.offset, entries.source)
        for start, length, offset, source in zip(*(each[piece].tolist() for each in columns), strict=True):
            yield f"{_hex(start)}{_hex(length)}{_hex(offset)}{names[source]}\n"


def _hex(number: int) -> str:
    """Return a number as C's ``%#-16x`` writes it: 0 has no prefix."""
    return f"{number:<16x}" if number == 0 else f"{number:<#16x}"
