"""What is uppermost of layers, against asking one layer after another for each stretch of bytes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockstrata.facts.codes import NO_HOST, Mapping, fact
from blockstrata.facts.overlay import LayerRuns, overlaid, uncovered

some = settings(max_examples=200)

CODES = [fact(Mapping.NORMAL), fact(Mapping.ZERO_PLAIN)]
UNITS = 24
"""Of a window."""

Row = tuple[int, int, int, int, int]
"""Start, end, fact, host, depth."""


def runs(rows: list[Row]) -> LayerRuns:
    columns = np.array(rows, np.int64).reshape(-1, 5).T
    starts, ends, facts, host, depth = columns
    return LayerRuns(starts, ends, facts.astype(np.uint8), host, depth.astype(np.int32))


@st.composite
def layer(draw: st.DrawFn, depth: int) -> list[Row]:
    """Make runs in units, some of them missing."""
    bounds = sorted(draw(st.sets(st.integers(0, UNITS), max_size=12)))
    return [
        (start, end, draw(st.sampled_from(CODES)), draw(st.sampled_from([NO_HOST, 0, 1000 * depth])), depth)
        for start, end in pairwise(bounds)
        if draw(st.booleans()) or depth == 3
    ]


def naive(layers: list[list[Row]]) -> list[Row]:
    """Ask each layer for each unit, from the top, and join what is one run."""
    found: list[tuple[Row, Row]] = []
    for at in range(UNITS):
        run = next((row for rows in layers for row in rows if row[0] <= at < row[1]), None)
        if run is None:
            continue
        if found and found[-1][0] is run and found[-1][1][1] == at:
            found[-1] = (run, (found[-1][1][0], at + 1, *found[-1][1][2:]))
        else:
            host = run[3] if run[3] == NO_HOST else run[3] + at - run[0]
            found.append((run, (at, at + 1, run[2], host, run[4])))
    return [row for _, row in found]


@some
@given(st.tuples(*(layer(depth) for depth in range(4))))
@pytest.mark.parametrize(("origin", "unit"), [(0, 1), (7, 1), (512, 4096), (2**62 + 1, 2**50)])
def test_the_first_layer_that_has_a_byte_is_uppermost(origin: int, unit: int, layers: tuple[list[Row], ...]):
    def placed(rows: list[Row]) -> list[Row]:
        return [
            (origin + a * unit, origin + b * unit, code, host if host == NO_HOST else host * unit, depth)
            for a, b, code, host, depth in rows
        ]

    found = overlaid([runs(placed(rows)) for rows in layers], origin, origin + UNITS * unit)
    assert list(zip(*(column.tolist() for column in found), strict=True)) == placed(naive(list(layers)))


@some
@given(layer(0), layer(3))
def test_what_is_uncovered_says_which_runs_reach_it_and_how_far(above: list[Row], below: list[Row]):
    def units(rows: list[Row]) -> set[int]:
        return {at for start, end, *_ in rows for at in range(start, end)}

    left = uncovered(runs(above), 0, UNITS)
    assert left.length == UNITS - len(units(above))
    found, reach = left.reached_by(runs(below))
    assert reach == len(units(below) - units(above))
    kept = [row for row in below if units([row]) - units(above)]
    assert list(zip(*(column.tolist() for column in found), strict=True)) == kept


def test_edges_that_share_no_unit_are_sorted():
    end = 1 << 50
    top = runs([(1, 2, CODES[0], 10, 0), (end - 3, end - 1, CODES[1], NO_HOST, 0)])
    found = overlaid([top, runs([(0, end, CODES[0], 0, 1)])], 0, end)
    assert found.starts.tolist() == [0, 1, 2, end - 3, end - 1]
    assert found.ends.tolist() == [1, 2, end - 3, end - 1, end]
    assert found.host.tolist() == [0, 10, 2, NO_HOST, end - 1]
    assert found.depth.tolist() == [1, 0, 1, 0, 1]
