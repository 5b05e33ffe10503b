"""An image read in steps, with a picture to show every now and then."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from blockstrata.printable import base_name, printable
from blockstrata.reader import Reader
from blockstrata.served_layers import served_layers
from blockstrata_viewer.disk import Disk, disk_of
from blockstrata_viewer.opening import Opening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blockstrata.chain import Chain
    from blockstrata.reader import Progress

_SOON: Final = 0.15
"""Seconds of reading before there is a first picture; most images are read by then."""
_SHARE: Final = 4
"""Pictures may take a part of the time that is one in so many."""


@dataclass(frozen=True, slots=True)
class Loading:
    """How far reading is: tables read of those known of, after some seconds."""

    progress: Progress
    seconds: float

    def __str__(self) -> str:
        """Return the progress line: tables, rate, time left."""
        read, known = self.progress.read, self.progress.known
        rate = read / max(self.seconds, 1e-3)
        left = (known - read) / max(rate, 1e-3)
        return f"reading: {read:,} of {known:,} tables · {rate:,.0f} a second · {left:.0f} s left"


def load(image: str, opening: Opening, is_cancelled: Callable[[], bool] = lambda: False) -> Iterator[Disk]:
    """Open an image and yield it as it is read, the last time whole; errors as ``open_chain``'s.

    ``is_cancelled`` is asked between steps and while another program's answer is waited for; once it says
    yes, nothing more is read or yielded.
    """
    chain = opening.until(is_cancelled).open(image)
    handed_over = False
    try:
        for disk in _read(chain):
            if is_cancelled():
                return
            if disk:
                handed_over = True
                yield disk
    finally:
        if not handed_over:
            chain.close()


def _read(opened: Chain) -> Iterator[Disk | None]:
    """Read a chain, a step at a time; yield a picture now and then, None between, and the whole at last."""
    began = time.monotonic()
    reader = Reader(served_layers(opened))
    pause, last = _SOON, began
    for progress in reader.steps():
        now = time.monotonic()
        if now - last < pause:
            yield None
            continue
        yield disk_of(reader.chain(), Loading(progress, now - began))
        last = time.monotonic()
        pause = max(_SOON, (last - now) * _SHARE)
    chain = reader.chain()
    yield disk_of(chain, notices=tuple(_notices(chain)))


def _notices(chain: Chain) -> Iterator[str]:
    """Yield what the user should know of a chain that was read, a line each."""
    for name, notice in chain.notices():
        yield f"{base_name(name)}: {printable(notice)}"
    for layer in chain.layers:
        if layer.node.refusal:
            yield f"QEMU refuses this image: {layer.node.refusal}"


def load_whole(image: str) -> Disk:
    """Return an image wholly read."""
    *_, disk = load(image, Opening())
    return disk
