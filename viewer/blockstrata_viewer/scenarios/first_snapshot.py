"""One snapshot: the disk stands still from Monday on, what is written goes to a new image on top of it.

::

    mail01-monday.qcow2   1 MiB   what was written since
    mail01.qcow2          1 MiB   the disk as it stood on Monday

Where the guest wrote over old data, the old data is still there, and in nobody's way; where it wrote for the
first time, the lower image has nothing.
"""

from typing import Final

from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.scenarios.picture import stack
from blockstrata_viewer.scenarios.scenario import Scenario

# in clusters of 16 KiB
_LAYERS: Final = (
    ("mail01.qcow2", "D2 .2 D12 .4 D3 .1 D8   .4 D4 .8 D4 .12", "mail01, up to Monday\n"),
    ("mail01-monday.qcow2", ".1 D1 .6 D4 .6 D6 .12   D2 .6 D6 .4 D2 .8", "mail01, since Monday\n"),
)

SCENARIO: Final = Scenario(
    name="first-snapshot",
    title="The first snapshot",
    summary="An overlay on a backing file: what it allocates is its own, the rest is read below.",
    opens=Aim(at=330 << 10),
    layers=tuple(stack(_LAYERS, cluster_bits=14)),
)
