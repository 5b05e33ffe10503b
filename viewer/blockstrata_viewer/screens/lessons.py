"""Choose a lesson."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical

from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.lessons.course import Course
from blockstrata_viewer.lessons.lesson import Lesson
from blockstrata_viewer.screens.list_screen import ListScreen
from blockstrata_viewer.widgets.lesson_list import LessonList


class LessonsScreen(ListScreen[str | None]):
    """Returns the name of a lesson to begin, an empty one to leave the lessons, or None.

    Opens at the lesson that ``course`` is in.
    """

    BINDINGS: ClassVar = [
        Binding("escape,q,L", "dismiss", "close"),
        Binding("enter", "begin", "begin"),
    ]

    def __init__(self, lessons: Sequence[Lesson], course: Course | None, palette: Palette) -> None:
        super().__init__()
        self._lessons = lessons
        self._course = course
        self._palette = palette

    def compose(self) -> ComposeResult:
        """Compose the page."""
        with Vertical(classes="dialog wide tall"):
            yield LessonList(self._lessons, self._course, self._palette)

    @property
    def view(self) -> LessonList:
        """The list."""
        return self.query_one(LessonList)

    def on_mount(self) -> None:
        """Choose the lesson that is open."""
        names = [lesson.name for lesson in self._lessons]
        self.view.at = names.index(self._course.lesson.name) if self._course else 0

    def action_begin(self) -> None:
        """Leave with what is chosen."""
        at = self.view.at
        self.dismiss(self._lessons[at].name if at < len(self._lessons) else "")
