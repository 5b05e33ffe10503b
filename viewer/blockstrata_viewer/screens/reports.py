"""Reports of the open image, as the command line prints them: the details of an extent, a read, the audit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType

from blockstrata.graph.chain import Chain
from blockstrata.graph.export_layers import as_opened
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.reports.audit import AuditReport
from blockstrata_viewer.reports.extent import describe
from blockstrata_viewer.reports.trace import trace_lines
from blockstrata_viewer.screens.pages import folded, labelled
from blockstrata_viewer.screens.read_page import PageScreen

_LAYER: Final = re.compile("[0-9]")
"""A layer's line in a trace starts with its depth."""


class DetailsScreen(PageScreen):
    """All there is to know of the extent under the cursor."""

    SIZE = ""

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
