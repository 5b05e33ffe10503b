"""The output of ``qemu-img map``: JSON and the table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blockstrata.facts import NO_HOST
from blockstrata.interchange.entries import Names
from blockstrata.semantics.historic import Flag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blockstrata.chain import Layer
    from blockstrata.interchange.entries import Entries

WORDS = ("false", "true")
_PIECE = 1 << 13
"""Entries written at once: most of what a row costs is the call that writes it."""


def json_text(entries: Entries) -> Iterator[str]:
    """Yield a JSON array in pieces, one object a line, laid out as qemu-img lays them out.

    The keys are ``start, length, depth``, the flags of the semantics by name, and ``offset`` where valid.
    """
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
        yield "[" if first == 0 else ",\n"
        yield ",\n".join(
            [
                f'{{ "start": {start}, "length": {length}, "depth": {depth}{bits[flags]}'
                + ("}" if offset == NO_HOST else f', "offset": {offset}}}')
                for start, length, depth, flags, offset in rows
            ]
        )
    yield "]\n"


class NoOffsetError(Exception):
    """A run has data that no offset leads to, which the table for people cannot show."""


def human_lines(entries: Entries, layers: tuple[Layer, ...]) -> Iterator[str]:
    """Yield the lines of qemu-img's table: the runs that have data and are not zero, in hexadecimal.

    ``NoOffsetError`` when it comes to data that has no offset, as qemu-img ends there too.
    """
    yield f"{'Offset':<16}{'Length':<16}{'Mapped to':<16}File\n"
    has_data, is_zero = ((entries.flags & np.uint8(flag)) != 0 for flag in (Flag.DATA, Flag.ZERO))
    # of the first run qemu-img asks for an offset even if it is zero
    asked = has_data & ~is_zero
    asked[:1] = has_data[:1]
    without = np.flatnonzero(asked & (entries.offset == NO_HOST))[:1].tolist()
    shown = np.flatnonzero(has_data & ~is_zero)
    shown = shown[: np.searchsorted(shown, without[0])] if without else shown
    names = Names(layers)
    for first in range(0, len(shown), _PIECE):
        piece = shown[first : first + _PIECE]
        columns = (entries.start, entries.length, entries.offset, entries.source)
        for start, length, offset, source in zip(*(each[piece].tolist() for each in columns), strict=True):
            yield f"{_hex(start)}{_hex(length)}{_hex(offset)}{names[source]}\n"
    if without:
        raise NoOffsetError("File contains external, encrypted or compressed clusters.")


def _hex(number: int) -> str:
    """Return a number as C's ``%#-16x`` writes it: 0 has no prefix."""
    return f"{number:<16x}" if number == 0 else f"{number:<#16x}"
