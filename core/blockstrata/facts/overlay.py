"""Layers laid one over another: for each guest byte, the run of the uppermost layer that has one there.

Where any layer's run starts or ends, the disk is cut into cells.  Each cell of the lowest layer gets the
number of its run first, then the next layer's get theirs over it::

    active   ├─ 0 ─┤ · · · · · · · · ·├─ 1 ─┤
    monday   · · ·├───── 2 ─────┤ · · · · · ·
    golden   ├───────────── 3 ──────────────┤
    cells    │  0  │0│    2     │  3  │  1  │
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.extents import Extents, further
from blockstrata.facts.units import are_few, common_unit


class LayerRuns(NamedTuple):
    """n runs of layers, ascending, with nothing between them where no layer has data or zeroes.

    ``starts``, ``ends``, ``host`` int64 (n,), bytes; ``facts`` uint8 (n,); ``depth`` int32 (n,), the layer's.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    facts: NDArray[np.uint8]
    host: NDArray[np.int64]
    depth: NDArray[np.int32]


class Uncovered(NamedTuple):
    """n ranges of bytes that no layer covers yet, ascending: ``starts`` and ``ends`` int64 (n,)."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def length(self) -> int:
        """Bytes of all ranges."""
        return int((self.ends - self.starts).sum())

    def reached_by(self, layer: LayerRuns) -> tuple[LayerRuns, int]:
        """Return the runs of a layer that reach into a range, and how many bytes of ranges they cover."""
        reach = self._below(layer.ends) - self._below(layer.starts)
        if not reach.all():
            kept = np.flatnonzero(reach)
            starts, ends, facts, host, depth = layer
            layer = LayerRuns(starts[kept], ends[kept], facts[kept], host[kept], depth[kept])
        return layer, int(reach.sum())

    def _below(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the bytes of ranges that lie below each of some offsets, (m,)."""
        begun = np.searchsorted(self.starts, offsets, side="right")
        lengths = np.append(0, np.cumsum(self.ends - self.starts))
        # the last one that has begun may reach past the offset
        past = np.append(0, self.ends).take(begun) - offsets
        return lengths.take(begun) - np.maximum(past, 0)


def uncovered(found: LayerRuns, start: int, end: int) -> Uncovered:
    """Return what runs leave of a window."""
    starts, ends = np.append(start, found.ends), np.append(found.starts, end)
    some = starts < ends
    return Uncovered(starts[some], ends[some])


def runs_of(own: Extents, chosen: NDArray[np.bool_], depth: int) -> LayerRuns:
    """Return some of a layer's runs, ``chosen`` (n,) of n."""
    at = np.flatnonzero(chosen)
    starts, ends = own.edges.take(at), own.edges.take(at + 1)
    return LayerRuns(starts, ends, own.facts.take(at), own.host.take(at), np.full(len(at), depth, np.int32))


def overlaid(layers: Sequence[LayerRuns], start: int, end: int) -> LayerRuns:
    """Return what is uppermost of layers, the active one first, that lie in a window of guest bytes."""
    starts, ends, run = _uppermost(layers, start, end)
    all_starts, facts, host, depth = (
        np.concatenate([getattr(layer, name) for layer in layers])
        for name in ("starts", "facts", "host", "depth")
    )
    host = further(host.take(run), starts - all_starts.take(run))
    return LayerRuns(starts, ends, facts.take(run), host, depth.take(run))


def _uppermost(
    layers: Sequence[LayerRuns], start: int, end: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Return starts and ends of what is uppermost, and the number of its run over all layers, (n,) each."""
    edges, index_of = _cells(layers, start, end)
    run = np.full(len(edges) - 1, -1, np.int32)
    number = sum(len(layer.starts) for layer in layers)
    for layer in reversed(layers):
        number -= len(layer.starts)
        _number(run, index_of(layer.starts), index_of(layer.ends), number)
    # neighbouring cells of one run are one
    first = np.flatnonzero(np.append(True, run[1:] != run[:-1]))
    bounds = edges.take(np.append(first, len(run)))
    run = run.take(first)
    covered = run >= 0
    if covered.all():
        return bounds[:-1], bounds[1:], run
    return bounds[:-1][covered], bounds[1:][covered], run[covered]


def _number(
    run: NDArray[np.int32], first: NDArray[np.signedinteger], last: NDArray[np.signedinteger], number: int
) -> None:
    """Give the cells ``first`` up to ``last`` of each run, (n,), its number, counted from ``number``."""
    counts = last - first
    numbers = np.repeat(np.arange(number, number + len(first), dtype=np.int32), counts)
    if len(first) and len(numbers) == last[-1] - first[0]:
        run[first[0] : last[-1]] = numbers
        return
    cells = np.repeat(first - np.cumsum(counts) + counts, counts)
    cells += np.arange(len(cells))
    run[cells] = numbers


def _cells(
    layers: Sequence[LayerRuns], start: int, end: int
) -> tuple[NDArray[np.int64], Callable[[NDArray[np.int64]], NDArray[np.signedinteger]]]:
    """Return the edges of cells in a window, and what finds the index of some of them.

    Where edges are many and share a unit, the units are counted off, which is quicker than sorting.
    """
    sides = [side for layer in layers for side in (layer.starts, layer.ends)]
    # start and end are edges too, whether a run has them or not
    unit = common_unit(side - start for side in (np.array([end]), *sides))
    shift, units = unit.bit_length() - 1, (end - start) // unit
    if not are_few(units, sum(map(len, sides))):
        edges = np.unique(np.concatenate([[start, end], *sides]))
        return edges, lambda wanted: np.searchsorted(edges, wanted)
    is_edge = np.zeros(units + 1, np.bool_)
    is_edge[[0, units]] = True
    for side in sides:
        is_edge[side - start >> shift] = True
    index = np.cumsum(is_edge, dtype=np.int32) - np.int32(1)
    edges = (np.flatnonzero(is_edge) << shift) + start
    return edges, lambda wanted: index.take(wanted - start >> shift)
