"""A disk that grew by a quarter with every snapshot: each backing file is shorter than what stands on it.

::

    home-2024.qcow2   1 MiB
    home-2023.qcow2   768 KiB
    home-2022.qcow2   512 KiB
    home-2021.qcow2   256 KiB

Past a backing file's end the layer above has nothing to defer to, and the block layer supplies zeroes in its
name: ZERO without ALLOCATED today, LOCAL and ZERO in the proposal.
"""

from typing import Final

from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.scenarios.picture import stack
from blockstrata_viewer.scenarios.scenario import Scenario

# in clusters of 16 KiB, 16 more each year
_DRAWN: Final = {
    2021: "D4 .4 D4 .4",
    2022: ".4 D2 .10   .4 D4 .8",
    2023: ".10 D2 .4   .10 D2 .4   .4 D4 .8",
    2024: "D1 .15   .16   .10 D2 .4   .4 D4 .8",
}

SCENARIO: Final = Scenario(
    name="staircase",
    title="Short backing files",
    summary="Overlays longer than their backing files; past the end the block layer adds zeroes.",
    opens=Aim(at=784 << 10),
    layers=tuple(
        stack(
            ((f"home-{year}.qcow2", drawn, f"home, written in {year}\n") for year, drawn in _DRAWN.items()),
            cluster_bits=14,
        )
    ),
)
