"""What a scenario is to those who offer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Scenario:
    """A small real chain that can be made on the spot.

    ``build`` writes the chain's files into an existing directory and returns the path of the active image.
    It gives the same bytes every time, and ``FileExistsError`` rather than write over a file.
    """

    name: str
    """One word, as the command line takes it."""
    title: str
    summary: str
    """One sentence."""
    build: Callable[[Path], Path]
