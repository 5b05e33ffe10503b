"""Small qcow2 images of every kind that check knows, and random changes to what they say of themselves."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from recipe import SECRET, create, io, io_options, until_done

if TYPE_CHECKING:
    from random import Random

COPIED, COMPRESSED = 1 << 63, 1 << 62
_MASK = 0x00FFFFFFFFFFFE00
_BITMAPS, _ENCRYPTION = 0x23852875, 0x0537BE77
_WRITES = ("write 0 32k", "write -z 40k 8k", "write -c 64k 4k", "write -c 68k 4k", "write 100k 12k")
TOP = "top.qcow2"


def _small(**options: object) -> str:
    return create(TOP, "256k", cluster_size="4k", **options)


def _snapshot(name: str) -> str:
    return f"qemu-img snapshot -c {name} {TOP}"


MADE: dict[str, tuple[str, ...]] = {
    **{
        f"refcounts-of-{bits}": (
            _small(refcount_bits=bits),
            io(TOP, "write 0 32k", "write -z 40k 8k", "write 100k 12k"),
        )
        for bits in (1, 2, 4, 8, 32, 64)
    },
    "plain": (_small(), io(TOP, *_WRITES)),
    # version 2 has no zero clusters
    "version-2": (_small(compat="0.10"), io(TOP, *_WRITES), _snapshot("a"), io(TOP, "write 8k 8k")),
    "small-clusters": (
        create(TOP, "200k", cluster_size=512),
        io(TOP, "write 0 30k", "write -z 64k 40k"),
        _snapshot("a"),
        io(TOP, "write 8k 8k"),
    ),
    "snapshots": (
        _small(),
        io(TOP, *_WRITES),
        _snapshot("a"),
        io(TOP, "write 8k 8k"),
        _snapshot("b"),
        io(TOP, "write 12k 8k"),
    ),
    "bitmaps": (
        _small(),
        io(TOP, *_WRITES),
        f"qemu-img bitmap --add -g 4k {TOP} first",
        f"qemu-img bitmap --add --disable {TOP} second",
        io(TOP, "write 8k 8k"),
    ),
    "extended": (
        create(TOP, "1M", cluster_size="16k", extended_l2="on"),
        io(TOP, "write 0 512", "write 20k 4k", "write -z 32k 512", "write -c 64k 16k", "write -z 96k 4k"),
        _snapshot("a"),
        io(TOP, "write 8k 8k"),
    ),
    "data-file": (_small(data_file="data.raw"), io(TOP, "write 0 12k", "write -z 4k 4k")),
    "luks": (
        until_done(
            f"qemu-img create -q {' '.join(SECRET)} -f qcow2 -o cluster_size=4k,encrypt.format=luks,"
            f"encrypt.key-secret=key,encrypt.iter-time=10 {TOP} 256k"
        ),
        io_options(f"driver=qcow2,file.filename={TOP},encrypt.key-secret=key", "write 0 12k"),
    ),
}
"""The commands that make each image, with whatever else it needs."""


class Place(NamedTuple):
    """A range of bytes of a file, and what it is."""

    kind: str
    start: int
    length: int


_WEIGHTS = {
    "l1": 4,
    "refcount-table": 3,
    "block": 4,
    "l2": 9,
    "snapshot": 3,
    "bitmap": 3,
    "bitmaps": 1,
    "bitmap-table": 4,
    "encryption": 1,
}
"""How often what is changed, beside each other."""
_HEADER = ((24, 8), (36, 4), (40, 8), (48, 8), (60, 4), (64, 8), (72, 8), (79, 1), (88, 8))
"""Offset and width of fields that may be other than they are."""
_EDGES = (0, 1, 2, 3, 255, 65535, 2**31 - 1, 2**32 - 1, 2**55, 2**56 - 512)
_FAR = (2**62, 2**63 - 512, 2**63, 2**64 - 512, 2**64 - 1)


def places(image: bytes) -> tuple[list[Place], list[int]]:
    """Return the tables of an image that may be changed, and the offsets that it names."""
    size = 1 << struct.unpack_from(">I", image, 20)[0]
    l1_entries, l1, table, clusters = struct.unpack_from(">IQQI", image, 36)
    snapshots, at = struct.unpack_from(">IQ", image, 60)
    found = [Place("l1", l1, l1_entries * 8), Place("refcount-table", table, min(clusters * size, 64))]
    tables = _words(image, l1, l1_entries)
    blocks = _words(image, table, clusters * size // 8)
    for _ in range(snapshots):
        at = at + 7 & ~7
        offset, entries, id_size, name_size = struct.unpack_from(">QIHH", image, at)
        (extra,) = struct.unpack_from(">I", image, at + 36)
        found += [Place("snapshot", at, 40), Place("l1", offset, entries * 8)]
        tables |= _words(image, offset, entries)
        at += 40 + extra + id_size + name_size
    found += [Place("l2", each, size) for each in sorted(tables)]
    found += [Place("block", each, min(size, 512)) for each in sorted(blocks)]
    found += _extensions(image)
    hosts = set().union(*(_words(image, each, size // 8) for each in tables))
    return found, sorted({0, l1, table, len(image)} | tables | blocks | hosts)


def _words(image: bytes, at: int, count: int) -> set[int]:
    count = max(0, min(count, (len(image) - at) // 8))
    return {word & _MASK for word in struct.unpack_from(f">{count}Q", image, at)} - {0}


def _extensions(image: bytes) -> list[Place]:
    found = []
    at = struct.unpack_from(">I", image, 100)[0] if image[7] == 3 else 72
    while True:
        kind, length = struct.unpack_from(">II", image, at)
        if kind == 0:
            return found
        if kind == _ENCRYPTION:
            found.append(Place("encryption", at, 24))
        if kind == _BITMAPS:
            size, start = struct.unpack_from(">QQ", image, at + 16)
            found += [Place("bitmap", start, size), Place("bitmaps", at, 24)]
            entry = start
            while entry < start + size:
                table, entries, _, _, _, name, extra = struct.unpack_from(">QIIBBHI", image, entry)
                found.append(Place("bitmap-table", table, entries * 8))
                entry += 24 + name + extra + 7 & ~7
        at += 8 + (length + 7 & ~7)


def damaged(image: bytes, random: Random) -> tuple[bytes, str]:
    """Return an image with one to three changes, and these in words."""
    changed, said = bytearray(image), []
    size = 1 << struct.unpack_from(">I", image, 20)[0]
    found, offsets = places(image)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if random.random() < 0.07:
            ends = (len(changed) + more for more in (-2 * size, -size, -512, -size // 2, size, 700))
            length = max(size, random.choice((*ends, random.choice(offsets) + 512)))
            changed = changed[:length].ljust(length, b"\0")
            said.append(f"length {length}")
            continue
        at, width = _place(changed, found, random)
        if at + width > len(changed):
            continue
        before = int.from_bytes(changed[at : at + width], "big")
        after = _number(before, width, size, offsets, random) % (1 << 8 * width)
        changed[at : at + width] = after.to_bytes(width, "big")
        said.append(f"{at:#x}: {before:#x} to {after:#x}")
    return bytes(changed), ", ".join(said)


def _place(image: bytearray, found: list[Place], random: Random) -> tuple[int, int]:
    if random.random() < 0.05:
        return random.choice(_HEADER)
    kind, start, length = random.choices(found, [_WEIGHTS[each.kind] for each in found])[0]
    width = {"block": random.choice((1, 2, 8))}.get(kind, 8)
    if kind in ("snapshot", "bitmap", "bitmaps", "encryption"):
        width = random.choice((4, 8))
    used = [at for at in range(0, length - 7, 8) if any(image[start + at : start + at + 8])]
    if used and random.random() < 0.8:
        beside = 8 if random.random() < 0.2 else 0
        return start + random.choice(used) + beside + random.randrange(8 // width) * width, width
    return start + random.randrange(max(1, length // width)) * width, width


def _number(before: int, width: int, size: int, offsets: list[int], random: Random) -> int:
    flags = random.choice((0, COPIED, COPIED, COMPRESSED, 1, COPIED | 1, 1 << 61, 1 << 56, 2))
    near = random.choice(offsets) + random.choice((0, 0, 0, 512, -512, size, -size, 1, 8))
    cluster = random.randrange(offsets[-1] // size + 4) * size
    return random.choice(
        (
            before ^ 1 << random.randrange(8 * width),
            near | flags,
            cluster | flags,
            random.choice((*_EDGES, *_FAR)),
            random.randrange(256),
            before ^ COPIED if width == 8 else before + 1,
        )
    )


def word(at: int, number: int, form: str = ">Q") -> tuple[int, bytes]:
    """Return a change: where, and a number as it stands there."""
    return at, struct.pack(form, number)


def l1_at(image: bytes) -> int:
    """Return the host byte of the L1 table."""
    return struct.unpack_from(">Q", image, 40)[0]


def l2_at(image: bytes) -> int:
    """Return that of the first L2 table."""
    return next(each.start for each in places(image)[0] if each.kind == "l2")


def data_at(image: bytes) -> int:
    """Return that of the cluster that the first entry of the first L2 table names."""
    return struct.unpack_from(">Q", image, l2_at(image))[0] & _MASK


def refcounts_at(image: bytes) -> int:
    """Return that of the refcount table."""
    return struct.unpack_from(">Q", image, 48)[0]


def block_at(image: bytes) -> int:
    """Return that of the first refcount block."""
    return next(each.start for each in places(image)[0] if each.kind == "block")
