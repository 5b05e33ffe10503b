"""A qcow2 image as a source of facts."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from blockstrata.driver import whole_sectors
from blockstrata.errors import BadImageError, BadReferenceError, BlockstrataError
from blockstrata.extents import Extents, empty, join
from blockstrata.facts import NO_HOST, Mapping, Traits, fact
from blockstrata.formats.qcow2 import bitmaps, snapshots, tables
from blockstrata.formats.qcow2.directory import Directory, Kind, read_directory
from blockstrata.formats.qcow2.header import Encryption, Header, Incompatible, read_header
from blockstrata.formats.qcow2.refcounts import looks_preallocated
from blockstrata.formats.qcow2.tables import Entries, Runs, TableEntry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping as Dict

    from numpy.typing import NDArray

    from blockstrata.driver import Driver, HostNode
    from blockstrata.formats.qcow2.bitmaps import Bitmap, DirtyRuns
    from blockstrata.formats.qcow2.snapshots import Snapshot

_BATCH: Final = 1 << 19
"""Clusters, or subclusters, decoded at once: 4 MiB of table, enough to hide numpy's cost a call."""

_AT_ONCE: Final = 1 << 18
"""Bytes of table read at once: what a processor keeps close while it looks for the entries that matter."""

_WINDOW: Final = 1 << 20
"""As many in a window of :meth:`Qcow2Node.windows`: some tens of milliseconds."""

_UNALLOCATED = fact(Mapping.UNALLOCATED)
_INVALID = fact(Mapping.INVALID)


class Qcow2Node:
    """An open qcow2 image.

    ``file`` holds header and tables, ``data_file`` the guest's bytes if they are not in ``file`` too.
    ``snapshot``: the node reads as the disk did when that was taken, not as it does now.
    """

    driver = "qcow2"
    supports_backing = True

    def __init__(
        self,
        file: HostNode,
        header: Header,
        data_file: HostNode | None,
        snapshot: Snapshot | None = None,
    ) -> None:
        self.name = file.name
        self.length = snapshot.disk_size if snapshot else header.size
        self.header = header
        self.snapshot = snapshot
        self.file = file
        self.host: HostNode = data_file or file
        self.backing = header.backing
        self.backing_format = header.backing_format

    @cached_property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The internal snapshots; ``BadImageError`` if their table is malformed."""
        return snapshots.read_snapshots(self.file, self.header)

    @cached_property
    def bitmaps(self) -> tuple[Bitmap, ...]:
        """The persistent dirty bitmaps; ``BadImageError`` if their directory is malformed."""
        return bitmaps.read_bitmaps(self.file, self.header)

    def dirty_runs(self, name: str, start: int, length: int) -> DirtyRuns | None:
        """Return what a bitmap says of a range; None if there is no such bitmap.

        Of several of one name it is the first.  Errors as :func:`bitmaps.dirty_runs` has them.
        """
        found = next((each for each in self.bitmaps if each.name == name), None)
        if found is None:
            return None
        return bitmaps.dirty_runs(self.file, self.header, found, start, start + length)

    @cached_property
    def refusal(self) -> BlockstrataError | None:
        """Return what is wrong with snapshots or bitmaps, without which QEMU opens no image; reads them."""
        try:
            self.snapshots  # noqa: B018
            bitmaps.check_bitmaps(self.file, self.header, self.bitmaps)
        except BlockstrataError as error:
            return error
        return None

    @cached_property
    def traits(self) -> Traits:
        """Return what holds for the image as a whole; counts references the first time."""
        encrypted = self.header.encryption != Encryption.NONE
        return Traits(
            host_driver=self.host.traits.host_driver,
            encrypted=encrypted,
            recurse=not encrypted and looks_preallocated(self.file, self.header),
        )

    def extents(self, start: int, length: int) -> Extents:
        """Return the facts of a window of guest bytes, storage included."""
        if length == 0:
            return empty(start)
        end = start + length
        span = self.header.l2_span
        first, last = start // span, -(-end // span)
        batches = self._directory.batches(first, last, _BATCH)
        parts = [self._on_storage(self._mapped(*batch)) for *batch, _ in batches]
        return join(parts).cut(start, end)

    def windows(self) -> Iterator[tuple[int, int, int]]:
        """Yield windows that take a few batches of L2 tables each; what no table maps is in one of them."""
        span = self.header.l2_span
        for first, last, stored in self._directory.batches(0, self._l1_entries, _WINDOW):
            start, end = first * span, min(last * span, whole_sectors(self.length))
            yield start, end - start, stored

    def overview(self) -> Extents:
        """Return what the L1 table alone says of all the image; what L2 tables say is UNREAD."""
        size = whole_sectors(self.length)
        return self._directory.overview(size) if size else empty(0)

    def _on_storage(self, mapped: Extents) -> Extents:
        hosted = mapped.host >= 0
        if not hosted.any():
            return mapped
        low = int(mapped.host[hosted].min())
        high = int((mapped.host + mapped.lengths)[hosted].max())
        return mapped.compose(self.host.extents(low, high - low))

    def _mapped(self, first: int, last: int) -> Extents:
        """Return the facts of L1 entries ``first`` up to ``last``, storage left open.

        Where neither the L1 table nor a stored piece of an L2 table says anything, all is zeroes, so
        unallocated::

            L1       ·  ·  ·  A  A  A  A  B  B  B  B  ·  ·  ·  !  !
            pieces            ├──┤     ├──┼──┤     ├──┤
            invalid                                            ├──┤
            nothing  ├─ · · ·    ├ · ·       ├ · ·    ├─ · · ·
        """
        header, directory = self.header, self._directory
        start, end = first * header.l2_span, last * header.l2_span
        pieces, hosts = directory.stored(first, last)
        invalid, invalid_ends = directory.invalid(first, last)
        taken = np.concatenate([pieces, invalid])
        free = np.concatenate([[start], pieces + directory.piece_span, invalid_ends])
        free = free[(free < end) & ~np.isin(free, taken)]
        runs = [
            Runs(free, np.full(len(free), _UNALLOCATED, np.uint8), np.full(len(free), NO_HOST, np.int64)),
            Runs(
                invalid, np.full(len(invalid), _INVALID, np.uint8), np.full(len(invalid), NO_HOST, np.int64)
            ),
        ]
        if len(pieces):
            runs.append(tables.decode(header, self._telling(pieces, hosts)))
        starts, facts, host = (
            np.concatenate(each)
            for each in zip(*((part.starts, part.facts, part.host) for part in runs), strict=True)
        )
        if len(free) or len(invalid):
            order = np.argsort(starts, kind="stable")
            starts, facts, host = starts.take(order), facts.take(order), host.take(order)
        return Extents(np.append(starts, end), facts, host).coalesce()

    def _telling(self, guests: NDArray[np.int64], hosts: NDArray[np.int64]) -> Entries:
        """Return the entries that matter of pieces at host offsets; neighbours are read in one go."""
        piece = self._directory.piece
        parts = []
        for at in range(0, len(hosts), _AT_ONCE // piece):
            part = slice(at, at + _AT_ONCE // piece)
            words = np.frombuffer(self._read(hosts[part], piece), ">u8").astype(np.uint64)
            if self.header.extended_l2:
                words = words.reshape(-1, 2)
            parts.append(tables.telling(self.header, guests[part], words))
        return Entries(*map(np.concatenate, zip(*parts, strict=True)))

    def _read(self, hosts: NDArray[np.int64], piece: int) -> bytes:
        bounds = [0, *(np.flatnonzero(np.diff(hosts) != piece) + 1).tolist(), len(hosts)]
        return b"".join(self.file.read(int(hosts[at]), (end - at) * piece) for at, end in pairwise(bounds))

    @cached_property
    def _directory(self) -> Directory:
        """What the L1 table names.  A snapshot's may be shorter than the disk; the rest maps nothing."""
        state = self.snapshot or self.header
        return read_directory(
            self.file, self.header, state.l1_offset, min(self._l1_entries, state.l1_entries)
        )

    @property
    def _l1_entries(self) -> int:
        """How many entries of the L1 table the image's size needs."""
        return -(-self.length // self.header.l2_span)

    def entry_at(self, offset: int) -> TableEntry:
        """Return where in the tables a guest byte is mapped."""
        header = self.header
        l1_index, rest = divmod(offset, header.l2_span)
        l2_index = rest >> header.cluster_bits
        l1_entry = self._directory.word(l1_index)
        l2_offset = l1_entry & tables.OFFSET_MASK
        if l2_offset == 0 or l2_offset % header.cluster_size:
            return TableEntry(l1_index, l2_index, None, l1_entry, 0, None)
        size = header.l2_entry_size
        raw = self.file.read(l2_offset + l2_index * size, size)
        bitmap = int.from_bytes(raw[8:], "big") if header.extended_l2 else None
        return TableEntry(l1_index, l2_index, l2_offset, l1_entry, int.from_bytes(raw[:8], "big"), bitmap)

    def fault_at(self, offset: int) -> str:
        """Say why the entry that maps a guest byte is INVALID; an empty string if it is not."""
        at = offset // self.header.l2_span
        if self._directory.kind(at) is Kind.REPEATED:
            return f"L1 entry {at}: names an L2 table again, as too many entries of this L1 table do"
        return tables.explain(
            self.header, offset // self.header.cluster_size * self.header.cluster_size, self.entry_at(offset)
        )

    def features(self) -> Dict[str, object]:
        """Return the header's facts that change how the image is read or that users ask for."""
        header = self.header
        features: dict[str, object] = {
            "compat": "1.1" if header.version == 3 else "0.10",
            "cluster-size": header.cluster_size,
            "extended-l2": header.extended_l2,
            "compression-type": header.compression,
            "refcount-bits": 1 << header.refcount_order,
            "dirty": bool(header.incompatible & Incompatible.DIRTY),
            "corrupt": bool(header.incompatible & Incompatible.CORRUPT),
        }
        if header.encryption != Encryption.NONE:
            features["encryption"] = header.encryption.name.lower()
        return features

    def close(self) -> None:
        """Close the image, and its data file if it has one."""
        self.file.close()
        if self.host is not self.file:
            self.host.close()


def open_qcow2(file: HostNode, header: Header | None = None, data_file: HostNode | None = None) -> Qcow2Node:
    """Open a qcow2 image on a host node; ``BadImageError`` if its data file is missing or not wanted."""
    header = header or read_header(file)
    if header.has_data_file and data_file is None:
        raise BadImageError(file.name, "qcow2 data file", "is required for this image, and it names none")
    if data_file is not None and not header.has_data_file:
        raise BadImageError(file.name, "data-file", "is given, but the image has no external data file")
    return Qcow2Node(file, header, data_file)


def at_snapshot(node: Driver, wanted: str) -> Qcow2Node:
    """Return an image, its files shared, as it was when a snapshot was taken; it replaces the open node.

    ``wanted`` as :func:`snapshots.find_snapshot` takes it.  The backing reference stays the header's.
    ``BadReferenceError`` if there is no such snapshot, ``BadImageError`` if its tables are malformed; the
    node is closed then.
    """
    try:
        if not isinstance(node, Qcow2Node):
            raise BadReferenceError(
                node.name, f"snapshot '{wanted}'", f"{node.driver} images have no snapshots"
            )
        found = snapshots.find_snapshot(node.snapshots, wanted, node.name)
        snapshots.require_usable(found, node.name, node.header)
    except BlockstrataError:
        node.close()
        raise
    return Qcow2Node(node.file, node.header, None if node.host is node.file else node.host, found)
