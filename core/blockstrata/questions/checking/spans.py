"""Regions of host bytes as runs of clusters that do not overlap, each with how many regions are in it.

Thousands of snapshots may name one sparse L1 table, or tables that begin a sector apart::

    regions   ├─── A ────┤
                   ├──── B ────┤
              ├─── C ────┤
    spans     ├ 2 ─┼ 3 ──┼─ 1 ─┤
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Spans(NamedTuple):
    """n runs of clusters, ascending: from ``first`` up to ``last``, in ``times`` regions, int64 (n,) each."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    times: NDArray[np.int64]


def spans_of(host: NDArray[np.int64], length: NDArray[np.int64], cluster_bits: int) -> Spans:
    """Return the spans of regions of host bytes, int64 (m,) each; m and all lengths are above 0."""
    first, last = host >> cluster_bits, (host + length - 1 >> cluster_bits) + 1
    edges, place = np.unique(np.concatenate((first, last)), return_inverse=True)
    begun, ended = (
        np.bincount(each, minlength=len(edges)) for each in (place[: len(host)], place[len(host) :])
    )
    times = np.cumsum(begun - ended)[:-1]
    used = times > 0
    return Spans(edges[:-1][used], edges[1:][used], times[used])
