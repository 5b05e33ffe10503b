"""Reports of the open image, as the command line prints them: the details of an extent, a read, the audit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from textwrap import wrap
from typing import ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType

from blockstrata.graph.chain import Chain
from blockstrata.graph.export_layers import as_opened
from blockstrata_viewer.draw.palette import Palette, palette_of
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.reports.audit import AuditReport
from blockstrata_viewer.reports.extent import describe
from blockstrata_viewer.reports.trace import trace_lines
from blockstrata_viewer.screens.read_page import PageScreen

_COLUMNS: Final = re.compile(r"(.*\S {2,})\S.*")
"""A line with columns, up to the last one."""
_LABEL: Final = re.compile(r"( *)(\S[^ ]{0,15})(  +)(\S.*)")
"""A line that begins with what it tells about."""
_INDENT: Final = 8
_LAYER: Final = re.compile("[0-9]")
"""A layer's line in a trace starts with its depth."""


class DetailsScreen(PageScreen):
    """All there is to know of the extent under the cursor."""

    IS_WIDE = False

    def __init__(self, scene: Scene) -> None:
        palette, width = palette_of(scene), self.app.size.width - 10
        super().__init__(
            "EXTENT",
            "its table entry, and its bytes",
            palette,
            lambda: describe(scene, width),
            lambda lines, _: labelled(lines, palette),
        )


class TraceScreen(PageScreen):
    """The steps of a read of the byte under the cursor down the layers."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("T", "dismiss", "close")]

    def __init__(self, scene: Scene) -> None:
        palette = palette_of(scene)
        # a round trip's tracks are no layers
        scene = scene.leave() if scene.disk.round_trip else scene
        super().__init__(
            "TRACE",
            f"of a read at {scene.cursor:#x}, layer by layer",
            palette,
            lambda: list(trace_lines(scene.disk.chain, scene.cursor)),
            lambda lines, width: labelled(folded(lines, width), palette, _LAYER),
        )


class AuditScreen(PageScreen):
    """What the audit of the chain finds."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("a", "dismiss", "close")]

    def __init__(self, scene: Scene) -> None:
        super().__init__(
            "AUDIT",
            "today's answers, read with the proposed meanings",
            palette_of(scene),
            partial(_audit, scene.chain_scene.disk.chain),
            _with_headings,
        )


def _audit(chain: Chain) -> list[str]:
    return "".join(AuditReport(as_opened(chain)).human_lines()).splitlines()


def _with_headings(lines: Sequence[str], width: int) -> Text:
    # what is not indented is a heading
    return Text("\n").join(
        Text(line, "" if line.startswith(" ") else "bold") for line in folded(lines, width)
    )


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
