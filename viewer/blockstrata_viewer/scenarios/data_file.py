"""An external data file: the qcow2 image is nothing but tables, and every host offset is the guest's own.

::

    db02.qcow2   80 KiB   header, refcounts, L1 and L2 tables
    db02.raw     1 MiB    the guest's bytes, each at its guest offset

QEMU looks for the data file's name from its working directory, wherever the image lies, and so does
everything here.  The header says just ``db02.raw``, so that the two files can be moved together, and what is
opened is a ``json:`` reference that says where the data file is.  In the directory itself ``db02.qcow2``
does.
"""

from __future__ import annotations

from typing import Final

from blockstrata.formats.qcow2.author import Cluster, Data, Image, Preallocated, ZeroAlloc, ZeroPlain
from blockstrata_viewer.scenarios.picture import clusters
from blockstrata_viewer.scenarios.scenario import Qcow2, Scenario

_TABLES: Final = "db02.qcow2"
_DATA: Final = "db02.raw"

_SIZE: Final = 1 << 20
_CLUSTER_BITS: Final = 14

# in clusters of 16 KiB, 64 in all
_DRAWN: Final = "D12 .4   D4 Z4 D4 h4   P4 .4 D2 z6   .6 D6 .2 D2"

_KINDS: Final[dict[str, Cluster]] = {
    "D": Data(b"db02\n"),
    "Z": ZeroAlloc(b"db02, discarded\n"),
    "z": ZeroAlloc(),
    "P": ZeroPlain(),
    "h": Preallocated(),
}


SCENARIO: Final = Scenario(
    name="data-file",
    title="An external data file",
    summary="Tables in qcow2, data in a raw file, each byte at its guest offset (v shows it).",
    layers=(Qcow2(_TABLES, Image(_SIZE, _CLUSTER_BITS, data_file=_DATA), clusters(_DRAWN, _KINDS)),),
    opened=(
        {
            "driver": "qcow2",
            "file": {"driver": "file", "filename": _TABLES},
            "data-file": {"driver": "file", "filename": _DATA},
        },
    ),
)
