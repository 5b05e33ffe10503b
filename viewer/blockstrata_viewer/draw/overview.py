"""The whole disk in one row: the window bright, the rest dimmed, a line under the window."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.lines import Ink
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.strips import Look, draw_strip
from blockstrata_viewer.draw.units import exact_size
from blockstrata_viewer.model.viewport import Viewport

if TYPE_CHECKING:
    from blockstrata_viewer.draw.lines import Line
    from blockstrata_viewer.model.scene import Scene


def draw_overview(row: Line, under: Line, x: int, scene: Scene) -> None:
    """Draw what the guest sees on the whole disk into ``row``, window and scale into the row under it."""
    viewport, palette = scene.viewport, palette_of(scene)
    whole = Viewport(scene.disk.size, viewport.columns).fit()
    dimmed = replace(palette, paints=palette.dimmed)
    draw_strip([row], scene.disk.guest, whole, scene.semantics, Look(x, dimmed, letters=False))
    first = whole.column_of(viewport.start)
    last = whole.column_of(max(viewport.start, viewport.end - 1))
    window = Viewport(scene.disk.size, last - first + 1, whole.power, first)
    draw_strip([row], scene.disk.guest, window, scene.semantics, Look(x + first, palette, letters=False))
    for at in range(x + first, x + last + 1):
        under.set(at, "▔", Ink(palette.accent, palette.page))
    scale = f"{exact_size(viewport.start)} – {exact_size(viewport.end)}   {format_size(viewport.cell)}/cell"
    end = x + whole.columns
    at = x + last + 2 if x + last + 2 + len(scale) <= end else x + first - 1 - len(scale)
    if at < x:
        # the window is most of the disk: no room beside its line
        scale, at = f"{format_size(viewport.cell)}/cell", 3
    under.put(at, scale, Ink(palette.dim, palette.page))
