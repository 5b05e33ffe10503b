"""The lessons: Markdown files, one a lesson, in the order of the numbers that their names begin with."""

from __future__ import annotations

from pathlib import Path

from blockstrata_viewer.lessons.lesson import Lesson, LessonError, Source, Step
from blockstrata_viewer.lessons.parse import parse_lesson, read_lesson

__all__ = ["Lesson", "LessonError", "Source", "Step", "lessons", "parse_lesson", "read_lesson"]


def lessons() -> dict[str, Lesson]:
    """Return the lessons that come with the program, by name, in their order."""
    files = sorted(Path(__file__).parent.glob("[0-9]*.md"))
    return {lesson.name: lesson for lesson in (read_lesson(str(file)) for file in files)}
