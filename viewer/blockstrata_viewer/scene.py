"""Everything that one frame shows, as one frozen value; keys and mouse make a new one from the last."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from blockstrata.semantics import SEMANTICS

if TYPE_CHECKING:
    from blockstrata.semantics.table import Semantics
    from blockstrata_viewer.disk import Disk, Track
    from blockstrata_viewer.palette import Palette
    from blockstrata_viewer.viewport import Viewport

GUEST = -1
"""The selection that is no layer but what the guest sees."""


@dataclass(frozen=True)
class Scene:
    """A disk seen through a viewport: ``cursor`` a guest byte, ``selected`` a depth or GUEST."""

    disk: Disk
    viewport: Viewport
    palette: Palette
    semantics: Semantics
    cursor: int = 0
    selected: int = 0
    mono: bool = False

    @property
    def track(self) -> Track:
        """The selected track."""
        return self.disk.track(self.selected)

    @property
    def run(self) -> int | None:
        """Index of the run under the cursor in the selected track; None past the end of a short layer."""
        if self.cursor >= self.track.size:
            return None
        return self.track.view.extents.index_at(self.cursor)

    def resize(self, columns: int) -> Scene:
        """Return the scene with a strip of another width."""
        return replace(self, viewport=self.viewport.resize(columns))

    def move(self, cells: int) -> Scene:
        """Return the scene with the cursor so many cells to the right; the view follows at the edges."""
        cell = self.viewport.cell
        return self.go_to((self.cursor // cell + cells) * cell)

    def go_to(self, offset: int) -> Scene:
        """Return the scene with the cursor at a byte, or at the nearest there is."""
        cursor = self.viewport.clamp(offset)
        return replace(self, cursor=cursor, viewport=self.viewport.show(cursor))

    def select(self, selected: int) -> Scene:
        """Return the scene with another track selected, or the nearest there is."""
        return replace(self, selected=max(GUEST, min(selected, len(self.disk.tracks) - 1)))

    def zoom(self, steps: int, about: int | None = None) -> Scene:
        """Return the scene closer to a byte, the cursor if none is given."""
        viewport = self.viewport.zoom(steps, self.cursor if about is None else about)
        # the cursor never leaves the view
        cursor = max(viewport.start, min(self.cursor, viewport.end - 1))
        return replace(self, viewport=viewport, cursor=self.viewport.clamp(cursor))

    def pan(self, columns: int) -> Scene:
        """Return the scene moved sideways; the cursor stays in view."""
        viewport = self.viewport.pan(columns)
        cursor = max(viewport.start, min(self.cursor, viewport.end - 1))
        return replace(self, viewport=viewport, cursor=viewport.clamp(cursor))

    def fit(self) -> Scene:
        """Return the scene with the whole disk in view."""
        return replace(self, viewport=self.viewport.fit())

    def toggle(self, steps: int = 1) -> Scene:
        """Return the scene under the next semantics; nothing is read for it."""
        index = (SEMANTICS.index(self.semantics) + steps) % len(SEMANTICS)
        return replace(self, semantics=SEMANTICS[index])
