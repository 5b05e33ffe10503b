"""The images beside a lesson.

A lesson is somebody else's file: it may name regular files in its own directory and below, nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blockstrata_viewer.lessons.lesson import Lesson, Step


def own_file(lesson: Lesson, step: Step) -> str:
    """Return the path of the file that a step names, which no image's name is mistaken for.

    ``LessonError`` if it is not there, is no regular file, or lies elsewhere, by symbolic links too.
    """
    name = step.source.file or ""
    directory = Path(lesson.file).parent
    path = Path(lesson.beside(name))
    try:
        inside = path.resolve(strict=True).is_relative_to(directory.resolve(strict=True))
        is_regular = path.is_file()
    except (OSError, RuntimeError, ValueError):
        raise lesson.wrong(step, "file", f"there is no file '{name}' beside it") from None
    if not inside or Path(name).is_absolute():
        raise lesson.wrong(step, "file", f"'{name}' is not in the directory of the lesson")
    if not is_regular:
        raise lesson.wrong(step, "file", f"'{name}' is no regular file")
    # a path that is relative might read as a protocol's name
    return str(path) if path.is_absolute() else f".{os.sep}{path}"
