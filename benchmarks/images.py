"""Writes the images that are measured, at any scale: the same scale and seed give the same bytes.

Only metadata is stored; clusters of data are holes in the file, so that a disk of 1 TiB takes 160 MiB.  QEMU
takes such images for preallocated ones and asks the file system about every run of data.  ``raw-holes`` alone
stores its data, 6.1 GiB at scale 1, since the holes between are what is measured.

The writer of blockstrata's own (formats/qcow2/author.py) states clusters one by one and is too slow here.  A
file of this one::

    ├ header ┼ refcount table ┼ refcount blocks ┼ L1 ┼ compressed ┼ L2 tables and data, mixed or in turn ┤

Run it as ``python benchmarks/images.py DIRECTORY --scale 0.1``.
"""

from __future__ import annotations

import argparse
import os
import struct
import sys
import zlib
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from blockstrata.formats.qcow2.header import MAGIC, Extension, Incompatible
from blockstrata.formats.qcow2.tables import COMPRESSED, COPIED, SUBCLUSTERS, ZERO
from cases import CASES, LAYERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

KIB: Final = 1 << 10
GIB: Final = 1 << 30
TIB: Final = 1 << 40
SECTOR: Final = 512

_HEADER: Final = struct.Struct(">4sIQIIQIIQQIIQ QQQII 8x")


class Kind(IntEnum):
    """What an L2 entry says; BARE is one that names no cluster and leaves all to its bitmap."""

    DATA = 0
    ZERO_PLAIN = 1
    ZERO_ALLOC = 2
    COMPRESSED = 3
    BARE = 4


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A qcow2 image: n guest clusters that have an entry, ascending, and what each is.

    ``guest`` int64 (n,), cluster numbers; ``kind`` uint8 (n,); ``places`` int64 (m,), for each hosted cluster
    its place among all m in the file; ``bitmaps`` uint64 (n,) makes the entries extended.
    ``mixed``: the L2 tables lie scattered between the clusters of data, not before them.
    """

    size: int
    cluster_bits: int
    guest: NDArray[np.int64]
    kind: NDArray[np.uint8]
    places: NDArray[np.int64]
    bitmaps: NDArray[np.uint64] | None = None
    backing: str | None = None
    mixed: bool = True

    @property
    def cluster(self) -> int:
        """Bytes."""
        return 1 << self.cluster_bits

    @property
    def words(self) -> int:
        """Words of 8 bytes in an L2 entry."""
        return 1 if self.bitmaps is None else 2

    @property
    def per_table(self) -> int:
        """Entries of an L2 table."""
        return self.cluster // (8 * self.words)


def hosted(kind: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Say which clusters have a host cluster of their own."""
    return np.isin(kind, (Kind.DATA, Kind.ZERO_ALLOC))


def write_qcow2(path: Path, plan: Plan, rng: np.random.Generator) -> None:
    """Write an image over whatever is there."""
    cluster = plan.cluster
    l1_entries = -(-plan.size // (cluster * plan.per_table))
    used, first = np.unique(plan.guest // plan.per_table, return_index=True)
    data, packed = len(plan.places), int((plan.kind == Kind.COMPRESSED).sum())
    layout = _Layout.of(plan, l1_entries, len(used) + data, -(-packed * SECTOR // cluster))

    body = np.arange(len(used) + data, dtype=np.int64) + layout.body
    if plan.mixed:
        # tables come in no order, the data takes what they leave
        at = rng.choice(len(body), len(used), replace=False)
        tables, rest = body[at], np.delete(body, at)
    else:
        tables, rest = body[: len(used)], body[len(used) :]
    entries = _entries(plan, rest, layout.packed)

    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.ftruncate(fd, layout.total * cluster)
        os.pwrite(fd, _header(plan, layout, l1_entries), 0)
        blocks = np.arange(layout.blocks, dtype=np.uint64) + np.uint64(1 + layout.table)
        os.pwrite(fd, (blocks << np.uint64(plan.cluster_bits)).astype(">u8").tobytes(), cluster)
        os.pwrite(fd, _refcounts(layout, packed, cluster // SECTOR), (1 + layout.table) * cluster)
        l1 = np.zeros(l1_entries, np.uint64)
        l1[used] = (tables.astype(np.uint64) << np.uint64(plan.cluster_bits)) | np.uint64(COPIED)
        os.pwrite(fd, l1.astype(">u8").tobytes(), layout.l1 * cluster)
        if packed:
            os.pwrite(fd, _deflated(cluster) * packed, layout.packed * cluster)
        ends = [*first[1:].tolist(), len(plan.guest)]
        for table, start, end in zip(tables.tolist(), first.tolist(), ends, strict=True):
            words = np.zeros((plan.per_table, plan.words), ">u8")
            words[plan.guest[start:end] % plan.per_table] = entries[start:end]
            os.pwrite(fd, words.tobytes(), table * cluster)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the parts of a file start, counted in clusters.

    The refcount table starts at cluster 1 and has ``table`` clusters; its ``blocks`` follow it.
    """

    table: int
    blocks: int
    l1: int
    packed: int
    body: int
    total: int
    per_block: int

    @classmethod
    def of(cls, plan: Plan, l1_entries: int, body: int, packed: int) -> _Layout:
        """Find how many refcount blocks count all clusters, their own too."""
        per_block = plan.cluster // 2
        l1_clusters = -(-l1_entries * 8 // plan.cluster)
        blocks, needed = 0, 1
        while blocks < needed:
            blocks = needed
            table = -(-blocks * 8 // plan.cluster)
            l1 = 1 + table + blocks
            start = l1 + l1_clusters + packed
            needed = -(-(start + body) // per_block)
        return cls(table, blocks, l1, l1 + l1_clusters, start, start + body, per_block)


def _entries(plan: Plan, rest: NDArray[np.int64], packed_at: int) -> NDArray[np.uint64]:
    """Return the L2 entries, uint64 (n, words); ``rest`` the host clusters that data may lie in."""
    entries = np.zeros((len(plan.guest), plan.words), np.uint64)
    word = entries[:, 0]
    own = rest[plan.places].astype(np.uint64) << np.uint64(plan.cluster_bits)
    word[hosted(plan.kind)] = own | np.uint64(COPIED)
    if plan.bitmaps is None:
        word[(plan.kind == Kind.ZERO_PLAIN) | (plan.kind == Kind.ZERO_ALLOC)] |= np.uint64(ZERO)
    else:
        entries[:, 1] = plan.bitmaps
    compressed = plan.kind == Kind.COMPRESSED
    # one sector each: the count of further sectors is 0
    sectors = np.arange(int(compressed.sum()), dtype=np.uint64) * np.uint64(SECTOR)
    word[compressed] = sectors + np.uint64(packed_at * plan.cluster | COMPRESSED)
    return entries


def _refcounts(layout: _Layout, packed: int, a_cluster: int) -> bytes:
    """Return the refcount blocks: compressed clusters share host clusters, ``a_cluster`` in each."""
    counts = np.zeros(layout.blocks * layout.per_block, ">u2")
    counts[: layout.total] = 1
    shared = np.bincount(np.arange(packed) // a_cluster, minlength=layout.body - layout.packed)
    counts[layout.packed : layout.body] = shared
    return counts.tobytes()


def _header(plan: Plan, layout: _Layout, l1_entries: int) -> bytes:
    extensions = b""
    if plan.backing:
        extensions += struct.pack(">II8s", Extension.BACKING_FORMAT, 5, b"qcow2")
    extensions += struct.pack(">II", Extension.END, 0)
    name = (plan.backing or "").encode()
    header = _HEADER.pack(
        MAGIC,
        3,
        _HEADER.size + len(extensions) if name else 0,
        len(name),
        plan.cluster_bits,
        plan.size,
        0,  # no encryption
        l1_entries,
        layout.l1 * plan.cluster,
        plan.cluster,
        layout.table,
        0,  # snapshots
        0,
        0 if plan.bitmaps is None else Incompatible.EXTENDED_L2,
        0,
        0,
        4,  # refcounts of 16 bits
        _HEADER.size,
    )
    return header + extensions + name


def _deflated(cluster: int) -> bytes:
    """Return a sector that inflates to a cluster."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -12)
    stream = deflate.compress(b"strata" * (cluster // 6) + b"strata"[: cluster % 6]) + deflate.flush()
    return stream.ljust(SECTOR, b"\0")


# ----------------------------------------------------------------------------------------------------------
# the disks


def _shuffled(group: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return places in which each group lies together and the groups are shuffled; groups are ascending."""
    key = rng.permutation(int(group[-1]) + 1)[group] if len(group) else group
    places = np.empty(len(group), np.int64)
    places[np.argsort(key, kind="stable")] = np.arange(len(group))
    return places


def _count(at_scale_1: int, scale: float, least: int) -> int:
    return max(least, int(at_scale_1 * scale))


def frag(path: Path, scale: float, rng: np.random.Generator) -> None:
    """Write every second cluster allocated, none beside its neighbour on the host."""
    count = _count(1_000_000, scale, 64)
    guest = np.arange(count, dtype=np.int64) * 2
    kind = np.full(count, Kind.DATA, np.uint8)
    places = _shuffled(np.arange(count), rng)
    write_qcow2(path, Plan(count * 2 * 64 * KIB, 16, guest, kind, places), rng)


def big(path: Path, scale: float, rng: np.random.Generator) -> None:
    """Write runs of 500 clusters on average, half of them unallocated, the others of all kinds."""
    clusters = _count(16 * TIB >> 21, scale, 4096)
    lengths = rng.geometric(1 / 500, size=clusters // 100)
    ends = np.cumsum(lengths)
    run = np.searchsorted(ends, np.arange(clusters), side="right")
    codes = [Kind.BARE, Kind.DATA, Kind.ZERO_PLAIN, Kind.ZERO_ALLOC]
    kinds = rng.choice(np.array(codes, np.uint8), size=len(lengths) + 1, p=[0.55, 0.35, 0.07, 0.03])
    guest = np.flatnonzero(kinds[run] != Kind.BARE)
    kind, run = kinds[run[guest]], run[guest]
    places = _shuffled(run[hosted(kind)], rng)
    write_qcow2(path, Plan(clusters << 21, 21, guest, kind, places, mixed=False), rng)


def dense(path: Path, scale: float, rng: np.random.Generator) -> None:
    """Write a disk that is one run of data, in the guest and on the host."""
    clusters = _count(TIB >> 16, scale, 8192)
    guest = np.arange(clusters, dtype=np.int64)
    kind = np.full(clusters, Kind.DATA, np.uint8)
    write_qcow2(path, Plan(clusters << 16, 16, guest, kind, guest, mixed=False), rng)


def chain(path: Path, scale: float, rng: np.random.Generator) -> None:
    """Write the active layer to ``path`` and the layers below it beside it."""
    clusters, entries = _count(64 * GIB >> 16, scale, 8192), _count(20_000, scale, 64)
    for layer, seed in enumerate(rng.spawn(LAYERS)):
        backing = f"chain-{layer - 1:02d}.qcow2" if layer else None
        plan = _layer(clusters, entries, backing, seed)
        write_qcow2(path.with_name(f"chain-{layer:02d}.qcow2"), plan, seed)


def _layer(clusters: int, entries: int, backing: str | None, rng: np.random.Generator) -> Plan:
    """Return a layer of short runs, two clusters on average, whose host ranges lie together by the 64."""
    starts = rng.choice(clusters, entries // 2, replace=False)
    ends = np.minimum(starts + rng.geometric(0.5, size=len(starts)), clusters)
    opened = np.bincount(starts, minlength=clusters + 1) - np.bincount(ends, minlength=clusters + 1)
    guest = np.flatnonzero(np.cumsum(opened)[:clusters])
    codes = [Kind.DATA, Kind.ZERO_PLAIN, Kind.ZERO_ALLOC, Kind.COMPRESSED]
    kind = rng.choice(np.array(codes, np.uint8), size=len(guest), p=[0.80, 0.08, 0.04, 0.08])
    places = _shuffled(np.arange(int(hosted(kind).sum())) // 64, rng)
    return Plan(clusters << 16, 16, guest, kind, places, backing=backing)


def subcluster(path: Path, scale: float, rng: np.random.Generator) -> None:
    """Write clusters of 32 subclusters, each unallocated, data or zero, often as the one before it."""
    clusters = _count(65_536, scale, 256)
    shape = (clusters, SUBCLUSTERS)
    drawn = rng.integers(0, 3, size=shape)
    anew = rng.random(shape) >= 0.28
    anew[:, 0] = True
    # each takes the state of the last one that was drawn anew
    last = np.maximum.accumulate(np.where(anew, np.arange(SUBCLUSTERS), 0), axis=1)
    state = np.take_along_axis(drawn, last, axis=1)
    bits = np.uint64(1) << np.arange(SUBCLUSTERS, dtype=np.uint64)
    data = np.where(state == 1, bits, np.uint64(0)).sum(axis=1, dtype=np.uint64)
    zero = np.where(state == 2, bits, np.uint64(0)).sum(axis=1, dtype=np.uint64) << np.uint64(SUBCLUSTERS)
    codes = np.array([Kind.DATA, Kind.BARE, Kind.COMPRESSED], np.uint8)
    kind = rng.choice(codes, size=clusters, p=[0.92, 0.06, 0.02])
    bitmaps = np.select([kind == Kind.DATA, kind == Kind.BARE], [data | zero, zero], np.uint64(0))
    places = _shuffled(np.arange(int(hosted(kind).sum())), rng)
    guest = np.arange(clusters, dtype=np.int64)
    write_qcow2(path, Plan(clusters << 17, 17, guest, kind, places, bitmaps), rng)


def huge(path: Path, scale: float, rng: np.random.Generator) -> None:
    """Write one L2 table in a thousand L1 entries, half full of clusters in no order."""
    l1_entries = _count(131_072, scale, 1024)
    tables = np.sort(rng.choice(l1_entries, size=l1_entries // 1000, replace=False))
    per_table = 64 * KIB // 8
    full = rng.random((len(tables), per_table)) < 0.5
    guest = (tables[:, None] * per_table + np.arange(per_table))[full]
    kind = np.full(len(guest), Kind.DATA, np.uint8)
    places = _shuffled(np.arange(len(guest)), rng)
    write_qcow2(path, Plan(l1_entries * per_table << 16, 16, guest, kind, places), rng)


def raw(path: Path, scale: float, rng: np.random.Generator) -> None:  # noqa: ARG001
    """Write 64 KiB of data and a hole of 64 KiB in turn, and have them on the disk."""
    count = _count(100_000, scale, 16)
    data = b"strata.." * (8 * KIB)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.ftruncate(fd, count * 128 * KIB)
        for index in range(count):
            os.pwrite(fd, data, index * 128 * KIB)
        os.fsync(fd)
    finally:
        os.close(fd)


WRITERS: Final[dict[str, Callable[[Path, float, np.random.Generator], None]]] = {
    "frag-1M": frag,
    "big-16T": big,
    "dense-1T": dense,
    "chain": chain,
    "subcluster": subcluster,
    "huge-64T": huge,
    "raw-holes": raw,
}


def main() -> int:
    """Write the images that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the sizes, down to a least size")
    parser.add_argument(
        "--only", action="append", choices=list(CASES), metavar="NAME", help="all if not given"
    )
    parser.add_argument("--seed", type=int, default=2018)
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    for number, (name, write) in enumerate(WRITERS.items()):
        if name in (options.only or WRITERS):
            rng = np.random.default_rng((options.seed, number))
            write(options.directory / CASES[name].image, options.scale, rng)
    return 0


if __name__ == "__main__":
    sys.exit(main())
