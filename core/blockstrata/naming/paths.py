"""What the name of a file says and where it leads, found out without opening anything."""

from __future__ import annotations

import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_KERNEL: Final = ("/proc", "/sys", "/sys/kernel/debug", "/sys/kernel/tracing")
"""Where the kernel answers: to read there may have effects, and ``/proc/self/fd`` means what is open."""
_MOST_LINKS: Final = 40
"""As many as Linux follows."""


def has_protocol(name: str) -> bool:
    """Say whether a name starts with a protocol: it has a colon before any slash.

    See docs/semantics.md, "Names and formats".
    """
    return re.match(r"[^:/]*:", name) is not None


def directory_of(name: str) -> str:
    """Return what QEMU puts before a name that is relative to a file's: all up to the last slash.

    A protocol stays, so that what is relative to ``a:b`` has the same one.
    """
    protocol = name.find(":") + 1 if has_protocol(name) else 0
    return name[: max(protocol, name.rfind("/") + 1)]


def is_stored(name: str) -> bool:
    """Say whether a name leads to neither a device nor the kernel; what is not there counts as stored."""
    try:
        status = Path(name).stat()
    except (OSError, ValueError):
        return True
    try:
        return not stat.S_ISBLK(status.st_mode) and not _leads_to_the_kernel(name)
    except OSError:
        return False


def _leads_to_the_kernel(name: str) -> bool:
    """Say whether a name leads through a file system of the kernel's, by symbolic links too."""
    kernel = set()
    for root in _KERNEL:
        with suppress(OSError):
            kernel.add(Path(root).stat().st_dev)
    links = 0
    at = Path("/" if name.startswith("/") else ".")
    waiting = name.split("/")[::-1]
    while waiting:
        here = at / waiting.pop()
        status = here.lstat()
        if status.st_dev in kernel:
            return True
        if not stat.S_ISLNK(status.st_mode):
            at = here
            continue
        links += 1
        if links > _MOST_LINKS:
            return True
        target = str(here.readlink())
        at = Path("/") if target.startswith("/") else at
        waiting += target.split("/")[::-1]
    return False
