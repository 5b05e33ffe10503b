"""How much of each class of run lies in each cell: the numbers behind a frame.

Sums are kept for every block of runs and completed inside a block, so a frame costs the same for ten runs and
for millions, and the sums stay small beside the runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from blockstrata_viewer.folds import Folded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from blockstrata_viewer.viewport import Viewport

_BLOCK: Final = 16
"""Runs a block."""


class Shares:
    """Prefix sums over n runs: ``edges`` int64 (n + 1,) in bytes; ``classes`` (n,), each below ``kinds``.

    Where runs were given up, chunks stand for them (:meth:`fold`).
    """

    def __init__(self, edges: NDArray[np.int64], classes: NDArray[np.unsignedinteger], kinds: int) -> None:
        self.edges = edges
        self.classes = classes
        self.kinds = kinds
        blocks = -(-len(classes) // _BLOCK)
        lengths = np.diff(edges)
        self._folded: Folded | None = None
        self._kept: tuple[Viewport, NDArray[np.int64], NDArray[np.int64]] | None = None
        self._sums = np.zeros((blocks + 1, kinds), np.int64)
        for kind in range(kinds):
            padded = np.zeros(blocks * _BLOCK, np.int64)
            padded[: len(lengths)] = np.where(classes == kind, lengths, 0)
            self._sums[1:, kind] = np.cumsum(padded.reshape(-1, _BLOCK).sum(axis=1))

    def fold(self, edges: Sequence[NDArray[np.int64]], amounts: Sequence[NDArray[np.int64]]) -> None:
        """Have chunks stand for the runs in their place, which say less: ``Fold.edges``, ``Fold.by``."""
        beyond = [held - self.between(chunks) for chunks, held in zip(edges, amounts, strict=True)]
        self._folded = Folded(edges, beyond) if beyond else None

    def before(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the bytes of each class in runs before offsets, int64 (m, kinds); these must be inside."""
        if not len(self.classes):
            return np.zeros((len(offsets), self.kinds), np.int64)
        runs = np.clip(np.searchsorted(self.edges, offsets, side="right") - 1, 0, len(self.classes) - 1)
        first = runs // _BLOCK * _BLOCK
        index = first[:, None] + np.arange(_BLOCK)
        inside = np.minimum(index, len(self.classes) - 1)
        ends = np.minimum(self.edges[inside + 1], offsets[:, None])
        lengths = np.where(index <= runs[:, None], ends - self.edges[inside], 0)
        sums = self._sums[runs // _BLOCK].copy()
        np.add.at(sums, (np.arange(len(offsets))[:, None], self.classes[inside]), lengths)
        return np.asarray(sums, np.int64)

    def between(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the bytes of each class between neighbouring offsets, int64 (m - 1, kinds)."""
        before = self.before(offsets)
        if self._folded:
            before += self._folded.before(offsets)
        return np.asarray(np.diff(before, axis=0), np.int64)

    def columns(self, viewport: Viewport) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the edges of a viewport's columns, and the bytes of each class in each column.

        Edges int64 (columns + 1,), kept inside the runs; bytes int64 (columns, kinds).  The last answer is
        kept, because most keys change neither the viewport nor the runs.
        """
        if self._kept is None or self._kept[0] != viewport:
            size = int(self.edges[-1])
            past = (
                size >> viewport.power
            )  # from this cell on, columns start at the end; cells stay below 2**63
            cells = np.minimum(viewport.left + np.arange(viewport.columns + 1, dtype=np.int64), past + 1)
            edges = np.where(cells > past, size, cells << viewport.power)
            self._kept = viewport, edges, self.between(edges)
        _, edges, amounts = self._kept
        return edges, amounts

    def between_list(self, offsets: list[int]) -> list[list[int]]:
        """Return the same for offsets in a list, as lists."""
        found: list[list[int]] = self.between(np.array(offsets, np.int64)).tolist()
        return found

    def totals(self) -> NDArray[np.int64]:
        """Return the bytes of each class, int64 (kinds,)."""
        runs = np.asarray(self._sums[-1], np.int64)
        return runs + self._folded.totals() if self._folded else runs
