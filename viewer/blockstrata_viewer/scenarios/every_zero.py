"""Every way in which bytes can read as zero, side by side, with a cluster of data before each.

::

    ci01-today.qcow2   1 MiB     extended L2 entries
    ci01-monday.qcow2  896 KiB   looks metadata-preallocated (docs/semantics.md, "RECURSE")
    ci01.raw           768 KiB   with a hole

From the left: plain zero clusters over data of the layer below; allocated zero clusters over stale bytes;
zeroes that were written, which no flag tells from other data; a hole in the raw file; preallocated clusters,
holes in their file; allocated zero clusters over a hole; and the end, where backing files are shorter than
what stands on them and the block layer makes the zeroes up: for the middle layer, for the active one, and
for the active one over host clusters that it has reserved.
"""

from typing import Final

from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.scenarios.picture import kinds, qcow2, raw
from blockstrata_viewer.scenarios.scenario import Scenario

# in clusters of 16 KiB
_BASE_DRAWN: Final = "D8     D8     D8     D .7   D8     D8"
_MIDDLE_DRAWN: Final = ".8     .8     .8     .8     . h7   . z7   D .7"
_ACTIVE_DRAWN: Final = ". P7   . Z7   . N7   .8     .8     .8     .8     D .3 R4"

_MIDDLE_KINDS: Final = kinds(D=b"ci01, up to Monday\n")
_ACTIVE_KINDS: Final = kinds(
    D=b"ci01, today\n", Z=b"ci01, discarded today\n", R=b"ci01, of a cluster used before\n"
)

_BASE: Final = raw("ci01.raw", _BASE_DRAWN, 16 << 10, b"ci01, as installed\n")
_MIDDLE: Final = qcow2("ci01-monday.qcow2", _MIDDLE_DRAWN, _MIDDLE_KINDS, _BASE, cluster_bits=14)
_ACTIVE: Final = qcow2(
    "ci01-today.qcow2", _ACTIVE_DRAWN, _ACTIVE_KINDS, _MIDDLE, cluster_bits=14, extended_l2=True
)

SCENARIO: Final = Scenario(
    name="every-zero",
    title="Every zero there is",
    summary="Nine ways to read as zero, from a plain zero cluster to the end of a backing file.",
    opens=Aim(at=160 << 10),
    layers=(_BASE, _MIDDLE, _ACTIVE),
)
