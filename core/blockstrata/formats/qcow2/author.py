"""A writer of small images, for scenarios and tests.  Nothing else in blockstrata ever writes.

A qcow2 image is stated as an :class:`Image` and a mapping from guest cluster number to what the cluster is.
Host clusters are handed out in the order of that mapping, behind the metadata::

    ├ header ┼ refcount table ┼ refcount blocks ┼ L1 ┼ L2 tables ┼ data clusters … ┤ tail
    └──────────────── written in full ────────────────────────────┘

Metadata is written in whole clusters, zeroes included, so the file's only holes are those asked for, and what
compressed clusters leave over of their last host cluster.  A hole shows where the file system can have one,
so usually in whole 4 KiB blocks.

The same statement gives the same bytes, given the same zlib.  Left out: internal snapshots, bitmaps, LUKS,
and compressing with zstd, which the standard library cannot.
"""

from __future__ import annotations

import functools
import os
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blockstrata.formats.qcow2.authored_metadata import (
    HEADER_LENGTHS,
    Entry,
    Image,
    incompatible_features,
    metadata_of,
)
from blockstrata.formats.qcow2.header import COMPRESSION_NAMES
from blockstrata.formats.qcow2.tables import COMPRESSED, COPIED, SUBCLUSTERS, ZERO

__all__ = [
    "Cluster",
    "Compressed",
    "Data",
    "Image",
    "Preallocated",
    "Subclusters",
    "Unallocated",
    "ZeroAlloc",
    "ZeroPlain",
    "write_image",
    "write_raw",
]

_WINDOW_BITS: Final = -12
"""Raw deflate with a window of 4 KiB: the most that QEMU's reader makes room for."""


@dataclass(frozen=True, slots=True)
class Unallocated:
    """Left to the layer below, like a cluster that is not stated, but its L2 table is sure to exist."""


@dataclass(frozen=True, slots=True)
class Data:
    """Stored bytes: the pattern, over and over to the cluster's end."""

    pattern: bytes


@dataclass(frozen=True, slots=True)
class Preallocated:
    """A cluster of data like any other, but its host range is a hole, or space ``reserved`` in the file."""

    reserved: bool = False


@dataclass(frozen=True, slots=True)
class Compressed:
    """Deflated bytes: the pattern, over and over to the cluster's end.

    Neighbours in the stated order share host clusters, as far as the refcounts can count, and may reach from
    one into the next.
    """

    pattern: bytes


@dataclass(frozen=True, slots=True)
class ZeroPlain:
    """Reads as zero; no host cluster."""


@dataclass(frozen=True, slots=True)
class ZeroAlloc:
    """Reads as zero, over a host cluster that holds the ``stale`` pattern, or is a hole if that is empty."""

    stale: bytes = b""


@dataclass(frozen=True, slots=True)
class Subclusters:
    """A cluster of an image with extended L2 entries, each of its 32 subclusters in its own state.

    ``states`` is 32 letters: ``D`` data, ``Z`` zero, ``U`` unallocated.  A capital has the pattern stored
    under it, a small letter a hole, or space ``reserved`` in the file.  Without a host cluster (``hosted``
    false) only ``z`` and ``u`` will do.
    """

    states: str
    pattern: bytes = b"\x55"
    hosted: bool = True
    reserved: bool = False


Cluster = Unallocated | Data | Preallocated | Compressed | ZeroPlain | ZeroAlloc | Subclusters
"""What one guest cluster is."""


def write_image(
    path: Path, image: Image, clusters: Mapping[int, Cluster], data_path: Path | None = None
) -> None:
    """Create a qcow2 image; guest clusters that are not stated stay unallocated.

    ``data_path`` is where the data file is created, if not at its name from the working directory.
    ``FileExistsError`` if the file, or the data file, is there already; ``ValueError`` for what the format
    cannot say.
    """
    _check(image, clusters)
    host = _HostClusters(image)
    entries = {guest: host.place(guest, cluster) for guest, cluster in clusters.items()}
    metadata = metadata_of(image, entries, host.references)
    length = len(metadata) + len(host.references) * image.cluster_size + image.tail
    if image.data_file is not None:
        write_raw(data_path or image.data_file, image.size, host.stored, host.reserved)
        write_raw(path, length, [(0, metadata)])
        return
    stored = [(len(metadata) + offset, content) for offset, content in host.stored]
    reserved = [(len(metadata) + offset, size) for offset, size in host.reserved]
    write_raw(path, length, [(0, metadata), *stored], reserved)


def write_raw(
    path: Path | str,
    length: int,
    stored: Iterable[tuple[int, bytes]],
    reserved: Iterable[tuple[int, int]] = (),
) -> None:
    """Create a file of ``length`` bytes that stores each (offset, content), and is a hole everywhere else.

    What reaches past the length is cut off.  Space for each ``reserved`` (offset, size) is allocated, and
    stays unwritten unless something is stored there.  ``FileExistsError`` if there is such a file already.
    """
    with open(path, "xb", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o644)) as file:
        file.truncate(length)
        for offset, size in reserved:
            os.posix_fallocate(file.fileno(), offset, size)
        for offset, content in stored:
            at, left = offset, memoryview(content)[: max(0, length - offset)]
            while left:
                written = os.pwrite(file.fileno(), left, at)
                at, left = at + written, left[written:]


def _check(image: Image, clusters: Mapping[int, Cluster]) -> None:
    needs_version_3 = incompatible_features(image) or image.refcount_order != 4
    faults = {
        "cluster_bits is not in 9 to 21": not 9 <= image.cluster_bits <= 21,
        "version is neither 2 nor 3": image.version not in HEADER_LENGTHS,
        "refcount_order is not in 0 to 6": not 0 <= image.refcount_order <= 6,
        "clusters are too small for extended L2 entries": image.extended_l2 and image.cluster_bits < 14,
        "the compression type is not known": image.compression not in COMPRESSION_NAMES,
        "only a data file can be raw": image.data_file_raw and image.data_file is None,
        "a feature needs version 3": image.version == 2 and needs_version_3,
        "a cluster lies outside the image": any(not 0 <= guest < image.clusters for guest in clusters),
    }
    for what, wrong in faults.items():
        if wrong:
            raise ValueError(what)


class _HostClusters:
    """Hands out the host clusters of guest data.  Offsets count from the first of them.

    With a data file there is nothing to hand out: each cluster's place is its guest offset there.
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        self.references: list[int] = []
        self.stored: list[tuple[int, bytes]] = []
        self.reserved: list[tuple[int, int]] = []
        self._packed_to = 0

    def place(self, guest: int, cluster: Cluster) -> Entry:
        """Find room for a guest cluster, note what is stored there, and return its L2 entry."""
        match cluster:
            case Compressed(pattern):
                return self._compress(pattern)
            case Unallocated():
                return self._place(guest, Subclusters("u" * SUBCLUSTERS, hosted=False))
            case ZeroPlain():
                return self._place(guest, Subclusters("z" * SUBCLUSTERS, hosted=False))
            case ZeroAlloc(stale):
                return self._place(guest, Subclusters(("Z" if stale else "z") * SUBCLUSTERS, stale))
            case Preallocated(reserved):
                return self._place(guest, Subclusters("d" * SUBCLUSTERS, reserved=reserved))
            case Data(pattern):
                return self._place(guest, Subclusters("D" * SUBCLUSTERS, pattern))
            case Subclusters(states, hosted=hosted):
                if not self.image.extended_l2:
                    raise ValueError("subclusters need extended L2 entries")
                if len(states) != SUBCLUSTERS or set(states) - set("DdZzUu" if hosted else "zu"):
                    raise ValueError(f"{states!r} does not say what {SUBCLUSTERS} subclusters are")
                return self._place(guest, cluster)

    def _place(self, guest: int, parts: Subclusters) -> Entry:
        image, word = self.image, 0
        hosted = parts.hosted and image.data_file is None
        if parts.hosted:
            host = (len(self.references) if hosted else guest) * image.cluster_size
            self.references += [1] * hosted
            self._store(host, parts)
            word = host | COPIED
        zero, data = (
            sum(1 << index for index, state in enumerate(parts.states) if state in of) for of in ("Zz", "Dd")
        )
        if image.extended_l2:
            return Entry(word, zero << SUBCLUSTERS | data, hosted)
        if zero and image.version == 2:
            raise ValueError("version 2 has no zero clusters")
        return Entry(word | (ZERO if zero else 0), 0, hosted)

    def _store(self, host: int, parts: Subclusters) -> None:
        """Note what lies in a host cluster: the stretches of subclusters with capital letters."""
        size = self.image.cluster_size
        if parts.reserved:
            self.reserved.append((host, size))
        for stretch in re.finditer("[A-Z]+", parts.states):
            at, end = (index * size // SUBCLUSTERS for index in stretch.span())
            self.stored.append((host + at, _repeat(parts.pattern, size)[at:end]))

    def _compress(self, pattern: bytes) -> Entry:
        image = self.image
        if image.compression != "zlib" or image.data_file is not None:
            raise ValueError("only zlib is compressed, and only into the image itself")
        stream = _deflated(pattern, image.cluster_size)
        if len(stream) >= image.cluster_size:
            raise ValueError("a cluster does not get smaller when compressed")
        at = self._pack(len(stream))
        self.stored.append((at, stream))
        more_sectors = (at % 512 + len(stream) - 1) // 512
        return Entry(COMPRESSED | more_sectors << 70 - image.cluster_bits | at, hosted=True)

    def _pack(self, length: int) -> int:
        """Return the host byte where so many compressed bytes go, and count the references.

        They follow the last ones, if these end inside a cluster that can take one more reference, and if
        they fit there or the next host cluster is still free::

            ├── shared ─────────────┼── next ──┤
            │ one ┤ two ┤ three ┤ four ┤
        """
        size, references = self.image.cluster_size, self.references
        at = self._packed_to
        shared, used = divmod(at, size)
        fits = used + length <= size or shared == len(references) - 1
        if used == 0 or not fits or references[shared] == (1 << (1 << self.image.refcount_order)) - 1:
            shared = len(references)
            at = shared * size
        self._packed_to = at + length
        last = (self._packed_to - 1) // size
        references.extend([0] * (last + 1 - len(references)))
        for index in range(shared, last + 1):
            references[index] += 1
        return at


@functools.lru_cache(maxsize=16)
def _deflated(pattern: bytes, length: int) -> bytes:
    """Return a filled cluster packed; most of an image's have the same pattern, and packing takes long."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, _WINDOW_BITS)
    return deflate.compress(_repeat(pattern, length)) + deflate.flush()


def _repeat(pattern: bytes, length: int) -> bytes:
    if not pattern:
        raise ValueError("an empty pattern fills nothing")
    return (pattern * -(-length // len(pattern)))[:length]
