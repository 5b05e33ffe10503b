"""The named recipes: one for each thing that an image can be, by area, one function an area.

All of them are deterministic.  Virtual sizes are small, so that most can be recorded (see ``record.py``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from recipe import SECRET, Recipe, create, io, io_options, poke, punch, until_done

from inside import SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Callable

RECIPES: dict[str, Recipe] = {}
AREAS: dict[str, list[str]] = {}
"""The names of the recipes of each area."""

KI = 1024
MI = 1024 * KI

# where qemu-img puts the tables of a fresh image with clusters of 64 KiB
L1_TABLE = 0x30000
L2_TABLE = 0x40000
FIRST_DATA = 0x50000
BACKING_FORMAT_EXTENSION = 112


def _add(
    name: str,
    *commands: str,
    image: str = "top.qcow2",
    asked: str | None = None,
    chain: tuple[str, ...] | None = None,
    layers: tuple[int, ...] | None = None,
    also: tuple[str, ...] = (),
) -> None:
    if name in RECIPES:
        raise ValueError(f"two recipes are named {name}")
    RECIPES[name] = Recipe(name, commands, image, asked, chain, layers, also=also)


def _area(make: Callable[[], None]) -> None:
    """Make the recipes of an area, which is called like the function."""
    before = len(RECIPES)
    make()
    AREAS[make.__name__.strip("_").replace("_", " ")] = list(RECIPES)[before:]


@_area
def _cluster_sizes() -> None:
    for bits in range(9, 22):
        size = 1 << bits
        _add(
            f"cluster-size-{size}",
            create("top.qcow2", 20 * size + 3 * 512, cluster_size=size),
            io(
                "top.qcow2",
                f"write 0 {size}",
                f"write {3 * size} {2 * size}",
                f"write -z {6 * size} {2 * size}",
                f"write {9 * size} {3 * size}",
                f"write -z {9 * size} {size}",
                f"write -z -u {10 * size} {size}",
                f"discard {11 * size} {size}",
                f"write {15 * size + 512 * (bits > 9)} 512",
                f"write {20 * size} 512",
            ),
        )


@_area
def _compat() -> None:
    for size in ("4k", "64k"):
        _add(
            f"compat-0.10-clusters-{size}",
            create("base.qcow2", "1M", compat="0.10", cluster_size=size),
            io(
                "base.qcow2", "write 0 640k", "write -z 128k 128k", "write -z -u 256k 64k", "discard 384k 64k"
            ),
            create("top.qcow2", "1M", "base.qcow2", compat="0.10", cluster_size=size),
            io("top.qcow2", "write 64k 64k", "write -z 128k 192k", "write -z 512k 256k", "discard 0 64k"),
        )


@_area
def _refcount_widths() -> None:
    for bits in (1, 2, 4, 8, 16, 32, 64):
        _add(
            f"refcount-bits-{bits}",
            create("top.qcow2", "1M", refcount_bits=bits, cluster_size="4k"),
            io("top.qcow2", "write 0 512k", "write -z 64k 64k", "write -z -u 128k 64k"),
        )
        _add(
            f"refcount-bits-{bits}-preallocated",
            create("top.qcow2", "1M", refcount_bits=bits, cluster_size="4k", preallocation="metadata"),
            io("top.qcow2", "write 64k 128k"),
        )


@_area
def _lazy_refcounts() -> None:
    _add(
        "lazy-refcounts",
        create("top.qcow2", "1M", lazy_refcounts="on"),
        io("top.qcow2", "write 0 128k", "write 512k 64k"),
    )
    _add(
        "lazy-refcounts-dirty",
        create("top.qcow2", "1M", lazy_refcounts="on"),
        io("top.qcow2", "write 0 128k", "write 512k 64k", "abort") + " 2> /dev/null || :",
    )

    _add(
        "lazy-refcounts-over-backing",
        create("base.qcow2", "1M", lazy_refcounts="on"),
        io("base.qcow2", "write 0 128k"),
        create("top.qcow2", "1M", "base.qcow2", lazy_refcounts="on", cluster_size="4k"),
        io("top.qcow2", "write 64k 128k", "write -z 96k 8k", "abort") + " 2> /dev/null || :",
    )


@_area
def _tables() -> None:
    _add(
        "many-l2-tables",
        create("top.qcow2", "1M", cluster_size=512),
        io("top.qcow2", *(f"write {n * 40 * KI} 1k" for n in range(20))),
    )
    _add(
        "sparse-64T",
        create("top.qcow2", "64T", cluster_size="2M"),
        io("top.qcow2", "write 33T 2M", "write -z 40T 4M"),
    )
    _add(
        "l2-slices",
        create("top.qcow2", "80M", cluster_size="4k"),
        io("top.qcow2", "write 2M 12k", "write 31M 2M"),
    )


@_area
def _extended_l2() -> None:
    for size in (16, 64, 128, 2048):
        sub = size * KI // 32
        at = [n * size * KI for n in range(12)]
        _add(
            f"extended-l2-{size}k",
            create("top.qcow2", at[11] + 3 * 512, cluster_size=f"{size}k", extended_l2="on"),
            io(
                "top.qcow2",
                f"write 0 {sub}",
                f"write {at[1] + 5 * sub} {4 * sub}",
                f"write -z {at[2] + 3 * sub} {sub}",
                f"write {at[3]} {size}k",
                f"write -z {at[3] + sub} {2 * sub}",
                f"write -z -u {at[3] + 8 * sub} {2 * sub}",
                f"discard {at[3] + 16 * sub} {4 * sub}",
                f"write {at[4]} {size}k",
                f"discard {at[4]} {size}k",
                f"write -z {at[5]} {size}k",
                f"write -c {at[6]} {size}k",
                f"write {at[7]} {size}k",
                f"write -z -u {at[7]} {size}k",
                f"write -z {at[8] + 31 * sub} {2 * sub}",
                f"write {at[11]} 512",
            ),
        )
    both = {"cluster_size": "128k", "extended_l2": "on"}
    _add(
        "extended-l2-over-extended-l2",
        create("base.qcow2", "1M", **both),
        io("base.qcow2", "write 0 256k", "write 516k 12k"),
        create("top.qcow2", "1M", "base.qcow2", **both),
        io(
            "top.qcow2",
            "write 4k 8k",
            "write -z 20k 4k",
            "write -z -u 132k 8k",
            "discard 260k 4k",
            "write 640k 4k",
        ),
    )
    _add(
        "extended-l2-longer-than-backing",
        "truncate -s 300000 base.raw",
        create("top.qcow2", "1M", "base.raw", "raw", **both),
        io("top.qcow2", "write 260k 4k", "write 512k 4k"),
    )
    _add("extended-l2-one-write-at-0", create("top.qcow2", "1M", **both), io("top.qcow2", "write 0 4k"))
    for how in ("metadata", "falloc", "full"):
        _add(
            f"extended-l2-preallocation-{how}",
            create("top.qcow2", "1M", **both, preallocation=how),
            io("top.qcow2", "write 4k 4k", "discard 128k 128k"),
        )
    _add(
        "extended-l2-preallocated-over-backing",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 512k"),
        create("top.qcow2", "2M", "base.qcow2", **both, preallocation="metadata"),
        io("top.qcow2", "write 260k 4k"),
    )
    _add(
        "extended-l2-bitmap-beside-compressed",
        create("top.qcow2", "1M", **both),
        io("top.qcow2", "write -c 0 128k", "write 128k 4k"),
        poke("top.qcow2", 4 * 128 * KI + 8, 0x0000000F000000F0),
    )
    _add(
        "extended-l2-zero-bit-in-entry",
        create("top.qcow2", "1M", **both),
        io("top.qcow2", "write 0 8k", "write 128k 4k"),
        poke("top.qcow2", 4 * 128 * KI + 7, 1, width=1),
    )


_KINDS = ("unallocated", "reserved", "zero", "zero over a cluster", "data", "compressed")
"""All that a whole cluster of an extended image can be."""


def _every_sequence(symbols: int, length: int) -> list[int]:
    """Return the shortest sequence, not taken round, in which each sequence of so many symbols stands."""
    seen: set[tuple[int, ...]] = set()
    sequence = [0] * length
    seen.add(tuple(sequence))
    while True:
        for symbol in reversed(range(symbols)):
            word = (*sequence[len(sequence) - length + 1 :], symbol)
            if word not in seen:
                seen.add(word)
                sequence.append(symbol)
                break
        else:
            return sequence


def _extended_entry(cluster: int, states: list[int]) -> bytes:
    """Return an L2 entry: 0, 1 and 2 stand for a subcluster that is unallocated, data, zero."""
    bits = sum((1 << n if state == 1 else 1 << 32 + n) for n, state in enumerate(states) if state)
    return ((1 << 63 | cluster) if cluster else 0).to_bytes(8, "big") + bits.to_bytes(8, "big")


@_area
def _subclusters() -> None:
    size = 16 * KI
    first, l2 = 5 * size, 4 * size
    # every three neighbours in an entry with a cluster, every four in one without
    triples = _every_sequence(3, 3)[:32]
    fours = [2 * bit for bit in _every_sequence(2, 4)]
    inside = [
        (first, triples + [0] * (32 - len(triples))),
        (0, fours + [0] * (32 - len(fours))),
        *((first + (n + 2) * size, [n % 3, *[(n + 1) % 3] * 30, n // 3]) for n in range(9)),
        *((0, [n & 2, *[2 * (n & 1)] * 31]) for n in range(4)),
    ]
    # every kind of cluster beside every other
    beside = []
    for n, kind in enumerate(_every_sequence(len(_KINDS), 2)):
        at = first + n * size
        match _KINDS[kind]:
            case "compressed":
                beside.append((1 << 62 | at).to_bytes(8, "big") + bytes(8))
            case name:
                state = {"data": 1, "zero": 2, "zero over a cluster": 2}.get(name, 0)
                beside.append(_extended_entry(0 if name in ("unallocated", "zero") else at, [state] * 32))
    tables = {
        "neighbours": b"".join(_extended_entry(at, states) for at, states in inside),
        "clusters-beside-each-other": b"".join(beside),
    }
    for name, table in tables.items():
        clusters = len(table) // 16
        options = {"cluster_size": size, "extended_l2": "on"}
        written = io("top.qcow2", f"write 0 {clusters * size}")
        patched = poke("top.qcow2", l2, table)
        _add(f"subclusters-{name}", create("top.qcow2", "1M", **options), written, patched)
        _add(
            f"subclusters-{name}-over-backing",
            create("base.qcow2", "300k", cluster_size="4k"),
            io("base.qcow2", "write 8k 200k", "write -z 100k 50k"),
            create("top.qcow2", "1M", "base.qcow2", **options),
            written,
            patched,
        )
        _add(
            f"subclusters-{name}-recurse",
            create("top.qcow2", "1M", **options),
            written,
            patched,
            punch("top.qcow2", first + 2 * size, 8 * size),
        )


@_area
def _preallocation() -> None:
    for how in ("off", "metadata", "falloc", "full"):
        _add(
            f"preallocation-{how}",
            create("top.qcow2", "1M", preallocation=how),
            io("top.qcow2", "write 64k 64k", "write -z 256k 64k", "discard 512k 64k"),
        )
        _add(f"preallocation-{how}-untouched", create("top.qcow2", "1M", preallocation=how))
        _add(
            f"preallocation-{how}-raw",
            f"qemu-img create -q -f raw -o preallocation={'off' if how == 'metadata' else how} base.raw 1M",
            io("base.raw", "write 64k 64k", fmt="raw"),
            create("top.qcow2", "1M", "base.raw", "raw"),
            io("top.qcow2", "write 128k 64k"),
        )
    _add(
        "preallocation-metadata-clusters-4k",
        create("top.qcow2", 1000 * KI, preallocation="metadata", cluster_size="4k"),
    )
    _add(
        "preallocation-metadata-below",
        create("base.qcow2", "1M", preallocation="metadata"),
        io("base.qcow2", "write 0 128k"),
        create("top.qcow2", "2M", "base.qcow2"),
        io("top.qcow2", "write 64k 128k"),
    )
    _add(
        "preallocation-metadata-compat-0.10",
        create("top.qcow2", "1M", compat="0.10", preallocation="metadata"),
        io("top.qcow2", "write 512k 64k"),
    )

    both = {"cluster_size": "128k", "extended_l2": "on"}
    for how in ("metadata", "falloc", "full"):
        _add(
            f"preallocation-{how}-over-backing",
            create("base.qcow2", "1M"),
            io("base.qcow2", "write 0 512k"),
            create("top.qcow2", "2M", "base.qcow2", **both, preallocation=how),
            io("top.qcow2", "write 260k 4k", "discard 384k 128k"),
        )
        _add(
            f"preallocation-{how}-data-file-extended-l2",
            create("top.qcow2", "1M", **both, data_file="data.raw", preallocation=how),
            io("top.qcow2", "write 4k 4k", "write -z 132k 4k", "discard 256k 128k"),
        )


@_area
def _zero() -> None:
    _add(
        "zero-plain", create("top.qcow2", "1M"), io("top.qcow2", "write -z 64k 128k", "write -z -u 512k 64k")
    )
    _add(
        "zero-allocated",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 0 512k", "write -z 64k 128k", "write -z -u 256k 128k"),
    )
    _add(
        "zero-over-backing",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 1M"),
        create("top.qcow2", "1M", "base.qcow2"),
        io("top.qcow2", "write -z 64k 128k", "write -z -u 256k 64k", "write -z 321k 1k"),
    )
    _add(
        "zero-over-zero",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 256k", "write -z 0 512k"),
        create("top.qcow2", "1M", "base.qcow2"),
        io("top.qcow2", "write -z 128k 256k", "write -z 768k 64k"),
    )
    _add(
        "zero-host-offsets-interleaved",
        create("top.qcow2", "1M"),
        io("top.qcow2", *(f"write {n * 64}k 64k" for n in (3, 1, 2, 0, 5, 4, 7)), "write -z 64k 128k"),
    )


@_area
def _discard() -> None:
    for passed in ("on", "off"):
        _add(
            f"discard-passed-on-{passed}",
            create("top.qcow2", "2M"),
            io("top.qcow2", "write 0 1M"),
            io_options(
                f"driver=qcow2,file.filename=top.qcow2,pass-discard-request={passed}",
                "discard 0 64k",
                "discard 256k 512k",
                "write -z -u 896k 64k",
            ),
        )
    _add(
        "discard-over-backing",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 1M"),
        create("top.qcow2", "1M", "base.qcow2"),
        io("top.qcow2", "write 0 256k", "discard 64k 128k", "discard 512k 64k"),
    )
    _add(
        "discard-in-backing",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 1M", "discard 128k 512k"),
        create("top.qcow2", "1M", "base.qcow2"),
        io("top.qcow2", "write 256k 64k"),
    )

    _add(
        "discard-compat-0.10",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 1M"),
        create("top.qcow2", "1M", "base.qcow2", compat="0.10", cluster_size="4k"),
        io("top.qcow2", "write 0 256k", "discard 64k 128k"),
    )
    for passed in ("on", "off"):
        _add(
            f"discard-in-data-file-passed-on-{passed}",
            create("top.qcow2", "1M", data_file="data.raw"),
            io("top.qcow2", "write 0 512k"),
            io_options(
                f"driver=qcow2,file.filename=top.qcow2,pass-discard-request={passed}",
                "discard 64k 128k",
                "write -z -u 256k 64k",
            ),
        )
        _add(
            f"discard-of-a-snapshot-passed-on-{passed}",
            create("top.qcow2", "1M"),
            io("top.qcow2", "write 0 512k"),
            "qemu-img snapshot -c before top.qcow2",
            io_options(
                f"driver=qcow2,file.filename=top.qcow2,pass-discard-snapshot={passed}",
                "write 0 256k",
                "discard 320k 64k",
            ),
            "qemu-img snapshot -d before top.qcow2",
        )


@_area
def _compressed() -> None:
    for kind in ("zlib", "zstd"):
        _add(
            f"compressed-{kind}",
            create("top.qcow2", "1M", compression_type=kind),
            io("top.qcow2", "write -c 0 256k", "write -c 512k 64k", "write 64k 64k", "write 515k 1k"),
        )
        _add(
            f"compressed-{kind}-converted",
            create("base.qcow2", "1M"),
            io("base.qcow2", "write 0 320k", "write -z 640k 64k"),
            f"qemu-img convert -c -f qcow2 -O qcow2 -o compression_type={kind} base.qcow2 top.qcow2",
        )
    _add(
        "compressed-below",
        create("base.qcow2", 1000 * 512, cluster_size="16k"),
        io("base.qcow2", "write -c 0 128k", "write 128k 64k"),
        create("top.qcow2", "1M", "base.qcow2"),
        io("top.qcow2", "write 32k 1k", "write -z 100k 1k", "write -c 256k 64k"),
    )
    _add(
        "compressed-beside-data",
        create("top.qcow2", "1M", cluster_size="2M"),
        io("top.qcow2", "write -c 0 1M"),
    )
    _add(
        "compressed-discarded",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write -c 0 512k", "discard 64k 64k", "write -z 128k 64k", "write -z -u 256k 64k"),
    )

    for kind in ("zlib", "zstd"):
        _add(
            f"compressed-{kind}-extended-l2",
            create("base.qcow2", "1M"),
            io("base.qcow2", "write 0 1M"),
            create(
                "top.qcow2",
                "1M",
                "base.qcow2",
                cluster_size="64k",
                extended_l2="on",
                compression_type=kind,
            ),
            io("top.qcow2", "write -c 0 128k", "write 64k 2k", "write 192k 2k", "write -c 256k 64k"),
        )


@_area
def _data_file() -> None:
    writes = (
        "write 0 128k",
        "write 256k 64k",
        "write -z 64k 64k",
        "write -z -u 512k 64k",
        "discard 256k 64k",
    )
    _add("data-file", create("top.qcow2", "1M", data_file="data.raw"), io("top.qcow2", *writes))
    _add(
        "data-file-raw",
        create("top.qcow2", "1M", data_file="data.raw", data_file_raw="on"),
        io("top.qcow2", *writes),
    )
    _add("data-file-untouched", create("top.qcow2", "1M", data_file="data.raw"))
    _add("data-file-at-0", create("top.qcow2", "1M", data_file="data.raw"), io("top.qcow2", "write 0 64k"))
    _add(
        "data-file-zero-at-0",
        create("top.qcow2", "1M", data_file="data.raw"),
        io("top.qcow2", "write 0 128k", "write -z 0 128k"),
    )
    for how in ("metadata", "falloc", "full"):
        _add(
            f"data-file-preallocation-{how}",
            create("top.qcow2", "1M", data_file="data.raw", preallocation=how),
            io("top.qcow2", "write 64k 64k"),
        )
    _add(
        "data-file-extended-l2",
        create("top.qcow2", "1M", data_file="data.raw", extended_l2="on", cluster_size="128k"),
        io(
            "top.qcow2",
            "write 0 4k",
            "write 140k 4k",
            "write -z 148k 4k",
            "write 256k 128k",
            "discard 260k 8k",
        ),
    )
    _add(
        "data-file-below",
        create("base.qcow2", "1M", data_file="data.raw"),
        io("base.qcow2", *writes),
        create("top.qcow2", "2M", "base.qcow2"),
        io("top.qcow2", "write 128k 64k"),
    )
    _add(
        "data-file-truncated",
        create("top.qcow2", "1M", data_file="data.raw"),
        io("top.qcow2", "write 0 512k"),
        "truncate -s 200000 data.raw",
    )
    _add(
        "data-file-punched",
        create("top.qcow2", "1M", data_file="data.raw"),
        io("top.qcow2", "write 0 512k"),
        punch("data.raw", 64 * KI, 128 * KI),
    )
    _add(
        "data-file-recurse",
        create("top.qcow2", "1M", data_file="data.raw", cluster_size="4k"),
        io("top.qcow2", "write 0 512k"),
        punch("data.raw", 64 * KI, 128 * KI),
        punch("top.qcow2", 2 * 4096, 4096),
        "truncate -s 1M top.qcow2",
    )
    _add(
        "data-file-in-another-directory",
        "mkdir sub",
        create("sub/top.qcow2", "1M", data_file="sub/data.raw"),
        io("sub/top.qcow2", "write 64k 64k"),
        image="sub/top.qcow2",
    )

    _add(
        "data-file-over-backing",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 1M"),
        create("top.qcow2", "2M", "base.qcow2", data_file="data.raw"),
        io("top.qcow2", *writes),
    )
    _add(
        "data-file-resized",
        create("top.qcow2", "1M", data_file="data.raw"),
        io("top.qcow2", "write 960k 64k"),
        "qemu-img resize -q top.qcow2 2M",
        io("top.qcow2", "write 1536k 64k"),
    )
    _add(
        "data-file-shrunk",
        create("top.qcow2", "2M", data_file="data.raw"),
        io("top.qcow2", "write 0 2M"),
        "qemu-img resize -q --shrink top.qcow2 999936",
    )
    # 16 L2 tables of a cluster each: where two of them are gone the image counts as preallocated
    for holes in (1, 2, 3, 4, 5):
        _add(
            f"data-file-recurse-{holes}-of-16",
            create("top.qcow2", "32M", data_file="data.raw", cluster_size="4k"),
            io("top.qcow2", *(f"write {n * 2}M 12k" for n in range(16))),
            *(punch("data.raw", n * 2 * MI + 4 * KI, 4 * KI) for n in range(16)),
            punch("top.qcow2", 6 * 4096, holes * 4096),
        )


@_area
def _snapshots() -> None:
    for compat in ("0.10", "1.1"):
        _add(
            f"snapshot-compat-{compat}",
            create("top.qcow2", "1M", compat=compat),
            io("top.qcow2", "write 0 512k"),
            "qemu-img snapshot -c before top.qcow2",
            io("top.qcow2", "write 64k 64k", "write -z 128k 64k", "discard 256k 64k", "write 768k 64k"),
        )
    _add(
        "snapshot-applied",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 0 256k"),
        "qemu-img snapshot -c before top.qcow2",
        io("top.qcow2", "write 0 128k", "write 512k 64k"),
        "qemu-img snapshot -a before top.qcow2",
    )
    _add(
        "snapshot-deleted",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 0 256k"),
        "qemu-img snapshot -c before top.qcow2",
        io("top.qcow2", "write 0 128k"),
        "qemu-img snapshot -d before top.qcow2",
    )
    _add(
        "snapshot-then-resized",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 0 256k"),
        "qemu-img snapshot -c before top.qcow2",
        "qemu-img resize -q top.qcow2 2M",
        io("top.qcow2", "write 1536k 64k"),
    )

    _add(
        "snapshots-one-over-the-other",
        create("top.qcow2", "1M", cluster_size="4k"),
        io("top.qcow2", "write 0 256k"),
        "qemu-img snapshot -c first top.qcow2",
        io("top.qcow2", "write 0 64k", "write -z 128k 32k"),
        "qemu-img snapshot -c second top.qcow2",
        io("top.qcow2", "write 32k 64k", "discard 192k 32k", "write -c 512k 8k"),
    )
    _add(
        "snapshot-extended-l2",
        create("top.qcow2", "1M", cluster_size="64k", extended_l2="on"),
        io("top.qcow2", "write 0 256k", "write 320k 2k"),
        "qemu-img snapshot -c before top.qcow2",
        io("top.qcow2", "write 64k 2k", "write -z 128k 2k", "discard 192k 64k", "write 322k 2k"),
    )
    _add(
        "snapshot-in-backing",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 256k"),
        "qemu-img snapshot -c before base.qcow2",
        io("base.qcow2", "write 128k 256k"),
        create("top.qcow2", "2M", "base.qcow2"),
        io("top.qcow2", "write 192k 64k"),
        "qemu-img snapshot -c before top.qcow2",
        io("top.qcow2", "write 256k 64k"),
    )


@_area
def _resize() -> None:
    _add(
        "resize-up",
        create("top.qcow2", "1M", cluster_size="4k"),
        io("top.qcow2", "write 1020k 4k"),
        "qemu-img resize -q top.qcow2 3M",
        io("top.qcow2", "write 2500k 8k"),
    )
    _add(
        "resize-down",
        create("top.qcow2", "4M", cluster_size="4k"),
        io("top.qcow2", "write 0 4M"),
        "qemu-img resize -q --shrink top.qcow2 1234944",
    )
    for how in ("metadata", "falloc", "full"):
        _add(
            f"resize-up-preallocation-{how}",
            create("top.qcow2", "1M"),
            io("top.qcow2", "write 64k 64k"),
            f"qemu-img resize -q --preallocation={how} top.qcow2 2M",
        )
    _add(
        "resize-up-below-a-longer-backing",
        create("base.qcow2", "2M"),
        io("base.qcow2", "write 0 2M"),
        create("top.qcow2", "1M", "base.qcow2"),
        io("top.qcow2", "write 512k 64k"),
        "qemu-img resize -q top.qcow2 3M",
    )
    _add(
        "resize-backing-down",
        create("base.qcow2", "2M"),
        io("base.qcow2", "write 0 2M"),
        create("top.qcow2", "2M", "base.qcow2"),
        "qemu-img resize -q --shrink base.qcow2 999936",
    )

    both = {"cluster_size": "64k", "extended_l2": "on"}
    written = (create("top.qcow2", "1M", **both), io("top.qcow2", "write 512k 512k", "write 2k 2k"))
    _add("resize-up-extended-l2", *written, "qemu-img resize -q top.qcow2 1500k")
    _add("resize-down-extended-l2", *written, "qemu-img resize -q --shrink top.qcow2 901632")
    _add("resize-to-a-sector", *written, "qemu-img resize -q --shrink top.qcow2 512")
    _add(
        "resize-by-a-sector",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 1M"),
        create("top.qcow2", 65536 * 5, "base.qcow2"),
        io("top.qcow2", "write 256k 64k"),
        "qemu-img resize -q top.qcow2 +512",
    )
    _add(
        "resize-raw-backing",
        "qemu-img create -q -f raw base.raw 1M",
        io("base.raw", "write 960k 64k", fmt="raw"),
        create("top.qcow2", "2M", "base.raw", "raw"),
        "qemu-img resize -q -f raw base.raw 1500k",
    )


_CHAIN = (
    create("base.qcow2", "1M"),
    io("base.qcow2", "write 0 512k"),
    create("mid.qcow2", "1M", "base.qcow2"),
    io("mid.qcow2", "write 128k 64k", "write -z 256k 64k"),
    create("top.qcow2", "2M", "mid.qcow2"),
    io("top.qcow2", "write 192k 64k", "write -z 320k 64k", "write 1M 64k"),
)


@_area
def _commit() -> None:
    _add("chain", *_CHAIN)
    _add("commit", *_CHAIN, "qemu-img commit -q top.qcow2")
    _add("commit-kept", *_CHAIN, "qemu-img commit -q -d top.qcow2")
    _add("commit-into-base", *_CHAIN, "qemu-img commit -q -b base.qcow2 top.qcow2", image="base.qcow2")

    sparse = ("truncate -s 1M base.raw", io("base.raw", "write 64k 64k", fmt="raw"))
    _add(
        "commit-into-raw",
        *sparse,
        create("top.qcow2", "2M", "base.raw", "raw"),
        io("top.qcow2", "write 128k 64k", "write -z 64k 32k", "write 1536k 64k"),
        "qemu-img commit -q -d top.qcow2",
    )
    _add(
        "commit-extended-l2",
        create("base.qcow2", "1M", cluster_size="64k", extended_l2="on"),
        io("base.qcow2", "write 0 128k"),
        create("top.qcow2", "1M", "base.qcow2", cluster_size="16k", extended_l2="on"),
        io("top.qcow2", "write 2k 1k", "write -z 66k 2k", "write -z 256k 16k"),
        "qemu-img commit -q -d top.qcow2",
    )


@_area
def _rebase() -> None:
    _add("rebase", *_CHAIN, "qemu-img rebase -b base.qcow2 -F qcow2 top.qcow2")
    _add("rebase-onto-nothing", *_CHAIN, "qemu-img rebase -b '' top.qcow2")
    _add("rebase-unsafe", *_CHAIN, "qemu-img rebase -u -b base.qcow2 -F qcow2 top.qcow2")
    _add("rebase-unsafe-onto-nothing", *_CHAIN, "qemu-img rebase -u -b '' top.qcow2")
    _add("rebase-unsafe-qcow2-as-raw", *_CHAIN, "qemu-img rebase -u -b base.qcow2 -F raw top.qcow2")

    _add("rebase-onto-raw", *_CHAIN, "truncate -s 700000 r.raw", "qemu-img rebase -b r.raw -F raw top.qcow2")
    _add(
        "rebase-onto-shorter",
        *_CHAIN,
        create("short.qcow2", "300k"),
        "qemu-img rebase -b short.qcow2 -F qcow2 top.qcow2",
    )
    _add(
        "rebase-extended-l2",
        *_CHAIN,
        create("sub.qcow2", "2M", "mid.qcow2", cluster_size="64k", extended_l2="on"),
        io("sub.qcow2", "write 194k 2k", "write -z 260k 2k"),
        "qemu-img rebase -b base.qcow2 -F qcow2 sub.qcow2",
        image="sub.qcow2",
    )
    _add(
        "rebase-unsafe-without-format",
        *_CHAIN,
        "qemu-img rebase -u -b base.qcow2 -F qcow2 top.qcow2",
        poke("top.qcow2", BACKING_FORMAT_EXTENSION, 1, width=4),
    )


@_area
def _convert() -> None:
    _add("convert", *_CHAIN, "qemu-img convert -f qcow2 -O qcow2 top.qcow2 flat.qcow2", image="flat.qcow2")
    _add(
        "convert-onto-backing",
        *_CHAIN,
        "qemu-img convert -f qcow2 -O qcow2 -B base.qcow2 -F qcow2 top.qcow2 flat.qcow2",
        image="flat.qcow2",
    )
    _add("convert-to-raw", *_CHAIN, "qemu-img convert -f qcow2 -O raw top.qcow2 flat.raw", image="flat.raw")
    _add(
        "convert-unsparse",
        *_CHAIN,
        "qemu-img convert -f qcow2 -O qcow2 -S 0 top.qcow2 flat.qcow2",
        image="flat.qcow2",
    )


@_area
def _amend() -> None:
    _add(
        "amend-to-compat-0.10",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 0 256k", "write -z 64k 64k", "write -z 512k 64k"),
        "qemu-img amend -q -o compat=0.10 top.qcow2",
    )
    _add(
        "amend-refcount-bits",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 0 256k"),
        "qemu-img amend -q -o refcount_bits=64 top.qcow2",
    )

    written = io("top.qcow2", "write 0 256k", "write -z 64k 64k", "write -z 512k 64k")
    _add(
        "amend-to-compat-1.1",
        create("top.qcow2", "1M", compat="0.10"),
        written,
        "qemu-img amend -q -o compat=1.1 top.qcow2",
        io("top.qcow2", "write -z 64k 64k", "write -z 512k 64k"),
    )
    for bits in (1, 2, 4, 8, 32):
        _add(
            f"amend-refcount-bits-{bits}",
            create("top.qcow2", "1M", cluster_size="4k", preallocation="metadata"),
            written,
            f"qemu-img amend -q -o refcount_bits={bits} top.qcow2",
        )
    for before, after in (("on", "off"), ("off", "on")):
        _add(
            f"amend-lazy-refcounts-{after}",
            create("top.qcow2", "1M", lazy_refcounts=before),
            written,
            f"qemu-img amend -q -o lazy_refcounts={after} top.qcow2",
        )
    _add(
        "amend-size",
        create("top.qcow2", "1M"),
        written,
        "qemu-img amend -q -o size=2M top.qcow2",
    )
    _add(
        "amend-data-file",
        create("top.qcow2", "1M", data_file="data.raw"),
        io("top.qcow2", "write 0 128k"),
        "mv data.raw other.raw",
        "truncate -s 1M data.raw",
        "qemu-img amend -q -o data_file=other.raw top.qcow2",
    )
    _add(
        "amend-data-file-raw-off",
        create("top.qcow2", "1M", data_file="data.raw", data_file_raw="on"),
        io("top.qcow2", "write 0 128k"),
        "qemu-img amend -q -o data_file_raw=off top.qcow2",
        io("top.qcow2", "write -z 64k 64k"),
    )
    key = 'json:{"driver":"qcow2","encrypt.key-secret":"key","file.filename":"top.qcow2"}'
    options = "driver=qcow2,encrypt.key-secret=key,file.filename=top.qcow2"
    change = "encrypt.state=active,encrypt.keyslot=3,encrypt.new-secret=key,encrypt.iter-time=10"
    _add(
        "amend-encryption",
        until_done(create("top.qcow2", "1M", key="luks", **{"encrypt.iter-time": 10})),
        io_options(options, "write 0 8k"),
        until_done(f"qemu-img amend -q {' '.join(SECRET)} --image-opts -o {change} {options}"),
        asked=key,
    )


@_area
def _bitmaps() -> None:
    _add(
        "bitmap",
        create("top.qcow2", "1M"),
        "qemu-img bitmap --add top.qcow2 dirty",
        io("top.qcow2", "write 0 64k"),
    )


@_area
def _backings() -> None:
    sparse = ("truncate -s 1M base.raw", io("base.raw", "write 128k 64k", "write 512k 4k", fmt="raw"))
    top = io("top.qcow2", "write 64k 64k", "write -z 576k 64k")
    _add("backing-raw-sparse", *sparse, create("top.qcow2", "1M", "base.raw", "raw"), top)
    for name, options in {
        "offset": {"offset": 512},
        "size": {"size": 300 * KI},
        "offset-and-size": {"offset": 66048, "size": 500 * KI},
        "offset-unaligned": {"offset": 100, "size": 200 * KI},
    }.items():
        spec = {"driver": "raw", **options, "file": {"driver": "file", "filename": "base.raw"}}
        _add(
            f"backing-raw-{name}", *sparse, create("top.qcow2", "1M", "json:" + json.dumps(spec), "raw"), top
        )
        _add(f"raw-{name}", *sparse, image="json:" + json.dumps(spec))
    nested = {"driver": "qcow2", "file": {"driver": "file", "filename": "base.qcow2"}}
    flattened = {"driver": "qcow2", "file.driver": "file", "file.filename": "base.qcow2"}
    base = (create("base.qcow2", "1M"), io("base.qcow2", "write 0 192k", "write -z 640k 64k"))
    for name, spec in {"nested": nested, "flattened": flattened}.items():
        _add(
            f"backing-json-{name}", *base, create("top.qcow2", "1M", "json:" + json.dumps(spec), "qcow2"), top
        )
        _add(f"json-{name}", *base, image="json:" + json.dumps(spec))
    _add("json-without-driver", *base, image='json:{"file.filename":"base.qcow2"}')
    _add(
        "json-number-as-string",
        *sparse,
        image='json:{"driver":"raw","offset":"512","size":"65536","file.filename":"base.raw"}',
    )
    _add(
        "json-backing-null",
        *base,
        create("top.qcow2", "1M", "base.qcow2"),
        top,
        image=(
            null := 'json:{"driver":"qcow2","backing":null,"file":{"driver":"file","filename":"top.qcow2"}}'
        ),
        chain=(null,),
    )
    below = {"driver": "qcow2", "file": {"driver": "file", "filename": "top.qcow2"}, "backing": nested}
    _add(
        "json-backing-other",
        *base,
        *sparse,
        create("top.qcow2", "1M", "base.raw", "raw"),
        top,
        image="json:" + json.dumps(below),
        chain=(
            'json:{"driver":"qcow2","backing":null,"file.filename":"top.qcow2"}',
            'json:{"driver":"qcow2","backing":null,"file.filename":"base.qcow2"}',
        ),
    )
    _add(
        "json-data-file",
        create("top.qcow2", "1M", data_file="data.raw"),
        io("top.qcow2", "write 0 128k"),
        "cp --sparse=always data.raw other.raw",
        punch("other.raw", 0, 64 * KI),
        image='json:{"driver":"qcow2","file.filename":"top.qcow2","data-file":{"driver":"file","filename":"other.raw"}}',
        chain=(
            'json:{"driver":"qcow2","file.filename":"top.qcow2","data-file":{"driver":"file","filename":"other.raw"}}',
        ),
    )
    _add(
        "backing-unaligned",
        *base,
        "truncate -s 300001 base.raw",
        create("top.qcow2", "1M", "base.raw", "raw"),
        top,
    )
    _add("backing-empty-file", ": > base.raw", create("top.qcow2", "1M", "base.raw", "raw"), top)
    _add("backing-size-0", create("base.qcow2", 0), create("top.qcow2", "1M", "base.qcow2"), top)
    _add("backing-one-byte", "printf x > base.raw", create("top.qcow2", "1M", "base.raw", "raw"), top)
    _add(
        "backing-shorter",
        create("base.qcow2", 200 * KI, cluster_size="4k"),
        io("base.qcow2", "write 0 100k", "write 196k 4k"),
        create("top.qcow2", "1M", "base.qcow2"),
        top,
    )
    _add(
        "backing-longer",
        create("base.qcow2", "3M"),
        io("base.qcow2", "write 0 3M"),
        create("top.qcow2", 1300 * 512, "base.qcow2"),
        top,
    )
    _add(
        "backing-in-its-directory",
        "mkdir sub",
        "cd sub",
        *base,
        create("top.qcow2", "1M", "base.qcow2"),
        top,
        image="sub/top.qcow2",
    )
    _add(
        "backing-in-another-directory",
        *base,
        "mkdir -p a/b",
        create("a/b/top.qcow2", "1M", "../../base.qcow2"),
        io("a/b/top.qcow2", "write 64k 64k"),
        image="a/b/top.qcow2",
    )
    _add(
        "backing-through-a-symbolic-link",
        "mkdir real",
        "cd real",
        *base,
        create("top.qcow2", "1M", "base.qcow2"),
        "cd ..",
        "ln -s real link",
        image="link/top.qcow2",
    )
    _add(
        "backing-beside-a-symbolic-link",
        "mkdir real",
        "cd real",
        create("top.qcow2", "1M"),
        "cd ..",
        *base,
        "ln -s real/top.qcow2 link.qcow2",
        "qemu-img rebase -u -b base.qcow2 -F qcow2 link.qcow2",
        image="link.qcow2",
    )
    _add(
        "backing-absolute",
        *base,
        'qemu-img create -q -f qcow2 -b "$PWD/base.qcow2" -F qcow2 top.qcow2 1M',
        top,
    )
    _add("backing-file-protocol", *base, create("top.qcow2", "1M", "file:base.qcow2"), top)
    _add(
        "backing-name-with-a-colon",
        *base,
        "mv base.qcow2 ba:se.qcow2",
        create("top.qcow2", "1M", "./ba:se.qcow2"),
        top,
    )
    _add(
        "backing-name-with-spaces",
        *base,
        "mv base.qcow2 ' b a s e '",
        create("top.qcow2", "1M", " b a s e "),
        top,
    )
    for name, made in {"qcow2": base, "raw": sparse}.items():
        _add(
            f"backing-format-missing-{name}",
            *made,
            create("top.qcow2", "1M", f"base.{name}", name),
            top,
            poke("top.qcow2", BACKING_FORMAT_EXTENSION, 1, width=4),
        )
    _add("backing-format-raw-on-qcow2", *base, create("top.qcow2", "1M", "base.qcow2", "raw"), top)

    for name, extra in {
        "null": {"backing": None},
        "empty": {"backing": ""},
        "other": {"backing": {"driver": "raw", "file.filename": "base.raw"}},
        "as-raw": {"backing.driver": "raw"},
        "two-below": {"backing": {"backing": None}},
    }.items():
        reference = {"driver": "qcow2", "file.filename": "c.qcow2", **extra}
        _add(
            f"backing-json-with-backing-{name}",
            *sparse,
            create("a.qcow2", "1M"),
            io("a.qcow2", "write 0 256k"),
            create("b.qcow2", "1M", "a.qcow2"),
            io("b.qcow2", "write 192k 128k"),
            create("c.qcow2", "1M", "b.qcow2"),
            io("c.qcow2", "write 384k 64k"),
            create("top.qcow2", "2M", "json:" + json.dumps(reference), "qcow2"),
            top,
            chain=('json:{"driver":"qcow2","backing":null,"file.filename":"top.qcow2"}',),
        )
    _add(
        "backing-json-in-single-quotes",
        *base,
        create("top.qcow2", "1M", "json:{'driver':'qcow2','file.filename':'base.qcow2'}"),
        top,
    )
    _add(
        "backing-by-image-opts",
        *base,
        *sparse,
        create("top.qcow2", "1M", "base.qcow2"),
        top,
        also=(
            "driver=qcow2,file.filename=top.qcow2",
            "driver=qcow2,file.filename=top.qcow2,backing=",
            "driver=qcow2,file.filename=top.qcow2,backing.driver=raw",
            "driver=qcow2,file.filename=top.qcow2,backing.driver=raw,backing.file.filename=base.raw",
            "driver=raw,offset=64k,size=192k,file.filename=base.raw",
        ),
    )


@_area
def _sizes() -> None:
    _add("size-0", create("top.qcow2", 0))
    _add("size-0-over-backing", create("base.qcow2", "1M"), create("top.qcow2", 0, "base.qcow2"))
    _add("size-0-raw", ": > top.raw", image="top.raw")
    _add("size-1-sector", create("top.qcow2", 512), io("top.qcow2", "write 0 512"))
    _add("size-1-sector-untouched", create("top.qcow2", 512))
    _add("size-not-whole-clusters", create("top.qcow2", 65536 * 3 + 512), io("top.qcow2", "write 192k 512"))
    for tail in (1, 511):
        _add(
            f"size-{tail}-past-a-sector",
            create("top.qcow2", 65536 * 3 + 1024),
            io("top.qcow2", "write 192k 1024"),
            poke("top.qcow2", 24, 65536 * 3 + 512 + tail),
        )
    _add("size-below-a-sector", create("top.qcow2", 512), poke("top.qcow2", 24, 100))
    for size in (1, 511, 513, 1_000_000):
        _add(f"raw-{size}-bytes", f"truncate -s {size} top.raw", image="top.raw")
        _add(f"raw-{size}-bytes-written", f"head -c {size} /dev/zero > top.raw", image="top.raw")
    _add(
        "raw-holes",
        "truncate -s 1M top.raw",
        io("top.raw", "write 64k 64k", "write 1000k 4k", fmt="raw"),
        image="top.raw",
    )
    _add("raw-reserved", "fallocate --length 1M top.raw", image="top.raw")
    _add("raw-short-qcow2-magic", r"printf 'QFI\373' > top.raw", image="top.raw")
    _add("raw-named-qcow2", "truncate -s 64k top.qcow2")


@_area
def _holes() -> None:
    for clusters, size in ((12, 64 * KI), (96, 4 * KI)):
        made = (
            create("top.qcow2", 128 * size, cluster_size=size),
            io("top.qcow2", f"write 0 {clusters * size}"),
        )
        for holes in (1, 2, 3, 9, 10, 11, 12):
            if holes < clusters:
                _add(
                    f"punched-{holes}-of-{clusters}",
                    *made,
                    punch("top.qcow2", 6 * size, holes * size),
                )
    one_by_one = tuple(punch("top.qcow2", n * 65536, 65536) for n in (5, 7, 9))
    _add("punched-apart", create("top.qcow2", "1M"), io("top.qcow2", "write 0 1M"), *one_by_one)
    _add(
        "punched-inside-a-cluster",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 0 1M"),
        *(punch("top.qcow2", n * 65536 + 8192, 32768) for n in range(6, 12)),
    )
    _add(
        "punched-below",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 1M"),
        punch("base.qcow2", 8 * 65536, 4 * 65536),
        create("top.qcow2", "2M", "base.qcow2"),
        io("top.qcow2", "write 256k 64k"),
    )
    _add(
        "punched-zero-and-compressed",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 0 512k", "write -z 64k 128k", "write -c 512k 128k"),
        punch("top.qcow2", 6 * 65536, 6 * 65536),
    )
    _add(
        "punched-snapshot",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 0 512k"),
        "qemu-img snapshot -c before top.qcow2",
        io("top.qcow2", "write 0 256k"),
        punch("top.qcow2", 7 * 65536, 4 * 65536),
    )
    _add(
        "punched-refcount-block",
        create("top.qcow2", "1M", preallocation="metadata"),
        punch("top.qcow2", 0x20000, 65536),
    )
    _add(
        "punched-refcount-table",
        create("top.qcow2", "1M", preallocation="metadata"),
        punch("top.qcow2", 0x10000, 65536),
    )

    # 5 clusters of metadata and 40 of data, and in larger clusters a hole behind the entries of the L1 table:
    # the image counts as preallocated when a ninth of its clusters is missing, here 3 or 4
    for size in (4 * KI, 16 * KI, 128 * KI):
        for bits in (1, 16, 64) if size == 4 * KI else (16,):
            for holes in (2, 3, 4, 5, 6):
                _add(
                    f"punched-{holes}-of-40-clusters-{size // KI}k-refcount-bits-{bits}",
                    create("top.qcow2", 60 * size, cluster_size=size, refcount_bits=bits),
                    io("top.qcow2", f"write 0 {40 * size}"),
                    punch("top.qcow2", 10 * size, holes * size),
                )


@_area
def _past_the_end() -> None:
    written = (create("top.qcow2", "1M"), io("top.qcow2", "write 0 512k", "write -z 64k 64k"))
    _add("punched-l1", *written, punch("top.qcow2", L1_TABLE, 65536))
    _add("punched-l2", *written, punch("top.qcow2", L2_TABLE, 65536))
    _add("truncated-data", *written, f"truncate -s {FIRST_DATA + 3 * 65536} top.qcow2")
    _add("truncated-inside-a-cluster", *written, f"truncate -s {FIRST_DATA + 3 * 65536 + 1000} top.qcow2")
    _add("truncated-l2", *written, f"truncate -s {L2_TABLE} top.qcow2")
    _add("truncated-l2-in-part", *written, f"truncate -s {L2_TABLE + 24} top.qcow2")
    _add("truncated-l1", *written, f"truncate -s {L1_TABLE} top.qcow2")
    _add(
        "truncated-and-recurse",
        create("top.qcow2", "1M", preallocation="metadata"),
        f"truncate -s {FIRST_DATA + 5 * 65536 + 512} top.qcow2",
    )
    _add(
        "truncated-below",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 1M"),
        f"truncate -s {FIRST_DATA + 5 * 65536} base.qcow2",
        create("top.qcow2", "2M", "base.qcow2"),
    )
    _add("grown-host-file", *written, "truncate -s 2M top.qcow2")

    _add(
        "truncated-extended-l2",
        create("top.qcow2", "1M", cluster_size="64k", extended_l2="on"),
        io("top.qcow2", "write 0 256k", "write 320k 4k", "write -z 448k 4k"),
        f"truncate -s {FIRST_DATA + 2 * 65536 + 4096} top.qcow2",
    )
    _add(
        "truncated-data-file-and-recurse",
        create("top.qcow2", "1M", data_file="data.raw", preallocation="metadata"),
        "truncate -s 300000 data.raw",
    )
    _add(
        "truncated-compressed",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write -c 0 256k", "write 256k 64k"),
        f"truncate -s {FIRST_DATA} top.qcow2",
    )


@_area
def _patched() -> None:
    written = (
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 0 256k", "write -z 64k 64k", "write -z 512k 64k"),
    )
    l1 = 0x8000000000000000 | L2_TABLE
    entry = 0x8000000000000000 | FIRST_DATA
    for name, at, value in (
        ("dirty-bit", 72, 1),
        ("corrupt-bit", 72, 2),
        ("dirty-and-corrupt-bits", 72, 3),
        ("unknown-compatible-bits", 80, 0xFFFFFFFFFFFFFFFE),
        ("unknown-autoclear-bits", 88, 0xFFFFFFFFFFFFFFFC),
        ("l1-reserved-bits", L1_TABLE, l1 | 0x7F000000000001FF),
        ("l1-copied-missing", L1_TABLE, L2_TABLE),
        ("l1-past-the-file", L1_TABLE, 0x8000000010000000),
        ("l1-table-past-the-file", 40, 0x10000000),
        ("l2-reserved-bits", L2_TABLE, entry | 0x3F000000000001FE),
        ("l2-copied-missing", L2_TABLE, FIRST_DATA),
        ("l2-past-the-file", L2_TABLE, 0x8000000010000000),
        ("l2-copied-without-a-cluster", L2_TABLE + 8 * 8, 0x8000000000000000),
        ("l2-zero-without-a-cluster", L2_TABLE + 8 * 8, 0x8000000000000001),
        ("l2-two-entries-one-cluster", L2_TABLE + 8 * 8, entry),
        ("l2-compressed-bit", L2_TABLE + 8 * 8, 0x4000000000050000),
        ("l2-compressed-at-0", L2_TABLE + 8 * 8, 0xC000000000000001),
    ):
        _add(f"patched-{name}", *written, poke("top.qcow2", at, value))
    _add(
        "patched-l1-longer-than-needed",
        *written,
        poke("top.qcow2", 36, 100, width=4),
    )
    _add(
        "patched-l2-shared-by-two-l1-entries",
        create("top.qcow2", "4M", cluster_size="4k"),
        io("top.qcow2", "write 0 64k"),
        poke("top.qcow2", 3 * 4096 + 8, 0x4000),
    )
    _add(
        "patched-unknown-extension",
        create("base.qcow2", "1M"),
        create("top.qcow2", "1M", "base.qcow2"),
        poke("top.qcow2", BACKING_FORMAT_EXTENSION, 0x12345678, width=4),
    )
    _add(
        "patched-header-length-104",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 64k 64k"),
        poke("top.qcow2", 100, 104, width=4),
    )


@_area
def _chains() -> None:
    def stair(sizes: tuple[int, ...], suffix: str) -> None:
        names = ["a.qcow2", "b.qcow2", "top.qcow2"]
        commands = []
        for n, (name, size) in enumerate(zip(names, sizes, strict=True)):
            commands += [
                create(name, f"{size}k", names[n - 1] if n else None),
                io(name, f"write {n * 64}k 64k", f"write {size - 64}k 64k"),
            ]
        _add(f"staircase-{suffix}", *commands)

    stair((1024, 1536, 2048), "longer-and-longer")
    stair((2048, 1536, 1024), "shorter-and-shorter")
    stair((1536, 1024, 2048), "shortest-in-the-middle")
    for name, sizes in {"longer": ("1M", "1536k", "2M"), "shorter": ("2M", "1536k", "1M")}.items():
        _add(
            f"staircase-untouched-{name}",
            create("a.qcow2", sizes[0]),
            create("b.qcow2", sizes[1], "a.qcow2"),
            create("top.qcow2", sizes[2], "b.qcow2"),
        )
    _add(
        "staircase-on-raw",
        "truncate -s 700001 a.raw",
        io("a.raw", "write 100k 100k", fmt="raw"),
        create("b.qcow2", 1000 * 512, "a.raw", "raw", cluster_size="4k"),
        io("b.qcow2", "write 150k 10k", "write -z 250k 10k"),
        create("top.qcow2", "2M", "b.qcow2", cluster_size="2M"),
    )
    _add(
        "chain-of-200",
        "qemu-img create -q -f qcow2 0.qcow2 8M",
        "qemu-io -f qcow2 -c 'write 0 8M' 0.qcow2",
        "for n in $(seq 199); do",
        "  qemu-img create -q -u -f qcow2 -o cluster_size=4k -b $((n - 1)).qcow2 -F qcow2 $n.qcow2 8M",
        """  qemu-io -c "write $((n * 36))k 32k" -c "write -z $((n * 31))k 16k" """
        """ 'json:{"driver":"qcow2","backing":null,"file.filename":"'$n.qcow2'"}'""",
        "done",
        image="199.qcow2",
        layers=(0, 1, 100, 199),
    )
    _add(
        "chain-of-clusters",
        create("a.qcow2", "1M", cluster_size=512),
        io("a.qcow2", "write 1k 512", "write 100k 1k", "write -z 200k 3k"),
        create("b.qcow2", "1M", "a.qcow2", cluster_size="32k", extended_l2="on"),
        io("b.qcow2", "write 2k 1k", "write -z 64k 16k", "write -c 128k 32k"),
        create("top.qcow2", "1M", "b.qcow2", compat="0.10", cluster_size="128k"),
        io("top.qcow2", "write 512k 128k"),
    )

    _add(
        "staircase-extended-l2",
        create("a.qcow2", 300 * 512, cluster_size="16k", extended_l2="on"),
        io("a.qcow2", "write 0 4k", "write 149k 512"),
        create("b.qcow2", 701 * 512, "a.qcow2", cluster_size="64k", extended_l2="on"),
        io("b.qcow2", "write 130k 2k", "write 349k 512"),
        create("top.qcow2", "1M", "b.qcow2", cluster_size="128k", extended_l2="on"),
        io("top.qcow2", "write 132k 4k", "write 300k 4k"),
    )
    _add(
        "staircase-of-sectors",
        "truncate -s 1 0.raw",
        create("1.qcow2", 1024, "0.raw", "raw", cluster_size=512),
        *(create(f"{n}.qcow2", (n + 1) * 512, f"{n - 1}.qcow2", cluster_size=512) for n in range(2, 7)),
        io("3.qcow2", "write 1k 512"),
        image="6.qcow2",
    )
    _add(
        "staircase-up-and-down",
        *(
            command
            for n, size in enumerate((512, 1024, 256, 768, 128, 1536))
            for command in (
                create(f"{n}.qcow2", f"{size}k", f"{n - 1}.qcow2" if n else None),
                io(f"{n}.qcow2", f"write {size - 64}k 64k"),
            )
        ),
        image="5.qcow2",
    )


@_area
def _protocols() -> None:
    for zeroes in ("true", "false"):
        null = f'{{"driver":"null-co","size":1048576,"read-zeroes":{zeroes}}}'
        suffix = "zeroes" if zeroes == "true" else "garbage"
        raw = f'{{"driver":"raw","file":{null}}}'
        _add(f"null-{suffix}", ":", image=f"json:{null}")
        _add(f"null-under-raw-{suffix}", ":", image=f"json:{raw}")
        for name, spec, fmt in (("null", null, "null-co"), ("raw-over-null", raw, "raw")):
            _add(
                f"backing-{name}-{suffix}",
                create("top.qcow2", "2M", f"json:{spec}", fmt),
                io("top.qcow2", "write 64k 64k", "write -z 256k 64k"),
            )
    _add("null-aio", ":", image='json:{"driver":"null-aio","size":1000000,"read-zeroes":true}')
    _add("null-unaligned-garbage", ":", image='json:{"driver":"null-co","size":1000000}')
    _add("null-unaligned-zeroes", ":", image='json:{"driver":"null-co","size":1000000,"read-zeroes":true}')
    _add(
        "null-under-raw-unaligned",
        ":",
        image='json:{"driver":"raw","file":{"driver":"null-co","size":1000000}}',
    )
    _add(
        "backing-null-unaligned",
        create("top.qcow2", "2M", 'json:{"driver":"null-co","size":1000000}', "null-co"),
        io("top.qcow2", "write 64k 64k"),
    )
    _add("null-size-0", ":", image='json:{"driver":"null-co","size":0}')
    sparse = ("truncate -s 1000000 a.raw", io("a.raw", "write 64k 64k", fmt="raw"))
    _add("file-alone", *sparse, image='json:{"driver":"file","filename":"a.raw"}')
    _add("file-alone-empty", ": > a.raw", image='json:{"driver":"file","filename":"a.raw"}')
    _add(
        "file-alone-qcow2",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 0 64k"),
        image='json:{"driver":"file","filename":"top.qcow2"}',
    )
    _add(
        "backing-file-alone",
        *sparse,
        create("top.qcow2", "1M", 'json:{"driver":"file","filename":"a.raw"}', "file"),
        io("top.qcow2", "write 512k 64k"),
    )
    _add("file-protocol-name", *sparse, image="file:a.raw")


@_area
def _encrypted() -> None:
    key = 'json:{"driver":"qcow2","encrypt.key-secret":"key","file.filename":"top.qcow2"}'
    options = "driver=qcow2,encrypt.key-secret=key,file.filename=top.qcow2"
    # little data: it cannot be packed for the recordings
    writes = ("write 0 8k", "write -z 4k 4k", "write -z 16k 4k", "write 32k 1k")
    fast = {"encrypt.iter-time": 10}
    _add(
        "encrypted-luks",
        until_done(create("top.qcow2", "1M", key="luks", **fast)),
        io_options(options, *writes),
        asked=key,
    )
    small = {"key": "aes", "cluster_size": "4k"}
    _add("encrypted-aes", create("top.qcow2", "1M", **small), io_options(options, *writes), asked=key)
    _add(
        "encrypted-aes-compat-0.10",
        create("top.qcow2", "1M", **small, compat="0.10"),
        io_options(options, *writes),
        asked=key,
    )
    _add(
        "encrypted-aes-extended-l2",
        create("top.qcow2", "1M", key="aes", extended_l2="on", cluster_size="16k"),
        io_options(options, "write 512 1k", "write -z 16896 1k", "write -z 32k 16k"),
        asked=key,
    )
    _add(
        "encrypted-aes-punched",
        create("top.qcow2", "1M", **small),
        io_options(options, "write 0 40k"),
        punch("top.qcow2", 8 * 4 * KI, 5 * 4 * KI),
        asked=key,
    )
    _add(
        "encrypted-aes-over-backing",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 256k"),
        create("top.qcow2", "2M", "base.qcow2", **small),
        io_options(options, *writes),
        asked=key,
    )

    luks = {"key": "luks", "encrypt.iter-time": 10, "cluster_size": "4k"}
    _add(
        "encrypted-luks-over-backing",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 256k"),
        until_done(create("top.qcow2", "2M", "base.qcow2", **luks)),
        io_options(options, *writes),
        asked=key,
    )
    _add(
        "encrypted-luks-extended-l2",
        until_done(create("top.qcow2", "1M", **{**luks, "cluster_size": "16k"}, extended_l2="on")),
        io_options(options, "write 512 1k", "write -z 16896 1k", "write -z 32k 16k"),
        asked=key,
    )
    _add(
        "encrypted-luks-preallocated",
        until_done(create("top.qcow2", "1M", **luks, preallocation="metadata")),
        io_options(options, *writes),
        asked=key,
    )
    below = "driver=qcow2,file.filename=over.qcow2,backing.encrypt.key-secret=key"
    for kind, chosen in {"aes": small, "luks": luks}.items():
        made = until_done(create("top.qcow2", "1M", **chosen))
        _add(
            f"encrypted-{kind}-below",
            made,
            io_options(options, *writes),
            create("over.qcow2", "2M", "top.qcow2", unsafe=True),
            io_options(below, "write 4k 4k", "write -z 32k 4k"),
            image="over.qcow2",
            asked='json:{"driver":"qcow2","file.filename":"over.qcow2","backing.encrypt.key-secret":"key"}',
            also=(below,),
        )


@_area
def _snapshots_opened() -> None:
    RECIPES.update({recipe.name: recipe for recipe in SNAPSHOTS})
