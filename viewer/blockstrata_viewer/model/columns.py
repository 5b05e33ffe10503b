"""What each cell of a strip holds: the share of each paint, and where its one boundary is.

A boundary is drawn upright, where it is, or not at all: then a cell shows shares only, from the bottom up.
Which of the two is decided by how long the neighbouring stretches of one paint are, and never by where they
fall on the grid of cells, so that writes of one length look alike wherever they are::

    half a cell or longer: upright            shorter: as a share of the cells that it lies in
    ├───────┼───────┼───────┤                 ├───────┼───────┼───────┤
    │  ▐████│       │       │                 │       │       │       │
    │  ▐████│    ▐██│██     │                 │ ▃▃▃▃▃▃│▂▂▂▂▂▂▂│▁▁▁▁▁▁▁│
       inside   across an edge                 inside   across an edge

A stretch inside a cell is as wide as it is long and stands at the nearer edge.  Of two paints in a cell the
one that stacks lower is rounded up.  So a write that lies across an edge has as many levels as one inside a
cell, or one more; it is never a hairline here and a square there.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.semantics.table import Semantics
from blockstrata_viewer.model.shares import BLOCK, Cells
from blockstrata_viewer.model.states import Paint, State
from blockstrata_viewer.model.track import Track
from blockstrata_viewer.model.viewport import Viewport

LEVELS: Final = 8
"""Eighths of a cell, either way."""
NO_BOUNDARY: Final = -1
_NEAR: Final = 8
"""Runs in a cell up to which its boundaries are looked at."""
_AROUND: Final = 2 * _NEAR
"""Runs in a cell and half a cell on either side up to which this is done."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Which states strips show, by their labels: one alone if it is ``isolated``, and none that is hidden."""

    isolated: str = ""
    hidden: AbstractSet[str] = frozenset()

    def __contains__(self, state: State) -> bool:
        return self.isolated in ("", state.label) and state.label not in self.hidden


ALL: Final = Shown()


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A track in the columns of a viewport.

    ``amounts`` int64 (columns, paints), bytes; ``split`` int64 (columns,), eighths of a cell left of its one
    boundary, 0 and 8 included, or ``NO_BOUNDARY``; ``left`` and ``right`` uint8 (columns,), the paints on its
    sides; ``present`` int64 (columns,), how many paints there are; ``letters`` what the state of the largest
    share is written as, empty where a column has several paints.
    """

    amounts: NDArray[np.int64]
    present: NDArray[np.int64]
    letters: list[str]
    split: NDArray[np.int64]
    left: NDArray[np.uint8]
    right: NDArray[np.uint8]


def columns_of(track: Track, viewport: Viewport, semantics: Semantics, shown: Shown = ALL) -> Columns:
    """Return what each column holds of each paint; states that are not shown fall through."""
    return columns_in(track, track.shares.columns(viewport), viewport.cell, semantics, shown)


def columns_in(track: Track, cells: Cells, cell: int, semantics: Semantics, shown: Shown = ALL) -> Columns:
    """Return what each cell holds of each paint; ``cell`` is how many bytes a cell has, but for the last."""
    shares = cells.amounts
    states = track.states(semantics)
    paints = np.array([state.paint if state in shown else Paint.FALLS_THROUGH for state in states], np.uint8)
    # stored paint by paint, in which order both adding to them and summing over them are quickest
    amounts = np.zeros((len(shares), len(Paint)), np.int64, order="F")
    for kind, paint in enumerate(paints.tolist()):
        amounts[:, paint] += shares[:, kind]
    present = (amounts > 0).sum(axis=1)
    words = [*(state.letters if state in shown else "" for state in states), ""]
    largest = shares.argmax(axis=1) if len(paints) else 0
    letters = [words[kind] for kind in np.where(present == 1, largest, -1).tolist()]
    return Columns(amounts, present, letters, *_boundaries(track, cells, cell, paints, present == 2))


def _boundaries(
    track: Track, cells: Cells, cell: int, paints: NDArray[np.uint8], among: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]:
    """Find the cells, among some, that are to be drawn upright, and what stands where in them."""
    columns = len(among)
    split = np.full(columns, NO_BOUNDARY, np.int64)
    left, right = np.zeros(columns, np.uint8), np.zeros(columns, np.uint8)
    near = np.flatnonzero(among & (cells.blocks[1:] - cells.blocks[:-1] <= _NEAR // BLOCK + 1))
    if not len(near):
        return split, left, right
    run_edges, classes = track.shares.edges, track.shares.classes
    starts, ends = cells.edges.take(near), cells.edges.take(near + 1)
    half = -(-cell // 2)
    first = run_edges.searchsorted(np.maximum(starts - half, 0), side="right") - 1
    last = run_edges.searchsorted(np.minimum(ends + half, run_edges[-1]), side="left") - 1
    runs = np.minimum(first[:, None] + np.arange(_AROUND + 1), last[:, None])
    painted = paints.take(classes.take(runs))
    # where a stretch ends: between runs, and where what is looked at ends
    edges = run_edges.take(runs[:, 1:])
    changes = painted[:, 1:] != painted[:, :-1]
    inside = changes & (edges > starts[:, None]) & (edges < ends[:, None])
    count = inside.sum(axis=1)
    rows = np.arange(len(near))
    one, two = inside.argmax(axis=1), _AROUND - 1 - inside[:, ::-1].argmax(axis=1)
    at, until = edges[rows, one], edges[rows, two]
    before = np.where(changes & (edges < at[:, None]), edges, 0).max(axis=1)
    after = np.where(changes & (edges > until[:, None]), edges, run_edges[-1]).min(axis=1)
    long = (at - before >= half) & (after - until >= half) & ((count == 1) | (until - at >= half))
    own, other = painted[rows, one], painted[rows, one + 1]
    # a summary does not know where in it
    known = (own != Paint.UNREAD) & (other != Paint.UNREAD)
    upright = long & known & ((count == 1) | (count == 2)) & (last - first <= _AROUND)
    length = ends - starts
    near_left = at - starts <= ends - until
    # what stands on the left, and how wide: of a stretch inside, that or the rest of the cell
    whole = count == 2
    swap = whole & near_left
    width = np.where(whole, np.where(near_left, until - at, length - (until - at)), at - starts)
    own, other = np.where(swap, other, own), np.where(swap, own, other)
    eighths = np.where(own < other, -(-width * LEVELS // length), width * LEVELS // length)
    split[near] = np.where(upright, eighths, NO_BOUNDARY)
    left[near], right[near] = own, other
    return split, left, right


def levels(amounts: NDArray[np.int64], height: int) -> NDArray[np.int64]:
    """Return how many of ``height`` levels, 8 or more, each paint gets in a column, int64 like ``amounts``.

    Largest remainder; a paint that is present gets one level at least, while there are levels to give.  Of
    two, the lower one is rounded up.
    """
    present = amounts > 0
    totals = amounts.sum(axis=1)
    exact = amounts * (height / np.maximum(totals, 1))[:, None]
    given = np.maximum(exact.astype(np.int64), present)
    missing = height * (totals > 0) - given.sum(axis=1)
    if len(pairs := np.flatnonzero(present.sum(axis=1) == 2)):
        lower = present[pairs].argmax(axis=1)
        # a share of whole levels may be a last digit more
        wanted = np.ceil(exact[pairs, lower] - 1e-9).astype(np.int64).clip(1, height - 1)
        given[pairs] = present[pairs] * (height - wanted)[:, None]
        given[pairs, lower] = wanted
        missing[pairs] = 0
    # what is left over goes to those that were cut most, one level each; of equals to the first
    cut_most = np.where(present, given - exact, np.inf).argsort(axis=1, kind="stable")
    given += cut_most.argsort(axis=1) < missing[:, None]
    over = np.flatnonzero(missing < 0)
    while len(over):
        given[over, given[over].argmax(axis=1)] -= 1
        over = over[given[over].sum(axis=1) > height]
    return np.asarray(given, np.int64)
