"""The ruler over the strips: round offsets, the cursor's own in a badge, and the cell under it enlarged."""

from __future__ import annotations

from blockstrata_viewer.draw.enlarged import ENLARGED, draw_enlarged
from blockstrata_viewer.draw.lines import Ink, Line
from blockstrata_viewer.draw.strips import Look
from blockstrata_viewer.draw.units import exact_size
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.states import Paint

_LABEL_EVERY = 12
"""Columns that are at least from one label to the next."""
_TICKS = 4
"""Ticks from label to label."""


def draw_ruler(labels: Line, ticks: Line, scene: Scene, look: Look) -> None:
    """Draw round offsets along strips that start at a column, and the cursor's own in a badge."""
    palette, viewport, x = look.palette, scene.viewport, look.x
    shown = min(viewport.columns, viewport.cells() - viewport.left)
    taken = _badges(labels, scene, look)
    ticks.put(x, "─" * shown, Ink(palette.rule, palette.page))
    # of round offsets, the cells that hold them
    apart = 1 << (viewport.cell * _LABEL_EVERY - 1).bit_length()
    step = apart // _TICKS
    for offset in range(-(-viewport.start // step) * step, viewport.end, step):
        at = x + viewport.column_of(offset)
        labelled = offset % apart == 0
        ticks.set(at, "┬", Ink(palette.dim if labelled else palette.rule, palette.page))
        label = exact_size(offset) if labelled else ""
        end = at + len(label)
        if label and end <= x + viewport.columns and _is_free(taken, at, end):
            labels.put(at, label, Ink(palette.dim, palette.page))
            taken.append(range(at - 1, end + 1))
    marks = [(scene.cursor, "┴", palette.accent)]
    marks += [(marker, "◆", palette.paints[Paint.RESERVED]) for marker in scene.markers]
    for offset, glyph, colour in marks:
        if 0 <= viewport.column_of(offset) < shown:
            ticks.set(x + viewport.column_of(offset), glyph, Ink(colour, palette.page))


def _badges(labels: Line, scene: Scene, look: Look) -> list[range]:
    """Draw the offsets of cursor and pointer, and what the cursor's cell holds; return the columns taken."""
    palette, viewport, x = look.palette, scene.viewport, look.x
    badges = [(scene.cursor, palette.badge, palette.on_badge)]
    if scene.hover is not None:
        badges.append((scene.hover, palette.rule, palette.text))
    taken: list[range] = []
    for offset, ground, colour in badges:
        text = f" {exact_size(offset)} "
        at = x + viewport.column_of(offset) - len(text) // 2
        at = max(x, min(at, x + viewport.columns - len(text)))
        if _is_free(taken, at, at + len(text)):
            labels.put(at, text, Ink(colour, ground, bold=True))
            taken.append(range(at - 1, at + len(text) + 1))
            if offset == scene.cursor:
                taken += _enlarged(labels, scene, look, range(at, at + len(text)))
    return taken


def _enlarged(labels: Line, scene: Scene, look: Look, badge: range) -> list[range]:
    """Draw the cursor's cell enlarged beside its badge, if it holds several states; return what it takes."""
    viewport = scene.viewport
    fits = badge.stop + ENLARGED <= look.x + viewport.columns
    at = badge.stop if fits else badge.start - ENLARGED
    if scene.asking or at < look.x:
        return []
    is_drawn = draw_enlarged(labels, at, ENLARGED, scene.track, viewport, scene.cursor, scene.semantics, look)
    return [range(at - 1, at + ENLARGED + 1)] if is_drawn else []


def _is_free(taken: list[range], at: int, end: int) -> bool:
    return not any(at < span.stop and span.start < end for span in taken)
