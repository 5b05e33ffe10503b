"""Lines of a report, with what a screen can make of them: the place that one names, the state it tells of."""

from __future__ import annotations

from typing import NamedTuple

from blockstrata_viewer.model.states import Paint


class Spot(NamedTuple):
    """A byte of a layer, -1 being what the guest sees, or of its file; seen under a semantics by its name."""

    depth: int
    offset: int
    in_file: bool = False
    semantics: str = ""


class Told(NamedTuple):
    """A line of text.

    ``paint`` is that of the state whose letters stand at column ``at``; a line that heads a column of letters
    has the column alone.
    """

    text: str
    spot: Spot | None = None
    paint: Paint | None = None
    at: int = 0
