"""Reading region by region: where it begins, what is known before, what is given up and read again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockstrata.facts.codes import Mapping, fact
from blockstrata.formats.qcow2.author import Data, Image, ZeroAlloc, ZeroPlain, write_image
from blockstrata.graph.chain import Chain, open_chain
from blockstrata.guest import regions as planning
from blockstrata.guest.chain_reader import Focus, Reader, Region
from blockstrata.guest.merge import merged
from blockstrata.guest.regions import regions

CLUSTER = 512
SPAN = CLUSTER * 64
"""Guest bytes that one L2 table of such clusters maps."""


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """Two layers of 64 tables each at most, of which a part is stored; a window takes one table or two."""
    monkeypatch.setattr("blockstrata.formats.qcow2.node._WINDOW", 128)
    rng = np.random.default_rng(7)
    size = 64 * SPAN
    for name, backing, tables in (("base", None, range(0, 64, 3)), ("top", "base", range(10, 40))):
        clusters = {}
        for table in tables:
            for at in sorted(rng.choice(64, 5, replace=False).tolist()):
                kinds = (Data(b"x"), ZeroPlain(), ZeroAlloc())
                clusters[table * 64 + at] = kinds[at % 3]
        below = f"{backing}.qcow2" if backing else None
        image = Image(size, cluster_bits=9, backing=below, backing_format=below and "qcow2")
        write_image(tmp_path / f"{name}.qcow2", image, clusters)
    with open_chain(str(tmp_path / "top.qcow2")) as opened:
        yield opened


def says(extents):
    return extents.edges.tolist(), extents.facts.tolist(), extents.host.tolist()


def test_all_steps_read_all(chain):
    reader = Reader(chain)
    assert len(reader.regions) > 8
    *_, last = reader.steps()
    assert last.read == last.known == sum(region.tables for region in reader.regions)
    for layer, read in zip(chain.layers, reader.chain().layers, strict=True):
        assert says(read.known) == says(layer.extents(0, layer.size))


def test_what_l1_says_is_known_before_any_table_is_read(chain):
    reader = Reader(chain)
    known = reader.chain().layers[0].known
    assert known.edges.tolist() == [0, 10 * SPAN, 40 * SPAN, 64 * SPAN]
    assert [code >> 3 for code in known.facts.tolist()] == [
        Mapping.UNALLOCATED,
        Mapping.UNREAD,
        Mapping.UNALLOCATED,
    ]
    assert reader.progress.read == 0


def test_the_overview_agrees_with_what_is_read(chain):
    for layer in chain.layers:
        overview, whole = layer.node.overview(), layer.extents(0, layer.size)
        known = np.flatnonzero(~overview.having(Mapping.UNREAD))
        assert len(known)
        for run in known.tolist():
            part = whole.cut(int(overview.edges[run]), int(overview.edges[run + 1]))
            assert says(part.coalesce())[1:] == ([int(overview.facts[run])], [-1])


def test_the_nearest_is_read_first(chain):
    reader = Reader(chain)
    at = 50 * SPAN
    reader.focus = Focus(at - 100, at + 100, at)
    steps = reader.steps()
    next(steps)
    (first,) = reader.runs
    assert first.start <= at < first.end
    reader.focus = Focus(0, 10, 0)
    next(steps)
    _, second = reader.runs
    assert second.start == 0
    assert reader.chain().layers[1].known.cut(second.start, second.end).having(Mapping.UNREAD).sum() == 0
    order = [reader.focus.distance(region) for region in reader.runs]
    for _ in steps:
        pass
    rest = [reader.focus.distance(region) for region in list(reader.runs)[2:]]
    assert rest == sorted(rest)
    assert order[1] == (0, 0)


BYTES = 40 * 512


@st.composite
def places(draw):
    """Make where somebody looks, and two regions, which are whole sectors and apart."""
    start, end = sorted(draw(st.tuples(*[st.integers(0, BYTES)] * 2)))
    focus = Focus(start, end, draw(st.integers(start, max(start, end - 1)) | st.integers(0, BYTES - 1)))
    edges = sorted(draw(st.sets(st.integers(0, 40), min_size=4, max_size=4)))
    return focus, Region(edges[0] * 512, edges[1] * 512, 1), Region(edges[2] * 512, edges[3] * 512, 1)


@given(places())
def test_of_two_regions_one_is_always_nearer(case):
    """Were two as far, each would be given up for the other, and reading what is looked at never end."""
    focus, *both = case
    for region in both:
        bytes_between = max(region.start - focus.end, focus.start - region.end, 0)
        from_cursor = min(abs(at - focus.at) for at in range(region.start, region.end))
        assert focus.distance(region) == (bytes_between, from_cursor)
    first, second = map(focus.distance, both)
    assert first != second


def test_what_is_given_up_is_unread_and_read_again_when_wanted(chain):
    reader = Reader(chain)
    for _ in reader.steps():
        pass
    whole = [says(layer.known) for layer in reader.chain().layers]
    gone = list(reader.runs)[2:5]
    for region in gone:
        part = reader.chain_of(region)
        assert says(merged(part, region.start, region.end - region.start).extents) == says(
            merged(chain, region.start, region.end - region.start).extents
        )
        reader.forget(region)
    less = reader.chain()
    for region in gone:
        parts = [layer.known.cut(region.start, region.end) for layer in less.layers]
        assert any(part.having(Mapping.UNREAD).any() for part in parts)
    assert not list(reader.steps())
    reader.want(gone[1:])
    assert [progress.read for progress in reader.steps()] == [reader.progress.known] * 2
    reader.want(gone)
    for _ in reader.steps():
        pass
    assert [says(layer.known) for layer in reader.chain().layers] == whole


def test_a_layer_that_fails_is_invalid_where_it_was_not_read(chain):
    reader = Reader(chain)
    steps = reader.steps()
    next(steps)
    (first,) = reader.runs
    chain.layers[1].node.close()
    for _ in steps:
        pass
    base = reader.chain().layers[1]
    assert "base.qcow2" in base.fault_at(63 * SPAN)
    assert base.known.cut(first.end, base.size).having(Mapping.INVALID).any()
    assert not base.known.having(Mapping.UNREAD).any()
    assert not base.known.cut(first.start, first.end).having(Mapping.INVALID).any()
    top = reader.chain().layers[0]
    assert says(top.known) == says(chain.layers[0].extents(0, chain.size))


def test_regions_take_bounded_work_and_cover_all():
    windows = [[(at, 4096, 2) for at in range(0, 1 << 20, 4096)], [(0, 1 << 20, 100)]]
    found = regions(windows, 0, 1 << 20, 8)
    assert [each.end for each in found[:-1]] == [each.start for each in found[1:]]
    assert (found[0].start, found[-1].end) == (0, 1 << 20)
    assert sum(each.tables for each in found) == 256 * 2 + 100
    assert max(each.tables for each in found) < 25
    part = regions(windows, 5000, 9000, 1)
    assert (part[0].start, part[-1].end) == (5000, 9000)
    assert regions(windows, 7, 7, 1) == []
    assert regions([[(0, 1 << 62, 0)]], 0, 1 << 62, 1) == [Region(0, 1 << 62, 0)]


def test_the_longest_disk_is_cut_too():
    end = 2**63 - 512
    windows = [[(0, 1 << 62, 1000), (1 << 62, end - (1 << 62), 500)], [(0, end, 0)]]
    found = regions(windows, 0, end, 1)
    assert [(each.start, each.end) for each in found] == [(0, 1 << 62), (1 << 62, end)]
    assert [each.tables for each in found] == [1000, 500]


def test_a_disk_is_cut_at_some_offsets_only(monkeypatch):
    monkeypatch.setattr(planning, "_MOST_CUTS", 4)
    windows = [[(at, 512, 1) for at in range(0, 1 << 20, 512)]]
    assert [each.start for each in regions(windows, 0, 1 << 20, 1)] == [0, 1 << 18, 2 << 18, 3 << 18]


def test_a_chain_of_one_run_has_nothing_to_read(tmp_path):
    write_image(tmp_path / "empty.qcow2", Image(1 << 20), {})
    with open_chain(str(tmp_path / "empty.qcow2")) as opened:
        reader = Reader(opened)
        assert isinstance(reader.chain(), Chain)
        assert reader.chain().layers[0].known.facts.tolist() == [fact(Mapping.UNALLOCATED)]
        assert not list(reader.steps())
