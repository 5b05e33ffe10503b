"""What is seen and when: starting up, and drawing what is known."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import targets
from page import judged, ms, number, verdict
from peers import BLOCKSTRATA, Place, inside
from processes import NoAnswerError, Sample, median
from race import race
from terminal import PAINT, PICTURE, Terminal

if TYPE_CHECKING:
    import argparse

    from page import Page
    from race import Measure

TINY_MAP: Final = "map of a disk of 1 MiB"
LIBRARIES: Final = "python -c 'import numpy, click'"
FIRST_PAINT: Final = "first paint of the viewer"
FIRST_PICTURE: Final = "first picture of the viewer"
NO_APP: Final = "first paint of an app of two widgets"
_RUNS: Final = 2_000_000
"""Of the disk that strips are drawn of, at scale 1."""


def start_up(options: argparse.Namespace, page: Page) -> None:
    """Measure what it takes until anything is seen."""
    with tempfile.TemporaryDirectory(prefix="blockstrata-") as name:
        directory, image = Path(name), "tiny.img"
        place = Place(directory, directory, options.patience)
        with (directory / image).open("wb") as file:
            file.truncate(1 << 20)
        command = [*BLOCKSTRATA, "view", str(directory / image)]
        measures: dict[str, Measure] = {
            TINY_MAP: lambda: {TINY_MAP: place.run([*BLOCKSTRATA, "map", image])},
            LIBRARIES: lambda: {LIBRARIES: place.run([sys.executable, "-c", "import numpy, click"])},
            FIRST_PAINT: lambda: {FIRST_PAINT: shown(command, PAINT)},
            NO_APP: lambda: {NO_APP: shown(inside("app"), PAINT)},
            FIRST_PICTURE: lambda: {FIRST_PICTURE: shown(command, PICTURE)},
        }
        samples, silent = race(measures, options.warm_up, options.runs)
    for why in silent.values():
        raise NoAnswerError(why)
    taken = {name: median(each) for name, each in samples.items()}
    for own, other, wanted in (
        (TINY_MAP, LIBRARIES, targets.START),
        (FIRST_PAINT, NO_APP, targets.START),
        (FIRST_PICTURE, NO_APP, None),
    ):
        mine, theirs = taken[own], taken[other]
        wall = mine.wall / theirs.wall
        cpus = (ms(mine.cpu), number(mine.cpu / theirs.cpu)) if mine.cpu else ("–", "–")
        row = (own, other, *cpus, ms(mine.wall), number(wall))
        page.start.rows.append((*row, *judged(wanted, wall, wall)))


def shown(command: list[str], awaited: bytes) -> Sample:
    """Return the time until a program in a terminal shows what is awaited."""
    terminal = Terminal(command, 120, 36, awaited)
    try:
        terminal.wait_for_picture()
        return Sample(0, terminal.ready_after or 0)
    finally:
        terminal.close()


def draw(options: argparse.Namespace, page: Page) -> None:
    """Measure what one strip takes of a frame."""
    runs = max(1000, int(_RUNS * options.scale))
    with tempfile.TemporaryDirectory(prefix="blockstrata-") as name:
        directory = Path(name)
        found = Place(directory, directory, options.patience).ask("strips", f"--runs={runs}")
    limit = f"≤ {1e6 * targets.STRIP_SECONDS:.0f}"
    for figure in ("cpu", "wall"):
        what = f"a strip of 200 columns over {runs:,} runs, {figure} µs"
        is_met = verdict(found[figure] <= targets.STRIP_SECONDS)
        page.drawing.rows.append((what, number(1e6 * found[figure]), limit, is_met))
