"""An encrypted image: where things lie is not secret, but nothing that lies there can be read raw.

::

    safe01.qcow2   1 MiB   AES, extended L2 entries
    safe01.raw     1 MiB   not encrypted

No offset is valid, today or by the proposal.  A hole is the strange one: it reads as zeroes from the file,
and those decrypt to noise, so it is neither zero nor stored, the row that the proposal's author marked
"bug?". No key is needed to map the image here; the bytes are stored as they are, so with any key they read
as noise.  QEMU wants one (``encrypt.key-secret``), and its check too.
"""

from __future__ import annotations

from typing import Final

from blockstrata.formats.qcow2.author import (
    Cluster,
    Data,
    Image,
    Preallocated,
    Subclusters,
    ZeroAlloc,
    ZeroPlain,
)
from blockstrata_viewer.scenarios.picture import blocks, clusters
from blockstrata_viewer.scenarios.scenario import Qcow2, Raw, Scenario

_BASE: Final = "safe01.raw"

_SIZE: Final = 1 << 20
_CLUSTER: Final = 16 << 10
_CLUSTER_BITS: Final = 14

# in clusters of 16 KiB, 64 in all
_BASE_DRAWN: Final = "D16   D8 .8   D16   D4 .12"
_ACTIVE_DRAWN: Final = "D8 .4 D4   h8 .8   Z4 z4 P4 .4   R8 D2 .6"

_NOISE: Final = bytes(number * 167 % 256 for number in range(256))

_KINDS: Final[dict[str, Cluster]] = {
    "D": Data(_NOISE),
    "h": Preallocated(),
    "P": ZeroPlain(),
    "Z": ZeroAlloc(_NOISE),
    "z": ZeroAlloc(),
    "R": Subclusters("U" * 32, _NOISE),
}


SCENARIO: Final = Scenario(
    name="encrypted",
    title="Holes in an encrypted image",
    summary="AES: no offset is valid, and a hole decrypts to garbage, neither ZERO nor ALLOC.",
    layers=(
        Raw(_BASE, _SIZE, blocks(_BASE_DRAWN, _CLUSTER, b"safe01, in the clear\n")),
        Qcow2(
            "safe01.qcow2",
            Image(_SIZE, _CLUSTER_BITS, extended_l2=True, backing=_BASE, backing_format="raw", aes=True),
            clusters(_ACTIVE_DRAWN, _KINDS),
        ),
    ),
)
