"""Holes punched into an image's file behind QEMU's back, and when it notices: tab goes from one to the other.

::

    mail03.qcow2       three of its clusters punched
    mail03-dug.qcow2   after fallocate --dig-holes

QEMU asks the file about holes only if an image looks metadata-preallocated (docs/semantics.md, "RECURSE"): if
its file stores at least two clusters, and a tenth, fewer than it refers to.  Three in 69 are not enough, so
there the holes read as plain data; in the second image they are data and zero.
"""

from typing import Final

from blockstrata_viewer.scenarios.picture import kinds, qcow2
from blockstrata_viewer.scenarios.scenario import Scenario

# in clusters of 8 KiB
_DRAWN: Final = {
    "mail03.qcow2": "D15 h1   D15 h1   D15 h1   D16",
    "mail03-dug.qcow2": "D14 h2   D12 h4   D8 h8   h12 D4",
}

SCENARIO: Final = Scenario(
    name="punched",
    title="A punched host file",
    summary="Holes in an image's own file: QEMU recurses into it once a tenth of it is missing.",
    layers=tuple(qcow2(name, drawn, kinds(D=b"mail03\n"), cluster_bits=13) for name, drawn in _DRAWN.items()),
    opened=tuple(_DRAWN),
)
