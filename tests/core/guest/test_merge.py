"""The walk down the layers, and the merging of its runs, against models that go sector by sector."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockstrata.errors import BadImageError, BadRangeError, OpenError
from blockstrata.facts.codes import (
    DEFERRING,
    NO_HOST,
    SECTOR,
    SYNTHESISED,
    Mapping,
    Storage,
    Traits,
    fact,
    mapping_of,
)
from blockstrata.facts.extents import Extents, empty, join, uniform
from blockstrata.graph.chain import Chain, Layer, MissingNode
from blockstrata.guest.merge import alone, in_place, merged
from blockstrata.interchange.entries import entries
from blockstrata.semantics import SEMANTICS
from blockstrata.semantics.historic import HISTORIC
from blockstrata.semantics.historic import Flag as Old

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blockstrata.guest.view import View
    from blockstrata.semantics.table import Semantics

some = settings(max_examples=150)

UNALLOCATED = fact(Mapping.UNALLOCATED)
RESERVED = fact(Mapping.UNALLOCATED_ALLOC, Storage.DATA)
RESERVED_HOLE = fact(Mapping.UNALLOCATED_ALLOC, Storage.HOLE)
ZERO = fact(Mapping.ZERO_PLAIN)
ZERO_OVER_DATA = fact(Mapping.ZERO_ALLOC, Storage.DATA)
DATA = fact(Mapping.NORMAL, Storage.DATA)
DATA_OVER_HOLE = fact(Mapping.NORMAL, Storage.HOLE)
COMPRESSED = fact(Mapping.COMPRESSED)
INVALID = fact(Mapping.INVALID)
UNDEFINED = fact(Mapping.PASSTHROUGH, Storage.UNDEFINED)
HOLE = fact(Mapping.PASSTHROUGH, Storage.HOLE)

UNHOSTED = [UNALLOCATED, UNALLOCATED, UNALLOCATED, ZERO, COMPRESSED]
HOSTED = [RESERVED, RESERVED, RESERVED_HOLE, ZERO_OVER_DATA, DATA, DATA, DATA_OVER_HOLE]


class Sector(NamedTuple):
    """What a fake image says of one sector."""

    code: int
    host: int = NO_HOST


@dataclass
class FakeImage:
    """A format driver whose facts are given sector by sector."""

    sectors: Sequence[Sector]
    name: str = "fake"
    slack: int = 0
    """Bytes that the last sector lacks."""
    traits: Traits = field(default_factory=lambda: Traits("file"))
    driver = "qcow2"
    backing = None
    backing_format = None
    supports_backing = True
    is_closed = False

    @property
    def length(self) -> int:
        return len(self.sectors) * SECTOR - self.slack

    @property
    def host(self) -> FakeImage:
        return self

    def read_traits(self) -> Traits:
        return self.traits

    def find_refusal(self) -> None:
        return None

    def extents(self, start: int, length: int) -> Extents:
        runs = [
            uniform(index * SECTOR, (index + 1) * SECTOR, sector.code, sector.host)
            for index, sector in enumerate(self.sectors)
        ]
        return join([empty(0), *runs]).cut(start, start + length)

    def fault_at(self, offset: int) -> str:
        return f"broken at {offset}"

    def features(self) -> dict[str, object]:
        return {}

    def close(self) -> None:
        pass


def chain_of(*nodes: FakeImage | MissingNode) -> Chain:
    return Chain(tuple(Layer(depth, node) for depth, node in enumerate(nodes)))


def image(*codes: int, **extra: object) -> FakeImage:
    """Make an image from one code a sector; those that have a host offset are mapped in place."""
    hosted = [
        Sector(code, index * SECTOR if code in (*HOSTED, UNDEFINED, HOLE) else NO_HOST)
        for index, code in enumerate(codes)
    ]
    return FakeImage(hosted, **extra)


@st.composite
def images(draw: st.DrawFn, *, at_the_end: bool = False) -> FakeImage:
    """Make an image of up to ten sectors, many of them alike and continuing; one at the end may be raw."""
    unhosted, hosted = UNHOSTED, HOSTED
    if at_the_end and draw(st.booleans()):
        unhosted, hosted = [], [UNDEFINED, HOLE]
    sectors: list[Sector] = []
    for _ in range(draw(st.integers(0, 10))):
        following = sectors[-1].host + SECTOR if sectors and sectors[-1].host != NO_HOST else 0
        host = draw(
            st.sampled_from([NO_HOST, following, following, 65536] if unhosted else [following, 65536])
        )
        sectors.append(Sector(draw(st.sampled_from(unhosted if host == NO_HOST else hosted)), host))
    traits = Traits("file", encrypted=draw(st.booleans()), recurse=draw(st.booleans()))
    slack = draw(st.sampled_from([0, 1, 511])) if sectors else 0
    return FakeImage(sectors, "fake", slack, traits)


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    above = draw(st.lists(images(), max_size=3))
    return chain_of(*above, draw(images(at_the_end=True)))


@st.composite
def windows(draw: st.DrawFn, size: int) -> tuple[int, int]:
    """Make start and length of a window, in bytes, mostly on no sector's edge."""
    low, high = sorted((draw(st.integers(0, size)), draw(st.integers(0, size))))
    return low, high - low


class Answer(NamedTuple):
    """What a view says of one byte."""

    source: int
    code: int
    host: int


def stated(node: FakeImage, offset: int) -> tuple[int, int]:
    """Return what an image says of one byte: code and host offset."""
    code, host = node.sectors[offset // SECTOR]
    return code, host if host == NO_HOST else host + offset % SECTOR


def size_below(nodes: Sequence[FakeImage], depth: int) -> int:
    return len(nodes[depth + 1].sectors) * SECTOR if depth + 1 < len(nodes) else 0


def naive_in_place(nodes: Sequence[FakeImage], depth: int, offset: int) -> Answer:
    """Ask one layer for one byte; what it defers with nothing below is marked."""
    code, host = stated(nodes[depth], offset)
    if mapping_of(code) in DEFERRING and offset >= size_below(nodes, depth):
        code |= SYNTHESISED
    return Answer(depth, code, host)


def naive_merged(nodes: Sequence[FakeImage], offset: int) -> Answer:
    """Ask layer after layer for one byte, until one does not defer it."""
    for depth in range(len(nodes)):
        answer = naive_in_place(nodes, depth, offset)
        if answer.code & SYNTHESISED or mapping_of(answer.code) not in DEFERRING:
            return answer
    raise AssertionError("the last layer has nothing to defer to")


def said(view: View, offset: int) -> Answer:
    run = view.extents.index_at(offset)
    host = int(view.extents.host[run])
    into = offset - int(view.extents.edges[run])
    return Answer(
        int(view.source[run]), int(view.extents.facts[run]), host if host == NO_HOST else host + into
    )


def probes(start: int, length: int) -> list[int]:
    """Return the first byte of a window, and of every sector that starts in it."""
    return sorted({start, *range(-(-start // SECTOR) * SECTOR, start + length, SECTOR)}) if length else []


def assert_sound(view: View, start: int, length: int) -> None:
    """Check that a view covers its window, and changes only where a sector starts, so that probes see all."""
    edges = view.extents.edges
    assert (view.extents.start, view.extents.end) == (start, start + length)
    assert (np.diff(edges) > 0).all()
    assert (edges[1:-1] % SECTOR == 0).all()
    assert len(view.source) == len(view.depth) == len(view.extents)


@some
@given(chains(), st.data())
def test_merged_finds_the_first_layer_that_serves_each_byte(chain: Chain, data: st.DataObject):
    start, length = data.draw(windows(chain.size))
    view = merged(chain, start, length)
    nodes = [layer.node for layer in chain.layers]
    assert_sound(view, start, length)
    assert [said(view, offset) for offset in probes(start, length)] == [
        naive_merged(nodes, offset) for offset in probes(start, length)
    ]
    assert view.depth.tolist() == view.source.tolist()
    assert not view.in_place


@some
@given(chains(), st.data())
def test_in_place_shows_one_layer_and_cuts_where_its_backing_ends(chain: Chain, data: st.DataObject):
    depth = data.draw(st.integers(0, len(chain.layers) - 1))
    start, length = data.draw(windows(chain.layer(depth).size))
    view = in_place(chain, depth, start, length)
    nodes = [layer.node for layer in chain.layers]
    assert_sound(view, start, length)
    assert [said(view, offset) for offset in probes(start, length)] == [
        naive_in_place(nodes, depth, offset) for offset in probes(start, length)
    ]
    assert set(view.depth.tolist()) <= {depth}
    assert view.in_place


@some
@given(chains(), st.data())
def test_alone_is_a_chain_of_one_layer(chain: Chain, data: st.DataObject):
    layer = chain.layers[data.draw(st.integers(0, len(chain.layers) - 1))]
    start, length = data.draw(windows(layer.size))
    view = alone(layer, start, length)
    assert_sound(view, start, length)
    assert [said(view, offset) for offset in probes(start, length)] == [
        naive_merged([layer.node], offset) for offset in probes(start, length)
    ]
    assert view.layers == (layer,)
    assert set(view.depth.tolist()) <= {0}


@some
@given(chains(), st.data())
def test_flags_are_each_layer_s_own(chain: Chain, data: st.DataObject):
    depth = data.draw(st.integers(0, len(chain.layers) - 1))
    views = [
        merged(chain, 0, chain.size),
        in_place(chain, depth, 0, chain.layer(depth).size),
    ]
    for view in views:
        pairs = list(zip(view.source.tolist(), view.extents.facts.tolist(), strict=True))
        for semantics in SEMANTICS:
            assert semantics.flags(view).tolist() == [flags_of(semantics, view, *pair) for pair in pairs]


def flags_of(semantics: Semantics, view: View, source: int, code: int) -> int:
    """Return one run's flags; in QEMU's answer to a whole walk nothing is left where nobody had an answer."""
    flags = int(semantics.answer(code, view.layers[source].node.read_traits()))
    fell_off = semantics is HISTORIC and not flags & (Old.DATA | Old.ZERO) and not view.in_place
    return 0 if fell_off else flags


class Entry(NamedTuple):
    """One entry of ``qemu-img map``; ``offset`` None where there is none."""

    start: int
    length: int
    depth: int
    flags: int
    offset: int | None


def mergeable(one: Entry, two: Entry) -> bool:
    """Say whether two neighbours become one: all agree, and the host offsets, if there are any, continue."""
    if (one.depth, one.flags) != (two.depth, two.flags) or (one.offset is None) != (two.offset is None):
        return False
    return one.offset is None or one.offset + one.length == two.offset


def naive_entries(view: View, semantics: Semantics, start: int, length: int) -> list[Entry]:
    """Merge a view's sectors one after the other."""
    found: list[Entry] = []
    for offset, end in pairwise([*probes(start, length), start + length]):
        source, code, host = said(view, offset)
        flags = flags_of(semantics, view, source, code)
        entry = Entry(offset, end - offset, source, flags, host if flags & semantics.offset_flag else None)
        if found and mergeable(found[-1], entry):
            found[-1] = found[-1]._replace(length=found[-1].length + entry.length)
        else:
            found.append(entry)
    return found


@some
@given(chains(), st.data())
@pytest.mark.parametrize("semantics", SEMANTICS, ids=lambda each: each.name)
def test_entries_merge_by_qemu_img_s_rule(semantics: Semantics, chain: Chain, data: st.DataObject):
    start, length = data.draw(windows(chain.size).filter(lambda window: window[1]))
    view = merged(chain, start, length)
    result = entries(view, semantics)
    columns = (result.start, result.length, result.depth, result.flags, result.offset)
    found = [
        Entry(*row, None if offset == NO_HOST else offset)
        for *row, offset in zip(*(column.tolist() for column in columns), strict=True)
    ]
    assert found == naive_entries(view, semantics, start, length)
    assert result.source.tolist() == result.depth.tolist()


@pytest.mark.parametrize("semantics", SEMANTICS, ids=lambda each: each.name)
@pytest.mark.parametrize("start", [0, 700])
def test_a_window_of_no_bytes_has_one_entry_of_no_bytes(semantics: Semantics, start: int):
    result = entries(merged(chain_of(image(DATA, DATA)), start, 0), semantics)
    row = (result.start, result.length, result.depth, result.source, result.flags, result.offset)
    assert [column.tolist() for column in row] == [[start], [0], [0], [0], [0], [NO_HOST]]


def test_the_mark_of_the_block_layer_keeps_no_entries_apart():
    # a zero cluster at the top, and what the short backing file leaves to it: L Z - - both
    chain = chain_of(image(ZERO, UNALLOCATED, ZERO), image(DATA))
    by_name = {each.name: entries(merged(chain, 0, chain.size), each) for each in SEMANTICS}
    assert by_name["proposed"].length.tolist() == [3 * SECTOR]
    assert by_name["historic"].length.tolist() == [SECTOR] * 3, "ALLOCATED tells them apart"


def test_a_run_below_that_is_seen_in_pieces_keeps_its_offsets():
    chain = chain_of(image(UNALLOCATED, ZERO, UNALLOCATED, ZERO), image(DATA, DATA, DATA, DATA))
    view = merged(chain, 0, chain.size)
    assert view.extents.facts.tolist() == [DATA, ZERO, DATA, ZERO]
    assert view.extents.host.tolist() == [0, NO_HOST, 2 * SECTOR, NO_HOST]


def test_a_staircase_of_longer_overlays():
    chain = chain_of(image(*[UNALLOCATED] * 4), image(*[UNALLOCATED] * 3), image(DATA, DATA))
    view = merged(chain, 0, chain.size)
    assert view.extents.edges.tolist() == [0, 2 * SECTOR, 3 * SECTOR, 4 * SECTOR]
    assert view.depth.tolist() == [2, 1, 0]
    assert view.extents.facts.tolist() == [DATA, UNALLOCATED | SYNTHESISED, UNALLOCATED | SYNTHESISED]


def test_a_backing_file_ends_with_its_last_sector_whole():
    chain = chain_of(image(UNALLOCATED, UNALLOCATED), image(HOLE, slack=500))
    assert in_place(chain, 0, 0, chain.size).extents.edges.tolist() == [0, SECTOR, 2 * SECTOR]


@pytest.mark.parametrize("mapping", Mapping)
def test_what_is_deferred_goes_by_the_mapping_on_any_storage(mapping: Mapping):
    codes = [fact(mapping, storage) for storage in Storage]
    chain = chain_of(image(*codes), image(*[DATA] * len(codes)))
    defers = mapping in (Mapping.UNALLOCATED, Mapping.UNALLOCATED_ALLOC)
    for at, code in enumerate(codes):
        below = merged(chain, at * SECTOR, SECTOR)
        assert (below.depth.tolist(), below.extents.facts.tolist()) == (
            ([1], [DATA]) if defers else ([0], [code])
        )
        assert alone(chain.layers[0], at * SECTOR, SECTOR).extents.facts.tolist() == [
            code | SYNTHESISED if defers else code
        ]


def test_reserved_clusters_keep_their_offset_where_they_are_cut():
    chain = chain_of(image(RESERVED, RESERVED, RESERVED), image(DATA))
    view = in_place(chain, 0, 0, chain.size)
    assert view.extents.facts.tolist() == [RESERVED, RESERVED | SYNTHESISED]
    assert view.extents.host.tolist() == [0, SECTOR]
    shown = [each.letters(int(flags)) for each in SEMANTICS for flags in each.flags(view)]
    assert shown == ["··O", "·ZO", "··AO", "LZA·"]


@pytest.mark.parametrize("view_of", ["merged", "in_place", "alone"])
@pytest.mark.parametrize(("start", "length"), [(-1, 1), (0, -1), (0, 1025), (1024, 1), (2**62, 1)])
def test_windows_outside_are_refused(view_of: str, start: int, length: int):
    chain = chain_of(image(DATA, DATA, slack=511), image(DATA, DATA, DATA, DATA))
    ask = {
        "merged": lambda: merged(chain, start, length),
        "in_place": lambda: in_place(chain, 0, start, length),
        "alone": lambda: alone(chain.layers[0], start, length),
    }
    with pytest.raises(BadRangeError, match=r"fake: range: .*past the end \(1024\)"):
        ask[view_of]()


def test_a_merged_window_of_no_bytes_may_lie_anywhere():
    chain = chain_of(image(DATA))
    for start in (0, SECTOR, 2**62):
        view = merged(chain, start, 0)
        assert (len(view.extents), view.extents.start, view.extents.end) == (0, start, start)


@pytest.mark.parametrize("depth", [-1, 2])
def test_a_layer_that_is_not_there_is_refused(depth: int):
    chain = chain_of(image(DATA), image(DATA))
    with pytest.raises(BadRangeError, match=f"layer: {depth} is not in the chain, 0 to 1"):
        in_place(chain, depth, 0, 0)


def test_require_valid_names_the_first_place_its_layer_and_the_reason():
    top = image(DATA, UNALLOCATED, DATA, INVALID, name="top")
    chain = chain_of(top, image(INVALID, INVALID, INVALID, name="base"))
    merged(chain, 0, SECTOR).require_valid()
    view = merged(chain, 0, chain.size)
    for check in (view.require_valid, lambda: entries(view, HISTORIC)):
        with pytest.raises(BadImageError) as caught:
            check()
        assert str(caught.value) == "base: guest offset 0x200: broken at 512"


def test_only_the_invalid_run_s_own_layer_is_asked_for_the_reason():
    chain = chain_of(image(INVALID, name="top"), image(DATA, name="base"))
    with pytest.raises(BadImageError, match="top: guest offset 0x0: broken at 0"):
        merged(chain, 0, SECTOR).require_valid()
    in_place(chain, 1, 0, SECTOR).require_valid()


def test_a_missing_layer_hides_only_what_is_deferred_to_it():
    error = OpenError("base.qcow2", "", "No such file or directory")
    gone = MissingNode("base.qcow2", 3 * SECTOR, error, "top.qcow2")
    chain = chain_of(image(DATA, UNALLOCATED, ZERO), gone)
    assert str(chain.missing) == "base.qcow2: backing file of top.qcow2: No such file or directory"
    view = merged(chain, 0, chain.size)
    assert view.extents.facts.tolist() == [DATA, INVALID, ZERO]
    assert view.depth.tolist() == [0, 1, 0]
    with pytest.raises(
        BadImageError, match="guest offset 0x200: cannot be opened: No such file or directory"
    ):
        view.require_valid()
    in_place(chain, 0, 0, chain.size).require_valid()
    merged(chain, 0, SECTOR).require_valid()
    assert chain_of(image(DATA)).missing is None


def test_a_layer_is_asked_only_for_what_nobody_above_serves():
    """Here two layers serve all together, neither of them alone."""
    nodes = [image(DATA, UNALLOCATED, DATA), image(UNALLOCATED, ZERO, UNALLOCATED), image(DATA, DATA, DATA)]
    asked = []

    def asking(start, length):
        asked.append((start, length))
        return FakeImage.extents(nodes[1], start, length)

    nodes[1].extents = asking
    nodes[2].extents = None
    view = merged(chain_of(*nodes), 0, 3 * SECTOR)
    assert asked == [(SECTOR, SECTOR)]
    assert view.depth.tolist() == [0, 1, 0]


def test_three_hundred_layers():
    deep = 300
    bottom = image(DATA, DATA, *[UNALLOCATED] * (deep - 3))
    nodes = [image(*[UNALLOCATED] * deep) for _ in range(deep - 1)]
    # layer n alone holds sector n, so the walk is cut anew at each
    for depth in range(2, deep - 1):
        nodes[depth].sectors[depth] = Sector(ZERO)
    chain = chain_of(*nodes, bottom)
    view = merged(chain, 0, chain.size)
    assert view.depth.tolist() == [deep - 1, *range(2, deep - 1), deep - 2]
    assert view.extents.facts[-1] == UNALLOCATED | SYNTHESISED
    assert len(entries(view, HISTORIC)) == len(view.extents)
    chain.close()
