"""Extents built piece by piece.

What is known of a large disk is many times what a processor keeps close, and memory that was never used
before costs more than all else that is done with a run.  So runs are made in small pieces, in memory that is
used again and again, and stored once, where they stay::

    pieces    ├ a ┼ b ┼ c ┤  ├ c ┼ d ┤  ├ e ┤
    built     ├ a ┼ b ┼ c ─────┼ d ──┼─ e ──┤ room
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import NO_HOST
from blockstrata.facts.extents import Extents, fewest, further

_ROOM: Final = 1 << 21
"""Runs that there is room for before it is known that they come: none of it is used until they do."""

_WASTE: Final = 8
"""How many times the room that they need runs may keep."""


class Runs(NamedTuple):
    """n runs without ends, each up to the next: starts and host offsets int64 (n,), facts uint8 (n,)."""

    starts: NDArray[np.int64]
    facts: NDArray[np.uint8]
    host: NDArray[np.int64]


class ExtentsBuilder:
    """Takes runs in ascending order, the fewest that say the same.  ``most``: as many as are expected."""

    def __init__(self, most: int) -> None:
        self._most = min(most, _ROOM)
        self._count = 0
        self._room = _room(0)

    def add(self, runs: Runs) -> None:
        """Add runs behind those that are there; the last of these ends where the first one added starts."""
        starts, facts, host = fewest(*runs)
        if self._count and self._goes_on(starts[:1], facts[:1], host[:1]):
            starts, facts, host = starts[1:], facts[1:], host[1:]
        part = slice(self._count, self._count + len(starts))
        if part.stop > len(self._room.facts):
            # often the first runs are all
            self._move(max(part.stop, 2 * len(self._room.facts), self._most if self._count else 0))
        self._count = part.stop
        _put(self._room, part, Runs(starts, facts, host))

    def _goes_on(self, start: NDArray[np.int64], fact: NDArray[np.uint8], host: NDArray[np.int64]) -> bool:
        """Say whether a run goes on from the last one, (1,) each."""
        last = slice(self._count - 1, self._count)
        room = self._room
        goes_on = further(room.host[last], start - room.starts[last]) == host
        return bool(goes_on and room.facts[last] == fact)

    def _move(self, most: int) -> None:
        part, before = slice(self._count), self._room
        self._room = _room(most)
        _put(self._room, part, Runs(before.starts[part], before.facts[part], before.host[part]))

    def window(self, start: int, end: int) -> Extents:
        """Return the runs from ``start`` up to ``end``, which must lie in what was added.

        It is the last call: the arrays are the window's from then on.
        """
        starts = self._room.starts[: self._count]
        first = int(np.searchsorted(starts, start, side="right")) - 1
        last = int(np.searchsorted(starts, end))
        edges = self._room.starts[first : last + 1]
        facts, host = self._room.facts[first:last], self._room.host[first:last]
        if host[0] != NO_HOST:
            host[0] += start - edges[0]
        edges[0], edges[-1] = start, end
        if _WASTE * (last - first) < len(self._room.facts):
            edges, facts, host = edges.copy(), facts.copy(), host.copy()
        return Extents(edges, facts, host)


def _put(room: Runs, part: slice, runs: Runs) -> None:
    room.starts[part], room.facts[part], room.host[part] = runs


def _room(runs: int) -> Runs:
    """Return arrays for runs, and one edge more: in one piece, for which Linux has its largest pages."""
    room = np.empty(17 * runs + 8, np.uint8)
    starts, host, facts = np.split(room, [8 * runs + 8, 16 * runs + 8])
    return Runs(starts.view(np.int64), facts, host.view(np.int64))
