"""The drill: one line through everything that stands over the cursor's byte."""

from __future__ import annotations

from blockstrata_viewer.draw.lines import Ink, Line
from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.draw.strips import LEFT, LOWER

_CROSSED = {"╰": "├", "─": "┼", "╯": "┤", "╵": "│"}
"""The bracket's corners and line with the drill through them."""


def draw_drill(row: Line, at: int, palette: Palette, *, heavy: bool = False) -> None:
    """Draw the drill through a cell of a row, so that what the cell holds can still be seen."""
    glyph, ink = row.glyph_at(at), row.ink_at(at)
    if glyph in _CROSSED:
        row.set(at, _CROSSED[glyph], ink)
    elif glyph == " " and ink.bg == palette.page:
        row.set(at, "│", Ink(palette.rule, palette.page))
    elif glyph.isalnum() and not palette.is_mono:
        # a word stays whole: without a letter it may be another file's name
        row.set(at, glyph, Ink(palette.crosshair, ink.bg, bold=True))
    elif palette.is_mono and glyph != " ":
        # there is no colour behind the line to show what the cell holds, so the cell stays
        row.set(at, glyph, Ink(ink.fg, "reverse", bold=heavy))
    else:
        mostly_ink = glyph != " " and glyph in LOWER[4:] + LEFT[4:]
        ground = ink.fg if mostly_ink else ink.bg
        row.set(at, "┃" if heavy else "│", Ink(palette.crosshair, ground, bold=heavy))
