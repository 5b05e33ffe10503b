"""The walk down the layers: which of them serves which guest bytes, and what nobody serves.

A layer defers what its tables leave unallocated.  Where nothing lies below, or the backing layer ends first,
the block layer supplies zeroes itself; such runs carry the mark SYNTHESISED::

    active   ├── data ──┤ · · · · · ·  · · · · · ·┤
    backing  ├─ · · · · · · ┼─ data ─┤ (ends here)
    guest    ├── data ──┼zero┼─ data ─┼── zero ───┤
    depth         0       1      1          0
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.errors import BadRangeError
from blockstrata.facts.codes import DEFERRING, NO_HOST, SYNTHESISED, Storage, fact
from blockstrata.facts.extents import Extents, blocks, empty
from blockstrata.facts.overlay import LayerRuns, Uncovered, overlaid, runs_of, uncovered
from blockstrata.graph.chain import Chain, Layer
from blockstrata.guest.view import View

_FIRST_DEFERRING: Final = fact(min(DEFERRING))
_DEFERRING_CODES: Final = fact(max(DEFERRING), max(Storage)) + 1 - _FIRST_DEFERRING
"""The codes that defer follow one another, so that many can be told from the others without a table."""


def merged(chain: Chain, start: int, length: int) -> View:
    """Return what the guest reads: each run from the first layer, from the top, that serves it.

    ``start`` and ``length`` in bytes.  ``BadRangeError`` if the window does not lie in the chain; one of no
    bytes lies anywhere.  ``ClosedError`` after the chain was closed; errors of reading as the drivers raise
    them.
    """
    _check_window(chain.layers[0], start, length)
    if not length:
        return _of_one(empty(start), chain.layers, 0)
    if len(chain.layers) == 1:
        return alone(chain.layers[0], start, length)
    found: list[LayerRuns] = []
    left, wanted = Uncovered(np.array([start]), np.array([start + length])), length
    first, last = start, start + length
    for layer in chain.layers:
        own = _end_at(layer.extents(first, last - first), _backing_end(chain, layer))
        defers = _defers(own.facts)
        if layer.depth == 0 and not defers.any():
            return _of_one(own, chain.layers, 0)
        runs, reach = left.reached_by(runs_of(own, ~defers, layer.depth))
        found.append(runs)
        wanted -= reach
        # what layers reach may overlap: only when it could be all, it is found out
        if wanted <= 0 or not defers.any():
            found = [overlaid(found, start, start + length)]
            left = uncovered(found[0], start, start + length)
            wanted = left.length
        if not wanted:
            break
        first, last = _hull(own, defers)
        first, last = max(first, int(left.starts[0])), min(last, int(left.ends[-1]))
    (whole,) = found
    extents = Extents(np.append(whole.starts, start + length), whole.facts, whole.host)
    depth = whole.depth.astype(np.int64)
    return View(extents, depth, depth, chain.layers)


def _hull(own: Extents, chosen: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the first of some runs starts and the last one ends."""
    last = len(chosen) - int(chosen[::-1].argmax())
    return int(own.edges[chosen.argmax()]), int(own.edges[last])


def in_place(chain: Chain, depth: int, start: int, length: int) -> View:
    """Return one layer as it stands in its chain: what it defers stays deferred, cut where its backing ends.

    ``start`` and ``length`` in bytes.  ``BadRangeError`` if there is no such layer, or the window does not
    lie in it; else as :func:`merged`.
    """
    layer = chain.layer(depth)
    _check_window(layer, start, length)
    own = _end_at(layer.extents(start, length), _backing_end(chain, layer))
    return _of_one(own, chain.layers, depth, in_place=True)


def alone(layer: Layer, start: int, length: int) -> View:
    """Return one layer as QEMU sees it when it is opened with ``backing: null``; its depth is 0.

    ``start`` and ``length`` in bytes.  ``BadRangeError`` if the window does not lie in it; else as
    :func:`merged`.
    """
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
    layer.check_open()
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
    for part in blocks(len(facts) - past):
        marked = facts[past:][part]
        marked |= _defers(marked) * np.uint8(SYNTHESISED)
    return Extents(edges, facts, host)
