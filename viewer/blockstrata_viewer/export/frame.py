"""The window around a screen: where its parts stand, in the units of a cell, which is 8 by 16."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from blockstrata_viewer.export.glyphs import HEIGHT, WIDTH
from blockstrata_viewer.export.screen import mix

if TYPE_CHECKING:
    from blockstrata_viewer.export.screen import Screen

_SIDE: Final = 8
_BAR: Final = 32
_BARE: Final = 8
"""Above the screen without a title, and below it always."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A window of ``width`` × ``height`` whose screen starts at (``left``, ``top``)."""

    width: int
    height: int
    left: int
    top: int
    radius: int
    title: str
    title_baseline: int
    page: str
    rule: str
    dim: str

    @property
    def inner_width(self) -> int:
        """Width of the outline, which is drawn half a unit inside."""
        return self.width - 1

    @property
    def inner_height(self) -> int:
        """Height of the outline."""
        return self.height - 1


def frame_of(screen: Screen, title: str) -> Frame:
    """Return the window for a screen; the title is cut in its middle if it is too long."""
    top = _BAR if title else _BARE
    room = max(1, screen.width - 4)
    if len(title) > room:
        title = title[: room // 2] + "…" + title[len(title) - (room - room // 2 - 1) :]
    return Frame(
        width=screen.width * WIDTH + 2 * _SIDE,
        height=screen.height * HEIGHT + top + _BARE,
        left=_SIDE,
        top=top,
        radius=8,
        title=title,
        title_baseline=21,
        page=screen.page,
        rule=mix(screen.page, screen.ink, 1),
        dim=mix(screen.page, screen.ink, 2),
    )
