"""Our own listings of what a dirty bitmap says: JSON, CSV, a table for people."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from blockstrata.formats.qcow2.bitmaps import DirtyRuns
from blockstrata.interchange.columns import Words, csv_rows, json_array, numbers, text


def json_text(runs: DirtyRuns) -> Iterator[str]:
    """Yield a JSON array in pieces, one object a line, laid out as qemu-img lays out its map."""
    starts, lengths, dirty = _columns(runs, b"false", b"true")
    row = (b',\n{ "start": ', starts, b', "length": ', lengths, b', "dirty": ', dirty, b"}")
    return json_array(text(len(runs), *row))


def csv_text(runs: DirtyRuns) -> Iterator[str]:
    """Yield the columns of the JSON form as CSV, dirty as 0 or 1."""
    yield "start,length,dirty\n"
    starts, lengths, dirty = _columns(runs, b"0", b"1")
    yield from csv_rows(len(runs), starts, lengths, dirty)


def human_lines(runs: DirtyRuns) -> Iterator[str]:
    """Yield a table of every run, in hexadecimal."""
    yield f"{'Offset':<16}{'Length':<16}Bitmap\n"
    for start, length, dirty in numbers(runs.edges[:-1], np.diff(runs.edges), runs.dirty):
        yield f"{start:<#16x}{length:<#16x}{'dirty' if dirty else 'clean'}\n"


def _columns(runs: DirtyRuns, *words: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], Words]:
    return runs.edges[:-1], np.diff(runs.edges), Words(np.array(words), runs.dirty.astype(np.uint8))
