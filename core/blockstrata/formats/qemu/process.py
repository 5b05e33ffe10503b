"""Running qemu-img, which is done only with the user's consent: no terminal, bounded in time.

What is asked stands in one argument, ``json:{…}``, so that no name in it can pass for an option.  It ends
with us, however we end: a shell, whose script no name is part of, stays beside it and reads from a pipe that
nobody writes to.  The kernel closes the other end when this process is gone, and the shell then ends all that
was started::

    this process ══ pipe ══▶ sh: read, then kill
                 ◀══ pipe ═══ qemu-img, in a session and group with it

A death signal would not do: Linux sends it when the thread ends that started the child, it does not reach
what that child starts, and asking for it takes code between fork and exec, which is unsafe beside threads.
"""

from __future__ import annotations

import functools
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import IO, Any, Final

from blockstrata.access import Access, Consent
from blockstrata.errors import ConsentError, OpenError, UnsupportedError, words_of

_UNDER_WATCH: Final = """
exec 3<&0 </dev/null
{ read -r _ <&3; kill -s KILL 0; } >/dev/null 2>&1 &
exec "$@" 3<&-
"""
"""Runs its arguments until standard input ends, which they do not get."""
_TICK: Final = 0.1
"""Seconds between two looks at whether the answer is still wanted."""
_GRACE: Final = 1.0
"""Seconds after which it is left to itself if the kernel does not let go of it, as on a file that hangs."""
_PIECE: Final = 1 << 20
_MOST_MAP: Final = 1 << 30
_MOST_INFO: Final = 1 << 24
_MOST_COMPLAINT: Final = 1 << 16
"""Bytes of standard error that are kept."""
_MOST_TOLD: Final = 1000
"""Characters of it that are told."""


def require_qemu(access: Access, name: str, what: str) -> None:
    """Raise unless qemu-img may be run and is there; the error says what to do.

    ``what`` says what is not read here: "format 'vmdk'".
    """
    if shutil.which("qemu-img") is None:
        install = "" if access.allows(Consent.VIA_QEMU) else f" and say {Consent.VIA_QEMU.value}"
        raise UnsupportedError(
            name, "", f"{what} is not read here; to ask qemu-img, install it (package qemu-utils){install}"
        )
    if not access.allows(Consent.VIA_QEMU):
        raise ConsentError(
            name, "", f"{what} is not read here; {Consent.VIA_QEMU.value} asks qemu-img", Consent.VIA_QEMU
        )


def info(reference: Sequence[str], name: str, access: Access) -> dict[str, Any]:
    """Return what ``qemu-img info`` says of an image, without opening its backing layer."""
    words = ["info", "-U", "--output=json", *reference]
    answer = b"".join(run(words, name, access, _MOST_INFO))
    try:
        found = json.loads(answer.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise OpenError(name, "qemu-img info", "does not answer with a JSON object")
    return found


def map_pieces(reference: Sequence[str], name: str, access: Access) -> Generator[bytes]:
    """Yield the JSON of ``qemu-img map`` as it comes."""
    return run(["map", "-U", "--output=json", *reference], name, access, _MOST_MAP)


def version(access: Access) -> str:
    """Return which qemu-img is asked, as in ``qemu-img 7.2.22``; without a number if it does not tell."""
    try:
        return _version(shutil.which("qemu-img") or "", access)
    except OpenError:
        return "qemu-img"


@functools.lru_cache(maxsize=4)
def _version(_: str, access: Access) -> str:
    text = b"".join(run(["--version"], "qemu-img", access, _MOST_INFO)).decode("utf-8", "replace")
    found = re.search(r"version (\d[\w.]*)", text)
    return f"qemu-img {found[1]}" if found else "qemu-img"


def run(words: Sequence[str], name: str, access: Access, most: int) -> Generator[bytes]:
    """Yield the standard output of qemu-img; ``OpenError`` with what it says if it fails.

    Also if it takes longer than ``access.timeout``, or says more than ``most`` bytes, or is not wanted any
    more; it is ended then.
    """
    ended = time.monotonic() + access.timeout
    with ExitStack() as pipes:
        try:
            watched, lifeline = map(os.fdopen, os.pipe(), ("rb", "wb"))
            pipes.enter_context(watched)
            pipes.enter_context(lifeline)
            child = subprocess.Popen(  # noqa: S603
                ["/bin/sh", "-c", _UNDER_WATCH, "sh", shutil.which("qemu-img") or "qemu-img", *words],
                stdin=watched,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise OpenError(name, "qemu-img", f"cannot be run: {words_of(error)}") from None
        watched.close()
        for pipe in filter(None, (child.stdout, child.stderr)):
            pipes.enter_context(pipe)
        complaint = bytearray()
        try:
            for stream, piece in _pieces(child, name, access, ended):
                if stream is child.stderr:
                    complaint += piece[: _MOST_COMPLAINT - len(complaint)]
                    continue
                most -= len(piece)
                if most < 0:
                    raise OpenError(name, "qemu-img", "prints more than is accepted")
                yield piece
        finally:
            if child.returncode is None:
                with suppress(OSError):
                    os.killpg(child.pid, signal.SIGKILL)
                with suppress(subprocess.TimeoutExpired):
                    child.wait(_GRACE)
        if child.returncode:
            raise OpenError(name, "qemu-img", _reason(bytes(complaint), child.returncode))


def _pieces(
    child: subprocess.Popen[bytes], name: str, access: Access, ended: float
) -> Iterator[tuple[IO[bytes], bytes]]:
    """Yield what a child says on its two pipes until it has ended; nothing that it leaves is waited for."""
    with selectors.DefaultSelector() as selector:
        for stream in filter(None, (child.stdout, child.stderr)):
            selector.register(stream, selectors.EVENT_READ, stream)
        while True:
            if access.is_cancelled():
                raise OpenError(name, "qemu-img", "was ended, because its answer is no longer needed")
            if time.monotonic() > ended:
                what = (
                    f"has not answered within {access.timeout:g} seconds and was ended; --timeout allows more"
                )
                raise OpenError(name, "qemu-img", what)
            # before the pipes are looked at: all that it has said is in them then
            has_ended = child.poll() is not None
            ready = selector.select(0 if has_ended else _TICK) if selector.get_map() else []
            for key, _ in ready:
                piece = os.read(key.fd, _PIECE)
                if piece:
                    yield key.data, piece
                else:
                    selector.unregister(key.data)
            if has_ended and not ready:
                return
            if not selector.get_map():
                with suppress(subprocess.TimeoutExpired):
                    child.wait(_TICK)


def _reason(complaint: bytes, status: int) -> str:
    """Return in one line all that it says on standard error, but what we know: its name and the image's."""
    lines = [line.strip() for line in complaint.decode("utf-8", "surrogateescape").split("\n")]
    lines = [line for line in lines if line]
    if not lines:
        return f"ends with signal {-status}" if status < 0 else f"ends with status {status}"
    lines = [re.sub(r"^qemu(?:-img)?: (?:Could not open '.*?': )?", "", line) for line in lines]
    # a sentence may take several lines, as that on a log that must be replayed; one that is said twice is not
    line = " ".join(dict.fromkeys(lines))
    return line if len(line) <= _MOST_TOLD else line[: _MOST_TOLD - 1] + "…"
