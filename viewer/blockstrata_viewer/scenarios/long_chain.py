"""A snapshot a day for a week: eight layers, and the same clusters written again and again.

::

    db01-sun.qcow2   the active layer
        ⋮            each day a stretch of the tables, and the journal
    db01-mon.qcow2
    db01.qcow2       full up to seven eighths

Each day's stretch starts where the end of the day before is still warm, so most layers hold data that a
higher one shadows; of the journal, every copy but Sunday's is shadowed.
"""

from __future__ import annotations

from typing import Final

from blockstrata.formats.qcow2.author import Data, Image
from blockstrata_viewer.scenarios.picture import clusters
from blockstrata_viewer.scenarios.scenario import Qcow2, Scenario

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_SIZE: Final = 512 << 10
_CLUSTER_BITS: Final = 13

# in clusters of 8 KiB, 64 in all
_BASE_DRAWN: Final = "D56"
_JOURNAL: Final = "D2 .2"
_STRETCH: Final = "D12"
_A_DAY: Final = 8
"""Clusters by which a day's stretch starts after the one of the day before."""


_WEEK: Final = ("db01.qcow2", *(f"db01-{day}.qcow2" for day in _DAYS))


def _day(number: int) -> Qcow2:
    """Return what is written on a day, counted from 1."""
    day = _DAYS[number - 1]
    return Qcow2(
        _WEEK[number],
        Image(_SIZE, _CLUSTER_BITS, backing=_WEEK[number - 1], backing_format="qcow2"),
        clusters(
            f"{_JOURNAL} {'.' * _A_DAY * (number - 1)} {_STRETCH}",
            {"D": Data(f"db01, written on {day}\n".encode())},
        ),
    )


SCENARIO: Final = Scenario(
    name="long-chain",
    title="A snapshot a day",
    summary="Eight layers allocate the same clusters again: only the highest of them is read.",
    layers=(
        Qcow2(
            _WEEK[0],
            Image(_SIZE, _CLUSTER_BITS),
            clusters(_BASE_DRAWN, {"D": Data(b"db01, before this week\n")}),
        ),
        *map(_day, range(1, len(_WEEK))),
    ),
)
