"""A chain in which everything that NBD cannot carry is lost: ``r`` sends it through the wire.

::

    nas01-tue.qcow2   1 MiB     what is exported
    nas01-mon.qcow2   960 KiB   looks metadata-preallocated
    nas01.raw         768 KiB   with holes; also opened as the file it is

Two bits cross.  By both of QEMU's mappings what no layer provides arrives as provided; by that of 2018 a zero
that a layer does provide arrives as data as well.  The proposal loses nothing, except that what is exported
from a bare file is LOCAL on the far side: that is the second image (tab).  ``r`` with a lower layer selected
exports that layer alone, and what it left to the layer below arrives as its own zeroes.
"""

from typing import Final

from blockstrata_viewer.scenarios.picture import kinds, qcow2, raw
from blockstrata_viewer.scenarios.scenario import Scenario

# in clusters of 16 KiB
_BASE_DRAWN: Final = "D8 .4 D4   D12 .4   D8 .8"
_MONDAY_DRAWN: Final = ".12 D2 .2   C4 .12   .4 h8 .4   D4 .8"
_TUESDAY_DRAWN: Final = "D2 .14   .8 P4 .4   .16   .2 D2 .2 Z4 .6"
_KINDS: Final = kinds(D=b"nas01\n", C=b"nas01, packed\n", Z=b"nas01, discarded\n")

_BASE: Final = raw("nas01.raw", _BASE_DRAWN, 16 << 10, b"nas01, as installed\n")
_MONDAY: Final = qcow2("nas01-mon.qcow2", _MONDAY_DRAWN, _KINDS, _BASE, cluster_bits=14)
_TUESDAY: Final = qcow2("nas01-tue.qcow2", _TUESDAY_DRAWN, _KINDS, _MONDAY, cluster_bits=14)

SCENARIO: Final = Scenario(
    name="nbd-round-trip",
    title="There and back through NBD",
    summary="All that base:allocation loses on the way from NBD server to client (r shows it).",
    layers=(_BASE, _MONDAY, _TUESDAY),
    # the chain, and its base as a file without a format
    opened=(_TUESDAY.name, {"driver": "file", "filename": _BASE.name}),
)
