"""Lines of text written one below the other."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from blockstrata_viewer.draw.lines import Ink, Line, clip
from blockstrata_viewer.draw.strips import draw_swatch
from blockstrata_viewer.draw.units import exact_size

if TYPE_CHECKING:
    from blockstrata_viewer.draw.palette import Palette
    from blockstrata_viewer.model.states import State


class Pen:
    """Writes lines into rows, one after another, as long as there are rows."""

    def __init__(self, rows: list[Line], x: int, end: int, palette: Palette, *, wraps: bool = False) -> None:
        self.rows = iter(rows)
        self.x = x
        self.end = end
        self.palette = palette
        self.wraps = wraps

    def line(self, *parts: tuple[str, str, bool]) -> None:
        """Write parts of (text, colour, bold) one after another, cut where the room ends."""
        row = next(self.rows, None)
        x = self.x
        for text, colour, bold in parts if row else ():
            x = row.put(x, clip(text, self.end - x), Ink(colour, self.palette.panel, bold)) if row else x

    def field(self, name: str, value: str, more: str = "") -> None:
        """Write a name, its value, and what else there is to say of it."""
        palette = self.palette
        gap = "  " if more else ""
        self.line(
            (f"{name:<8}", palette.dim, False), (value, palette.text, False), (gap + more, palette.dim, False)
        )

    def offset(self, name: str, offset: int) -> None:
        """Write an offset, to the byte and for people."""
        self.field(name, f"{offset:#014x}", exact_size(offset))

    def state(self, state: State, name: str, note: str, *, in_force: bool) -> None:
        """Write a state under a semantics: swatch, letters, words."""
        row = next(self.rows, None)
        if row is None:
            return
        palette = self.palette
        colour = palette.text if in_force else palette.dim
        draw_swatch(row, self.x, state.paint, palette)
        x = row.put(self.x + 3, f"{name} " if name else "", Ink(palette.dim, palette.panel))
        x = row.put(x, f"{state.label:<4} ", Ink(colour, palette.panel, bold=in_force))
        words, room = f"{note}{state.words}", max(1, self.end - x)
        first, *others = wrap(words, room) or [""] if self.wraps else [clip(words, room)]
        row.put(x, first, Ink(colour, palette.panel))
        for text in others:
            row = next(self.rows, None)
            if row:
                row.put(x, text, Ink(colour, palette.panel))
