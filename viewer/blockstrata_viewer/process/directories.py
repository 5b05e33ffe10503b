"""Directories that may not be there: the working directory, and somebody's home."""

from __future__ import annotations

from pathlib import Path

from blockstrata.errors import OpenError


def absolute(name: str) -> Path:
    """Return a path that is the same from anywhere; ``OpenError`` if the working directory is gone."""
    try:
        return Path(name).absolute()
    except OSError as error:
        raise OpenError(name, "", f"the working directory is unknown: {error.strerror}") from None


def expanded(name: str) -> Path:
    """Return the path that a name with ``~`` or ``~user`` means; ``OpenError`` if there is no such home."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        home = name.partition("/")[0]
        raise OpenError(name, "", f"there is no home directory {home}") from None
