"""The extents of a track as rows of a table: which are shown, in which order, how many and how much.

A row is a run of the track, so that the table counts as the inspector does: extent 5 of 130 is the fifth row.
``blockstrata map`` joins neighbours that look alike to its reader, and its entries are these rows so joined
(``blockstrata.interchange.entries``); where neighbours differ in flags, layer or fact the two are the same.

Nothing here takes a step of Python for each extent: what is sorted and filtered are columns, part after part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import NO_HOST, fact_words
from blockstrata.graph.chain import Layer
from blockstrata.semantics.table import Semantics
from blockstrata_viewer.model.extent_filter import Filter
from blockstrata_viewer.model.states import State
from blockstrata_viewer.model.track import Track

COLUMNS: Final = ("start", "length", "letters", "words", "layer", "host", "fact")
"""What the table can be sorted by."""
LARGEST_FIRST: Final = ("length",)
"""Columns that one wants the largest of, when one first sorts by them."""

AT_ONCE: Final = 1 << 16
"""Extents that are sorted and filtered while the screen waits."""
_PART: Final = 1 << 18
"""Extents that are filtered in one step."""
FIRST: Final = 1 << 10
"""Rows that are shown before all are sorted."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of the table: a filter, and the column that it is sorted by."""

    filter: Filter = field(default_factory=Filter)
    column: str = "start"
    is_descending: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether all extents are meant, as they stand on the disk."""
        return not self.filter.terms and self.column == "start" and not self.is_descending

    @property
    def asks_for_flags(self) -> bool:
        """Whether another semantics may find something else."""
        return bool(self.filter.terms) or self.column in ("letters", "words")

    def by(self, column: str) -> Query:
        """Return the query sorted by a column; by the one that it is sorted by, the other way round."""
        is_descending = not self.is_descending if column == self.column else column in LARGEST_FIRST
        return replace(self, column=column, is_descending=is_descending)

    def beside(self, steps: int) -> Query:
        """Return the query sorted by a column further to the right, or to the left."""
        at = COLUMNS.index(self.column) + steps
        return self.by(COLUMNS[at]) if 0 <= at < len(COLUMNS) else self


Order = NDArray[Any]
"""Runs of a track, int32 or int64 (n,), one a row."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The rows that a query found, or those found so far.

    ``order`` are the runs, row by row; None means all, as they stand.
    ``matched`` rows, ``total`` bytes; ``progress`` says what is still being done, and is empty at the end:
    until then there are fewer rows in ``order`` than matched.
    """

    matched: int
    total: int
    order: Order | None = None
    progress: str = ""
    is_ascending: bool = False
    """Whether rows stand as on the disk."""

    def __len__(self) -> int:
        return self.matched if self.order is None else len(self.order)

    def runs(self, first: int, last: int) -> list[int]:
        """Return the runs of the rows from one up to another."""
        first, last = max(0, first), min(last, len(self))
        return list(range(first, last)) if self.order is None else self.order[first:last].tolist()

    def row_of(self, run: int | None) -> int | None:
        """Return the row of a run; None if it is not shown."""
        row = self.row_near(run)
        return row if row is not None and row < len(self) and self.runs(row, row + 1) == [run] else None

    def row_near(self, run: int | None) -> int | None:
        """Return the row of a run, of rows as on the disk that of the next one that is shown; else None."""
        if run is None or self.order is None:
            return run
        if self.is_ascending:
            return max(0, min(int(np.searchsorted(self.order, run)), len(self.order) - 1))
        rows = np.flatnonzero(self.order == run)
        return int(rows[0]) if len(rows) else None


class Row(NamedTuple):
    """One row: guest bytes from ``start`` on, ``host`` None where they have no place in the layer's file."""

    run: int
    start: int
    length: int
    state: State
    layer: Layer
    host: int | None
    fact: str


def row_of(track: Track, run: int, semantics: Semantics) -> Row:
    """Return what a row says of a run."""
    start, end = track.bounds(run)
    fact = fact_words(int(track.view.extents.facts[run]))
    state, layer = track.state_at(run, semantics), track.layer_of(run)
    return Row(run, start, end - start, state, layer, track.host_of(start), fact)


def everything(track: Track) -> Found:
    """Return all extents, as they stand on the disk."""
    return Found(len(track), track.size, is_ascending=True)


def begun(track: Track, query: Query) -> Found:
    """Return what can be shown before anything is found: all extents as they stand, or none of many."""
    if query.filter.terms:
        return Found(0, 0, _order(track, np.empty(0)), "filtering …")
    return replace(everything(track), progress="sorting …")


def find(
    track: Track, semantics: Semantics, query: Query, is_cancelled: Callable[[], bool] = lambda: False
) -> Iterator[Found]:
    """Yield what a query finds in a track: what there is so far, and the whole at last.

    Extents that are alike stay as they stand on the disk; those without a host offset are last by it.
    Once ``is_cancelled`` says so, nothing more is yielded; it is asked between steps.
    """
    if query.is_plain:
        yield everything(track)
        return
    found = everything(track)
    for found in _filtered(track, semantics, query.filter):
        if is_cancelled():
            return
        if found.progress:
            yield found
    yield from _sorted(track, semantics, query, found, is_cancelled)


def _filtered(track: Track, semantics: Semantics, wanted: Filter) -> Iterator[Found]:
    """Yield what is found part after part; the last one is whole."""
    if not wanted.terms:
        yield everything(track)
        return
    edges, mask = track.view.extents.edges, wanted.on(track, semantics)
    parts: list[Order] = [_order(track, np.empty(0))]
    first = parts[0]
    matched = total = 0
    for start in range(0, len(track), _PART):
        part = slice(start, min(start + _PART, len(track)))
        here = np.flatnonzero(mask(part)) + start
        matched, total = matched + len(here), total + int((edges[here + 1] - edges[here]).sum())
        parts.append(_order(track, here))
        if part.stop < len(track):
            first = np.concatenate([first, here[:FIRST]])[:FIRST] if len(first) < FIRST else first
            yield Found(matched, total, first, f"filtering, {100 * part.stop // len(track)} % …", True)
    yield Found(matched, total, np.concatenate(parts), is_ascending=True)


def _sorted(
    track: Track, semantics: Semantics, query: Query, found: Found, is_cancelled: Callable[[], bool]
) -> Iterator[Found]:
    """Yield the first rows of what was found in order, if there are many, and then all."""
    order = found.order
    if query.column == "start":
        if query.is_descending:
            order = _order(track, np.arange(len(track))) if order is None else order
            found = replace(found, order=order[::-1], is_ascending=False)
        yield found
        return
    keys = _keys(track, semantics, query)
    keys = keys if order is None else keys[order]
    found = replace(found, is_ascending=False)
    if len(keys) > AT_ONCE:
        places = _least(keys, FIRST)
        first = _order(track, places) if order is None else order[places]
        yield replace(found, order=first, progress="sorting …")
        if is_cancelled():
            return
    places = np.argsort(keys, kind="stable")
    if not is_cancelled():
        yield replace(found, order=_order(track, places) if order is None else order[places])


def _order(track: Track, runs: NDArray[Any]) -> Order:
    """Return runs of a track in as little memory as holds their numbers."""
    return runs.astype(np.int32) if len(track) < 1 << 31 else runs.astype(np.int64)


def _least(keys: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Return the first so many places of a stable sort, without sorting the others."""
    bound = np.partition(keys, count - 1)[count - 1]
    below = np.flatnonzero(keys < bound)
    equal = np.flatnonzero(keys == bound)[: count - len(below)]
    return np.concatenate([below[np.argsort(keys[below], kind="stable")], equal])


def _keys(track: Track, semantics: Semantics, query: Query) -> NDArray[Any]:
    """Return what to sort the runs of a track by, the least first, (n,)."""
    extents, sign = track.view.extents, -1 if query.is_descending else 1
    if query.column == "length":
        by_length: NDArray[Any] = extents.lengths * sign
        return by_length
    if query.column == "host":
        return np.where(extents.host == NO_HOST, np.iinfo(np.int64).max, extents.host * sign)
    if query.column == "layer":
        ranks = np.arange(len(track.view.layers))
        of_run: NDArray[np.integer] = track.view.source
    else:
        ranks = _ranks([_words(query.column, track, semantics, each) for each in range(len(track.facts))])
        of_run = track.shares.classes
    if query.is_descending:
        ranks = ranks.max(initial=0) - ranks
    # of small numbers a sort is quick
    small: NDArray[Any] = ranks.astype(np.min_scalar_type(len(ranks)))
    keys: NDArray[Any] = small[of_run]
    return keys


def _words(column: str, track: Track, semantics: Semantics, kind: int) -> str:
    """Return what the column says of a class."""
    if column == "fact":
        return fact_words(track.facts[kind][0])
    state = track.states(semantics)[kind]
    return state.label if column == "letters" else f"{state.short} {state.words}"


def _ranks(texts: list[str]) -> NDArray[np.intp]:
    """Return the place of each text among those that differ, in order, (n,)."""
    places = {text: nth for nth, text in enumerate(sorted(set(texts)))}
    return np.array([places[text] for text in texts], np.intp)
