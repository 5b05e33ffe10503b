"""Block elements, lines and dots as geometry, so that neighbouring cells meet exactly whatever the font.

A cell is 8 wide and 16 high: an eighth of it is a whole number either way, and so is every edge below.  Lines
through its middle are 1 wide where they are thin and 2 where they are heavy, and have one left and top edge::

    x  0        3  4  5        8        y  0          7  8  9          16
       ├────────┼──┼──┼────────┤           ├──────────┼──┼──┼──────────┤
                ├thin                                 ├thin
                ├─heavy                               ├─heavy
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

WIDTH: Final = 8
HEIGHT: Final = 16

_X: Final = 3
_Y: Final = 7
"""Left and top edge of the lines through a cell's middle."""


class Rect(NamedTuple):
    """A rectangle from its left and top edge up to its right and bottom one."""

    left: int
    top: int
    right: int
    bottom: int

    def moved(self, x: int, y: int) -> Rect:
        """Return the rectangle so much further right and down."""
        return Rect(self.left + x, self.top + y, self.right + x, self.bottom + y)


SHADES: Final = {"░": 1, "▒": 2, "▓": 3}
"""Quarters of ink.  Drawn as an even colour: dots would make a moiré in a picture that is scaled."""

_QUADRANTS: Final = dict(zip("▖▗▘▙▚▛▜▝▞▟", "3 4 1 134 14 123 124 2 23 234".split(), strict=True))
"""By reading order: 1 2 above 3 4."""

_EDGES: Final = {
    "▀": Rect(0, 0, WIDTH, HEIGHT // 2),
    "▐": Rect(WIDTH // 2, 0, WIDTH, HEIGHT),
    "▔": Rect(0, 0, WIDTH, HEIGHT // 8),
    "▕": Rect(WIDTH - WIDTH // 8, 0, WIDTH, HEIGHT),
}
"""The block elements that grow from above or from the right."""

_ARMS: Final = dict(
    zip(
        "─━│┃┌┏┐┓└┗┘┛├┣┤┫┬┳┴┻┼╋╴╵╶╷╸╹╺╻",
        "0101 0202 1010 2020 0110 0220 0011 0022 1100 2200 1001 2002 1110 2220 1011 2022 0111 0222 1101 2202 "
        "1111 2222 0001 1000 0100 0010 0002 2000 0200 0020".split(),
        strict=True,
    )
)
"""Width of the arm up, right, down and left."""

_DASHES: Final[dict[str, tuple[bool, int, tuple[tuple[int, int], ...]]]] = {
    "╌": (False, 1, ((1, 3), (5, 7))),
    "╍": (False, 2, ((1, 3), (5, 7))),
    "┄": (False, 1, ((0, 2), (3, 5), (6, 7))),
    "┅": (False, 2, ((0, 2), (3, 5), (6, 7))),
    "┈": (False, 1, ((0, 1), (2, 3), (4, 5), (6, 7))),
    "┉": (False, 2, ((0, 1), (2, 3), (4, 5), (6, 7))),
    "╎": (True, 1, ((1, 7), (9, 15))),
    "╏": (True, 2, ((1, 7), (9, 15))),
    "┆": (True, 1, ((1, 4), (6, 10), (12, 15))),
    "┇": (True, 2, ((1, 4), (6, 10), (12, 15))),
    "┊": (True, 1, ((1, 3), (5, 7), (9, 11), (13, 15))),
    "┋": (True, 2, ((1, 3), (5, 7), (9, 11), (13, 15))),
}
"""Whether upright, width, and where the dashes are."""

_BRAILLE: Final = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of each dot, by its bit; neighbours are half and a quarter of a cell apart."""

_STROKES: Final = {
    "╭": "M{middle}.5 {bottom}v-5a3.5 3.5 0 0 1 3.5 -3.5h1",
    "╮": "M{middle}.5 {bottom}v-5a3.5 3.5 0 0 0 -3.5 -3.5",
    "╯": "M{middle}.5 {top}v4a3.5 3.5 0 0 1 -3.5 3.5",
    "╰": "M{middle}.5 {top}v4a3.5 3.5 0 0 0 3.5 3.5h1",
    "╱": "M{left} {bottom}l8 -16",
    "╲": "M{left} {top}l8 16",
    "╳": "M{left} {bottom}l8 -16m-8 0l8 16",
}
"""Paths one unit wide, meeting the thin lines of the neighbours."""


def stroke(char: str, x: int, y: int) -> str:
    """Return the SVG path of a curve or diagonal whose cell starts at (x, y); empty for other characters."""
    return _STROKES.get(char, "").format(left=x, middle=x + _X, top=y, bottom=y + HEIGHT)


@cache
def rectangles(char: str) -> tuple[Rect, ...]:
    """Return the rectangles of a block element, straight line or pattern of Braille dots; of others none."""
    if "▀" <= char <= "▟":
        return _block(char)
    if "\u2800" <= char <= "\u28ff":
        dots = [place for bit, place in enumerate(_BRAILLE) if ord(char) >> bit & 1]
        return tuple(Rect(1, 1, 3, 3).moved(x * WIDTH // 2, y * HEIGHT // 4) for x, y in dots)
    if char in _ARMS:
        return _lines(*(int(width) for width in _ARMS[char]))
    if char in _DASHES:
        upright, width, dashes = _DASHES[char]
        if upright:
            return tuple(Rect(_X, start, _X + width, end) for start, end in dashes)
        return tuple(Rect(start, _Y, end, _Y + width) for start, end in dashes)
    return ()


def _block(char: str) -> tuple[Rect, ...]:
    if char in SHADES:
        return ()
    if char in _QUADRANTS:
        half_x, half_y = WIDTH // 2, HEIGHT // 2
        corner = {"1": (0, 0), "2": (half_x, 0), "3": (0, half_y), "4": (half_x, half_y)}
        return tuple(Rect(0, 0, half_x, half_y).moved(*corner[each]) for each in _QUADRANTS[char])
    if char in _EDGES:
        return (_EDGES[char],)
    number = ord(char) - ord("▀")
    if number <= 8:  # ▁ to █, growing from below
        return (Rect(0, HEIGHT - number * HEIGHT // 8, WIDTH, HEIGHT),)
    return (Rect(0, 0, (16 - number) * WIDTH // 8, HEIGHT),)  # ▉ to ▏, shrinking to the left


def _lines(up: int, right: int, down: int, left: int) -> tuple[Rect, ...]:
    upright, level = max(up, down, 1), max(left, right, 1)
    found = []
    if up == down:
        found.append(Rect(_X, 0, _X + up, HEIGHT))
    else:
        found += [Rect(_X, 0, _X + up, _Y + level), Rect(_X, _Y, _X + down, HEIGHT)]
    if left == right:
        found.append(Rect(0, _Y, WIDTH, _Y + left))
    else:
        found += [Rect(0, _Y, _X + upright, _Y + left), Rect(_X, _Y, WIDTH, _Y + right)]
    return tuple(rect for rect in found if rect.left < rect.right and rect.top < rect.bottom)
