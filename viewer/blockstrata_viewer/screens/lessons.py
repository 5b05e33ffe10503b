"""Choose a lesson."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.lessons.course import Course, Score
from blockstrata_viewer.lessons.lesson import Lesson
from blockstrata_viewer.screens.list_screen import ListScreen
from blockstrata_viewer.widgets.lesson_list import LessonList


class LessonsScreen(ListScreen[str | None]):
    """Returns the name of a lesson to begin, an empty one to leave the lessons, or None.

    Opens at the lesson that ``course`` is in; ``done`` are those that were gone through, by name.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("L", "dismiss", "close"),
        Binding("enter", "take", "begin"),
    ]

    HEADING = "LESSONS  what the flags mean, on real images"

    def __init__(
        self, lessons: Sequence[Lesson], course: Course | None, done: Mapping[str, Score], palette: Palette
    ) -> None:
        super().__init__(LessonList(lessons, course, done, palette))
        self._names = [lesson.name for lesson in lessons]
        if course:
            self.view.at = self._names.index(course.lesson.name)

    def action_take(self) -> None:
        """Leave with what is chosen."""
        self.dismiss([*self._names, ""][self.view.at])
