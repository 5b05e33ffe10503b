"""Recipes of what lies inside a qcow2 image besides its disk: internal snapshots, dirty bitmaps.

What a snapshot's disk is, ``qemu-img map`` tells of a copy of the image to which it was applied.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from recipe import Recipe, create, io, poke

SNAPSHOTS: list[Recipe] = []


@dataclass(frozen=True, slots=True)
class Marked:
    """A recipe of an image whose chain has bitmaps by some names."""

    recipe: Recipe
    bitmaps: tuple[str, ...]


BITMAPS: list[Marked] = []

# where qemu-img puts things in an image of 1 MiB of which 256 KiB were written before (see SNAPSHOT, BITMAPS)
SNAPSHOT_TABLE = 0xC0000
SNAPSHOTS_OFFSET_AT = 64
EXTRA_SIZE = 36
AUTOCLEAR_AT = 88
BITMAPS_EXTENSION = 504
BITMAP_DIRECTORY = 0x100000
BITMAP_TABLE = 0xA0000
TABLE_SIZE, FLAGS, KIND, GRANULARITY, NAME_SIZE, EXTRA = 8, 12, 16, 17, 18, 20
"""Fields of a directory entry, each of 32 bytes here."""

_MADE = (create("top.qcow2", "1M"), io("top.qcow2", "write 0 256k"))
TWO_SNAPSHOTS = (*_MADE, "qemu-img snapshot -c before top.qcow2", "qemu-img snapshot -c after top.qcow2")
TWO_BITMAPS = (
    *_MADE,
    "qemu-img bitmap --add top.qcow2 one",
    "qemu-img bitmap --add top.qcow2 two",
    io("top.qcow2", "write 0 256k"),
)


def take(name: str, image: str = "top.qcow2") -> str:
    """Return the command that takes a snapshot."""
    return shlex.join(["qemu-img", "snapshot", "-c", name, image])


def _add(name: str, *commands: str, snapshots: tuple[str, ...] = ()) -> None:
    applied = [
        f"cp top.qcow2 at-{nth}.qcow2\nqemu-img snapshot -a {shlex.quote(wanted)} at-{nth}.qcow2"
        for nth, wanted in enumerate(snapshots)
    ]
    SNAPSHOTS.append(Recipe(name, (*commands, *applied), snapshots=snapshots))


def _written_over() -> None:
    for name, options in (
        ("compat-0.10", {"compat": "0.10"}),
        ("clusters-512", {"cluster_size": 512}),
        ("clusters-4k", {"cluster_size": "4k"}),
        ("extended-l2", {"extended_l2": "on", "cluster_size": "128k"}),
        ("refcount-bits-64", {"refcount_bits": 64}),
        ("preallocation-metadata", {"preallocation": "metadata"}),
    ):
        zeroes = "write -z" if name != "compat-0.10" else "write"
        _add(
            f"at-snapshot-{name}",
            create("top.qcow2", "3M", **options),
            io("top.qcow2", "write 0 512k"),
            take("first"),
            io("top.qcow2", "write 64k 4k", f"{zeroes} 128k 64k", "discard 256k 128k", "write 768k 64k"),
            take("second"),
            io("top.qcow2", "write 0 1M", f"{zeroes} 2M 512k"),
            snapshots=("first", "second", "1", "2"),
        )
    _add(
        "at-snapshot-compressed",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write -c 0 64k", "write -c 64k 64k", "write 128k 64k"),
        take("first"),
        io("top.qcow2", "write 64k 64k", "write -c 256k 64k"),
        snapshots=("first",),
    )
    _add(
        "at-snapshot-empty",
        create("top.qcow2", "1M"),
        take("first"),
        io("top.qcow2", "write 0 1M"),
        snapshots=("first",),
    )
    _add(
        "at-snapshot-applied-before",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 0 128k"),
        take("first"),
        io("top.qcow2", "write 64k 128k"),
        take("second"),
        "qemu-img snapshot -a first top.qcow2",
        io("top.qcow2", "write 512k 64k"),
        take("third"),
        "qemu-img snapshot -d first top.qcow2",
        take("first"),
        snapshots=("first", "second", "third"),
    )


def _resized() -> None:
    for compat in ("0.10", "1.1"):
        _add(
            f"at-snapshot-of-the-same-size-{compat}",
            create("top.qcow2", "1000k", compat=compat),
            io("top.qcow2", "write 960k 40k"),
            take("first"),
            snapshots=("first",),
        )
    _add(
        "at-snapshot-resized",
        create("top.qcow2", "1M", cluster_size=512),
        io("top.qcow2", "write 0 64k"),
        take("first"),
        "qemu-img resize -q top.qcow2 3M",
        io("top.qcow2", "write 2900k 100k"),
        take("larger"),
        "qemu-img resize -q --shrink top.qcow2 500k",
        take("smaller"),
        "qemu-img resize -q top.qcow2 1000448",
        io("top.qcow2", "write 976k 512"),
        snapshots=("first", "larger", "smaller"),
    )


def _chains() -> None:
    _add(
        "at-snapshot-over-backing",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 1M"),
        create("mid.qcow2", "2M", "base.qcow2"),
        io("mid.qcow2", "write 512k 1M"),
        take("hidden", "mid.qcow2"),
        create("top.qcow2", "3M", "mid.qcow2"),
        io("top.qcow2", "write 256k 64k", "write -z 320k 64k"),
        take("first"),
        io("top.qcow2", "write 0 256k"),
        "qemu-img resize -q --shrink top.qcow2 700k",
        io("top.qcow2", "write 600k 64k"),
        take("smaller"),
        "qemu-img resize -q top.qcow2 5M",
        snapshots=("first", "smaller"),
    )
    _add(
        "at-snapshot-then-rebased",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 256k"),
        "truncate -s 600k other.raw",
        create("top.qcow2", "1M", "base.qcow2"),
        take("first"),
        "qemu-img rebase -u -b other.raw -F raw top.qcow2",
        io("top.qcow2", "write 128k 64k"),
        snapshots=("first",),
    )


def _names() -> None:
    names = ("3", "1", "2", "with space", "a,b", "ünïcode", "quo'te\"s", "snapshot")
    _add(
        "at-snapshot-by-odd-names",
        create("top.qcow2", "1M", cluster_size="4k"),
        *(
            command
            for nth, name in enumerate(names)
            for command in (io("top.qcow2", f"write {nth * 64}k 32k"), take(name))
        ),
        snapshots=(*names, *(str(nth) for nth in range(4, 9))),
    )
    _add(
        "at-snapshot-of-a-name-twice",
        create("top.qcow2", "1M"),
        io("top.qcow2", "write 0 64k"),
        take("same"),
        io("top.qcow2", "write 64k 64k"),
        "qemu-img snapshot -c same top.qcow2",
        snapshots=("same", "1", "2"),
    )


def _odd() -> None:
    """What QEMU opens, odd as it is."""
    table, directory = SNAPSHOT_TABLE, BITMAP_DIRECTORY
    for name, at, value, width in (
        ("extra-data-of-1024", table + EXTRA_SIZE, 1024, 4),
        ("l1-unaligned", table, 0x90200, 8),
        ("l1-too-large", table + 8, 1 << 30, 4),
        ("disk-size", table + 48, 12345, 8),
        ("more-than-there-are", 60, 5, 4),
        ("past-the-end", SNAPSHOTS_OFFSET_AT, 1 << 40, 8),
    ):
        _add(f"odd-snapshot-{name}", *TWO_SNAPSHOTS, poke("top.qcow2", at, value, width))
    _add(
        "odd-snapshot-l1-entries-0",
        *TWO_SNAPSHOTS,
        poke("top.qcow2", table + 8, 0, 4),
        snapshots=("before", "after"),
    )
    _add(
        "odd-snapshot-id-ends-early",
        *TWO_SNAPSHOTS,
        poke("top.qcow2", table + 40 + 24 + 1, b"be\0ore"),
        snapshots=("be", "after"),
    )
    _add(
        "odd-snapshot-extra-data-of-0",
        *TWO_SNAPSHOTS,
        "qemu-img resize -q top.qcow2 2M",
        poke("top.qcow2", table + EXTRA_SIZE, 0, 4),
        poke("top.qcow2", table + 12, 24, 2),
        poke("top.qcow2", table + 14, 7, 2),
        poke("top.qcow2", table + 40, b"an-id-of-24-bytes-really-no-name"[:31]),
        snapshots=("an-id-of-24-bytes-really", "after"),
    )
    _add(
        "odd-snapshot-extra-data-of-16",
        *TWO_SNAPSHOTS,
        # the icount becomes a part of the id and the name
        poke("top.qcow2", table + EXTRA_SIZE, 16, 4),
        poke("top.qcow2", table + 12, 8, 2),
        poke("top.qcow2", table + 14, 7, 2),
        poke("top.qcow2", table + 56, b"longer-1before\0"),
        snapshots=("longer-1", "after", "2"),
    )
    for name, at, value, width in (
        ("in-use", directory + FLAGS, 3, 4),
        ("disabled", directory + FLAGS, 0, 4),
        ("coarse", directory + GRANULARITY, 31, 1),
        ("nothing-vouches", AUTOCLEAR_AT, 0, 8),
        ("past-the-end", BITMAP_TABLE, 1 << 40, 8),
    ):
        _add(f"odd-bitmap-{name}", *TWO_BITMAPS, poke("top.qcow2", at, value, width))
    _add(
        "odd-bitmap-of-another-size-in-use",
        *TWO_BITMAPS,
        poke("top.qcow2", directory + FLAGS, 1, 4),
        poke("top.qcow2", directory + TABLE_SIZE, 7, 4),
        poke("top.qcow2", BITMAP_TABLE, b"\xff" * 8),
    )
    _add(
        "odd-bitmap-twice-in-use",
        *TWO_BITMAPS,
        poke("top.qcow2", directory + 24, b"two"),
        poke("top.qcow2", directory + 32 + FLAGS, 1, 4),
    )
    _add(
        "odd-bitmaps-nothing-vouches-for-are-not-looked-at",
        *TWO_BITMAPS,
        poke("top.qcow2", AUTOCLEAR_AT, 0, 8),
        poke("top.qcow2", directory, b"\xff" * 64),
        poke("top.qcow2", BITMAPS_EXTENSION + 8, b"\xff" * 24),
    )


def mark(*options: str, image: str = "top.qcow2") -> str:
    """Return the command that does something to a bitmap: options, the last one its name."""
    *options, name = options
    return shlex.join(["qemu-img", "bitmap", *options, image, name])


def _add_bitmap(name: str, *commands: str, bitmaps: tuple[str, ...]) -> None:
    BITMAPS.append(Marked(Recipe(name, commands), bitmaps))


def _marked() -> None:
    writes = ("write 0 512", "write 100k 100k", "write -z 3M 64k", "discard 5M 1M", "write 9000000 1000000")
    grains = ("512", "4k", "64k", "1M", "2G")
    for name, size, options in (
        ("clusters-512", "10000384", {"cluster_size": 512}),
        ("clusters-4k", "10M", {"cluster_size": "4k"}),
        ("clusters-64k", "10000896", {}),
        ("clusters-2m", "10000384", {"cluster_size": "2M"}),
        ("extended-l2", "10M", {"extended_l2": "on"}),
    ):
        _add_bitmap(
            f"marked-{name}",
            create("top.qcow2", size, **options),
            *(mark("--add", "-g", grain, f"by {grain}") for grain in grains),
            io("top.qcow2", *writes),
            bitmaps=tuple(f"by {grain}" for grain in grains),
        )
    _add_bitmap(
        "marked-and-changed",
        create("top.qcow2", "4M"),
        *(mark("--add", "-g", "4k", name) for name in ("on", "off", "both", "cleared", "back on")),
        io("top.qcow2", "write 0 64k", "write 2M 4k"),
        mark("--disable", "off"),
        mark("--disable", "back on"),
        mark("--clear", "cleared"),
        io("top.qcow2", "write 1M 8k"),
        mark("--enable", "back on"),
        io("top.qcow2", "write 3M 12k"),
        mark("--clear", "--merge", "off", "--merge", "cleared", "both"),
        mark("--add", "--merge", "on", "coarser"),
        mark("--remove", "on"),
        bitmaps=("off", "both", "cleared", "back on", "coarser", "on"),
    )
    _add_bitmap(
        "marked-by-odd-names",
        create("top.qcow2", "1M"),
        *(mark("--add", name) for name in ("a,b", "ünï", 'quo"te', "x" * 1023, "a:b", "with space")),
        io("top.qcow2", "write 64k 64k"),
        bitmaps=("a,b", "ünï", 'quo"te', "a:b", "with space", "x"),
    )
    _add_bitmap(
        "marked-all-over",
        create("top.qcow2", "4M", cluster_size=512),
        mark("--add", "-g", "512", "b"),
        io("top.qcow2", "write 0 3M"),
        bitmaps=("b",),
    )
    _add_bitmap(
        "marked-here-and-there-in-8T",
        create("top.qcow2", "8T", cluster_size="64k"),
        mark("--add", "-g", "64k", "b"),
        io("top.qcow2", "write 1T 64k", "write 5497558138880 1M", "write 8589934588k 4k"),
        bitmaps=("b",),
    )
    _add_bitmap(
        "marked-every-other-sector",
        create("top.qcow2", "4M", cluster_size="4k"),
        mark("--add", "-g", "512", "b"),
        io("top.qcow2", *(f"write {n * 1024} 512" for n in range(3000))),
        bitmaps=("b",),
    )
    _add_bitmap(
        "marked-and-resized",
        create("top.qcow2", "1M"),
        mark("--add", "b"),
        io("top.qcow2", "write 900k 124k"),
        "qemu-img resize -q top.qcow2 3M",
        io("top.qcow2", "write 2M 1k"),
        "qemu-img resize -q --shrink top.qcow2 2098176",
        bitmaps=("b",),
    )
    _add_bitmap(
        "marked-with-snapshots",
        create("top.qcow2", "1M"),
        mark("--add", "b"),
        io("top.qcow2", "write 0 64k"),
        take("first"),
        mark("--add", "c"),
        io("top.qcow2", "write 512k 64k"),
        bitmaps=("b", "c"),
    )
    below = (
        create("base.qcow2", "1000k"),
        mark("--add", "both", image="base.qcow2"),
        mark("--add", "-g", "4k", "below", image="base.qcow2"),
        io("base.qcow2", "write 0 64k", "write 990k 10k"),
    )
    for name, size in (("longer", "3M"), ("shorter", "995k"), ("as-long", "1000k")):
        _add_bitmap(
            f"marked-below-one-that-is-{name}",
            *below,
            create("mid.qcow2", size, "base.qcow2"),
            create("top.qcow2", size, "mid.qcow2"),
            mark("--add", "both"),
            io("top.qcow2", "write 512k 64k"),
            bitmaps=("both", "below"),
        )
    _add_bitmap(
        "marked-below-raw",
        "truncate -s 1M base.raw",
        create("top.qcow2", "1M", "base.raw", "raw"),
        mark("--add", "b"),
        io("top.qcow2", "write 0 1k"),
        bitmaps=("b", "nosuch"),
    )
    in_use = (*TWO_BITMAPS, poke("top.qcow2", BITMAP_DIRECTORY + FLAGS, 3, 4))
    _add_bitmap("marked-in-use", *in_use, bitmaps=("one", "two"))
    _add_bitmap(
        "marked-in-use-above",
        "mkdir below && cd below",
        *TWO_BITMAPS,
        "mv top.qcow2 ../base.qcow2 && cd ..",
        *_MADE[:1],
        "qemu-img rebase -u -b base.qcow2 -F qcow2 top.qcow2",
        io("top.qcow2", "write 0 256k"),
        *TWO_BITMAPS[2:],
        poke("top.qcow2", BITMAP_DIRECTORY + FLAGS, 3, 4),
        bitmaps=("one", "two"),
    )
    _add_bitmap(
        "marked-and-nothing-vouches", *TWO_BITMAPS, poke("top.qcow2", AUTOCLEAR_AT, 0, 8), bitmaps=("one",)
    )
    _add_bitmap(
        "marked-twice-in-use",
        *TWO_BITMAPS,
        poke("top.qcow2", BITMAP_DIRECTORY + 24, b"two"),
        poke("top.qcow2", BITMAP_DIRECTORY + 32 + FLAGS, 1, 4),
        bitmaps=("two", "one"),
    )
    _add_bitmap(
        "marked-in-holes-of-the-file",
        *TWO_BITMAPS,
        poke("top.qcow2", BITMAP_TABLE, 1 << 40),
        poke("top.qcow2", 0xF0000, 1),
        bitmaps=("one", "two"),
    )


_written_over()
_resized()
_chains()
_names()
_odd()
_marked()
