"""The window on the disk: which bytes each column shows.  Plain integers, no widgets.

A cell is a multiple of a sector and starts on a multiple of itself, so that panning does not shimmer; where
the disk ends, the last cell may be partial::

    bytes    0      cell    2·cell   3·cell     size
             ├───────┼───────┼───────┼── … ──┼────┤
    column   (left)  0       1       2
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from blockstrata.facts.codes import SECTOR


@dataclass(frozen=True)
class Viewport:
    """``columns`` cells of ``cell`` bytes, the first being cell number ``left``, on ``size`` bytes."""

    size: int
    columns: int
    cell: int = SECTOR
    left: int = 0

    @property
    def start(self) -> int:
        """First byte shown."""
        return self.left * self.cell

    @property
    def end(self) -> int:
        """First byte not shown any more: at most the disk's end."""
        return min(self.size, (self.left + self.columns) * self.cell)

    @cached_property
    def fit_cell(self) -> int:
        """Bytes of the smallest cell by which the whole disk fits."""
        return _sectors(self.size, max(1, self.columns))

    @property
    def is_whole(self) -> bool:
        """Whether the whole disk is in view."""
        return self.cell == self.fit_cell

    def cells(self, cell: int | None = None) -> int:
        """Return how many cells the disk has, of so many bytes or of the viewport's."""
        return max(1, -(-self.size // (cell or self.cell)))

    def column_of(self, offset: int) -> int:
        """Return the column that shows a byte; negative or past the last column if it is not in view."""
        return offset // self.cell - self.left

    def offset_of(self, column: int) -> int:
        """Return the first byte of a column, kept inside the disk."""
        return self.clamp((self.left + column) * self.cell)

    def clamp(self, offset: int) -> int:
        """Return the nearest byte of the disk."""
        return max(0, min(offset, self.size - 1))

    def fit(self) -> Viewport:
        """Return the view of the whole disk."""
        return replace(self, cell=self.fit_cell, left=0)

    def fit_range(self, start: int, end: int) -> Viewport:
        """Return the closest view that shows a range whole, in its middle."""
        # where the range lies across the cells' grid, it reaches into one more of them
        for columns in (self.columns, max(1, self.columns - 1)):
            cell = min(_sectors(end - start, columns), self.fit_cell)
            spare = self.columns - (-(-end // cell) - start // cell)
            if spare >= 0:
                return replace(self, cell=cell, left=start // cell - spare // 2)._inside()
        return self.fit()

    def zoom(self, steps: int, about: int) -> Viewport:
        """Return the view ``steps`` closer (negative: away), the byte ``about`` staying in its column.

        A step halves or doubles the cell, rounded up to sectors.  As steps are counted from the whole disk,
        those back lead through the same cells.
        """
        for rung in range(self.fit_cell.bit_length()):
            if _sectors(self.fit_cell, 1 << rung) == self.cell:
                cell, steps = self.fit_cell, max(0, rung + steps)
                break
        else:
            cell = self.cell
        return self.of_cell(_sectors(cell, 1 << steps) if steps >= 0 else cell << -steps, about)

    def of_cell(self, cell: int, about: int) -> Viewport:
        """Return the view with so many bytes a cell, as far as there are such, ``about`` in its column."""
        cell = min(_sectors(cell), self.fit_cell)
        column = max(0, min(self.column_of(about), self.columns - 1))
        return replace(self, cell=cell, left=about // cell - column)._inside()

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
        size = self.size if size is None else size
        resized = Viewport(size, max(1, columns), self.cell, self.left)
        return resized.fit() if self.is_whole or self.cell > resized.fit_cell else resized._inside()

    def _inside(self) -> Viewport:
        most = max(0, self.cells() - self.columns)
        return replace(self, left=max(0, min(self.left, most)))


def _sectors(size: int, parts: int = 1) -> int:
    """Return the bytes of the whole sectors, at least one, that each of some equal parts takes."""
    return max(1, -(-size // (parts * SECTOR))) * SECTOR
