"""What stays of a region whose runs are given up: bytes of each kind, for each chunk of it.

Where cells are as large as chunks or larger, a strip is as exact as with all runs::

    runs     ├┼┼─┼┼┼──┼┼─┼─┼┼┼┼──┼─┤├──────── UNREAD ─────────┤
    chunks                          ├─ 3 GiB data ┼─ 4 GiB data┤
                                    │  1 GiB zero │            │
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from blockstrata.facts.codes import Traits

    Kind = tuple[int, Traits]
    """A fact code, and the traits of the layer that it is of."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackSummary:
    """A region of one track whose runs were given up.

    ``edges`` int64 (c + 1,), guest bytes; ``amounts`` int64 (c, kinds), the bytes of each of ``kinds`` in
    each chunk; ``runs``, how many there were; ``suppliers`` int64 (c, bands), of what the guest sees the
    bytes that each band of layers supplies.
    """

    edges: NDArray[np.int64]
    kinds: list[Kind]
    amounts: NDArray[np.int64]
    runs: int
    suppliers: NDArray[np.int64] | None = None

    def by(self, kinds: Sequence[Kind]) -> NDArray[np.int64]:
        """Return the amounts with one column for each of some kinds, among which are all of the summary's."""
        amounts = np.zeros((len(self.amounts), len(kinds)), np.int64)
        amounts[:, [kinds.index(kind) for kind in self.kinds]] = self.amounts
        return amounts


class SummarySums:
    """Prefix sums over the chunks of summaries: what these hold beyond what the runs in their place say.

    ``edges`` and ``beyond`` of each summary, ascending: int64 (c + 1,) guest bytes, int64 (c, classes) bytes.
    """

    def __init__(self, edges: Sequence[NDArray[np.int64]], beyond: Sequence[NDArray[np.int64]]) -> None:
        self._ends = np.concatenate([each[1:] for each in edges])
        sums = np.cumsum(np.concatenate(beyond), axis=0)
        self._sums = np.concatenate([np.zeros_like(sums[:1]), sums])

    def before(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the bytes beyond of chunks that end at or before each offset, int64 (m, classes)."""
        return np.asarray(self._sums[np.searchsorted(self._ends, offsets, side="right")], np.int64)

    def totals(self) -> NDArray[np.int64]:
        """Return the bytes beyond of all chunks, int64 (classes,)."""
        return np.asarray(self._sums[-1], np.int64)
