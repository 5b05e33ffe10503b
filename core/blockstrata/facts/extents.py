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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import NO_HOST, Mapping

_MOST_UNITS: Final = 16
"""Units counted off for each offset that is looked for: beyond, searching is quicker."""


_BLOCK: Final = 1 << 15
"""Runs worked on at once."""

_SEVERAL: Final = 0xFF
"""Stands for the storage of a unit that has more than one."""

_OVERLAP = 1 << 22
"""Runs that composing may make beyond those of both sides; more than none where host ranges overlap."""


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
        if len(self) < 2:
            return self
        starts = run_starts(self.edges, self.host, self.facts)
        if starts.all():
            return self
        kept = np.flatnonzero(starts)
        edges = np.append(self.edges.take(kept), self.edges[-1])
        return Extents(edges, self.facts.take(kept), self.host.take(kept))

    def _host_range(self) -> tuple[int, int]:
        """Return the first host byte of all runs, and the first after them; both 0 if no run has one."""
        low, high = 1 << 63, 0
        for part in blocks(len(self)):
            host = self.host[part]
            # NO_HOST is the largest there is
            low = min(low, int(host.view(np.uint64).min()))
            ends = host + self._lengths(part)
            higher = (ends > high) & (host != NO_HOST)
            if higher.any():
                high = int(ends[higher].max())
        return (low, high) if high else (0, 0)

    def compose(self, ask: Callable[[int, int], Extents], unit: int = 1) -> Extents:
        """Return these runs, cut and marked by what lies at their host offsets.

        ``ask(start, length)`` gives a window of host bytes; its storage goes into the facts here.  Runs
        without a host offset stay as they are.  ``unit``: a power of two; it is quick where many host ranges
        do not cross a multiple of it.  ``MemoryError`` if host ranges overlap so much that a small image
        comes to millions of runs::

            guest   ├──────── NORMAL @ 100 ────────┤
            below   … ─┤100    DATA    ├── HOLE ── …
            result  ├─ NORMAL on DATA ─┼ on HOLE ──┤
        """
        low, high = self._host_range()
        if low == high:
            return self
        below = ask(low, high - low)
        facts, storage = self.facts.copy(), below.facts & 0x7
        at = self._compose_units(below, unit, facts)
        if not len(at):
            return Extents(self.edges, facts, self.host)
        start = self.host.take(at)
        end = start + self.edges.take(at + 1) - self.edges.take(at)
        first = _holding(below.edges, start)
        more = _holding(below.edges, end - 1) - first
        facts[at] |= storage.take(first)
        if not more.any():
            return Extents(self.edges, facts, self.host)
        if int(more.sum()) > len(below) + _OVERLAP:
            raise MemoryError
        # each edge below that lies inside a host range starts one run more
        cut = np.flatnonzero(more)
        cuts = more.take(cut)
        nth = np.arange(int(cuts.sum())) - np.repeat(np.cumsum(cuts) - cuts, cuts)
        piece = np.repeat(first.take(cut), cuts) + 1 + nth
        run = np.repeat(at.take(cut), cuts)
        host = below.edges.take(piece)
        return Extents(
            np.insert(self.edges, run + 1, self.edges.take(run) + host - self.host.take(run)),
            np.insert(facts, run + 1, self.facts.take(run) | storage.take(piece)),
            np.insert(self.host, run + 1, host),
        ).coalesce()

    def _compose_units(self, below: Extents, unit: int, facts: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Put storage into the facts of runs that lie in one unit each, and return the others, (m,).

        That is, of those that have a host offset, in units of one storage: these are looked up in a table::

            below    ├─────── DATA ───────┼─ HOLE ──┤
            units    ├────┼────┼────┼────┼────┼────┤
            table     D    D    D    D    ?    H
        """
        base, last = below.start // unit, -(-below.end // unit)
        if last - base > _MOST_UNITS * len(self):
            return np.flatnonzero(self.host != NO_HOST)
        edges = below.edges[1:-1]
        # the unit in which a run is the first time the one that holds its first byte
        firsts = -(-edges // unit) - base
        # runs without a host offset find the entry before the first
        table = np.zeros(1 + last - base, np.uint8)
        table[1:] = np.repeat(below.facts & 0x7, np.diff(firsts, prepend=0, append=last - base))
        table[1 + edges[edges % unit != 0] // unit - base] = _SEVERAL
        shift, others = unit.bit_length() - 1, []
        for part in blocks(len(self)):
            host = self.host[part]
            storage = table.take((host >> shift) - (base - 1), mode="clip")
            is_other = (host & (unit - 1)) + self._lengths(part) > unit
            is_other &= host != NO_HOST
            is_other |= storage == _SEVERAL
            storage[is_other] = 0
            facts[part] |= storage
            others.append(np.flatnonzero(is_other) + part.start)
        return np.concatenate(others)

    def _lengths(self, part: slice) -> NDArray[np.int64]:
        return self.edges[part.start + 1 : part.stop + 1] - self.edges[part]

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
                lengths = edges[1:][part] - edges[:-1][part]
                goes_on = np.where(before == NO_HOST, after == NO_HOST, after - before == lengths)
                np.logical_not(equal[part] & goes_on, out=starts[1:][part])
    return starts


def _holding(edges: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.signedinteger]:
    """Return for each of n > 0 offsets inside a window the index of the run that holds it, (n,).

    The same as a search for each.  Where offsets are many and share a unit, the units are counted off once::

        edges    0           5     7              10
        units    0   2   4   6   8        runs that start at or before each
        runs     0   0   0   1   2
    """
    low, high = int(offsets.min()), int(offsets.max())
    apart = int(np.bitwise_or.reduce(offsets - low))
    unit = apart & -apart
    units = (high - low) // unit + 1 if unit else 1
    if not unit or units > _MOST_UNITS * len(offsets):
        return np.searchsorted(edges, offsets, side="right") - 1
    first, last = np.searchsorted(edges, [low, high], side="right").tolist()
    # the unit in which a run is the first time the one that holds its first byte
    firsts = -((low - edges[first:last]) // unit)
    runs = np.repeat(np.arange(first - 1, last, dtype=np.int32), np.diff(firsts, prepend=0, append=units))
    return runs.take((offsets - low) // unit)
