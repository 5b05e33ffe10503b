"""How much of what there is: bytes and runs for each kind of fact, with its meaning in every semantics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from blockstrata.facts.codes import CODES, NO_HOST, Mapping, is_lost, mapping_of
from blockstrata.facts.extents import Extents, blocks, further
from blockstrata.graph.chain import Layer
from blockstrata.guest.view import View
from blockstrata.semantics import SEMANTICS

_MOST_FAULTS: Final = 5
_DATA: Final = (Mapping.NORMAL, Mapping.OPAQUE_DATA)
"""Mappings that tell nothing of why an offset is not usable, as COMPRESSED does."""


@dataclass(frozen=True, slots=True)
class Total:
    """One line of a summary.  ``length`` in bytes; ``flags`` by the name of the semantics."""

    length: int
    runs: int
    flags: dict[str, int]
    is_invalid: bool = False
    lost: int | None = None
    """The fact code, where that is lost."""
    is_encrypted: bool = False
    """Data that has no usable offset because its layer is encrypted."""


class Summary:
    """Adds up views that follow one another, of the same layers; each may be forgotten once it is added."""

    def __init__(self, layers: tuple[Layer, ...], *, in_place: bool = False) -> None:
        self.faults: list[str] = []
        """Where and why the first runs that are INVALID are so."""
        self._layers = layers
        self._in_place = in_place
        self._sums: dict[int, tuple[int, int]] = {}
        """Bytes and runs by layer times CODES plus fact."""
        self._open: tuple[int, int] | None = None
        """That of the last run, and the host byte after it."""

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return sum(runs for _, runs in self._sums.values())

    def length_of(self, mapping: Mapping) -> int:
        """Return how many bytes have a mapping."""
        return sum(length for key, (length, _) in self._sums.items() if mapping_of(key % CODES) is mapping)

    def add(self, view: View) -> None:
        """Add the next view."""
        extents = view.extents
        if not len(extents):
            return
        # the view of one layer takes no more where there are thousands
        top, bottom = int(view.source.min()), int(view.source.max())
        runs, sums = np.zeros((2, (bottom + 1 - top) * CODES), np.int64)
        for part in blocks(len(extents)):
            keys = (view.source[part] - top) * CODES + extents.facts[part]
            runs += np.bincount(keys, minlength=len(runs))
            np.add.at(sums, keys, np.diff(extents.edges[part.start : part.stop + 1]))
        for nth in np.flatnonzero(runs).tolist():
            key = top * CODES + nth
            before = self._sums.get(key, (0, 0))
            self._sums[key] = before[0] + int(sums[nth]), before[1] + int(runs[nth])
        first, last = (int(view.source[run]) * CODES + int(extents.facts[run]) for run in (0, -1))
        goes_on = self._open == (first, int(extents.host[0]))
        if goes_on:
            # one run, of which the view before had the start
            self._sums[first] = self._sums[first][0], self._sums[first][1] - 1
        self._open = last, int(further(extents.host[-1:], extents.end - extents.edges[-2:-1])[0])
        self._explain(view, 1 if goes_on else 0)

    def _explain(self, view: View, since: int) -> None:
        broken = since + np.flatnonzero(view.extents.having(Mapping.INVALID)[since:])
        for run in broken[: _MOST_FAULTS - len(self.faults)].tolist():
            start, layer = int(view.extents.edges[run]), view.layers[int(view.source[run])]
            self.faults.append(f"guest offset {start:#x}: {layer.fault_at(start)}")

    def totals(self) -> list[Total]:
        """Return one line for each combination of flags, the largest first, INVALID runs last."""
        keys = np.array(sorted(self._sums), np.int64)
        # runs of one fact and layer mean the same: one of each stands for all
        each = Extents(
            np.arange(len(keys) + 1), (keys % CODES).astype(np.uint8), np.full(len(keys), NO_HOST, np.int64)
        )
        of_each = View(each, keys // CODES, keys // CODES, self._layers, self._in_place)
        flags = [semantics.flags(of_each).tolist() for semantics in SEMANTICS]
        names = [semantics.name for semantics in SEMANTICS]
        by_meaning: dict[tuple[int, ...], Total] = {}
        for key, is_invalid, *said in zip(
            keys.tolist(), each.having(Mapping.INVALID).tolist(), *flags, strict=True
        ):
            code = key % CODES
            lost = code if is_lost(code) else None
            traits = self._layers[key // CODES].node.read_traits()
            is_encrypted = traits.encrypted and mapping_of(code) in _DATA
            meaning = (*said, is_invalid, lost or 0, is_encrypted)
            nothing = Total(0, 0, dict(zip(names, said, strict=True)), is_invalid, lost, is_encrypted)
            before = by_meaning.get(meaning, nothing)
            length, runs = self._sums[key]
            by_meaning[meaning] = replace(before, length=before.length + length, runs=before.runs + runs)
        in_order = [by_meaning[meaning] for meaning in sorted(by_meaning)]
        return sorted(in_order, key=lambda total: (total.is_invalid, -total.length))
