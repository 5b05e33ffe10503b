"""The algebra of runs against a model that knows every unit of a window by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockstrata.facts.codes import NO_HOST, SYNTHESISED, Mapping, Storage, fact
from blockstrata.facts.compose import compose
from blockstrata.facts.extents import Extents, empty, join, run_starts, uniform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

some = settings(max_examples=150)

LAST = 2**63 - 1
NORMAL, ZERO, DEFERRED = fact(Mapping.NORMAL), fact(Mapping.ZERO_PLAIN), fact(Mapping.UNALLOCATED)
BELOW = [fact(Mapping.PASSTHROUGH, storage) for storage in (Storage.DATA, Storage.HOLE, Storage.UNWRITTEN)]

Unit = tuple[int, int]
"""Fact code and host offset of one byte."""


def units(extents: Extents) -> list[Unit]:
    """Return what is said of each byte of a window, run after run."""
    found = []
    edges = extents.edges.tolist()
    for index, (code, host) in enumerate(zip(extents.facts.tolist(), extents.host.tolist(), strict=True)):
        length = edges[index + 1] - edges[index]
        found += [(code, NO_HOST if host == NO_HOST else host + k) for k in range(length)]
    return found


def fewest_runs(said: Sequence[Unit]) -> int:
    """Count the runs that a window needs: one more wherever two neighbouring bytes do not continue."""

    def continues(before: Unit, after: Unit) -> bool:
        follows = after[1] == (NO_HOST if before[1] == NO_HOST else before[1] + 1)
        return before[0] == after[0] and follows

    return sum(index == 0 or not continues(said[index - 1], said[index]) for index in range(len(said)))


def assert_sound(extents: Extents) -> None:
    """Check what the docstring of Extents promises of its arrays."""
    assert (extents.edges.dtype, extents.facts.dtype, extents.host.dtype) == (np.int64, np.uint8, np.int64)
    assert len(extents.edges) == len(extents.facts) + 1 == len(extents.host) + 1 == len(extents) + 1
    assert (np.diff(extents.edges) > 0).all()
    for array in (extents.edges, extents.facts, extents.host):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@st.composite
def windows(
    draw: st.DrawFn, starts: Sequence[int] = (0, 7, 2**40, LAST - 64), codes: Sequence[int] = ()
) -> Extents:
    """Make up to eight runs of up to seven bytes, some of which could be joined to their neighbours."""
    start = draw(st.sampled_from(starts))
    edges, facts, hosts = [start], [], []
    following = 0
    for _ in range(draw(st.integers(0, 8))):
        length = draw(st.integers(1, 7))
        code = draw(st.sampled_from(codes or (NORMAL, ZERO, DEFERRED)))
        host = draw(st.sampled_from([NO_HOST, 0, 20, following, LAST - 80]))
        edges.append(edges[-1] + length)
        facts.append(code)
        hosts.append(host)
        following = 0 if host == NO_HOST else host + length
    return Extents(np.array(edges, np.int64), np.array(facts, np.uint8), np.array(hosts, np.int64))


@st.composite
def windows_and_parts(draw: st.DrawFn) -> tuple[Extents, int, int]:
    """Make a window and two ordered offsets in it, which may be equal."""
    window = draw(windows())
    offset = st.integers(window.start, window.end)
    low, high = sorted((draw(offset), draw(offset)))
    return window, low, high


@some
@given(windows())
def test_a_window_knows_its_bounds_and_is_sealed(window: Extents):
    assert_sound(window)
    assert window.end - window.start == len(units(window)) == window.lengths.sum()


@some
@given(windows_and_parts())
def test_cut_keeps_what_is_said_of_each_byte(case: tuple[Extents, int, int]):
    window, low, high = case
    part = window.cut(low, high)
    assert_sound(part)
    assert (part.start, part.end) == (low, high)
    assert units(part) == units(window)[low - window.start : high - window.start]


@some
@given(windows_and_parts())
def test_join_undoes_cut(case: tuple[Extents, int, int]):
    window, low, high = case
    parts = [window.cut(window.start, low), window.cut(low, high), window.cut(high, window.end)]
    whole = join(parts)
    assert_sound(whole)
    assert (whole.start, whole.end) == (window.start, window.end)
    assert units(whole) == units(window)
    assert len(whole) == fewest_runs(units(window))


@some
@given(windows())
def test_coalesce_says_the_same_in_the_fewest_runs(window: Extents):
    fewer = window.coalesce()
    assert_sound(fewer)
    assert (fewer.start, fewer.end) == (window.start, window.end)
    assert units(fewer) == units(window)
    assert len(fewer) == fewest_runs(units(window))


@some
@given(windows(starts=(0, 2**62)), st.sampled_from([0, 1, -1, 512, 2**61, -(2**61)]))
def test_shift_moves_the_window_and_leaves_host_offsets(window: Extents, distance: int):
    moved = window.shift(distance)
    assert_sound(moved)
    assert (moved.start, moved.end) == (window.start + distance, window.end + distance)
    assert units(moved) == units(window)
    assert moved.edges.tolist() == [edge + distance for edge in window.edges.tolist()]


@some
@given(windows())
def test_totals_counts_the_bytes_of_each_fact(window: Extents):
    codes = [code for code, _ in units(window)]
    assert window.totals() == {code: codes.count(code) for code in set(codes)}


@pytest.mark.parametrize("mappings", [(), (Mapping.NORMAL,), (Mapping.ZERO_PLAIN, Mapping.OPAQUE_DATA)])
def test_having_looks_at_the_mapping_whatever_the_storage_and_the_mark(mappings: tuple[Mapping, ...]):
    codes = [
        fact(mapping, storage) | mark
        for mapping in Mapping
        for storage in Storage
        for mark in (0, SYNTHESISED)
    ]
    runs = join([uniform(at, at + 1, code, 2 * at) for at, code in enumerate(codes)])
    assert runs.having(*mappings).tolist() == [(code & ~SYNTHESISED) >> 3 in mappings for code in codes]


@some
@given(windows())
def test_index_at_finds_the_run_of_each_byte(window: Extents):
    found = [window.index_at(window.start + k) for k in range(window.end - window.start)]
    assert found == [index for index, length in enumerate(window.lengths.tolist()) for _ in range(length)]


@pytest.mark.parametrize("offset", [9, 20, -1, 2**63])
def test_index_at_refuses_offsets_outside_the_window(offset: int):
    with pytest.raises(IndexError, match="outside the window 10 to 20"):
        uniform(10, 20, NORMAL).index_at(offset)


@pytest.mark.parametrize(("start", "end"), [(9, 12), (12, 21), (15, 14), (0, 0), (21, 21)])
def test_cut_refuses_what_is_not_inside(start: int, end: int):
    with pytest.raises(IndexError, match="not inside the window 10 to 20"):
        uniform(10, 20, NORMAL).cut(start, end)


@pytest.mark.parametrize("at", [0, 5, LAST])
def test_a_window_of_no_bytes_is_at_home_everywhere(at: int):
    nothing = empty(at)
    assert_sound(nothing)
    assert (len(nothing), nothing.start, nothing.end, nothing.totals()) == (0, at, at, {})
    same = [
        nothing.cut(at, at),
        nothing.coalesce(),
        compose(nothing, window_of(uniform(0, 1, BELOW[0]))),
        uniform(at, at, NORMAL, 3),
        join([nothing, nothing]),
        nothing.shift(-at).shift(at),
    ]
    assert [(len(each), each.start) for each in same] == [(0, at)] * len(same)
    with pytest.raises(IndexError):
        nothing.index_at(at)


@pytest.mark.parametrize("nxt", [19, 21])
def test_join_refuses_gaps_and_overlaps(nxt: int):
    with pytest.raises(ValueError, match=f"ends at 20, the next starts at {nxt}"):
        join([uniform(10, 20, NORMAL), uniform(nxt, 30, NORMAL)])


def test_join_skips_parts_of_no_bytes():
    whole = join([empty(0), uniform(0, 4, NORMAL, 8), empty(4), uniform(4, 9, NORMAL, 12), empty(9)])
    assert (len(whole), whole.end, whole.host.tolist()) == (1, 9, [8])


@st.composite
def layered(draw: st.DrawFn) -> tuple[Extents, Extents]:
    """Make a window of host bytes, and guest runs whose host ranges lie in it."""
    below = draw(windows(starts=(0, LAST - 64), codes=BELOW).filter(len))
    edges, facts, hosts = [draw(st.sampled_from([0, 100]))], [], []
    for _ in range(draw(st.integers(0, 6))):
        length = draw(st.integers(1, below.end - below.start))
        anywhere = st.integers(below.start, below.end - length)
        hosts.append(draw(st.one_of(st.just(NO_HOST), anywhere)))
        facts.append(ZERO if hosts[-1] == NO_HOST else NORMAL)
        edges.append(edges[-1] + length)
    above = Extents(np.array(edges, np.int64), np.array(facts, np.uint8), np.array(hosts, np.int64))
    return above, below


def window_of(below: Extents) -> Callable[[int, int], Extents]:
    """Return what a host node does: it answers for a window of what is known."""
    return lambda start, length: below.cut(start, start + length)


@some
@given(layered(), st.sampled_from([1, 2, 4, 8, 64]))
def test_compose_marks_each_byte_with_the_storage_at_its_host_offset(
    case: tuple[Extents, Extents], unit: int
):
    above, below = case
    storage = {below.start + k: code & 0x7 for k, (code, _) in enumerate(units(below))}
    expected = [(code | (0 if host == NO_HOST else storage[host]), host) for code, host in units(above)]
    result = compose(above.coalesce(), window_of(below), unit)
    assert_sound(result)
    assert (result.start, result.end) == (above.start, above.end)
    assert units(result) == expected
    assert len(result) == fewest_runs(expected)


@pytest.mark.parametrize(("host", "length"), [(9, 1), (19, 2), (20, 1), (0, 1), (12, 100)])
def test_compose_refuses_host_ranges_outside(host: int, length: int):
    above = join([uniform(0, 4, ZERO), uniform(4, 4 + length, NORMAL, host)])
    with pytest.raises(IndexError, match="not inside the window 10 to 20"):
        compose(above, window_of(uniform(10, 20, BELOW[0])))


def test_compose_leaves_runs_without_a_host_offset_alone():
    above = uniform(0, 100, ZERO)
    assert units(compose(above, window_of(uniform(10, 20, BELOW[0])))) == units(above)


def test_compose_reaches_up_to_the_last_byte_there_is():
    below = join([uniform(0, LAST - 10, BELOW[0]), uniform(LAST - 10, LAST, BELOW[1])])
    result = compose(uniform(0, 20, NORMAL, LAST - 20), window_of(below))
    assert result.edges.tolist() == [0, 10, 20]
    assert [code & 0x7 for code in result.facts.tolist()] == [Storage.DATA, Storage.HOLE]
    assert result.host.tolist() == [LAST - 20, LAST - 10]


@some
@given(windows(), st.data())
def test_run_starts_joins_what_agrees_in_every_key(window: Extents, data: st.DataObject):
    n = len(window)
    other = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), np.int64)
    expected = []
    for index in range(n):
        joins = (
            index > 0
            and window.facts[index] == window.facts[index - 1]
            and other[index] == other[index - 1]
            and (
                window.host[index] == NO_HOST
                if window.host[index - 1] == NO_HOST
                else window.host[index] == window.host[index - 1] + window.lengths[index - 1]
            )
        )
        expected.append(not joins)
    starts = run_starts(window.edges, window.host, window.facts, other)
    assert starts.dtype == np.bool_
    assert starts.tolist() == expected


def test_run_starts_without_keys_looks_at_offsets_alone():
    edges, host = np.array([0, 4, 8, 12, 16], np.int64), np.array([0, 4, NO_HOST, NO_HOST], np.int64)
    assert run_starts(edges, host).tolist() == [True, False, True, False]
