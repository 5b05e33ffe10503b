"""What a scenario is to those who offer it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Scenario:
    """Small real images that can be made on the spot.

    ``build`` writes ``files`` into an existing directory and returns what to open, as the command line takes
    it: a path, or a ``json:`` reference where a path does not say enough.  The files have the same bytes
    every time, and backing files are named relative to them.  ``FileExistsError`` rather than write over one.
    """

    name: str
    """One word, as the command line takes it."""
    title: str
    summary: str
    """One sentence."""
    files: tuple[str, ...]
    build: Callable[[Path], tuple[str, ...]]

    def keep(self, directory: Path) -> tuple[str, ...]:
        """Build in a directory, made if it is missing, where no file of the scenario may be yet.

        ``FileExistsError`` names the first that is, and nothing is written then; ``OSError`` else.
        """
        if directory.exists() and not directory.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
        directory.mkdir(parents=True, exist_ok=True)
        for name in self.files:
            if os.path.lexists(directory / name):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(directory / name))
        return self.build(directory)
