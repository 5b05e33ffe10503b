"""Malformed images and senseless names that QEMU refuses, as recipes, each with the file that is to blame."""

from __future__ import annotations

from dataclasses import dataclass

from recipe import Recipe, create, io, poke
from recipes import BACKING_FORMAT_EXTENSION, FIRST_DATA, L1_TABLE, L2_TABLE

from inside import (
    BITMAP_DIRECTORY,
    BITMAP_TABLE,
    BITMAPS_EXTENSION,
    EXTRA,
    EXTRA_SIZE,
    FLAGS,
    GRANULARITY,
    KIND,
    NAME_SIZE,
    SNAPSHOT_TABLE,
    TABLE_SIZE,
    TWO_BITMAPS,
    TWO_SNAPSHOTS,
)

_COPIED = 1 << 63

# where the header keeps its fields (docs/interop/qcow2.txt of QEMU)
_VERSION = 4
_BACKING_OFFSET = 8
_BACKING_SIZE = 16
_CLUSTER_BITS = 20
_SIZE = 24
_CRYPT_METHOD = 32
_L1_SIZE = 36
_L1_OFFSET = 40
_REFCOUNT_TABLE_OFFSET = 48
_REFCOUNT_TABLE_CLUSTERS = 56
_SNAPSHOTS = 60
_SNAPSHOTS_OFFSET = 64
_INCOMPATIBLE = 72
_AUTOCLEAR = 88
_REFCOUNT_ORDER = 96
_HEADER_LENGTH = 100
_COMPRESSION_TYPE = 104
_EXTENSIONS = 112


@dataclass(frozen=True, slots=True)
class Refusal:
    """``blamed`` stands in our message; QEMU is not asked where it hangs."""

    recipe: Recipe
    blamed: str
    hangs: bool = False


REFUSALS: dict[str, Refusal] = {}


def _add(
    name: str, *commands: str, image: str = "top.qcow2", blamed: str = "top.qcow2", hangs: bool = False
) -> None:
    if name in REFUSALS:
        raise ValueError(f"two refusals are named {name}")
    REFUSALS[name] = Refusal(Recipe(name, commands, image), blamed, hangs)


_PLAIN = (create("top.qcow2", "1M"), io("top.qcow2", "write 0 256k"))
_OVERLAY = (create("base.qcow2", "1M"), create("top.qcow2", "1M", "base.qcow2"))


def _header() -> None:
    for name, at, value, width in (
        ("version-1", _VERSION, 1, 4),
        ("version-4", _VERSION, 4, 4),
        ("cluster-bits-8", _CLUSTER_BITS, 8, 4),
        ("cluster-bits-22", _CLUSTER_BITS, 22, 4),
        ("header-length-72", _HEADER_LENGTH, 72, 4),
        ("header-length-past-the-cluster", _HEADER_LENGTH, 65544, 4),
        ("backing-offset-past-the-cluster", _BACKING_OFFSET, 65537, 8),
        ("size-beyond-the-l1-table", _SIZE, 1 << 40, 8),
        ("size-beyond-63-bits", _SIZE, 1 << 63, 8),
        ("crypt-method-3", _CRYPT_METHOD, 3, 4),
        ("luks-without-its-header", _CRYPT_METHOD, 2, 4),
        ("incompatible-bit-5", _INCOMPATIBLE, 1 << 5, 8),
        ("incompatible-bit-63", _INCOMPATIBLE, 1 << 63, 8),
        ("refcount-order-7", _REFCOUNT_ORDER, 7, 4),
        ("l1-too-large", _L1_SIZE, (32 << 20) // 8 + 1, 4),
        ("l1-too-small", _L1_SIZE, 0, 4),
        ("l1-unaligned", _L1_OFFSET, L1_TABLE + 512, 8),
        ("l1-out-of-range", _L1_OFFSET, 0xFFFFFFFFFFFF0000, 8),
        ("refcount-table-unaligned", _REFCOUNT_TABLE_OFFSET, 0x10200, 8),
        ("refcount-table-of-0-clusters", _REFCOUNT_TABLE_CLUSTERS, 0, 4),
        ("refcount-table-too-large", _REFCOUNT_TABLE_CLUSTERS, (8 << 20) // 65536 + 1, 4),
        ("snapshots-too-many", _SNAPSHOTS, 65537, 4),
        ("data-file-without-a-name", _INCOMPATIBLE, 4, 8),
        ("compression-bit-without-a-type", _INCOMPATIBLE, 8, 8),
        ("compression-type-without-its-bit", _COMPRESSION_TYPE, 1, 1),
        ("data-file-raw-without-a-data-file", _AUTOCLEAR, 2, 8),
        ("extension-too-long", _EXTENSIONS + 4, 0x10000000, 4),
        ("bitmaps-extension-of-wrong-length", _EXTENSIONS, 0x23852875, 4),
        ("encryption-extension-unexpected", _EXTENSIONS, 0x0537BE77, 4),
    ):
        _add(name, *_PLAIN, poke("top.qcow2", at, value, width))
    _add(
        "bad-magic",
        *_PLAIN,
        poke("top.qcow2", 0, b"QFI\xfc"),
        image='json:{"driver":"qcow2","file":{"driver":"file","filename":"top.qcow2"}}',
    )
    _add("short-header", r"printf 'QFI\373\0\0\0\003' > top.qcow2", "truncate -s 68 top.qcow2")
    _add(
        "snapshot-table-unaligned",
        *_PLAIN,
        "qemu-img snapshot -c before top.qcow2",
        poke("top.qcow2", _SNAPSHOTS_OFFSET, 0x200),
    )
    _add(
        "compression-type-2",
        *_PLAIN,
        poke("top.qcow2", _INCOMPATIBLE, 8),
        poke("top.qcow2", _COMPRESSION_TYPE, 2, width=1),
    )
    _add(
        "extended-l2-with-small-clusters",
        create("top.qcow2", "1M", cluster_size="8k"),
        poke("top.qcow2", _INCOMPATIBLE, 16),
    )
    _add("backing-name-too-long", *_OVERLAY, poke("top.qcow2", _BACKING_SIZE, 1024, width=4))
    _add("backing-format-too-long", *_OVERLAY, poke("top.qcow2", BACKING_FORMAT_EXTENSION + 4, 16, width=4))
    _add(
        "data-file-missing", create("top.qcow2", "1M", data_file="data.raw"), "rm data.raw", blamed="data.raw"
    )


def _tables() -> None:
    extended = (create("top.qcow2", "1M", extended_l2="on"), io("top.qcow2", "write 0 8k"))
    data_file = (create("top.qcow2", "1M", data_file="data.raw"), io("top.qcow2", "write 0 256k"))
    for name, made, at, value in (
        ("l2-table-unaligned", _PLAIN, L1_TABLE, _COPIED | L2_TABLE + 512),
        ("cluster-unaligned", _PLAIN, L2_TABLE + 8, _COPIED | FIRST_DATA + 512),
        ("zero-cluster-unaligned", _PLAIN, L2_TABLE + 8, _COPIED | FIRST_DATA + 512 | 1),
        ("subclusters-allocated-and-zero", extended, L2_TABLE + 8, 0x0000000200000003),
        ("subclusters-without-a-cluster", extended, L2_TABLE + 16 + 8, 0x0000000000000001),
        ("data-file-not-at-the-guest-offset", data_file, L2_TABLE + 8, _COPIED | 2 * 65536),
        ("data-file-with-compressed-data", data_file, L2_TABLE + 8, 1 << 62 | 65536),
    ):
        _add(name, *made, poke("top.qcow2", at, value))
    _add(
        "zero-flag-in-version-2",
        create("top.qcow2", "1M", compat="0.10"),
        io("top.qcow2", "write 0 256k"),
        poke("top.qcow2", L2_TABLE + 8, _COPIED | FIRST_DATA + 65536 | 1),
    )
    _add(
        "cluster-unaligned-below",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 256k"),
        poke("base.qcow2", L2_TABLE, _COPIED | FIRST_DATA + 512),
        create("top.qcow2", "1M", "base.qcow2"),
        blamed="base.qcow2",
    )


def _chains() -> None:
    _add("missing", ":")
    _add("backing-missing", *_OVERLAY, "rm base.qcow2", blamed="base.qcow2")
    _add(
        "backing-missing-two-below",
        *_OVERLAY,
        create("over.qcow2", "1M", "top.qcow2"),
        "rm base.qcow2",
        image="over.qcow2",
        blamed="base.qcow2",
    )
    _add("backing-is-a-directory", *_OVERLAY, "rm base.qcow2", "mkdir base.qcow2", blamed="base.qcow2")
    _add(
        "backing-malformed",
        *_OVERLAY,
        poke("base.qcow2", _VERSION, 9, width=4),
        blamed="base.qcow2",
    )
    _add(
        "backing-not-of-its-format",
        *_OVERLAY,
        "truncate -s 0 base.qcow2",
        "truncate -s 1M base.qcow2",
        blamed="base.qcow2",
    )
    _add(
        "backing-format-unknown",
        *_OVERLAY,
        poke("top.qcow2", BACKING_FORMAT_EXTENSION + 8, b"qcowX"),
        blamed="qcowX",
    )
    _add(
        "backing-protocol-unknown",
        *_OVERLAY,
        "qemu-img rebase -u -b nosuch:base -F raw top.qcow2",
        blamed="nosuch",
    )
    _add("directory", "mkdir top.qcow2")
    _add(
        "directory-as-raw",
        "mkdir top.raw",
        image='json:{"driver":"raw","file.filename":"top.raw"}',
        blamed="top.raw",
    )
    _add("through-a-file", ": > top.raw", image="top.raw/top.qcow2", blamed="top.raw/top.qcow2")
    _add("name-empty", ":", image="", blamed="")
    _add("name-too-long", ":", image="n" * 300, blamed="nnn")
    own = create("top.qcow2", "1M")
    _add("backing-is-itself", own, "qemu-img rebase -u -b top.qcow2 -F qcow2 top.qcow2", hangs=True)
    _add(
        "backing-loop",
        *_OVERLAY,
        "qemu-img rebase -u -b top.qcow2 -F qcow2 base.qcow2",
        blamed=".qcow2",
        hangs=True,
    )
    _add(
        "backing-is-itself-by-another-name",
        own,
        "ln -s top.qcow2 link.qcow2",
        "qemu-img rebase -u -b link.qcow2 -F qcow2 top.qcow2",
        blamed="link.qcow2",
        hangs=True,
    )
    _add("fifo", "mkfifo top.qcow2", hangs=True)
    _add("fifo-below", *_OVERLAY, "rm base.qcow2", "mkfifo base.qcow2", blamed="base.qcow2", hangs=True)


def _names() -> None:
    raw = "truncate -s 1M top.raw"
    for name, image, blamed in (
        ("json-unfinished", 'json:{"driver":"raw"', "json:"),
        ("json-not-an-object", 'json:["top.raw"]', "json:"),
        ("json-empty", "json:", "json:"),
        ("json-of-an-empty-object", "json:{}", "json:"),
        ("json-trailing-text", 'json:{"driver":"raw","file.filename":"top.raw"}x', "json:"),
        ("json-driver-unknown", 'json:{"driver":"nosuch","file.filename":"top.raw"}', "nosuch"),
        ("json-without-a-file", 'json:{"driver":"raw"}', "file"),
        ("json-file-not-an-object", 'json:{"driver":"raw","file":7}', "file"),
        (
            "json-file-driver-unknown",
            'json:{"driver":"raw","file":{"driver":"nosuch","filename":"top.raw"}}',
            "nosuch",
        ),
        ("json-file-without-a-name", 'json:{"driver":"raw","file":{"driver":"file"}}', "filename"),
        ("json-option-unknown", 'json:{"driver":"raw","nosuch":1,"file.filename":"top.raw"}', "nosuch"),
        (
            "json-file-option-unknown",
            'json:{"driver":"raw","file":{"driver":"file","filename":"top.raw","nosuch":1}}',
            "nosuch",
        ),
        ("json-node-unknown", 'json:{"driver":"raw","file":"nosuch"}', "nosuch"),
        (
            "raw-offset-past-the-end",
            'json:{"driver":"raw","offset":2097152,"file.filename":"top.raw"}',
            "top.raw",
        ),
        ("raw-offset-negative", 'json:{"driver":"raw","offset":-512,"file.filename":"top.raw"}', "offset"),
        ("raw-offset-not-a-number", 'json:{"driver":"raw","offset":"x","file.filename":"top.raw"}', "offset"),
        (
            "raw-size-past-the-end",
            'json:{"driver":"raw","size":2097152,"file.filename":"top.raw"}',
            "top.raw",
        ),
        ("raw-size-unaligned", 'json:{"driver":"raw","size":1000,"file.filename":"top.raw"}', "top.raw"),
        (
            "raw-with-a-backing-file",
            'json:{"driver":"raw","backing":"x","file.filename":"top.raw"}',
            "backing",
        ),
        ("protocol-unknown", "nosuch:top.raw", "nosuch"),
        ("protocol-unknown-with-slashes", "nosuch://host/top.raw", "nosuch"),
    ):
        _add(name, raw, image=image, blamed=blamed)
    _add(
        "json-data-file-not-wanted",
        *_PLAIN,
        raw,
        image='json:{"driver":"qcow2","file.filename":"top.qcow2","data-file.filename":"top.raw"}',
    )
    _add(
        "json-backing-node-unknown",
        *_OVERLAY,
        image='json:{"driver":"qcow2","file.filename":"top.qcow2","backing":"nosuch"}',
        blamed="nosuch",
    )


def _snapshots() -> None:
    for entry, at in ((0, SNAPSHOT_TABLE), (1, SNAPSHOT_TABLE + 72)):
        _add(
            f"snapshot-{entry}-with-too-much-extra-data",
            *TWO_SNAPSHOTS,
            poke("top.qcow2", at + EXTRA_SIZE, 1025, 4),
        )
    # id and name of 65535 bytes each: 512 entries reach past 64 MiB
    header = poke("top.qcow2", 0, b"\xff\xff\xff\xff", 4).replace("seek=0", "seek=$at")
    _add(
        "snapshot-table-too-long",
        *TWO_SNAPSHOTS,
        f"at={0x100000 + 12}; for n in $(seq 512); do {header}; at=$((at + 131112)); done",
        poke("top.qcow2", _SNAPSHOTS_OFFSET, 0x100000),
        poke("top.qcow2", _SNAPSHOTS, 512, 4),
    )
    _add(
        "snapshot-table-damaged-below",
        *TWO_SNAPSHOTS,
        "mv top.qcow2 base.qcow2",
        create("top.qcow2", "1M", "base.qcow2"),
        poke("base.qcow2", SNAPSHOT_TABLE + EXTRA_SIZE, 1025, 4),
        blamed="base.qcow2",
    )


def _bitmaps() -> None:
    second = BITMAP_DIRECTORY + 32
    for name, at, value, width in (
        ("extension-of-no-bitmaps", BITMAPS_EXTENSION + 8, 0, 4),
        ("extension-of-too-many-bitmaps", BITMAPS_EXTENSION + 8, 65536, 4),
        ("extension-reserved", BITMAPS_EXTENSION + 12, 1, 4),
        ("directory-of-no-bytes", BITMAPS_EXTENSION + 16, 0, 8),
        ("directory-too-long", BITMAPS_EXTENSION + 16, 65535 * 1024 + 1, 8),
        ("directory-unaligned", BITMAPS_EXTENSION + 24, BITMAP_DIRECTORY + 512, 8),
        ("directory-elsewhere", BITMAPS_EXTENSION + 24, 1 << 40, 8),
        ("fewer-than-there-are", BITMAPS_EXTENSION + 8, 1, 4),
        ("more-than-there-are", BITMAPS_EXTENSION + 8, 3, 4),
        ("directory-cut-off", BITMAPS_EXTENSION + 16, 56, 8),
        ("directory-cut-off-in-an-entry", BITMAPS_EXTENSION + 16, 48, 8),
        ("directory-with-a-tail", BITMAPS_EXTENSION + 16, 72, 8),
        ("name-reaches-out", second + NAME_SIZE, 9, 2),
        ("name-too-long", second + NAME_SIZE, 1024, 2),
        ("extra-data", second + EXTRA, 4, 4),
        ("type-0", second + KIND, 0, 1),
        ("type-2", second + KIND, 2, 1),
        ("granularity-bits-8", second + GRANULARITY, 8, 1),
        ("granularity-bits-32", second + GRANULARITY, 32, 1),
        ("flags-reserved", second + FLAGS, 4, 4),
        ("flags-reserved-in-use", second + FLAGS, 9, 4),
        ("table-at-0", second, 0, 8),
        ("table-unaligned", second, BITMAP_TABLE + 512, 8),
        ("table-past-8-eib", second, 1 << 63, 8),
        ("table-where-files-end", second, 2**63 - (1 << 30), 8),
        ("table-of-no-entries", second + TABLE_SIZE, 0, 4),
        ("table-of-2-entries", second + TABLE_SIZE, 2, 4),
        ("table-of-8193-entries", second + TABLE_SIZE, 8193, 4),
        ("table-of-8193-entries-in-use", second + FLAGS - 4, 8193 << 32 | 1, 8),
        ("table-entry-reserved", BITMAP_TABLE, 2, 8),
        ("table-entry-reserved-on-top", BITMAP_TABLE, 1 << 56, 8),
        ("table-entry-unaligned", BITMAP_TABLE, 0x90200, 8),
        ("table-entry-all-dirty-and-stored", BITMAP_TABLE, 0x90001, 8),
        ("same-name", second + 24, int.from_bytes(b"one", "big"), 3),
    ):
        _add(f"bitmap-{name}", *TWO_BITMAPS, poke("top.qcow2", at, value, width))
    _add(
        "bitmap-same-name-as-one-in-use",
        *TWO_BITMAPS,
        poke("top.qcow2", second + 24, b"one"),
        poke("top.qcow2", BITMAP_DIRECTORY + FLAGS, 1, 4),
    )
    _add(
        "bitmap-damaged-below",
        *TWO_BITMAPS,
        "mv top.qcow2 base.qcow2",
        create("top.qcow2", "1M", "base.qcow2"),
        poke("base.qcow2", second + KIND, 0, 1),
        blamed="base.qcow2",
    )


_header()
_tables()
_snapshots()
_bitmaps()
_chains()
_names()

FOREIGN = ("parallels", "qcow", "qed", "vdi", "vhdx", "vmdk", "vpc")
"""Formats that qemu-img creates and blockstrata does not read."""
