"""Files and block devices of this host: QEMU's ``file`` and ``host_device`` drivers.

Opened read-only, never locked.  Where a file's holes are is asked once, when it is opened and before any byte
of it is read: reading fills the page cache, after which ext4 and xfs answer otherwise for space that is
reserved and not yet written (docs/semantics.md, "Seek and fiemap").
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat
import struct
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.access import Probe
from blockstrata.errors import OpenError, UnsupportedError, words_of
from blockstrata.facts.codes import MAX_LENGTH, Mapping, Storage, fact
from blockstrata.facts.extents import Extents
from blockstrata.facts.node import ProtocolNode, check_open, whole_sectors
from blockstrata.naming.paths import directory_of
from blockstrata.protocols.fiemap import fiemap_probe
from blockstrata.protocols.seek import seek_probe

END: Final = 2**63 - 1
"""First byte past what a file can hold; host windows reach up to here."""

_SPARE: Final = 4
"""File descriptors that are left to the rest of the program: a chain may name more files than can be open."""

_LOCK: Final = "hhqqi4x"
"""Linux's struct flock: type, whence, start, length, and a process that stays 0 for such locks."""
_WRITE_LOCK: Final = 101
"""The byte of a file that QEMU locks while it may write to it."""

_BEYOND = fact(Mapping.PASSTHROUGH, Storage.BEYOND_EOF)
_OPAQUE = fact(Mapping.PASSTHROUGH, Storage.OPAQUE)


class FileNode(ProtocolNode):
    """An open file or block device.

    ``name`` is how it was named (relative to the working directory), ``length`` its bytes.
    """

    def __init__(
        self,
        name: str,
        fd: int,
        driver: str,
        status: os.stat_result,
        length: int,
        probe: Probe,
        *,
        direct: bool = False,
    ) -> None:
        super().__init__(name, driver, length)
        self.directory = directory_of(name)
        self.allocated = status.st_blocks * 512
        self.identity = (driver, status.st_dev, status.st_ino, status.st_rdev)
        self._stamp = status.st_size, status.st_mtime_ns
        self._fiemap_error = ""
        self._fd = fd
        self._probe = probe
        self._end = whole_sectors(length) if direct else length

    def extents(self, start: int, length: int) -> Extents:
        """Return the storage of a window of host bytes; past the end it is BEYOND_EOF."""
        check_open(self)
        return self._ask().cut(start, start + length)

    @property
    def tells_shared(self) -> bool:
        """Whether FIEMAP answered; seeking does not say what is shared."""
        check_open(self)
        self._ask()
        return self._probe is Probe.FIEMAP and not self._fiemap_error

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes, zeroes past the end of the file; ``OpenError`` if the file cannot be read."""
        check_open(self)
        self._ask()  # before anything is read, see the head of this module
        parts = []
        missing = length
        while missing and offset < self.length:
            try:
                part = os.pread(self._fd, min(missing, 1 << 30), offset)
            except OSError as error:
                raise OpenError(self.name, f"byte {offset}", words_of(error)) from None
            if not part:
                break
            parts.append(part)
            offset += len(part)
            missing -= len(part)
        # a single part is handed on as it is
        return b"".join([*parts, bytes(missing)] if missing else parts)

    def is_written(self) -> bool:
        """Say whether a QEMU has the file open for writing, as its lock says; nothing is locked to ask."""
        asked = struct.pack(_LOCK, fcntl.F_WRLCK, os.SEEK_SET, _WRITE_LOCK, 1, 0)
        try:
            answer = fcntl.fcntl(self._fd, fcntl.F_OFD_GETLK, asked)
        except (OSError, AttributeError):  # neither every system nor every file system has these locks
            return False
        return bool(struct.unpack(_LOCK, answer)[0] != fcntl.F_UNLCK)

    def notices(self) -> list[str]:
        """Say that FIEMAP was not to be had, and that somebody wrote to the file since it was opened."""
        found = []
        if self._fiemap_error:
            found.append(f"no FIEMAP here ({self._fiemap_error}); using seek")
        try:
            now = os.fstat(self._fd)
            has_changed = (now.st_size, now.st_mtime_ns) != self._stamp
        except OSError:  # a network's file that is gone
            has_changed = True
        if has_changed:
            found.append("changed while it was read")
        return found

    def close(self) -> None:
        """Close the file; a second time nothing happens."""
        super().close()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _ask(self) -> Extents:
        """Return where the whole file has storage, as it was when this was asked first."""
        return self._runs

    @cached_property
    def _runs(self) -> Extents:
        if self.driver == "host_device" and self._probe is Probe.FIEMAP:
            self._fiemap_error = "a device"
        if self.driver == "host_device" or self._probe is Probe.NONE:
            return host_runs(np.zeros(min(1, self.length), np.int64), _OPAQUE, self._end)
        if self._probe is Probe.FIEMAP:
            try:
                return host_runs(*fiemap_probe(self._fd, self.length), self._end)
            except OSError as error:
                self._fiemap_error = words_of(error)
        return host_runs(*seek_probe(self._fd, self.length), self._end)


def open_file(
    name: str, driver: str | None = None, probe: Probe = Probe.SEEK, *, direct: bool = False
) -> FileNode:
    """Open a file or block device read-only.

    ``driver`` is "file", "host_device", or None to choose by what it is, as QEMU does for a plain name.
    ``direct``: answer as QEMU does when it goes past the page cache.  It may read whole sectors only then,
    and takes a last piece of one for all of it.
    ``OpenError`` if it cannot be opened, ``UnsupportedError`` for what has no bytes at an offset (a
    directory, a pipe, a socket, a terminal).
    """
    try:
        _kind(name, Path(name).stat())  # some of what is no disk cannot even be opened
        # without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        if direct:
            _check_direct(name, flags)
        fd = os.open(name, flags)
        try:
            most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            if most != resource.RLIM_INFINITY and fd >= most - _SPARE:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            status = os.fstat(fd)
            kind = _kind(name, status)
            if driver is not None and driver != kind:
                wanted, found = ("regular file", "block device")[:: 1 if driver == "file" else -1]
                raise UnsupportedError(name, "driver", f"'{driver}' needs a {wanted}, this is a {found}")
            length = os.lseek(fd, 0, os.SEEK_END)
            if length > MAX_LENGTH:
                raise UnsupportedError(name, "", f"{length} bytes are 8 EiB or more")
        except BaseException:
            os.close(fd)
            raise
    except (OSError, ValueError) as error:
        raise OpenError(name, "", words_of(error)) from None
    return FileNode(name, fd, driver or kind, status, length, probe, direct=direct)


def _check_direct(name: str, flags: int) -> None:
    """``OpenError`` if a file system cannot go past the page cache; what is read here may come from there."""
    try:
        os.close(os.open(name, flags | os.O_DIRECT))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise OpenError(name, "cache.direct", "its file system has no O_DIRECT") from None


def _kind(name: str, status: os.stat_result) -> str:
    if stat.S_ISREG(status.st_mode):
        return "file"
    if stat.S_ISBLK(status.st_mode):
        return "host_device"
    words = {
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a character device",
    }
    what = words.get(stat.S_IFMT(status.st_mode), "no regular file")
    raise UnsupportedError(name, "", f"is {what}, not a disk image")


def host_runs(starts: NDArray[np.int64], codes: NDArray[np.uint8] | int, end: int) -> Extents:
    """Return runs over all host offsets: those given, and BEYOND_EOF from ``end`` on."""
    edges = np.concatenate([starts, [end, END]])
    facts = np.full(len(starts) + 1, _BEYOND, np.uint8)
    facts[:-1] = codes
    return Extents(edges, facts, edges[:-1].copy())
