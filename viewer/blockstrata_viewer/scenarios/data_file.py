"""An external data file: the qcow2 image is nothing but tables, and every host offset is the guest's own.

::

    db02.qcow2   80 KiB   header, refcounts, L1 and L2 tables
    db02.raw     1 MiB    the guest's bytes, each at its guest offset

QEMU looks for the data file's name from its working directory, wherever the image lies, and so does
everything here.  The header says just ``db02.raw``, so that the two files can be moved together, and what is
opened is a ``json:`` reference that says where the data file is.  In the directory itself ``db02.qcow2``
does.
"""

from typing import Final

from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.scenarios.picture import kinds, qcow2
from blockstrata_viewer.scenarios.scenario import Scenario

_TABLES: Final = "db02.qcow2"
_DATA: Final = "db02.raw"

# in clusters of 16 KiB
_DRAWN: Final = "D12 .4   D4 Z4 D4 h4   P4 .4 D2 z6   .6 D6 .2 D2"
_KINDS: Final = kinds(D=b"db02\n", Z=b"db02, discarded\n")

SCENARIO: Final = Scenario(
    name="data-file",
    title="An external data file",
    summary="Tables in qcow2, data in a raw file, each byte at its guest offset (v shows it).",
    opens=Aim(at=320 << 10),
    layers=(qcow2(_TABLES, _DRAWN, _KINDS, cluster_bits=14, data_file=_DATA),),
    opened=(
        {
            "driver": "qcow2",
            "file": {"driver": "file", "filename": _TABLES},
            "data-file": {"driver": "file", "filename": _DATA},
        },
    ),
)
