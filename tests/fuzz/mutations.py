"""Changes to the bytes of image files, and the hypothesis strategies that choose them.

A mutation is stated in absolute numbers, so that a list of them is all it takes to make a mutant again.
Strategies aim at what a reader trusts: header, extensions, tables; and write what a reader trips over: the
numbers around every offset and size that the image itself states.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

_PUNCH_AND_KEEP_SIZE = 3
_LIBC = ctypes.CDLL(None, use_errno=True)

MASK = 0x00FFFFFFFFFFFE00
COPIED, COMPRESSED = 1 << 63, 1 << 62

HEADER_FIELDS = (
    (0, 4),  # magic
    (4, 4),  # version
    (8, 8),  # backing_file_offset
    (16, 4),  # backing_file_size
    (20, 4),  # cluster_bits
    (24, 8),  # size
    (32, 4),  # crypt_method
    (36, 4),  # l1_size
    (40, 8),  # l1_table_offset
    (48, 8),  # refcount_table_offset
    (56, 4),  # refcount_table_clusters
    (60, 4),  # nb_snapshots
    (64, 8),  # snapshots_offset
    (72, 8),  # incompatible_features
    (80, 8),  # compatible_features
    (88, 8),  # autoclear_features
    (96, 4),  # refcount_order
    (100, 4),  # header_length
    (104, 1),  # compression_type
)
"""Offset and width of the fields (docs/interop/qcow2.txt of QEMU)."""

MOST_LENGTH = 1 << 41
"""Bytes to which a file grows at most: QEMU counts the references of all its clusters, one by one."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change to one file of a case; ``arguments`` as the line of text has them."""

    file: str
    kind: str
    arguments: tuple[int | bytes, ...]

    def __str__(self) -> str:
        """Return the line of text."""
        words = [each.hex() if isinstance(each, bytes) else f"{each:#x}" for each in self.arguments]
        return " ".join((self.file, self.kind, *words))

    __repr__ = __str__

    def apply(self, directory: Path) -> None:
        """Change the file."""
        fd = os.open(directory / self.file, os.O_RDWR | os.O_CLOEXEC)
        try:
            _KINDS[self.kind](fd, *self.arguments)
        finally:
            os.close(fd)


def parse(line: str) -> Mutation:
    """Return the mutation that a line of text states."""
    file, kind, *words = line.split()
    arguments = [
        bytes.fromhex(word) if kind == "set" and nth else int(word, 0) for nth, word in enumerate(words)
    ]
    return Mutation(file, kind, tuple(arguments))


def _set(fd: int, at: int, data: bytes) -> None:
    os.pwrite(fd, data, at)


def _flip(fd: int, at: int, bit: int) -> None:
    byte = os.pread(fd, 1, at)
    os.pwrite(fd, bytes([(byte or b"\0")[0] ^ 1 << bit]), at)


def _copy(fd: int, source: int, to: int, length: int) -> None:
    os.pwrite(fd, os.pread(fd, length, source), to)


def _length(fd: int, length: int) -> None:
    os.ftruncate(fd, length)


def _punch(fd: int, at: int, length: int) -> None:
    if _LIBC.fallocate(fd, _PUNCH_AND_KEEP_SIZE, ctypes.c_int64(at), ctypes.c_int64(length)):
        raise OSError(ctypes.get_errno(), "cannot make a hole")


_KINDS = {"set": _set, "flip": _flip, "copy": _copy, "length": _length, "punch": _punch}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where what matters lies in a file: ranges by name, and the numbers that the file itself states."""

    file: str
    length: int
    cluster: int
    regions: tuple[tuple[str, int, int], ...]
    """(name, start, length)"""
    offsets: tuple[int, ...]
    used: tuple[int, ...] = ()
    """Where the words of the tables stand that are not zero."""


def layout(file: str, content: bytes) -> Layout:
    """Return the layout of a file's content, which need not be a qcow2 image."""
    if content[:4] != b"QFI\xfb":
        return Layout(file, len(content), 4096, (("data", 0, max(1, len(content))),), (0, len(content)))
    version, backing_at, _, bits = struct.unpack_from(">IQII", content, 4)
    l1_size, l1_at, references_at, references = struct.unpack_from(">IQQI", content, 36)
    snapshots, snapshots_at = struct.unpack_from(">IQ", content, 60)
    cluster = 1 << bits
    header = 72 if version == 2 else struct.unpack_from(">I", content, 100)[0]
    regions = [("header", 0, header), ("extensions", header, 160), ("l1", l1_at, l1_size * 8)]
    if backing_at:
        regions.append(("backing", backing_at, 64))
    tables = sorted(set(_words(content, l1_at, l1_size)) - {0})
    regions += [("l2", at, cluster) for at in tables]
    regions.append(("references", references_at, min(references * cluster, 64)))
    blocks = sorted(set(_words(content, references_at, references * cluster // 8)) - {0})
    regions += [("block", at, min(cluster, 512)) for at in blocks]
    if snapshots:
        regions.append(("snapshots", snapshots_at, 64 * snapshots))
    hosts = sorted({host for at in tables for host in _words(content, at, cluster // 8)} - {0})[:64]
    regions += [("data", host, cluster) for host in hosts[:8]]
    inside = tuple((name, at, length) for name, at, length in regions if length and at < len(content))
    offsets = {0, l1_at, references_at, snapshots_at, *tables, *blocks, *hosts, len(content)}
    words = [
        start + 8 * nth
        for name, start, length in inside
        if name in ("l1", "l2", "references")
        for nth, word in enumerate(_words(content, start, length // 8, 2**64 - 1))
        if word
    ]
    return Layout(file, len(content), cluster, inside, tuple(sorted(offsets)), tuple(words))


def _words(content: bytes, at: int, count: int, mask: int = MASK) -> list[int]:
    count = max(0, min(count, (len(content) - at) // 8))
    return [word & mask for word in struct.unpack_from(f">{count}Q", content, at)]


def _numbers(of: Layout) -> st.SearchStrategy[int]:
    """Return what a reader trips over: the edges of number types, and of everything in the file."""
    edges = [0, 1, 2, 3, 4, 7, 8, 31, 32, 64, 104, 512, 1023, 1024, 65535, 65536]
    edges += [2**31 - 1, 2**31, 2**32 - 1, 2**56 - 512, 2**62, 2**63 - 512, 2**63 - 1, 2**63, 2**64 - 512]
    near = st.builds(
        int.__add__,
        st.sampled_from(of.offsets),
        st.sampled_from([0, 0, 0, 512, -512, of.cluster, -of.cluster, 1, -1, 8]),
    )
    clusters = st.integers(0, of.length // of.cluster + 4).map(lambda nth: nth * of.cluster)
    entries = st.builds(
        int.__or__,
        near | clusters,
        st.sampled_from(
            [0, COPIED, COPIED, COMPRESSED, 1, COPIED | 1, COPIED | COMPRESSED, 1 << 61, 1 << 56, 2]
        ),
    )
    powers = st.integers(0, 63).map(lambda bit: 1 << bit)
    return st.one_of(
        *[entries] * 3,
        near,
        st.sampled_from(edges),
        powers,
        st.integers(0, 40),
        st.just(2**64 - 1),
        st.integers(0, 2**64 - 1),
    )


_WEIGHTS = {
    "header": 2,
    "extensions": 2,
    "backing": 1,
    "l1": 4,
    "l2": 9,
    "references": 1,
    "block": 1,
    "snapshots": 3,
    "bitmaps": 3,
    "data": 1,
}
"""How often what is overwritten, beside each other."""


def _places(of: Layout) -> st.SearchStrategy[tuple[int, int]]:
    """Return offset and width of what is overwritten: a header field or a table's word, mostly."""
    kinds = [name for name in dict.fromkeys(name for name, _, _ in of.regions) for _ in range(_WEIGHTS[name])]
    anywhere = st.tuples(st.integers(0, max(0, of.length - 1)), st.sampled_from([1, 2, 4, 8]))
    return st.one_of(st.sampled_from(kinds), st.sampled_from(kinds), st.just("")).flatmap(
        lambda kind: _in_regions(of, kind) if kind else anywhere
    )


def _in_regions(of: Layout, kind: str) -> st.SearchStrategy[tuple[int, int]]:
    if kind == "header":
        return st.sampled_from(HEADER_FIELDS)
    width = 4 if kind in ("extensions", "snapshots") else 8
    regions = [(at, length) for name, at, length in of.regions if name == kind]
    inside = st.sampled_from(regions).flatmap(lambda region: _inside(*region, width))
    used = [at for at in of.used if any(start <= at < start + length for start, length in regions)]
    if not used:
        return inside
    # the word beside one in use is the bitmap of an extended entry, or the next entry
    beside = st.tuples(st.sampled_from(used), st.sampled_from([0, 0, 0, 8])).map(lambda at: (sum(at), 8))
    return st.one_of(beside, beside, inside)


def _inside(at: int, length: int, width: int) -> st.SearchStrategy[tuple[int, int]]:
    words = max(0, length // width - 1)
    # the first words of a table are the ones in use
    nth = st.one_of(st.integers(0, min(words, 40)), st.integers(0, words))
    return nth.map(lambda index: (at + index * width, width))


@cache
def mutations(of: Layout) -> st.SearchStrategy[Mutation]:
    """Return the strategy of one mutation of a file."""

    def stated(kind: str, *arguments: int | bytes) -> Mutation:
        return Mutation(of.file, kind, arguments)

    def put(place: tuple[int, int], number: int) -> Mutation:
        at, width = place
        return stated("set", at, (number % (1 << 8 * width)).to_bytes(width, "big"))

    # what falls on the header mostly leaves nothing to be read
    starts = st.one_of(
        st.sampled_from([at for name, at, _ in of.regions if name not in ("header", "extensions")]),
        _places(of).map(lambda place: place[0]),
        st.integers(1, of.length // of.cluster + 1).map(lambda nth: nth * of.cluster),
    )
    sizes = st.sampled_from([1, 8, 16, 64, 512, 4096, of.cluster])
    lengths = st.one_of(
        st.builds(int.__add__, st.sampled_from(of.offsets), st.integers(-600, 600)).filter(
            lambda at: at >= 0
        ),
        st.integers(0, 2 * of.length),
        st.integers(0, 2 * of.length),
        st.sampled_from([1 << 32, MOST_LENGTH]),
    )
    put_number = st.builds(put, _places(of), _numbers(of))
    return st.one_of(
        *[put_number] * 6,
        st.builds(
            lambda place, bit: stated("flip", place[0] + bit // 8 % place[1], bit % 8),
            _places(of),
            st.integers(0, 63),
        ),
        st.builds(
            lambda place, data: stated("set", place[0], data), _places(of), st.binary(min_size=1, max_size=32)
        ),
        st.builds(lambda source, to, length: stated("copy", source, to, length), starts, starts, sizes),
        lengths.map(lambda length: stated("length", length)),
        st.builds(lambda at, length: stated("punch", at, length), starts, sizes),
    )
