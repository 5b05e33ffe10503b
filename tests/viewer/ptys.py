"""A pty in which a program runs, with all that it writes; every wait ends with what it waits for or fails."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

TIMEOUT = 30
PROGRAM = [sys.executable, "-m", "blockstrata_viewer"]
PICTURE = b"CORE SAMPLE"
ESCAPE = b"\x1b[27u"
"""The key as kitty sends it, which cannot be taken for the start of something."""
_SET = re.compile(rb"\x1b\[\?([0-9;]+)([hl])|\x1b\[([<>])[0-9]*u")


class Pty:
    """A program as the leader of a session whose terminal is a pty of ours."""

    def __init__(self, words, directory, size=(120, 36), *, stdin=None, stderr=None, **environment):
        self.master, self.slave = pty.openpty()
        self.size = size
        self.resize(*size)
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        settings = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "TMPDIR": str(directory),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "BLOCKSTRATA_CONFIG": str(directory / "none.toml"),
            **environment,
        }
        self.process = subprocess.Popen(
            words,
            stdin=self.slave if stdin is None else stdin,
            stdout=self.slave,
            stderr=self.slave if stderr is None else stderr,
            cwd=directory,
            env=settings,
            start_new_session=True,
            # no other thread of the tests holds a lock that the child needs
            preexec_fn=lambda: fcntl.ioctl(1, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )

    def resize(self, columns, rows):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds=0.05):
        """Read what there is; False if nothing came in time."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        piece = os.read(self.master, 1 << 16)
        self.output += piece
        return bool(piece)

    def wait(self, holds, what):
        """Read until something holds."""
        until = time.monotonic() + TIMEOUT
        while not holds():
            assert time.monotonic() < until, f"never {what}:\n{self.output[-3000:]!r}"
            self.read()

    def expect(self, words, since=0):
        """Wait for words in the output after a place in it; return the place behind them."""
        self.wait(lambda: words in self.output[since:], f"{words!r}")
        return self.output.index(words, since) + len(words)

    def send(self, data):
        """Type, or send whatever a terminal sends; what does not fit waits until it does."""
        until = time.monotonic() + TIMEOUT
        view = memoryview(data)
        while view and self.process.poll() is None:
            assert time.monotonic() < until, "the program does not read"
            if select.select([], [self.master], [], 0.01)[1]:
                view = view[os.write(self.master, view[:1024]) :]
            self.read(0)

    def shows(self, since=0):
        """Wait until the viewer has painted its picture after a place in the output."""
        self.expect(PICTURE, since)

    def answers(self):
        """Assert that keys do what they do: help comes and goes, which paints the picture."""
        since = len(self.output)
        self.send(b"?")
        since = self.expect(b"COLOURS AND TEXTURES", since)
        self.send(ESCAPE)
        self.shows(since)

    def insist(self, keys, words):
        """Type keys now and then until words are painted; return the place behind these."""
        until = time.monotonic() + TIMEOUT
        since = len(self.output)
        while True:
            self.send(keys)
            pause = time.monotonic() + 2.5
            while time.monotonic() < pause:
                self.read()
                if words in self.output[since:]:
                    return self.output.index(words, since) + len(words)
            assert time.monotonic() < until, f"never {words!r}:\n{self.output[-3000:]!r}"

    def kill(self, number):
        os.kill(self.process.pid, number)

    def is_stopped(self):
        status = Path(f"/proc/{self.process.pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] == "T"

    def stopped(self):
        self.wait(self.is_stopped, "stopped")

    def left(self):
        """Wait until the program has ended, read the rest, and return how: as a shell says it."""
        self.wait(lambda: self.process.poll() is not None, "ended")
        while self.read():
            pass
        code = self.process.returncode
        return code if code >= 0 else 128 - code

    def hang_up(self):
        """Close the terminal from outside."""
        os.close(self.slave)
        os.close(self.master)
        self.master = self.slave = -1

    def clean(self):
        """Assert that the terminal is as it was."""
        assert termios.tcgetattr(self.slave) == self.before
        modes, pushed = modes_of(self.output)
        assert modes == {}, self.output[-500:]
        assert pushed == 0

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        for fd in (self.master, self.slave):
            if fd >= 0:
                os.close(fd)
        self.master = self.slave = -1


NORMAL = {b"7": True, b"25": True}


def modes_of(output):
    """Return what output leaves set otherwise than at first, and how many of the keyboard's modes."""
    modes, pushed = {}, 0
    for numbers, to, keyboard in _SET.findall(output):
        if keyboard:
            pushed += 1 if keyboard == b">" else -1
        for number in numbers.split(b";") if numbers else ():
            modes[number] = to == b"h"
    return {number: on for number, on in modes.items() if on != NORMAL.get(number, False)}, pushed
