"""The ruler: round offsets along the strips, and the cursor's own in a badge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blockstrata_viewer.draw.lines import Ink
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.units import exact_size
from blockstrata_viewer.model.states import Paint

if TYPE_CHECKING:
    from blockstrata_viewer.draw.lines import Line
    from blockstrata_viewer.model.scene import Scene

_LABEL_EVERY: Final = 16
_TICK_EVERY: Final = 4


def draw_ruler(labels: Line, ticks: Line, x: int, scene: Scene) -> None:
    """Draw labels and ticks, the first column of the strips at cell ``x``; the badges win over labels."""
    palette, viewport = palette_of(scene), scene.viewport
    shown = min(viewport.columns, viewport.cells() - viewport.left)
    badges = [(scene.cursor, palette.badge, palette.on_badge)]
    if scene.hover is not None:
        badges.insert(0, (scene.hover, palette.rule, palette.text))
    taken: list[range] = []
    for offset, ground, colour in reversed(badges):
        text = f" {exact_size(offset)} "
        column = viewport.column_of(offset)
        at = max(x, min(x + column - len(text) // 2, x + viewport.columns - len(text)))
        if not any(at < span.stop and span.start < at + len(text) for span in taken):
            labels.put(at, text, Ink(colour, ground, bold=True))
            taken.append(range(at - 1, at + len(text) + 1))
    for column in range(shown):
        cell = viewport.left + column
        labelled = cell % _LABEL_EVERY == 0
        glyph = "┬" if cell % _TICK_EVERY == 0 else "─"
        ticks.set(x + column, glyph, Ink(palette.dim if labelled else palette.rule, palette.page))
        label = exact_size(cell << viewport.power) if labelled else ""
        end = x + column + len(label)
        free = not any(x + column < span.stop and span.start < end for span in taken)
        if label and free and end <= x + viewport.columns:
            labels.put(x + column, label, Ink(palette.dim, palette.page))
    if 0 <= viewport.column_of(scene.cursor) < shown:
        ticks.set(x + viewport.column_of(scene.cursor), "┴", Ink(palette.accent, palette.page))
    for marker in scene.markers:
        if 0 <= viewport.column_of(marker) < shown:
            ticks.set(x + viewport.column_of(marker), "◆", Ink(palette.paints[Paint.RESERVED], palette.page))
