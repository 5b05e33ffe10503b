"""Shares and strips, drawn without an app."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from blockstrata.semantics import SEMANTICS, by_name
from blockstrata_viewer.palette import DARK, MONO, Paint
from blockstrata_viewer.rows import Ink, Row
from blockstrata_viewer.shares import Shares
from blockstrata_viewer.viewport import Viewport
from blockstrata_viewer.widgets.strips import LEVELS, Look, columns_of, draw_strip, levels

NEW, OLD = by_name("proposed"), by_name("historic")


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 4)), max_size=300), st.data())
def test_shares_equal_a_count_of_bytes(runs, data):
    edges = np.concatenate([[0], np.cumsum([length for length, _ in runs], dtype=np.int64)]).astype(np.int64)
    classes = np.array([kind for _, kind in runs], np.uint8)
    bytewise = np.repeat(classes, [length for length, _ in runs])
    offsets = sorted(data.draw(st.lists(st.integers(0, int(edges[-1])), min_size=2, max_size=8)))
    found = Shares(edges, classes, 5).between(np.array(offsets, np.int64))
    for (start, end), row in zip(pairwise(offsets), found.tolist(), strict=True):
        assert row == np.bincount(bytewise[start:end], minlength=5).tolist()


@given(
    st.lists(st.integers(0, 2**50), min_size=len(Paint), max_size=len(Paint)),
    st.integers(1, 3),
)
def test_levels_fill_the_cell_and_hide_nothing_that_has_room(amounts, rows):
    height = rows * LEVELS
    (given_levels,) = levels(np.array([amounts], np.int64), height).tolist()
    present = [amount > 0 for amount in amounts]
    if not any(present):
        assert given_levels == [0] * len(Paint)
        return
    assert sum(given_levels) == height
    assert all(level == 0 for level, there in zip(given_levels, present, strict=True) if not there)
    if sum(present) <= height:
        assert all(level > 0 for level, there in zip(given_levels, present, strict=True) if there)
    if sum(present) == 1:
        assert max(given_levels) == height


def test_one_boundary_is_found_where_it_is(demo_disk):
    """Every split of the demo's strips, against the runs themselves."""
    for track in (demo_disk.guest, *demo_disk.tracks):
        viewport = Viewport(demo_disk.size, 64).fit()
        for semantics in SEMANTICS:
            columns = columns_of(track, viewport, semantics)
            paints = track.paints(semantics)
            for column in range(viewport.columns):
                start = min((viewport.left + column) << viewport.power, track.size)
                end = min(start + viewport.cell, track.size)
                if start == end:
                    assert not columns.amounts[column].any()
                    continue
                part = track.view.extents.cut(start, end)
                first = track.view.extents.index_at(start)
                seen = paints[track.shares.classes[first : first + len(part)]]
                changes = np.flatnonzero(np.diff(seen.astype(int)))
                if len(changes) == 1 and len(part) <= 8:
                    eighths = round((int(part.edges[changes[0] + 1]) - start) * LEVELS / (end - start))
                    assert columns.split[column] == max(1, min(LEVELS - 1, eighths))
                elif len(changes) != 1:
                    assert columns.split[column] == 0


def draw(track, viewport, semantics, rows=1, palette=DARK, **look):
    lines = [Row(viewport.columns, Ink("#ffffff", DARK.page)) for _ in range(rows)]
    draw_strip(lines, track, viewport, semantics, Look(0, palette, **look))
    return lines


def test_every_extent_leaves_a_mark(demo_disk):
    """A cell that holds anything but falling through never looks like the empty track."""
    viewport = Viewport(demo_disk.size, 64).fit()
    for track in demo_disk.tracks:
        (line,) = draw(track, viewport, NEW)
        columns = columns_of(track, viewport, NEW)
        for column, amounts in enumerate(columns.amounts):
            held = amounts.sum() - amounts[Paint.FALLS_THROUGH]
            plain = line.glyph_at(column) == " " and line.ink_at(column).bg == DARK.track
            assert plain == (amounts[Paint.FALLS_THROUGH] > 0 and held == 0)


def test_letters_keep_off_the_drill(demo_disk):
    track = demo_disk.tracks[0]
    viewport = Viewport(demo_disk.size, 128).fit()
    for drill in range(viewport.columns):
        (line,) = draw(track, viewport, NEW, drill=drill)
        assert line.glyph_at(drill) not in "LZAO"


def test_toggling_recolours_the_same_facts(demo_disk):
    """Allocated zeroes over a hole: today's letters give them an offset, the proposal says hole."""
    track = demo_disk.tracks[0]
    before = {state.letters for state in track.states(OLD)}
    after = {state.letters for state in track.states(NEW)}
    assert {"D·O", "D··", "·Z·", "·ZO", "··O", "···"} <= before
    assert {"L·AO", "L·A·", "LZ··", "LZ·O", "LZA·", "··AO", "····"} <= after


def test_without_colour_a_cell_shows_what_most_of_it_is(demo_disk):
    (line,) = draw(demo_disk.tracks[2], Viewport(demo_disk.size, 64).fit(), NEW, palette=MONO)
    text = line.text()
    assert set(text) == {"█", "○", " "}
    assert text.rstrip() == text[:48]  # the base ends there; past it there is no track


def test_differences_cover_what_means_the_same(demo_disk):
    """What is left are the runs whose old answer, read letter by letter, is not the new one."""
    track = demo_disk.tracks[0]
    viewport = Viewport(demo_disk.size, 128).fit()
    (line,) = draw(track, viewport, NEW, differences=True, letters=False)
    shares = track.shares.between(np.arange(129, dtype=np.int64) * viewport.cell)
    for column in range(128):
        is_empty = line.ink_at(column).bg == DARK.track and line.glyph_at(column) == " "
        assert is_empty == (not shares[column][track.differing].any())


def test_patterns_add_ink_to_solid_cells(demo_disk):
    viewport = Viewport(demo_disk.size, 128).fit()
    (plain,) = draw(demo_disk.tracks[1], viewport, NEW, letters=False)
    (inked,) = draw(demo_disk.tracks[1], viewport, NEW, letters=False, patterns=True)
    assert "╱" in inked.text()
    assert "╱" not in plain.text()
    assert [plain.ink_at(x).bg for x in range(128)] == [inked.ink_at(x).bg for x in range(128)]
