"""The page of results: tables that are filled as measuring goes on, and numbers as they are written there."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from targets import Wanted

SHARES: Final = (0.01, 0.1, 1.0)
"""Of the scale, at which growth is measured."""


@dataclass(slots=True)
class Table:
    """A table with a title; a colon ends the head of a column of numbers."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the table as Markdown, nothing if it is empty."""
        if not self.rows:
            return []
        rule = ["---:" if name.endswith(":") else "---" for name in self.head]
        rows = [tuple(name.rstrip(":") for name in self.head), rule, *self.rows]
        return ["", f"## {self.title}", "", *(f"| {' | '.join(row)} |" for row in rows)]


@dataclass(slots=True)
class Page:
    """The tables, in their order, and what is to be said under them."""

    disks: Table
    ratios: Table
    bounds: Table
    memory: Table
    growth: Table
    start: Table
    drawing: Table
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the tables that have rows, and the notes."""
        tables = (self.disks, self.ratios, self.bounds, self.memory, self.growth, self.start, self.drawing)
        notes = ["", "## No answer", "", *(f"- {note}" for note in self.notes)] if self.notes else []
        return [*(line for table in tables for line in table.lines()), *notes]

    @classmethod
    def empty(cls) -> Page:
        """Return a page on which nothing is said."""
        times = ("ours, cpu ms:", "cpu ×:", "ours, wall ms:", "wall ×:", "wanted", "met")
        return cls(
            Table(
                "The disks", ("disk", "what", "runs:", "map entries:", "L2 tables, MiB:", "equal to qemu-img")
            ),
            Table("Peers: how many times as much as ours", ("disk", "ours", "against", *times)),
            Table(
                "The plain read of the L2 tables: how many times as much is ours",
                ("disk", "ours", "against", "theirs, cpu ms:", "cpu ×:", "wall ×:", "wanted", "met"),
            ),
            Table("Memory at its peak", ("disk", "process", "peak, MiB:", "wanted", "met")),
            Table(
                "Growth: in process, at shares of the scale",
                ("disk", *(f"at {share:g}, cpu ms:" for share in SHARES), "slope:"),
            ),
            Table("Start-up: how many times as much is ours", ("process", "against", *times)),
            Table("Pictures", ("what", "figure:", "wanted", "met")),
        )


def number(value: float) -> str:
    """Return a number with three figures, without an exponent."""
    if value >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def ms(seconds: float) -> str:
    """Return seconds as milliseconds."""
    return number(1000 * seconds)


def mib(size: int) -> str:
    """Return bytes as MiB."""
    return number(size / (1 << 20))


def verdict(is_met: bool) -> str:
    """Return a word for the last column."""
    return "yes" if is_met else "no"


def judged(wanted: Wanted | None, cpu: float, wall: float) -> tuple[str, str]:
    """Return what is wanted, and whether it is met."""
    if wanted is None:
        return "", ""
    return str(wanted), verdict(wanted.is_met(cpu if wanted.figure == "cpu" else wall))
