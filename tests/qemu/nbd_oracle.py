"""What nbdinfo says of an export."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from oracle import run

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = ("qemu-nbd", "nbdinfo")


def map_of(uri: str, context: str = "base:allocation", *, cwd: Path) -> str:
    """Return what nbdinfo prints of a metadata context."""
    done = run("nbdinfo", f"--map={context}", "--json", uri, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def block_status(uri: str, *, cwd: Path) -> list[tuple[int, int, int]]:
    """Return start, length and type of each run."""
    return [(run["offset"], run["length"], run["type"]) for run in json.loads(map_of(uri, cwd=cwd))]
