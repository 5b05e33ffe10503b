"""The metadata of an authored qcow2 image as bytes: header, refcounts, L1 table, L2 tables."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from blockstrata.formats.qcow2.header import (
    COMPRESSION_NAMES,
    MAGIC,
    VERSION_2,
    VERSION_3,
    Autoclear,
    Encryption,
    Extension,
    Incompatible,
)
from blockstrata.formats.qcow2.tables import COPIED

_HEADER: Final = struct.Struct(f"{VERSION_2.format} {VERSION_3.format[1:]} B7x")
HEADER_LENGTHS: Final = {2: VERSION_2.size, 3: _HEADER.size}
"""Bytes of the header that each version has; the older one is the start of the newer one."""


@dataclass(frozen=True, slots=True)
class Image:
    """What holds for a qcow2 image as a whole.  Sizes in bytes."""

    size: int
    cluster_bits: int = 16
    version: int = 3
    extended_l2: bool = False
    refcount_order: int = 4
    backing: str | None = None
    backing_format: str | None = None
    data_file: str | None = None
    """Holds the guest's bytes, each at its guest offset.  Created too.  QEMU looks for the name
    from its working directory, wherever the image is."""
    data_file_raw: bool = False
    """Promises that the data file alone reads as the guest; that it does is up to the clusters stated."""
    compression: str = "zlib"
    aes: bool = False
    """States AES encryption.  The bytes are stored as given, so a guest reads them decrypted, as noise."""
    tail: int = 0
    """Bytes by which the file is longer than its last host cluster needs, or shorter: then what lay there is
    lost.  QEMU calls an image corrupt that lacks a whole cluster."""

    @property
    def cluster_size(self) -> int:
        """Bytes."""
        return 1 << self.cluster_bits

    @property
    def clusters(self) -> int:
        """Guest clusters, the last of which may be cut short by the size."""
        return -(-self.size // self.cluster_size)

    @property
    def l2_entries(self) -> int:
        """Guest clusters that one L2 table maps."""
        return self.cluster_size // (16 if self.extended_l2 else 8)


@dataclass(frozen=True, slots=True)
class Entry:
    """An L2 entry; its host offset, if it is ``hosted`` in this file, counts from the first data cluster."""

    word: int = 0
    bitmap: int = 0
    hosted: bool = False


def metadata_of(image: Image, entries: Mapping[int, Entry], data_references: list[int]) -> bytes:
    """Return the file up to the first data cluster.

    The refcounts count their own clusters too, so their number is approached from below.
    """
    size = image.cluster_size
    l1_entries = -(-image.clusters // image.l2_entries)
    l1_clusters = -(-l1_entries * 8 // size)
    used_l1 = sorted({guest // image.l2_entries for guest in entries})
    per_block = size * 8 >> image.refcount_order
    others = 1 + l1_clusters + len(used_l1) + len(data_references)
    blocks = table_clusters = 0
    while blocks * per_block < others + table_clusters + blocks:
        blocks = -(-(others + table_clusters + blocks) // per_block)
        table_clusters = -(-blocks * 8 // size)
    blocks_offset = (1 + table_clusters) * size
    l1_offset = blocks_offset + blocks * size
    l2_offset = l1_offset + l1_clusters * size
    data_offset = l2_offset + len(used_l1) * size

    l1 = np.zeros(l1_clusters * size // 8, ">u8")
    l1[used_l1] = [l2_offset + nth * size | COPIED for nth in range(len(used_l1))]
    table = np.zeros(table_clusters * size // 8, ">u8")
    table[:blocks] = blocks_offset + np.arange(blocks) * size
    references = [1] * (data_offset // size) + data_references
    return b"".join(
        [
            _header(image, l1_entries, l1_offset, table_clusters).ljust(size, b"\0"),
            table.tobytes(),
            _refcounts(references, image.refcount_order).ljust(blocks * size, b"\0"),
            l1.tobytes(),
            _l2_tables(image, entries, used_l1, data_offset),
        ]
    )


def _l2_tables(image: Image, entries: Mapping[int, Entry], used_l1: list[int], data_offset: int) -> bytes:
    words = np.zeros((len(used_l1), image.l2_entries, 2 if image.extended_l2 else 1), ">u8")
    nth = {l1_index: place for place, l1_index in enumerate(used_l1)}
    for guest, entry in entries.items():
        l1_index, l2_index = divmod(guest, image.l2_entries)
        # the host offset stands in the low bits of every kind of entry, so it can be added to
        word = entry.word + (data_offset if entry.hosted else 0)
        words[nth[l1_index], l2_index] = (word, entry.bitmap) if image.extended_l2 else (word,)
    return words.tobytes()


def _refcounts(references: list[int], order: int) -> bytes:
    """Return refcounts ``1 << order`` bits wide; those of less than a byte fill it from its low bits up."""
    if order >= 3:
        return np.array(references, f">u{1 << order - 3}").tobytes()
    bits = np.array(references)[:, None] >> np.arange(1 << order) & 1
    return np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()


def incompatible_features(image: Image) -> int:
    """Return the bits of the features without which the image cannot be read."""
    return (
        Incompatible.DATA_FILE * (image.data_file is not None)
        | Incompatible.COMPRESSION_TYPE * (image.compression != "zlib")
        | Incompatible.EXTENDED_L2 * image.extended_l2
    )


def _header(image: Image, l1_entries: int, l1_offset: int, table_clusters: int) -> bytes:
    """Return header, extensions and backing name; ``ValueError`` if one cluster cannot hold them."""
    length = HEADER_LENGTHS[image.version]
    extensions = b"".join(
        struct.pack(">II", kind, len(name)) + name + bytes(-len(name) % 8)
        for kind, name in [
            (Extension.BACKING_FORMAT, os.fsencode(image.backing_format or "")),
            (Extension.DATA_FILE, os.fsencode(image.data_file or "")),
        ]
        if name
    )
    extensions += struct.pack(">II", Extension.END, 0)
    backing = os.fsencode(image.backing or "")
    fields = _HEADER.pack(
        MAGIC,
        image.version,
        length + len(extensions) if backing else 0,
        len(backing),
        image.cluster_bits,
        image.size,
        Encryption.AES if image.aes else Encryption.NONE,
        l1_entries,
        l1_offset,
        image.cluster_size,
        table_clusters,
        0,
        0,
        incompatible_features(image),
        0,
        Autoclear.RAW_DATA_FILE if image.data_file_raw else 0,
        image.refcount_order,
        length,
        COMPRESSION_NAMES.index(image.compression),
    )
    header = fields[:length] + extensions + backing
    if len(header) > image.cluster_size:
        raise ValueError("names do not fit into the header's cluster")
    return header
