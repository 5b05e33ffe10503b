"""Rows of text from columns of numbers and words, all rows at once.

Every row is laid out at full width, with zero bytes (·) where a number or word is shorter than others of its
column; these are left out at the end::

    { "start": ·····0, "length": 65536 }
    { "start": ·65536, "length": ·4096 }
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_PIECE: Final = 1 << 13
"""Rows made at once: what they take stays in the processor's caches."""


class Hex(NamedTuple):
    """A column of numbers, int64 (n,), not negative, in lower-case hexadecimal digits."""

    numbers: NDArray[np.int64]


class Words(NamedTuple):
    """A column of words in UTF-8, bytes (m,): which of them, integers (n,), a row has."""

    words: NDArray[np.bytes_]
    which: NDArray[np.integer]


if TYPE_CHECKING:
    Column = bytes | NDArray[np.int64] | Hex | Words
    """A constant; numbers, of which a negative one is written as nothing; others; words."""


def text(rows: int, *columns: Column) -> Iterator[str]:
    """Yield so many rows in pieces of some thousands; numbers and words are (rows,)."""
    for first in range(0, rows, _PIECE):
        last = min(first + _PIECE, rows)
        laid = _laid_out(last - first, [_cut(column, first, last) for column in columns])
        yield laid.tobytes().translate(None, b"\0").decode()


def _cut(column: Column, first: int, last: int) -> Column:
    if isinstance(column, bytes):
        return column
    if isinstance(column, Hex):
        return Hex(column.numbers[first:last])
    if isinstance(column, Words):
        return Words(column.words, column.which[first:last])
    return column[first:last]


def _laid_out(rows: int, columns: list[Column]) -> NDArray[np.void]:
    """Return rows at full width, (rows,)."""
    names = [f"c{index}" for index in range(len(columns))]
    laid = np.empty(rows, [(name, *_room(column)) for name, column in zip(names, columns, strict=True)])
    for name, column in zip(names, columns, strict=True):
        if isinstance(column, bytes):
            laid[name] = column
        elif isinstance(column, Words):
            laid[name] = column.words.take(column.which)
        elif isinstance(column, Hex):
            _write_digits(column.numbers, 16, laid[name])
        else:
            _write_digits(column, 10, laid[name])
            if (without := column < 0).any():
                laid[name][without] = 0
    return laid


def _room(column: Column) -> tuple[str, tuple[int, ...]]:
    """Return the type, and how many of it, that hold what is widest in a column."""
    if isinstance(column, bytes):
        return f"S{len(column)}", ()
    if isinstance(column, Words):
        return column.words.dtype.str, ()
    most = f"{column.numbers.max():x}" if isinstance(column, Hex) else str(column.max())
    return "u4", (-(-len(most) // 4),)


def _write_digits(numbers: NDArray[np.int64], base: int, out: NDArray[np.uint32]) -> None:
    """Write numbers that are not negative into words of four digits, (n, words)."""
    four = base**4
    table, before = _four_digits(base)
    left = np.maximum(numbers, 0)
    for word in range(out.shape[1] - 1, -1, -1):
        higher = left // four
        left -= higher * four
        left += (higher == 0) * four  # where the table has no leading zeroes
        out[:, word] = table.take(left)
        left, table = higher, before


@lru_cache
def _four_digits(base: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return four digits as one word for each number that has so many: all four, then without leading zeroes.

    The first of the two is for a number's last digits, of which 0 is one, the second for all before.
    """
    powers = base ** np.arange(3, -1, -1)
    numbers = np.arange(base**4)[:, None]
    glyphs = np.frombuffer(b"0123456789abcdef", np.uint8)
    digits = glyphs.take(numbers // powers % base)
    short = np.where(numbers >= powers, digits, 0)
    before = np.concatenate([digits, short]).view(np.uint32)[:, 0]
    short[0, 3] = ord("0")
    return np.concatenate([digits, short]).view(np.uint32)[:, 0], before
