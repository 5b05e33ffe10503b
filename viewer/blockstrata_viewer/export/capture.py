"""Textual's composed screen as cells: the one place that reads it, which takes a private call."""

from __future__ import annotations

from rich.cells import get_character_cell_size
from rich.color import Color
from rich.style import Style
from textual.screen import Screen as Composed
from textual.strip import Strip

from blockstrata_viewer.draw.palette import Palette, palette_for
from blockstrata_viewer.export.screen import Cell, Screen, grey, showable


def strips_of(composed: Composed[object]) -> list[Strip]:
    """Return the rows of a screen as they stand in the terminal."""
    return composed._compositor.render_strips()


def capture(composed: Composed[object], palette: Palette, theme: str) -> Screen:
    """Return the cells of a screen that is drawn with a palette.

    The theme's page and text stand for the terminal's own two colours; a screen without colours is grey.
    """
    plain = palette_for("truecolor", theme)
    own = plain if palette.is_mono else palette
    page, ink = _hex(Color.parse(own.page), plain.page), _hex(Color.parse(own.text), plain.text)
    rows = tuple(tuple(_cells(strip, page, ink)) for strip in strips_of(composed))
    if not palette.is_mono:
        return Screen(rows, page, ink)
    greys = tuple(tuple(cell._replace(fg=grey(cell.fg), bg=grey(cell.bg)) for cell in row) for row in rows)
    return Screen(greys, grey(page), grey(ink))


def _cells(strip: Strip, page: str, ink: str) -> list[Cell]:
    cells: list[Cell] = []
    for segment in strip:
        inks = _inks(segment.style, page, ink)
        for char in segment.text:
            shown = showable(char)
            size = get_character_cell_size(shown)
            if size:
                cells.append(Cell(shown, *inks))
            elif cells:
                cells[-1] = cells[-1]._replace(text=cells[-1].text + shown)
            if size == 2:
                cells.append(Cell("", *inks))
    return cells


def _inks(style: Style | None, page: str, ink: str) -> tuple[str, str, bool]:
    if style is None:
        return ink, page, False
    fg, bg = _hex(style.color, ink), _hex(style.bgcolor, page)
    return (bg, fg, bool(style.bold)) if style.reverse else (fg, bg, bool(style.bold))


def _hex(colour: Color | None, default: str) -> str:
    if colour is None or colour.is_default:
        return default
    return colour.get_truecolor().hex
