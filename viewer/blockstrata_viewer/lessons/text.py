"""A lesson as text, for where there is no screen to look at."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from blockstrata.text.printable import printable
from blockstrata_viewer.lessons.course import Shelf, visit
from blockstrata_viewer.lessons.find import right_places
from blockstrata_viewer.lessons.lesson import GUEST, Lesson, Step
from blockstrata_viewer.lessons.site import Site

_WIDTH: Final = 80


def lesson_lines(lesson: Lesson, shelf: Shelf) -> Iterator[str]:
    """Yield a lesson step by step: where to look, the text, what is asked, and what is right."""
    yield printable(lesson.title)
    yield "=" * len(lesson.title)
    yield from _wrapped(lesson.summary)
    for number, (step, site, question) in enumerate(visit(lesson, shelf), 1):
        yield ""
        yield f"{number}. {printable(step.title)}"
        yield f"   [{_place(step, site)}]"
        for paragraph in step.text:
            yield ""
            yield from _wrapped(paragraph)
        if question is None:
            continue
        yield ""
        yield from _wrapped(question.prompt)
        for nth, choice in enumerate(question.choices, 1):
            yield f"     {nth}  {printable(choice)}"
        if step.find:
            yield f"   Answer: for instance at {right_places(site, step.find)[0]:#x}"
        else:
            yield f"   Answer: {question.right + 1}"
        for paragraph in step.afterwards:
            yield from _wrapped(paragraph)
    for paragraph in lesson.learnt:
        yield ""
        yield from _wrapped(paragraph)


def _place(step: Step, site: Site) -> str:
    source = step.source
    image = source.file or f"{source.scenario}{f' image {source.image}' if source.image > 1 else ''}"
    layer = "what the guest sees" if step.layer == GUEST else f"layer {step.layer}"
    view = "" if step.view == "chain" else f", {step.view}"
    return printable(f"{image}, offset {site.offset:#x}, {layer}{view}, {site.semantics.word} flags")


def _wrapped(paragraph: str) -> list[str]:
    bare = printable(paragraph).replace("**", "").replace("`", "")
    return textwrap.wrap(bare, _WIDTH, initial_indent="   ", subsequent_indent="   ")
