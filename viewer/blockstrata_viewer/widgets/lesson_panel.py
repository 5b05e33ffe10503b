"""The lesson's text under the chain: a step, and what it asks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import wrap
from typing import Final, NamedTuple

from rich.cells import cell_len
from textual.reactive import reactive

from blockstrata.semantics import by_name
from blockstrata.text.printable import printable
from blockstrata_viewer.draw.layout import NARROW
from blockstrata_viewer.draw.lines import Ink, Line, clip
from blockstrata_viewer.draw.palette import Palette, palette_of
from blockstrata_viewer.lessons.course import Course
from blockstrata_viewer.lessons.lesson import Lesson, Step
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.states import Paint
from blockstrata_viewer.widgets.drawn import SceneWidget

_MARGIN: Final = 2
_LEAST: Final = 6
"""Rows of the panel at the least."""
_AIR: Final = 1
"""Rows more than the longest step needs, where there is room."""
_KEYS: Final = ((".", "next"), (",", "back"))
_INSPECTOR: Final = ("i", "inspector")
_LESSONS: Final = ("L", "lessons")
_TOKEN: Final = re.compile(r"(\*\*.+?\*\*|`[^`]+`)")


class _Word(NamedTuple):
    text: str
    kind: str
    """"" plain, "code" or "strong"."""
    space: bool
    """Whether a blank stands before it."""


def draw_lesson(
    course: Course, palette: Palette, width: int, height: int, *, is_alone: bool = False
) -> list[Line]:
    """Return the panel's rows: a heading, the text, then the question or what became of it.  Needs no app.

    ``is_alone``: the inspector is hidden, and the heading says which key brings it.
    """
    rows = [Line(width, Ink(palette.text, palette.panel)) for _ in range(height)]
    rows[0] = _heading(course, palette, width, is_alone=is_alone)
    room = height - 1
    lines = _lines(course, palette, width - 2 * _MARGIN, room)
    # what is asked, or was answered, is what counts; the text gives way
    if len(lines) > room:
        text = [line for line in lines if not line.asked]
        asked = [line for line in lines if line.asked]
        keep = max(0, room - len(asked))
        lines = [*text[:keep], *asked][:room]
    for row, line in zip(rows[1:], _aired(lines, room), strict=False):
        x = _MARGIN
        for part, ink in line.parts:
            x = row.put(x, clip(part, width - x), ink)
    return rows


def _aired(lines: list[_Line], room: int) -> list[_Line]:
    """Return lines with a blank one before what is asked, and then between paragraphs, if there is room."""
    for before_asked in (True, False):
        aired: list[_Line] = []
        for line in lines:
            last = aired[-1] if aired else None
            is_wanted = line.asked and not last.asked if last and before_asked else line.is_first
            if last and last.parts and is_wanted:
                aired.append(_Line([]))
            aired.append(line)
        lines = aired if len(aired) <= room else lines
    return lines


def lesson_height(lesson: Lesson, width: int, most: int) -> int:
    """Return the rows that a lesson's longest step takes, at most so many: no step moves the strips."""
    inside = width - 2 * _MARGIN
    return max(_LEAST, min(most, 1 + _AIR + max(_height_of(step, inside) for step in lesson.steps)))


def _height_of(step: Step, width: int) -> int:
    text = sum(len(_wrap(paragraph, width)) for paragraph in step.text)
    if not step.ask:
        return text
    after = sum(len(_wrap(paragraph, width - 9)) for paragraph in step.afterwards)
    return text + max(1 + _choices_height(step, width), after + 1)


def _choices_height(step: Step, width: int) -> int:
    if step.ask in ("present", "zero", "data", "same", "lost"):
        return 1
    if step.ask == "row":
        texts = _texts_of_rows(step)
        return len(_columns([_Choice("1", text, is_wrong=False) for text in texts], width, 2 * len(texts)))
    count = 4 if step.ask == "layer" else 5
    return -(-count // 2) if width >= _TWO_COLUMNS else count


def _texts_of_rows(step: Step) -> list[str]:
    """Return choices as they will stand there; the longest that there may be where the image decides."""
    semantics = by_name(step.semantics)
    texts = {
        letters: f"{letters}  {row.words}"
        for is_protocol, rows in ((True, semantics.protocol_rows), (False, semantics.format_rows))
        for row in rows
        for letters in (semantics.letters(row.flags, is_protocol=is_protocol),)
    }
    offered = [texts[letters] for letters in step.choices if letters in texts]
    return offered or sorted(texts.values(), key=len)[-_MOST_ROWS:]


_TWO_COLUMNS: Final = 110
_MOST_ROWS: Final = 5
"""Rows that are offered where the lesson names none."""


class _Line(NamedTuple):
    parts: list[tuple[str, Ink]]
    asked: bool = False
    is_first: bool = False
    """Whether a paragraph begins with it."""


def _heading(course: Course, palette: Palette, width: int, *, is_alone: bool) -> Line:
    """Return the row that sets the lesson apart: which step, of what, and how to go on."""
    lesson, ground = course.lesson, palette.panel if palette.is_mono else palette.rule
    strong, dim = Ink(palette.text, ground, bold=True), Ink(palette.dim, ground)
    accent = Ink(palette.accent, ground, bold=True)
    row = Line(width, Ink(palette.text, ground))
    steps = len(lesson.steps)
    keys = (*_KEYS, _INSPECTOR) if is_alone else _KEYS
    place = f"{course.at + 1}/{steps}"
    dots = 2 * steps + 1 if width >= NARROW else 0
    # the same keys at every step, whatever its title
    titles = len("LESSON  ") + max(cell_len(printable(step.title)) for step in lesson.steps) + 2
    titles += cell_len(printable(lesson.title)) + 2
    if width >= NARROW or titles + _keys_width((*keys, _LESSONS)) + len(place) + 2 * _MARGIN <= width:
        keys = (*keys, _LESSONS)
    end = width - _MARGIN - dots - len(place) - _keys_width(keys)
    x = row.put(_MARGIN, "LESSON  ", accent)
    x = row.put(x, clip(printable(course.step.title), end - x - 2), strong) + 2
    if end - x > 12:
        row.put(x, clip(printable(lesson.title), end - x - 2), dim)
    for nth in range(steps if dots else 0):
        row.put(end + 2 * nth, "●" if nth <= course.at else "○", accent if nth <= course.at else dim)
    x = row.put(end + dots, place, strong) + 2
    for key, words in keys:
        x = row.put(row.put(x, key, accent) + 1, words, Ink(palette.text, ground)) + 2
    return row


def _keys_width(keys: Sequence[tuple[str, str]]) -> int:
    return sum(len(key) + len(words) + 3 for key, words in keys)


def _lines(course: Course, palette: Palette, width: int, room: int) -> list[_Line]:
    lines = [
        _Line(_inked(words, palette), is_first=nth == 0)
        for paragraph in course.step.text
        for nth, words in enumerate(_wrap(paragraph, width))
    ]
    question = course.question
    if question is None:
        return lines
    strong = Ink(palette.accent, palette.panel, bold=True)
    plain, dim = Ink(palette.text, palette.panel), Ink(palette.dim, palette.panel)
    if course.is_answered:
        number, choice = question.right + 1, printable(question.choices[question.right])
        lines.append(_Line([("✓ Right:  ", strong), (f"{number} {choice}", plain)], asked=True))
        for paragraph in course.step.afterwards:
            lines += [_Line(_inked(words, palette), asked=True) for words in _wrap(paragraph, width)]
        return lines
    wrong = course.answers
    note = "  press its number" if not wrong else f"  not {wrong[-1] + 1}; try another, or . goes on"
    room -= len(lines) + 1
    lines.append(_Line([(f"? {printable(question.prompt)}", strong), (note, dim)], asked=True))
    cells = [
        _Choice(str(nth), printable(choice), nth - 1 in wrong)
        for nth, choice in enumerate(question.choices, 1)
    ]
    return lines + [
        _Line([part for cell in row for part in _choice_parts(cell, palette)], asked=True)
        for row in _columns(cells, width, room)
    ]


class _Choice(NamedTuple):
    """A choice: its number and text, and whether it was taken and is wrong; or another line of its text."""

    number: str
    text: str
    is_wrong: bool
    goes_on: bool = False


def _choice_parts(choice: _Choice, palette: Palette) -> list[tuple[str, Ink]]:
    dim = Ink(palette.dim, palette.panel)
    if choice.goes_on:
        return [("   ", dim), (choice.text, dim if choice.is_wrong else Ink(palette.text, palette.panel))]
    if choice.is_wrong:
        return [
            ("✗ ", Ink(palette.paints[Paint.SUSPICIOUS], palette.panel)),
            (choice.number, dim),
            (choice.text, dim),
        ]
    number = Ink(palette.accent, palette.panel, bold=True)
    return [("  ", dim), (choice.number, number), (choice.text, Ink(palette.text, palette.panel))]


def _columns(choices: list[_Choice], width: int, room: int) -> list[list[_Choice]]:
    """Return choices in lines, cut only where so many lines have no room for them.

    All in one line if they are that short, else in two columns, else one below the other, where long ones go
    on in the next line.
    """
    # before each stand a mark, its number and a blank
    if sum(cell_len(each.text) + 8 for each in choices) <= width:
        return [[each._replace(text=f" {each.text}    ") for each in choices]]
    longest = max(cell_len(each.text) for each in choices)
    # the last column may reach into the margin
    whole, half = width - 3, width // 2 - 4
    has_two = width >= _TWO_COLUMNS
    if has_two and (longest <= half or len(choices) > room):
        height = -(-len(choices) // 2)
        padded = [each._replace(text=f" {clip(each.text, half):<{half}}") for each in choices]
        return [padded[at::height] for at in range(height)]
    lines = [line for each in choices for line in _choice_lines(each, whole)]
    if len(lines) > room:
        lines = [[each._replace(text=f" {clip(each.text, whole)}")] for each in choices]
    return lines


def _choice_lines(choice: _Choice, room: int) -> list[list[_Choice]]:
    """Return a choice in as many lines as it takes; a row's words go on under themselves."""
    letters, gap, _ = choice.text.partition("  ")
    indent = " " * (len(letters) + len(gap) if gap else 0)
    first, *others = wrap(choice.text, room, subsequent_indent=indent) or [""]
    more = [[choice._replace(text=f" {text}", goes_on=True)] for text in others]
    return [[choice._replace(text=f" {first}")], *more]


def _wrap(paragraph: str, width: int) -> list[list[_Word]]:
    """Return a paragraph's words in lines of a width in cells."""
    lines: list[list[_Word]] = [[]]
    used = 0
    for word in _words(paragraph):
        size = cell_len(word.text) + word.space
        if used and used + size > width and word.space:
            lines.append([])
            used = 0
        lines[-1].append(word if used else word._replace(space=False))
        used += size if used else cell_len(word.text)
    return lines


def _words(paragraph: str) -> list[_Word]:
    found: list[_Word] = []
    space = False
    for token in _TOKEN.split(printable(paragraph)):
        kind = "code" if token.startswith("`") else "strong" if token.startswith("**") else ""
        bare = token.strip("`") if kind == "code" else token.strip("*") if kind == "strong" else token
        if kind == "code":
            # a flag's letters stay together
            found.append(_Word(bare, kind, space))
            space = False
            continue
        space = space or bare[:1] == " "
        for text in bare.split():
            found.append(_Word(text, kind, space))
            space = True
        space = bare[-1:] == " " if bare else space
    return found


def _inked(words: list[_Word], palette: Palette) -> list[tuple[str, Ink]]:
    inks = {
        "": Ink(palette.text, palette.panel),
        "code": Ink(palette.accent, palette.panel),
        "strong": Ink(palette.text, palette.panel, bold=True),
    }
    return [(f"{' ' if word.space else ''}{word.text}", inks[word.kind]) for word in words]


class LessonPanel(SceneWidget):
    """Shows the step that a course is at."""

    DEFAULT_CSS = "LessonPanel { width: 1fr; height: 9; }"

    is_alone: reactive[bool] = reactive(False)
    """Whether the inspector is hidden."""

    def __init__(self, course: Course | None) -> None:
        super().__init__(id="lesson")
        self.course = course

    def draw_scene(self, scene: Scene, width: int, height: int) -> list[Line]:
        """Return the lines."""
        if self.course is None:
            return []
        return draw_lesson(self.course, palette_of(scene), width, height, is_alone=self.is_alone)
