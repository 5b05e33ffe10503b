"""Where everything stands on a screen of a given size.  Numbers only."""

from __future__ import annotations

from dataclasses import dataclass

WIDE = 160
"""Columns from which the inspector is a panel on the right."""
NARROW = 100
"""Columns under which everything is written shorter."""

SIDE_PANEL = 46
_HEAD_ROWS = 8
_HEIGHTS = ((3, 1), (2, 1), (1, 1), (1, 0))


@dataclass(frozen=True, slots=True)
class ChainLayout:
    """The chain view: labels on the left, strips on the right, top to bottom as the rows say.

    ``strip`` rows and ``gap`` rows a layer; layers ``first`` up to ``first + shown`` are on the screen.
    """

    width: int
    height: int
    label: int
    strip: int
    gap: int
    first: int
    shown: int

    OVERVIEW = 0
    WINDOW = 1
    RULER = 2
    TICKS = 3
    GUEST = 4
    GUEST_ROWS = 2
    RIBBON = 6
    LAYERS = _HEAD_ROWS

    @property
    def columns(self) -> int:
        """Cells of a strip."""
        return max(1, self.width - self.label - 2)

    def top_of(self, depth: int) -> int:
        """Return the first row of a layer's strip."""
        return self.LAYERS + (depth - self.first) * (self.strip + self.gap)

    def rows_of(self, selected: int) -> range:
        """Return the rows of a layer's strip, for -1 of what the guest sees."""
        top, height = (self.top_of(selected), self.strip) if selected >= 0 else (self.GUEST, self.GUEST_ROWS)
        return range(top, top + height)

    def layer_at(self, row: int) -> int | None:
        """Return the layer at a row, -1 for what the guest sees, None where there is no track."""
        if self.GUEST <= row <= self.RIBBON:
            return -1
        depth = self.first + (row - self.LAYERS) // (self.strip + self.gap)
        return depth if row >= self.LAYERS and depth < self.first + self.shown else None


def chain_layout(width: int, height: int, layers: int, selected: int) -> ChainLayout:
    """Return the tallest layout in which all layers fit, else one row a layer around the selected one."""
    label = min(24, width // 3)
    room = max(1, height - _HEAD_ROWS)
    for strip, gap in _HEIGHTS:
        if layers * (strip + gap) <= room:
            return ChainLayout(width, height, label, strip, gap, 0, layers)
    shown = min(layers, room)
    first = max(0, min(selected - shown // 2, layers - shown))
    return ChainLayout(width, height, label, 1, 0, first, shown)
