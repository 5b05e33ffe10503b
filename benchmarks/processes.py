"""Processes run to be measured: what they take of the processors, of time and of memory.

A process inherits the peak of its parent's memory, so whoever starts them from here must stay smaller than
they are: no numpy, no images, no answers kept.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SOON = 20.0
"""Seconds in which a server must take connections."""


class NoAnswerError(Exception):
    """A process failed or was ended because it took too long."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run took: ``cpu`` and ``wall`` in seconds, ``memory`` at its peak in bytes."""

    cpu: float
    wall: float
    memory: int = 0

    def __add__(self, other: Sample) -> Sample:
        """Return what two runs took together, one after the other."""
        return Sample(self.cpu + other.cpu, self.wall + other.wall, max(self.memory, other.memory))


def median(samples: Sequence[Sample]) -> Sample:
    """Return the median of each figure by itself."""
    return Sample(
        statistics.median(sample.cpu for sample in samples),
        statistics.median(sample.wall for sample in samples),
        int(statistics.median(sample.memory for sample in samples)),
    )


def run(words: Sequence[str], *, cwd: Path, patience: float, output: Path | None = None) -> Sample:
    """Run one command to its end; ``NoAnswerError`` if it fails or takes more than ``patience`` seconds."""
    with (
        tempfile.TemporaryFile() as errors,
        (output or Path(os.devnull)).open("wb") as out,
    ):
        began = time.perf_counter()
        process = subprocess.Popen(words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)  # noqa: S603
        sample = _finish(process, began, patience)
        if process.returncode:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
            last = said[-1] if said else f"exit code {process.returncode}"
            raise NoAnswerError(last)
    return sample


def _finish(process: subprocess.Popen[bytes], began: float, patience: float) -> Sample:
    """Wait for a process, end it if it takes too long, and return what it took."""
    is_done = False
    try:
        watch = os.pidfd_open(process.pid)
        try:
            is_done = bool(select.select([watch], [], [], patience)[0])
        finally:
            os.close(watch)
    finally:
        wall = time.perf_counter() - began
        if not is_done:
            process.kill()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if not is_done:
        raise NoAnswerError(f"ended after {patience:.0f} s")
    return Sample(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss << 10)


class Server:
    """A server on a Unix socket; once :func:`serving` is left, ``sample`` is what all of it took."""

    sample: Sample


@contextlib.contextmanager
def serving(words: Sequence[str], path: Path, *, cwd: Path) -> Iterator[Server]:
    """Run a server that listens on ``path``, and end it."""
    server = Server()
    began = time.perf_counter()
    # servers complain of connections that only try whether there is one
    process = subprocess.Popen(  # noqa: S603
        words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not _listens(path):
            if process.poll() is not None:
                raise NoAnswerError(f"{words[0]}: exit code {process.returncode}")
            if time.perf_counter() - began > _SOON:
                raise NoAnswerError(f"{words[0]}: takes no connections")
            time.sleep(0.005)
        yield server
    finally:
        if process.returncode is None:
            process.terminate()
            server.sample = _finish(process, began, _SOON)
        path.unlink(missing_ok=True)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect(str(path))
        except OSError:
            return False
        return True
