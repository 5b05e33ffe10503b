"""Who names a cluster: looked for where one is named by several, or by more than its refcount says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.node import HostNode
from blockstrata.formats.qcow2.header import Header
from blockstrata.formats.qcow2.metadata import Metadata, Use
from blockstrata.formats.qcow2.refcount_blocks import RefcountTable
from blockstrata.formats.qcow2.references import Batch, L2Tables, l2_batches
from blockstrata.formats.qcow2.tables import COMPRESSED, OFFSET_MASK, compressed_spans
from blockstrata.questions.checking.findings import Findings, Places

_NAMED: Final = 3
"""Users that are told of each cluster."""
_NOWHERE: Final = -(1 << 40)
_PER_BATCH: Final = 1000
"""Entries of a batch that are told; the others name the same few clusters."""


@dataclass(slots=True)
class Users:
    """Who names one cluster: the first few in words, how many there are, and where one of them is read."""

    names: list[str] = field(default_factory=list)
    guest: int | None = None

    def add(self, name: str, guest: int | None = None) -> None:
        """Add one."""
        if len(self.names) < _NAMED:
            self.names.append(name)
        if self.guest is None:
            self.guest = guest

    def __str__(self) -> str:
        """Return them in words."""
        return " and ".join(self.names)


class UserSearch:
    """Looks through all that names clusters for the users of a few."""

    def __init__(self, file: HostNode, header: Header, findings: Findings) -> None:
        self._file, self._header, self._findings = file, header, findings

    def find(
        self,
        clusters: NDArray[np.int64],
        metadata: Metadata,
        tables: L2Tables,
        blocks: RefcountTable,
    ) -> dict[int, Users]:
        """Return the users of clusters, int64 (n,) ascending, by cluster."""
        found = {cluster: Users() for cluster in clusters.tolist()}
        bits = self._header.cluster_bits
        for use, host, length, owner in metadata.regions:
            low, high = np.searchsorted(clusters, [host >> bits, (host + length - 1 >> bits) + 1])
            name = self._findings.region_name(use, owner)
            for cluster in clusters[low:high].tolist():
                found[cluster].add(name)
        for row, cluster in self._hits(clusters, metadata.bits, self._header.cluster_size):
            found[cluster].add(self._findings.region_name(Use.BITMAP_DATA, int(metadata.bits_of[row])))
        offsets = blocks.offsets[blocks.offsets != 0].astype(np.int64)
        for use, hosts in ((Use.L2, tables.host), (Use.REFCOUNT_BLOCK, offsets)):
            for row, cluster in self._hits(clusters, hosts, self._header.cluster_size):
                found[cluster].add(f"the {use} at {int(hosts[row]):#x}")
        for batch in l2_batches(self._file, self._header, tables):
            self._look(batch, clusters, found)
        return found

    def _hits(
        self, clusters: NDArray[np.int64], host: NDArray[np.int64], length: NDArray[np.int64] | int
    ) -> Iterator[tuple[int, int]]:
        """Yield which of n runs of host bytes touch a cluster, and which they touch first."""
        bits = self._header.cluster_bits
        low = np.searchsorted(clusters, host >> bits)
        high = np.searchsorted(clusters, host + (length - 1) >> bits, side="right")
        rows = np.flatnonzero(high > low)[:_PER_BATCH]
        yield from zip(rows.tolist(), clusters[low[rows]].tolist(), strict=True)

    def _look(self, batch: Batch, clusters: NDArray[np.int64], found: dict[int, Users]) -> None:
        words = batch.words[:, 0] if self._header.extended_l2 else batch.words
        compressed = words & np.uint64(COMPRESSED) != 0
        length = np.full(len(words), self._header.cluster_size, np.int64)
        host = (words & np.uint64(OFFSET_MASK)).astype(np.int64)
        if self._header.has_data_file:
            host[:] = _NOWHERE
        host[host == 0] = _NOWHERE
        host[compressed], length[compressed] = compressed_spans(self._header, words[compressed])
        hits = list(self._hits(clusters, host, length))
        at = Places(batch, np.array([row for row, _ in hits], np.int64), self._header).entries()
        for nth, (_, cluster) in enumerate(hits):
            found[cluster].add(self._findings.entry_name(at, nth, nth), int(at.guest[nth]))
