"""The raw format as a slice: however it is asked, it is the bytes from its offset on and no others."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from blockstrata.errors import BadRangeError
from blockstrata.facts.codes import Mapping, Storage, fact, storage_of
from blockstrata.facts.extents import join, uniform
from blockstrata.formats.raw import RawNode

SECTOR = 512
END = 1 << 16
"""First byte that the host node does not answer for."""


class Host:
    """A file of bytes that are never zero, in windows and runs that end where they like."""

    name = "disk"
    host_driver = "file"
    is_protocol = True
    allocated = 0
    directory = ""
    identity = ("file", 1)

    def __init__(self, length: int, edges: list[int]) -> None:
        self.length = length
        self.bytes = bytes(1 + at % 251 for at in range(length))
        self.sectors = -(-length // SECTOR) * SECTOR
        self._edges = sorted({0, self.sectors, *(edge for edge in edges if edge < self.sectors)})

    def read(self, offset: int, length: int) -> bytes:
        found = self.bytes[offset : offset + length]
        return found + bytes(length - len(found))

    def extents(self, start: int, length: int):
        runs = [
            uniform(*edges, fact(Mapping.PASSTHROUGH, (Storage.DATA, Storage.HOLE)[number % 2]), edges[0])
            for number, edges in enumerate(pairwise(self._edges))
        ]
        beyond = fact(Mapping.PASSTHROUGH, Storage.BEYOND_EOF)
        return join([*runs, uniform(self.sectors, END, beyond, self.sectors)]).cut(start, start + length)

    def windows(self):
        for number, (start, end) in enumerate(pairwise(self._edges)):
            yield start, end - start, number + 1


@st.composite
def slices(draw):
    """Make a host node, and offset and size of a slice that it holds."""
    host = Host(draw(st.integers(1, 3000)), draw(st.lists(st.integers(1, 3000), max_size=4)))
    offset = draw(st.integers(0, host.sectors) | st.integers(0, 3).map(lambda each: each * SECTOR))
    assume(offset <= host.sectors)
    sizes = st.integers(0, (host.sectors - offset) // SECTOR).map(lambda each: each * SECTOR)
    return host, offset, draw(st.none() | sizes)


def slice_of(host, offset, size):
    """Return the bytes of a slice up to its last sector, and its length, the plain way."""
    length = host.length if size is None and not offset else host.sectors - offset if size is None else size
    return host.read(offset, length), length


@given(slices(), st.integers(0, 4000), st.integers(0, 4000))
def test_a_slice_reads_as_its_own_bytes_and_zeroes_past_its_end(case, at, length):
    """Never as the neighbour's, whose disk may lie behind it in the same file."""
    host, offset, size = case
    stored, own = slice_of(host, offset, size)
    node = RawNode(host, offset, size)
    assert node.length == own
    assert node.read(at, length) == (stored + bytes(8000))[at : at + length]


@given(slices(), st.integers(0, 4000), st.integers(0, 4000))
def test_a_slice_is_stored_where_the_node_below_says_up_to_its_end(case, start, length):
    host, offset, size = case
    node = RawNode(host, offset, size)
    end = -(-node.length // SECTOR) * SECTOR
    found = node.extents(start, length)
    assert (found.start, found.end) == (start, start + length)
    assert (found.lengths > 0).all()
    below = host.extents(0, END)
    for at in {start, start + length - 1, end - 1, end, *found.edges.tolist(), *(found.edges - 1).tolist()}:
        if not start <= at < start + length:
            continue
        run = found.index_at(at)
        storage, stored_at = storage_of(int(found.facts[run])), int(found.host[run])
        if at >= end:
            assert (storage, stored_at) == (Storage.BEYOND_EOF, -1)
            continue
        there = below.index_at(at + offset)
        assert storage is storage_of(int(below.facts[there]))
        assert stored_at + at - int(found.edges[run]) == at + offset


@given(slices())
def test_the_windows_of_a_slice_cover_it_once(case):
    """Each takes the tables of the window below that has a part in it."""
    host, offset, size = case
    node = RawNode(host, offset, size)
    found = list(node.windows())
    assert found[0][0] == 0
    assert all(start + length == after[0] for (start, length, _), after in pairwise(found))
    assert sum(length for _, length, _ in found) == -(-node.length // SECTOR) * SECTOR
    tables = {start + length - offset: tables for start, length, tables in host.windows()}
    if node.length:
        assert all(length for _, length, _ in found)
        for start, length, number in found:
            # an offset inside a sector leaves a piece past the last window
            last = min((end for end in tables if end > start), default=None)
            assert number == tables.get(last, 0)
            assert last is None or start + length <= last
    else:
        assert found == [(0, 0, 0)]


def test_a_slice_without_the_end_of_its_file_goes_on_where_nothing_is_known():
    """A node below may tell of fewer windows than it has bytes."""
    host = Host(4096, [1024])
    host.windows = lambda: iter([(0, 1024, 3)])
    assert list(RawNode(host, 512).windows()) == [(0, 512, 3), (512, 3072, 0)]


@pytest.mark.parametrize(
    ("offset", "size", "what"),
    [
        (1537, None, "1537 is past the end of the file .1536."),
        (512, 1536, "1536 from offset 512 is past the end of the file .1536."),
        (1536, 512, "512 from offset 1536 is past"),
        (0, 513, "513 is not a multiple of 512"),
    ],
)
def test_a_slice_that_is_not_in_the_file_is_refused(offset, size, what):
    with pytest.raises(BadRangeError, match=what):
        RawNode(Host(1100, []), offset, size)


@pytest.mark.parametrize(("offset", "size"), [(1536, None), (1536, 0), (512, 1024), (0, 1536)])
def test_one_that_ends_where_the_file_s_last_sector_does_is_taken(offset, size):
    assert RawNode(Host(1100, []), offset, size).length == 1536 - offset


@pytest.mark.parametrize(
    ("offset", "size", "features"),
    [
        (0, None, {}),
        (1, None, {"offset": 1, "size": 1535}),
        (0, 512, {"offset": 0, "size": 512}),
        (512, 0, {"offset": 512, "size": 0}),
    ],
)
def test_a_slice_says_that_it_is_one(offset, size, features):
    assert RawNode(Host(1100, []), offset, size).features() == features


def test_what_is_no_slice_is_the_whole_file_and_closes_it():
    host = Host(1100, [])
    closed = []
    host.close = lambda: closed.append(host)
    node = RawNode(host)
    assert (node.length, node.read(0, 1100), node.features()) == (1100, host.bytes, {})
    node.close()
    assert closed == [host]


def test_slices_of_one_file_are_different_nodes():
    host = Host(4096, [])
    assert RawNode(host, 512).identity != RawNode(host, 1024).identity
    assert RawNode(host, 512).identity == RawNode(host, 512).identity
