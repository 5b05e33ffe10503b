"""A track as rows of block glyphs.

In a cell the shares of its states stack from the bottom, eight levels a row.  A cell with one boundary draws
it upright and exactly; a cell with one state is a blank on its colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np

from blockstrata_viewer.palette import MONO_GLYPHS, PATTERNS, Paint
from blockstrata_viewer.rows import Ink

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


def edges_of(viewport: Viewport, size: int) -> NDArray[np.int64]:
    """Return the bytes at which columns start and the last ends, kept inside a size, int64 (columns + 1,)."""
    cells = range(viewport.left, viewport.left + viewport.columns + 1)
    return np.array([min(cell << viewport.power, size) for cell in cells], np.int64)


def columns_of(track: Track, viewport: Viewport, semantics: Semantics) -> Columns:
    """Return what each column holds of each paint."""
    edges = edges_of(viewport, track.size)
    shares = track.shares.between(edges)
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
    at = run_edges[runs[np.arange(columns), changes.argmax(axis=1) + 1]]
    widths = np.maximum(edges[1:] - edges[:-1], 1)
    eighths = np.rint((at - edges[:-1]) / widths * LEVELS).astype(np.int64)
    split = np.where(once, np.clip(eighths, 1, LEVELS - 1), 0)
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
    columns = columns_of(track, viewport, semantics)
    if look.palette.is_mono:
        _draw_mono(rows, columns, look)
    else:
        _draw_cells(rows, columns, look)
    if look.letters:
        _draw_letters(rows[len(rows) // 2], columns, look)
    if look.differences:
        _dim_equal(rows, track, viewport, look)


def _draw_cells(rows: list[Row], columns: Columns, look: Look) -> None:
    palette = look.palette
    given = levels(columns.amounts, LEVELS * len(rows)).tolist()
    present = (columns.amounts > 0).sum(axis=1).tolist()
    solid = columns.amounts.argmax(axis=1).tolist()
    split, left, right = columns.split.tolist(), columns.left.tolist(), columns.right.tolist()
    for column, kinds in enumerate(present):
        at = look.x + column
        if kinds == 1:
            _draw_solid(rows, at, Paint(solid[column]), look)
        elif split[column]:
            ink = Ink(palette.paints[left[column]], palette.paints[right[column]])
            for row in rows:
                row.set(at, LEFT[split[column]], ink)
        elif kinds:
            _draw_stack(rows, at, given[column], palette)


def _draw_solid(rows: list[Row], at: int, paint: Paint, look: Look) -> None:
    glyph, ink = solid_cell(paint, look.palette, patterns=look.patterns)
    for row in rows[:-1]:
        row.set(at, " " if paint is Paint.DEFERRED_RESERVED else glyph, ink)
    rows[-1].set(at, glyph, ink)


def solid_cell(paint: Paint, palette: Palette, *, patterns: bool = False) -> tuple[str, Ink]:
    """Return glyph and ink of a cell of one paint, as strips and legend show it."""
    colour = palette.paints[paint]
    if palette.is_mono:
        return MONO_GLYPHS[paint], Ink(palette.text, palette.page)
    if paint is Paint.ZERO_AT_OFFSET:
        return "∙" if patterns else "·", Ink(palette.on_paints[paint], colour)
    if paint is Paint.INVALID:
        return "╱", Ink(colour, palette.page)
    if paint is Paint.UNREAD:
        return "╱", Ink(colour, palette.track)
    if paint is Paint.DEFERRED_RESERVED:
        return "▂", Ink(colour, palette.track)
    if paint is Paint.FALLS_THROUGH and palette.track == palette.page:
        return "·", Ink(palette.faint, colour)
    return PATTERNS[paint] if patterns else " ", Ink(palette.on_paints[paint], colour)


def _draw_stack(rows: list[Row], at: int, given: list[int], palette: Palette) -> None:
    bottom = 0
    spans = []
    for paint, count in enumerate(given):
        if count:
            spans.append((bottom, bottom + count, palette.paints[paint]))
            bottom += count
    for up, row in enumerate(reversed(rows)):
        low, high = up * LEVELS, (up + 1) * LEVELS
        inside = [(min(end, high) - max(start, low), colour) for start, end, colour in spans]
        inside = [(count, colour) for count, colour in inside if count > 0]
        if len(inside) == 1:
            row.set(at, " ", Ink(palette.text, inside[0][1]))
            continue
        # a glyph has two colours: the two largest shares stay, in their order
        keep = sorted(sorted(range(len(inside)), key=lambda i: -inside[i][0])[:2])
        (lower, lower_colour), (upper, upper_colour) = (inside[i] for i in keep)
        level = max(1, min(LEVELS - 1, round(lower * LEVELS / (lower + upper))))
        row.set(at, LOWER[level], Ink(lower_colour, upper_colour))


def _draw_mono(rows: list[Row], columns: Columns, look: Look) -> None:
    ink = Ink(look.palette.text, look.palette.page)
    dominant = columns.amounts.argmax(axis=1).tolist()
    covered = (columns.amounts.sum(axis=1) > 0).tolist()
    for column, (paint, is_covered) in enumerate(zip(dominant, covered, strict=True)):
        if is_covered:
            for row in rows:
                row.set(look.x + column, MONO_GLYPHS[paint], ink)


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


def _dim_equal(rows: list[Row], track: Track, viewport: Viewport, look: Look) -> None:
    """Cover the cells in which historic and proposed mean the same."""
    shares = track.shares.between(edges_of(viewport, track.size))
    differing = (shares[:, track.differing].sum(axis=1) > 0).tolist()
    covered = (shares.sum(axis=1) > 0).tolist()
    palette = look.palette
    glyph = " " if palette.track != palette.page else "·"
    for column, (is_different, is_covered) in enumerate(zip(differing, covered, strict=True)):
        if is_covered and not is_different:
            for row in rows:
                row.set(look.x + column, glyph, Ink(palette.faint, palette.track))
