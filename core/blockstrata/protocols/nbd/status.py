"""What a server said of its export, remembered: runs of types, for each context, as far as it was asked."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.protocols.nbd.wire import Extent, Statuses, WireError

_MOST_RUNS: Final = 1 << 23
"""Runs kept of one export, 16 bytes each: 128 MiB, and some hundred more while they are worked on."""
_LOOSE_PIECES: Final = 4096
"""Pieces added before neighbours are joined."""
_LOOSE_RUNS: Final = 1 << 16
"""Runs added before neighbours are joined, near the limit."""


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Sorted, gapless runs of types over one window, neighbours of one type joined.

    ``edges`` int64 of shape (n + 1,), bytes of the export; ``types`` uint64 of shape (n,), as the server
    sends them.
    """

    edges: NDArray[np.int64]
    types: NDArray[np.uint64]

    @property
    def start(self) -> int:
        """First byte of the window."""
        return int(self.edges[0])

    @property
    def end(self) -> int:
        """First byte after the window."""
        return int(self.edges[-1])

    def cut(self, start: int, end: int) -> Runs:
        """Return the part from byte ``start`` up to ``end``, some bytes that must lie in the window."""
        if (start, end) == (self.start, self.end):
            return self
        first = int(np.searchsorted(self.edges, start, side="right")) - 1
        last = int(np.searchsorted(self.edges, end, side="left"))
        edges = self.edges[first : last + 1].copy()
        edges[0], edges[-1] = start, end
        return Runs(edges, self.types[first:last])


def runs_of(start: int, told: Extent | Statuses) -> Runs:
    """Return extents that follow one another from a byte on as runs."""
    if isinstance(told, Extent):
        edges = np.array([start, start + told.length], np.int64)
        return Runs(edges, np.array([told.type], np.uint64))
    edges = np.append(start, told.lengths)
    edges.cumsum(out=edges)
    return joined([Runs(edges, told.types)])


def joined(parts: Sequence[Runs]) -> Runs:
    """Return runs of windows that follow one another as one."""
    if len(parts) == 1 and len(parts[0].types) < 2:
        return parts[0]
    types = np.concatenate([part.types for part in parts]) if len(parts) > 1 else parts[0].types
    edges = np.concatenate([parts[0].edges[:1], *(part.edges[1:] for part in parts)])
    keep = np.append(True, types[1:] != types[:-1])
    return Runs(np.append(edges[:-1][keep], edges[-1]), types[keep])


class StatusMap:
    """The answers, in pieces that do not overlap; each piece holds the runs of every context.

    ``WireError`` when they become too many to keep.
    """

    def __init__(self, most: int = _MOST_RUNS) -> None:
        self._starts: list[int] = []
        self._pieces: list[tuple[Runs, ...]] = []
        self._most = most
        self._runs = 0
        self._tidy_runs = most
        self._loose = _LOOSE_PIECES
        self._growing: tuple[int, int, tuple[int, ...]] | None = None

    def gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return start and end of each range in a window that was not answered."""
        self._settle()
        found = []
        for piece in self._touching(start, end):
            if piece[0].start > start:
                found.append((start, piece[0].start))
            start = piece[0].end
        if start < end:
            found.append((start, end))
        return found

    def add(self, piece: tuple[Runs, ...]) -> None:
        """Remember the answer for a range of which nothing was known."""
        self._settle()
        self._insert(piece)

    def add_one(self, start: int, end: int, types: tuple[int, ...]) -> None:
        """Remember the same of a range that has one type in each context.

        What goes on from the range before it is no piece of its own.
        """
        before = self._growing
        if before and before[1] == start and before[2] == types:
            start = before[0]
        else:
            self._settle()
        self._growing = start, end, types

    def _settle(self) -> None:
        """Make a piece of the ranges that went on from one another."""
        if self._growing:
            start, end, types = self._growing
            self._growing = None
            edges = np.array([start, end], np.int64)
            self._insert(tuple([Runs(edges, np.array([kind], np.uint64)) for kind in types]))

    def _insert(self, piece: tuple[Runs, ...]) -> None:
        start = piece[0].start
        at = bisect_left(self._starts, start)
        self._starts.insert(at, start)
        self._pieces.insert(at, piece)
        self._runs += sum([len(runs.types) for runs in piece])
        if self._runs > self._tidy_runs or len(self._pieces) > self._loose:
            self._tidy()

    def runs(self, context: int, start: int, end: int) -> Runs:
        """Return a context's runs over a window that was answered; the context is counted from 0."""
        if start == end:
            return Runs(np.array([start], np.int64), np.empty(0, np.uint64))
        self._settle()
        parts = [
            piece[context].cut(max(start, piece[0].start), min(end, piece[0].end))
            for piece in self._touching(start, end)
        ]
        return joined(parts)

    def _touching(self, start: int, end: int) -> list[tuple[Runs, ...]]:
        first = max(0, bisect_right(self._starts, start) - 1)
        last = bisect_left(self._starts, end)
        pieces = self._pieces[first:last]
        return pieces[1:] if pieces and pieces[0][0].end <= start else pieces

    def _tidy(self) -> None:
        """Join the pieces that follow one another."""
        groups: list[list[tuple[Runs, ...]]] = []
        for piece in self._pieces:
            if groups and groups[-1][-1][0].end == piece[0].start:
                groups[-1].append(piece)
            else:
                groups.append([piece])
        self._pieces = [
            tuple(joined(parts) for parts in zip(*group, strict=True)) if len(group) > 1 else group[0]
            for group in groups
        ]
        self._starts = [piece[0].start for piece in self._pieces]
        self._runs = sum(len(runs.types) for piece in self._pieces for runs in piece)
        if self._runs > self._most:
            raise WireError(f"the server tells of more than {self._most:,} extents")
        self._tidy_runs = max(self._most, self._runs + _LOOSE_RUNS)
        self._loose = len(self._pieces) + _LOOSE_PIECES
