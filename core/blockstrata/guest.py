"""The walk down the layers: which of them serves which guest bytes, and what nobody serves.

A layer defers what its tables leave unallocated.  Where nothing lies below, or the backing layer ends first,
the block layer supplies zeroes itself; such runs carry the mark SYNTHESISED::

    active   ├── data ──┤ · · · · · ·  · · · · · ·┤
    backing  ├─ · · · · · · ┼─ data ─┤ (ends here)
    guest    ├── data ──┼zero┼─ data ─┼── zero ───┤
    depth         0       1      1          0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from blockstrata.errors import BadImageError, BadRangeError
from blockstrata.extents import Extents, empty
from blockstrata.facts import DEFERRING, NO_HOST, SYNTHESISED, Mapping, Storage, fact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blockstrata.chain import Chain, Layer

_FIRST_DEFERRING: Final = fact(min(DEFERRING))
_DEFERRING_CODES: Final = fact(max(DEFERRING), max(Storage)) + 1 - _FIRST_DEFERRING
"""The codes that defer follow one another, so that many can be told from the others without a table."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Facts over a window of guest bytes, and for each run the layer they come from.

    ``source`` int64 of shape (n,) indexes ``layers``; ``depth`` int64 of shape (n,) is what ``qemu-img map``
    calls depth.  ``in_place``: the view of one layer in its chain, in which deferred runs stay deferred.
    """

    extents: Extents
    source: NDArray[np.int64]
    depth: NDArray[np.int64]
    layers: tuple[Layer, ...]
    in_place: bool = False

    def sources(self) -> tuple[list[Layer], NDArray[np.intp]]:
        """Return the layers that runs come from, and for each run which of these, (n,).

        A view of one layer of a long chain has one, whatever lies above and below.
        """
        used = np.flatnonzero(np.bincount(self.source))
        nth = np.zeros(len(self.layers), np.intp)
        nth[used] = np.arange(len(used))
        return [self.layers[index] for index in used.tolist()], nth[self.source]

    def require_valid(self) -> None:
        """Raise a layer's refusal; ``BadImageError`` naming entry and reason if a run is INVALID."""
        for layer in self.layers:
            if layer.node.refusal:
                raise layer.node.refusal
        broken = np.flatnonzero(self.extents.having(Mapping.INVALID))
        if len(broken):
            offset = int(self.extents.edges[broken[0]])
            layer = self.layers[int(self.source[broken[0]])]
            raise BadImageError(layer.name, f"guest offset {offset:#x}", layer.fault_at(offset))


def merged(chain: Chain, start: int, length: int) -> View:
    """Return what the guest reads: each run from the first layer, from the top, that serves it.

    ``BadRangeError`` if the window does not lie in the chain; one of no bytes lies anywhere.
    """
    _check_window(chain.layers[0], start, length)
    wanted = np.array([[start], [start + length]], np.int64) if length else np.empty((2, 0), np.int64)
    starts, facts, host, depth = [], [], [], []
    for layer in chain.layers:
        if not wanted.size:
            break
        first, last = int(wanted[0, 0]), int(wanted[1, -1])
        own = _end_at(layer.extents(first, last - first), _backing_end(chain, layer))
        defers = _defers(own.facts)
        if layer.depth == 0 and not defers.any():
            return _of_one(own, chain.layers, 0)
        pieces, run = _intersect(own, wanted)
        deferred = defers.take(run)
        served = np.flatnonzero(~deferred)
        run, first = run.take(served), pieces[0].take(served)
        serving = own.host.take(run)
        starts.append(first)
        facts.append(own.facts.take(run))
        host.append(np.where(serving == NO_HOST, NO_HOST, serving + first - own.edges.take(run)))
        depth.append(np.full(len(run), layer.depth, np.int64))
        wanted = _joined(pieces.take(np.flatnonzero(deferred), axis=1))
    if not starts:
        return _of_one(empty(start), chain.layers, 0)
    order = np.argsort(np.concatenate(starts), kind="stable")
    edges = np.append(np.concatenate(starts)[order], start + length)
    extents = Extents(edges, np.concatenate(facts)[order], np.concatenate(host)[order])
    depths = np.concatenate(depth)[order]
    return View(extents, depths, depths, chain.layers)


def in_place(chain: Chain, depth: int, start: int, length: int) -> View:
    """Return one layer as it stands in its chain: what it defers stays deferred, cut where its backing ends.

    ``BadRangeError`` if there is no such layer, or the window does not lie in it.
    """
    layer = chain.layer(depth)
    _check_window(layer, start, length)
    own = _end_at(layer.extents(start, length), _backing_end(chain, layer))
    return _of_one(own, chain.layers, depth, in_place=True)


def alone(layer: Layer, start: int, length: int) -> View:
    """Return one layer as QEMU sees it when it is opened with ``backing: null``; its depth is 0."""
    _check_window(layer, start, length)
    return _of_one(_end_at(layer.extents(start, length), 0), (layer,), 0)


def _defers(facts: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Say which facts leave the guest's bytes to the layer below, (n,)."""
    # what is smaller than the first one wraps around
    return facts - np.uint8(_FIRST_DEFERRING) < _DEFERRING_CODES


def _of_one(extents: Extents, layers: tuple[Layer, ...], index: int, *, in_place: bool = False) -> View:
    source = np.broadcast_to(np.int64(index), len(extents))
    return View(extents, source, source, layers, in_place)


def _check_window(layer: Layer, start: int, length: int) -> None:
    if start < 0 or length < 0 or (length and start + length > layer.size):
        raise BadRangeError(layer.name, "range", f"{start} plus {length} is past the end ({layer.size})")


def _backing_end(chain: Chain, layer: Layer) -> int:
    """Return the first guest byte that the layer below cannot serve; 0 if nothing lies below."""
    below = chain.below(layer.depth)
    return below.size if below else 0


def _end_at(own: Extents, end: int) -> Extents:
    """Return the runs cut at a byte, the deferring ones from there on marked SYNTHESISED."""
    edges, facts, host = own.edges, own.facts, own.host
    if own.start < end < own.end and end not in edges:
        run = own.index_at(end)
        edges = np.insert(edges, run + 1, end)
        facts = np.insert(facts, run, facts[run])
        rest = NO_HOST if host[run] == NO_HOST else host[run] + end - edges[run]
        host = np.insert(host, run + 1, rest)
    past = int(np.searchsorted(edges, end))
    facts = facts.copy()
    facts[past:] |= _defers(facts[past:]) * np.uint8(SYNTHESISED)
    return Extents(edges, facts, host)


def _intersect(own: Extents, wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return the pieces of runs in wanted ranges, (2, n) starts and ends, and the run of each piece."""
    first = np.searchsorted(own.edges, wanted[0], side="right") - 1
    pieces = np.searchsorted(own.edges, wanted[1], side="left") - first
    run = np.repeat(first - np.cumsum(pieces) + pieces, pieces)
    run += np.arange(len(run))
    starts = np.maximum(own.edges.take(run), np.repeat(wanted[0], pieces))
    ends = np.minimum(own.edges.take(run + 1), np.repeat(wanted[1], pieces))
    return np.stack([starts, ends]), run


def _joined(ranges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return sorted ranges, (2, n), with those that touch joined."""
    if not ranges.size:
        return ranges
    apart = ranges[0, 1:] != ranges[1, :-1]
    return np.stack([ranges[0, np.append(True, apart)], ranges[1, np.append(apart, True)]])
