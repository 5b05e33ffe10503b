"""Small real chains, written on the spot, for the demo, the lessons and the tests.  One file a scenario."""

from __future__ import annotations

from typing import Final

from blockstrata_viewer.scenarios import web_server
from blockstrata_viewer.scenarios.scenario import Scenario

__all__ = ["DEFAULT", "SCENARIOS", "Scenario"]

SCENARIOS: Final[dict[str, Scenario]] = {scenario.name: scenario for scenario in [web_server.SCENARIO]}
"""By name, in the order in which they are listed."""

DEFAULT: Final = web_server.SCENARIO.name
"""The scenario of a demo that names none."""
