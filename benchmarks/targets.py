"""What is wanted of blockstrata at scale 1: the figures that stand beside the measured ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from peers import (
    ALONE,
    FILEFRAG,
    IN_PROCESS,
    INFO,
    MAP,
    NBDINFO,
    PLAIN_READ,
    QEMU_IMG,
    QEMU_IMG_ALONE,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A limit on the ratio of two times, of the processor (``cpu``) or of the clock (``wall``)."""

    figure: Literal["cpu", "wall"]
    limit: float
    is_most: bool = False

    def __str__(self) -> str:
        """Return the limit as the tables have it."""
        return f"{self.figure} {'≤' if self.is_most else '≥'} {self.limit:g}"

    def is_met(self, ratio: float) -> bool:
        """Say whether a ratio keeps the limit."""
        return ratio <= self.limit if self.is_most else ratio >= self.limit


def _least(
    ours: str, theirs: str, figure: Literal["cpu", "wall"], **ratios: float
) -> dict[tuple[str, str, str], Wanted]:
    """Return the ratios wanted, by disk, an underscore standing for the hyphen of its name."""
    return {(case.replace("_", "-"), ours, theirs): Wanted(figure, ratio) for case, ratio in ratios.items()}


RATIOS: Final = {
    **_least(
        *(IN_PROCESS, QEMU_IMG, "cpu"),
        frag_1M=80,
        huge_64T=60,
        subcluster=40,
        chain=25,
        dense_1T=15,
        big_16T=15,
        raw_holes=20,
    ),
    **_least(ALONE, QEMU_IMG_ALONE, "cpu", chain=9),
    **_least(IN_PROCESS, FILEFRAG, "cpu", raw_holes=3),
    **_least(IN_PROCESS, NBDINFO, "cpu", frag_1M=40, dense_1T=12, subcluster=10, chain=10),
    **_least(MAP, QEMU_IMG, "wall", frag_1M=4, chain=8),
    **_least(INFO, QEMU_IMG, "wall", frag_1M=12, chain=12, huge_64T=10, subcluster=8, dense_1T=6, big_16T=3),
}
"""How many times as much the second of two takes as the first, at the least; by disk, ours and theirs."""

BOUNDS: Final = {
    ("dense-1T", IN_PROCESS, PLAIN_READ): Wanted("cpu", 4, is_most=True),
    ("big-16T", IN_PROCESS, PLAIN_READ): Wanted("cpu", 4, is_most=True),
}
"""How many times as much the first takes as the second, at the most."""

START: Final = Wanted("wall", 1.3, is_most=True)
"""Of a process against the one that does nothing but load the same libraries."""

MEMORY_BASE: Final = 60 << 20
MEMORY_A_RUN: Final = 25
"""Bytes: what map and info may have at their peak."""

OVERVIEW_SECONDS: Final = 0.002
OVERVIEW_BYTES: Final = 8 << 20
STRIP_SECONDS: Final = 200e-6
