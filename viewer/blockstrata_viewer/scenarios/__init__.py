"""Small real chains, written on the spot, for the demo, the lessons and the tests.  One file a scenario."""

from typing import Final

from blockstrata_viewer.scenarios import (
    data_file,
    encrypted,
    every_row,
    every_zero,
    first_snapshot,
    golden_image,
    long_chain,
    nbd_round_trip,
    null_driver,
    preallocation,
    punched,
    staircase,
    subclusters,
    web_server,
)
from blockstrata_viewer.scenarios.scenario import Scenario

__all__ = ["DEFAULT", "SCENARIOS", "Scenario"]

SCENARIOS: Final[dict[str, Scenario]] = {
    module.SCENARIO.name: module.SCENARIO
    for module in (
        web_server,
        first_snapshot,
        long_chain,
        staircase,
        every_zero,
        preallocation,
        punched,
        subclusters,
        golden_image,
        data_file,
        encrypted,
        null_driver,
        nbd_round_trip,
        every_row,
    )
}
"""By name, in the order in which they are listed."""

DEFAULT: Final = web_server.SCENARIO.name
"""The scenario of a demo that names none."""
