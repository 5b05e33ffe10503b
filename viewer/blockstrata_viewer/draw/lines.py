"""One line of the screen, cell by cell: text and ink, turned into segments at the end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from textwrap import wrap
from typing import Final, NamedTuple

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from blockstrata.text.printable import printable
from blockstrata_viewer.draw.palette import Palette


class Ink(NamedTuple):
    """Colours of a cell, as rich names them; the background "reverse" stands out without any."""

    fg: str
    bg: str
    bold: bool = False


_HALF: Final = "\0"
"""Stands for the second cell of a wide character while text is wrapped; no printable text has it."""
_LEAST_STEM: Final = 4
"""Cells of a name that are more than its suffix after them."""

Cell = tuple[str, Ink]
"""A character and its ink; the second half of a wide character is empty."""

CellRow = tuple[list[str], list[Ink]]
"""The characters of neighbouring cells, and their inks."""


@lru_cache(maxsize=4096)
def style_of(ink: Ink) -> Style:
    """Return an ink as rich draws it."""
    if ink.bg == "reverse":
        return Style(reverse=True, bold=ink.bold)
    plain = ink.fg == ink.bg == "default"
    return Style(bold=ink.bold) if plain else Style(color=ink.fg, bgcolor=ink.bg, bold=ink.bold)


class Line:
    """A line of ``width`` cells, blank in an ink at first.  What is put past its ends is cut off."""

    def __init__(self, width: int, ink: Ink) -> None:
        self.width = width
        # apart, because most of a line is put by the slice, and what has one ink is found by the inks alone
        self._glyphs = [" "] * width
        self._inks = [ink] * width
        self._strip: Strip | None = None
        self._actions: list[tuple[int, int, str]] = []

    def put(self, x: int, text: str, ink: Ink, action: str = "") -> int:
        """Put text at a cell and return the cell after it; a wide character takes two.

        ``action`` is what a click on the text does, as Textual calls it: ``choose(3)``.
        """
        self._strip = None
        shown = text if text.isprintable() else printable(text)
        end = self._put_narrow(x, shown, ink) if shown.isascii() else self._put_any(x, shown, ink)
        if action:
            self.on_click(x, end, action)
        return end

    def _put_narrow(self, x: int, text: str, ink: Ink) -> int:
        end = x + len(text)
        first, last = max(0, x), min(end, self.width)
        if first < last:
            self._glyphs[first:last] = text[first - x : last - x]
            self._inks[first:last] = [ink] * (last - first)
        return end

    def _put_any(self, x: int, text: str, ink: Ink) -> int:
        for char in text:
            size = get_character_cell_size(char)
            if size and x >= 0 and x + size <= self.width:
                self._glyphs[x : x + size] = [char, ""][:size]
                self._inks[x : x + size] = [ink] * size
            x += size
        return x

    def on_click(self, start: int, stop: int, action: str) -> None:
        """Have a click on cells from ``start`` up to ``stop`` do something."""
        self._actions.append((start, stop, action))

    def action_at(self, x: int) -> str:
        """Return what a click on a cell does, an empty string if nothing; the last one put there counts."""
        found = (action for start, stop, action in reversed(self._actions) if start <= x < stop)
        return next(found, "") if 0 <= x < self.width else ""

    def fill(self, x: int, cells: CellRow) -> None:
        """Put cells into the line."""
        self._strip = None
        glyphs, inks = cells
        end = min(x + len(glyphs), self.width)
        if x < end:
            self._glyphs[x:end] = glyphs[: end - x]
            self._inks[x:end] = inks[: end - x]

    def set(self, x: int, glyph: str, ink: Ink) -> None:
        """Put one narrow character at a cell."""
        self._strip = None
        if 0 <= x < self.width:
            self._glyphs[x], self._inks[x] = glyph, ink

    def glyph_at(self, x: int) -> str:
        """Return the character of a cell, a blank outside the line."""
        return self._glyphs[x] if 0 <= x < self.width else " "

    def ink_at(self, x: int) -> Ink:
        """Return the ink of a cell, the nearest one's outside the line."""
        return self._inks[max(0, min(x, self.width - 1))]

    def strip(self) -> Strip:
        """Return the line for Textual, neighbours of one ink as one segment; the same until it is changed."""
        if self._strip is None:
            segments, end = [], 0
            for ink, cells in groupby(self._inks):
                start, end = end, end + len(list(cells))
                segments.append(Segment("".join(self._glyphs[start:end]), style_of(ink)))
            self._strip = Strip(segments, self.width)
        return self._strip

    def reuse(self, before: Line) -> None:
        """Take the segments of another line if it shows the same."""
        if self._strip is None and self._glyphs == before._glyphs and self._inks == before._inks:
            self._strip = before._strip

    def text(self) -> str:
        """Return the line without its inks."""
        return "".join(self._glyphs)


def list_line(
    width: int, palette: Palette, *, is_chosen: bool, goes_on: bool = False, on: str = ""
) -> tuple[Line, str]:
    """Return a line of a list and what is behind its text; the chosen one is marked, if it starts there.

    ``on`` is what is behind the others, the panel if it is empty.
    """
    ground = palette.selected if is_chosen and not palette.is_mono else on or palette.panel
    line = Line(width, Ink(palette.text, ground))
    if is_chosen and not (goes_on and palette.is_mono):
        line.put(0, "▶" if palette.is_mono else "▌", Ink(palette.accent, ground))
    return line, ground


def put_keys(line: Line, x: int, keys: Sequence[tuple[str, ...]], palette: Palette) -> None:
    """Write keys and what they do, one after another.

    What follows the two texts is what a click does: one action for each of the keys, which blanks part, and
    the first also for the words.
    """
    for key, words, *actions in keys:
        for nth, part in enumerate(key.split(" ")):
            action = actions[min(nth, len(actions) - 1)] if actions else ""
            x = line.put(x, part, Ink(palette.accent, palette.panel, bold=True), action) + 1
        x = line.put(x, words, Ink(palette.dim, palette.panel), actions[0] if actions else "") + 2


def clip(text: str, width: int) -> str:
    """Return text cut at its end to a width in cells."""
    return text if cell_len(text) <= width else _head(text, width - 1) + "…"[: max(0, width)]


def wrapped(text: str, width: int, *, indent: str = "", on_hyphens: bool = True) -> list[str]:
    """Return text in lines of a width in cells, what goes on indented; of too narrow a one, a letter each."""
    # textwrap counts characters, so a wide one is two meanwhile; where a line ends between the two, the next
    # is a cell wider than it was counted
    counted = text if text.isascii() else "".join(_HALF * (get_character_cell_size(c) - 1) + c for c in text)
    room = max(1, width if counted == text else width - 1)
    lines = wrap(counted, room, subsequent_indent=indent, break_on_hyphens=on_hyphens)
    return [whole for line in lines if (whole := line.replace(_HALF, ""))]


def shorten(text: str, width: int) -> str:
    """Return a name cut to a width in cells so that its end stays, which tells: ``…snap-0812.qcow2``.

    The suffix goes where it would leave too little of what is before it.
    """
    if cell_len(text) <= width:
        return text
    stem, dot, suffix = text.rpartition(".")
    if stem and 2 < width < cell_len(suffix) + _LEAST_STEM + 2:
        return clip(shorten(stem, width - 1) + dot + suffix, width)
    return "…"[: max(0, width)] + _head(text[::-1], width - 1)[::-1]


@lru_cache(maxsize=256)
def shorten_all(names: tuple[str, ...], width: int) -> tuple[str, ...]:
    """Return names cut to a width: at the start, or at the end where only that keeps them apart."""
    ends = tuple(shorten(name, width) for name in names)
    starts = tuple(clip(name, width) for name in names)
    return starts if len(set(starts)) > len(set(ends)) else ends


def _head(text: str, width: int) -> str:
    """Return as much of a text's start as a width in cells holds."""
    taken = 0
    for index, char in enumerate(text):
        taken += get_character_cell_size(char)
        if taken > width:
            return text[:index]
    return text
