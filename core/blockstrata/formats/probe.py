"""Which format an image has, told from its first bytes as QEMU tells it."""

from __future__ import annotations

from typing import Final

PROBE_BYTES: Final = 512
"""How many bytes QEMU looks at; a shorter file counts as padded with zeroes."""

_MAGICS: Final = (
    ("luks", 0, b"LUKS\xba\xbe\x00\x01"),
    ("qed", 0, b"QED\0"),
    ("vdi", 64, b"\x7f\x10\xda\xbe"),
    ("vhdx", 0, b"vhdxfile"),
    ("vpc", 0, b"conectix"),
    ("vmdk", 0, b"KDMV"),
    ("vmdk", 0, b"COWD"),
    ("parallels", 0, b"WithoutFreeSpace"),
    ("parallels", 0, b"WithouFreSpacExt"),
    ("bochs", 0, b"Bochs Virtual HD Image"),
    ("cloop", 0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop"),
)


def probe_format(start: bytes, name: str) -> str:
    """Return QEMU's name of the format of an image; "raw" if nothing else is seen.

    ``start`` holds the first 512 bytes.  ``name`` matters for dmg, which QEMU knows by its ending alone.
    """
    if start[:4] == b"QFI\xfb":
        version = int.from_bytes(start[4:8], "big")
        if version >= 2:
            return "qcow2"
        if version == 1:
            return "qcow"
    for driver, at, magic in _MAGICS:
        if start[at : at + len(magic)] == magic:
            return driver
    if _is_vmdk_descriptor(start):
        return "vmdk"
    return "dmg" if len(name) > 4 and name.endswith(".dmg") else "raw"


def _is_vmdk_descriptor(start: bytes) -> bool:
    """Say whether a text file describes a VMDK: past comments and blank lines it states a version 1 to 3."""
    for line in start.split(b"\n"):
        text = line.removesuffix(b"\r")
        if text.startswith(b"#") or not text.strip(b" "):
            continue
        return text in (b"version=1", b"version=2", b"version=3")
    return False
