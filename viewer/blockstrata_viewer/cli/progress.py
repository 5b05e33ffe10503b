"""What a command says while it takes long: one line on a terminal, which goes away at the end."""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from typing import Final

from blockstrata.questions.checking.tick import Tick
from blockstrata.text.printable import printable

_AFTER: Final = 1.0
"""Seconds that nothing is said."""
_EVERY: Final = 0.5
"""Seconds between two lines."""


@contextlib.contextmanager
def progress(what: str) -> Iterator[Tick]:
    """Say on standard error, if it is a terminal, that something goes on, and for how long it has.

    The function that is given may be told how much is done, and of how much.
    """
    share = ""

    def step(done: int, total: int) -> None:
        nonlocal share
        share = f" {done * 100 // total} %" if total else ""

    if sys.stderr is None or not sys.stderr.isatty():
        yield step
        return
    ended = threading.Event()
    began = time.monotonic()

    def say() -> None:
        if ended.wait(_AFTER):
            return
        while True:
            _write(f"{printable(what)} …{share} {time.monotonic() - began:.0f} s")
            if ended.wait(_EVERY):
                break
        _write("")

    thread = threading.Thread(target=say, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no memory for it, and nothing is lost
        yield step
        return
    try:
        yield step
    finally:
        ended.set()
        thread.join()


def _write(line: str) -> None:
    """Write over the line before."""
    width = shutil.get_terminal_size().columns - 1
    # whoever read it may have left, which takes nothing from the answer
    with contextlib.suppress(OSError):
        sys.stderr.write(f"\r{line[:width].ljust(width)}\r{line[:width]}")
        sys.stderr.flush()
