"""What must be undone before the program is gone, however it is told to go.

An :class:`Undo` begins before there is anything to undo, so that no moment is left out.  Three ways lead to
it, and the first one counts: the end of its ``with``; SIGTERM, SIGHUP, SIGINT or SIGQUIT, which end the
process at once; and the end of the interpreter, where a ^C that was raised has cut the first way short.

Until there is something to undo, these signals have their own way, which needs no turn of the interpreter: a
process that waits for a file system that hangs could not take one.  Nothing is raised at any time: that would
be a traceback while Python imports or ends, and get lost where a destructor runs.

The viewer wants to leave its terminal as it was first, which takes its event loop: while it is
:func:`telling`, a thread tells it of these signals, and ends the process if it takes too long.  That its
terminal is gone is the same to it, :func:`hang_up`.  The signals that stop and continue a process are the
terminal driver's.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, Self

_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
PATIENCE: Final = 3.0
"""Seconds that whoever is told may take: a terminal that takes no output can hold it up forever."""
_undos: Final[list[Undo]] = []
_told: Final[list[Callable[[int], None]]] = []
"""Who is told of a signal in place of ending at once: the last of them."""
_heard: Final[list[int]] = []
"""The signals that came while somebody was to be told of them."""
_pipe: Final[list[int]] = []
"""Where Python's own handler writes the number of each signal, whichever thread it came to."""


class Undo:
    """Does something once, with the end of a ``with`` or before the process is gone, unless it is kept."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action

    def __enter__(self) -> Self:
        _listen()
        _undos.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()

    def keep(self) -> None:
        """Leave as it is what was done."""
        with suppress(ValueError):
            _undos.remove(self)

    def undo(self) -> None:
        """Undo it now; a second time nothing happens."""
        if self in _undos:
            with suppress(OSError):
                self._action()
            self.keep()


@contextmanager
def telling(listener: Callable[[int], None]) -> Iterator[None]:
    """Tell somebody of signals, by number and in a thread, and end the process if he is not done in time.

    The main thread may be waiting for a terminal: a handler need not get its turn there, since a signal may
    come to any thread and wakes that one alone.
    """
    # asyncio would make of ^C an end of the app without a word of why
    _listen(signal.SIG_DFL, signal.default_int_handler)
    if not _pipe:
        heard, told = os.pipe()
        _pipe.append(told)
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        threading.Thread(target=_tell, args=(heard,), name="signals", daemon=True).start()
    _told.append(listener)
    try:
        yield
    finally:
        _told.remove(listener)


def is_told() -> bool:
    """Say whether a signal has come of which somebody was told."""
    return bool(_heard)


def hang_up() -> None:
    """Tell that the terminal is gone, as SIGHUP does; in any thread."""
    for told in _pipe:
        os.write(told, bytes([signal.SIGHUP]))


def _tell(heard: int) -> None:
    while True:
        number = os.read(heard, 1)[0]
        if number in _SIGNALS and _told:
            _told[-1](number)
            time.sleep(PATIENCE)
            if _told:
                _undo_all()
                os._exit(128 + number)


def _listen(*replaced: object) -> None:
    for number in _SIGNALS:
        # what somebody else has arranged stays: nohup, for one.  Only the main thread may ask for signals
        with suppress(ValueError):
            if signal.getsignal(number) in (replaced or (signal.SIG_DFL,)):
                signal.signal(number, _on_signal)


def _on_signal(number: int, _: FrameType | None) -> None:
    if _told:
        _heard.append(number)
        return
    _undo_all()
    # so that whoever waits for us learns what ended us
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _undo_all() -> None:
    for undo in reversed(_undos[:]):
        undo.undo()


@atexit.register
def _at_exit() -> None:
    if _undos:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _undo_all()
