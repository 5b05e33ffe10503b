"""References to host clusters counted, beside what the image itself says of them.

One uint32 a cluster, so that what is asked of a cluster while it is counted costs one look::

    31                       30                        29 ───────── 0
    stored refcount is 1     it cannot be read         references found
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.formats.qcow2.refcount_blocks import RefcountTable
from blockstrata.formats.qcow2.stored import counting
from blockstrata.questions.checking.spans import Spans

IS_ONE: Final = np.uint32(1 << 31)
UNREADABLE: Final = np.uint32(1 << 30)
COUNT: Final = np.uint32((1 << 30) - 1)
_MOST: Final = 1 << 29
"""References to one cluster that are counted."""
_COMPARED: Final = 1 << 18
"""Clusters that are compared at once."""


class TooOftenError(Exception):
    """A cluster is named more often than is counted."""


class Compared(NamedTuple):
    """What does not fit in a stretch of clusters.

    ``start`` its first; ``high`` and ``low`` int64, clusters whose stored refcount is too high or too low;
    ``over`` int64, for each cluster of the stretch how many references its refcount has no room for; often
    empty.
    """

    start: int
    high: NDArray[np.int64]
    low: NDArray[np.int64]
    over: NDArray[np.int64]


class Counter:
    """Counts references to the clusters ``first`` up to ``last``; what names others is left out."""

    def __init__(self, table: RefcountTable, first: int, last: int) -> None:
        self.first = first
        self.last = last
        self.highest = 0
        """The last cluster that is in use by what is stored or counted, once they were compared."""
        self._table = table
        self._words = np.zeros(last - first, np.uint32)
        self._spent = 0
        for start, refcounts in self._table.stretches(self.first, self.last):
            is_one = refcounts == 1
            flags = IS_ONE if is_one.all() else is_one * IS_ONE
            self._words[start : start + len(refcounts)] = flags
        for start, end in table.unreadable_runs(first, last):
            self._words[start - first : end - first] = UNREADABLE

    def at(self, clusters: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return what is known of clusters of the window, uint32 (n,)."""
        return self._words[clusters - self.first]

    def contradicts(self, clusters: NDArray[np.int64], is_one: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Return where it is not so that the stored refcount is 1 or not, bool (n,); None for nowhere.

        Nothing contradicts outside the window, or where a refcount cannot be read.
        """
        known = None
        if len(clusters) and (self.first or int(clusters.max()) >= self.last):
            known = (clusters >= self.first) & (clusters < self.last)
            clusters = np.where(known, clusters, self.first)
        words = self._words[clusters - self.first]
        wrong = (words >= IS_ONE) != is_one
        if known is not None:
            wrong &= known
        if not wrong.any():
            return None
        return np.asarray(wrong & (words & UNREADABLE == 0), np.bool_)

    def add_bytes(
        self,
        host: NDArray[np.int64],
        length: NDArray[np.int64] | int,
        times: NDArray[np.int64] | int,
        bits: int,
    ) -> int:
        """Count references to all clusters that runs of host bytes touch; return the first behind them."""
        if not len(host):
            return 0
        first, last = host >> bits, host + (length - 1) >> bits
        spans = last - first
        if spans.any():
            group, nth = counting(spans + 1)
            first = first[group] + nth
            times = times if isinstance(times, int) else times[group]
        self.add(first, times)
        return int(last.max()) + 1

    def add(self, clusters: NDArray[np.int64], times: NDArray[np.int64] | int) -> None:
        """Count ``times`` references to each of some clusters; ``TooOftenError``."""
        at = clusters - self.first
        if len(at) and (self.first or int(at.max()) >= len(self._words)):
            inside = (at >= 0) & (at < len(self._words))
            at, times = at[inside], times if isinstance(times, int) else times[inside]
        if not len(at):
            return
        self._spend(at, times)
        more = np.uint32(times) if isinstance(times, int) else times.astype(np.uint32)
        np.add.at(self._words, at, more)

    def add_spans(self, spans: Spans) -> None:
        """Count references to all clusters of spans; ``TooOftenError``."""
        size = len(self._words)
        first, last = (np.clip(each - self.first, 0, size) for each in (spans.first, spans.last))
        self._spend(first, spans.times)
        for start, end, times in zip(first.tolist(), last.tolist(), spans.times.tolist(), strict=True):
            self._words[start:end] += np.uint32(times)

    def in_spans(self, spans: Spans) -> Iterator[tuple[int, NDArray[np.uint32]]]:
        """Yield stretches of the clusters of spans, ascending: the first, and how many references to each."""
        for start, end in zip(spans.first.tolist(), spans.last.tolist(), strict=True):
            for at in range(max(start, self.first), min(end, self.last), _COMPARED):
                words = self._words[at - self.first : min(end - self.first, at - self.first + _COMPARED)]
                yield at, words & COUNT

    def add_sole_users(self, clusters: NDArray[np.int64], lengths: NDArray[np.int64]) -> bool:
        """Count one reference to each of some runs of clusters, if all stored refcounts of them are 1.

        Say whether that was so; otherwise nothing is counted.  Runs must lie before the file's end.
        """
        starts, ends = (clusters - self.first).tolist(), (clusters - self.first + lengths).tolist()
        runs = [self._words[start:end] for start, end in zip(starts, ends, strict=True) if start >= 0]
        if sum(map(len, runs)) < int(lengths.sum()):
            return False  # they go on in another window
        if not all(bool(np.bitwise_and.reduce(run) & IS_ONE) for run in runs):
            return False
        self._spend(clusters, lengths)
        for run in runs:
            np.add(run, np.uint32(1), out=run)
        return True

    def _spend(self, at: NDArray[np.int64], times: NDArray[np.int64] | int) -> None:
        """Make sure that no count runs over into the bits above it."""
        total = times * len(at) if isinstance(times, int) else int(times.sum())
        self._spent += total
        if self._spent < _MOST:
            return
        if total >= _MOST:
            weights = np.broadcast_to(times, at.shape)
            _, which = np.unique(at, return_inverse=True)
            if np.bincount(which, weights).max() >= _MOST:
                raise TooOftenError
        for start in range(0, len(self._words), _COMPARED):
            if int((self._words[start : start + _COMPARED] & COUNT).max()) >= _MOST:
                raise TooOftenError
        self._spent = total

    def compared(self, last: int, unreadable: Sequence[tuple[int, int]]) -> Iterator[Compared]:
        """Yield what does not fit of the clusters up to ``last``; counts are used up by it.

        ``unreadable``: runs of clusters that are not compared.  Of others what is not stored is 0.
        """
        size = last - self.first
        highest = -1
        for start, stored in self._table.stretches(self.first, self.last):
            for at in range(0, len(stored), _COMPARED):
                part = stored[at : at + _COMPARED][: max(0, size - start - at)]
                words = self._words[start + at : start + at + len(part)]
                found, over = self._capped(words & COUNT)
                words[:] = 0
                end = start + at + len(part)
                used = np.flatnonzero(found[-1:] | part[-1:]) + len(part) - 1
                if not len(used):
                    used = np.flatnonzero((found != 0) | (part != 0))
                if len(used):
                    highest = max(highest, end - len(part) + int(used[-1]))
                yield from self._differing(start + at, part, found, over)
        for start, end in unreadable:
            words = self._words[start - self.first : end - self.first]
            _, over = self._capped(words & COUNT)
            words[:] = 0
            if len(over):
                yield Compared(start, _NONE, _NONE, over)
        for at in range(0, size, _COMPARED):
            words = self._words[at : min(size, at + _COMPARED)]
            if not words.any():
                continue
            found, over = self._capped(words & COUNT)
            used = np.flatnonzero(found)
            if len(used):
                highest = max(highest, at + int(used[-1]))
            yield from self._differing(at, np.zeros(len(found), np.uint8), found, over)
        self.highest = self.first + highest if highest >= 0 else 0

    def _capped(self, found: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return counts as a counter as wide as the refcounts has them, and what it has no room for."""
        most = self._table.most
        if most >= _MOST or not len(found) or int(found.max()) <= most:
            return found, _NONE
        return np.minimum(found, np.uint32(most)), np.maximum(found.astype(np.int64) - most, 0)

    def _differing(
        self, start: int, stored: NDArray[Any], found: NDArray[np.uint32], over: NDArray[np.int64]
    ) -> Iterator[Compared]:
        wrong = np.flatnonzero(stored != found)
        if len(wrong) or len(over):
            first = self.first + start
            high = stored[wrong] > found[wrong]
            yield Compared(first, first + wrong[high], first + wrong[~high], over)


_NONE: Final = np.empty(0, np.int64)
