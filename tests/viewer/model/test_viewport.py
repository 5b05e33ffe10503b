"""The window on the disk, for any size that QEMU can have."""

from __future__ import annotations

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
    if 0 <= viewport.column_of(viewport.clamp(offset)) < viewport.columns:
        assert shown == viewport


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


@given(viewports(), st.integers(1, 250))
def test_resize_keeps_a_whole_view_whole_and_others_at_their_cells(viewport, columns):
    resized = viewport.resize(columns)
    assert is_sound(resized)
    if viewport.power == viewport.fit_power:
        assert (resized.start, resized.end) == (0, viewport.size)
