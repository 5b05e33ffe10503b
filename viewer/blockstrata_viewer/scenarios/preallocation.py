"""The four modes of preallocation side by side: tab goes from one to the next.

::

    mail02-off.qcow2        nothing but what the guest wrote
    mail02-metadata.qcow2   every cluster has its place; the file has holes there
    mail02-falloc.qcow2     the places are reserved in the file system, and unwritten
    mail02-full.qcow2       the places are full of zeroes

The guest wrote the same clusters in each.  What SEEK_HOLE calls a hole in the third, FIEMAP tells from the
holes of the second (``--storage fiemap``, on a file system that has it).
"""

from typing import Final

from blockstrata_viewer.scenarios.picture import kinds, qcow2
from blockstrata_viewer.scenarios.scenario import Scenario

# in clusters of 8 KiB: D the guest wrote, ? it did not
_DRAWN: Final = "D6 ?10   D2 ?6 D4 ?4   ?8 D3 ?5   ?4 D1 ?11"
_UNWRITTEN: Final = {"off": ".", "metadata": "h", "falloc": "f", "full": "N"}
"""What QEMU makes of the clusters that the guest did not write, by the mode."""

_LAYERS: Final = tuple(
    qcow2(f"mail02-{mode}.qcow2", _DRAWN.replace("?", letter), kinds(D=b"mail02\n"), cluster_bits=13)
    for mode, letter in _UNWRITTEN.items()
)

SCENARIO: Final = Scenario(
    name="preallocation",
    title="Preallocation side by side",
    summary="preallocation=off, metadata, falloc, full: who reserves space, and which flag tells.",
    layers=_LAYERS,
    opened=tuple(layer.name for layer in _LAYERS),
)
