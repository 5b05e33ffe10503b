"""Rows of text from columns of numbers and words, all rows at once.

Every row is laid out at full width, with zero bytes (·) where a number or word is shorter than others of its
column; these are left out at the end::

    { "start": ·····0, "length": 65536 }
    { "start": ·65536, "length": ·4096 }

A join of f-strings says the same in fewer lines, but the command then takes 1.6 times as long for a map of
millions of entries, and falls far short of what benchmarks/results.md asks of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.semantics.table import Column as SemanticsColumn
from blockstrata.semantics.table import Semantics

_PIECE: Final = 1 << 13
"""Rows made at once: what they take stays in the processor's caches."""


class Words(NamedTuple):
    """A column of words in UTF-8, bytes (m,): which of them, integers (n,), a row has."""

    words: NDArray[np.bytes_]
    which: NDArray[np.integer]


Column = bytes | NDArray[np.int64] | Words
"""A constant; numbers, of which a negative one is written as nothing; words."""


def by_flags(flags: NDArray[np.uint8], word: Callable[[int], str]) -> Words:
    """Return a column of the words of flags, each word made once."""
    words = [b""] * 256
    # not by np.unique, which loads numpy's masked arrays
    for each in np.flatnonzero(np.bincount(flags)).tolist():
        words[each] = word(each).encode()
    return Words(np.array(words), flags)


def json_flags(semantics: Semantics, flags: NDArray[np.uint8]) -> Words:
    """Return a column of flags as the members of a JSON object."""
    return by_flags(
        flags,
        lambda row: ", ".join(
            f'"{each.key}": {"true" if row & each.flag else "false"}'
            for each in semantics.columns
            if not row & each.unknown_flag
        ),
    )


def csv_flags(semantics: Semantics, flags: NDArray[np.uint8]) -> Words:
    """Return a column of flags as fields of CSV, 0 or 1, empty where it is not known."""

    def field(row: int, column: SemanticsColumn) -> str:
        return "" if row & column.unknown_flag else "1" if row & column.flag else "0"

    return by_flags(flags, lambda row: ",".join(field(row, each) for each in semantics.columns))


def numbers(*columns: NDArray[np.generic]) -> Iterator[tuple[Any, ...]]:
    """Yield rows of one or more columns, each (n,), as Python's numbers.

    They take four times the room of numpy's, so only some thousands are made at once.
    """
    for first in range(0, len(columns[0]), _PIECE):
        yield from zip(*(column[first : first + _PIECE].tolist() for column in columns), strict=True)


def text(rows: int, *columns: Column) -> Iterator[str]:
    """Yield so many rows in pieces of some thousands; numbers and words are (rows,)."""
    for first in range(0, rows, _PIECE):
        here = slice(first, min(first + _PIECE, rows))
        fields = [field for column in columns for field in _fields(column, here)]
        laid = np.empty(here.stop - first, [(f"f{nth}", field.dtype) for nth, field in enumerate(fields)])
        for nth, field in enumerate(fields):
            laid[f"f{nth}"] = field
        yield laid.tobytes().translate(None, b"\0").decode()


def csv_rows(rows: int, *columns: Column) -> Iterator[str]:
    """Yield rows of CSV as :func:`text` does."""
    fields = [part for column in columns for part in (b",", column)]
    return text(rows, *fields[1:], b"\n")


def json_array(rows: Iterable[str], first: str = "[", last: str = "]\n") -> Iterator[str]:
    """Yield pieces of rows, each of which begins with a comma and a new line, as one JSON array."""
    pieces = iter(rows)
    yield first + next(pieces, "").removeprefix(",\n")
    yield from pieces
    yield last


def _fields(column: Column, here: slice) -> list[NDArray[np.generic]]:
    """Return what a column has in some rows, as wide as its widest there: (rows,) each, or (1,) for all."""
    if isinstance(column, bytes):
        return [np.array([column])]
    if isinstance(column, Words):
        return [column.words.take(column.which[here])]
    return _digits(column[here])


def _digits(column: NDArray[np.int64]) -> list[NDArray[np.generic]]:
    """Return numbers as words of four digits, the highest first, (n,) each; no digits of a negative one."""
    table, before = _four_digits()
    left, without = np.maximum(column, 0), column < 0
    words: list[NDArray[np.generic]] = []
    for _ in range(-(-len(str(column.max())) // 4)):
        higher = left // 10_000
        left -= higher * 10_000
        left += (higher == 0) * 10_000  # where the table has no leading zeroes
        word = table.take(left)
        word[without] = 0
        words.insert(0, word)
        left, table = higher, before
    return words


@cache
def _four_digits() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return four digits as one word for each number that has so many: all four, then without leading zeroes.

    The first of the two is for a number's last digits, of which 0 is one, the second for all before.
    """
    powers = np.array([1000, 100, 10, 1])
    every = np.arange(10_000)[:, None]
    digits = (every // powers % 10 + ord("0")).astype(np.uint8)
    short = np.where(every >= powers, digits, np.uint8(0))
    before = np.concatenate([digits, short]).view(np.uint32)[:, 0]
    short[0, 3] = ord("0")
    return np.concatenate([digits, short]).view(np.uint32)[:, 0], before
