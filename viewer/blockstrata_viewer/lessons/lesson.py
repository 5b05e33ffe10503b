"""What a lesson is: steps, each a place on an image, a text, and perhaps a question.

The facts that a lesson speaks of are never in it.  Where a step asks, the right answer is worked out from the
image (:mod:`blockstrata_viewer.lessons.questions`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blockstrata.errors import BlockstrataError

GUEST: Final = -1
"""The layer of a step that looks at what the guest sees; the number that a scene uses."""

VIEWS: Final = ("chain", "file", "round-trip")
"""What a step looks at: the layers, one layer's file on its own axis, the way through NBD."""


class LessonError(BlockstrataError):
    """A lesson is malformed, or does not fit its image; ``field`` names the line."""


@dataclass(frozen=True, slots=True)
class Source:
    """The image of a step: the Nth (from 1) of a scenario, or a file beside the lesson."""

    scenario: str | None
    image: int
    file: str | None


Wanted = tuple[tuple[str, str], ...]
"""What a place has to be: terms with their values, as ``lessons/find.py`` knows them."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to look at.

    ``at`` is a place as "go to" takes it, ``zoom`` "fit", "extent" or bytes a cell, ``layer`` a depth or
    GUEST.  ``ask`` names a kind of question or is empty; ``choices`` are the letters offered for a row, all
    that occur in the layer if empty; ``find`` is what the place has to be that is to be found.  ``reasons``
    say of choices why they are wrong.  ``lines`` says where in the lesson each key stands, and each reason.
    """

    title: str
    source: Source
    at: str
    layer: int
    zoom: str | int
    semantics: str
    view: str
    text: tuple[str, ...]
    """Paragraphs, with `code` and **strong** in them."""
    afterwards: tuple[str, ...]
    """Paragraphs that are shown once the question is answered."""
    ask: str
    prompt: str
    choices: tuple[str, ...]
    find: Wanted
    reasons: dict[str, str]
    line: int
    lines: dict[str, int]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A title, a sentence, and steps.  ``file`` is what messages call it, ``name`` what the user types.

    ``learnt`` are the paragraphs that end it.

    It is somebody else's file: it may name regular files in its own directory and below, nothing else.
    """

    name: str
    file: str
    title: str
    summary: str
    steps: tuple[Step, ...]
    learnt: tuple[str, ...] = ()

    @property
    def questions(self) -> tuple[int, ...]:
        """Which steps ask something, counted from 0."""
        return tuple(at for at, step in enumerate(self.steps) if step.ask)

    def files(self) -> Iterator[str]:
        """Yield the paths of the lesson, and of the images that lie beside it."""
        yield self.file
        names = (step.source.file for step in self.steps)
        yield from (str(Path(self.file).parent / name) for name in names if name is not None)

    def own_file(self, step: Step) -> str:
        """Return the path of the file that a step names, which no image's name is mistaken for.

        ``LessonError`` if it is not there, is no regular file, or lies elsewhere, by symbolic links too.
        """
        name = step.source.file or ""
        directory = Path(self.file).parent
        path = directory / name
        try:
            inside = path.resolve(strict=True).is_relative_to(directory.resolve(strict=True))
            is_regular = path.is_file()
        except (OSError, RuntimeError, ValueError):
            raise self.wrong(step, "file", f"there is no file '{name}' beside it") from None
        if not inside or Path(name).is_absolute():
            raise self.wrong(step, "file", f"'{name}' is not in the directory of the lesson")
        if not is_regular:
            raise self.wrong(step, "file", f"'{name}' is not a regular file")
        # a path that is relative might read as a protocol's name
        return str(path) if path.is_absolute() else f".{os.sep}{path}"

    def wrong(self, step: Step, key: str, what: str) -> LessonError:
        """Return the error that a step's key is wrong."""
        return LessonError(self.file, f"line {step.lines.get(key, step.line)}", f"{key}: {what}")
