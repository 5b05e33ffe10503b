"""A qcow2 image as a source of facts."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dict
from dataclasses import replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.errors import BadImageError, BadReferenceError, BlockstrataError
from blockstrata.facts.codes import Mapping, Storage, Traits, fact
from blockstrata.facts.compose import compose
from blockstrata.facts.extents import Extents, empty, join, uniform
from blockstrata.facts.node import Driver, HostNode, whole_sectors
from blockstrata.formats.qcow2 import bitmaps, snapshots, tables
from blockstrata.formats.qcow2.bitmaps import Bitmap, DirtyRuns
from blockstrata.formats.qcow2.directory import Directory, Kind, read_directory
from blockstrata.formats.qcow2.header import (
    MAX_REFCOUNT_ORDER,
    Autoclear,
    Compatible,
    Encryption,
    Header,
    Incompatible,
    read_header,
)
from blockstrata.formats.qcow2.mapping import mapped
from blockstrata.formats.qcow2.refcounts import looks_preallocated
from blockstrata.formats.qcow2.snapshots import Snapshot
from blockstrata.formats.qcow2.tables import TableEntry
from blockstrata.naming.options import Options, size_option, switch_of, text_of

_BEYOND: Final = fact(Mapping.PASSTHROUGH, Storage.BEYOND_EOF)

_WINDOW: Final = 1 << 19
"""As many in a window of :meth:`Qcow2Node.windows`: some tens of milliseconds."""

_MOST_CACHED: Final = 2**31 - 1
"""Clusters of refcounts that QEMU would cache."""


class _Image(Driver):
    """What a qcow2 image's header says."""

    driver = "qcow2"
    supports_backing = True

    def __init__(self, header: Header, file: HostNode, data_file: HostNode | None = None) -> None:
        super().__init__(file, data_file)
        self.header = header
        self.length = header.size
        self.backing = header.backing
        self.backing_format = header.backing_format

    def features(self) -> Dict[str, object]:
        """Return the header's facts that change how the image is read or that users ask for."""
        header, order = self.header, self.header.refcount_order
        features: dict[str, object] = {
            "compat": "1.1" if header.version == 3 else "0.10",
            "cluster-size": header.cluster_size,
            "extended-l2": header.extended_l2,
            "compression-type": header.compression,
            "lazy-refcounts": bool(header.compatible & Compatible.LAZY_REFCOUNTS),
            "refcount-bits": 1 << order if order <= MAX_REFCOUNT_ORDER else "unknown",
            "dirty": bool(header.incompatible & Incompatible.DIRTY),
            "corrupt": bool(header.incompatible & Incompatible.CORRUPT),
        }
        if unknown := header.unknown_compatible:
            features["unknown-compatible"] = unknown
        if unknown := header.unknown_autoclear:
            features["unknown-autoclear"] = unknown
        if header.has_data_file:
            features["data-file-raw"] = bool(header.autoclear & Autoclear.RAW_DATA_FILE)
        if header.encryption:
            features["encryption"] = header.encryption.name.lower()
        return features


class Qcow2Node(_Image):
    """An open qcow2 image.

    ``file`` holds header and tables, ``data_file`` the guest's bytes if they are not in ``file`` too.
    ``snapshot``: the node reads as the disk did when that was taken, not as it does now.
    """

    def __init__(
        self,
        file: HostNode,
        header: Header,
        data_file: HostNode | None,
        snapshot: Snapshot | None = None,
    ) -> None:
        super().__init__(header, file, data_file)
        if snapshot:
            self.length = snapshot.disk_size
        self.snapshot = snapshot
        self.is_encrypted = header.encryption != Encryption.NONE
        self._snapshots: tuple[Snapshot, ...] | None = None
        self._bitmaps: tuple[Bitmap, ...] | None = None

    def read_snapshots(self) -> tuple[Snapshot, ...]:
        """Return the internal snapshots; ``BadImageError`` if their table is malformed."""
        if self._snapshots is None:
            self._snapshots = snapshots.read_snapshots(self.file, self.header)
        return self._snapshots

    def read_bitmaps(self) -> tuple[Bitmap, ...]:
        """Return the persistent dirty bitmaps; ``BadImageError`` if their directory is malformed."""
        if self._bitmaps is None:
            self._bitmaps = bitmaps.read_bitmaps(self.file, self.header)
        return self._bitmaps

    def dirty_runs(self, name: str, start: int, length: int) -> DirtyRuns | None:
        """Return what a bitmap says of a range; None if there is no such bitmap.

        Of several of one name it is the first.  Errors as :func:`bitmaps.dirty_runs` has them.
        """
        found = next((each for each in self.read_bitmaps() if each.name == name), None)
        if found is None:
            return None
        return bitmaps.dirty_runs(self.file, self.header, found, start, start + length)

    def find_refusal(self) -> BlockstrataError | None:
        """Return what is wrong with snapshots or bitmaps, without which QEMU opens no image; reads them."""
        return self._refusal

    @cached_property
    def _refusal(self) -> BlockstrataError | None:
        try:
            self.read_snapshots()
            bitmaps.check_bitmaps(self.file, self.header, self.read_bitmaps())
        except BlockstrataError as error:
            return error
        return None

    def read_traits(self) -> Traits:
        """Return what holds for the image as a whole; counts references the first time."""
        return self._traits

    @cached_property
    def _traits(self) -> Traits:
        recurse = not self.is_encrypted and looks_preallocated(self.file, self.header)
        return replace(super().read_traits(), recurse=recurse)

    def extents(self, start: int, length: int) -> Extents:
        """Return the facts of a window of guest bytes, storage included."""
        if length == 0:
            return empty(start)
        found = mapped(self.file, self._directory, start, start + length)
        return compose(found, self._storage, self.header.cluster_size)

    def _storage(self, start: int, length: int) -> Extents:
        """Return what the file says of a window of host bytes; BEYOND_EOF are whole clusters past its end.

        QEMU leaves the last cluster of a file short where zeroes would follow, which is a hole as any::

            file     ├── data ──┤ (ends here)
            clusters ├───── 0 ─────┼───── 1 ─────┼
            storage  ├── data ──┼──┼─ BEYOND_EOF …
        """
        below, size = self.host.extents(start, length), self.header.cluster_size
        stop, end = start + length, -(-self.host.length // size) * size
        if stop <= self.host.length or end <= start:
            return below
        inside = below.cut(start, min(end, stop))
        is_tail = inside.facts == _BEYOND
        facts = np.where(is_tail, fact(Mapping.PASSTHROUGH, Storage.HOLE), inside.facts).astype(np.uint8)
        return join(
            [Extents(inside.edges, facts, inside.host), *([below.cut(end, stop)] if end < stop else [])]
        )

    def windows(self) -> Iterator[tuple[int, int, int]]:
        """Yield windows that take a few batches of L2 tables each; what no table maps is in one of them."""
        span = self.header.l2_span
        for first, last, stored in self._directory.batches(0, self._l1_entries, _WINDOW):
            start, end = first * span, min(last * span, whole_sectors(self.length))
            yield start, end - start, stored

    def overview(self) -> Extents:
        """Return what the L1 table alone says of all the image; what L2 tables say is UNREAD."""
        size = whole_sectors(self.length)
        return self._directory.overview(0, size) if size else empty(0)

    def lost_tables(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which L1 entries name L2 tables past the file's end, and these' host bytes, int64 (n,)."""
        return self._directory.lost_tables()

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
        """Return where in the tables a guest byte is found."""
        header = self.header
        l1_index, rest = divmod(offset, header.l2_span)
        l2_index = rest >> header.cluster_bits
        l1_entry = self._directory.entry(l1_index)[0]
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
        if self._directory.entry(at)[1] is Kind.REPEATED:
            return f"L1 entry {at}: names an L2 table again, as too many entries of this L1 table do"
        return tables.explain(
            self.header, offset // self.header.cluster_size * self.header.cluster_size, self.entry_at(offset)
        )


class HeaderNode(_Image):
    """An image that cannot be opened, for one who wants to know what its header says: nothing maps it.

    ``refusal`` is why not.  ``is_sound``: the header is not to blame, but what it names (a data file).
    """

    def __init__(self, file: HostNode, refusal: BlockstrataError) -> None:
        """``refusal`` is raised if there is no header to show."""
        try:
            header, self.is_sound = read_header(file), True
        except BlockstrataError:
            try:
                header, self.is_sound = read_header(file, lenient=True), False
            except BlockstrataError:
                raise refusal from None
        super().__init__(header, file)
        self.refusal = refusal

    def find_refusal(self) -> BlockstrataError:
        """Return why the image cannot be opened."""
        return self.refusal

    def extents(self, start: int, length: int) -> Extents:
        """Return one INVALID run."""
        return uniform(start, start + length, fact(Mapping.INVALID))

    def fault_at(self, offset: int) -> str:
        """Return why the image cannot be opened."""
        return str(self.refusal)


def open_qcow2(file: HostNode, header: Header, data_file: HostNode | None) -> Qcow2Node:
    """Open a qcow2 image on a host node; ``BadImageError`` if its data file is missing or not wanted."""
    if header.autoclear & Autoclear.RAW_DATA_FILE and not header.has_data_file:
        what = "says the data file is raw, but there is no data file"
        raise BadImageError(file.name, "qcow2 autoclear_features", what)
    if header.has_data_file and data_file is None:
        raise BadImageError(file.name, "qcow2 data file", "is required for this image, and it names none")
    if data_file is not None and not header.has_data_file:
        raise BadImageError(file.name, "data-file", "is given, but the image has no external data file")
    return Qcow2Node(file, header, data_file)


def check_for_image(options: Options, header: Header, name: str) -> None:
    """Refuse what does not fit the qcow2 image or each other; ``BadReferenceError`` names the option."""
    if header.version < 3 and switch_of(options, "lazy-refcounts"):
        raise BadReferenceError(name, "lazy-refcounts", "an image of compat 0.10 has none")
    entry = size_option(options, "l2-cache-entry-size", name)
    if entry is not None and (entry.bit_count() != 1 or not 512 <= entry <= header.cluster_size):
        what = f"{entry} is not a power of two from 512 to the cluster size ({header.cluster_size})"
        raise BadReferenceError(name, "l2-cache-entry-size", what)
    _check_caches(options, header, name)
    stated = text_of(options.get("encrypt") or {}, "format")
    encryption = header.encryption.name.lower()
    if stated is not None and stated != encryption:
        raise BadReferenceError(
            name, "encrypt.format", f"is '{stated}', the image's encryption is {encryption}"
        )


def _check_caches(options: Options, header: Header, name: str) -> None:
    whole = size_option(options, "cache-size", name)
    parts = {key: size_option(options, key, name) for key in ("l2-cache-size", "refcount-cache-size")}
    for key, part in parts.items():
        if whole is not None and part is not None and part > whole:
            raise BadReferenceError(name, key, f"{part} is more than cache-size ({whole})")
    if whole is not None and None not in parts.values():
        raise BadReferenceError(name, "cache-size", "cannot be used with those of both its parts")
    for key, size in (("cache-size", whole), ("refcount-cache-size", parts["refcount-cache-size"])):
        if size is not None and size // header.cluster_size > _MOST_CACHED:
            raise BadReferenceError(name, key, f"{size} is too large")


def at_snapshot(node: Driver, wanted: str) -> Qcow2Node:
    """Return an image, its files shared, as it was when a snapshot was taken; it replaces the open node.

    ``wanted`` as :func:`snapshots.find_snapshot` takes it.  The backing reference stays the header's.
    ``BadReferenceError`` if there is no such snapshot, ``BadImageError`` if its tables are malformed; the
    node is closed then.
    """
    try:
        if isinstance(node, HeaderNode):
            raise node.refusal
        if not isinstance(node, Qcow2Node):
            raise BadReferenceError(
                node.name, f"snapshot '{wanted}'", f"{node.driver} images have no snapshots"
            )
        found = snapshots.find_snapshot(node.read_snapshots(), wanted, node.name)
        snapshots.require_usable(found, node.name, node.header)
    except BlockstrataError:
        node.close()
        raise
    return Qcow2Node(node.file, node.header, None if node.host is node.file else node.host, found)
