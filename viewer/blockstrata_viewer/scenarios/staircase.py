"""A disk that grew by a quarter with every snapshot: each backing file is shorter than what stands on it.

::

    home-2024.qcow2   1 MiB
    home-2023.qcow2   768 KiB
    home-2022.qcow2   512 KiB
    home-2021.qcow2   256 KiB

Past a backing file's end the layer above has nothing to defer to, and the block layer supplies zeroes in its
name: ZERO without ALLOCATED today, LOCAL and ZERO in the proposal.
"""

from __future__ import annotations

from typing import Final

from blockstrata.formats.qcow2.author import Data, Image
from blockstrata_viewer.scenarios.picture import clusters
from blockstrata_viewer.scenarios.scenario import Qcow2, Scenario

_CLUSTER: Final = 16 << 10
_CLUSTER_BITS: Final = 14

# in clusters of 16 KiB, 16 more each year
_DRAWN: Final = {
    2021: "D4 .4 D4 .4",
    2022: ".4 D2 .10   .4 D4 .8",
    2023: ".10 D2 .4   .10 D2 .4   .4 D4 .8",
    2024: "D1 .15   .16   .10 D2 .4   .4 D4 .8",
}


def _layer(year: int) -> Qcow2:
    """Return the disk as it has been since some year."""
    below = f"home-{year - 1}.qcow2" if year > min(_DRAWN) else None
    size = 16 * (year - min(_DRAWN) + 1) * _CLUSTER
    return Qcow2(
        f"home-{year}.qcow2",
        Image(size, _CLUSTER_BITS, backing=below, backing_format="qcow2" if below else None),
        clusters(_DRAWN[year], {"D": Data(f"home, written in {year}\n".encode())}),
    )


SCENARIO: Final = Scenario(
    name="staircase",
    title="Short backing files",
    summary="Overlays longer than their backing files; past the end the block layer adds zeroes.",
    layers=tuple(map(_layer, _DRAWN)),
)
