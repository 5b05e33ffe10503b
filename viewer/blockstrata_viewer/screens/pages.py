"""Pages of plain lines, as the command line prints them, made to be read on a screen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from textwrap import wrap
from typing import Final

from rich.text import Text

from blockstrata_viewer.draw.palette import Palette

_COLUMNS: Final = re.compile(r"(.*\S {2,})\S.*")
"""A line with columns, up to the last one."""
_LABEL: Final = re.compile(r"( *)(\S[^ ]{0,15})(  +)(\S.*)")
"""A line that begins with what it tells about."""
_INDENT: Final = 8
_WIDEST: Final = 140
"""Cells of a wide dialog at the most, as in app.tcss."""


def folded(lines: Iterable[str], width: int) -> list[str]:
    """Return lines no wider than a width: the last column goes on under itself if it has room for that."""
    found: list[str] = []
    for line in lines:
        if len(line) <= width:
            found.append(line)
            continue
        match = _COLUMNS.fullmatch(line)
        column = len(match[1]) if match else width
        if column > width * 2 // 3:
            column = min(len(line) - len(line.lstrip()) + _INDENT, width // 2)
        found += wrap(line, width, subsequent_indent=" " * column)
    return found


def page_width(screen: int) -> int:
    """Return the cells of a line in a wide dialog with a scrollbar on a screen; app.tcss has the shares."""
    return max(20, min(_WIDEST, screen * 96 // 100) - 5)


def labelled(lines: Iterable[str], palette: Palette, bold: re.Pattern[str] | None = None) -> Text:
    """Return lines with their labels dimmed; those that ``bold`` matches stand out as a whole."""
    return Text("\n").join(_labelled(line, palette, bold) for line in lines)


def _labelled(line: str, palette: Palette, bold: re.Pattern[str] | None) -> Text:
    if bold and bold.match(line):
        return Text(line, "bold")
    match = _LABEL.fullmatch(line)
    if match is None:
        return Text(line)
    indent, label, gap, rest = match.groups()
    return Text.assemble(indent, (label, palette.dim), gap, rest)
