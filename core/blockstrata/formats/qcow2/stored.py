"""What is stored of an image's tables, without asking for what is not.

A small file may name terabytes of tables in its holes, and hold in them the table that names them.  What is
not stored reads as zero, so that its meaning is known unread: reading takes as long as what is stored,
whatever a header claims.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import Mapping, Storage, fact
from blockstrata.facts.node import HostNode

PIECE: Final = 4096
"""Bytes in which tables are read, clusters if they are smaller: the block of most file systems."""

_ZEROES: Final = np.array(
    [fact(Mapping.PASSTHROUGH, each) for each in (Storage.HOLE, Storage.UNWRITTEN, Storage.BEYOND_EOF)],
    np.uint8,
)


class Stretches(NamedTuple):
    """Stored parts of tables, ascending, in whole pieces.

    ``table`` int64 (n,) the index of the table; ``starts`` and ``ends`` int64 (n,), host bytes.
    """

    table: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


def stored_words(file: HostNode, offset: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return the words of a table that are not zero, after their indices, (n,) each.

    The table has ``count`` words at a host byte, which is a multiple of 512.
    """
    index, words = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    end = offset + count * 8
    starts, ends = _stored(file, offset, end, 512)
    for start, stop in zip(starts.tolist(), ends.tolist(), strict=True):
        raw = np.frombuffer(file.read(start, min(stop, end) - start), ">u8")
        used = np.flatnonzero(raw)
        index.append(used + (start - offset) // 8)
        words.append(raw[used].astype(np.uint64))
    return np.concatenate(index), np.concatenate(words)


def stored_stretches(file: HostNode, tables: NDArray[np.int64], size: int) -> Stretches:
    """Return what is stored of tables of ``size`` bytes, a power of two, at ascending multiples of it.

    ::

        tables   ├──── A ────┤        ├──── B ────┤
        file     ├ data ┤  hole  ├ data ┤  hole …
        stored   ├ A ───┤             ├B┤
    """
    if not len(tables):
        return Stretches(*np.empty((3, 0), np.int64))
    starts, ends = _stored(file, int(tables[0]), int(tables[-1]) + size, min(PIECE, size))
    first = np.searchsorted(ends, tables, side="right")
    table, nth = counting(np.searchsorted(starts, tables + size, side="left") - first)
    at = first[table] + nth
    return Stretches(table, np.maximum(starts[at], tables[table]), np.minimum(ends[at], tables[table] + size))


def pieces_of(stretches: Stretches, piece: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut stretches into pieces: the index of each one's table, and its host byte, int64 (n,) each."""
    group, nth = counting((stretches.ends - stretches.starts) // piece)
    return stretches.table[group], stretches.starts[group] + nth * piece


def read_pieces(file: HostNode, host: NDArray[np.int64], piece: int, kind: str) -> NDArray[Any]:
    """Return the numbers of ``kind``, a dtype, that pieces at host bytes hold, in the machine's order.

    What lies side by side in the file is read in one go.
    """
    dtype = np.dtype(kind)
    per_piece = piece // dtype.itemsize
    numbers = np.empty(len(host) * per_piece, dtype.newbyteorder("="))
    first = np.flatnonzero(np.diff(host, prepend=host[:1] - 1) != piece).tolist()
    for at, stop in pairwise([*first, len(host)]):
        read = np.frombuffer(file.read(int(host[at]), (stop - at) * piece), dtype)
        numbers[at * per_piece : stop * per_piece] = read
    return numbers


def counting(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count up to each of some numbers: ``[2, 0, 1]`` gives ``[0, 0, 2]``, which it is, and ``[0, 1, 0]``."""
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)


def _stored(file: HostNode, start: int, end: int, piece: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return starts and ends of what may hold anything but zeroes, in whole pieces."""
    storage = file.extents(start, end - start)
    stored = ~np.isin(storage.facts, _ZEROES)
    starts = storage.edges[:-1][stored] // piece * piece
    ends = -(-storage.edges[1:][stored] // piece) * piece
    # neighbours may meet in one piece
    starts[1:] = np.maximum(starts[1:], ends[:-1])
    return starts[starts < ends], ends[starts < ends]
