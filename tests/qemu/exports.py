"""Images exported by ``qemu-nbd``, read-only, on a socket in the directory that holds them."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from oracle import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOOLS = ("qemu-nbd", "nbdinfo")

_SECONDS = 20


class RefusedError(Exception):
    """qemu-nbd ended instead of serving; its words are the argument."""


@contextlib.contextmanager
def exported(image: str, *options: str, cwd: Path) -> Iterator[str]:
    """Yield the URI of an export."""
    path = cwd / "export.sock"
    words = ("qemu-nbd", "--read-only", "--persistent", "--shared=2", "--socket", str(path), *options, image)
    with subprocess.Popen(words, cwd=cwd, stderr=subprocess.PIPE, text=True) as server:
        try:
            _await(server, path)
            yield f"nbd+unix:///?socket={path}"
        finally:
            server.terminate()
            server.wait(_SECONDS)
            path.unlink(missing_ok=True)


def _await(server: subprocess.Popen[str], path: Path) -> None:
    """Return once the server greets; ``RefusedError`` if it ends.

    It listens before it has looked at all of its options.
    """
    until = time.monotonic() + _SECONDS
    while server.poll() is None:
        with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
            client.settimeout(_SECONDS)
            client.connect(str(path))
            if client.recv(8) == b"NBDMAGIC":
                return
        assert time.monotonic() < until, "qemu-nbd does not serve"
        time.sleep(0.01)
    raise RefusedError(server.stderr.read())


def map_of(uri: str, context: str = "base:allocation", *, cwd: Path) -> str:
    """Return what nbdinfo prints of a metadata context."""
    done = run("nbdinfo", f"--map={context}", "--json", uri, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def block_status(uri: str, *, cwd: Path) -> list[tuple[int, int, int]]:
    """Return start, length and type of each run."""
    return [(run["offset"], run["length"], run["type"]) for run in json.loads(map_of(uri, cwd=cwd))]
