"""A terminal for a program under measurement, and the times at which the program paints."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_SYNC_QUERY: Final = b"\x1b[?2026$p"
_SYNC_ANSWER: Final = b"\x1b[?2026;2$y"
_FRAME_END: Final = b"\x1b[?2026l"
PICTURE: Final = b"CORE SAMPLE"
"""What the viewer shows once it has a picture."""
PAINT: Final = b"\x1b[1;1H"
"""What Textual's first frame starts with: the cursor goes to the corner."""
_PATIENCE: Final = 300.0
"""Seconds in which what is awaited must have been shown."""
_QUIET: Final = 0.05
"""Seconds without output after which a frame is over; no part of what is measured."""
NOTHING: Final = 0.5
"""Seconds after which a key has painted nothing."""


class Terminal:
    """A pty in which a process runs; keeps the time of each piece of its output.

    ``awaited`` is output by which it shows that it is ready, 16 bytes at the most.
    """

    def __init__(self, command: Sequence[str], columns: int, rows: int, awaited: bytes = PICTURE) -> None:
        self._fd, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("TEXTUAL_")},
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }
        environment.pop("NO_COLOR", None)
        self._awaited = awaited
        self._began = time.perf_counter()
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=inner, stdout=inner, stderr=inner, env=environment, start_new_session=True
        )
        os.close(inner)
        os.set_blocking(self._fd, False)
        self._tail = b""
        self._last = b""
        self.frames = 0
        self.ready_after: float | None = None
        """Seconds from the start to the output that was awaited."""

    def read(self, seconds: float) -> float | None:
        """Return when the next piece of output came, or None if none did in time."""
        if not select.select([self._fd], [], [], max(0.0, seconds))[0]:
            return None
        try:
            piece = os.read(self._fd, 1 << 16)
        except OSError:
            words = self._last.decode(errors="replace")
            raise SystemExit(f"the process has ended; its last words:\n{words}") from None
        now = time.perf_counter()
        self._last = (self._last + piece)[-4000:]
        seen = self._tail + piece
        self.frames += seen.count(_FRAME_END) - self._tail.count(_FRAME_END)
        if self.ready_after is None and self._awaited in seen:
            self.ready_after = now - self._began
        if _SYNC_QUERY in seen:
            os.write(self._fd, _SYNC_ANSWER)
            seen = b""
        # whatever is looked for may come in two pieces
        self._tail = seen[-16:]
        return now

    def settle(self, seconds: float) -> float | None:
        """Wait for output, then for silence; return when the last piece came, or None if none did in time."""
        last = self.read(seconds)
        while last is not None and (now := self.read(_QUIET)) is not None:
            last = now
        return last

    def wait_for_picture(self) -> float:
        """Wait for the frame with what is awaited and for silence; return the seconds that the frame took."""
        last: float | None = None
        while self.ready_after is None:
            if time.perf_counter() - self._began > _PATIENCE:
                raise SystemExit("the process does not show what is awaited")
            last = self.settle(1.0)
        return (last or self._began) - self._began

    def press(self, key: bytes) -> float | None:
        """Send a key and return the seconds until its frame was painted, or None if none was."""
        began = time.perf_counter()
        self.write(key)
        last = self.settle(NOTHING)
        return None if last is None else last - began

    def write(self, keys: bytes) -> None:
        """Send keys."""
        while keys:
            select.select([], [self._fd], [])
            keys = keys[os.write(self._fd, keys) :]

    def memory(self) -> int:
        """Return the most bytes of memory that the process has had."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))

    def close(self) -> None:
        """Leave the program by its key q, or end it if it does not go."""
        self.write(b"q")
        until = time.perf_counter() + 20
        try:
            while time.perf_counter() < until and self._process.poll() is None:
                self.read(0.1)
        except SystemExit:
            pass
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.close(self._fd)
