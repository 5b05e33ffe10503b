"""A screen as a page of HTML: one ``<pre>`` with inline styles, which can be pasted elsewhere.

Blocks and lines are painted as backgrounds, over the glyph itself in no colour: they meet exactly whatever
font there is, and can still be selected and copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final, NamedTuple

from blockstrata_viewer.export.glyphs import HEIGHT, SHADES, WIDTH, Rect, rectangles
from blockstrata_viewer.export.screen import Cell, Screen
from blockstrata_viewer.export.svg import FONT_SIZE, FONTS, RADIUS, SIDE, frame_of, ground_of

_ROW: Final = f"display:flex;height:{HEIGHT}px"


def html(screen: Screen, title: str = "") -> str:
    """Return a page that shows a screen."""
    frame = frame_of(screen, title)
    style = (
        f"width:{screen.width * WIDTH}px;margin:0;padding:{SIDE}px;"
        f"background:{screen.page};color:{screen.ink};border:1px solid {frame.rule};"
        f"border-radius:{RADIUS}px;font:{FONT_SIZE}px/{HEIGHT}px {FONTS};font-variant-ligatures:none;"
        "direction:ltr;unicode-bidi:bidi-override"
    )
    bar = f'<span style="display:block;text-align:center;padding-bottom:8px;color:{frame.dim}">'
    # a line break between rows would show as one, inside a tag it does not
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<meta charset="utf-8">',
            f"<title>{escape(title or 'blockstrata')}</title>",
            f'<pre style="{style}"',
            *([f">{bar}{escape(frame.title)}</span"] if frame.title else []),
            *(f'><span style="{_ROW}">{"".join(_spans(row))}</span' for row in screen.rows),
            "></pre>",
            "",
        ]
    )


def _spans(row: tuple[Cell, ...]) -> Iterator[str]:
    """Yield an element for each stretch of cells that are painted alike."""
    stretches: list[tuple[_Kind, list[str]]] = []
    for x, cell in enumerate(row):
        kind = _kind(x, cell)
        last = stretches[-1] if stretches else None
        if last and (last[0] == kind or (cell.text == " " and last[0].holds(cell))):
            last[1].append(cell.text)
        else:
            stretches.append((kind, [cell.text]))
    for kind, texts in stretches:
        yield f'<span style="{kind.style(len(texts))}">{escape("".join(texts))}</span>'


class _Kind(NamedTuple):
    """How a stretch of cells is painted.

    ``shape`` is a glyph that is drawn as geometry, ``x`` its cell, -1 if neighbours can be painted as one.
    """

    fg: str
    ground: str
    bold: bool
    shape: str
    x: int

    def holds(self, blank: Cell) -> bool:
        """Say whether a blank can stand among these cells."""
        return not self.shape and self.ground == blank.bg

    def style(self, cells: int) -> str:
        """Return the style of so many cells."""
        layers = [_layer(rect, self.fg) for rect in rectangles(self.shape)] if self.shape else []
        styles = [f"flex:none;width:{cells * WIDTH}px", f"background:{','.join([*layers, self.ground])}"]
        styles.append(f"color:{'transparent' if self.shape else self.fg}")
        return ";".join(styles) + (";font-weight:700" if self.bold else "")


def _kind(x: int, cell: Cell) -> _Kind:
    ground, shapes = ground_of(cell), rectangles(cell.text)
    if not shapes and cell.text not in SHADES:
        return _Kind(cell.fg, ground, cell.bold, "", -1)
    repeats = all(rect.left == 0 and rect.right == WIDTH for rect in shapes)
    return _Kind(cell.fg, ground, False, cell.text, -1 if repeats else x)


def _layer(rect: Rect, colour: str) -> str:
    """Return a rectangle as a layer of a background; what spans a cell spans all the cells of a stretch."""
    left, top, right, bottom = rect
    if (left, right) == (0, WIDTH):
        return _band("180deg", top, bottom, HEIGHT, colour)
    if (top, bottom) == (0, HEIGHT):
        return _band("90deg", left, right, WIDTH, colour)
    size = f"{right - left}px {bottom - top}px"
    return f"linear-gradient({colour},{colour}) {left}px {top}px/{size} no-repeat"


def _band(angle: str, start: int, end: int, whole: int, colour: str) -> str:
    """Return a stripe across a cell, sharp because its stops coincide; none at the cell's own edges."""
    before = [f"transparent {start}px", f"{colour} {start}px"] if start else []
    after = [f"{colour} {end}px", f"transparent {end}px"] if end < whole else []
    return f"linear-gradient({','.join([angle, *(before + after or [colour, colour])])}) no-repeat"
