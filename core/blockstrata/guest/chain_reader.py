"""Reading a chain region by region, for whoever wants to show it while it is being read.

What the L1 tables say is known at once; L2 tables are read where somebody looks, then outward::

    looking at                    ├────┤
    1st                         ├───────┤
    2nd, 3rd            ├───────┤       ├───────┤
    known at once  ├────┤ · · · · · · · · · · · · ├───────┤
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import TypeVar

import numpy as np

from blockstrata.errors import BlockstrataError
from blockstrata.facts.codes import Mapping, fact
from blockstrata.facts.extents import Extents, join, uniform
from blockstrata.graph.chain import Chain, Layer
from blockstrata.guest.regions import Region, Windows, regions

_INVALID = fact(Mapping.INVALID)

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Progress:
    """How many tables were read, of how many that are known of."""

    read: int
    known: int


@dataclass(frozen=True, slots=True)
class Focus:
    """Where somebody looks: bytes ``start`` up to ``end``, and most of all at one of them."""

    start: int = 0
    end: int = 0
    at: int = 0

    def distance(self, region: Region) -> tuple[int, int]:
        """Return how far a region is: from what is looked at, then from the byte looked at most."""
        outside = max(region.start - self.end, self.start - region.end, 0)
        return outside, max(region.start - self.at, self.at - region.end + 1, 0)


class Reader:
    """Reads a chain region by region, the nearest to :attr:`focus` first, all layers of one at once.

    :meth:`steps` reads; :meth:`chain` is the chain as far as it was read, and never reads.  A layer that
    fails keeps what was read of it; the rest is INVALID, and the others are still read.  The runs of a
    region can be given up and read anew, so that memory is bounded.
    """

    def __init__(self, chain: Chain) -> None:
        self.focus = Focus()
        """May be set at any time, by any thread."""
        self._chain = chain
        self._errors: list[BlockstrataError | None] = [None] * len(chain.layers)
        windows = [self._windows_of(layer) for layer in chain.layers]
        self._at_once = [self._overview(*each) for each in zip(chain.layers, windows, strict=True)]
        self._known = self._at_once.copy()
        size = max(layer.size for layer in chain.layers)
        self.regions = regions(windows, 0, size)
        self._waiting = {region for region in self.regions if self._has_unread(region)}
        self._fresh: dict[Region, list[Extents]] = {}
        self.runs: dict[Region, int] = {}
        """Runs of all layers in each region that was read and not given up since."""
        self._read = 0
        self._total = sum(region.tables for region in self._waiting)

    def _ask(
        self, layer: Layer, question: Callable[[], _Answer], otherwise: Callable[[], _Answer]
    ) -> _Answer:
        """Return what a layer answers; what stands for it from the first error on, which is kept."""
        if self._errors[layer.depth] is None:
            try:
                return question()
            except BlockstrataError as error:
                self._errors[layer.depth] = error
        return otherwise()

    def _windows_of(self, layer: Layer) -> Windows:
        """Return a layer's windows; none if what tells them apart cannot be read."""
        return self._ask(layer, lambda: list(layer.node.windows()), list)

    def _overview(self, layer: Layer, windows: Windows) -> Extents:
        """Return what is known of a layer before any table is read."""
        if any(tables for _, _, tables in windows):
            known = layer.node.overview
        else:
            known = partial(layer.node.extents, 0, layer.size)
        return self._ask(layer, known, lambda: uniform(0, layer.size, _INVALID))

    def _has_unread(self, region: Region) -> bool:
        return any(_part(known, region).having(Mapping.UNREAD).any() for known in self._known)

    @property
    def progress(self) -> Progress:
        """How far reading is."""
        return Progress(self._read, self._total)

    @property
    def is_short(self) -> bool:
        """Whether one more step is all there is to do."""
        return len(self._waiting) < 2

    def steps(self) -> Iterator[Progress]:
        """Read one region a step, until none waits."""
        while self._waiting:
            region = min(self._waiting, key=self.focus.distance)
            self._fresh[region] = [self._extents(layer, region) for layer in self._chain.layers]
            self._waiting.discard(region)
            self.runs[region] = sum(map(len, self._fresh[region]))
            # what is read a second time is no progress
            self._read = min(self._read + region.tables, self._total)
            yield self.progress

    def _extents(self, layer: Layer, region: Region) -> Extents:
        """Return a layer's part of a region; what cannot be read of it is INVALID."""
        known = _part(self._at_once[layer.depth], region)
        unread = known.having(Mapping.UNREAD)
        if not unread.any():
            return known

        def failed() -> Extents:
            facts = np.where(unread, np.uint8(_INVALID), known.facts)
            return Extents(known.edges, facts, known.host).coalesce()

        return self._ask(layer, partial(layer.node.extents, known.start, known.end - known.start), failed)

    def forget(self, region: Region) -> None:
        """Give up the runs of a region: it is as it was before it was read, and does not wait."""
        self._fresh[region] = [_part(known, region) for known in self._at_once]
        del self.runs[region]

    def want(self, wanted: Iterable[Region]) -> None:
        """Have regions read again that were given up."""
        self._waiting.update(wanted)

    def chain(self) -> Chain:
        """Return the chain with all that is known of its layers."""
        fresh = sorted(self._fresh.items(), key=lambda item: item[0].start)
        if fresh:
            for depth, known in enumerate(self._known):
                self._known[depth] = _replaced(known, [parts[depth] for _, parts in fresh])
        self._fresh.clear()
        return self._chain_of(self._known)

    def chain_of(self, region: Region) -> Chain:
        """Return the chain as far as one region, that was read, goes; elsewhere it must not be asked."""
        return self._chain_of(self._fresh.get(region) or [_part(known, region) for known in self._known])

    def _chain_of(self, known: list[Extents]) -> Chain:
        layers = zip(self._chain.layers, known, self._errors, strict=True)
        return Chain(tuple(replace(layer, known=each, error=error) for layer, each, error in layers))


def regions_of(layers: Sequence[Layer], start: int, end: int) -> list[Region]:
    """Return the regions of a range of layers; errors as :meth:`Driver.windows` has them up to its end."""
    windows = [takewhile(lambda window: window[0] < end, layer.node.windows()) for layer in layers]
    return regions(list(map(list, windows)), start, end)


def in_parts(chain: Chain, start: int, end: int) -> Iterator[tuple[Region, Chain]]:
    """Yield regions of a range one after another, each with the chain as far as the region goes.

    For whoever goes through a disk once and keeps little of it.  Errors as the drivers raise them.
    """
    for region in regions_of(chain.layers, start, end):
        known = (replace(each, known=each.extents(*region.within(each.size))) for each in chain.layers)
        yield region, Chain(tuple(known))


def _part(known: Extents, region: Region) -> Extents:
    """Return what lies in a region; a short layer may have no part in it."""
    start, length = region.within(known.end)
    return known.cut(start, start + length)


def _replaced(known: Extents, changes: list[Extents]) -> Extents:
    """Return runs with some stretches replaced; these do not overlap, first one first."""
    parts, at = [], known.start
    for change in changes:
        if len(change):
            parts += [known.cut(at, change.start), change]
            at = change.end
    return join([*parts, known.cut(at, known.end)])
