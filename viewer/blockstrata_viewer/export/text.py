"""A screen as plain text, one line a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blockstrata_viewer.export.screen import Screen


def lines(screen: Screen) -> list[str]:
    """Return the rows without their colours and without blanks at their ends, each with a newline."""
    return ["".join(cell.text for cell in row).rstrip() + "\n" for row in screen.rows]
