"""What every part of a check does: count references, hold COPIED flags against refcounts, tell faults."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.node import whole_sectors
from blockstrata.formats.qcow2.header import Header
from blockstrata.formats.qcow2.refcount_blocks import RefcountTable
from blockstrata.questions.checking.counter import Counter
from blockstrata.questions.checking.findings import Entries, Findings, Places, Severity
from blockstrata.questions.checking.rows import Times, chosen, summed
from blockstrata.questions.checking.spans import Spans


class Tally:
    """The sums of one check, and the counter of the window of host clusters that is being looked at.

    ``top`` is the first cluster that is not compared: what ends behind the file may need one more than the
    file has.  ``reached`` is the host byte up to which is named what QEMU does not count, as it begins in the
    file and ends past it.  ``is_first``: the window is the first one, in which is told what all of them see.
    """

    def __init__(self, header: Header, length: int, table: RefcountTable, findings: Findings) -> None:
        """``length``: bytes of the file."""
        self.header, self.table, self.findings = header, table, findings
        self.size, self.bits = header.cluster_size, header.cluster_bits
        self.length = whole_sectors(length)
        self.top = -(-self.length // self.size)
        self.end = self.top + 2
        self.missing = -self.length % self.size
        """Bytes that the file lacks of its last cluster."""
        self.corruptions = self.reached = 0
        self.is_first = True
        self.counter = Counter(table, 0, 0)

    def open_window(self, first: int, last: int) -> None:
        """Go on to the clusters ``first`` up to ``last``."""
        self.is_first = first == 0
        self.counter = Counter(self.table, first, last)

    def fault(
        self,
        kind: str,
        says: str,
        which: NDArray[np.bool_],
        times: Times,
        at: Entries | Places,
        host: NDArray[np.int64] | None = None,
    ) -> None:
        """Count and tell faults of some of n entries; of the first window alone, as others see them again."""
        if not self.is_first or not which.any():
            return
        self.corruptions += summed(times, which)
        place = None if host is None else host[which]
        self.findings.add_entries(kind, Severity.CORRUPTION, at.take(which), says, place, self.size)

    def warn(
        self,
        kind: str,
        says: str,
        which: NDArray[np.bool_],
        at: Entries | Places,
        host: NDArray[np.int64] | None = None,
    ) -> None:
        """Tell faults that QEMU does not count of some of n entries."""
        if self.is_first and which.any():
            place = None if host is None else host[which]
            self.findings.add_entries(kind, Severity.WARNING, at.take(which), says, place, self.size)

    def count(
        self, host: NDArray[np.int64], length: NDArray[np.int64] | int, times: Times
    ) -> NDArray[np.bool_] | None:
        """Count references to n runs of host bytes, int64 (n,); return those past the file's end, bool (n,).

        QEMU counts none that ends a cluster or more past the file's end, and None are most.
        """
        beyond = self.beyond(host, length, times)
        if beyond is not None:
            host, times = host[~beyond], chosen(times, ~beyond)
            length = length if isinstance(length, int) else length[~beyond]
        self.top = max(self.top, self.counter.add_bytes(host, length, times, self.bits))
        return beyond

    def beyond(
        self, host: NDArray[np.int64], length: NDArray[np.int64] | int, times: Times
    ) -> NDArray[np.bool_] | None:
        """Return which of n runs end a cluster or more past the file's end, bool (n,), each a corruption."""
        if not len(host) or int(host.max()) + int(np.max(length)) - self.length < self.size:
            return None
        past = host + length - self.length >= self.size
        if not past.any():
            return None
        if self.is_first:
            self.corruptions += summed(times, past)
            if int(host[past].min()) < self.length:
                self.reached = self.length
        return past

    def cut(self, host: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Return which of n clusters at host bytes the file ends in, bool (n,); None for no one."""
        last = self.length - self.length % self.size
        found = host == last
        return found if self.missing and self.is_first and found.any() else None

    def says_cut(self, what: str) -> str:
        """Return what is wrong with a cluster that the file ends in; QEMU counts nothing for it."""
        return f"the file ends {self.missing} bytes before {what} does: what lay there reads as zeroes"

    def count_spans(self, spans: Spans) -> None:
        """Count references to spans of clusters."""
        self.counter.add_spans(spans)
        self.top = max(self.top, int(spans.last.max(initial=0)))

    def copied(
        self, host: NDArray[np.int64], is_set: NDArray[np.bool_], times: Times
    ) -> NDArray[np.bool_] | None:
        """Count COPIED flags that do not say that the stored refcount is 1, bool (n,); None where all fit."""
        clusters = host >> self.bits
        wrong = self.counter.contradicts(clusters, is_set)
        if self.is_first and len(clusters) and int(clusters.max()) >= self.end:
            far = np.flatnonzero(clusters >= self.end)
            refcounts, unreadable = self.table.refcounts(clusters[far])
            wrong = np.zeros(len(host), np.bool_) if wrong is None else wrong
            wrong[far] = ((refcounts == 1) != is_set[far]) & ~unreadable
        if wrong is not None:
            self.corruptions += summed(times, wrong)
        return wrong

    def tell_copied(
        self,
        wrong: NDArray[np.bool_],
        is_set: NDArray[np.bool_],
        at: Entries | Places,
        host: NDArray[np.int64],
    ) -> None:
        """Tell of flags that do not fit."""
        for value, says in (
            (
                True,
                "marked as its only user (COPIED), but the refcount is not 1: a write changes data of others",
            ),
            (
                False,
                "not marked as its only user (COPIED), but the refcount is 1: writes copy it needlessly",
            ),
        ):
            some = wrong & (is_set == value)
            if some.any():
                self.findings.add_entries(
                    "copied", Severity.CORRUPTION, at.take(some), says, host[some], self.size
                )
