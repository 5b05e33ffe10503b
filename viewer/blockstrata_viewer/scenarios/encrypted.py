"""An encrypted image: where things lie is not secret, but nothing that lies there can be read raw.

::

    safe01.qcow2   1 MiB   AES, extended L2 entries
    safe01.raw     1 MiB   not encrypted

No offset is valid, today or by the proposal.  A hole is the strange one: it reads as zeroes from the file,
and those decrypt to noise, so it is neither zero nor stored, the row that the proposal's author marked
"bug?". No key is needed to map the image here; the bytes are stored as they are, so with any key they read
as noise.  QEMU wants one (``encrypt.key-secret``), and its check too.
"""

from typing import Final

from blockstrata_viewer.scenarios.picture import kinds, qcow2, raw
from blockstrata_viewer.scenarios.scenario import Scenario

# in clusters of 16 KiB
_BASE_DRAWN: Final = "D16   D8 .8   D16   D4 .12"
_ACTIVE_DRAWN: Final = "D8 .4 D4   h8 .8   Z4 z4 P4 .4   R8 D2 .6"

_NOISE: Final = bytes(number * 167 % 256 for number in range(256))
_KINDS: Final = kinds(D=_NOISE, Z=_NOISE, R=_NOISE)

_BASE: Final = raw("safe01.raw", _BASE_DRAWN, 16 << 10, b"safe01, in the clear\n")
_ACTIVE: Final = qcow2(
    "safe01.qcow2", _ACTIVE_DRAWN, _KINDS, _BASE, cluster_bits=14, extended_l2=True, aes=True
)

SCENARIO: Final = Scenario(
    name="encrypted",
    title="Holes in an encrypted image",
    summary="AES: no offset is valid, and a hole decrypts to garbage, neither ZERO nor ALLOC.",
    layers=(_BASE, _ACTIVE),
)
