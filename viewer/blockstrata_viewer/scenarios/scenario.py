"""What a scenario is to those who offer it."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockstrata_viewer.process.leaving import Undo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
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

        ``FileExistsError`` names the first that is, and nothing is written then; ``OSError`` else.  If all of
        it cannot be made, or the program is ended meanwhile, nothing of it stays.
        """
        if directory.exists() and not directory.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
        files = [directory / name for name in self.files]
        for file in files:
            if os.path.lexists(file):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file))
        missing = [each for each in (directory, *directory.parents) if not each.exists()]
        with Undo(lambda: _remove(files, missing)) as half_made:
            directory.mkdir(parents=True, exist_ok=True)
            try:
                images = self.build(directory)
            except FileExistsError:
                half_made.keep()  # somebody else makes the same here, just now: who knows whose they are
                raise
            half_made.keep()
        return images


def _remove(files: Iterable[Path], directories: Iterable[Path]) -> None:
    """Remove files as far as they are there, and then directories, the innermost first, that are empty."""
    for file in files:
        file.unlink(missing_ok=True)
    for directory in directories:
        with suppress(OSError):
            directory.rmdir()
