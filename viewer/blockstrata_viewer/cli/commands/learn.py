"""``blockstrata learn``."""

import re
from typing import Any

import click

from blockstrata.text.printable import shortened
from blockstrata_viewer.cli.output import write
from blockstrata_viewer.cli.viewing import is_terminal, view_images, view_options, write_listed
from blockstrata_viewer.lessons import lessons, read_lesson
from blockstrata_viewer.lessons.course import Course, Shelf
from blockstrata_viewer.lessons.text import lesson_lines
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.process.scratch import scratch_directory


@click.command("learn")
@click.argument("lesson", required=False, metavar="[LESSON|FILE.md]")
@click.option("--list", "list_lessons", is_flag=True, help="Name the lessons and stop.")
@view_options
def command(lesson: str | None, list_lessons: bool, **look: Any) -> None:
    """Learn what the flags mean, on real images; without a terminal, print the lesson."""
    known = lessons()
    if list_lessons:
        write_listed((each.name, f"{each.title}. {each.summary}") for each in known.values())
        return
    if lesson and re.fullmatch("[0-9]{1,4}", lesson) and 1 <= int(lesson) <= len(known):
        lesson = list(known)[int(lesson) - 1]
    own = lesson is not None and lesson not in known
    if lesson and own and not lesson.endswith(".md"):
        raise click.UsageError(
            f"there is no lesson '{shortened(lesson)}'; blockstrata learn --list names them"
        )
    taught = [read_lesson(lesson)] if lesson and own else list(known.values())
    first = list(known).index(lesson) if lesson and not own else 0
    with scratch_directory() as directory:
        shelf = Shelf(directory)
        if is_terminal():
            course = Course(taught, shelf, first)
            view_images((course.image,), Opening(), course, **look)
        else:
            write(f"{line}\n" for line in lesson_lines(taught[first], shelf))
