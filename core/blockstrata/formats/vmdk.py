"""Which files a VMDK image names for its extents, read before QEMU is asked: it would open any of them.

The descriptor is the file's text, or lies behind a sparse header that states no capacity; a file it names
may hold another one::

    RW 4192256 SPARSE "disk-s001.vmdk"
    RW 6144 FLAT "disk-flat.vmdk" 0
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from blockstrata.access import Probe
from blockstrata.errors import BlockstrataError
from blockstrata.protocols.file import is_device, open_file
from blockstrata.reference import has_protocol, join_backing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blockstrata.driver import HostNode

_DESCRIPTOR_BYTES: Final = 1 << 20
"""How much of a descriptor QEMU reads."""
_NAME_BYTES: Final = 511
_MOST_FILES: Final = 1 << 12
_EXTENT: Final = re.compile(rb'RW\s[^"]*"([^"\r\n\0]*)')
"""A line that QEMU opens a file for; finds some more, never fewer."""


def remote_names(file: HostNode) -> Iterator[str]:
    """Yield the extents of an image that may be no files here: devices, protocols, too many to look at."""
    waiting = [(file.name, _descriptor(file))]
    seen: set[str] = set()
    while waiting:
        above, descriptor = waiting.pop()
        # QEMU reads text up to a NUL, and so much of a name
        for found in _EXTENT.findall(descriptor.split(b"\0", 1)[0]):
            name = join_backing(above, os.fsdecode(found[:_NAME_BYTES]))
            if name in seen:
                continue
            seen.add(name)
            if len(seen) > _MOST_FILES:
                yield name
                return
            if has_protocol(name) or is_device(name):
                yield name
                continue
            try:
                below = open_file(name, probe=Probe.NONE)
            except BlockstrataError:
                continue  # QEMU will say what it thinks of it
            try:
                waiting.append((name, _descriptor(below)))
            finally:
                below.close()


def _descriptor(file: HostNode) -> bytes:
    head = file.read(0, 36)
    if head[:4] == b"COWD":
        return b""
    if head[:4] != b"KDMV":
        return file.read(0, min(_DESCRIPTOR_BYTES, file.length))
    capacity, at = int.from_bytes(head[12:20], "little"), int.from_bytes(head[28:36], "little") * 512
    if capacity or not 0 < at < file.length:
        return b""
    return file.read(at, min(_DESCRIPTOR_BYTES, file.length - at))
