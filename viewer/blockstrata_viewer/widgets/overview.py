"""The whole disk in one row: the window bright, the rest dimmed, a line under the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockstrata.sizes import format_size
from blockstrata_viewer.palette import blend
from blockstrata_viewer.rows import Ink
from blockstrata_viewer.units import exact_size
from blockstrata_viewer.viewport import Viewport
from blockstrata_viewer.widgets.strips import draw_strip

if TYPE_CHECKING:
    from blockstrata_viewer.rows import Row
    from blockstrata_viewer.scene import Scene

_DIMMED = 0.6


def draw_overview(row: Row, under: Row, x: int, scene: Scene) -> None:
    """Draw what the guest sees on the whole disk into ``row``, window and scale into the row under it."""
    viewport, palette = scene.viewport, scene.palette
    whole = Viewport(scene.disk.size, viewport.columns).fit()
    draw_strip(
        [row], x, scene.disk.guest, whole, scene.semantics, palette, drill=-1, mono=scene.mono, letters=False
    )
    first = x + whole.column_of(viewport.start)
    last = x + whole.column_of(max(viewport.start, viewport.end - 1))
    for at in range(x, x + whole.columns):
        if first <= at <= last:
            under.put(at, "▔", Ink(palette.accent, palette.page))
        elif not scene.mono:
            row.tint(at, lambda colour: blend(colour, palette.page, _DIMMED))
    scale = f"{exact_size(viewport.start)} – {exact_size(viewport.end)}   {format_size(viewport.cell)}/cell"
    at = last + 2 if last + 2 + len(scale) <= x + whole.columns else first - 2 - len(scale)
    if at < x:
        at = x + whole.columns - len(scale)
    under.put(at, scale, Ink(palette.dim, palette.page))
