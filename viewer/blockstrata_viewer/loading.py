"""An image read in steps, with a picture to show every now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from blockstrata.chain import open_chain
from blockstrata.reading import Reader
from blockstrata_viewer.disk import Disk, disk_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOON: Final = 0.15
"""Seconds of reading before there is a first picture; most images are read by then."""
_SHARE: Final = 4
"""Pictures may take a part of the time that is one in so many."""


def load(image: str) -> Iterator[Disk]:
    """Open an image and yield it as it is read, the last time whole; errors as ``open_chain``'s."""
    reader = Reader(open_chain(image))
    pause, last = _SOON, time.monotonic()
    for progress in reader.steps():
        now = time.monotonic()
        if now - last < pause:
            continue
        yield disk_of(reader.chain(), progress)
        last = time.monotonic()
        pause = max(_SOON, (last - now) * _SHARE)
    yield disk_of(reader.chain())


def load_whole(image: str) -> Disk:
    """Return an image wholly read."""
    *_, disk = load(image)
    return disk
