"""What the viewer is started with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.model.opening import Opening

if TYPE_CHECKING:
    # numpy would come with these
    from blockstrata.graph.chain import Chain
    from blockstrata_viewer.lessons.course import Course


@dataclass(frozen=True)
class Setup:
    """The images and how they are shown.

    ``colours`` is one of :data:`palette.COLOURS`; ``keymap`` holds the user's own keys by binding id;
    ``course`` are the lessons to be gone through, ``images`` then its first one.
    """

    images: Sequence[str]
    opening: Opening = field(default_factory=Opening)
    theme: str = "dark"
    semantics: str = "proposed"
    colours: str = "truecolor"
    keymap: dict[str, str] = field(default_factory=dict)
    course: Course | None = None
    aim: Aim | None = None
    """Where the first image is opened; what the options say, or a demo."""
    said: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What leads on the command line to images that go when the viewer is left; empty where nothing does."""
    asks: bool = True
    """Whether there is somebody who can answer a question."""
    prepare: Callable[[Chain], None] | None = None
    """What is done with each chain before it is shown, in the thread that reads it."""
