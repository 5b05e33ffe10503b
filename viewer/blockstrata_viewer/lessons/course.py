"""Lessons being gone through: which step is next, which image it is on, what was answered."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blockstrata.graph.chain import Chain, open_chain
from blockstrata_viewer.lessons.lesson import Lesson, Step
from blockstrata_viewer.lessons.questions import Question, Site, question_of, site_of
from blockstrata_viewer.scenarios import SCENARIOS


class Shelf:
    """The images of lessons: scenarios are made, each once, in a directory when they are first wanted."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: dict[str, tuple[str, ...]] = {}

    def image(self, lesson: Lesson, step: Step) -> str:
        """Return the image of a step, as it is opened; ``LessonError`` if there is no such one."""
        source = step.source
        if source.file is not None:
            return lesson.own_file(step)
        name = source.scenario or ""
        if name not in self._made:
            self._made[name] = SCENARIOS[name].keep(self._directory / name)
        images = self._made[name]
        if source.image > len(images):
            raise lesson.wrong(step, "image", f"scenario {name} has {len(images)}")
        return images[source.image - 1]


@dataclass
class Course:
    """Some lessons, one after the other, and how far one is.

    ``tried`` are the choices that were taken at each step, by lesson and step; the last one may be right.
    """

    lessons: Sequence[Lesson]
    shelf: Shelf
    nth: int = 0
    at: int = 0
    question: Question | None = None
    """What the step asks; None where it asks nothing, or its image is not read yet."""
    tried: dict[tuple[int, int], list[int]] = field(default_factory=dict)

    @property
    def lesson(self) -> Lesson:
        """The lesson one is in."""
        return self.lessons[self.nth]

    @property
    def step(self) -> Step:
        """The step one is at."""
        return self.lesson.steps[self.at]

    @property
    def image(self) -> str:
        """The image of the step."""
        return self.shelf.image(self.lesson, self.step)

    @property
    def answers(self) -> list[int]:
        """The choices that were taken at this step."""
        return self.tried.setdefault((self.nth, self.at), [])

    @property
    def is_answered(self) -> bool:
        """Whether the right choice was taken."""
        return self.question is not None and self.question.right in self.answers

    @property
    def is_open(self) -> bool:
        """Whether the step waits for an answer."""
        return self.question is not None and not self.is_answered

    def begin(self, name: str) -> bool:
        """Go to the first step of a lesson; say whether there is one of that name."""
        names = [lesson.name for lesson in self.lessons]
        if name not in names:
            return False
        self.nth, self.at, self.question = names.index(name), 0, None
        return True

    def move(self, steps: int) -> bool:
        """Go to another step, of the next or last lesson at the ends; say whether there is one."""
        order = [(nth, at) for nth, lesson in enumerate(self.lessons) for at in range(len(lesson.steps))]
        wanted = order.index((self.nth, self.at)) + steps
        inside = max(0, min(wanted, len(order) - 1))
        if (self.nth, self.at) == order[inside]:
            return False
        self.nth, self.at = order[inside]
        self.question = None
        return True

    def arrive(self, chain: Chain) -> Site:
        """Find the step's place on its open image, and what is asked there; ``LessonError`` if that fails."""
        site = site_of(self.lesson, self.step, chain)
        self.question = question_of(self.lesson, self.step, site)
        return site

    def answer(self, number: int) -> bool:
        """Take a choice, counted from 1; say whether it was one."""
        if not self.is_open or self.question is None or not 1 <= number <= len(self.question.choices):
            return False
        if number - 1 not in self.answers:
            self.answers.append(number - 1)
        return True


def visit(lesson: Lesson, shelf: Shelf) -> Iterator[tuple[Step, Site, Question | None]]:
    """Yield every step of a lesson with its place and question, the image being open for so long."""
    for step in lesson.steps:
        with contextlib.closing(open_chain(shelf.image(lesson, step))) as chain:
            site = site_of(lesson, step, chain)
            yield step, site, question_of(lesson, step, site)
