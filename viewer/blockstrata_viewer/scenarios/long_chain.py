"""A snapshot a day for a week: eight layers, and the same clusters written again and again.

::

    db01-sun.qcow2   the active layer
        ⋮            each day a stretch of the tables, and the journal
    db01-mon.qcow2
    db01.qcow2       full up to seven eighths

Each day's stretch starts where the end of the day before is still warm, so most layers hold data that a
higher one shadows; of the journal, every copy but Sunday's is shadowed.
"""

from collections.abc import Iterator
from typing import Final

from blockstrata_viewer.scenarios.picture import stack
from blockstrata_viewer.scenarios.scenario import Scenario

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# in clusters of 8 KiB, 64 in all
_BASE_DRAWN: Final = "D56 .8"
_JOURNAL: Final = "D2 .2"
_STRETCH: Final = "D12"
_A_DAY: Final = 8
"""Clusters by which a day's stretch starts after the one of the day before."""


def _drawn() -> Iterator[tuple[str, str, str]]:
    yield "db01.qcow2", _BASE_DRAWN, "db01, before this week\n"
    for number, day in enumerate(_DAYS):
        start = _A_DAY * number
        drawn = f"{_JOURNAL} .{start} {_STRETCH} .{48 - start}"
        yield f"db01-{day}.qcow2", drawn, f"db01, written on {day}\n"


SCENARIO: Final = Scenario(
    name="long-chain",
    title="A snapshot a day",
    summary="Eight layers allocate the same clusters again: only the highest of them is read.",
    layers=tuple(stack(_drawn(), cluster_bits=13)),
)
