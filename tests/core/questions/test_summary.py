"""What is added up part by part, against a count of one byte after another."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockstrata.facts.codes import NO_HOST, Mapping, Storage, Traits, fact
from blockstrata.facts.extents import Extents
from blockstrata.graph.chain import Layer
from blockstrata.guest.view import View
from blockstrata.questions.summary import Summary
from blockstrata.semantics import SEMANTICS

CODES = [
    fact(Mapping.NORMAL, Storage.DATA),
    fact(Mapping.NORMAL, Storage.HOLE),
    fact(Mapping.ZERO_PLAIN),
    fact(Mapping.INVALID),
]


class Node:
    """As much of a driver as a summary asks for."""

    is_closed = False

    def __init__(self, name):
        self.name = name
        self.host = self

    def read_traits(self):
        return Traits("file")

    def fault_at(self, offset):
        return f"{self.name} is broken at {offset}"


LAYERS = (Layer(0, Node("top")), Layer(1, Node("base")))


def view_of(runs, start):
    """Return runs (source, code, host, length) as a view from a guest byte on."""
    source, codes, host, lengths = (list(column) for column in zip(*runs, strict=True))
    edges = np.cumsum([start, *lengths])
    source = np.array(source, np.int64)
    return View(Extents(edges, np.array(codes, np.uint8), np.array(host, np.int64)), source, source, LAYERS)


@st.composite
def parts_of_runs(draw):
    """Make runs of which none continues the one before, and the same cut into views at some bytes."""
    runs, following = [], None
    for _ in range(draw(st.integers(1, 8))):
        length, source = draw(st.integers(1, 5)), draw(st.integers(0, 1))
        code = draw(st.sampled_from(CODES))
        host = (
            NO_HOST if code >> 3 in {Mapping.ZERO_PLAIN, Mapping.INVALID} else draw(st.sampled_from((0, 7)))
        )
        if following and code == following[1] and source == following[0] and draw(st.booleans()):
            # beside the byte that would go on, or apart from it
            host = NO_HOST if host == NO_HOST else following[2] + draw(st.integers(1, 3))
        if (source, code, host) == following:
            continue
        runs.append((source, code, host, length))
        following = source, code, host if host == NO_HOST else host + length
    single = [
        (source, code, host if host == NO_HOST else host + at)
        for source, code, host, length in runs
        for at in range(length)
    ]
    cuts = sorted(draw(st.sets(st.integers(1, len(single) - 1)))) if len(single) > 1 else []
    views = []
    starts = np.cumsum([0, *(length for *_, length in runs)]).tolist()
    for start, end in pairwise([0, *cuts, len(single)]):
        edges = [start, *(edge for edge in starts if start < edge < end), end]
        views.append(view_of([(*single[a], b - a) for a, b in pairwise(edges)], start))
    return runs, views


@given(parts_of_runs())
def test_runs_in_parts_are_counted_once_and_apart_where_they_are(case):
    """One that a part ends in is one, but only where storage goes on too, or there is none."""
    runs, views = case
    summary = Summary(LAYERS)
    for view in views:
        summary.add(view)
        # a view of no bytes ends nothing
        nothing = view.extents.cut(view.extents.end, view.extents.end)
        summary.add(View(nothing, view.source[:0], view.depth[:0], LAYERS))
    assert summary.runs == len(runs)
    # both layers have the same traits, so that a fact means the same in either
    found = {
        (*total.flags.values(), total.is_invalid): (total.length, total.runs) for total in summary.totals()
    }
    expected = {}
    for code in {code for _, code, _, _ in runs}:
        view = view_of([(0, code, NO_HOST, 1)], 0)
        meaning = (*(int(semantics.flags(view)[0]) for semantics in SEMANTICS), code == CODES[3])
        lengths = [length for _, each, _, length in runs if each == code]
        before = expected.get(meaning, (0, 0))
        expected[meaning] = before[0] + sum(lengths), before[1] + len(lengths)
    assert found == expected
    order = [(total.is_invalid, -total.length) for total in summary.totals()]
    assert order == sorted(order)


@given(parts_of_runs())
def test_the_first_faults_are_told_each_once(case):
    runs, views = case
    summary = Summary(LAYERS)
    for view in views:
        summary.add(view)
    starts = np.cumsum([0, *(length for *_, length in runs)]).tolist()
    broken = [
        f"guest offset {start:#x}: {LAYERS[source].node.name} is broken at {start}"
        for start, (source, code, _, _) in zip(starts, runs, strict=False)
        if code == CODES[3]
    ]
    assert summary.faults == broken[:5]


@pytest.mark.parametrize("size", [1, 2, 4, 9])
def test_of_many_faults_five_are_told(size):
    runs = [(at % 2, CODES[3], NO_HOST, 1) for at in range(9)]
    summary = Summary(LAYERS)
    for start in range(0, 9, size):
        summary.add(view_of(runs[start : start + size], start))
    assert [fault.partition(":")[0] for fault in summary.faults] == [
        f"guest offset {at:#x}" for at in range(5)
    ]
