"""A file written as a whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from blockstrata_viewer.process.leaving import Undo

_KINDS: Final = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


class NotAFileError(OSError):
    """What has the name is no regular file."""


def write_whole(
    path: str | Path, content: bytes, check: Callable[[os.stat_result], object] = lambda _: None
) -> None:
    """Write a file beside its place, then put it there: what was there before stays until all is written.

    A link is followed, and a file that is replaced keeps its mode, and its owner where that can be.
    ``check`` may raise an error of its own about what is to be replaced.  ``OSError`` if that fails;
    ``NotAFileError`` if there is no regular file, which is neither opened nor replaced.
    """
    target = Path(os.path.realpath(path))
    before = None
    with suppress(FileNotFoundError):
        before = Path(path).stat()
    if before is not None:
        check(before)
        _require_file(before, target)
    elif os.fspath(path).endswith("/"):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    beside = target.with_name(f".blockstrata-{secrets.token_hex(8)}")
    with Undo(beside.unlink):
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with open(fd, "wb") as file:
            file.write(content)
            if before is not None:
                with suppress(PermissionError):
                    os.fchown(fd, before.st_uid, before.st_gid)
                os.fchmod(fd, stat.S_IMODE(before.st_mode))
        beside.replace(target)


def _require_file(status: os.stat_result, target: Path) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if kind != stat.S_IFREG:
        raise NotAFileError(errno.EINVAL, f"is {_KINDS.get(kind, 'something else')}, not a regular file")
    # not so if it was opened and has lost its name, as /dev/fd/3 may have
    if not os.path.samestat(target.stat(), status):
        raise NotAFileError(errno.EINVAL, "has no name of its own")
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
