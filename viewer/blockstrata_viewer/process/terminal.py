"""What the terminal can show, told from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping


def colours_of(environment: Mapping[str, str]) -> str:
    """Return "truecolor", "256", "16" or "none", as NO_COLOR, COLORTERM and TERM say."""
    term = environment.get("TERM", "")
    if environment.get("NO_COLOR") or term in ("dumb", "unknown"):
        return "none"
    if environment.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return "truecolor"
    # ghostty and kitty say it in their names, and ssh passes on TERM where it drops COLORTERM
    if term.endswith("-direct") or "kitty" in term or "ghostty" in term:
        return "truecolor"
    return "256" if "256" in term else "16"


TEXTUAL_NAMES = {"truecolor": "truecolor", "256": "256", "16": "standard", "none": "standard"}
"""What Textual calls them, in TEXTUAL_COLOR_SYSTEM."""

COLUMNS, ROWS = 1000, 500
"""The largest screen that is drawn; a larger terminal shows it in its corner."""


def bounded(columns: int, rows: int) -> tuple[int, int]:
    """Return the size of the screen in a terminal, which may say whatever it likes of its own."""
    return max(1, min(columns, COLUMNS)), max(1, min(rows, ROWS))


def forget_absurd_size(environment: MutableMapping[str, str]) -> None:
    """Take out COLUMNS and LINES where they are no size of a screen: then the terminal is asked."""
    for name, most in (("COLUMNS", COLUMNS), ("LINES", ROWS)):
        said = environment.get(name, "")
        if name in environment and not (re.fullmatch("[0-9]{1,9}", said) and 1 <= int(said) <= most):
            del environment[name]
