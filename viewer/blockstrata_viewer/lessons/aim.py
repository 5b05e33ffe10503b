"""A scene brought to the place of a step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from blockstrata_viewer.lessons.lesson import Step
from blockstrata_viewer.lessons.site import Site
from blockstrata_viewer.model.scene import Scene


def aim(scene: Scene, step: Step, site: Site) -> Scene:
    """Return the scene at a step's place: axis, flags, layer, zoom, and the cursor on the byte.

    Errors as :meth:`Scene.round_trip` has them.
    """
    fresh: dict[str, Any] = {"flags": None, "differences": False, "isolated": "", "hidden": frozenset()}
    scene = scene.leave().drawn(semantics=site.semantics, **fresh)
    scene = scene.select(step.layer).fit().go_to(site.offset)
    if step.view == "round-trip":
        scene = scene.round_trip()
    elif step.view == "file":
        scene = scene.select(site.depth).file_axis()
    return _closer(scene, step)


def _closer(scene: Scene, step: Step) -> Scene:
    """Return the scene as close as the step wants; an extent is shown with as much again on both sides."""
    scene = replace(scene, markers=())
    if step.zoom == "extent" and scene.run is not None:
        edges = scene.track.view.extents.edges
        start, end = int(edges[scene.run]), int(edges[scene.run + 1])
        around = end - start
        return scene.fit_range(max(0, start - around), min(scene.disk.size, end + around))
    if isinstance(step.zoom, int):
        return scene.closer(step.zoom)
    return scene
