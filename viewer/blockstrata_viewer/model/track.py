"""The runs of one strip: how each shows, where the next of a kind is, where its bytes are stored."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import CODES, NO_HOST, Traits
from blockstrata.graph.chain import Layer
from blockstrata.guest.view import View
from blockstrata.semantics.audit import differs
from blockstrata.semantics.table import Semantics
from blockstrata_viewer.model.shares import Shares
from blockstrata_viewer.model.states import State, state_of

Kind = tuple[int, Traits]
"""A fact code, and the traits of the layer that it is of."""

BANDS: Final = 256
"""Layers that the ribbon tells apart."""

LENGTHS: Final = tuple(1 << power for power in (12, 16, 20, 24, 28, 32))
"""Bytes below which extents are counted together, as far as they are not below the one before."""

_STRIDE: Final = 1 << 16
"""Runs looked at at once when the next one of a kind is sought."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackSummary:
    """A region of one track whose runs were given up.

    ``edges`` int64 (c + 1,), guest bytes; ``amounts`` int64 (c, kinds), the bytes of each of ``kinds`` in
    each chunk; ``runs``, how many there were; ``suppliers`` int64 (c, bands), of what the guest sees the
    bytes that each band of layers supplies.
    """

    edges: NDArray[np.int64]
    kinds: list[Kind]
    amounts: NDArray[np.int64]
    runs: int
    suppliers: NDArray[np.int64] | None = None

    def by(self, kinds: Sequence[Kind]) -> NDArray[np.int64]:
        """Return the amounts with one column for each of some kinds, among which are all of the summary's."""
        amounts = np.zeros((len(self.amounts), len(kinds)), np.int64)
        amounts[:, [kinds.index(kind) for kind in self.kinds]] = self.amounts
        return amounts


class Track:
    """The runs of one strip.

    Runs of one fact in layers of the same traits form a class; a semantics gives each class a state, so that
    toggling between semantics costs a few table look-ups, however many runs there are.
    """

    def __init__(self, view: View, summaries: Sequence[TrackSummary] = ()) -> None:
        self.view = view
        self.size = view.extents.end
        self.summaries = summaries
        layers, source = view.sources()
        traits = [layer.node.read_traits() for layer in layers]
        kinds = list(dict.fromkeys(traits))
        kind_of = np.array([kinds.index(each) for each in traits], np.uint16)
        keys = kind_of[source] * np.uint16(CODES) + view.extents.facts
        # a table look-up where np.unique would sort every run
        counts = np.bincount(keys, minlength=len(kinds) * CODES)
        found = np.flatnonzero(counts)
        class_of = np.zeros(len(counts), np.min_scalar_type(len(found)))
        class_of[found] = np.arange(len(found))
        self.facts: list[Kind] = [(key % CODES, kinds[key // CODES]) for key in found.tolist()]
        of_summaries = dict.fromkeys(kind for each in summaries for kind in each.kinds)
        self.facts += [kind for kind in of_summaries if kind not in self.facts]
        self.shares = Shares(
            view.extents.edges,
            class_of[keys],
            len(self.facts),
            [(each.edges, each.by(self.facts)) for each in summaries],
        )
        # what is kept must not refer to the track itself: millions of runs wait for nobody
        self.states = lru_cache(partial(_states_of, self.facts, not view.in_place))
        """The state of each class under a semantics, kept."""
        self._totals: dict[Semantics, dict[State, int]] = {}
        self.kept: dict[Hashable, Any] = {}
        """What was drawn of this track, for widgets to keep."""

    def __len__(self) -> int:
        return len(self.view.extents)

    @cached_property
    def by_length(self) -> list[int]:
        """How many extents are below each of :data:`LENGTHS` and not counted before; the rest last."""
        lengths = self.view.extents.lengths
        below = [0, *(int(np.count_nonzero(lengths < limit)) for limit in LENGTHS), len(lengths)]
        return [after - before for before, after in pairwise(below)]

    def seen_as(self, states: Callable[[Semantics], tuple[State, ...]]) -> Track:
        """Return the same runs, with other states; ``states`` gives that of each class under a semantics."""
        other = copy.copy(self)
        other.states, other.kept, other._totals = lru_cache(states), {}, {}
        return other

    def by_state(self, semantics: Semantics, span: tuple[int, int] | None = None) -> dict[State, int]:
        """Return how many bytes show as each state, between two guest bytes or in all."""
        if span:
            return self._summed(self.shares.between(np.minimum(span, self.size))[0], semantics)
        if semantics not in self._totals:
            self._totals[semantics] = self._summed(self.shares.totals(), semantics)
        return self._totals[semantics].copy()

    def _summed(self, amounts: NDArray[np.int64], semantics: Semantics) -> dict[State, int]:
        found: dict[State, int] = {}
        for state, amount in zip(self.states(semantics), amounts.tolist(), strict=True):
            # a class may be left that nothing is in: what was not read yet, once all that was is summarised
            if amount:
                found[state] = found.get(state, 0) + amount
        return found

    def paints(self, semantics: Semantics) -> NDArray[np.uint8]:
        """Return the paint of each class, uint8 of shape (kinds,)."""
        return np.array([state.paint for state in self.states(semantics)], np.uint8)

    @cached_property
    def differing(self) -> NDArray[np.bool_]:
        """Which classes mean something else by the historic than by the proposed semantics."""
        return np.array([differs(traits)[code] for code, traits in self.facts], np.bool_)

    @cached_property
    def suppliers(self) -> Shares:
        """Which layer supplies how much of each cell: classes are bands of neighbouring layers.

        A band is one layer, up to 256 of them; of more, colours could not be told apart.
        """
        layers = len(self.view.layers)
        bands = min(layers, BANDS)
        band_of = (np.arange(layers) * bands // layers).astype(np.uint16)
        supplied = [(each.edges, each.suppliers) for each in self.summaries if each.suppliers is not None]
        return Shares(self.view.extents.edges, band_of[self.view.source], bands, supplied)

    @property
    def count(self) -> int:
        """How many runs there are; where some were given up, about."""
        return len(self) + sum(each.runs for each in self.summaries)

    def summarise(self, edges: NDArray[np.int64]) -> TrackSummary:
        """Return what is to stay of the runs between the first and the last of some edges."""
        suppliers = None if self.view.in_place else self.suppliers.between(edges)
        return TrackSummary(edges, self.facts, self.shares.between(edges), len(self), suppliers)

    @cached_property
    def highest_host(self) -> int:
        """The greatest host offset that a run begins at, ``NO_HOST`` if none has any."""
        return int(self.view.extents.host.max(initial=NO_HOST))

    def run_at(self, offset: int) -> int | None:
        """Return the index of the run at a guest byte, None outside the track."""
        return self.view.extents.index_at(offset) if 0 <= offset < self.size else None

    def bounds(self, run: int) -> tuple[int, int]:
        """Return the guest bytes at which a run starts and ends."""
        edges = self.view.extents.edges
        return int(edges[run]), int(edges[run + 1])

    def layer_of(self, run: int) -> Layer:
        """Return the layer that a run comes from."""
        return self.view.layers[int(self.view.source[run])]

    def state_at(self, run: int, semantics: Semantics) -> State:
        """Return how a run shows."""
        return self.states(semantics)[int(self.shares.classes[run])]

    def _nearest(self, run: int, step: int, wanted: Callable[[slice], NDArray[np.bool_]]) -> int | None:
        """Return the nearest run after (``step`` 1) or before (-1) one that is wanted, or None."""
        at = run + step
        while 0 <= at < len(self):
            part = slice(at, at + _STRIDE) if step > 0 else slice(max(0, at - _STRIDE + 1), at + 1)
            hits = np.flatnonzero(wanted(part))
            if len(hits):
                return part.start + int(hits[0 if step > 0 else -1])
            at += step * _STRIDE
        return None

    def find(self, offset: int, wanted: NDArray[np.bool_]) -> int | None:
        """Return where the next run of a wanted class starts, or a chunk that holds some, or None."""
        run = self.run_at(offset)
        if run is None:
            return None
        found = self._nearest(run, 1, lambda part: wanted[self.shares.classes[part]])
        starts = [] if found is None else [self.bounds(found)[0]]
        for summary in self.summaries:
            holds = summary.by(self.facts)[:, wanted].any(axis=1) & (summary.edges[:-1] > offset)
            if holds.any():
                starts.append(int(summary.edges[:-1][holds][0]))
                break
        return min(starts, default=None)

    def change(self, run: int, semantics: Semantics, step: int) -> int | None:
        """Return the first run of the next (or last) stretch of another state or layer, or None."""
        found = self._other(run, semantics, step)
        if found is None or step > 0:
            return found
        return self.first_of_stretch(found, semantics)

    def first_of_stretch(self, run: int, semantics: Semantics) -> int:
        """Return the first of the neighbouring runs that show the same state, from the same layer."""
        before = self._other(run, semantics, -1)
        return 0 if before is None else before + 1

    def _other(self, run: int, semantics: Semantics, step: int) -> int | None:
        """Return the nearest run of another state, or from another layer."""
        states, classes, source = self.states(semantics), self.shares.classes, self.view.source
        own = self.state_at(run, semantics)
        is_other = np.array([state != own for state in states], np.bool_)
        return self._nearest(run, step, lambda part: is_other[classes[part]] | (source[part] != source[run]))

    def host_of(self, offset: int) -> int | None:
        """Return the host byte of a guest byte, None if it has none."""
        run = self.run_at(offset)
        if run is None or self.view.extents.host[run] == NO_HOST:
            return None
        return int(self.view.extents.host[run]) + offset - self.bounds(run)[0]

    def guest_of(self, host: int, depth: int) -> int | None:
        """Return the first guest byte that is mapped to a host byte of a layer's file, None if nothing is."""
        extents = self.view.extents
        inside = (extents.host != NO_HOST) & (extents.host <= host) & (host < extents.host + extents.lengths)
        runs = np.flatnonzero(inside & (self.view.source == depth))
        return int(extents.edges[runs[0]]) + host - int(extents.host[runs[0]]) if len(runs) else None


def _states_of(facts: list[Kind], settled: bool, semantics: Semantics) -> tuple[State, ...]:
    return tuple(state_of(semantics, code, traits, settled=settled) for code, traits in facts)
