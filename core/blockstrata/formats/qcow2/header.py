"""The qcow2 header and its extensions, checked as QEMU 7.2 checks them before it trusts an image.

The layout is docs/interop/qcow2.txt of QEMU; all fields are big-endian.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple, TypeVar

from blockstrata.errors import BadImageError, BlockstrataError, UnsupportedError
from blockstrata.facts.codes import MAX_LENGTH, SECTOR
from blockstrata.facts.node import HostNode
from blockstrata.formats.qcow2.feature_names import unknown_bits

_T = TypeVar("_T")

MAGIC: Final = b"QFI\xfb"
_VERSION_2: Final = struct.Struct(">4sIQIIQIIQQIIQ")
_VERSION_3: Final = struct.Struct(">QQQII")
_V3_LENGTH: Final = 104
_COMPRESSION_AT: Final = 104

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


class Encryption(IntEnum):
    """Encryption methods."""

    NONE = 0
    AES = 1
    LUKS = 2
    UNKNOWN = -1
    """Of a header that was read leniently."""


class Extension(IntEnum):
    """Header extensions that change how an image is read."""

    END = 0
    BACKING_FORMAT = 0xE2792ACA
    FEATURE_NAMES = 0x6803F857
    BITMAPS = 0x23852875
    ENCRYPTION_HEADER = 0x0537BE77
    DATA_FILE = 0x44415441


_METHODS: Final = (Encryption.NONE, Encryption.AES, Encryption.LUKS)
COMPRESSION_NAMES: Final = ("zlib", "zstd")

_BITMAPS: Final = struct.Struct(">IIQQ")


@dataclass(frozen=True, slots=True)
class Header:
    """A checked qcow2 header.  Offsets and sizes in bytes, tables in entries."""

    version: int
    cluster_bits: int
    size: int
    """Guest bytes, a multiple of 512."""
    encryption: Encryption
    l1_offset: int
    l1_entries: int
    refcount_table_offset: int
    refcount_table_clusters: int
    refcount_order: int
    """Refcounts are ``1 << refcount_order`` bits wide."""
    snapshots_offset: int
    snapshots: int
    incompatible: int
    compatible: int
    autoclear: int
    compression: str
    backing: str | None
    backing_format: str | None
    data_file: str | None
    bitmaps: int = 0
    """Persistent dirty bitmaps that are valid; 0 if a writer that does not know them was here since."""
    bitmap_directory_offset: int = 0
    bitmap_directory_size: int = 0

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
    def l2_entries(self) -> int:
        """Entries in one L2 table, which is one cluster long."""
        return self.cluster_size // self.l2_entry_size

    @property
    def l2_span(self) -> int:
        """Guest bytes that one L2 table maps."""
        return self.l2_entries << self.cluster_bits

    @property
    def has_data_file(self) -> bool:
        """Whether guest data lies in another file, each byte at its guest offset."""
        return bool(self.incompatible & Incompatible.DATA_FILE)

    @property
    def data_file_is_raw(self) -> bool:
        """Whether the data file reads the same as a raw image."""
        return bool(self.autoclear & Autoclear.RAW_DATA_FILE)

    @property
    def lazy_refcounts(self) -> bool:
        """Whether writers may leave refcounts behind, and mark the image as dirty so long."""
        return bool(self.compatible & Compatible.LAZY_REFCOUNTS)

    @property
    def is_dirty(self) -> bool:
        """Whether refcounts may be behind."""
        return bool(self.incompatible & Incompatible.DIRTY)

    @property
    def is_corrupt(self) -> bool:
        """Whether somebody found the tables to be wrong."""
        return bool(self.incompatible & Incompatible.CORRUPT)


class _Fields(NamedTuple):
    """The header's fields in the order in which they stand; those of version 3 have version 2's defaults."""

    magic: bytes
    version: int
    backing_file_offset: int
    backing_file_size: int
    cluster_bits: int
    size: int
    crypt_method: int
    l1_size: int
    l1_table_offset: int
    refcount_table_offset: int
    refcount_table_clusters: int
    nb_snapshots: int
    snapshots_offset: int
    incompatible_features: int = 0
    compatible_features: int = 0
    autoclear_features: int = 0
    refcount_order: int = 4
    header_length: int = _VERSION_2.size
    compression_type: int = 0

    @property
    def cluster_size(self) -> int:
        return 1 << self.cluster_bits


def read_header(file: HostNode, *, lenient: bool = False) -> Header:
    """Read and check the header of a qcow2 image.

    ``BadImageError`` names the field that QEMU refuses, ``UnsupportedError`` the feature that is not known.
    ``lenient``: as much of it as can be made out, to be shown and not to read the image by.  An error then
    is only what leaves no header to show.
    """
    tolerated = suppress(BlockstrataError) if lenient else nullcontext()
    reader = _HeaderReader(file)
    fields = reader.fields()
    extensions: dict[int, bytes] = {}
    backing = None
    with tolerated:
        reader.check_features(fields)
    with tolerated:
        reader.check_tables(fields)
    with tolerated:
        reader.read_extensions(fields, extensions)
    with tolerated:
        backing = reader.backing(fields)
    with tolerated:
        reader.check_size(fields)
    bitmaps, _, directory_size, directory_offset = _bitmaps(fields, extensions)
    return Header(
        version=fields.version,
        cluster_bits=fields.cluster_bits,
        size=fields.size // SECTOR * SECTOR,
        encryption=_known(fields.crypt_method, _METHODS, Encryption.UNKNOWN),
        l1_offset=fields.l1_table_offset,
        l1_entries=fields.l1_size,
        refcount_table_offset=fields.refcount_table_offset,
        refcount_table_clusters=fields.refcount_table_clusters,
        refcount_order=fields.refcount_order,
        snapshots_offset=fields.snapshots_offset,
        snapshots=fields.nb_snapshots,
        incompatible=fields.incompatible_features,
        compatible=fields.compatible_features,
        autoclear=fields.autoclear_features,
        compression=_known(fields.compression_type, COMPRESSION_NAMES, "unknown"),
        backing=backing,
        backing_format=_text(extensions.get(Extension.BACKING_FORMAT)),
        data_file=_text(extensions.get(Extension.DATA_FILE)),
        bitmaps=bitmaps,
        bitmap_directory_offset=directory_offset,
        bitmap_directory_size=directory_size,
    )


class _HeaderReader:
    """The steps of reading one header; each raises what it finds wrong."""

    def __init__(self, file: HostNode) -> None:
        self.file = file

    def bad(self, field: str, what: str) -> BadImageError:
        return BadImageError(self.file.name, f"qcow2 {field}", what)

    def unknown(self, field: str, what: str) -> UnsupportedError:
        return UnsupportedError(self.file.name, f"qcow2 {field}", what)

    def fields(self) -> _Fields:
        block = self.file.read(0, _COMPRESSION_AT + 1)
        fields = _Fields(*_VERSION_2.unpack_from(block))
        if fields.magic != MAGIC:
            raise self.bad("magic", "is not QFI\\xfb, so this is no qcow2 image")
        if fields.version not in (2, 3):
            raise self.unknown("version", f"{fields.version} is neither 2 nor 3")
        if not 9 <= fields.cluster_bits <= 21:
            raise self.bad("cluster_bits", f"{fields.cluster_bits} is not in 9 to 21")
        if fields.size > MAX_LENGTH:
            raise self.bad("size", f"{fields.size} bytes are 8 EiB or more")
        if fields.version == 3:
            fields = _Fields(*_VERSION_2.unpack_from(block), *_VERSION_3.unpack_from(block, _VERSION_2.size))
            if fields.header_length < _V3_LENGTH:
                raise self.bad("header_length", f"{fields.header_length} is less than {_V3_LENGTH}")
            if fields.header_length > _COMPRESSION_AT:
                fields = fields._replace(compression_type=block[_COMPRESSION_AT])
        if fields.header_length > fields.cluster_size:
            raise self.bad("header_length", f"{fields.header_length} exceeds the cluster size")
        if fields.backing_file_offset > fields.cluster_size:
            raise self.bad("backing_file_offset", f"{fields.backing_file_offset:#x} is past cluster 0")
        return fields

    def check_features(self, fields: _Fields) -> None:
        unknown = fields.incompatible_features & ~sum(Incompatible)
        if unknown:
            extensions: dict[int, bytes] = {}
            with suppress(BlockstrataError):
                self.read_extensions(fields, extensions)
            table = extensions.get(Extension.FEATURE_NAMES, b"")
            raise self.unknown("incompatible_features", f"unknown bit {unknown_bits(unknown, table)}")
        if fields.incompatible_features & Incompatible.EXTENDED_L2 and fields.cluster_size // 32 < SECTOR:
            raise self.bad("cluster_bits", f"{fields.cluster_bits} is too small for extended L2 entries")
        if fields.refcount_order > MAX_REFCOUNT_ORDER:
            raise self.bad("refcount_order", f"{fields.refcount_order} is more than {MAX_REFCOUNT_ORDER}")
        if fields.crypt_method > Encryption.LUKS:
            raise self.unknown("crypt_method", f"{fields.crypt_method} is not known")
        if fields.compression_type >= len(COMPRESSION_NAMES):
            raise self.unknown("compression_type", f"{fields.compression_type} is not known")
        marked = bool(fields.incompatible_features & Incompatible.COMPRESSION_TYPE)
        if marked != (fields.compression_type != 0):
            raise self.bad("incompatible_features", "the compression type bit contradicts compression_type")

    def check_tables(self, fields: _Fields) -> None:
        if fields.refcount_table_clusters == 0:
            raise self.bad("refcount_table_clusters", "is 0, but every image has a refcount table")
        refcount_table = fields.refcount_table_clusters << fields.cluster_bits
        self.check_table(fields, "refcount_table_offset", refcount_table, _MAX_REFCOUNT_TABLE_BYTES)
        snapshots = fields.nb_snapshots * _SNAPSHOT_HEADER_BYTES
        self.check_table(fields, "snapshots_offset", snapshots, _MAX_SNAPSHOTS * _SNAPSHOT_HEADER_BYTES)
        self.check_table(fields, "l1_table_offset", fields.l1_size * 8, MAX_L1_BYTES)

    def check_table(self, fields: _Fields, field: str, length: int, most: int) -> None:
        what = table_fault(getattr(fields, field), length, most, fields.cluster_size)
        if what:
            raise self.bad(field, what)

    def backing(self, fields: _Fields) -> str | None:
        offset, length = fields.backing_file_offset, fields.backing_file_size
        if offset == 0:
            return None
        if length > min(_MAX_BACKING_NAME, fields.cluster_size - offset):
            raise self.bad("backing_file_size", f"{length} is too long a name")
        return _text(self.file.read(offset, length))

    def check_size(self, fields: _Fields) -> None:
        """Refuse a disk that the L1 table is too small for."""
        span = fields.cluster_size // (16 if fields.incompatible_features & Incompatible.EXTENDED_L2 else 8)
        needed = -(-fields.size // (span << fields.cluster_bits))
        if fields.l1_size < needed:
            raise self.bad("l1_size", f"{fields.l1_size} is less than the {needed} entries the size needs")

    def read_extensions(self, fields: _Fields, found: dict[int, bytes]) -> None:
        """Find the extensions' payloads by type; those before an error stay found.

        ::

            header_length              backing_file_offset, or the end of the first cluster
            ├ type, length ┤ payload ┤0…7┤ type, length ┤ … ┤
        """
        at, end = fields.header_length, fields.backing_file_offset or fields.cluster_size
        block = self.file.read(0, end + 8)
        while at < end:
            kind, length = struct.unpack_from(">II", block, at)
            at += 8
            if length > end - at:
                raise self.bad(f"header extension {kind:#010x}", f"{length} bytes reach past the header")
            if kind == Extension.END:
                break
            if kind in Extension._value2member_map_:
                found[kind] = block[at : at + length]
                self.check_extension(Extension(kind), found[kind], fields)
            at += (length + 7) & ~7
        if fields.crypt_method == Encryption.LUKS and Extension.ENCRYPTION_HEADER not in found:
            raise self.bad("header extension encryption_header", "is missing, but LUKS needs it")

    def check_extension(self, kind: Extension, payload: bytes, fields: _Fields) -> None:
        field = f"header extension {kind.name.lower()}"
        if kind is Extension.BACKING_FORMAT and len(payload) >= _MAX_FORMAT_NAME:
            raise self.bad(field, f"a name of {len(payload)} bytes is too long")
        if kind is Extension.ENCRYPTION_HEADER:
            if fields.crypt_method != Encryption.LUKS:
                raise self.bad(field, "the image is not encrypted with LUKS")
            if len(payload) != 16:
                raise self.bad(field, f"is {len(payload)} bytes long, not 16")
        if kind is Extension.BITMAPS:
            if len(payload) != _BITMAPS.size:
                raise self.bad(field, f"is {len(payload)} bytes long, not {_BITMAPS.size}")
            if fields.autoclear_features & Autoclear.BITMAPS:
                self.check_bitmaps(field, payload, fields)

    def check_bitmaps(self, field: str, payload: bytes, fields: _Fields) -> None:
        bitmaps, reserved, size, offset = _BITMAPS.unpack(payload)
        if reserved:
            raise self.bad(field, "a reserved field is not zero")
        if not 1 <= bitmaps <= _MAX_BITMAPS:
            raise self.bad(field, f"{bitmaps} bitmaps are not 1 to {_MAX_BITMAPS}")
        what = table_fault(offset, size, _MAX_BITMAP_DIRECTORY_BYTES, fields.cluster_size)
        if what:
            raise self.bad(field, f"directory: {what}")


def _bitmaps(fields: _Fields, extensions: dict[int, bytes]) -> tuple[int, ...]:
    """Return the fields of the bitmaps extension, zeroes if nothing vouches for the bitmaps."""
    if Extension.BITMAPS not in extensions or not fields.autoclear_features & Autoclear.BITMAPS:
        return (0, 0, 0, 0)
    return _BITMAPS.unpack(extensions[Extension.BITMAPS])


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


def _known(number: int, known: Sequence[_T], unknown: _T) -> _T:
    """Return what a number stands for; a header that is read leniently may have another one."""
    return known[number] if number < len(known) else unknown


def _text(name: bytes | None) -> str | None:
    """Return a name as C reads it: up to a NUL.  An empty name is none."""
    if name is None:
        return None
    return os.fsdecode(name.split(b"\0", 1)[0]) or None
