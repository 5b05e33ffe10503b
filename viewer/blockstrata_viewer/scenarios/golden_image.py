"""Two machines on one compressed golden image: tab goes from the one to the other.

::

    web04.qcow2   web05.qcow2    16 MiB each, written since
          debian-12.qcow2        16 MiB, compressed: a few KiB on disk

Compressed clusters have no offset that could be read raw, so their row has storage but no O.  What a machine
writes is stored as it is, in its own image: the golden one stays packed.
"""

from typing import Final

from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.scenarios.picture import kinds, qcow2
from blockstrata_viewer.scenarios.scenario import Scenario

# in clusters of 64 KiB
_GOLDEN_DRAWN: Final = "C4 .4 C40 P4 C20 P8   C24 P4 C12 P4 C28 .4   C8 P8 C16 .12 C4 .16   .36"
_MACHINES_DRAWN: Final = {
    "web04.qcow2": ".8 D2 .86   D2 .38   .32 D2 .14   .32 D1 .39",
    "web05.qcow2": ".8 D2 .30   D2 .54   .32 D2 .28   .50 D1 .47",
}

_GOLDEN: Final = qcow2(
    "debian-12.qcow2", _GOLDEN_DRAWN, kinds(C=b"debian 12, as installed\n"), cluster_bits=16
)

SCENARIO: Final = Scenario(
    name="golden-image",
    title="A compressed golden image",
    summary="Two overlays on one compressed backing file, whose data has storage but no offset.",
    opens=Aim(at=1 << 20, layer=1),
    layers=(
        _GOLDEN,
        *(
            qcow2(name, drawn, kinds(D=f"{name}, written since\n".encode()), _GOLDEN, cluster_bits=16)
            for name, drawn in _MACHINES_DRAWN.items()
        ),
    ),
    opened=tuple(_MACHINES_DRAWN),
)
