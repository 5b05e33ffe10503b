"""Ask which extents the table is to show."""

from __future__ import annotations

from blockstrata_viewer.model.extent_filter import FORMS, Filter, parse_filter
from blockstrata_viewer.screens.question import Question
from blockstrata_viewer.widgets.plain import Prompt


class FilterScreen(Question[Filter | None]):
    """Returns a filter, or None if the user thinks better of it; wrong input says why."""

    def __init__(self, before: Filter) -> None:
        super().__init__("Show extents with", FORMS, value=before.text, placeholder="all")

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Take it, or say why not."""
        try:
            wanted = parse_filter(event.value)
        except ValueError as error:
            self.refuse(str(error))
        else:
            self.dismiss(wanted)
