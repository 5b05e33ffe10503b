"""A track as rows of block glyphs: its profile.

In a cell the shares of its states stack from the bottom, eight levels a row.  What is stored is solid; zero
that nothing is stored for is hollow, a texture on the track; what falls through is the empty track.  A cell
with one boundary may be drawn upright (:mod:`blockstrata_viewer.model.columns` says when).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.semantics.table import Semantics
from blockstrata_viewer.draw.lines import Cell, CellRow, Ink, Line
from blockstrata_viewer.draw.palette import (
    EMPTY,
    FLOOR,
    HALVES,
    MARKS,
    MONO_GLYPHS,
    PATTERNS,
    TEXTURES,
    Palette,
)
from blockstrata_viewer.model.columns import ALL, LEVELS, NO_BOUNDARY, Columns, Shown, columns_of, levels
from blockstrata_viewer.model.states import Paint
from blockstrata_viewer.model.track import Track
from blockstrata_viewer.model.viewport import Viewport

LOWER: Final = " ▁▂▃▄▅▆▇█"
LEFT: Final = " ▏▎▍▌▋▊▉█"
_LETTERS_FROM: Final = 7
"""Cells that a stretch of one state must have to carry its letters."""
_KEPT: Final = 16
"""Drawn strips that a track keeps."""


@dataclass(frozen=True, slots=True)
class Look:
    """How strips are drawn.  ``drill`` is the cell that letters keep off, ``x`` that of the first column."""

    x: int
    palette: Palette
    drill: int = -1
    differences: bool = False
    letters: bool = True
    shown: Shown = ALL


def draw_strip(rows: list[Line], track: Track, viewport: Viewport, semantics: Semantics, look: Look) -> None:
    """Draw a track into rows, top row first."""
    painted, stretches = _painted(track, viewport, semantics, look, len(rows))
    for row, cells in zip(rows, painted, strict=True):
        row.fill(look.x, cells)
    if look.letters:
        _draw_letters(rows[len(rows) // 2], stretches, look)


def _painted(
    track: Track, viewport: Viewport, semantics: Semantics, look: Look, height: int
) -> tuple[list[CellRow], list[_Stretch]]:
    """Return cells, top row first, and stretches with letters; kept: most keys move only the cursor."""
    key = (
        viewport,
        semantics.name,
        look.palette.paints,
        look.palette.patterned,
        look.differences,
        look.shown,
        height,
    )
    if key not in track.kept:
        columns = columns_of(track, viewport, semantics, look.shown)
        cells = cells_of(columns, height, look)
        if look.differences:
            _cover_equal(cells, track, viewport, look.palette)
        if len(track.kept) >= _KEPT:
            track.kept.clear()
        track.kept[key] = cells, _stretches(columns)
    cells, stretches = track.kept[key]
    return cells, stretches


_OUTSIDE: Final = -1
"""In place of a paint or a code: a column past the end of the track."""


def cells_of(columns: Columns, height: int, look: Look) -> list[CellRow]:
    """Return cells for all columns and rows, the top row first.

    Each is looked up by its code, which says what is in it: ``kind << 32 | what``.  For one paint, that; for
    two side by side, ``eighths << 8 | left paint << 4 | right paint``; for a stack, the two paints that have
    the most of its eight levels, as :func:`_stacks` has it.
    """
    codes = np.empty((height, len(columns.present)), np.int64)
    codes[:] = _SOLID | columns.amounts.argmax(axis=1)
    codes[-1] |= _FOOT
    if not columns.present.all():
        codes[:, columns.present == 0] = _OUTSIDE
    is_upright = columns.split != NO_BOUNDARY
    if look.palette.is_mono:
        is_upright[:] = False
    if len(upright := np.flatnonzero(is_upright)):
        sides = columns.left.take(upright).astype(np.int64) << 4 | columns.right.take(upright)
        codes[:, upright] = _UPRIGHT | columns.split.take(upright) << 8 | sides
    if len(stacked := np.flatnonzero((columns.present > 1) & ~is_upright)):
        codes[:, stacked] = (_LONE if height == 1 else _STACK) | _stacks(
            columns.amounts.T.take(stacked, axis=1), height
        )
    cells = _cells(look.palette)
    painted = [[cells[code] for code in row] for row in codes.tolist()]
    return [([glyph for glyph, _ in row], [ink for _, ink in row]) for row in painted]


def _stacks(amounts: NDArray[np.int64], height: int) -> NDArray[np.int64]:
    """Return which two paints have most of each cell, int64 (height, columns), the top row first.

    ``amounts`` int64 (paints, columns).  A cell's code is ``largest << 8 | second``, and each of the two is
    ``levels << 4 | 15 - paint``; a second that there is not has no levels.
    """
    paints = np.flatnonzero(amounts.any(axis=1))
    tops = levels(amounts.take(paints, axis=0).T, LEVELS * height).T.cumsum(axis=0, dtype=np.int16)
    floors = np.arange(height - 1, -1, -1, dtype=np.int16) * LEVELS
    reached = np.minimum(np.maximum(tops[:, None, :] - floors[:, None], 0), LEVELS)
    # levels first, so that the greatest is the largest share; of equals the lower paint
    ranked = (0xF - paints).astype(np.int16)[:, None, None] + (reached << 4)
    ranked[1:] -= reached[:-1] << 4
    largest = ranked.max(axis=0)
    second = (ranked * (ranked != largest)).max(axis=0)
    return np.asarray(largest.astype(np.int64) << 8 | second, np.int64)


_ZEROES: Final = (Paint.ZERO, Paint.ZERO_AT_OFFSET)
_NOT_SOLID: Final = {*TEXTURES, Paint.FALLS_THROUGH}
_HALF: Final = LEVELS // 2

_STACK, _UPRIGHT, _SOLID, _FOOT, _LONE = (kind << 32 for kind in (0, 1, 2, 4, 8))
"""Kinds of cells: paints stacked, two side by side, one alone, that at a column's foot, a stack alone."""


class _Cells(dict[int, Cell]):
    """Glyph and ink by a cell's code, made when first asked for."""

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette

    def __missing__(self, code: int) -> Cell:
        self[code] = self._made(code)
        return self[code]

    def _made(self, code: int) -> Cell:
        what = code & 0xFFFFFFFF
        if code == _OUTSIDE:
            return " ", Ink(self._palette.text, self._palette.page)
        if code & _SOLID:
            return self._whole(Paint(what), is_foot=bool(code & _FOOT))
        if code & _UPRIGHT:
            return self._upright(what >> 8, Paint(what >> 4 & 0xF), Paint(what & 0xF))
        largest, second = what >> 8, what & 0xFF
        first, other = Paint(0xF - (largest & 0xF)), Paint(0xF - (second & 0xF))
        if not second >> 4:
            return self._whole(first)
        # a glyph has two colours: the two largest shares stay, in their order
        share = largest if first < other else second
        level = round((share >> 4) * LEVELS / ((largest >> 4) + (second >> 4)))
        lower, upper = sorted((first, other))
        cell = self._stacked(max(1, min(level, LEVELS - 1)), lower, upper, first)
        is_flat = code & _LONE and upper in _ZEROES and lower not in TEXTURES and not self._palette.is_mono
        return (cell[0], cell[1]._replace(bg=self._palette.hollow_alone)) if is_flat else cell

    def _whole(self, paint: Paint, *, is_foot: bool = False) -> Cell:
        cell = solid_cell(paint, self._palette)
        if cell[0] == FLOOR and not is_foot:
            return EMPTY, cell[1]
        return cell

    def _upright(self, eighths: int, left: Paint, right: Paint) -> Cell:
        if eighths in (0, LEVELS):
            return self._whole(left if eighths else right)
        if {left, right} <= _NOT_SOLID:
            # a texture has no edge inside a cell: it fills the cell, or the half that is nearest
            paint, part = (left, eighths) if left < right else (right, LEVELS - eighths)
            if part > _HALF:
                return self._whole(paint)
            mark = HALVES[paint][left > right]
            return mark, Ink(self._palette.inks[paint], self._palette.paints[max(left, right)])
        return LEFT[eighths], Ink(self._palette.paints[left], self._palette.paints[right])

    def _stacked(self, level: int, lower: Paint, upper: Paint, largest: Paint) -> Cell:
        palette = self._palette
        if palette.is_mono:
            # without colours the height of data can be told, of others what most of the cell is
            is_data = lower is Paint.DATA and upper in (*TEXTURES, Paint.FALLS_THROUGH)
            return (LOWER if is_data else MONO_GLYPHS[largest] * 9)[level], Ink(palette.text, palette.page)
        marks = TEXTURES.get(lower, LOWER)
        return marks[level], Ink(palette.inks[lower], palette.paints[upper])


_cells = lru_cache(maxsize=8)(_Cells)


def solid_cell(paint: Paint, palette: Palette) -> Cell:
    """Return glyph and ink of a cell of one paint, as strips and legend show it."""
    colour = palette.paints[paint]
    if palette.is_mono:
        is_floor = paint is Paint.FALLS_THROUGH
        return FLOOR if is_floor else MONO_GLYPHS[paint], Ink(palette.text, palette.page)
    if paint in TEXTURES:
        return TEXTURES[paint][LEVELS], Ink(palette.inks[paint], ground_of(paint, palette))
    if paint is Paint.INVALID:
        return "╳", Ink(colour, palette.page)
    if paint is Paint.UNREAD:
        return "╱", Ink(colour, palette.track)
    if paint is Paint.FALLS_THROUGH and palette.track == palette.page:
        return FLOOR, Ink(palette.faint, colour)
    mark = PATTERNS[paint] if palette.patterned else MARKS.get(paint, " ")
    return mark, Ink(palette.pattern_ink(paint), colour)


def ground_of(paint: Paint, palette: Palette) -> str:
    """Return what is behind letters and patterns on a paint, and behind its texture."""
    if paint is Paint.DEFERRED_RESERVED:
        return palette.track
    return palette.hollow if paint in _ZEROES else palette.paints[paint]


def swatch_cell(paint: Paint, palette: Palette) -> Cell:
    """Return glyph and ink of a paint's swatch: as in a strip, but the empty track shows its floor."""
    if paint is Paint.FALLS_THROUGH:
        return FLOOR, Ink(palette.faint, palette.track)
    return solid_cell(paint, palette)


def draw_swatch(row: Line, x: int, paint: Paint, palette: Palette) -> None:
    """Draw a paint's swatch, two cells."""
    glyph, ink = swatch_cell(paint, palette)
    row.put(x, glyph * 2, ink)


def _cover_equal(cells: list[CellRow], track: Track, viewport: Viewport, palette: Palette) -> None:
    """Cover the cells in which historic and proposed mean the same."""
    shares = track.shares.columns(viewport).amounts
    equal = (shares.sum(axis=1) > 0) & (shares[:, track.differing].sum(axis=1) == 0)
    cover = " ", Ink(palette.faint, palette.track)
    for glyphs, inks in cells:
        for column in np.flatnonzero(equal).tolist():
            glyphs[column], inks[column] = cover


class _Stretch(NamedTuple):
    """Neighbouring columns of one state, from ``start`` up to ``end``, with room for its letters."""

    start: int
    end: int
    letters: str
    paint: Paint


def _stretches(columns: Columns) -> list[_Stretch]:
    found, end = [], 0
    for letters, cells in groupby(columns.letters):
        start, end = end, end + len(list(cells))
        if letters and end - start >= _LETTERS_FROM:
            paint = Paint(int(columns.amounts[start].argmax()))
            if paint is not Paint.FALLS_THROUGH:
                found.append(_Stretch(start, end, letters, paint))
    return found


def _draw_letters(row: Line, stretches: list[_Stretch], look: Look) -> None:
    """Write the letters of a state into the middle of each stretch that has room for them."""
    palette = look.palette
    for start, end, letters, paint in stretches:
        first, last = look.x + start, look.x + end - len(letters)
        at = _clear_of(look.drill, len(letters), first, last)
        if at is not None:
            ink = Ink(palette.on_paints[paint], ground_of(paint, palette), bold=True)
            for x in (at - 1, at + len(letters)) if paint in TEXTURES else ():
                if first <= x < look.x + end:
                    row.set(x, " ", ink)
            row.put(at, letters, ink)


def _clear_of(drill: int, width: int, first: int, last: int) -> int | None:
    """Return where a word goes between two cells: in the middle, or beside the drill, or nowhere."""
    middle = (first + last) // 2
    if not middle - 1 <= drill <= middle + width:
        return middle
    if drill + 2 <= last:
        return drill + 2
    return drill - 1 - width if drill - 1 - width >= first else None
