"""Which files a VMDK image names for its extents, read before QEMU is asked: it would open any of them.

The descriptor is the file's text, or lies behind a sparse header that states no capacity.  The file of an
extent may have such a header, too::

    RW 4192256 SPARSE "disk-s001.vmdk"
    RW 6144 FLAT "disk-flat.vmdk" 0

No other format that qemu-img is asked about has QEMU open more than the image and, where it is not cut off,
its backing layer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from blockstrata.access import Probe
from blockstrata.errors import OpenError
from blockstrata.facts.node import HostNode
from blockstrata.naming.paths import has_protocol, is_stored
from blockstrata.protocols.file import open_file

_DESCRIPTOR_BYTES: Final = 1 << 20
"""How much of a descriptor QEMU reads."""
_NAME_BYTES: Final = 511
_MOST_FILES: Final = 1 << 12
_EXTENT: Final = re.compile(rb'RW\s[^"]*"([^"\r\n\0]*)')
"""A line that QEMU opens a file for; finds some more, never fewer."""


def remote_names(file: HostNode) -> Iterator[str]:
    """Yield the extents of an image that may be no files here: devices, protocols, too many to look at.

    ``UnsupportedError`` for one that has no bytes at an offset: a pipe, a character device, a directory.
    """
    waiting = [_descriptor(file)]
    seen: set[str] = set()
    while waiting:
        # QEMU reads text up to a NUL, and so much of a name
        for found in _EXTENT.findall(waiting.pop().split(b"\0", 1)[0]):
            name = _full_name(file, os.fsdecode(found[:_NAME_BYTES]))
            if name in seen:
                continue
            seen.add(name)
            if len(seen) > _MOST_FILES:
                yield name
                return
            if has_protocol(name) or not is_stored(name):
                yield name
                continue
            try:
                below = open_file(name, probe=Probe.NONE)
            except OpenError:
                continue  # QEMU cannot open it either, and will say so
            try:
                waiting.append(_behind_header(below))
            finally:
                below.close()


def _full_name(file: HostNode, name: str) -> str:
    """Return what QEMU opens for an extent: relative to the image, also where another extent names it."""
    if name.startswith("/") or has_protocol(name):
        return name
    # without a directory QEMU opens nothing; let it be asked for
    return (file.name if file.directory is None else file.directory) + name


def _descriptor(file: HostNode) -> bytes:
    if file.read(0, 4) in (b"KDMV", b"COWD"):
        return _behind_header(file)
    return file.read(0, min(_DESCRIPTOR_BYTES, file.length))


def _behind_header(file: HostNode) -> bytes:
    """Return the descriptor that a sparse header stands for; nothing if there is none."""
    head = file.read(0, 36)
    capacity, sector = int.from_bytes(head[12:20], "little"), int.from_bytes(head[28:36], "little")
    if head[:4] != b"KDMV" or capacity or not sector:
        return b""
    at = sector * 512 % (1 << 64)  # in 64 bits, as QEMU computes
    return file.read(at, min(_DESCRIPTOR_BYTES, file.length - at)) if at < file.length else b""
