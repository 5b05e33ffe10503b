"""The terminal, by Textual's driver for Linux where that keeps to what a terminal does.

The one place that overrides Textual's driver, some private methods of it among them.
tests/viewer/app/test_driver.py says what is expected of these.  What is otherwise here than in Textual 8.2.8:

- Input that is not UTF-8, or that Textual's parser fails on, is replaced or passed over.  Textual ends the
  program.
- The end of input, and an error of writing, are a terminal that was closed: the program ends.  Textual asks
  again at once, forever, or waits forever.
- SIGCONT sets the terminal's modes again.  Textual starts anew, takes the raw terminal for what there was
  before, and pushes the keyboard's mode once more.
- A handler of signals leaves the work to the event loop.  Textual writes in it, which waits forever if the
  signal came while it wrote.
- The screen is written to standard output, which is known to be a terminal.  Textual takes standard error.
- What the terminal says of its size is bounded.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from itertools import chain
from typing import Any, Final

from textual import events
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from blockstrata_viewer.process.leaving import Undo, hang_up, is_told
from blockstrata_viewer.process.terminal import bounded

MODES: Final = "\x1b[?25l\x1b[?1004h\x1b[?1000h\x1b[?1003h\x1b[?1015h\x1b[?1006h\x1b[?2004h\x1b[?7l"
"""What Textual sets when it starts, but for what would count twice: the other screen, the keyboard's mode."""
LEAVE: Final = (
    # first, the end of whatever sequence was cut off
    "\x18\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1016l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l"
    "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
"""What takes back all that Textual sets, for an end at once."""

_PUSH, _POP = "\x1b[>", "\x1b[<u"
_PIECE: Final = 4096
"""Bytes read at once; a terminal keeps no more."""
_TICK: Final = 0.1
"""Seconds between two looks at whether all this is over."""
_PASTE_START, _PASTE_END = "\x1b[200~", "\x1b[201~"
_PASTE_PAUSE: Final = 2.0
"""Seconds without input after which a paste is over whose end never came."""


class TerminalDriver(LinuxDriver):
    """Textual's driver for Linux, on a terminal that may be taken over, closed, or talk nonsense."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        ignored = signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        if ignored:
            signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        self._size = size or self._get_terminal_size()
        self._context = copy_context()
        self._output = _Output()
        # it has what Textual's writer calls
        self._file = self._output  # type: ignore[assignment]
        self._raw: list[Any] | None = None
        self._is_started = False
        self._owed = Undo(self.restore)

    def start_application_mode(self) -> None:
        """Take the terminal, once it is ours to take."""
        while not self._is_foreground():
            os.kill(os.getpid(), signal.SIGSTOP)
        self._owed.__enter__()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        with suppress(termios.error):
            self._raw = termios.tcgetattr(self.fileno)
        self._is_started = True

    def stop_application_mode(self) -> None:
        """Leave the terminal as it was; the attributes are a shell's affair that has taken it back."""
        if not self._is_started:
            return
        self._is_started = False
        if self._mouse_pixels:
            self.write("\x1b[?1016l")
        if not self._is_foreground():
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            self.attrs_before = None
        super().stop_application_mode()

    def close(self) -> None:
        """Wait until all is written."""
        super().close()
        self._owed.keep()

    def restore(self) -> None:
        """Leave the terminal as it was, without waiting for anything."""
        is_ours = self._is_foreground()
        self._output.end(LEAVE, discard=is_ours)
        if is_ours and self.attrs_before is not None:
            with suppress(termios.error):
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)

    def write(self, data: str) -> None:
        """Write, if there is still somebody who writes."""
        if self._writer_thread is not None and self._writer_thread.is_alive():
            super().write(data)

    def process_message(self, message: Message) -> None:
        """Pass on what came from the terminal."""
        if isinstance(message, events.Resize):
            message = events.Resize.from_dimensions(bounded(*message.size), message.pixel_size)
        super().process_message(message)

    def run_input_thread(self) -> None:
        """Pass on what the terminal sends as events, until told to stop or there is no terminal."""
        decode = getincrementaldecoder("utf-8")("replace").decode
        paste = _Paste()
        parser = XTermParser(self._debug)
        poll = select.poll()
        poll.register(self.fileno, select.POLLIN)
        while not self.exit_event.is_set():
            piece, text = b"", paste.missing_end()
            if poll.poll(_TICK * 1000):
                try:
                    piece = os.read(self.fileno, _PIECE)
                except BlockingIOError:
                    continue
                except OSError:
                    piece = b""
                if not piece:
                    hang_up()
                    return
                text += decode(piece)
            paste.see(text)
            try:
                for event in chain(parser.feed(text) if text else (), parser.tick()):
                    self.process_message(event)
            except Exception:
                # whatever a terminal sends, it is not the end
                parser = XTermParser(self._debug)
            if len(piece) == _PIECE:
                self._wait_for_app()

    def _wait_for_app(self) -> None:
        """Wait until what was passed on is dealt with: a flood is to wait in the terminal, not in memory."""
        done = threading.Event()
        if self._app.call_later(done.set):
            while not (done.wait(_TICK) or self.exit_event.is_set()):
                pass

    def _get_terminal_size(self) -> tuple[int, int]:
        return bounded(*super()._get_terminal_size())

    def _is_foreground(self) -> bool:
        """Say whether the terminal is ours: that of the group in front, or of no group at all."""
        try:
            return os.tcgetpgrp(self.fileno) == os.getpgrp()
        except OSError:
            return True

    def _call_soon(self, call: Callable[[], object]) -> None:
        """Have the event loop call something, from anywhere, unless it has ended."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, context=self._context)

    def _sigtstp_application(self, *_: object) -> None:
        self._call_soon(self._stop)

    def _sigcont_application(self, *_: object) -> None:
        self._call_soon(self._set_again)

    def _stop(self) -> None:
        """Give the terminal back, stop, and take it again when continued in front."""
        restarts = self._is_started and self._auto_restart
        if restarts:
            self.suspend_application_mode()
        os.kill(os.getpid(), signal.SIGSTOP)
        while restarts and not self._is_foreground():
            time.sleep(_TICK)  # another thread may be the one that is told to end
            if is_told():
                return
            os.kill(os.getpid(), signal.SIGSTOP)
        if restarts:
            self._must_signal_resume = True
            self.resume_application_mode()
            self._app.refresh(layout=True)

    def _set_again(self) -> None:
        """Set the modes and paint: whoever had the terminal while we were stopped may have changed both."""
        if not (self._is_started and self._is_foreground()):
            return
        if self._raw is not None:
            with suppress(termios.error):
                termios.tcsetattr(self.fileno, termios.TCSANOW, self._raw)
        self.write(MODES)
        self._app.refresh(layout=True)


class _Paste:
    """Knows of a bracketed paste whether it is going on: while it is, no key is a key."""

    def __init__(self) -> None:
        self._tail = ""
        self._since: float | None = None

    def see(self, text: str) -> None:
        """Look at what came."""
        if not text:
            return
        seen = self._tail + text
        start, end = seen.rfind(_PASTE_START), seen.rfind(_PASTE_END)
        if start != end:
            self._since = time.monotonic() if start > end else None
        elif self._since is not None:
            self._since = time.monotonic()
        self._tail = seen[1 - len(_PASTE_END) :]

    def missing_end(self) -> str:
        """Return the end of a paste that has gone on for too long without anything coming."""
        is_over = self._since is not None and time.monotonic() - self._since > _PASTE_PAUSE
        return _PASTE_END if is_over else ""


class _Output:
    """Writes to the terminal of standard output, in Textual's writing thread.

    By a description of its own, so that it need not wait where the terminal takes nothing, and for others
    nothing changes.
    """

    def __init__(self) -> None:
        stream = sys.__stdout__
        self._encoding = stream.encoding if stream else "utf-8"
        self._lock = threading.Lock()
        self._is_over = False
        self._pushed = 0
        """How often the keyboard's mode is pushed: to pop it once more would take a shell's away."""
        self._fd = stream.fileno() if stream else 1
        with suppress(OSError):
            # not allowed on a terminal of another user, as after su
            self._fd = os.open(f"/proc/self/fd/{self._fd}", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._fd

    def flush(self) -> None:
        """Nothing is kept back."""

    def write(self, text: str) -> None:
        """Write all of a text, unless it is over before; a terminal that is gone is told once."""
        data = memoryview(text.encode(self._encoding, "replace"))
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        while data and not self._is_over:
            if not poll.poll(_TICK * 1000):
                continue
            with self._lock:
                if self._is_over:
                    return
                try:
                    data = data[os.write(self._fd, data) :]
                except BlockingIOError:
                    time.sleep(0.01)  # somebody else writes
                except OSError:
                    self._is_over = True
                    hang_up()
        self._pushed += text.count(_PUSH) - text.count(_POP)

    def end(self, last: str, *, discard: bool) -> None:
        """Write the last words; if the terminal takes nothing, in place of what waits there."""
        if not self._lock.acquire(timeout=_TICK):
            return
        self._is_over = True
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        if discard and not poll.poll(0):
            with suppress(termios.error):
                termios.tcflush(self._fd, termios.TCOFLUSH)
        with suppress(OSError):
            os.write(self._fd, (last if self._pushed > 0 else last.replace(_POP, "")).encode())
