"""The qcow2 header and its extensions, checked as QEMU 7.2 checks them before it trusts an image.

The layout is docs/interop/qcow2.txt of QEMU; all fields are big-endian.
"""

from __future__ import annotations

import os
import struct
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from typing import Final

from blockstrata.errors import BadImageError, BlockstrataError, UnsupportedError
from blockstrata.facts.codes import MAX_LENGTH, SECTOR
from blockstrata.facts.node import HostNode

MAGIC: Final = b"QFI\xfb"
VERSION_2: Final = struct.Struct(">4sIQIIQIIQQIIQ")
VERSION_3: Final = struct.Struct(">QQQII")
"""The fields that all versions have, and those that version 3 goes on with."""
_COMPRESSION_AT: Final = VERSION_2.size + VERSION_3.size
"""Where version 3 may end, or have one byte more."""

END_OF_NODES: Final = 2**63 - 2**30
"""First byte that QEMU reads of no node, however long."""

# the largest tables that QEMU loads, bytes or entries
MAX_L1_BYTES: Final = 32 << 20
_MAX_REFCOUNT_TABLE_BYTES: Final = 8 << 20
_MAX_SNAPSHOTS: Final = 65536
_SNAPSHOT_HEADER_BYTES: Final = 40
_MAX_BITMAPS: Final = 65535
_MAX_BITMAP_DIRECTORY_BYTES: Final = 1024 * _MAX_BITMAPS
MAX_REFCOUNT_ORDER: Final = 6
_MAX_BACKING_NAME: Final = 1023
_MAX_FORMAT_NAME: Final = 16


class Incompatible(IntFlag):
    """Features that a reader must know to read the image at all."""

    DIRTY = 1
    CORRUPT = 2
    DATA_FILE = 4
    COMPRESSION_TYPE = 8
    EXTENDED_L2 = 16


class Compatible(IntFlag):
    """Features that a reader need not know."""

    LAZY_REFCOUNTS = 1


class Autoclear(IntFlag):
    """Features that a writer which does not know them must switch off."""

    BITMAPS = 1
    RAW_DATA_FILE = 2


class FeatureKind(IntEnum):
    """Which of the header's fields an entry of the feature name table is about."""

    INCOMPATIBLE = 0
    COMPATIBLE = 1
    AUTOCLEAR = 2


class Encryption(IntEnum):
    """Encryption methods."""

    NONE = 0
    AES = 1
    LUKS = 2
    UNKNOWN = -1
    """Of a header that was read leniently."""

    @classmethod
    def _missing_(cls, value: object) -> Encryption:
        return cls.UNKNOWN


class Extension(IntEnum):
    """Header extensions that change how an image is read."""

    END = 0
    BACKING_FORMAT = 0xE2792ACA
    FEATURE_NAMES = 0x6803F857
    BITMAPS = 0x23852875
    ENCRYPTION_HEADER = 0x0537BE77
    DATA_FILE = 0x44415441


COMPRESSION_NAMES: Final = ("zlib", "zstd")

_BITMAPS: Final = struct.Struct(">IIQQ")
_ENCRYPTION_HEADER: Final = struct.Struct(">QQ")
_SIZES: Final = {Extension.ENCRYPTION_HEADER: _ENCRYPTION_HEADER.size, Extension.BITMAPS: _BITMAPS.size}
"""Bytes of the extensions that are always as long."""

_FEATURE_NAME: Final = struct.Struct(">BB46s")
"""An entry of the feature name table: kind, bit, and name, padded with NUL."""
_MOST_SHOWN: Final = 8
"""Bits that a message names; an image may set every one."""


@dataclass(frozen=True, slots=True)
class Header:
    """A checked qcow2 header: its fields in the order in which they stand, then what they lead to.

    Offsets and sizes in bytes, tables in entries.  What version 2 does not have is as given here.
    """

    version: int
    backing_offset: int
    backing_size: int
    cluster_bits: int
    size: int
    """Guest bytes, a multiple of 512."""
    crypt_method: int
    l1_entries: int
    l1_offset: int
    refcount_table_offset: int
    refcount_table_clusters: int
    snapshots: int
    snapshots_offset: int
    incompatible: int = 0
    compatible: int = 0
    autoclear: int = 0
    refcount_order: int = 4
    """Refcounts are ``1 << refcount_order`` bits wide."""
    length: int = VERSION_2.size
    """Where the extensions start."""
    compression_type: int = 0
    backing: str | None = None
    backing_format: str | None = None
    data_file: str | None = None
    bitmaps: int = 0
    """Persistent dirty bitmaps that are valid; 0 if a writer that does not know them was here since."""
    bitmap_directory_size: int = 0
    bitmap_directory_offset: int = 0
    encryption_header_offset: int = 0
    """Of the LUKS header, where guest data is encrypted so."""
    orphaned_bitmaps: int = 0
    """Bitmaps that are named and not valid, as a writer that does not know them was here since."""
    encryption_header_size: int = 0
    feature_names: bytes = b""
    """The feature name table, as it stands in the image."""

    @property
    def encryption(self) -> Encryption:
        """How guest data is encrypted."""
        return Encryption(self.crypt_method)

    @property
    def unknown_compatible(self) -> str:
        """Which features that a reader need not know are set, and not known here, as :func:`unknown_bits`."""
        return unknown_bits(self.compatible & ~sum(Compatible), self.feature_names, FeatureKind.COMPATIBLE)

    @property
    def unknown_autoclear(self) -> str:
        """Which features that others must switch off are set, and not known here, as :func:`unknown_bits`."""
        return unknown_bits(self.autoclear & ~sum(Autoclear), self.feature_names, FeatureKind.AUTOCLEAR)

    @property
    def compression(self) -> str:
        """How clusters are compressed; "unknown" only of a header that was read leniently."""
        known = self.compression_type < len(COMPRESSION_NAMES)
        return COMPRESSION_NAMES[self.compression_type] if known else "unknown"

    @property
    def cluster_size(self) -> int:
        """Bytes."""
        return 1 << self.cluster_bits

    @property
    def extended_l2(self) -> bool:
        """Whether L2 entries are 128 bits with a bitmap of 32 subclusters."""
        return bool(self.incompatible & Incompatible.EXTENDED_L2)

    @property
    def l2_entry_size(self) -> int:
        """Bytes of an L2 entry."""
        return 16 if self.extended_l2 else 8

    @property
    def l2_span(self) -> int:
        """Guest bytes that one L2 table, a cluster long, maps."""
        return self.cluster_size // self.l2_entry_size << self.cluster_bits

    @property
    def has_data_file(self) -> bool:
        """Whether guest data lies in another file, each byte at its guest offset."""
        return bool(self.incompatible & Incompatible.DATA_FILE)


def read_header(file: HostNode, *, lenient: bool = False) -> Header:
    """Read and check the header of a qcow2 image.

    ``BadImageError`` names the field that QEMU refuses, ``UnsupportedError`` the feature that is not known.
    ``lenient``: as much of it as can be made out, to be shown and not to read the image by.  An error then
    is only what leaves no header to show.
    """
    reader = _HeaderReader(file)
    for step in (
        reader.check_features,
        reader.check_tables,
        reader.read_extensions,
        reader.read_backing,
        reader.check_size,
    ):
        with suppress(BlockstrataError) if lenient else nullcontext():
            step()
    return replace(
        reader.header,
        size=reader.header.size // SECTOR * SECTOR,
        backing_format=c_text(reader.extensions.get(Extension.BACKING_FORMAT, b"")) or None,
        data_file=c_text(reader.extensions.get(Extension.DATA_FILE, b"")) or None,
        feature_names=reader.extensions.get(Extension.FEATURE_NAMES, b""),
    )


class _HeaderReader:
    """The steps of reading one header; each raises what it finds wrong.

    ``extensions``: the payloads by type, as far as they were found.
    """

    def __init__(self, file: HostNode) -> None:
        self.file = file
        self.extensions: dict[int, bytes] = {}
        self.header = self.read_fields()

    def bad(self, field: str, what: str) -> BadImageError:
        return BadImageError(self.file.name, f"qcow2 {field}", what)

    def unknown(self, field: str, what: str) -> UnsupportedError:
        return UnsupportedError(self.file.name, f"qcow2 {field}", what)

    def read_fields(self) -> Header:
        block = self.file.read(0, _COMPRESSION_AT + 1)
        magic, *fields = VERSION_2.unpack_from(block)
        header = Header(*fields)
        if magic != MAGIC:
            raise self.bad("magic", "is not QFI\\xfb, so this is not a qcow2 image")
        if header.version not in (2, 3):
            raise self.unknown("version", f"{header.version} is neither 2 nor 3")
        if not 9 <= header.cluster_bits <= 21:
            raise self.bad("cluster_bits", f"{header.cluster_bits} is not in 9 to 21")
        if header.size > MAX_LENGTH:
            raise self.bad("size", f"{header.size} bytes are 8 EiB or more")
        if header.version == 3:
            header = Header(*fields, *VERSION_3.unpack_from(block, VERSION_2.size))
            if header.length < _COMPRESSION_AT:
                raise self.bad("header_length", f"{header.length} is less than {_COMPRESSION_AT}")
            if header.length > _COMPRESSION_AT:
                header = replace(header, compression_type=block[_COMPRESSION_AT])
        if header.length > header.cluster_size:
            raise self.bad("header_length", f"{header.length} exceeds the cluster size")
        if header.backing_offset > header.cluster_size:
            raise self.bad("backing_file_offset", f"{header.backing_offset:#x} is past cluster 0")
        return header

    def check_features(self) -> None:
        header = self.header
        unknown = header.incompatible & ~sum(Incompatible)
        if unknown:
            with suppress(BlockstrataError):
                self.read_extensions()
            what = unknown_bits(
                unknown, self.extensions.get(Extension.FEATURE_NAMES, b""), FeatureKind.INCOMPATIBLE
            )
            raise self.unknown("incompatible_features", f"unknown bit {what}")
        if header.extended_l2 and header.cluster_size // 32 < SECTOR:
            raise self.bad("cluster_bits", f"{header.cluster_bits} is too small for extended L2 entries")
        if header.refcount_order > MAX_REFCOUNT_ORDER:
            raise self.bad("refcount_order", f"{header.refcount_order} is more than {MAX_REFCOUNT_ORDER}")
        if header.encryption is Encryption.UNKNOWN:
            raise self.unknown("crypt_method", f"{header.crypt_method} is not known")
        if header.compression_type >= len(COMPRESSION_NAMES):
            raise self.unknown("compression_type", f"{header.compression_type} is not known")
        marked = bool(header.incompatible & Incompatible.COMPRESSION_TYPE)
        if marked != (header.compression_type != 0):
            raise self.bad("incompatible_features", "the compression type bit contradicts compression_type")

    def check_tables(self) -> None:
        header = self.header
        if header.refcount_table_clusters == 0:
            raise self.bad("refcount_table_clusters", "is 0, but every image has a refcount table")
        refcount_table = header.refcount_table_clusters << header.cluster_bits
        snapshots = header.snapshots * _SNAPSHOT_HEADER_BYTES
        for field, offset, length, most in (
            (
                "refcount_table_offset",
                header.refcount_table_offset,
                refcount_table,
                _MAX_REFCOUNT_TABLE_BYTES,
            ),
            ("snapshots_offset", header.snapshots_offset, snapshots, _MAX_SNAPSHOTS * _SNAPSHOT_HEADER_BYTES),
            ("l1_table_offset", header.l1_offset, header.l1_entries * 8, MAX_L1_BYTES),
        ):
            if what := table_fault(offset, length, most, header.cluster_size):
                raise self.bad(field, what)

    def read_backing(self) -> None:
        offset, length = self.header.backing_offset, self.header.backing_size
        if offset == 0:
            return
        if length > min(_MAX_BACKING_NAME, self.header.cluster_size - offset):
            raise self.bad("backing_file_size", f"{length} is too long a name")
        self.header = replace(self.header, backing=c_text(self.file.read(offset, length)) or None)

    def check_size(self) -> None:
        """Refuse a disk that the L1 table is too small for."""
        needed = -(-self.header.size // self.header.l2_span)
        if self.header.l1_entries < needed:
            what = f"{self.header.l1_entries} is less than the {needed} entries the size needs"
            raise self.bad("l1_size", what)

    def read_extensions(self) -> None:
        """Find the extensions' payloads by type; those before an error stay found.

        ::

            header_length              backing_file_offset, or the end of the first cluster
            ├ type, length ┤ payload ┤0…7┤ type, length ┤ … ┤
        """
        at, end = self.header.length, self.header.backing_offset or self.header.cluster_size
        block = self.file.read(0, end + 8)
        while at < end:
            kind, length = struct.unpack_from(">II", block, at)
            at += 8
            if length > end - at:
                raise self.bad(f"header extension {kind:#010x}", f"{length} bytes reach past the header")
            if kind == Extension.END:
                break
            if kind in Extension._value2member_map_:
                self.extensions[kind] = block[at : at + length]
                self.check_extension(Extension(kind), self.extensions[kind])
            at += (length + 7) & ~7
        if self.header.encryption is Encryption.LUKS and Extension.ENCRYPTION_HEADER not in self.extensions:
            raise self.bad("header extension encryption_header", "is missing, but LUKS needs it")

    def check_extension(self, kind: Extension, payload: bytes) -> None:
        field = f"header extension {kind.name.lower()}"
        if kind is Extension.BACKING_FORMAT and len(payload) >= _MAX_FORMAT_NAME:
            raise self.bad(field, f"a name of {len(payload)} bytes is too long")
        if kind is Extension.ENCRYPTION_HEADER and self.header.encryption is not Encryption.LUKS:
            raise self.bad(field, "the image is not encrypted with LUKS")
        size = _SIZES.get(kind, len(payload))
        if len(payload) != size:
            raise self.bad(field, f"is {len(payload)} bytes long, not {size}")
        if kind is Extension.ENCRYPTION_HEADER:
            offset, length = _ENCRYPTION_HEADER.unpack(payload)
            self.header = replace(self.header, encryption_header_offset=offset, encryption_header_size=length)
        if kind is Extension.BITMAPS:
            if self.header.autoclear & Autoclear.BITMAPS:
                self.check_bitmaps(field, *_BITMAPS.unpack(payload))
            else:
                self.header = replace(self.header, orphaned_bitmaps=_BITMAPS.unpack(payload)[0])

    def check_bitmaps(self, field: str, bitmaps: int, reserved: int, size: int, offset: int) -> None:
        if reserved:
            raise self.bad(field, "a reserved field is not zero")
        if not 1 <= bitmaps <= _MAX_BITMAPS:
            raise self.bad(field, f"{bitmaps} bitmaps are not 1 to {_MAX_BITMAPS}")
        what = table_fault(offset, size, _MAX_BITMAP_DIRECTORY_BYTES, self.header.cluster_size)
        if what:
            raise self.bad(field, f"directory: {what}")
        self.header = replace(
            self.header, bitmaps=bitmaps, bitmap_directory_size=size, bitmap_directory_offset=offset
        )


def unknown_bits(bits: int, table: bytes, kind: FeatureKind) -> str:
    """Say which features are set, by number, and by name where the image's table has one for the kind."""
    names: dict[int, str] = {}
    for at in range(0, len(table) - _FEATURE_NAME.size + 1, _FEATURE_NAME.size):
        which, bit, name = _FEATURE_NAME.unpack_from(table, at)
        if which == kind:
            names.setdefault(bit, c_text(name))
    found = [bit for bit in range(64) if bits >> bit & 1]
    shown = [f"{bit} ('{names[bit]}')" if names.get(bit) else str(bit) for bit in found[:_MOST_SHOWN]]
    more = len(found) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def table_fault(offset: int, length: int, most: int, cluster_size: int) -> str:
    """Say why QEMU refuses a table of ``length`` bytes at an offset; an empty string if it does not."""
    if length > most:
        return f"the table of {length} bytes is longer than {most}"
    if offset % cluster_size:
        return f"{offset:#x} is not aligned to a cluster"
    # no node of QEMU's is longer, and reading no bytes is allowed anywhere below 2**63
    if offset > (END_OF_NODES - length if length else 2**63 - 1):
        return f"{offset:#x} is out of range"
    return ""


def c_text(name: bytes) -> str:
    """Return a name as C reads it: up to a NUL."""
    return os.fsdecode(name.split(b"\0", 1)[0])
