"""A track as rows of block glyphs.

In a cell the shares of its states stack from the bottom, eight levels a row.  A cell with one boundary draws
it upright and exactly; a cell with one state is a blank on its colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.semantics.table import Semantics
from blockstrata_viewer.draw.lines import Cell, Ink, Line
from blockstrata_viewer.draw.palette import MONO_GLYPHS, PATTERNS, Palette
from blockstrata_viewer.model.shares import BLOCK, Cells
from blockstrata_viewer.model.states import Paint
from blockstrata_viewer.model.track import Track
from blockstrata_viewer.model.viewport import Viewport

LOWER: Final = " ▁▂▃▄▅▆▇█"
LEFT: Final = " ▏▎▍▌▋▊▉█"
LEVELS: Final = 8
_LETTERS_FROM: Final = 7
"""Cells that a stretch of one state must have to carry its letters."""
_KEPT: Final = 16
"""Drawn strips that a track keeps."""
_NEAR: Final = 8
"""Runs in a cell up to which its boundaries are counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A track in the columns of a viewport.

    ``amounts`` int64 (columns, paints), bytes; ``split`` int64 (columns,), eighths of a cell left of its one
    boundary, or 0; ``left`` and ``right`` uint8 (columns,), the paints on its sides; ``present`` int64
    (columns,), how many paints there are; ``letters`` what the state of the largest share is written as,
    empty where a column has several paints.
    """

    amounts: NDArray[np.int64]
    present: NDArray[np.int64]
    letters: list[str]
    split: NDArray[np.int64]
    left: NDArray[np.uint8]
    right: NDArray[np.uint8]


def columns_of(track: Track, viewport: Viewport, semantics: Semantics) -> Columns:
    """Return what each column holds of each paint."""
    cells = track.shares.columns(viewport)
    shares = cells.amounts
    paints = track.paints(semantics)
    # stored paint by paint, in which order both adding to them and summing over them are quickest
    amounts = np.zeros((len(shares), len(Paint)), np.int64, order="F")
    for kind, paint in enumerate(paints.tolist()):
        amounts[:, paint] += shares[:, kind]
    present = (amounts > 0).sum(axis=1)
    words = [*(state.letters for state in track.states(semantics)), ""]
    largest = shares.argmax(axis=1) if len(paints) else 0
    letters = [words[kind] for kind in np.where(present == 1, largest, -1).tolist()]
    return Columns(amounts, present, letters, *_boundaries(track, cells, paints, present == 2))


def _boundaries(
    track: Track, cells: Cells, paints: NDArray[np.uint8], among: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]:
    """Find the cells, among some, in which the paint changes just once, and where."""
    columns = len(among)
    split, left, right = np.zeros(columns, np.int64), np.zeros(columns, np.uint8), np.zeros(columns, np.uint8)
    near = np.flatnonzero(among & (cells.blocks[1:] - cells.blocks[:-1] <= _NEAR // BLOCK + 1))
    if not len(near):
        return split, left, right
    run_edges = track.shares.edges
    starts, ends = cells.edges.take(near), cells.edges.take(near + 1)
    first = run_edges.searchsorted(starts, side="right") - 1
    last = run_edges.searchsorted(ends, side="left") - 1
    runs = np.minimum(first[:, None] + np.arange(_NEAR + 1), last[:, None])
    painted = paints.take(track.shares.classes.take(runs))
    changes = painted[:, 1:] != painted[:, :-1]
    once = (changes.sum(axis=1) == 1) & (last - first <= _NEAR)
    # a summary does not know where in it
    once &= (painted[:, 0] != Paint.UNREAD) & (painted[:, -1] != Paint.UNREAD)
    at = run_edges.take(runs[np.arange(len(near)), changes.argmax(axis=1) + 1])
    eighths = np.clip(np.rint((at - starts) / (ends - starts) * LEVELS), 1, LEVELS - 1)
    split[near] = np.where(once, eighths, 0)
    left[near], right[near] = painted[:, 0], painted[:, -1]
    return split, left, right


def levels(amounts: NDArray[np.int64], height: int) -> NDArray[np.int64]:
    """Return how many of ``height`` levels each paint gets in each column, int64 like ``amounts``.

    Largest remainder; a paint that is present gets one level at least, while there are levels to give.
    """
    present = amounts > 0
    totals = amounts.sum(axis=1)
    exact = amounts * (height / np.maximum(totals, 1))[:, None]
    given = np.maximum(exact.astype(np.int64), present)
    missing = height * (totals > 0) - given.sum(axis=1)
    # what is left over goes to those that were cut most, one level each; of equals to the first
    cut_most = np.where(present, given - exact, np.inf).argsort(axis=1, kind="stable")
    given += cut_most.argsort(axis=1) < missing[:, None]
    over = np.flatnonzero(missing < 0)
    while len(over):
        given[over, given[over].argmax(axis=1)] -= 1
        over = over[given[over].sum(axis=1) > height]
    return np.asarray(given, np.int64)


@dataclass(frozen=True, slots=True)
class Look:
    """How strips are drawn.  ``drill`` is the cell that letters keep off, ``x`` that of the first column."""

    x: int
    palette: Palette
    drill: int = -1
    patterns: bool = False
    differences: bool = False
    letters: bool = True


def draw_strip(rows: list[Line], track: Track, viewport: Viewport, semantics: Semantics, look: Look) -> None:
    """Draw a track into rows, top row first."""
    columns, painted = _painted(track, viewport, semantics, look, len(rows))
    for row, cells in zip(rows, painted, strict=True):
        row.fill(look.x, cells)
    if look.letters:
        _draw_letters(rows[len(rows) // 2], columns, look)


def _painted(
    track: Track, viewport: Viewport, semantics: Semantics, look: Look, height: int
) -> tuple[Columns, list[list[Cell]]]:
    """Return the cells of a strip, top row first; kept, because most keys move nothing but the cursor."""
    key = (viewport, semantics.name, look.palette.paints, look.patterns, look.differences, height)
    if key not in track.kept:
        columns = columns_of(track, viewport, semantics)
        cells = _cells_of(columns, height, look)
        if look.differences:
            _cover_equal(cells, track, viewport, look.palette)
        if len(track.kept) >= _KEPT:
            track.kept.clear()
        track.kept[key] = columns, cells
    columns, cells = track.kept[key]
    return columns, cells


_OUTSIDE: Final = -1
"""In place of a paint or a code: a column past the end of the track."""


def _cells_of(columns: Columns, height: int, look: Look) -> list[list[Cell]]:
    """Return cells for all columns and rows: each is looked up by its code, which says what is in it.

    A cell's code is ``kind << 32 | what``: for one paint, that; for two side by side,
    ``eighths << 8 | left paint << 4 | right paint``; for a stack, the two paints that have the most of its
    eight levels, as :func:`_stacks` has it.  Without colours a column has the glyph of its largest share.
    """
    codes = np.empty((height, len(columns.present)), np.int64)
    codes[:] = _SOLID | columns.amounts.argmax(axis=1)
    codes[-1] |= _FOOT
    if not columns.present.all():
        codes[:, columns.present == 0] = _OUTSIDE
    if not look.palette.is_mono:
        if len(upright := np.flatnonzero(columns.split)):
            sides = columns.left.take(upright).astype(np.int64) << 4 | columns.right.take(upright)
            codes[:, upright] = _UPRIGHT | columns.split.take(upright) << 8 | sides
        if len(stacked := np.flatnonzero((columns.present > 1) & (columns.split == 0))):
            codes[:, stacked] = _STACK | _stacks(columns.amounts.T.take(stacked, axis=1), height)
    cells = _cells(look.palette, look.patterns)
    return [list(map(cells.__getitem__, row)) for row in codes.tolist()]


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


_STACK, _UPRIGHT, _SOLID, _FOOT = (kind << 32 for kind in (0, 1, 2, 4))
"""Kinds of cells: several paints stacked, two side by side, one alone, and that at a column's foot."""


class _Cells(dict[int, Cell]):
    """Glyph and ink by a cell's code, made when first asked for."""

    def __init__(self, palette: Palette, patterns: bool) -> None:
        super().__init__()
        self._palette = palette
        self._patterns = patterns

    def __missing__(self, code: int) -> Cell:
        self[code] = self._made(code)
        return self[code]

    def _made(self, code: int) -> Cell:
        paints = self._palette.paints
        what = code & 0xFFFFFFFF
        if code == _OUTSIDE:
            return " ", Ink(self._palette.text, self._palette.page)
        if code & _SOLID:
            cell = solid_cell(Paint(what), self._palette, patterns=self._patterns)
            has_glyph = self._palette.is_mono or code & _FOOT or what != Paint.DEFERRED_RESERVED
            return cell if has_glyph else (" ", cell[1])
        if code & _UPRIGHT:
            return LEFT[what >> 8], Ink(paints[what >> 4 & 0xF], paints[what & 0xF])
        largest, second = what >> 8, what & 0xFF
        first, other = 0xF - (largest & 0xF), 0xF - (second & 0xF)
        if not second >> 4:
            return " ", Ink(self._palette.text, paints[first])
        # a glyph has two colours: the two largest shares stay, in their order
        share = largest if first < other else second
        level = round((share >> 4) * LEVELS / ((largest >> 4) + (second >> 4)))
        lower, upper = sorted((first, other))
        return LOWER[max(1, min(level, LEVELS - 1))], Ink(paints[lower], paints[upper])


_cells = lru_cache(maxsize=8)(_Cells)


def solid_cell(paint: Paint, palette: Palette, *, patterns: bool = False) -> Cell:
    """Return glyph and ink of a cell of one paint, as strips and legend show it."""
    colour = palette.paints[paint]
    if palette.is_mono:
        return MONO_GLYPHS[paint], Ink(palette.text, palette.page)
    if paint is Paint.ZERO_AT_OFFSET:
        return PATTERNS[paint] if patterns else "·", Ink(palette.dots, colour)
    if paint is Paint.INVALID:
        return "╱", Ink(colour, palette.page)
    if paint is Paint.UNREAD:
        return "╱", Ink(colour, palette.track)
    if paint is Paint.DEFERRED_RESERVED:
        return "▂", Ink(colour, palette.track)
    if paint is Paint.FALLS_THROUGH and palette.track == palette.page:
        return "·", Ink(palette.faint, colour)
    return PATTERNS[paint] if patterns else " ", Ink(palette.on_paints[paint], colour)


def draw_swatch(row: Line, x: int, paint: Paint, palette: Palette) -> None:
    """Draw two cells as a strip draws the paint; what falls through shows dots, or nothing would be seen."""
    glyph, ink = solid_cell(paint, palette)
    if paint is Paint.FALLS_THROUGH and not palette.is_mono:
        glyph, ink = "·", Ink(palette.faint, palette.track)
    row.put(x, glyph * 2, ink)


def _cover_equal(cells: list[list[Cell]], track: Track, viewport: Viewport, palette: Palette) -> None:
    """Cover the cells in which historic and proposed mean the same."""
    shares = track.shares.columns(viewport).amounts
    equal = (shares.sum(axis=1) > 0) & (shares[:, track.differing].sum(axis=1) == 0)
    cover = (" " if palette.track != palette.page else "·"), Ink(palette.faint, palette.track)
    for row in cells:
        for column in np.flatnonzero(equal).tolist():
            row[column] = cover


def _draw_letters(row: Line, columns: Columns, look: Look) -> None:
    """Write the letters of a state into the middle of each stretch of cells that has room for them."""
    palette = look.palette
    end = 0
    for letters, stretch in groupby(columns.letters):
        start, end = end, end + len(list(stretch))
        if not letters or end - start < _LETTERS_FROM:
            continue
        paint = Paint(int(columns.amounts[start].argmax()))
        if paint is Paint.FALLS_THROUGH:
            continue
        first, last = look.x + start, look.x + end - len(letters)
        at = _clear_of(look.drill, len(letters), first, last)
        if at is not None:
            ground = palette.track if paint is Paint.DEFERRED_RESERVED else palette.paints[paint]
            row.put(at, letters, Ink(palette.on_paints[paint], ground, bold=True))


def _clear_of(drill: int, width: int, first: int, last: int) -> int | None:
    """Return where a word goes between two cells: in the middle, or beside the drill, or nowhere."""
    middle = (first + last) // 2
    if not middle - 1 <= drill <= middle + width:
        return middle
    if drill + 2 <= last:
        return drill + 2
    return drill - 1 - width if drill - 1 - width >= first else None
