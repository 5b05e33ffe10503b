"""How much of a view is what: bytes and runs for each kind of fact, with its meaning in every semantics."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from blockstrata.extents import Extents, blocks
from blockstrata.facts import CODES, NO_HOST, Mapping
from blockstrata.guest import View
from blockstrata.semantics import SEMANTICS


@dataclass(frozen=True, slots=True)
class Total:
    """One line of a summary.  ``length`` in bytes; ``flags`` by the name of the semantics."""

    length: int
    runs: int
    flags: dict[str, int]
    is_invalid: bool = False


def totals(view: View) -> list[Total]:
    """Return one line for each combination of flags in a view, the largest first, INVALID runs last."""
    # runs of one fact and layer mean the same: one of each stands for all
    runs, sums = np.zeros((2, len(view.layers) * CODES), np.int64)
    for part in blocks(len(view.extents)):
        keys = view.source[part] * CODES + view.extents.facts[part]
        runs += np.bincount(keys, minlength=len(runs))
        np.add.at(sums, keys, np.diff(view.extents.edges[part.start : part.stop + 1]))
    found = np.flatnonzero(runs)
    each = Extents(
        np.arange(len(found) + 1), (found % CODES).astype(np.uint8), np.full(len(found), NO_HOST, np.int64)
    )
    of_each = View(each, found // CODES, found // CODES, view.layers, view.in_place)
    flags = [semantics.flags(of_each).tolist() for semantics in SEMANTICS]
    names = [semantics.name for semantics in SEMANTICS]
    by_meaning: dict[tuple[int, ...], Total] = {}
    for key, is_invalid, *said in zip(
        found.tolist(), each.having(Mapping.INVALID).tolist(), *flags, strict=True
    ):
        meaning = (*said, is_invalid)
        before = by_meaning.get(meaning, Total(0, 0, dict(zip(names, said, strict=True)), is_invalid))
        by_meaning[meaning] = replace(
            before, length=before.length + int(sums[key]), runs=before.runs + int(runs[key])
        )
    in_order = [by_meaning[meaning] for meaning in sorted(by_meaning)]
    return sorted(in_order, key=lambda total: (total.is_invalid, -total.length))


def faults(view: View, most: int) -> list[str]:
    """Return where and why runs are INVALID, ``most`` lines of it at the most."""
    broken = np.flatnonzero(view.extents.having(Mapping.INVALID))[:most]
    starts = view.extents.edges[broken].tolist()
    layers = [view.layers[index] for index in view.source[broken].tolist()]
    return [
        f"guest offset {start:#x}: {layer.fault_at(start)}"
        for start, layer in zip(starts, layers, strict=True)
    ]
