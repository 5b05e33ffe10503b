"""A screen as a value: what stands in each cell, in which colours.  Knows no terminal and no app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from blockstrata.text.printable import printable
from blockstrata_viewer.draw.palette import channels


class Cell(NamedTuple):
    """One cell.  Colours are ``#rrggbb``.

    ``text`` is one character, followed by those that combine with it if there are any; it is empty in the
    right half of a wide character.
    """

    text: str
    fg: str
    bg: str
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Screen:
    """Rows of cells, top first, all of one width.  ``page`` and ``ink`` are the colours where nothing is."""

    rows: tuple[tuple[Cell, ...], ...]
    page: str
    ink: str

    @property
    def width(self) -> int:
        """Cells a row."""
        return len(self.rows[0]) if self.rows else 0

    @property
    def height(self) -> int:
        """Rows."""
        return len(self.rows)

    def text(self) -> list[str]:
        """Return the rows without their colours and without blanks at their ends, each with a newline."""
        return ["".join(cell.text for cell in row).rstrip() + "\n" for row in self.rows]


def mix(first: str, second: str, quarters: int) -> str:
    """Return the colour so many quarters of the way from one ``#rrggbb`` to another, in whole numbers."""
    pairs = zip(channels(first), channels(second), strict=True)
    return "#" + "".join(f"{(a * (4 - quarters) + b * quarters + 2) // 4:02x}" for a, b in pairs)


def showable(char: str) -> str:
    """Return a character, or the replacement character for one that no picture, page or text may hold."""
    code = ord(char)
    # XML has no place for controls, halves of pairs, and U+FFFE and U+FFFF of any plane
    is_sound = printable(char) == char and code & 0xFFFE != 0xFFFE and not 0xFDD0 <= code <= 0xFDEF
    return char if is_sound else "\N{REPLACEMENT CHARACTER}"


def grey(colour: str) -> str:
    """Return the grey that is as bright as a ``#rrggbb``."""
    red, green, blue = channels(colour)
    level = (2126 * red + 7152 * green + 722 * blue + 5000) // 10000
    return "#" + f"{level:02x}" * 3
