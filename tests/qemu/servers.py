"""Real NBD servers for the length of a test: started, waited for, and ended by their own process ids."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECONDS = 20
"""How long a server may take to listen, or to end."""


class RefusedError(Exception):
    """A server ended instead of serving; its words are the argument."""


@contextlib.contextmanager
def qemu_nbd(work: Path, *words: str) -> Iterator[str]:
    """Run qemu-nbd on a unix socket, read-only, and yield the URI of its export without a name."""
    path = _free_path(work)
    with _running(work, ["qemu-nbd", "-r", "-t", "-e", "8", "-k", str(path), *words], path):
        yield f"nbd+unix:///?socket={path}"


@contextlib.contextmanager
def qemu_nbd_tcp(work: Path, *words: str) -> Iterator[tuple[str, int]]:
    """Run qemu-nbd on a port of the loopback, read-only, and yield host and port."""
    port = _free_port()
    place = ("127.0.0.1", port)
    with _running(work, ["qemu-nbd", "-r", "-t", "-e", "8", "-b", place[0], "-p", str(port), *words], place):
        yield place


@contextlib.contextmanager
def nbdkit(work: Path, *words: str) -> Iterator[str]:
    """Run nbdkit on a unix socket, and yield the URI of its export without a name."""
    path = _free_path(work)
    with _running(work, ["nbdkit", "-f", "-U", str(path), *words], path):
        yield f"nbd+unix:///?socket={path}"


@contextlib.contextmanager
def nbdkit_tcp(work: Path, *words: str) -> Iterator[int]:
    """Run nbdkit on a port of the loopback, and yield the port."""
    port = _free_port()
    with _running(work, ["nbdkit", "-f", "-i", "127.0.0.1", "-p", str(port), *words], ("127.0.0.1", port)):
        yield port


def _free_path(work: Path) -> Path:
    return next(path for path in (work / f"s{n}" for n in range(100)) if not path.exists())


def _free_port() -> int:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return plug.getsockname()[1]


@contextlib.contextmanager
def _running(work: Path, words: list[str], place: Path | tuple[str, int]) -> Iterator[None]:
    with (
        (work / "server.log").open("wb") as log,
        subprocess.Popen(words, cwd=work, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process,
    ):
        try:
            until = time.monotonic() + _SECONDS
            while not _greets(place):
                said = (work / "server.log").read_text(errors="replace")
                if process.poll() is not None:
                    raise RefusedError(said)
                assert time.monotonic() < until, f"{words[0]} does not serve: {said}"
                time.sleep(0.01)
            yield
        finally:
            process.terminate()
            try:
                process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _greets(place: Path | tuple[str, int]) -> bool:
    """Say whether an NBD server answers there; qemu-nbd listens before it has looked at all its options."""
    family, address = (socket.AF_INET, place) if isinstance(place, tuple) else (socket.AF_UNIX, str(place))
    with socket.socket(family) as plug:
        plug.settimeout(_SECONDS)
        try:
            plug.connect(address)
            return plug.recv(8) == b"NBDMAGIC"
        except OSError:
            return False
