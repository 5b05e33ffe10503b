"""The window on the disk, for any size that QEMU can have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockstrata.facts.codes import SECTOR
from blockstrata_viewer.model.viewport import Viewport

SIZES = st.one_of(st.integers(0, 4096), st.integers(0, 2**63 - 512))


@st.composite
def viewports(draw):
    viewport = Viewport(draw(SIZES), draw(st.integers(1, 250))).fit()
    for _ in range(draw(st.integers(0, 4))):
        viewport = viewport.zoom(draw(st.integers(-5, 20)), viewport.clamp(draw(SIZES)))
        viewport = viewport.pan(draw(st.integers(-300, 300)))
    return viewport


def is_sound(viewport: Viewport) -> bool:
    inside = 0 <= viewport.left <= max(0, viewport.cells() - viewport.columns)
    return inside and 0 < viewport.cell <= viewport.fit_cell and viewport.cell % SECTOR == 0


@given(SIZES, st.integers(1, 250))
def test_fit_is_the_closest_view_of_the_whole_disk(size, columns):
    viewport = Viewport(size, columns).fit()
    assert viewport.start == 0
    assert viewport.end == size
    assert is_sound(viewport)
    assert viewport.cell == SECTOR or size > columns * (viewport.cell - SECTOR)


@given(SIZES, st.integers(1, 250), st.integers(0, 70), st.integers(0, 70))
def test_steps_back_lead_through_the_same_cells(size, columns, closer, away):
    whole = Viewport(size, columns).fit()
    zoomed = whole.zoom(closer, 0)
    assert zoomed.cell == max(SECTOR, -(-whole.cell // (SECTOR << closer)) * SECTOR)
    if zoomed.cell > SECTOR:
        assert zoomed.zoom(-away, 0).cell == whole.zoom(max(0, closer - away), 0).cell
    assert whole.zoom(closer, 0).zoom(-70, 0) == whole


@given(viewports(), SIZES, st.integers(1, 2**62))
def test_cells_of_a_size_are_whole_sectors_and_keep_the_byte_in_its_column(viewport, offset, cell):
    about = viewport.clamp(offset)
    shown = viewport.show(about)
    closer = shown.of_cell(cell, about)
    assert is_sound(closer)
    assert closer.cell == min(-(-cell // SECTOR) * SECTOR, viewport.fit_cell)
    if 0 < closer.left < closer.cells() - closer.columns:
        assert closer.column_of(about) == shown.column_of(about)


@given(viewports(), SIZES, st.integers(-70, 70))
def test_zoom_keeps_the_byte_in_its_column_unless_the_disk_ends(viewport, offset, steps):
    about = max(viewport.start, min(viewport.clamp(offset), viewport.end - 1))
    zoomed = viewport.zoom(steps, max(0, about))
    assert is_sound(zoomed)
    column = zoomed.column_of(max(0, about))
    if 0 < zoomed.left < zoomed.cells() - zoomed.columns:
        assert column == viewport.column_of(max(0, about))
    assert 0 <= column < zoomed.columns


@given(viewports(), SIZES)
def test_show_brings_a_byte_into_view_and_moves_no_further(viewport, offset):
    shown = viewport.show(viewport.clamp(offset))
    assert is_sound(shown)
    assert 0 <= shown.column_of(viewport.clamp(offset)) < shown.columns
    column = viewport.column_of(viewport.clamp(offset))
    if 0 <= column < viewport.columns:
        assert shown == viewport
    else:
        assert shown.column_of(viewport.clamp(offset)) == (0 if column < 0 else viewport.columns - 1)
    assert shown.cell == viewport.cell


@given(viewports(), st.integers(0, 2**62), st.integers(1, 2**62))
def test_fit_range_shows_the_range_as_large_as_it_can(viewport, start, length):
    if not viewport.size:
        return
    start = viewport.clamp(start)
    end = min(viewport.size, start + length)
    fitted = viewport.fit_range(start, end)
    assert is_sound(fitted)
    assert fitted.start <= start
    assert end <= fitted.end
    first, last = start // fitted.cell, (end - 1) // fitted.cell
    if viewport.columns > 1 and fitted.cell > SECTOR:
        # but for the cell more that a range across the cells' grid takes, it fills the columns
        assert end - start > (fitted.columns - 1) * (fitted.cell - SECTOR)
    if 0 < fitted.left < fitted.cells() - fitted.columns:
        before, after = first - fitted.left, fitted.left + fitted.columns - 1 - last
        assert after - before in {0, 1}


@given(viewports(), st.integers(1, 250))
def test_resize_keeps_a_whole_view_whole_and_others_at_their_cells(viewport, columns):
    resized = viewport.resize(columns)
    assert is_sound(resized)
    if viewport.cell == viewport.fit_cell or viewport.cell > resized.fit_cell:
        assert (resized.start, resized.end) == (0, viewport.size)
        assert resized.cell == resized.fit_cell
    else:
        assert (resized.columns, resized.cell) == (columns, viewport.cell)
        assert resized.left == min(viewport.left, max(0, resized.cells() - columns))


@pytest.mark.parametrize("columns", [0, -3])
def test_there_is_always_a_column(columns):
    assert Viewport(4096, 10).fit().resize(columns).columns == 1
    assert Viewport(4096, columns).fit_cell == 4096


@given(viewports(), st.integers(-300, 300))
def test_pan_moves_by_columns_and_stops_at_the_ends(viewport, columns):
    panned = viewport.pan(columns)
    most = max(0, viewport.cells() - viewport.columns)
    assert panned.left == sorted((0, viewport.left + columns, most))[1]
    assert (panned.cell, panned.columns, panned.size) == (viewport.cell, viewport.columns, viewport.size)


@given(viewports(), st.integers(-3, 253))
def test_a_column_has_the_bytes_of_its_cell_inside_the_disk(viewport, column):
    first = viewport.start + column * viewport.cell
    assert viewport.offset_of(column) == max(0, min(first, viewport.size - 1))
    if 0 <= first < viewport.size:
        assert viewport.column_of(first) == viewport.column_of(first + viewport.cell - 1) == column
    assert viewport.end == min(viewport.size, viewport.start + viewport.columns * viewport.cell)
    cells = viewport.cells()
    assert (cells - 1) * viewport.cell < max(1, viewport.size) <= cells * viewport.cell
