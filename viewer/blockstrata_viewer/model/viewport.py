"""The window on the disk: which bytes each column shows.  Plain integers, no widgets.

A cell is a power of two of bytes and starts on a multiple of itself, so that panning does not shimmer::

    bytes    0      cell    2·cell   3·cell        size
             ├───────┼───────┼───────┼── … ──┼───────┤
    column   (left)  0       1       2
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property


@dataclass(frozen=True)
class Viewport:
    """``columns`` cells of ``1 << power`` bytes, the first being cell number ``left``, on ``size`` bytes."""

    size: int
    columns: int
    power: int = 0
    left: int = 0

    @property
    def cell(self) -> int:
        """Bytes a cell."""
        return 1 << self.power

    @property
    def start(self) -> int:
        """First byte shown."""
        return self.left << self.power

    @property
    def end(self) -> int:
        """First byte not shown any more: at most the disk's end."""
        return min(self.size, (self.left + self.columns) << self.power)

    @cached_property
    def fit_power(self) -> int:
        """The power at which the whole disk fits."""
        return (max(1, -(-self.size // max(1, self.columns))) - 1).bit_length()

    def cells(self, power: int | None = None) -> int:
        """Return how many cells the disk has."""
        power = self.power if power is None else power
        return max(1, -(-self.size // (1 << power)))

    def column_of(self, offset: int) -> int:
        """Return the column that shows a byte; negative or past the last column if it is not in view."""
        return (offset >> self.power) - self.left

    def offset_of(self, column: int) -> int:
        """Return the first byte of a column, kept inside the disk."""
        return self.clamp((self.left + column) << self.power)

    def clamp(self, offset: int) -> int:
        """Return the nearest byte of the disk."""
        return max(0, min(offset, self.size - 1))

    def fit(self) -> Viewport:
        """Return the view of the whole disk."""
        return replace(self, power=self.fit_power, left=0)

    def fit_range(self, start: int, end: int) -> Viewport:
        """Return the closest view that shows a range whole, in its middle."""
        power = 0
        while (-(-end >> power)) - (start >> power) > self.columns:
            power += 1
        power = min(power, self.fit_power)
        spare = self.columns - (-(-end >> power) - (start >> power))
        return replace(self, power=power, left=(start >> power) - spare // 2)._inside()

    def zoom(self, steps: int, about: int) -> Viewport:
        """Return the view ``steps`` closer (negative: away), the byte ``about`` staying in its column."""
        power = max(0, min(self.power - steps, self.fit_power))
        column = max(0, min(self.column_of(about), self.columns - 1))
        return replace(self, power=power, left=(about >> power) - column)._inside()

    def pan(self, columns: int) -> Viewport:
        """Return the view moved to the right by columns."""
        return replace(self, left=self.left + columns)._inside()

    def show(self, offset: int) -> Viewport:
        """Return the view moved just so far that a byte is in it."""
        column = self.column_of(offset)
        if column < 0:
            return self.pan(column)
        return self.pan(column - self.columns + 1) if column >= self.columns else self

    def resize(self, columns: int, size: int | None = None) -> Viewport:
        """Return the view for another width, or a disk of another size: the whole disk if it was that.

        Else of the same cells, as far as there are such.
        """
        whole = self.power == self.fit_power
        size = self.size if size is None else size
        resized = Viewport(size, max(1, columns), self.power, self.left)
        return resized.fit() if whole or self.power > resized.fit_power else resized._inside()

    def _inside(self) -> Viewport:
        most = max(0, self.cells() - self.columns)
        return replace(self, left=max(0, min(self.left, most)))
