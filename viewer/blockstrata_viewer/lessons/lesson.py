"""What a lesson is: steps, each a place on an image, a text, and perhaps a question.

The facts that a lesson speaks of are never in it.  Where a step asks, the right answer is worked out from the
image (:mod:`blockstrata_viewer.lessons.questions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from blockstrata.errors import BlockstrataError

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to look at.

    ``at`` is a place as "go to" takes it, ``zoom`` "fit", "extent" or bytes a cell, ``layer`` a depth or
    GUEST.  ``ask`` names a kind of question or is empty; ``choices`` are the letters offered for a row, all
    that occur in the layer if empty.  ``lines`` says where in the lesson each key stands.
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
    line: int
    lines: dict[str, int]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A title, a sentence, and steps.  ``file`` is what messages call it, ``name`` what the user types."""

    name: str
    file: str
    title: str
    summary: str
    steps: tuple[Step, ...]

    def beside(self, name: str) -> str:
        """Return the path of a file that a step names."""
        return str(Path(self.file).parent / name)

    def files(self) -> Iterator[str]:
        """Yield the paths of the lesson, and of the images that lie beside it."""
        yield self.file
        yield from (self.beside(step.source.file) for step in self.steps if step.source.file is not None)

    def wrong(self, step: Step, key: str, what: str) -> LessonError:
        """Return the error that a step's key is wrong."""
        return LessonError(self.file, f"line {step.lines.get(key, step.line)}", f"{key}: {what}")
