"""Two machines on one compressed golden image: tab goes from the one to the other.

::

    web04.qcow2   web05.qcow2    16 MiB each, written since
          debian-12.qcow2        16 MiB, compressed: a few KiB on disk

Compressed clusters have no offset that could be read raw, so their row has storage but no O.  What a machine
writes is stored as it is, in its own image: the golden one stays packed.
"""

from __future__ import annotations

from typing import Final

from blockstrata.formats.qcow2.author import Compressed, Data, Image, ZeroPlain
from blockstrata_viewer.scenarios.picture import clusters
from blockstrata_viewer.scenarios.scenario import Qcow2, Scenario

_GOLDEN: Final = "debian-12.qcow2"

_SIZE: Final = 16 << 20

# in clusters of 64 KiB, 256 in all
_GOLDEN_DRAWN: Final = "C4 .4 C40 P4 C20 P8   C24 P4 C12 P4 C28 .4   C8 P8 C16 .12 C4 .16   .52"
_MACHINES_DRAWN: Final = {
    "web04.qcow2": ".8 D2 .86   D2 .38   .32 D2 .14   .32 D1 .1",
    "web05.qcow2": ".8 D2 .30   D2 .54   .32 D2 .28   .50 D1 .46",
}


SCENARIO: Final = Scenario(
    name="golden-image",
    title="A compressed golden image",
    summary="Two overlays on one compressed backing file, whose data has storage but no offset.",
    layers=(
        Qcow2(
            _GOLDEN,
            Image(_SIZE),
            clusters(_GOLDEN_DRAWN, {"C": Compressed(b"debian 12, as installed\n"), "P": ZeroPlain()}),
        ),
        *(
            Qcow2(
                name,
                Image(_SIZE, backing=_GOLDEN, backing_format="qcow2"),
                clusters(drawn, {"D": Data(f"{name}, written since\n".encode())}),
            )
            for name, drawn in _MACHINES_DRAWN.items()
        ),
    ),
    opened=tuple(_MACHINES_DRAWN),
)
