"""The ruler: round offsets along the strips, and the cursor's own in a badge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blockstrata_viewer.rows import Ink
from blockstrata_viewer.units import exact_size

if TYPE_CHECKING:
    from blockstrata_viewer.palette import Palette
    from blockstrata_viewer.rows import Row
    from blockstrata_viewer.viewport import Viewport

_LABEL_EVERY: Final = 16
_TICK_EVERY: Final = 4


def draw_ruler(labels: Row, ticks: Row, x: int, viewport: Viewport, cursor: int, palette: Palette) -> None:
    """Draw labels and ticks, the first column of the strips at cell ``x``; the badge wins over labels."""
    badge = f" {exact_size(cursor)} "
    column = viewport.column_of(cursor)
    badge_at = max(x, min(x + column - len(badge) // 2, x + viewport.columns - len(badge)))
    shown = min(viewport.columns, viewport.cells() - viewport.left)
    for at in range(shown):
        cell = viewport.left + at
        labelled = cell % _LABEL_EVERY == 0
        glyph = "┬" if labelled else "╷" if cell % _TICK_EVERY == 0 else "─"
        ticks.put(x + at, glyph, Ink(palette.dim if labelled else palette.rule, palette.page))
        if labelled:
            label = exact_size(cell << viewport.power)
            free = x + at + len(label) < badge_at or x + at > badge_at + len(badge)
            if free and at + len(label) <= viewport.columns:
                labels.put(x + at, label, Ink(palette.dim, palette.page))
    labels.put(badge_at, badge, Ink(palette.on_accent, palette.accent, bold=True))
    ticks.put(x + column, "┴" if 0 <= column < shown else "", Ink(palette.accent, palette.page))
