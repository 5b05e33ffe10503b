"""A track as rows of block glyphs.

In a cell the shares of its states stack from the bottom, eight levels a row.  A cell with one boundary draws
it upright and exactly; a cell with one state is a blank on its colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np

from blockstrata_viewer.palette import MONO_GLYPHS, PATTERNS, Paint
from blockstrata_viewer.rows import Cell, Ink

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blockstrata.semantics.table import Semantics
    from blockstrata_viewer.disk import Track
    from blockstrata_viewer.palette import Palette
    from blockstrata_viewer.rows import Row
    from blockstrata_viewer.viewport import Viewport

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
    boundary, or 0; ``left`` and ``right`` uint8 (columns,), the paints on its sides; ``letters`` what the
    state of the largest share is written as, empty where a column has several paints.
    """

    amounts: NDArray[np.int64]
    letters: list[str]
    split: NDArray[np.int64]
    left: NDArray[np.uint8]
    right: NDArray[np.uint8]


def columns_of(track: Track, viewport: Viewport, semantics: Semantics) -> Columns:
    """Return what each column holds of each paint."""
    edges, shares = track.shares.columns(viewport)
    paints = track.paints(semantics)
    amounts = np.zeros((len(shares), len(Paint)), np.int64)
    for kind, paint in enumerate(paints.tolist()):
        amounts[:, paint] += shares[:, kind]
    words = [state.letters for state in track.states(semantics)]
    single = (amounts > 0).sum(axis=1) == 1
    largest = shares.argmax(axis=1) if shares.shape[1] else np.zeros(len(shares), np.int64)
    letters = [
        words[kind] if alone else "" for kind, alone in zip(largest.tolist(), single.tolist(), strict=True)
    ]
    return Columns(amounts, letters, *_boundaries(track, edges, paints))


def _boundaries(
    track: Track, edges: NDArray[np.int64], paints: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]:
    """Find the cells in which the paint changes just once, and where."""
    columns = len(edges) - 1
    nothing = np.zeros(columns, np.uint8)
    if not len(track):
        return np.zeros(columns, np.int64), nothing, nothing
    run_edges = track.shares.edges
    last_run = len(track) - 1
    first = np.clip(np.searchsorted(run_edges, edges[:-1], side="right") - 1, 0, last_run)
    last = np.clip(np.searchsorted(run_edges, edges[1:], side="left") - 1, 0, last_run)
    runs = np.minimum(first[:, None] + np.arange(_NEAR + 1), last[:, None])
    painted = paints[track.shares.classes[runs]]
    changes = painted[:, 1:] != painted[:, :-1]
    once = (changes.sum(axis=1) == 1) & (last - first <= _NEAR) & (edges[1:] > edges[:-1])
    # what is known of a fold is not where in it
    once &= (painted[:, 0] != Paint.UNREAD) & (painted[:, -1] != Paint.UNREAD)
    at = run_edges[runs[np.arange(columns), changes.argmax(axis=1) + 1]]
    widths = np.maximum(edges[1:] - edges[:-1], 1)
    eighths = np.clip(np.rint((at - edges[:-1]) / widths * LEVELS), 1, LEVELS - 1)
    split = np.where(once, eighths, 0).astype(np.int64)
    return split, painted[:, 0], painted[:, -1]


def levels(amounts: NDArray[np.int64], height: int) -> NDArray[np.int64]:
    """Return how many of ``height`` levels each paint gets in each column, int64 like ``amounts``.

    Largest remainder; a paint that is present gets one level at least, while there are levels to give.
    """
    present = amounts > 0
    exact = amounts * (height / np.maximum(amounts.sum(axis=1, keepdims=True), 1))
    given = np.maximum(np.floor(exact).astype(np.int64), present)
    wanted = np.where(present.any(axis=1), height, 0)
    columns = np.arange(len(amounts))
    for _ in range(amounts.shape[1] + 1):
        missing = wanted - given.sum(axis=1)
        if not missing.any():
            break
        gain = np.where(present, exact - given, -np.inf).argmax(axis=1)
        loss = given.argmax(axis=1)
        given[columns, gain] += missing > 0
        given[columns, loss] -= missing < 0
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


def draw_strip(rows: list[Row], track: Track, viewport: Viewport, semantics: Semantics, look: Look) -> None:
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
        if look.palette.is_mono:
            cells = _mono_cells(columns, height, look.palette)
        else:
            cells = _colour_cells(columns, height, look)
        if look.differences:
            _cover_equal(cells, track, viewport, look.palette)
        if len(track.kept) >= _KEPT:
            track.kept.clear()
        track.kept[key] = columns, cells
    columns, cells = track.kept[key]
    return columns, cells


_OUTSIDE: Final = -1
"""In place of a paint: a column past the end of the track."""


def _colour_cells(columns: Columns, height: int, look: Look) -> list[list[Cell]]:
    """Return cells for all columns and rows: glyph and paints are found for a whole row at once.

    A cell's code is ``kind << 16 | glyph << 8 | lower paint << 4 | upper paint``.
    """
    amounts = columns.amounts
    given = levels(amounts, LEVELS * height)
    tops = np.cumsum(given, axis=1)
    bottoms = tops - given
    present = (amounts > 0).sum(axis=1)
    solid = np.where(present == 1, amounts.argmax(axis=1), _OUTSIDE)
    index = np.arange(len(amounts))
    cells = _cells(look.palette, look.patterns)
    rows = []
    for up in reversed(range(height)):
        inside = np.minimum(tops, (up + 1) * LEVELS) - np.maximum(bottoms, up * LEVELS)
        # a glyph has two colours: the two largest shares stay, in their order
        first = inside.argmax(axis=1)
        largest = inside[index, first]
        inside[index, first] = -LEVELS
        second = inside.argmax(axis=1)
        other = np.maximum(inside[index, second], 0)
        lower, upper = np.minimum(first, second), np.maximum(first, second)
        share = np.where(first == lower, largest, other)
        level = np.clip(np.rint(share * LEVELS / np.maximum(largest + other, 1)), 1, LEVELS - 1).astype(
            np.int64
        )
        stack = np.where(other > 0, _STACK | level << 8 | lower << 4 | upper, _PLAIN | first << 4 | first)
        upright = _UPRIGHT | columns.split << 8 | columns.left.astype(np.int64) << 4 | columns.right
        codes = np.where(columns.split > 0, upright, stack)
        foot = _FOOT if up == 0 else _SOLID
        codes = np.where(solid >= 0, foot | solid << 4, codes)
        codes[present == 0] = _OUTSIDE
        rows.append([cells[code] for code in codes.tolist()])
    return rows


_PLAIN, _STACK, _UPRIGHT, _SOLID, _FOOT = (kind << 16 for kind in range(5))
"""Kinds of cells: one paint of several, two stacked, two side by side, one alone, one alone at the foot."""


class _Cells(dict[int, Cell]):
    """Glyph and ink by a cell's code, made when first asked for."""

    def __init__(self, palette: Palette, patterns: bool) -> None:
        super().__init__({_OUTSIDE: (" ", Ink(palette.text, palette.page))})
        self._palette = palette
        self._patterns = patterns

    def __missing__(self, code: int) -> Cell:
        kind, glyph, lower, upper = code & ~0xFFFF, code >> 8 & 0xFF, code >> 4 & 0xF, code & 0xF
        paints = self._palette.paints
        if kind == _STACK:
            cell = LOWER[glyph], Ink(paints[lower], paints[upper])
        elif kind == _UPRIGHT:
            cell = LEFT[glyph], Ink(paints[lower], paints[upper])
        elif kind == _PLAIN:
            cell = " ", Ink(self._palette.text, paints[lower])
        else:
            cell = solid_cell(Paint(lower), self._palette, patterns=self._patterns)
            if Paint(lower) is Paint.DEFERRED_RESERVED and kind == _SOLID:
                cell = " ", cell[1]
        self[code] = cell
        return cell


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


def _mono_cells(columns: Columns, height: int, palette: Palette) -> list[list[Cell]]:
    """Return the glyph of each column's dominant state, the same in all rows."""
    by_paint = {paint: solid_cell(paint, palette) for paint in Paint}
    dominant = np.where(columns.amounts.any(axis=1), columns.amounts.argmax(axis=1), _OUTSIDE)
    outside = " ", Ink(palette.text, palette.page)
    row = [outside if paint == _OUTSIDE else by_paint[Paint(paint)] for paint in dominant.tolist()]
    return [row.copy() for _ in range(height)]


def _cover_equal(cells: list[list[Cell]], track: Track, viewport: Viewport, palette: Palette) -> None:
    """Cover the cells in which historic and proposed mean the same."""
    _, shares = track.shares.columns(viewport)
    equal = (shares.sum(axis=1) > 0) & (shares[:, track.differing].sum(axis=1) == 0)
    cover = (" " if palette.track != palette.page else "·"), Ink(palette.faint, palette.track)
    for row in cells:
        for column in np.flatnonzero(equal).tolist():
            row[column] = cover


def _draw_letters(row: Row, columns: Columns, look: Look) -> None:
    """Write the letters of a state into the middle of each stretch of cells that has room for them."""
    palette = look.palette
    paints = columns.amounts.argmax(axis=1).tolist()
    for letters, group in groupby(range(len(paints)), columns.letters.__getitem__):
        stretch = list(group)
        paint = Paint(paints[stretch[0]])
        if not letters or len(stretch) < _LETTERS_FROM or paint is Paint.FALLS_THROUGH:
            continue
        first, last = look.x + stretch[0], look.x + stretch[-1] + 1 - len(letters)
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
