"""The four modes of preallocation side by side: tab goes from one to the next.

::

    mail02-off.qcow2        nothing but what the guest wrote
    mail02-metadata.qcow2   every cluster has its place; the file has holes there
    mail02-falloc.qcow2     the places are reserved in the file system, and unwritten
    mail02-full.qcow2       the places are full of zeroes

The guest wrote the same clusters in each.  What SEEK_HOLE calls a hole in the third, FIEMAP tells from the
holes of the second (``--storage fiemap``, on a file system that has it).
"""

from __future__ import annotations

from typing import Final

from blockstrata.formats.qcow2.author import Cluster, Data, Image, Preallocated
from blockstrata_viewer.scenarios.picture import clusters
from blockstrata_viewer.scenarios.scenario import Qcow2, Scenario

_SIZE: Final = 512 << 10
_CLUSTER_BITS: Final = 13

# in clusters of 8 KiB, 64 in all: W the guest wrote, f it did not
_DRAWN: Final = "W6 f10   W2 f6 W4 f4   f8 W3 f5   f4 W1 f11"

_WRITTEN: Final = Data(b"mail02\n")
_MODES: Final[dict[str, dict[str, Cluster]]] = {
    "off": {"W": _WRITTEN},
    "metadata": {"W": _WRITTEN, "f": Preallocated()},
    "falloc": {"W": _WRITTEN, "f": Preallocated(reserved=True)},
    "full": {"W": _WRITTEN, "f": Data(b"\0")},
}


_LAYERS: Final = tuple(
    Qcow2(
        f"mail02-{mode}.qcow2",
        Image(_SIZE, _CLUSTER_BITS),
        clusters(_DRAWN if "f" in kinds else _DRAWN.replace("f", "."), kinds),
    )
    for mode, kinds in _MODES.items()
)

SCENARIO: Final = Scenario(
    name="preallocation",
    title="Preallocation side by side",
    summary="preallocation=off, metadata, falloc, full: who reserves space, and which flag tells.",
    layers=_LAYERS,
    opened=tuple(layer.name for layer in _LAYERS),
)
