"""Who names a cluster: looked for where one is named by several, or by more than its refcount says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.node import HostNode
from blockstrata.formats.qcow2.header import Header
from blockstrata.formats.qcow2.metadata import Metadata, Use
from blockstrata.formats.qcow2.refcount_blocks import RefcountTable
from blockstrata.formats.qcow2.references import Batch, L2Tables, l2_batches
from blockstrata.formats.qcow2.stored import counting
from blockstrata.questions.checking.findings import Findings, Places
from blockstrata.questions.checking.rows import rows_of

_NAMED: Final = 3
_LISTED: Final = 100
"""Users that are told of each of many clusters, and of one."""
_NOWHERE: Final = -(1 << 40)
_AT_ONCE: Final = 1 << 20
"""References that are looked through at once."""


_Names = Callable[[NDArray[np.intp]], Iterable[tuple[str, int | None]]]
"""Gives what some rows are in words, and the guest bytes that are read there."""


class User(NamedTuple):
    """Who names a cluster, in words, and the guest byte that is read there, None where none is."""

    name: str
    guest: int | None = None


@dataclass(slots=True)
class Users:
    """Who names one cluster: the first few in words, and how many there are."""

    first: list[User] = field(default_factory=list)
    count: int = 0
    guest: int | None = None

    def add(self, user: User, most: int) -> None:
        """Add one in words, if they are not ``most`` yet."""
        if len(self.first) < most:
            self.first.append(user)
        if self.guest is None:
            self.guest = user.guest

    def __str__(self) -> str:
        """Return them in words."""
        more = self.count - len(self.first)
        return " and ".join([*(each.name for each in self.first), *([f"{more} more"] if more else [])])


class UserSearch:
    """Looks through all that names clusters for the users of a few: int64 (n,), ascending."""

    def __init__(
        self,
        file: HostNode,
        header: Header,
        findings: Findings,
        clusters: NDArray[np.int64],
        byte: int | None = None,
    ) -> None:
        """``byte``: of compressed clusters those alone count that may reach to this host byte."""
        self._byte, self._most = byte, _NAMED if byte is None else _LISTED
        self._file, self._header, self._findings, self._clusters = file, header, findings, clusters
        self._found = [Users() for _ in clusters]
        self._count = np.zeros(len(clusters), np.int64)
        self._is_read = np.zeros(len(clusters), np.bool_)

    def find(self, metadata: Metadata, tables: L2Tables, blocks: RefcountTable) -> dict[int, Users]:
        """Return the users by cluster."""
        named, size = self._findings.region_name, self._header.cluster_size
        regions, step = metadata.regions, max(1, _AT_ONCE // len(self._clusters))
        for at in range(0, len(regions), step):
            some = regions[at : at + step]
            host, length = np.array([(each.host, each.length) for each in some], np.int64).T
            self._note(host, length, _unread([named(each.use, each.owner) for each in some].__getitem__))
        of = metadata.bits_of
        self._note(metadata.bits, size, _unread(lambda row: named(Use.BITMAP_DATA, int(of[row]))))
        offsets = blocks.offsets[blocks.offsets != 0].astype(np.int64)
        self._note(tables.host, size, _unread(lambda row: f"the {Use.L2} at {int(tables.host[row]):#x}"))
        self._note(offsets, size, _unread(lambda row: f"the {Use.REFCOUNT_BLOCK} at {int(offsets[row]):#x}"))
        for batch in l2_batches(self._file, self._header, tables):
            self._look(batch)
        for users, count in zip(self._found, self._count.tolist(), strict=True):
            users.count = count
        return dict(zip(self._clusters.tolist(), self._found, strict=True))

    def _note(self, host: NDArray[np.int64], length: NDArray[np.int64] | int, names: _Names) -> None:
        """Note which of n runs of host bytes touch a cluster; the first few are asked for their names."""
        bits = self._header.cluster_bits
        low = np.searchsorted(self._clusters, host >> bits)
        high = np.searchsorted(self._clusters, host + (length - 1) >> bits, side="right")
        rows = np.flatnonzero(high > low)
        group, nth = counting((high - low)[rows])
        rows, which = rows[group], low[rows][group] + nth
        lacking = (self._count < self._most) | ~self._is_read
        self._count += np.bincount(which, minlength=len(self._count))
        rows, which = rows[lacking[which]], which[lacking[which]]
        order = np.argsort(which, kind="stable")
        _, nth = counting(np.bincount(which))
        told = order[nth < self._most]
        for at, (name, guest) in zip(which[told].tolist(), names(rows[told]), strict=True):
            self._found[at].add(User(name, guest), self._most)
            self._is_read[at] |= guest is not None

    def _look(self, batch: Batch) -> None:
        found = None if self._header.has_data_file else rows_of(self._header, batch)
        if found is None:
            return
        compressed, (host, length) = found.compressed, found.spans(self._header)
        host[~(found.present | compressed)] = _NOWHERE
        into = np.zeros(len(host), np.int64)
        if self._byte is not None:
            into[~compressed] = self._byte - host[~compressed]
            host[compressed & ((host > self._byte) | (host + length <= self._byte))] = _NOWHERE

        def names(rows: NDArray[np.intp]) -> Iterator[tuple[str, int | None]]:
            at = Places(batch, found.rows[rows], self._header).entries()
            for nth, guest in enumerate((at.guest + into[rows]).tolist()):
                yield self._findings.entry_name(at, nth, nth), guest

        self._note(host, length, names)


def _unread(name: Callable[[int], str]) -> _Names:
    """Return the names of what no guest byte is read from."""
    return lambda rows: ((name(row), None) for row in rows.tolist())
