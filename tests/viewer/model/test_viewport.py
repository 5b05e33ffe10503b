"""The window on the disk, for any size that QEMU can have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    return inside and 0 <= viewport.power <= viewport.fit_power


@given(SIZES, st.integers(1, 250))
def test_fit_is_the_closest_view_of_the_whole_disk(size, columns):
    viewport = Viewport(size, columns).fit()
    assert viewport.start == 0
    assert viewport.end == size
    assert viewport.power == 0 or -(-size >> (viewport.power - 1)) > columns


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
    assert shown.power == viewport.power


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
    first, last = start >> fitted.power, end - 1 >> fitted.power
    if fitted.power:
        # half the cells would be too many
        assert (end - 1 >> fitted.power - 1) - (start >> fitted.power - 1) >= fitted.columns
    if 0 < fitted.left < fitted.cells() - fitted.columns:
        before, after = first - fitted.left, fitted.left + fitted.columns - 1 - last
        assert after - before in {0, 1}


@given(viewports(), st.integers(1, 250))
def test_resize_keeps_a_whole_view_whole_and_others_at_their_cells(viewport, columns):
    resized = viewport.resize(columns)
    assert is_sound(resized)
    if viewport.power == viewport.fit_power or viewport.power > resized.fit_power:
        assert (resized.start, resized.end) == (0, viewport.size)
        assert resized.power == resized.fit_power
    else:
        assert (resized.columns, resized.power) == (columns, viewport.power)
        assert resized.left == min(viewport.left, max(0, resized.cells() - columns))


@pytest.mark.parametrize("columns", [0, -3])
def test_there_is_always_a_column(columns):
    assert Viewport(4096, 10).fit().resize(columns).columns == 1
    assert Viewport(4096, columns).fit_power == 12


@given(viewports(), st.integers(-300, 300))
def test_pan_moves_by_columns_and_stops_at_the_ends(viewport, columns):
    panned = viewport.pan(columns)
    most = max(0, viewport.cells() - viewport.columns)
    assert panned.left == sorted((0, viewport.left + columns, most))[1]
    assert (panned.power, panned.columns, panned.size) == (viewport.power, viewport.columns, viewport.size)


@given(viewports(), st.integers(-3, 253))
def test_a_column_has_the_bytes_of_its_cell_inside_the_disk(viewport, column):
    first = viewport.start + column * viewport.cell
    assert viewport.offset_of(column) == max(0, min(first, viewport.size - 1))
    if 0 <= first < viewport.size:
        assert viewport.column_of(first) == viewport.column_of(first + viewport.cell - 1) == column
    assert viewport.end == min(viewport.size, viewport.start + viewport.columns * viewport.cell)
    cells = viewport.cells()
    assert (cells - 1) * viewport.cell < max(1, viewport.size) <= cells * viewport.cell
