"""The pages over a scene: what there must be for each, and what its answer makes of the scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from textual.screen import ModalScreen

from blockstrata.semantics import by_name
from blockstrata_viewer.app.images import Opened
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.reports.tables import Place, Table
from blockstrata_viewer.reports.told import Spot
from blockstrata_viewer.screens.go_to import GoToScreen
from blockstrata_viewer.screens.reports import AuditScreen, DetailsScreen, TraceScreen
from blockstrata_viewer.screens.tables import TablesScreen


def needs_all(opened: Opened) -> str:
    """Say why there is not all of an image to go through; an empty string if there is."""
    if opened.disk is None or not opened.is_whole:
        return "not yet: the image is still being read"
    if opened.disk.summaries:
        return "not all of this image is in memory; raise --memory; map and info need less"
    return ""


def _needs_scene(_opened: Opened) -> str:
    return ""


class Page(NamedTuple):
    """Makes a page of a scene, None where it would say nothing; ``then`` is what an answer does."""

    make: Callable[[Scene], ModalScreen[Any] | None]
    missing: Callable[[Opened], str] = _needs_scene
    then: Callable[[Scene, Any], Scene] = lambda scene, _: scene


def _at_place(scene: Scene, answer: tuple[Table, Place]) -> Scene:
    table, place = answer
    return scene.at(place.depth, place.offset, table.semantics, in_file=table.is_protocol)


def _at_spot(scene: Scene, spot: Spot) -> Scene:
    semantics = by_name(spot.semantics) if spot.semantics else scene.semantics
    return scene.at(spot.depth, spot.offset, semantics, in_file=spot.in_file)


PAGES: Final = {
    "go_to": Page(
        lambda scene: GoToScreen(scene) if scene.disk.size else None,
        then=lambda scene, offset: scene.go_to(offset),
    ),
    "details": Page(DetailsScreen, then=_at_spot),
    "trace": Page(lambda scene: TraceScreen(scene) if scene.disk.size else None, then=_at_spot),
    "audit": Page(AuditScreen, needs_all, then=_at_spot),
    "tables": Page(TablesScreen, needs_all, then=_at_place),
}
