"""Lessons being gone through: which step is next, which image it is on, what was answered."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from blockstrata.graph.chain import Chain, open_chain
from blockstrata_viewer.lessons.find import why_not
from blockstrata_viewer.lessons.lesson import Lesson, Step
from blockstrata_viewer.lessons.questions import Question, question_of
from blockstrata_viewer.lessons.site import Site, site_of
from blockstrata_viewer.scenarios import SCENARIOS


class Shelf:
    """The images of lessons: scenarios are made, each once, in a directory when they are first wanted."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: dict[str, tuple[str, ...]] = {}
        self.said: dict[str, tuple[str, ...]] = {}
        """What leads to the images that were made, as :meth:`Scenario.said` has it."""

    def image(self, lesson: Lesson, step: Step) -> str:
        """Return the image of a step, as it is opened; ``LessonError`` if there is no such one."""
        source = step.source
        if source.file is not None:
            return lesson.own_file(step)
        name = source.scenario or ""
        if name not in self._made:
            self._made[name] = SCENARIOS[name].keep(self._directory / name)
            self.said |= SCENARIOS[name].said(self._made[name])
        images = self._made[name]
        if source.image > len(images):
            raise lesson.wrong(step, "image", f"scenario {name} has {len(images)}")
        return images[source.image - 1]


_WRONG_PLACE: Final = -1
"""Stands among the answers for a place that was not the one."""


class Score(NamedTuple):
    """How many questions a lesson has, how many are answered, and how many were right at the first try."""

    asked: int
    answered: int
    at_once: int


@dataclass
class Course:
    """Some lessons, one after the other, and how far one is; behind its last step each has its end.

    ``tried`` are the choices that were taken at each step, by lesson and step; the last one may be right.
    ``done`` are the lessons that were gone through with all questions answered, by name.
    """

    lessons: Sequence[Lesson]
    shelf: Shelf
    nth: int = 0
    at: int = 0
    question: Question | None = None
    """What the step asks; None where it asks nothing, or its image is not read yet."""
    tried: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    solved: set[tuple[int, int]] = field(default_factory=set)
    """The steps whose question was answered."""
    done: dict[str, Score] = field(default_factory=dict)
    remark: str = ""
    """Why the place that was tried last is not the one that is to be found."""

    @property
    def lesson(self) -> Lesson:
        """The lesson one is in."""
        return self.lessons[self.nth]

    @property
    def step(self) -> Step:
        """The step one is at; at the end of a lesson its last one."""
        return self.lesson.steps[min(self.at, len(self.lesson.steps) - 1)]

    @property
    def is_over(self) -> bool:
        """Whether one is at the end of the lesson."""
        return self.at == len(self.lesson.steps)

    @property
    def following(self) -> Lesson | None:
        """The next lesson; None in the last one."""
        return self.lessons[self.nth + 1] if self.nth + 1 < len(self.lessons) else None

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

    @property
    def is_search(self) -> bool:
        """Whether the step waits for a place."""
        return self.is_open and bool(self.step.find)

    @property
    def asking(self) -> str:
        """The kind of question that waits for a choice; empty if none does."""
        return self.step.ask if self.is_open and not self.is_search else ""

    @property
    def why(self) -> str:
        """Why the last answer is wrong, if the lesson or the image says so."""
        if not self.is_open or self.question is None:
            return ""
        if self.is_search:
            return self.remark  # also of a place that was not even taken as an answer
        return self.question.reasons[self.answers[-1]] if self.answers else ""

    @property
    def score(self) -> Score:
        """What became of the questions of the lesson."""
        asked = [(self.nth, at) for at in self.lesson.questions]
        answered = [spot for spot in asked if spot in self.solved]
        return Score(len(asked), len(answered), sum(len(self.tried[spot]) == 1 for spot in answered))

    def begin(self, name: str) -> bool:
        """Go to the first step of a lesson, nothing answered yet; say whether there is one of that name."""
        names = [lesson.name for lesson in self.lessons]
        if name not in names:
            return False
        nth = names.index(name)
        self.tried = {spot: answers for spot, answers in self.tried.items() if spot[0] != nth}
        self.solved = {spot for spot in self.solved if spot[0] != nth}
        self._go(nth, 0)
        return True

    def move(self, steps: int) -> bool:
        """Go to another step or end, of the next or last lesson behind them; say whether there is one."""
        order = [(nth, at) for nth, lesson in enumerate(self.lessons) for at in range(len(lesson.steps) + 1)]
        wanted = order.index((self.nth, self.at)) + steps
        inside = max(0, min(wanted, len(order) - 1))
        if (self.nth, self.at) == order[inside]:
            return False
        self._go(*order[inside])
        return True

    def _go(self, nth: int, at: int) -> None:
        self.nth, self.at, self.question, self.remark = nth, at, None, ""
        score = self.score
        if self.is_over and score.answered == score.asked:
            self.done[self.lesson.name] = score

    def arrive(self, chain: Chain) -> Site:
        """Find the step's place on its open image, and what is asked there; ``LessonError`` if that fails."""
        site = site_of(self.lesson, self.step, chain)
        self.question = None if self.is_over else question_of(self.lesson, self.step, site)
        return site

    def answer(self, number: int) -> bool:
        """Take a choice, counted from 1; say whether it was one."""
        if not self.is_open or self.question is None or not 1 <= number <= len(self.question.choices):
            return False
        if number - 1 in self.answers:
            self.answers.remove(number - 1)
        self._take(number - 1)
        return True

    def answer_place(self, chain: Chain, layer: int, at: int, around: range) -> None:
        """Take a place as the answer to a search; ``remark`` says what is wrong with it.

        ``layer`` as a step's, ``at`` and ``around`` as :func:`why_not` has them.
        """
        site = replace(site_of(self.lesson, self.step, chain), layer=layer)
        self.remark = why_not(site, at, self.step.find, around)
        self._take(_WRONG_PLACE if self.remark else 0)

    def refuse_place(self, why: str) -> None:
        """Say of a place that is none of the image's why it cannot be the one; it does not count."""
        self.remark = why

    def _take(self, choice: int) -> None:
        self.answers.append(choice)
        if self.is_answered:
            self.solved.add((self.nth, self.at))


def visit(lesson: Lesson, shelf: Shelf) -> Iterator[tuple[Step, Site, Question | None]]:
    """Yield every step of a lesson with its place and question, the image being open for so long."""
    for step in lesson.steps:
        with contextlib.closing(open_chain(shelf.image(lesson, step))) as chain:
            site = site_of(lesson, step, chain)
            yield step, site, question_of(lesson, step, site)
