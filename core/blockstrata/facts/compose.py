"""Runs of a format put on the storage of the node below, which is asked at their host offsets.

::

    guest   ├──────── NORMAL @ 100 ────────┤
    below   … ─┤100    DATA    ├── HOLE ── …
    result  ├─ NORMAL on DATA ─┼ on HOLE ──┤
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import NO_HOST
from blockstrata.facts.extents import Extents, blocks
from blockstrata.facts.units import are_few, common_unit, in_units

_SEVERAL: Final = 0xFF
"""Stands for the storage of a unit that has more than one."""

_OVERLAP: Final = 1 << 22
"""Runs that composing may make beyond those of both sides; more than none where host ranges overlap."""


def compose(runs: Extents, ask: Callable[[int, int], Extents], unit: int = 1) -> Extents:
    """Return runs cut and marked by what lies at their host offsets; those without one stay as they are.

    ``ask(start, length)`` gives a window of host bytes; its storage goes into the facts here.  ``unit``: a
    power of two; it is quick where many host ranges do not cross a multiple of it.  ``MemoryError`` if host
    ranges overlap so much that a small image comes to millions of runs.
    """
    low, high = _host_range(runs)
    if low == high:
        return runs
    below = ask(low, high - low)
    facts, storage = runs.facts.copy(), below.facts & 0x7
    at = _compose_units(runs, below, unit, facts)
    if not len(at):
        return Extents(runs.edges, facts, runs.host)
    start = runs.host.take(at)
    end = start + runs.edges.take(at + 1) - runs.edges.take(at)
    first = _holding(below.edges, start)
    more = _holding(below.edges, end - 1) - first
    facts[at] |= storage.take(first)
    if not more.any():
        return Extents(runs.edges, facts, runs.host)
    if int(more.sum()) > len(below) + _OVERLAP:
        raise MemoryError
    # each edge below that lies inside a host range starts one run more
    cut = np.flatnonzero(more)
    cuts = more.take(cut)
    nth = np.arange(int(cuts.sum())) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    piece = np.repeat(first.take(cut), cuts) + 1 + nth
    run = np.repeat(at.take(cut), cuts)
    host = below.edges.take(piece)
    return Extents(
        np.insert(runs.edges, run + 1, runs.edges.take(run) + host - runs.host.take(run)),
        np.insert(facts, run + 1, runs.facts.take(run) | storage.take(piece)),
        np.insert(runs.host, run + 1, host),
    ).coalesce()


def _host_range(runs: Extents) -> tuple[int, int]:
    """Return the first host byte of all runs, and the first after them; both 0 if no run has one."""
    low, high = 1 << 63, 0
    for part in blocks(len(runs)):
        host = runs.host[part]
        # NO_HOST is the largest there is
        low = min(low, int(host.view(np.uint64).min()))
        ends = host + _lengths(runs, part)
        higher = (ends > high) & (host != NO_HOST)
        if higher.any():
            high = int(ends[higher].max())
    return (low, high) if high else (0, 0)


def _compose_units(runs: Extents, below: Extents, unit: int, facts: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Put storage into the facts of runs that lie in one unit each, and return the others, (m,).

    That is, of those that have a host offset, in units of one storage: these are looked up in a table::

        below    ├─────── DATA ───────┼─ HOLE ──┤
        units    ├────┼────┼────┼────┼────┼────┤
        table     D    D    D    D    ?    H
    """
    base, last = below.start // unit, -(-below.end // unit)
    if not are_few(last - base, len(runs)):
        return np.flatnonzero(runs.host != NO_HOST)
    edges = below.edges[1:-1]
    # runs without a host offset find the entry before the first
    table = np.zeros(1 + last - base, np.uint8)
    table[1:] = in_units(below.facts & 0x7, edges, base * unit, unit, last - base)
    table[1 + edges[edges % unit != 0] // unit - base] = _SEVERAL
    shift, others = unit.bit_length() - 1, []
    for part in blocks(len(runs)):
        host = runs.host[part]
        storage = table.take((host >> shift) - (base - 1), mode="clip")
        is_other = (host & (unit - 1)) + _lengths(runs, part) > unit
        is_other &= host != NO_HOST
        is_other |= storage == _SEVERAL
        storage[is_other] = 0
        facts[part] |= storage
        others.append(np.flatnonzero(is_other) + part.start)
    return np.concatenate(others)


def _lengths(runs: Extents, part: slice) -> NDArray[np.int64]:
    return runs.edges[part.start + 1 : part.stop + 1] - runs.edges[part]


def _holding(edges: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.signedinteger]:
    """Return for each of n > 0 offsets inside a window the index of the run that holds it, (n,).

    The same as a search for each; where offsets are many and share a unit, the units are counted off once.
    """
    low, high = int(offsets.min()), int(offsets.max())
    unit = common_unit([offsets - low])
    units = (high - low) // unit + 1 if unit else 1
    if not unit or not are_few(units, len(offsets)):
        return np.searchsorted(edges, offsets, side="right") - 1
    first, last = np.searchsorted(edges, [low, high], side="right").tolist()
    runs = in_units(np.arange(first - 1, last, dtype=np.int32), edges[first:last], low, unit, units)
    return runs.take((offsets - low) // unit)
