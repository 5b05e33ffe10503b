"""Extents built piece by piece against the same runs joined at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockstrata.facts.builder import ExtentsBuilder, Runs
from blockstrata.facts.codes import NO_HOST, Mapping, fact
from blockstrata.facts.extents import Extents

some = settings(max_examples=150)

NORMAL, ZERO = fact(Mapping.NORMAL), fact(Mapping.ZERO_PLAIN)


@st.composite
def pieces(draw: st.DrawFn) -> tuple[Extents, list[Runs]]:
    """Make up to 20 runs, many of which go on from the one before, and cut them into pieces."""
    edges, facts, hosts = [draw(st.sampled_from([0, 2**62]))], [], []
    following = 0
    for _ in range(draw(st.integers(1, 20))):
        length = draw(st.integers(1, 3))
        hosts.append(draw(st.sampled_from([NO_HOST, 0, following, following])))
        facts.append(draw(st.sampled_from([NORMAL, ZERO])))
        edges.append(edges[-1] + length)
        following = hosts[-1] + length if hosts[-1] != NO_HOST else 40
    arrays = np.array(edges, np.int64), np.array(facts, np.uint8), np.array(hosts, np.int64)
    inner = st.integers(1, max(1, len(facts) - 1))
    bounds = sorted({0, len(facts), *(cut for cut in draw(st.lists(inner)) if cut < len(facts))})
    parts = [slice(*pair) for pair in pairwise(bounds)]
    runs = [Runs(arrays[0][:-1][part], arrays[1][part], arrays[2][part]) for part in parts]
    return Extents(*arrays), runs


def lists(extents: Extents) -> list[list[int]]:
    return [each.tolist() for each in (extents.edges, extents.facts, extents.host)]


@some
@given(pieces(), st.integers(0, 30), st.data())
def test_built_runs_are_the_fewest_in_their_window(
    case: tuple[Extents, list[Runs]], most: int, data: st.DataObject
):
    whole, parts = case
    start = data.draw(st.integers(whole.start, whole.end - 1))
    end = data.draw(st.integers(start + 1, whole.end))
    builder = ExtentsBuilder(most)
    for part in parts:
        builder.add(part)
    assert lists(builder.window(start, end)) == lists(whole.coalesce().cut(start, end))


@pytest.mark.parametrize(("most", "is_given_back"), [(1, False), (1 << 24, True)])
def test_room_grows_and_is_given_back_where_it_is_far_more_than_needed(most: int, is_given_back: bool):
    builder, count, at_once = ExtentsBuilder(most), 5000, 700
    for at in range(0, count, at_once):
        starts = np.arange(at, min(at + at_once, count), dtype=np.int64)
        builder.add(Runs(starts, np.full(len(starts), NORMAL, np.uint8), starts[::-1] * 2))
    found = builder.window(3, count)
    assert found.edges.tolist() == list(range(3, count + 1))
    assert found.host[:2].tolist() == [2 * (at_once - 1 - 3), 2 * (at_once - 1 - 4)]
    assert (found.host.base is None) == is_given_back
