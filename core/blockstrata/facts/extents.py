"""Runs of facts: the one shape in which every driver answers and on which every semantics stands.

An :class:`Extents` covers a window of bytes without gaps.  With three runs::

    edges   0        65536          131072      196608
            ├─ NORMAL ─┼─ UNALLOCATED ─┼─ NORMAL ─┤
    facts       0x29         0x08          0x29
    host        327680       -1            458752

Run ``i`` covers ``edges[i]`` up to but not including ``edges[i + 1]``.  A run with a host offset maps
linearly: byte ``edges[i] + k`` lies at ``host[i] + k``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import NO_HOST, Mapping

_BLOCK: Final = 1 << 15
"""Runs worked on at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Extents:
    """Sorted, gapless, non-empty runs over one window.

    ``edges`` int64 of shape (n + 1,), bytes, strictly increasing; ``facts`` uint8 of shape (n,), codes of
    :mod:`blockstrata.facts.codes`; ``host`` int64 of shape (n,), bytes, ``NO_HOST`` where there is none.
    An empty window has one edge and no runs.  The arrays are read-only.
    """

    edges: NDArray[np.int64]
    facts: NDArray[np.uint8]
    host: NDArray[np.int64]

    def __post_init__(self) -> None:
        for array in (self.edges, self.facts, self.host):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.facts)

    @property
    def start(self) -> int:
        """First byte of the window."""
        return int(self.edges[0])

    @property
    def end(self) -> int:
        """First byte after the window."""
        return int(self.edges[-1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each run in bytes, int64 of shape (n,)."""
        return np.diff(self.edges)

    def index_at(self, offset: int) -> int:
        """Return the index of the run that holds the byte; ``IndexError`` outside the window."""
        if not self.start <= offset < self.end:
            raise IndexError(f"offset {offset} is outside the window {self.start} to {self.end}")
        return int(np.searchsorted(self.edges, offset, side="right")) - 1

    def cut(self, start: int, end: int) -> Extents:
        """Return the part from byte ``start`` up to ``end``; both must lie in the window."""
        if not self.start <= start <= end <= self.end:
            raise IndexError(f"{start} to {end} is not inside the window {self.start} to {self.end}")
        if start == end:
            return empty(start)
        if (start, end) == (self.start, self.end):
            return self
        first = int(np.searchsorted(self.edges, start, side="right")) - 1
        last = int(np.searchsorted(self.edges, end, side="left"))
        edges = self.edges[first : last + 1].copy()
        host = self.host[first:last].copy()
        if host[0] != NO_HOST:
            host[0] += start - edges[0]
        edges[0], edges[-1] = start, end
        return Extents(edges, self.facts[first:last], host)

    def shift(self, distance: int) -> Extents:
        """Return the same runs, the window moved by ``distance`` bytes; host offsets stay."""
        return Extents(self.edges + distance, self.facts, self.host)

    def coalesce(self) -> Extents:
        """Return the same bytes in the fewest runs: neighbours with one fact and continuing host join."""
        starts, facts, host = fewest(self.edges[:-1], self.facts, self.host)
        return self if len(facts) == len(self) else Extents(np.append(starts, self.end), facts, host)

    def stretches(self, *keys: NDArray[np.generic]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Return stretches of neighbours whose keys are equal, wherever they are stored.

        The first run of each of m stretches, (m,), and their edges in bytes, int64 (m + 1,).
        """
        first = np.flatnonzero(run_starts(self.edges, np.full(len(self), NO_HOST), *keys))
        return first, np.append(self.edges[first], self.edges[-1])

    def having(self, *mappings: Mapping) -> NDArray[np.bool_]:
        """Say which runs have one of some mappings, bool of shape (n,)."""
        return np.isin(self.facts >> 3 & 0xF, np.array(mappings, np.uint8))

    def totals(self) -> dict[int, int]:
        """Return bytes per fact code, for the codes that occur."""
        lengths = self.lengths
        return {int(code): int(lengths[self.facts == code].sum()) for code in np.unique(self.facts)}


def blocks(runs: int) -> Iterator[slice]:
    """Yield parts of so many runs to be worked on one after another: a processor keeps them close."""
    for start in range(0, runs, _BLOCK):
        yield slice(start, min(start + _BLOCK, runs))


def empty(at: int) -> Extents:
    """Return the window of no bytes at an offset."""
    return Extents(np.array([at], np.int64), np.empty(0, np.uint8), np.empty(0, np.int64))


def uniform(start: int, end: int, code: int, host: int = NO_HOST) -> Extents:
    """Return one run from ``start`` up to ``end``, or the empty window if they are equal."""
    if start == end:
        return empty(start)
    return Extents(np.array([start, end], np.int64), np.array([code], np.uint8), np.array([host], np.int64))


def join(parts: Sequence[Extents]) -> Extents:
    """Return windows that follow one another as one; ``ValueError`` if there is a gap or an overlap."""
    for before, after in pairwise(parts):
        if before.end != after.start:
            raise ValueError(f"a window ends at {before.end}, the next starts at {after.start}")
    if len(parts) == 1:
        return parts[0].coalesce()
    return Extents(
        np.concatenate([parts[0].edges[:1], *(part.edges[1:] for part in parts)]),
        np.concatenate([part.facts for part in parts]),
        np.concatenate([part.host for part in parts]),
    ).coalesce()


def run_starts(
    edges: NDArray[np.int64], host: NDArray[np.int64], *keys: NDArray[np.generic]
) -> NDArray[np.bool_]:
    """Say which of n neighbouring runs cannot be joined to the one before: bool of shape (n,).

    Two runs join when every key is equal and either both lack a host offset or the host offsets continue.
    This is the rule by which ``qemu-img map`` merges its entries (docs/semantics.md, "qemu-img map").
    ``edges`` int64 (n + 1,), of which the last may be left out; ``host`` and each key (n,).
    """
    starts = np.ones(len(host), np.bool_)
    if len(host) > 1:
        equal = np.ones(len(host) - 1, np.bool_)
        for key in keys:
            equal &= key[1:] == key[:-1]
        # in many disks none are
        if equal.any():
            for part in blocks(len(equal)):
                before, after = host[:-1][part], host[1:][part]
                goes_on = further(before, edges[1:][part] - edges[:-1][part]) == after
                np.logical_not(equal[part] & goes_on, out=starts[1:][part])
    return starts


def further(host: NDArray[np.int64], distance: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the host offsets so many bytes after some others; NO_HOST after NO_HOST.

    A run goes on from the one before if its own is that, as far after it as the other is long.
    """
    return np.where(host == NO_HOST, NO_HOST, host + distance)


def fewest(
    starts: NDArray[np.int64], facts: NDArray[np.uint8], host: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
    """Return n runs, each up to the next, (n,) each, neighbours that continue each other joined."""
    is_start = run_starts(starts, host, facts)
    if is_start.all():
        return starts, facts, host
    kept = np.flatnonzero(is_start)
    return starts.take(kept), facts.take(kept), host.take(kept)
