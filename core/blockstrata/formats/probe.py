"""Which format an image has, told from its first bytes as QEMU tells it.

Found out with generated files and QEMU 7.2, which says by its trace event ``bdrv_open_common`` what it takes
a file for (tests/qemu/test_probing.py).  Of several formats that fit, the first one here is QEMU's.
"""

from __future__ import annotations

import re
from typing import Final

from blockstrata.facts.node import HostNode

_PROBED: Final = 512
"""How many bytes QEMU looks at; a shorter file counts as padded with zeroes."""

_CLOOP: Final = rb"#!/bin/sh\n#V2\.0 Format\nmodprobe cloop file=\$0 && mount -r -t iso9660 /dev/cloop \$1\n"
"""A small script, which stands before the image so that it can be run."""

_BOCHS: Final = (
    rb"Bochs Virtual HD Image\x00.{9}"  # fields of 32, 16 and 16 bytes, each text up to a NUL
    rb"Redolog\x00.{8}"
    rb"Growing\x00.{8}"
    rb"\x00\x00[\x01\x02]\x00"  # version 1.0 or 2.0, little-endian
)

_VMDK_DESCRIPTOR: Final = (
    rb"(?:#[^\n]*\n| +\r?\n)*"  # comments and lines of blanks; an empty line will not do
    rb"version=[123]\r?\n"
)

_BY_BYTES: Final = tuple(
    (driver, re.compile(pattern, re.DOTALL))
    for driver, pattern in (
        ("parallels", rb"(?:WithoutFreeSpace|WithouFreSpacExt)\x02\x00\x00\x00"),
        ("qed", rb"QED\x00"),
        ("vdi", rb".{64}\x7f\x10\xda\xbe"),
        ("qcow", rb"QFI\xfb\x00\x00\x00\x01"),
        ("qcow2", rb"QFI\xfb(?!\x00\x00\x00[\x00\x01])"),
        ("luks", rb"LUKS\xba\xbe\x00\x01"),
        ("vhdx", rb"vhdxfile"),
        ("vpc", rb"conectix"),
        ("vmdk", rb"KDMV|COWD|" + _VMDK_DESCRIPTOR),
        ("bochs", _BOCHS),
    )
)
_CLOOP_SCRIPT: Final = re.compile(_CLOOP)


def probe_format(file: HostNode, named: str) -> str:
    """Return QEMU's name of the format of an image; "raw" if nothing else is seen, and for an empty file.

    ``named`` is the name by which the image was opened, empty if that was by options: QEMU knows dmg by the
    ending of a name alone.  ``OpenError`` if the file cannot be read.
    """
    if file.length == 0:
        return "raw"
    start = file.read(0, _PROBED)
    for driver, pattern in _BY_BYTES:
        if pattern.match(start):
            return driver
    if len(named) > len(".dmg") and named.endswith(".dmg"):
        return "dmg"
    return "cloop" if _CLOOP_SCRIPT.match(start) else "raw"
