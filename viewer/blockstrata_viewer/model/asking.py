"""What the screen keeps to itself while a lesson asks, by the kind of question."""

from __future__ import annotations

from typing import Final

_FLAGS: Final = frozenset({"row", "present", "zero", "data", "same", "lost", "verdict"})
_ANY: Final = _FLAGS | {"layer"}

_BETRAYS: Final = {
    "details": _ANY,
    "trace": _ANY,
    "extents": _ANY,
    "audit": _FLAGS,
    "tables": _FLAGS,
    "legend": _FLAGS,
    "suppliers": frozenset({"layer"}),
    "difference.next": frozenset({"same", "verdict"}),
    "difference.all": frozenset({"same", "verdict"}),
    "suspicious.next": frozenset({"row", "lost", "verdict"}),
}
"""The kinds of questions whose answer a page, a part of the screen or a key would tell."""

NOT_YET: Final = "not while a question is open"
"""What is said of them then."""


def betrays(what: str, asking: str) -> bool:
    """Say whether something tells what a lesson asks; ``asking`` is as a scene has it."""
    return asking in _BETRAYS.get(what, ())
