"""What a running viewer shows, read cell by cell, and written to a file."""

from __future__ import annotations

from dataclasses import dataclass

from blockstrata.text.printable import base_name
from blockstrata_viewer.app.image_pane import ImagePane
from blockstrata_viewer.draw.palette import palette_for, palette_of
from blockstrata_viewer.export import Screen, format_of, write_screenshot
from blockstrata_viewer.export.capture import capture
from blockstrata_viewer.export.inputs import inputs_of


@dataclass(frozen=True, slots=True)
class Shot:
    """A screen that was taken.

    ``title`` names the image; ``inputs`` are the files that the chain is in, and those of lessons, by their
    numbers of device and inode.
    """

    screen: Screen
    title: str
    inputs: frozenset[tuple[int, int]]


def save(pane: ImagePane, path: str, form: str | None = None) -> None:
    """Write what a running viewer shows to a file; ``ExportError`` says why that cannot be.

    ``form`` is the format, by the file's ending if None.  Plain text is drawn as the viewer draws where there
    are no colours.
    """
    form = form or format_of(path)
    shot = read_shot(pane, colourless=form == "txt")
    write_screenshot(shot.screen, path, title=shot.title, form=form, inputs=shot.inputs)


def read_shot(pane: ImagePane, *, colourless: bool = False) -> Shot:
    """Return what a running viewer shows, or would show without colours; nothing changes on its screen."""
    scene, theme, screen = pane.current, pane.theme_name, pane.app.screen
    chains = [opened.scene.chain_scene.disk.chain for opened in pane.images.all if opened.scene]
    lessons = pane.guide.course.lessons if pane.guide.course else ()
    names = [opened.image for opened in pane.images.all]
    inputs = frozenset(inputs_of(chains, [*names, *(name for lesson in lessons for name in lesson.files())]))
    if scene is None:
        return Shot(capture(screen, palette_for("truecolor", theme), theme), "blockstrata", inputs)
    # the axis of a layer's file was entered from the chain
    title = f"blockstrata — {base_name(scene.chain_scene.disk.layers[0].name)}"
    if not colourless or palette_of(scene).is_mono:
        return Shot(capture(screen, palette_of(scene), theme), title, inputs)
    pane.show(scene.drawn(colours="none"))
    try:
        return Shot(capture(screen, palette_for("none", theme), theme), title, inputs)
    finally:
        pane.show(scene)
