"""How much of a view is what: bytes and runs for each kind of fact, with its meaning in every semantics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blockstrata.facts import Mapping
from blockstrata.semantics import SEMANTICS

if TYPE_CHECKING:
    from blockstrata.guest import View


@dataclass(frozen=True, slots=True)
class Total:
    """One line of a summary.  ``length`` in bytes; ``flags`` by the name of the semantics."""

    length: int
    runs: int
    flags: dict[str, int]
    is_invalid: bool = False


def totals(view: View) -> list[Total]:
    """Return one line for each combination of flags in a view, the largest first, INVALID runs last."""
    lengths = view.extents.lengths
    invalid = view.extents.having(Mapping.INVALID)
    # one number a run, so that runs are told apart at once, not flag by flag
    keys = np.zeros(len(lengths), np.int64)
    for semantics in SEMANTICS:
        keys = keys << 8 | semantics.flags(view)
    keys = keys << 1 | invalid
    names = [semantics.name for semantics in SEMANTICS]
    found = []
    for key in np.unique(keys).tolist():
        chosen = keys == key
        flags = (key >> 1).to_bytes(len(names), "big")
        meaning = dict(zip(names, flags, strict=True))
        found.append(Total(int(lengths[chosen].sum()), int(chosen.sum()), meaning, bool(key & 1)))
    return sorted(found, key=lambda total: (total.is_invalid, -total.length))


def faults(view: View, most: int) -> list[str]:
    """Return where and why runs are INVALID, ``most`` lines of it at the most."""
    broken = np.flatnonzero(view.extents.having(Mapping.INVALID))[:most]
    starts = view.extents.edges[broken].tolist()
    layers = [view.layers[index] for index in view.source[broken].tolist()]
    return [
        f"guest offset {start:#x}: {layer.fault_at(start)}"
        for start, layer in zip(starts, layers, strict=True)
    ]
