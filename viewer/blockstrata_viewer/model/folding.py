"""Which layers the screen shows, and which of them are folded away: neighbours that hold nothing in view."""

from __future__ import annotations

from itertools import groupby

from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.states import Paint
from blockstrata_viewer.model.track import Track


def tracks_of(scene: Scene) -> tuple[int | range, ...]:
    """Return the layers by depth, neighbours that are folded into one as a range; of a file its storage.

    The selected layer and the one that answers the guest at the cursor stand for themselves.
    """
    disk = scene.disk
    if disk.is_file:
        return (0,) if disk.uses else ()
    # a fold would say what a lesson asks
    if not scene.folded or scene.asking or disk.round_trip:
        return tuple(range(len(disk.tracks)))
    answering = disk.guest.run_at(scene.cursor)
    shown = {scene.selected, -1 if answering is None else int(disk.guest.view.source[answering])}
    empty = _empty(scene)
    found: list[int | range] = []
    for is_empty, depths in groupby(
        range(len(disk.tracks)), lambda depth: depth not in shown and empty[depth]
    ):
        alike = list(depths)
        together = range(alike[0], alike[-1] + 1)
        found += [together] if is_empty and len(alike) > 1 else together
    return tuple(found)


def _empty(scene: Scene) -> list[bool]:
    """Return which layers are empty in view; kept, as most keys and the pointer change nothing of that."""
    kept, viewport = scene.disk.guest.kept, scene.viewport
    key = ("empty layers", scene.semantics.name, viewport.start, viewport.end)
    if key not in kept:
        kept[key] = [_is_empty(track, scene) for track in scene.disk.tracks]
    empty: list[bool] = kept[key]
    return empty


def _is_empty(track: Track, scene: Scene) -> bool:
    """Say whether all of a track that is in view falls through, or nothing of it is."""
    states = track.by_state(scene.semantics, (scene.viewport.start, scene.viewport.end))
    return all(state.paint is Paint.FALLS_THROUGH for state in states)
