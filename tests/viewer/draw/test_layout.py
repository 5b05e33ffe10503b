"""Where everything stands, at any size, for chains of any depth."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockstrata_viewer.draw.layout import CHAIN_LEAST, TABLE_LEAST, chain_layout
from blockstrata_viewer.model.scene import GUEST


@st.composite
def tracks_of(draw):
    """Draw layers, some of them folded."""
    found, depth = [], 0
    for length in draw(st.lists(st.integers(1, 4), min_size=1, max_size=70)):
        found.append(depth if length == 1 else range(depth, depth + length))
        depth += length
    return found


def depths(track):
    return [track] if isinstance(track, int) else list(track)


@given(tracks_of(), st.integers(40, 250), st.integers(CHAIN_LEAST, 70), st.data())
def test_each_layer_is_in_sight_or_counted_where_it_is(tracks, width, height, data):
    last = depths(tracks[-1])[-1]
    selected, answering = (data.draw(st.integers(least, last)) for least in (GUEST, 0))
    layout = chain_layout(width, height, tracks, selected, answering)
    places = [
        *(
            (rows.start, rows.stop, depths(track))
            for track, rows in zip(layout.tracks, layout.places, strict=True)
        ),
        *((more.row, more.row + 1, more.layers) for more in layout.more),
    ]
    assert len(layout.rows_of(max(selected, 0))) > 0
    if height > CHAIN_LEAST + 3:
        assert len(layout.rows_of(answering)) > 0
    depth = 0
    for _, _, what in sorted(places):
        if isinstance(what, int):
            assert what > 1 or height <= CHAIN_LEAST + 3, "a layer would take no more room"
            depth += what
        else:
            assert what[0] == depth
            depth = what[-1] + 1
    assert depth == last + 1
    if layout.bracket is not None:
        places.append((layout.bracket, layout.bracket + 1, []))
        if selected != GUEST:
            assert layout.bracket == layout.rows_of(selected).stop
    places += [(0, layout.ribbon + 1, [])]
    assert all(before[1] <= after[0] for before, after in pairwise(sorted(places)))
    assert max(stop for _, stop, _ in places) <= layout.used <= height
    for more in layout.more:
        assert (more.sign == "▴") == (more.row < layout.rows_of(max(selected, 0)).start)


@given(st.integers(0, 40), st.integers(40, 250), st.integers(CHAIN_LEAST, 120))
def test_strips_are_as_tall_as_they_can_and_the_table_has_its_share(layers, width, height):
    layout = chain_layout(width, height, range(layers))
    left = height - layout.used
    assert left == 0 or left >= TABLE_LEAST
    assert 1 <= layout.overview <= 3
    assert 1 <= layout.guest <= 6
    strip = {len(rows) for rows in layout.places}
    assert len(strip) <= 1
    tall = max(strip, default=0)
    assert tall <= 8
    over = height - (2 + 3 + 5 + 5 * layers)
    kept = max(TABLE_LEAST, -(-over // 3))
    if tall > 4 and over >= TABLE_LEAST:
        assert left >= kept
    if layers and 4 <= tall < 8:
        # a row more for each, the guest and the overview would leave too little
        assert left - layers - 2 < kept


@pytest.mark.parametrize(
    ("height", "layers", "strip", "table"),
    [(14, 3, 2, 0), (23, 3, 3, 0), (41, 3, 6, 8), (64, 3, 8, 23), (64, 40, 1, 16)],
)
def test_heights(height, layers, strip, table):
    layout = chain_layout(160, height, range(layers), 1, 0)
    assert {len(rows) for rows in layout.places} == {strip}
    assert height - layout.used == table


def test_rows_lead_to_layers_and_back():
    layout = chain_layout(120, 40, range(5), 2, 0)
    for depth in (GUEST, *range(5)):
        assert {layout.layer_at(row) for row in layout.rows_of(depth)} == {depth}
    assert layout.layer_at(layout.ribbon) == GUEST
    assert layout.layer_at(layout.bracket) is None
    assert layout.layer_at(0) is None
    assert chain_layout(120, 12, [0, range(1, 40), 40], 0, 40).layer_at(10) == 1
