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

from __future__ import annotations

from typing import Final

from blockstrata.formats.qcow2.author import (
    Cluster,
    Data,
    Image,
    Preallocated,
    Subclusters,
    ZeroAlloc,
    ZeroPlain,
)
from blockstrata_viewer.scenarios.picture import blocks, clusters
from blockstrata_viewer.scenarios.scenario import Qcow2, Raw, Scenario

_BASE: Final = "ci01.raw"
_MIDDLE: Final = "ci01-monday.qcow2"

_CLUSTER: Final = 16 << 10
_CLUSTER_BITS: Final = 14

# in clusters of 16 KiB: 64 in the active layer, 56 in the middle, 48 in the base
_BASE_DRAWN: Final = "D8     D8     D8     D .7   D8     D8"
_MIDDLE_DRAWN: Final = ".8     .8     .8     .8     . h7   . z7   D .7"
_ACTIVE_DRAWN: Final = ". P7   . Z7   . N7   .8     .8     .8     .8     D .3 R4"

_MIDDLE_KINDS: Final[dict[str, Cluster]] = {
    "h": Preallocated(),
    "z": ZeroAlloc(),
    "D": Data(b"ci01, up to Monday\n"),
}
_ACTIVE_KINDS: Final[dict[str, Cluster]] = {
    "D": Data(b"ci01, today\n"),
    "N": Data(b"\0"),
    "P": ZeroPlain(),
    "Z": ZeroAlloc(b"ci01, discarded today\n"),
    "R": Subclusters("U" * 32, b"ci01, of a cluster used before\n"),
}


SCENARIO: Final = Scenario(
    name="every-zero",
    title="Every zero there is",
    summary="Nine ways to read as zero, from a plain zero cluster to the end of a backing file.",
    layers=(
        Raw(_BASE, 48 * _CLUSTER, blocks(_BASE_DRAWN, _CLUSTER, b"ci01, as installed\n")),
        Qcow2(
            _MIDDLE,
            Image(56 * _CLUSTER, _CLUSTER_BITS, backing=_BASE, backing_format="raw"),
            clusters(_MIDDLE_DRAWN, _MIDDLE_KINDS),
        ),
        Qcow2(
            "ci01-today.qcow2",
            Image(64 * _CLUSTER, _CLUSTER_BITS, extended_l2=True, backing=_MIDDLE, backing_format="qcow2"),
            clusters(_ACTIVE_DRAWN, _ACTIVE_KINDS),
        ),
    ),
)
