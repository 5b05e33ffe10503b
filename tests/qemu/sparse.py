"""Image files as JSON: the bytes where a file has data, the ranges that it only reserves, nothing for holes.

Restoring gives the same holes, and the same amount of storage wherever blocks are 4 KiB, as they are in
memory and on most disks.
"""

from __future__ import annotations

import base64
import ctypes
import os
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 4096
_PUNCH_AND_KEEP_SIZE = 3


def store(path: Path) -> dict[str, object]:
    """Return a file as JSON.  What it only reserves is given back to the file system, to find out where."""
    with path.open("r+b") as file:
        status = os.fstat(file.fileno())
        extents = list(_extents(file.fileno(), status.st_size))
        return {
            "size": status.st_size,
            "storage": status.st_blocks * 512,
            "data": [[start, _pack(os.pread(file.fileno(), end - start, start))] for start, end in extents],
            "reserved": _reserved(file.fileno(), status.st_size, extents),
        }


def restore(path: Path, stored: dict[str, object]) -> bool:
    """Make the file, and say whether it takes the storage that it took."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(stored["size"])
        for start, length in stored["reserved"]:
            os.posix_fallocate(file.fileno(), start, length)
        for start, packed in stored["data"]:
            os.pwrite(file.fileno(), zlib.decompress(base64.b64decode(packed)), start)
        return os.fstat(file.fileno()).st_blocks * 512 == stored["storage"]


def _extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of each stretch of data."""
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:  # nothing but a hole up to the end
            return
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end


def _reserved(descriptor: int, size: int, extents: list[tuple[int, int]]) -> list[list[int]]:
    """Return start and length of the ranges in holes that take storage; they take none after this."""
    found: list[list[int]] = []
    starts = [0, *(end for _, end in extents)]
    ends = [*(start for start, _ in extents), size]
    for hole, data in zip(starts, ends, strict=True):
        for at in range(hole, data, _BLOCK):
            length = min(_BLOCK, data - at)
            before = os.fstat(descriptor).st_blocks
            _punch(descriptor, at)
            if os.fstat(descriptor).st_blocks == before:
                continue
            if found and sum(found[-1]) == at:
                found[-1][1] += length
            else:
                found.append([at, length])
    return found


def _punch(descriptor: int, at: int) -> None:
    done = ctypes.CDLL(None, use_errno=True).fallocate(
        descriptor, _PUNCH_AND_KEEP_SIZE, ctypes.c_int64(at), ctypes.c_int64(_BLOCK)
    )
    if done != 0:
        raise OSError(ctypes.get_errno(), "cannot make a hole")


def _pack(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()
