"""Ask for a place to go."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical

from blockstrata_viewer.model.offsets import FORMS, parse_offset
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.screens.question import Question
from blockstrata_viewer.widgets.plain import Prompt, Words


class GoToScreen(Question[int | None]):
    """Returns a guest byte, or None if the user thinks better of it; wrong input says why."""

    BINDINGS: ClassVar = [Binding("escape", "dismiss", "close")]

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene = scene

    def compose(self) -> ComposeResult:
        """Compose the question."""
        with Vertical(classes="dialog"):
            yield Words("Go to", classes="heading")
            yield Prompt(placeholder=FORMS)
            yield Words(FORMS, classes="note")

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Go there, or say why not."""
        scene = self._scene
        layer = scene.disk.layers[max(0, scene.selected)]
        cluster_size = layer.node.features().get("cluster-size")
        try:
            size = cluster_size if isinstance(cluster_size, int) else None
            offset = parse_offset(event.value, scene.disk.size, size)
        except ValueError as error:
            note = self.query_one(".note", Words)
            note.update(str(error))
            note.add_class("wrong")
        else:
            self.dismiss(offset)
