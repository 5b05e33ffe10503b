"""Ask for a place to go."""

from __future__ import annotations

from blockstrata_viewer.model.offsets import FORMS, parse_offset
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.screens.question import Question
from blockstrata_viewer.widgets.plain import Prompt


class GoToScreen(Question[int | None]):
    """Returns a guest byte, or None if the user thinks better of it; wrong input says why."""

    def __init__(self, scene: Scene) -> None:
        super().__init__("Go to", FORMS, placeholder=FORMS)
        self._scene = scene

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Go there, or say why not."""
        disk = self._scene.disk
        size = disk.layers[max(0, self._scene.selected)].node.features().get("cluster-size")
        try:
            offset = parse_offset(event.value, disk.size, size if isinstance(size, int) else None)
        except ValueError as error:
            self.refuse(str(error))
        else:
            self.dismiss(offset)
