"""Directories for temporary files."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from blockstrata_viewer.process.leaving import Undo


@contextmanager
def scratch_directory(parent: Path | None = None) -> Iterator[Path]:
    """Make a directory for temporary files, and remove it with all that is in it; ``OSError``."""
    *others, last = [parent] if parent else _places()
    for place in (*others, last):
        # nobody guesses the name: what is there under it is ours
        path = place.absolute() / f"blockstrata-{secrets.token_hex(8)}"
        with Undo(partial(shutil.rmtree, path, ignore_errors=True)):
            try:
                path.mkdir(0o700)
            except OSError:
                if place is last:
                    raise
                continue
            yield path
        return


def _places() -> list[Path]:
    """Return where temporary files go; tempfile would find it out by a file that a signal leaves there."""
    found = []
    for said in filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))):
        with suppress(OSError):  # relative to a working directory that is gone
            found.append(Path(said).absolute())
    return [*found, Path("/tmp"), Path("/var/tmp")]  # noqa: S108  a directory of one's own is made
