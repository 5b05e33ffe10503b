"""The FIEMAP ioctl of Linux: where a file's storage is, reserved space told from holes.

::

    fiemap (32 bytes)           start, length, flags, mapped, count, reserved
    fiemap_extent (56 bytes)    logical, physical, length, 2 × reserved, flags, 3 × reserved

The layout is linux/fiemap.h's; numbers are in the machine's own byte order.
"""

from __future__ import annotations

import fcntl
import struct
from enum import IntFlag
from typing import TYPE_CHECKING, Final

from blockstrata.facts import Mapping, Storage, fact

if TYPE_CHECKING:
    from collections.abc import Iterator

_FS_IOC_FIEMAP: Final = 0xC020660B
_HEAD: Final = struct.Struct("=QQIIII")
_EXTENT: Final = struct.Struct("=QQQQQIIII")
_BATCH: Final = 1024
"""Extents asked for at once: 56 KiB."""
_SYNC: Final = 1
"""Write out first what is delayed, so that it has a place."""


class Extent(IntFlag):
    """The flags of an extent that matter here."""

    LAST = 0x1
    UNKNOWN = 0x2
    DELALLOC = 0x4
    ENCODED = 0x8
    ENCRYPTED = 0x80
    INLINE = 0x200
    TAIL = 0x400
    UNWRITTEN = 0x800
    SHARED = 0x2000


_STORES: Final = (
    Extent.UNKNOWN
    | Extent.DELALLOC
    | Extent.ENCODED
    | Extent.ENCRYPTED
    | Extent.INLINE
    | Extent.TAIL
    | Extent.SHARED
)
"""Extents of these kinds are data, whatever else is said of them (SPEC.md section 3, "Probing")."""

_DATA = fact(Mapping.PASSTHROUGH, Storage.DATA)
_HOLE = fact(Mapping.PASSTHROUGH, Storage.HOLE)
_UNWRITTEN = fact(Mapping.PASSTHROUGH, Storage.UNWRITTEN)


def fiemap_probe(fd: int, length: int) -> list[tuple[int, int]]:
    """Return (start, fact code) of each run of a file of ``length`` bytes; ``OSError`` without FIEMAP.

    What no extent covers is a hole; extents are cut at the file's length::

        extents   ├── data ──┤      ├─ unwritten ─┼───── …
        runs      ├── data ──┼ hole ┼─ unwritten ─┤length
    """
    runs: list[tuple[int, int]] = []
    at = 0
    for start, end, flags in _extents(fd, length):
        if start >= length:
            break
        if start > at:
            runs.append((at, _HOLE))
        code = _UNWRITTEN if flags & Extent.UNWRITTEN and not flags & _STORES else _DATA
        if not runs or runs[-1][1] != code:
            runs.append((max(start, at), code))
        at = max(at, end)
    if at < length:
        runs.append((at, _HOLE))
    return runs


def _extents(fd: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Yield start, end and flags of the extents in the first ``length`` bytes, a batch a call."""
    at = 0
    while at < length:
        request = bytearray(_HEAD.size + _BATCH * _EXTENT.size)
        _HEAD.pack_into(request, 0, at, length - at, _SYNC if at == 0 else 0, 0, _BATCH, 0)
        fcntl.ioctl(fd, _FS_IOC_FIEMAP, request)
        mapped = _HEAD.unpack_from(request)[3]
        if not mapped:
            return
        for index in range(mapped):
            start, _, size, _, _, flags, *_ = _EXTENT.unpack_from(request, _HEAD.size + index * _EXTENT.size)
            yield start, start + size, flags
            if flags & Extent.LAST:
                return
        if start + size <= at:  # the file changes, or the file system lies
            return
        at = start + size
