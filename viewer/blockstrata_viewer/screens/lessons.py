"""Choose a lesson."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen

from blockstrata_viewer.widgets.lesson_list import LessonList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from blockstrata_viewer.draw.palette import Palette
    from blockstrata_viewer.lessons.course import Course
    from blockstrata_viewer.lessons.lesson import Lesson


class LessonsScreen(ModalScreen[str | None]):
    """Returns the name of a lesson to begin, an empty one to leave the lessons, or None.

    Opens at the lesson that ``course`` is in.
    """

    BINDINGS: ClassVar = [
        Binding("escape,q,L", "dismiss", "close"),
        Binding("up,k", "move(-1)", "lesson above"),
        Binding("down,j", "move(1)", "lesson below"),
        Binding("home", "move(-1000)", "first lesson"),
        Binding("end", "move(1000)", "last lesson"),
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

    def on_mount(self) -> None:
        """Choose the lesson that is open."""
        names = [lesson.name for lesson in self._lessons]
        self.query_one(LessonList).at = names.index(self._course.lesson.name) if self._course else 0

    def action_move(self, steps: int) -> None:
        """Choose another lesson."""
        view = self.query_one(LessonList)
        last = len(self._lessons) - (0 if self._course else 1)
        view.at = max(0, min(view.at + steps, last))

    def action_begin(self) -> None:
        """Leave with what is chosen."""
        at = self.query_one(LessonList).at
        self.dismiss(self._lessons[at].name if at < len(self._lessons) else "")
