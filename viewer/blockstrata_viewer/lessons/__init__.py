"""The lessons: Markdown files, one a lesson, in the order of the numbers that their names begin with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from blockstrata_viewer.lessons.lesson import Lesson, LessonError
from blockstrata_viewer.lessons.parse import parse_lesson, read_lesson

__all__ = ["Lesson", "LessonError", "lessons", "parse_lesson", "read_lesson", "taught"]


def lessons() -> dict[str, Lesson]:
    """Return the lessons that come with the program, by name, in their order."""
    files = sorted(Path(__file__).parent.glob("[0-9]*.md"))
    return {lesson.name: lesson for lesson in (read_lesson(str(file)) for file in files)}


def taught(own: Sequence[Lesson] = ()) -> list[Lesson]:
    """Return some lessons, and after them those of the program that are not among them."""
    names = [lesson.name for lesson in own]
    return [*own, *(lesson for name, lesson in lessons().items() if name not in names)]
