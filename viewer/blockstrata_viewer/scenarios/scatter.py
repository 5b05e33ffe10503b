"""Runs strewn over areas of a disk: their order is stated, the gaps between them are left to chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random


@dataclass(frozen=True, slots=True)
class Area:
    """Units (clusters, or blocks of a raw file) from ``first`` up to ``end``, with the runs that lie there.

    A run is a letter for its kind, followed by its length in units; runs are separated by blanks.  If they
    fill the area there are no gaps, so a run can also be put in its place exactly.
    """

    first: int
    end: int
    runs: str


def scatter(random: Random, areas: Sequence[Area]) -> Iterator[tuple[str, int]]:
    """Yield kind and number of each unit that lies in a run; ``ValueError`` if an area is too small.

    ::

        first                                  end
        ├ gap ┤ D3 ┤ gap ┤ C12 ┤ D1 ┤ gap ─────┤
    """
    for area in areas:
        runs = [(run[0], int(run[1:])) for run in area.runs.split()]
        free = area.end - area.first - sum(length for _, length in runs)
        if free < 0:
            raise ValueError(f"the runs do not fit between {area.first} and {area.end}")
        shifts = sorted(random.randint(0, free) for _ in runs)
        at = area.first
        for (kind, length), shift in zip(runs, shifts, strict=True):
            for unit in range(at + shift, at + shift + length):
                yield kind, unit
            at += length
