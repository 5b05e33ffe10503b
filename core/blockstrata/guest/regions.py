"""Where to cut a disk so that each part takes bounded work and bounded memory, whatever its size.

The windows of all layers are laid over one another; a region ends where so many windows' work is done::

    active   ├───── 1 ─────┼── 1 ──┼──────── 1 ────────┤
    backing  ├── 1 ──┼──────────── 1 ─────────┼─── 1 ──┤
    regions  ├─────────────────┼──────────────┼────────┤
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from blockstrata.facts.codes import SECTOR

_MOST_CUTS: Final = 1 << 12
"""Offsets at which a disk may be cut; they are multiples of a power of two of bytes."""
_LAYERS_A_WINDOW: Final = 4

Windows = list[tuple[int, int, int]]
"""What :meth:`Driver.windows` yields: start, length, tables."""


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes ``start`` up to ``end``, which take about so many ``tables`` of all layers to read."""

    start: int
    end: int
    tables: int

    def within(self, size: int) -> tuple[int, int]:
        """Return start and length of what lies in a layer of so many bytes; nothing lies at its end."""
        start = min(self.start, size)
        return start, min(self.end, size) - start


def regions(layers: Sequence[Windows], start: int, end: int, most: int | None = None) -> list[Region]:
    """Return regions that cover ``start`` up to ``end`` bytes, none if that is nothing.

    ``layers`` are the windows of each layer.  A region takes about ``most`` windows' work, those of all
    layers together, or what lies between two offsets at which the disk may be cut.  If it is not given, one
    window's for every four layers: in less, the calls would cost more than the work.
    """
    if start >= end:
        return []
    if most is None:
        most = -(-len(layers) // _LAYERS_A_WINDOW)
    size = max(end, *(window[0] + window[1] for windows in layers for window in windows[-1:]), 1)
    grain = max(SECTOR, 1 << (-(-size // _MOST_CUTS) - 1).bit_length())
    offsets = np.append(np.arange(-(-size // grain), dtype=np.int64) * grain, size)
    work, tables = np.zeros((2, len(offsets)))
    for windows in layers:
        starts, lengths, counts = np.array(windows, np.int64).reshape(-1, 3).T
        if not counts.any():
            continue
        edges = np.append(starts, starts[-1] + lengths[-1])
        work += np.interp(offsets, edges, np.arange(len(edges)))
        tables += np.interp(offsets, edges, np.append(0, np.cumsum(counts)))
    done = np.floor(work / most)
    cuts = offsets[1:-1][done[1:-1] != done[:-2]]
    edges = np.concatenate([[start], cuts[(cuts > start) & (cuts < end)], [end]])
    read = np.diff(np.rint(np.interp(edges, offsets, tables)).astype(np.int64))
    return [
        Region(first, last, count)
        for first, last, count in zip(edges[:-1].tolist(), edges[1:].tolist(), read.tolist(), strict=True)
    ]
