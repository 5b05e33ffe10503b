"""How many extents each cell holds, as a thin ribbon: scattered writes look scattered, however small."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata_viewer.draw.lines import Ink, Line
from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.draw.strips import LOWER
from blockstrata_viewer.model.columns import LEVELS
from blockstrata_viewer.model.track import Track
from blockstrata_viewer.model.viewport import Viewport

_DIGITS: Final = " 12345678"
"""Of a ribbon without colours, which would look like a part of the strip."""


def density(track: Track, viewport: Viewport) -> NDArray[np.int64]:
    """Return how many eighths high the ribbon is in each column, int64; 0 where a cell is of one extent.

    An eighth for each doubling: 2 extents, up to 4, up to 8; eight for more than 128.  Of extents that were
    given up there is only their number in a region; they count as spread evenly.
    """
    cells = track.shares.columns(viewport).edges
    edges = track.shares.edges
    inside = edges.searchsorted(cells[1:], side="left") - edges.searchsorted(cells[:-1], side="right")
    extents = 1.0 + np.maximum(inside, 0)
    for summary in track.summaries:
        start, end = summary.edges[0], summary.edges[-1]
        shared = np.diff(np.clip(cells, start, end))
        extents += shared * (summary.runs / max(1, end - start))
    levels = np.ceil(np.log2(extents)).astype(np.int64)
    return np.where(np.diff(cells) > 0, np.minimum(levels, LEVELS), 0)


def draw_density(row: Line, x: int, track: Track, viewport: Viewport, palette: Palette) -> bool:
    """Draw the ribbon into a row, hanging from its top, and say whether there is anything of it."""
    levels = density(track, viewport)
    if palette.is_mono:
        marks, ink = _DIGITS, Ink(palette.text, palette.page)
    else:
        # there are no blocks that hang: what is below them is drawn, in the colour of the page
        marks, ink = LOWER[::-1], Ink(palette.page, palette.faint)
    for column in np.flatnonzero(levels).tolist():
        row.set(x + column, marks[levels[column]], ink)
    return bool(levels.any())
