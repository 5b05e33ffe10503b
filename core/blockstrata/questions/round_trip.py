"""What becomes of a layer's meaning on the way through NBD: server, wire, client.

The rules are those of docs/semantics.md, "NBD".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blockstrata.guest.view import View
from blockstrata.semantics.nbd import Wire


@dataclass(frozen=True, slots=True, eq=False)
class RoundTrip:
    """n runs of a view as they cross the wire.

    ``start``, ``length`` and ``depth`` int64 of shape (n,), bytes; ``means`` and ``concludes`` uint8, flags
    of ``wire.base``; ``said`` uint8, HOLE and ZERO; ``lost`` uint8, the flags of ``wire.base`` in which the
    two ends differ.
    """

    wire: Wire
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    depth: NDArray[np.int64]
    means: NDArray[np.uint8]
    said: NDArray[np.uint8]
    concludes: NDArray[np.uint8]
    lost: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.start)

    @property
    def lossy_runs(self) -> int:
        """How many runs mean something else on the far side."""
        return int(np.count_nonzero(self.lost))

    @property
    def lossy_bytes(self) -> int:
        """How many bytes they cover."""
        return int(self.length[self.lost != 0].sum())

    def losses(self) -> list[tuple[str, int, int]]:
        """Return each way in which runs are lossy, in words, with its runs and bytes."""
        kinds = np.unique(np.stack([self.lost, self.concludes])[:, self.lost != 0], axis=1).T.tolist()
        found: dict[str, tuple[int, int]] = {}
        for lost, concludes in kinds:
            chosen = (self.lost == lost) & (self.concludes == concludes)
            name = " ".join(self.wire.changes(lost, concludes))
            runs, size = found.get(name, (0, 0))
            found[name] = runs + int(chosen.sum()), size + int(self.length[chosen].sum())
        return [(name, *amounts) for name, amounts in found.items()]


def round_trip(view: View, wire: Wire) -> RoundTrip:
    """Send a view through a mapping; ``BadImageError`` if a run is INVALID.

    Neighbours of one depth that mean the same become one run: there is no offset on the wire to keep them
    apart.
    """
    view.require_valid()
    means, said = wire.base.flags(view), wire.server.flags(view)
    first, edges = view.extents.stretches(means, said, view.depth)
    means, said = means[first], said[first]
    return RoundTrip(
        wire,
        edges[:-1],
        np.diff(edges),
        view.depth[first],
        means,
        said,
        wire.client(said),
        wire.lost(means, said),
    )
