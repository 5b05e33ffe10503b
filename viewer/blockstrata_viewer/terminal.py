"""What the terminal can show, told from the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


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
