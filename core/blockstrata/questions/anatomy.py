"""What each byte of an image's file is for.

The references that ``check`` counts are marked on the host clusters that they name, a window of clusters
after the other, so that memory is bounded; tables that name nothing in a window are not read for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.errors import UnsupportedError
from blockstrata.facts.codes import Storage
from blockstrata.facts.node import HostNode
from blockstrata.formats.qcow2.node import HeaderNode, Qcow2Node
from blockstrata.graph.chain import Layer
from blockstrata.questions.checking.canvas import NO_GUEST, NOBODY, USES, HostRuns, HostUse
from blockstrata.questions.checking.findings import Findings
from blockstrata.questions.checking.host_walk import HostWalk, Sums, one_run
from blockstrata.questions.checking.named import distinct, read_named
from blockstrata.questions.checking.tick import Tick, no_tick
from blockstrata.questions.checking.users import User, UserSearch

_SNAPSHOTS: Final = (HostUse.SNAPSHOT_L1, HostUse.SNAPSHOT_L2, HostUse.SNAPSHOT_DATA)
_BITMAPS: Final = (HostUse.BITMAP_TABLE, HostUse.BITMAP_DATA)


@dataclass(frozen=True, slots=True)
class HostRun:
    """A run of host bytes, and who uses it, as far as it is anybody.

    ``host`` and ``length`` in bytes; ``guest``: the guest byte that stands at ``host``, or the first that an
    L2 table maps, or the first of several compressed clusters; ``snapshot`` its ID, ``bitmap`` its name;
    ``index`` in the L1 table or the refcount table, of what these name.
    """

    host: int
    length: int
    use: HostUse
    guest: int | None = None
    snapshot: str | None = None
    bitmap: str | None = None
    index: int | None = None


class Anatomy:
    """The file of one layer, as it is taken apart.

    ``length`` and ``cluster_size`` in bytes, the latter 1 for raw; ``data_file`` names the external data
    file, in which each of the guest's bytes lies where the guest has it; ``snapshots`` their IDs,
    ``bitmaps`` their names; ``sums`` what was found so far.
    """

    def __init__(self, layer: Layer) -> None:
        node = layer.node
        if isinstance(node, HeaderNode):
            raise node.refusal
        if not isinstance(node, Qcow2Node) and node.driver != "raw":
            raise UnsupportedError(node.name, "", f"{node.driver} images have no anatomy, only qcow2 and raw")
        layer.check_open()
        self.filename, self.format, self.file = node.name, node.driver, node.file
        self.length = node.file.length
        self.cluster_size = 1
        self.data_file: str | None = None
        self.snapshots: tuple[str, ...] = ()
        self.bitmaps: tuple[str, ...] = ()
        self.sums = Sums()
        self._node = node
        self._span = 0
        if isinstance(node, Qcow2Node):
            self.cluster_size, self._span = node.header.cluster_size, node.header.l2_span
            self.snapshots = tuple(each.id for each in node.read_snapshots())
            self.bitmaps = tuple(each.name for each in node.read_bitmaps())
            self.data_file = node.host.name if node.host is not node.file else None

    def windows(self, tick: Tick = no_tick) -> Iterator[HostRuns]:
        """Yield the runs, many at a time, gapless from 0 to the file's length; :attr:`sums` grow with them.

        What is named past the file's end comes last, in runs with gaps between them, at most 10,000.
        Errors as :func:`.check` has them.
        """
        self.sums = Sums()
        if not isinstance(self._node, Qcow2Node):
            whole = one_run(0, self.length, HostUse.DATA, 0)
            yield from self._summed(iter([whole] if self.length else []))
            return
        walk = HostWalk(self._node, read_named(self._node), self.sums, tick)
        yield from self._summed(walk.runs())
        yield from walk.beyond_end()

    def _summed(self, found: Iterator[HostRuns]) -> Iterator[HostRuns]:
        for runs in found:
            _add_storage(self.file, runs, self.sums.by_use)
            yield runs

    def __iter__(self) -> Iterator[HostRun]:
        """Yield the runs one by one."""
        for runs in self.windows():
            yield from self.told(runs)

    def told(self, runs: HostRuns) -> Iterator[HostRun]:
        """Yield the runs of a window one by one."""
        columns = (runs.edges[:-1], np.diff(runs.edges), runs.use, runs.guest, runs.owner)
        for host, length, number, guest, owner in zip(*(each.tolist() for each in columns), strict=True):
            if length:
                yield self._told(host, length, USES[number], None if guest == NO_GUEST else guest, owner)

    def _told(self, host: int, length: int, use: HostUse, guest: int | None, owner: int) -> HostRun:
        snapshot = self.snapshots[owner] if use in _SNAPSHOTS and owner != NOBODY else None
        bitmap = self.bitmaps[owner] if use in _BITMAPS and owner != NOBODY else None
        index = owner if use is HostUse.REFCOUNT_BLOCK else None
        if use in (HostUse.L2, HostUse.SNAPSHOT_L2) and guest is not None:
            index = guest // self._span
        return HostRun(host, length, use, guest, snapshot, bitmap, index)

    def users_of(self, host: int) -> tuple[list[User], int]:
        """Return who uses a byte of the file: the first few, and how many there are.

        Compressed clusters are users of the sectors that they may lie in, so that two may meet in one.
        """
        if not isinstance(self._node, Qcow2Node):
            return [User("the guest", host)], 1
        header, named = self._node.header, read_named(self._node)
        cluster = host >> header.cluster_bits
        search = UserSearch(self.file, header, Findings(self.snapshots), np.array([cluster]), host)
        found = search.find(named.metadata, named.tables, named.blocks)[cluster]
        return found.first, found.count

    def storage(self) -> Iterator[tuple[int, int, Storage]]:
        """Yield the file's own runs, as its file system has them: host byte, length, storage."""
        found = self.file.extents(0, self.length)
        first, edges = found.stretches(found.facts & 7)
        for at, start, end in zip(first.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            yield start, end - start, Storage(int(found.facts[at]) & 7)


def anatomy(layer: Layer) -> Anatomy:
    """Return the anatomy of the file of one layer of a chain, qcow2 or raw; nothing below is looked at.

    The file is read as one goes through it.  ``UnsupportedError`` for other formats; why an image could
    not be opened at all.
    """
    return Anatomy(layer)


def _add_storage(file: HostNode, runs: HostRuns, by_use: NDArray[np.int64]) -> None:
    """Add the bytes of runs by use and storage."""
    start, end = int(runs.edges[0]), int(runs.edges[-1])
    if start == end:
        return
    stored = file.extents(start, end - start)
    edges = distinct(np.concatenate([runs.edges, stored.edges]))
    use = runs.use[np.searchsorted(runs.edges, edges[:-1], side="right") - 1]
    storage = stored.facts[np.searchsorted(stored.edges, edges[:-1], side="right") - 1] & 7
    np.add.at(by_use, (use, storage), np.diff(edges))
