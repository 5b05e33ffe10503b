"""Every row of the proposed tables that the facts of any driver lead to, in one look.

::

    lab01.qcow2          1 MiB   extended L2 entries; eight rows, and the ninth on the right
    lab01-sealed.qcow2   1 MiB   AES; its holes are ``L···``
    lab01-null.qcow2     1 MiB   its data file replaced by null-co: ``L··O``

The active image has, from the left, ``LZAO L·AO LZ·O LZA· L·A· LZ·· ·ZAO ··AO``, and to their right
``····``, where it defers to the other two.  ``v`` shows the files, and with them the protocol table: ``ZAO``,
``·AO``, ``Z·O``, and of null-co ``··O``.  No facts lead to the other rows, a test goes through them all:
``·Z·O ···O ·ZA· ··A· ·Z··`` are bugs, ``ZA· ·A· Z··`` would take a protocol driver that knows no offsets, and
nothing past a file's end is ever asked.

Space that is reserved and not written shows by FIEMAP alone, and only on some file systems.  So what ext4
says of the first file is recorded below, and a ``recorded`` node, which is no driver of QEMU's, repeats it
anywhere.  The file itself has that space too: ``--storage fiemap`` on ext4 gives the same.
"""

from typing import Final

from blockstrata.naming.drivers import RECORDED
from blockstrata_viewer.scenarios.picture import kinds, qcow2
from blockstrata_viewer.scenarios.scenario import Scenario

# in clusters of 16 KiB
_ACTIVE_DRAWN: Final = "f7 D7 h7 Z7 C7 P7   r4 R4           .14"
_SEALED_DRAWN: Final = ".42                 D8      h7      .7"
_NULL_DRAWN: Final = ".57                           D7"

_STORAGE: Final = (
    "80K data, 112K unwritten, 112K data, 112K hole, 116K data, 12K hole, 64K unwritten, 64K data"
)
"""The file of the active image: tables, then f, D, h, Z with C, r, R."""

_KINDS: Final = kinds(
    D=b"lab01\n",
    Z=b"lab01, discarded\n",
    C=b"lab01, packed\n",
    R=b"lab01, of a cluster used before\n",
)

_NULL: Final = qcow2("lab01-null.qcow2", _NULL_DRAWN, _KINDS, cluster_bits=14, data_file="lab01-null.raw")
_SEALED: Final = qcow2("lab01-sealed.qcow2", _SEALED_DRAWN, _KINDS, _NULL, cluster_bits=14, aes=True)
_ACTIVE: Final = qcow2("lab01.qcow2", _ACTIVE_DRAWN, _KINDS, _SEALED, cluster_bits=14, extended_l2=True)

SCENARIO: Final = Scenario(
    name="every-row",
    title="Every row there is",
    summary="Each row of the proposed tables that facts lead to; what no seek shows is recorded.",
    layers=(_NULL, _SEALED, _ACTIVE),
    # the data file is not used
    opened=(
        {
            "driver": "qcow2",
            "file": {"driver": RECORDED, "filename": _ACTIVE.name, "storage": _STORAGE},
            "backing": {"backing": {"data-file": {"driver": "null-co", "size": _NULL.image.size}}},
        },
    ),
)
