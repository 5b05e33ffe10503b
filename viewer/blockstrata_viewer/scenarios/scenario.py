"""What a scenario is to those who offer it."""

import errno
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.process.leaving import Undo
from blockstrata_viewer.scenarios.picture import Qcow2, Raw


@dataclass(frozen=True, slots=True)
class Scenario:
    """Small real images that can be made on the spot, with the same bytes every time."""

    name: str
    """One word, as the command line takes it."""
    title: str
    summary: str
    """One sentence."""
    layers: tuple[Raw | Qcow2, ...]
    """In the order in which they are written; backing files are named relative to them."""
    opened: tuple[str | Mapping[str, object], ...] = ()
    """What is to be opened: a layer's name, or options where that does not say enough, with each ``filename``
    in them relative to the layers.  The last layer if nothing is said."""
    opens: Aim | None = None
    """Where there is something to see, and the first image is opened; the whole disk if nothing is said."""

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all files."""
        return tuple(name for layer in self.layers for name in layer.files)

    def build(self, directory: Path) -> tuple[str, ...]:
        """Write all files into an existing directory; return what to open, as the command line takes it.

        ``FileExistsError`` rather than write over one.
        """
        for layer in self.layers:
            layer.write(directory)
        return tuple(_located(each, directory) for each in self.opened or (self.layers[-1].name,))

    def said(self, images: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the words of the command line that lead to images that were built: to none but the first."""
        return {image: () if nth else ("demo", self.name) for nth, image in enumerate(images)}

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


def reference(options: object) -> str:
    """Return block device options as the command line takes them, without a blank."""
    return "json:" + json.dumps(options, separators=(",", ":"))


def _located(what: str | Mapping[str, object], directory: Path) -> str:
    """Return a path, or options as a reference, to what lies in a directory."""
    return str(directory / what) if isinstance(what, str) else reference(_placed(what, directory))


def _placed(value: object, directory: Path, key: str = "") -> object:
    """Return options with the file names in them placed into a directory."""
    if isinstance(value, dict):
        return {name: _placed(each, directory, name) for name, each in value.items()}
    return str(directory / str(value)) if key == "filename" else value


def _remove(files: Iterable[Path], directories: Iterable[Path]) -> None:
    """Remove files as far as they are there, and then directories, the innermost first, that are empty."""
    for file in files:
        file.unlink(missing_ok=True)
    for directory in directories:
        with suppress(OSError):
            directory.rmdir()
