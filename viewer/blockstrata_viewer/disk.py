"""A chain as the screen needs it: one track for what the guest sees and one for each layer, all frozen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from blockstrata.chain import open_chain
from blockstrata.facts import CODES
from blockstrata.gap import GapNode
from blockstrata.guest import View, in_place, merged
from blockstrata_viewer.palette import Paint, State, state_of
from blockstrata_viewer.shares import Shares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blockstrata.chain import Chain, Layer
    from blockstrata.facts import Traits
    from blockstrata.semantics.table import Semantics


class Track:
    """The runs of one strip.

    Runs of one fact in layers of the same traits form a class; a semantics gives each class a state, so that
    toggling between semantics costs a few table look-ups, however many runs there are.
    """

    def __init__(self, view: View, size: int) -> None:
        self.view = view
        self.size = size
        traits = [layer.node.traits for layer in view.layers]
        kinds = list(dict.fromkeys(traits))
        kind_of = np.array([kinds.index(each) for each in traits], np.int64)
        keys = kind_of[view.source] * CODES + view.extents.facts
        found, classes = np.unique(keys, return_inverse=True)
        self._facts: list[tuple[int, Traits]] = [(key % CODES, kinds[key // CODES]) for key in found.tolist()]
        self.shares = Shares(view.extents.edges, classes.reshape(-1).astype(np.uint8), len(found))
        self.states = lru_cache(maxsize=8)(self._states)

    def _states(self, semantics: Semantics) -> tuple[State, ...]:
        settled = not self.view.in_place
        return tuple(state_of(semantics, code, traits, settled=settled) for code, traits in self._facts)

    def paints(self, semantics: Semantics) -> NDArray[np.uint8]:
        """Return the paint of each class, uint8 of shape (kinds,)."""
        return np.array([state.paint for state in self.states(semantics)], np.uint8)

    @cached_property
    def suppliers(self) -> Shares:
        """Which layer supplies how much of each cell: classes are the layers' indices."""
        return Shares(self.view.extents.edges, self.view.source.astype(np.uint16), len(self.view.layers))

    def __len__(self) -> int:
        return len(self.view.extents)

    def allocated(self, semantics: Semantics) -> int:
        """Return the bytes that neither fall through nor read as zero without being stored."""
        empty = {Paint.FALLS_THROUGH, Paint.ZERO, Paint.ZERO_AT_OFFSET, Paint.INVALID, Paint.UNREAD}
        totals = self.shares.totals().tolist()
        return sum(
            total
            for total, state in zip(totals, self.states(semantics), strict=True)
            if state.paint not in empty
        )


@dataclass(frozen=True, eq=False)
class Disk:
    """An open chain and its tracks.  ``tracks`` by depth; ``guest`` is what the guest sees."""

    chain: Chain
    guest: Track
    tracks: tuple[Track, ...]

    @property
    def size(self) -> int:
        """Guest bytes."""
        return self.chain.size

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, active first."""
        return self.chain.layers

    def track(self, selected: int) -> Track:
        """Return a layer's track by its depth, the guest's for -1."""
        return self.guest if selected < 0 else self.tracks[selected]

    def is_gap(self, depth: int) -> bool:
        """Say whether the layer at a depth could not be opened."""
        return isinstance(self.layers[depth].node, GapNode)


def load_disk(image: str) -> Disk:
    """Open an image and read all its layers; errors as :func:`blockstrata.chain.open_chain`'s."""
    chain = open_chain(image)
    tracks = tuple(Track(in_place(chain, layer.depth, 0, layer.size), layer.size) for layer in chain.layers)
    return Disk(chain, Track(merged(chain, 0, chain.size), chain.size), tracks)
