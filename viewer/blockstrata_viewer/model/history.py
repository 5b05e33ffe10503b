"""Where one has been on an image: places, and the way back and forward through them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.viewport import Viewport

_MOST: Final = 200
"""Places that are kept."""


@dataclass(frozen=True)
class Place:
    """What of a scene is a place: the window, the cursor's byte, the selected track; not how it looks.

    ``within`` is the place on the chain from which a file's own axis was entered, or a round trip if
    ``is_trip``.
    """

    viewport: Viewport
    cursor: int
    selected: int
    within: Place | None = None
    is_trip: bool = False


def place_of(scene: Scene) -> Place:
    """Return where a scene is."""
    within = place_of(scene.entered_from) if scene.entered_from else None
    return Place(
        scene.viewport, scene.cursor, scene.selected, within, is_trip=scene.disk.round_trip is not None
    )


def at_place(scene: Scene, place: Place) -> Scene:
    """Return a scene at a place, which may be one of another image, or of a window of another width.

    As near as there is such a place on the disk.  Errors as :meth:`Scene.round_trip` has them.
    """
    if place.within is None:
        return _put(scene.chain_scene, place)
    here = place_of(scene)
    is_there = here.within and here.is_trip == place.is_trip and here.within.selected == place.within.selected
    if not is_there:
        outside = _put(scene.chain_scene, place.within)
        scene = outside.round_trip() if place.is_trip else outside.file_axis()
    return _put(scene, place)


def _put(scene: Scene, place: Place) -> Scene:
    viewport = place.viewport.resize(scene.viewport.columns, scene.disk.size)
    cursor = viewport.clamp(place.cursor)
    there = replace(scene, viewport=viewport.show(cursor), cursor=cursor)
    return there.select(place.selected)


@dataclass(frozen=True)
class History:
    """The places that one came from, and those that one went back from, nearest last."""

    past: tuple[Place, ...] = ()
    ahead: tuple[Place, ...] = ()

    def leaving(self, here: Place) -> History:
        """Return the history once one goes from a place to a new one."""
        return History((*self.past, here)[-_MOST:])

    def back(self, here: Place) -> tuple[History, Place] | None:
        """Return the history once one has gone back, and the place; None if there is none."""
        past = self.past
        while past and past[-1] == here:
            past = past[:-1]
        return (History(past[:-1], (*self.ahead, here)), past[-1]) if past else None

    def forward(self, here: Place) -> tuple[History, Place] | None:
        """Return the history once one has gone forward again, and the place; None if there is none."""
        turned = History(self.ahead, self.past).back(here)
        return turned and (History(turned[0].ahead, turned[0].past), turned[1])
