"""L2 entries and refcounts against readers that take one entry at a time, bit by bit."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blockstrata.facts.codes import NO_HOST, Mapping, Storage, fact
from blockstrata.facts.extents import Extents, uniform
from blockstrata.formats.qcow2.header import Header, Incompatible
from blockstrata.formats.qcow2.refcounts import count_references, looks_preallocated
from blockstrata.formats.qcow2.tables import Breaks, TableEntry, compressed_at, decode, explain, telling

if TYPE_CHECKING:
    from collections.abc import Collection

some = settings(max_examples=250)

COPIED, COMPRESSED, ZERO = 1 << 63, 1 << 62, 1
RESERVED = [0, 1 << 61, 1 << 56, 1 << 8, 1 << 1]
"""Bits of a standard entry that mean nothing, and none of them."""


def header(
    *, version: int = 3, bits: int = 16, features: int = 0, order: int = 4, table_clusters: int = 1
) -> Header:
    """Make a header of which only what decides the reading of tables matters."""
    return Header(
        version=version,
        cluster_bits=bits,
        size=1 << 40,
        backing_offset=0,
        backing_size=0,
        crypt_method=0,
        l1_offset=0,
        l1_entries=0,
        refcount_table_offset=1 << bits,
        refcount_table_clusters=table_clusters,
        refcount_order=order,
        snapshots_offset=0,
        snapshots=0,
        incompatible=features,
        data_file="data" if features & Incompatible.DATA_FILE else None,
    )


HEADERS = [
    *(header(bits=bits) for bits in (9, 12, 16, 21)),
    *(header(version=2, bits=bits) for bits in (9, 16)),
    header(features=Incompatible.DATA_FILE),
    *(header(bits=bits, features=Incompatible.EXTENDED_L2) for bits in (14, 16, 21)),
    header(features=Incompatible.EXTENDED_L2 | Incompatible.DATA_FILE),
]

Entry = tuple[int, int]
"""An L2 entry: its word, and its bitmap, which a standard entry does not have."""

Part = tuple[Mapping, int]
"""What a cluster, or a subcluster, is, and its host offset."""


def has(word: int, bit: int) -> bool:
    return bool(word >> bit & 1)


def classify(of: Header, guest: int, entry: Entry) -> list[Part]:
    """Say what each part of a cluster is: each of 32 subclusters, or the cluster as a whole."""
    word, bitmap = entry
    parts = 32 if of.extended_l2 else 1
    host = sum(1 << bit for bit in range(9, 56) if has(word, bit))
    if has(word, 62):
        return [(Mapping.INVALID if of.has_data_file else Mapping.COMPRESSED, NO_HOST)] * parts
    zero = has(word, 0) and not of.extended_l2
    # in a data file guest byte 0 lies at host byte 0, and the COPIED bit says so
    present = host > 0 or (of.has_data_file and has(word, 63) and not zero)
    refused = [
        zero and of.version == 2,
        host % of.cluster_size != 0,
        of.has_data_file and present and host != guest,
        any(has(bitmap, bit) and (has(bitmap, 32 + bit) or not present) for bit in range(32))
        and of.extended_l2,
    ]
    if any(refused):
        return [(Mapping.INVALID, NO_HOST)] * parts
    if not of.extended_l2:
        kind = kind_of(zero=zero, data=present, present=present)
        return [(kind, host if present else NO_HOST)]
    return [
        (
            kind_of(zero=has(bitmap, 32 + part), data=has(bitmap, part), present=present),
            host + part * of.cluster_size // 32 if present else NO_HOST,
        )
        for part in range(32)
    ]


def kind_of(*, zero: bool, data: bool, present: bool) -> Mapping:
    if zero:
        return Mapping.ZERO_ALLOC if present else Mapping.ZERO_PLAIN
    if data:
        return Mapping.NORMAL
    return Mapping.UNALLOCATED_ALLOC if present else Mapping.UNALLOCATED


@st.composite
def tables(draw: st.DrawFn) -> tuple[Header, int, list[Entry]]:
    """Make a header, the guest byte of the first entry, and up to six entries, near what matters."""
    of = draw(st.sampled_from(HEADERS))
    size = of.cluster_size
    first = draw(st.sampled_from([0, of.l2_span, 5 * of.l2_span]))
    entries: list[Entry] = []
    for index in range(draw(st.integers(0, 6))):
        guest = first + index * size
        following = (entries[-1][0] & ((1 << 56) - 512)) + size if entries else size
        host = draw(
            st.sampled_from([0, 0, size, guest, following, 7 * size, 7 * size + 512, (1 << 56) - size])
        )
        flags = draw(st.sampled_from([0, COPIED, COPIED, ZERO, ZERO | COPIED, COMPRESSED, COMPRESSED | ZERO]))
        noise = draw(st.sampled_from(RESERVED))
        entries.append((host % (1 << 56) | flags | noise, draw(bitmaps())))
    return of, first, entries


@st.composite
def bitmaps(draw: st.DrawFn) -> int:
    """Make 32 bits "allocated" and 32 bits "zero", seldom with both for one subcluster."""
    allocated = draw(st.sampled_from([0, 0, 1, 0x80000000, 0xFFFFFFFF, 0x0000FFFF, 0x55555555]))
    zero = draw(st.sampled_from([0, 0, 1, 0x80000000, 0xFFFFFFFF, 0xFFFF0000, 0xAAAAAAAA]))
    clash = draw(st.sampled_from([0, 0, 0, 1]))
    return (zero & ~allocated | (zero if clash else 0)) << 32 | allocated


def as_array(of: Header, entries: list[Entry]) -> np.ndarray:
    words = np.array(entries, np.uint64).reshape(-1, 2)
    return words if of.extended_l2 else words[:, 0]


def parts_of(extents: Extents, step: int) -> list[Part]:
    """Return what is said of each step of a window, having checked that nothing changes in between."""
    assert (extents.edges % step == 0).all()
    runs = zip(extents.facts.tolist(), extents.host.tolist(), extents.lengths.tolist(), strict=True)
    return [
        (Mapping(code >> 3), NO_HOST if host == NO_HOST else host + into)
        for code, host, length in runs
        for into in range(0, length, step)
    ]


def no_break(first: int) -> Breaks:
    return Breaks(np.array([0]), np.array([first]))


def decoded(of: Header, first: int, entries: list[Entry]) -> Extents:
    """Return what decode says of one table, or of as much of it as there is."""
    runs = decode(of, telling(of, as_array(of, entries), no_break(first)))
    end = first + len(entries) * of.cluster_size
    return Extents(np.append(runs.starts, end), runs.facts, runs.host)


@some
@given(tables().filter(lambda case: case[2]))
@example((header(features=Incompatible.DATA_FILE), 0, [(COPIED, 0), (ZERO | COPIED, 0), (COPIED, 0)]))
@example((header(version=2), 0, [(COMPRESSED | ZERO, 0), (ZERO, 0), (0x10000 | ZERO, 0)]))
def test_decode_says_of_each_entry_what_the_format_says(case: tuple[Header, int, list[Entry]]):
    of, first, entries = case
    step = of.cluster_size // (32 if of.extended_l2 else 1)
    found = decoded(of, first, entries)
    expected = [
        part
        for index, entry in enumerate(entries)
        for part in classify(of, first + index * of.cluster_size, entry)
    ]
    assert (found.start, found.end) == (first, first + len(entries) * of.cluster_size)
    assert parts_of(found, step) == expected
    assert {code & 0x87 for code in found.facts.tolist()} <= {0}, "storage is left open"


@st.composite
def stretches(draw: st.DrawFn) -> tuple[Header, list[Entry]]:
    """Make a header and 64 entries, most of which are the one before again or go on from it."""
    of = draw(st.sampled_from(HEADERS))
    size = of.cluster_size
    words = [0, 1, COPIED, COPIED | ZERO, size, COPIED | size, COPIED | 5 * size | ZERO, 5 * size + 512]
    words += [COMPRESSED, COMPRESSED | size, (1 << 56) - 3 * size, (1 << 62) - 3 * size | COPIED]
    steps = st.sampled_from([0, size, size, size, 2 * size, -size])
    entries: list[Entry] = []
    while len(entries) < 64:
        word, step, bitmap = draw(st.sampled_from(words)), draw(steps), draw(bitmaps())
        count = draw(st.integers(1, 20))
        entries.extend(((word + nth * step) % (1 << 64), bitmap) for nth in range(count))
    return of, entries[:64]


@some
@given(stretches(), st.sampled_from([1, 2, 8]), st.booleans())
def test_entries_left_out_continue_the_one_before(case: tuple[Header, list[Entry]], count: int, apart: bool):
    of, entries = case
    per_table = len(entries) // count
    span = per_table * of.cluster_size * (2 if apart else 1)
    firsts = np.arange(count, dtype=np.int64) * span
    told = telling(of, as_array(of, entries), Breaks(np.arange(count) * per_table, firsts))
    runs = decode(of, told)
    step = of.cluster_size // (32 if of.extended_l2 else 1)
    for nth, first in enumerate(firsts.tolist()):
        end = first + per_table * of.cluster_size
        inside = (runs.starts >= first) & (runs.starts < end)
        found = Extents(np.append(runs.starts[inside], end), runs.facts[inside], runs.host[inside])
        assert found.start == first, "every stretch starts a run"
        own = entries[nth * per_table : (nth + 1) * per_table]
        parts = [classify(of, first + index * of.cluster_size, entry) for index, entry in enumerate(own)]
        assert parts_of(found, step) == [part for each in parts for part in each]


def test_what_continues_is_left_out():
    of = header()
    words = [0] * 9 + [COPIED | (7 + nth) * of.cluster_size for nth in range(9)] + [ZERO] * 9
    found = telling(of, np.array(words, np.uint64), no_break(0))
    assert (found.guest // of.cluster_size).tolist() == [0, 9, 18]


@some
@given(tables().filter(lambda case: case[2]))
def test_explain_has_a_reason_exactly_where_decode_says_invalid(case: tuple[Header, int, list[Entry]]):
    of, first, entries = case
    found = decoded(of, first, entries)
    for index, (word, bitmap) in enumerate(entries):
        guest = first + index * of.cluster_size
        at = TableEntry(3, index, 0x200000, 0x200000, word, bitmap if of.extended_l2 else None)
        reason = explain(of, guest, at)
        is_invalid = int(found.facts[found.index_at(guest)]) == fact(Mapping.INVALID)
        assert bool(reason) == is_invalid
        assert not reason or re.match(rf"L2 table 0x200000, entry {index}: \w", reason)


def test_explain_names_an_unaligned_l2_table():
    at = TableEntry(3, 0, None, 0x50200 | COPIED, 0, None)
    assert explain(header(), 0, at) == "L1 entry 3: L2 table offset 0x50200 is not aligned to a cluster"
    assert explain(header(bits=9), 0, at) == ""


def test_explain_has_nothing_to_say_where_there_is_no_table():
    assert explain(header(), 0, TableEntry(3, 0, None, COPIED, 0, None)) == ""


REASONS = [
    (header(version=2), ZERO, None, "the zero flag in a version 2 image"),
    (header(), 0x10200, None, "host offset 0x10200 is not aligned to a cluster"),
    (header(), 0x10200 | ZERO, None, "host offset 0x10200 is not aligned to a cluster"),
    (HEADERS[6], COMPRESSED, None, "a compressed cluster in an image with a data file"),
    (HEADERS[6], 0x20000, None, "host offset 0x20000 in the data file is not the guest offset 0x10000"),
    (HEADERS[6], COPIED, None, "host offset 0x0 in the data file is not the guest offset 0x10000"),
    (HEADERS[8], 0, 1, "subclusters are marked allocated, but there is no host cluster"),
    (HEADERS[8], 0x10000, 1 << 32 | 1, "a subcluster is marked both allocated and zero"),
]


@pytest.mark.parametrize(("of", "word", "bitmap", "reason"), REASONS, ids=[reason for *_, reason in REASONS])
def test_explain_says_what_is_wrong(of: Header, word: int, bitmap: int | None, reason: str):
    at = TableEntry(0, 1, 0x50000, 0x50000, word, bitmap)
    assert explain(of, 0x10000, at) == f"L2 table 0x50000, entry 1: {reason}"


@some
@given(st.integers(9, 21), st.data())
def test_compressed_at_takes_the_descriptor_apart(bits: int, data: st.DataObject):
    offset = data.draw(st.integers(0, (1 << 56 if bits > 13 else 1 << 40) - 1)) % (1 << 70 - bits)
    more_sectors = data.draw(st.integers(0, (1 << bits - 8) - 1))
    found = compressed_at(header(bits=bits), COMPRESSED | more_sectors << 70 - bits | offset)
    assert found[0] == offset
    # up to the end of its last sector
    assert offset + found[1] == (offset // 512 + more_sectors + 1) * 512


# ---------------------------------------------------------------- refcounts


def naive_refcount(block: bytes, order: int, index: int) -> int:
    """Read one refcount: big-endian, or, of less than a byte, from the byte's low bits up."""
    width = 1 << order
    if width >= 8:
        return int.from_bytes(block[index * width // 8 : (index + 1) * width // 8], "big")
    return block[index * width // 8] >> index * width % 8 & (1 << width) - 1


@some
@given(
    st.integers(0, 6),
    st.lists(st.sampled_from([0, 0, 0, 1, 2, 0x80, 0xFF]), min_size=64, max_size=64),
    st.data(),
)
def test_references_are_counted_at_every_width(order: int, octets: list[int], data: st.DataObject):
    block = bytes(octets)
    entries = data.draw(st.integers(0, len(block) * 8 >> order))
    expected = sum(naive_refcount(block, order, index) != 0 for index in range(entries))
    assert count_references(block, order, entries) == expected


@dataclass
class FakeFile:
    """A host node that holds nothing but refcounts.

    Cluster 1 is the refcount table, cluster 2 and those that follow are its blocks.
    """

    allocated: int | None
    clusters: int
    referenced: Collection[int]
    order: int = 4
    table_noise: int = 0
    """Bits besides the offset in the first entry of the table."""
    bits: int = 9
    name = "fake"

    @property
    def length(self) -> int:
        return self.clusters << self.bits

    def extents(self, start: int, length: int) -> Extents:
        return uniform(start, start + length, fact(Mapping.PASSTHROUGH, Storage.DATA), start)

    def read(self, offset: int, length: int) -> bytes:
        cluster, per_block = offset >> self.bits, 8 << self.bits >> self.order
        if cluster == 1:
            words = [2 + index << self.bits for index in range(length // 8)]
            words[0] |= self.table_noise
            return struct.pack(f">{len(words)}Q", *words)
        first = (cluster - 2) * per_block
        content = bytearray(length)
        width = 1 << self.order
        for index in self.referenced:
            if first <= index < first + per_block:
                bit = (index - first) * width
                # the lowest bit of the field: in its last byte if it has several
                content[(bit + width - 1) // 8] |= 1 << (0 if width >= 8 else bit % 8)
        return bytes(content)


def looks(file: FakeFile) -> bool:
    return looks_preallocated(file, header(bits=file.bits, order=file.order))


@pytest.mark.parametrize("order", range(7))
@pytest.mark.parametrize(
    ("real", "references", "on"),
    [
        (92, 101, False),
        (91, 101, True),
        (7, 9, True),
        (7, 8, False),
        (0, 2, True),
        (0, 1, False),
        (18, 20, True),
        (18, 19, False),
        (27, 30, True),
        (27, 29, False),
    ],
)
def test_the_rule_flips_at_the_threshold(order: int, real: int, references: int, on: bool):
    scattered = [3 * index for index in range(references)]
    assert looks(FakeFile(real * 512, 3 * references, scattered, order)) is on
    # a part of a cluster is not one more
    assert looks(FakeFile(real * 512 + 511, 3 * references, scattered, order)) is on


@settings(max_examples=100)
@given(st.integers(0, 200), st.integers(0, 300), st.sets(st.integers(0, 400), max_size=260))
def test_references_below_the_file_s_length_decide(real: int, clusters: int, referenced: set[int]):
    counted = len([index for index in referenced if index < clusters])
    expected = counted >= max(real * 10 // 9, real + 2)
    assert looks(FakeFile(real * 512, clusters, referenced)) is expected


def test_without_known_allocation_the_answer_is_no():
    assert looks(FakeFile(0, 10, range(10))) is True
    assert looks(FakeFile(None, 10, range(10))) is False


def test_reserved_bits_of_the_refcount_table_are_masked():
    assert looks(FakeFile(0, 10, range(10), table_noise=0x1FF)) is True


def test_a_refcount_block_out_of_place_ends_the_count():
    # the first block holds 512 references, the second has enough of them
    second = range(512, 600)
    assert looks(FakeFile(0, 600, second, bits=10)) is True
    assert looks(FakeFile(0, 600, second, bits=10, table_noise=0x200)) is False
