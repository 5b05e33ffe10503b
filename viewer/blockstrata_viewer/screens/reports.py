"""Reports of the open image, as the command line prints them: the details of an extent, a read, the audit."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.text import Text
from textual.binding import Binding, BindingType

from blockstrata.graph.export_layers import as_opened
from blockstrata_viewer.draw.lines import wrapped
from blockstrata_viewer.draw.palette import Palette, palette_of
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.reports.audit import AuditReport
from blockstrata_viewer.reports.extent import describe
from blockstrata_viewer.reports.told import Spot, Told
from blockstrata_viewer.reports.trace import trace_told
from blockstrata_viewer.screens.read_page import PageScreen, ReadPage

_COLUMNS: Final = re.compile(r"(.*\S {2,})\S.*")
"""A line with columns, up to the last one."""
_LABEL: Final = re.compile(r"( *)(\S[^ ]{0,15})(  +)(\S.*)")
"""A line that begins with what it tells about."""
_INDENT: Final = 8
_DETAILS: Final = 84
"""Cells of a line in a dialog that is not wide, as app.tcss has it."""
_LAYER: Final = re.compile("[0-9]+ ")
"""A layer's line in a trace starts with its depth."""


class DetailsScreen(PageScreen):
    """All there is to know of the extent under the cursor."""

    IS_WIDE = False

    def __init__(self, scene: Scene) -> None:
        palette, width = palette_of(scene), min(_DETAILS, self.app.size.width - 12)
        page = ReadPage(
            palette,
            lambda: describe(scene, width),
            lambda line, room: folded(line, min(room, _DETAILS)),
            lambda line: labelled(line, palette),
        )
        super().__init__("EXTENT  its table entry, and its bytes", page)


class TraceScreen(PageScreen):
    """The steps of a read of the byte under the cursor down the layers."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("T", "dismiss", "close")]

    def __init__(self, scene: Scene) -> None:
        palette = palette_of(scene)
        # a round trip's tracks are no layers
        scene = scene.leave() if scene.disk.round_trip else scene
        page = ReadPage(
            palette,
            lambda: _traced(scene),
            folded,
            lambda line: labelled(line, palette, _LAYER),
        )
        super().__init__(f"TRACE  of a read at {scene.cursor:#x}, layer by layer", page)


def _traced(scene: Scene) -> list[Told]:
    """Return the lines of a trace; the one layer of a file's own axis is that file, so they lead into it."""
    told = list(trace_told(scene.disk.chain, scene.cursor))
    if scene.entered_from is None:
        return told
    return [
        line._replace(spot=line.spot and Spot(scene.file_depth, line.spot.offset, in_file=True))
        for line in told
    ]


class AuditScreen(PageScreen):
    """What the audit of the chain finds."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("a", "dismiss", "close")]

    def __init__(self, scene: Scene) -> None:
        chain = scene.chain_scene.disk.chain
        page = ReadPage(
            palette_of(scene),
            lambda: list(AuditReport(as_opened(chain)).told()),
            folded,
            # what is not indented is a heading
            lambda line: Text(line, "" if line.startswith(" ") else "bold"),
        )
        super().__init__("AUDIT  today's answers, read with the proposed meanings", page)


def folded(line: str, width: int) -> list[str]:
    """Return a line in parts no wider than a width: the last column goes on under itself if there is room."""
    if cell_len(line) <= width:
        return [line]
    match = _COLUMNS.fullmatch(line)
    column = cell_len(match[1]) if match else width
    if column <= width * 2 // 3:
        return wrapped(line, width, indent=" " * column)
    indent = " " * min(len(line) - len(line.lstrip()) + _INDENT, width // 2)
    if match and cell_len(match[1].rstrip()) <= width:
        # the columns stay whole, the words of the last one are below
        return [match[1].rstrip(), *wrapped(indent + line[match.end(1) :], width, indent=indent)]
    return wrapped(line, width, indent=indent)


def labelled(line: str, palette: Palette, bold: re.Pattern[str] | None = None) -> Text:
    """Return a line with its label dimmed; one that ``bold`` matches stands out as a whole."""
    if bold and bold.match(line):
        return Text(line, "bold")
    match = _LABEL.fullmatch(line)
    if match is None:
        return Text(line)
    indent, label, gap, rest = match.groups()
    return Text.assemble(indent, (label, palette.dim), gap, rest)
