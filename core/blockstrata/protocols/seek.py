"""Where a file's holes are as SEEK_DATA and SEEK_HOLE say, which is how QEMU asks.

They tell one run a call.  A file with many is asked by FIEMAP, which tells thousands a call, where both are
known to say the same:

- ext4 has one function behind both.  xfs has two: what is written over shared blocks, or into holes beside
  them, waits in a place that seeking looks at and FIEMAP does not.  Of btrfs it is not known.
- Of space that is reserved and not written, seeking says what the page cache holds.  Such extents are sought
  one at a time, and so are those that have no place yet.
- Any other extent that is not plainly data, another file system, and a first part of the file of which FIEMAP
  says anything else than seeking did: the file is sought to its end.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import Mapping, Storage, fact
from blockstrata.protocols.fiemap import Extent, extents, runs_of

_ONE_BY_ONE: Final = 64
"""Runs of data that are sought before FIEMAP is tried: most files have fewer."""

_DATA_FLAGS: Final = Extent.LAST | Extent.SHARED
_SOUGHT_FLAGS: Final = Extent.UNWRITTEN | Extent.DELALLOC | Extent.UNKNOWN

_DATA: Final = fact(Mapping.PASSTHROUGH, Storage.DATA)


def seek_probe(fd: int, length: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return starts and fact codes of the runs of a file of ``length`` bytes.

    Starts int64 (n,), bytes, codes uint8 (n,).  A file system that cannot answer has no holes.
    """
    data = sought(fd, 0, length)
    first = _ranges(islice(data, _ONE_BY_ONE))
    ranges = _batched(fd, first, length) if len(first) == _ONE_BY_ONE else None
    if ranges is None:
        ranges = np.concatenate([first, _ranges(data)])
    return runs_of(ranges[:, 0], ranges[:, 1], np.full(len(ranges), _DATA), length)


def sought(fd: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of the data in a range of a file, a pair of calls each.

    ::

        SEEK_DATA(0) ─┐     SEEK_HOLE(d) ─┐    SEEK_DATA(h) ── ENXIO
             ├─ hole ─┤d──── data ────────┤h─────── hole ───────┤end
    """
    lseek, to_data, to_hole = os.lseek, os.SEEK_DATA, os.SEEK_HOLE
    at = start
    while at < end:
        try:
            data = lseek(fd, at, to_data)
            hole = lseek(fd, data, to_hole)
        except OSError as error:
            # ENXIO: nothing but a hole from here to the end
            if error.errno != errno.ENXIO:
                yield at, end
            return
        # the file may have grown since its length was taken, and lost what SEEK_DATA found
        if hole <= data:
            yield at, end
            return
        if data < end:
            yield data, min(hole, end)
        at = hole


def _ranges(found: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    return np.fromiter(chain.from_iterable(found), np.int64).reshape(-1, 2)


def _batched(fd: int, first: NDArray[np.int64], length: int) -> NDArray[np.int64] | None:
    """Return what seeking would, int64 (n, 2), by FIEMAP; None if that may say anything else.

    ``first`` int64 (m, 2), m > 0, is what seeking has found so far.
    """
    try:
        if _file_system(fd) != "ext4":
            return None
        starts, ends, flags = extents(fd, length, sync=False)
    except OSError:
        return None
    if (flags & ~np.uint32(_DATA_FLAGS | _SOUGHT_FLAGS)).any():
        return None
    waiting = flags & np.uint32(_SOUGHT_FLAGS) != 0
    if waiting.any():
        places = zip(starts[waiting].tolist(), ends[waiting].tolist(), strict=True)
        within = _ranges(each for start, end in places for each in sought(fd, start, end))
        # ranges are apart, so that both columns are in one order
        starts = np.sort(np.append(starts[~waiting], within[:, 0]))
        ends = np.sort(np.append(ends[~waiting], within[:, 1]))
    if not len(starts):
        return None
    apart = starts[1:] != ends[:-1]
    ranges = np.stack([starts[np.append(True, apart)], ends[np.append(apart, True)]], axis=1)
    return ranges if np.array_equal(ranges[: len(first)], first) else None


def _file_system(fd: int) -> str:
    """Return the driver of the file system that a file lies on, empty if it is not known; ``OSError``."""
    device = os.fstat(fd).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    with Path("/proc/self/mountinfo").open(encoding="utf-8", errors="replace") as mounts:
        for mount in mounts:
            if mount.split(" ", 3)[2] == number:
                return mount.rpartition(" - ")[2].partition(" ")[0]
    return ""
