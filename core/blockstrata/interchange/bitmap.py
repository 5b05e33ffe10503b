"""Our own listings of what a dirty bitmap says: JSON, CSV, a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blockstrata.formats.qcow2.bitmaps import DirtyRuns

_PIECE: Final = 1 << 13
"""Runs written at once."""


def json_text(runs: DirtyRuns) -> Iterator[str]:
    """Yield a JSON array in pieces, one object a line, laid out as qemu-img lays out its map."""
    yield "["
    for nth, rows in enumerate(_pieces(runs)):
        yield ",\n" if nth else ""
        yield ",\n".join(
            [
                f'{{ "start": {start}, "length": {length}, "dirty": {"true" if dirty else "false"}}}'
                for start, length, dirty in rows
            ]
        )
    yield "]\n"


def csv_lines(runs: DirtyRuns) -> Iterator[str]:
    """Yield the columns of the JSON form as CSV, dirty as 0 or 1."""
    yield "start,length,dirty\n"
    for rows in _pieces(runs):
        yield "".join([f"{start},{length},{dirty:d}\n" for start, length, dirty in rows])


def human_lines(runs: DirtyRuns) -> Iterator[str]:
    """Yield a table of every run, in hexadecimal."""
    yield f"{'Offset':<16}{'Length':<16}Bitmap\n"
    for rows in _pieces(runs):
        yield "".join(
            [f"{start:<#16x}{length:<#16x}{'dirty' if dirty else 'clean'}\n" for start, length, dirty in rows]
        )


def _pieces(runs: DirtyRuns) -> Iterator[list[tuple[int, int, bool]]]:
    lengths = np.diff(runs.edges)
    for first in range(0, len(runs), _PIECE):
        piece = slice(first, first + _PIECE)
        columns = (runs.edges[:-1][piece], lengths[piece], runs.dirty[piece])
        yield list(zip(*(column.tolist() for column in columns), strict=True))
