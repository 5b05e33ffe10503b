"""Holes punched into an image's file behind QEMU's back, and when it notices: tab goes from one to the other.

::

    mail03.qcow2       three of its clusters punched
    mail03-dug.qcow2   after fallocate --dig-holes

QEMU asks the file about holes only if an image looks metadata-preallocated (docs/semantics.md, "RECURSE"): if
its file stores at least two clusters, and a tenth, fewer than it refers to.  Three in 69 are not enough, so
there the holes read as plain data; in the second image they are data and zero.
"""

from __future__ import annotations

from typing import Final

from blockstrata.formats.qcow2.author import Cluster, Data, Image, Preallocated
from blockstrata_viewer.scenarios.picture import clusters
from blockstrata_viewer.scenarios.scenario import Qcow2, Scenario

_SIZE: Final = 512 << 10
_CLUSTER_BITS: Final = 13

# in clusters of 8 KiB, 64 in all
_DRAWN: Final = {
    "mail03.qcow2": "D15 h1   D15 h1   D15 h1   D16",
    "mail03-dug.qcow2": "D14 h2   D12 h4   D8 h8   h12 D4",
}


_KINDS: Final[dict[str, Cluster]] = {"D": Data(b"mail03\n"), "h": Preallocated()}


SCENARIO: Final = Scenario(
    name="punched",
    title="A punched host file",
    summary="Holes in an image's own file: QEMU recurses into it once a tenth of it is missing.",
    layers=tuple(
        Qcow2(name, Image(_SIZE, _CLUSTER_BITS), clusters(drawn, _KINDS)) for name, drawn in _DRAWN.items()
    ),
    opened=tuple(_DRAWN),
)
