"""The meanings of facts: each semantics is a table from facts to flags, and its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blockstrata.semantics.historic import HISTORIC
from blockstrata.semantics.proposed import PROPOSED

if TYPE_CHECKING:
    from blockstrata.semantics.table import Semantics

SEMANTICS: Final[tuple[Semantics, ...]] = (HISTORIC, PROPOSED)
"""All of them, in the order of the screen's switch."""


def names() -> list[str]:
    """Return every name by which a semantics may be asked for: ``historic``, ``old`` and so on."""
    return [name for semantics in SEMANTICS for name in (semantics.name, semantics.switch)]


def by_name(name: str) -> Semantics:
    """Return a semantics by its name or the word on the switch; ``KeyError`` if there is none."""
    for semantics in SEMANTICS:
        if name in (semantics.name, semantics.switch):
            return semantics
    raise KeyError(name)
