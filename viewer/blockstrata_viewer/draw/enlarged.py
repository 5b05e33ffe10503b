"""The cell under the drill, enlarged: what lies in it from left to right."""

from __future__ import annotations

from typing import Final

import numpy as np

from blockstrata.semantics.table import Semantics
from blockstrata_viewer.draw.lines import Ink, Line
from blockstrata_viewer.draw.strips import Look, cells_of, ground_of
from blockstrata_viewer.model.columns import columns_in
from blockstrata_viewer.model.states import Paint
from blockstrata_viewer.model.track import Track
from blockstrata_viewer.model.viewport import Viewport

ENLARGED: Final = 18
"""Cells of its strip and its frame."""


def draw_enlarged(
    row: Line,
    x: int,
    width: int,
    track: Track,
    viewport: Viewport,
    cursor: int,
    semantics: Semantics,
    look: Look,
) -> bool:
    """Draw the cell of the cursor into ``width`` cells of a row, in a frame, if it holds several states.

    Nothing is drawn, and False returned, where all of it is of one.
    """
    start = cursor // viewport.cell * viewport.cell
    end = min(start + viewport.cell, track.size)
    parts = min(width - 2, end - start)
    if parts < 1 or cursor >= track.size:
        return False
    edges = np.array([start + (end - start) * part // parts for part in range(parts + 1)], np.int64)
    columns = columns_in(track, track.shares.cells(edges), -(-(end - start) // parts), semantics, look.shown)
    if (columns.amounts.any(axis=0)).sum() < 2:
        return False
    palette, at = look.palette, min(parts - 1, int(edges.searchsorted(cursor, side="right")) - 1)
    row.put(x, "▕", Ink(palette.accent, palette.page))
    row.fill(x + 1, cells_of(columns, 1, look)[0])
    under = Paint(track.paints(semantics)[track.shares.classes[track.run_at(cursor)]])
    row.set(x + 1 + at, "│", Ink(palette.crosshair, ground_of(under, palette)))
    row.put(x + 1 + parts, "▏", Ink(palette.accent, palette.page))
    return True
