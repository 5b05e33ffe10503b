"""A bound on the program's memory, so that too large an image is a message and not the machine's trouble.

Linux gives out more memory than it has, and then ends a process that it chooses.
"""

from __future__ import annotations

import re
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

TAKES_TOO_MUCH: Final = "takes more memory than there is"
"""What is said of something that a MemoryError came of."""
TOO_LARGE: Final = f"this {TAKES_TOO_MUCH}"
"""What is said of a MemoryError where it is plain what it came of."""

_MACHINE: Final = Path("/proc/meminfo")
_CONTAINER: Final = Path("/sys/fs/cgroup/memory.max")


def bound_memory() -> None:
    """Let this process, and those that it starts, ask for no more memory than there is; then MemoryError.

    What ends is not told one by one that it has no memory for that.
    """
    sys.unraisablehook = _untold
    most = available(_MACHINE, _CONTAINER)
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if most is None or (soft != resource.RLIM_INFINITY and soft <= most):
        return
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _untold(unraisable: sys.UnraisableHookArgs) -> None:
    if not issubclass(unraisable.exc_type, MemoryError):
        sys.__unraisablehook__(unraisable)


def available(machine: Path, container: Path) -> int | None:
    """Return how many bytes can be had, by the files in which Linux says so; None if neither does."""
    found = []
    with suppress(OSError):
        match = re.search(r"^MemAvailable: +([0-9]+) kB$", machine.read_text(), re.MULTILINE)
        found += [int(match[1]) << 10] if match else []
    with suppress(OSError, ValueError):
        # "max" where there is no limit
        found.append(int(container.read_text()))
    return min(found, default=None)
