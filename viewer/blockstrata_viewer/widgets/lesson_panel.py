"""The lesson's text under the chain: a step, and what it asks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from textual.reactive import reactive

from blockstrata.semantics import by_name
from blockstrata.text.printable import printable
from blockstrata_viewer.draw.layout import NARROW
from blockstrata_viewer.draw.lines import Ink, Line, clip, wrapped
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
_BACK: Final = (",", "back")
_INSPECTOR: Final = ("i", "inspector")
_LESSONS: Final = ("L", "lessons")
_END: Final = "The end"
_TOKEN: Final = re.compile(r"(\*\*.+?\*\*|`[^`]+`)")
_TWO_COLUMNS: Final = 110
_WRONG: Final = "✗ 1  "
"""What stands before the reason why a choice is wrong."""
_REMARK: Final = 2
"""Rows of what is said of a wrong place."""
_MOST_ROWS: Final = 5
"""Rows that are offered where the lesson names none."""

Parts = list[tuple[str, Ink]]
"""What stands in a line, part after part."""


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

    At the end of a lesson: what was learnt, and how it went.

    ``is_alone``: the inspector is hidden, and the heading says which key brings it.
    """
    rows = [Line(width, Ink(palette.text, palette.panel)) for _ in range(height)]
    rows[0] = _heading(course, palette, width, is_alone=is_alone)
    for row, parts in zip(rows[1:], _lines(course, palette, width - 2 * _MARGIN, height - 1), strict=False):
        x = _MARGIN
        for part, ink in parts:
            x = row.put(x, clip(part, width - x), ink)
    return rows


def _lines(course: Course, palette: Palette, width: int, room: int) -> list[Parts]:
    """Return the text and what is asked in so many lines, with blank ones between if there is room."""
    texts = [*course.lesson.learnt, *_ending(course)] if course.is_over else course.step.text
    paragraphs = [_inked(paragraph, palette, width) for paragraph in texts]
    text = [line for paragraph in paragraphs for line in paragraph]
    asked = _asked(course, palette, width, room - len(text) - 1)
    free = room - len(text) - len(asked)
    if free < 0:
        # what is asked, or was answered, is what counts; the text gives way
        return [*text[: max(0, room - len(asked))], *asked][:room]
    gap: list[Parts] = [[]] if text and asked and free else []
    if len(paragraphs) - 1 <= free - len(gap):
        text = [line for paragraph in paragraphs for line in ([], *paragraph)][1:]
    return [*text, *gap, *asked]


def lesson_height(lesson: Lesson, width: int, most: int) -> int:
    """Return the rows that a lesson's longest step takes, at most so many: no step moves the strips."""
    inside = width - 2 * _MARGIN
    end = sum(len(_wrap(paragraph, inside)) for paragraph in lesson.learnt) + 3
    return max(_LEAST, min(most, 1 + _AIR + max(end, *(_height_of(step, inside) for step in lesson.steps))))


def _height_of(step: Step, width: int) -> int:
    text = sum(len(_wrap(paragraph, width)) for paragraph in step.text)
    if not step.ask:
        return text
    after = sum(len(_wrap(paragraph, width - 9)) for paragraph in step.afterwards)
    # a reason stands in the place of the question
    reason = max((len(_wrap(why, width - len(_WRONG))) for why in step.reasons.values()), default=1)
    return text + max(reason + _choices_height(step, width), after + 1)


def _ending(course: Course) -> list[str]:
    """Return what is said at the end of a lesson: how it went, what is still open, and what comes next."""
    lesson, score, following = course.lesson, course.score, course.following
    said = []
    if score.asked:
        said.append(f"You answered **{score.at_once} of {score.asked}** questions right at the first try.")
    if score.answered < score.asked:
        left = [str(at + 1) for at in lesson.questions if (course.nth, at) not in course.solved]
        said[-1] += f" Still open: step{'s' * (len(left) > 1)} {', '.join(left)}; `,` goes back."
    if following is None:
        return [*said, "This was the last lesson. `L` lists them all."]
    return [*said, f"`enter` begins the next lesson: **{following.title.replace('*', '')}**."]


def _choices_height(step: Step, width: int) -> int:
    if step.ask in ("present", "zero", "data", "same", "lost"):
        return 1
    if step.ask == "find":
        return _REMARK
    if step.ask == "row":
        texts = _texts_of_rows(step)
        return len(_arranged(texts, width, 2 * len(texts)))
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


def _heading(course: Course, palette: Palette, width: int, *, is_alone: bool) -> Line:
    """Return the row that sets the lesson apart: which step, of what, and how to go on."""
    lesson, ground = course.lesson, palette.panel if palette.is_mono else palette.rule
    strong, dim = Ink(palette.text, ground, bold=True), Ink(palette.dim, ground)
    accent = Ink(palette.accent, ground, bold=True)
    row = Line(width, Ink(palette.text, ground))
    steps = len(lesson.steps)
    keys = (*_keys(course), _INSPECTOR) if is_alone else _keys(course)
    title, place = course.step.title, f"{course.at + 1}/{steps}"
    if course.is_over:
        title, place = _END, "✓" if course.score.answered == course.score.asked else ""
    dots = 2 * steps + 1 if width >= NARROW else 0
    # the same keys at every step, whatever its title
    titles = len("LESSON  ") + max(cell_len(printable(step.title)) for step in lesson.steps) + 2
    titles += cell_len(printable(lesson.title)) + 2
    if width >= NARROW or titles + _keys_width((*keys, _LESSONS)) + len(place) + 2 * _MARGIN <= width:
        keys = (*keys, _LESSONS)
    end = width - _MARGIN - dots - len(place) - _keys_width(keys)
    x = row.put(_MARGIN, "LESSON  ", accent)
    x = row.put(x, clip(printable(title), end - x - 2), strong) + 2
    if end - x > 12:
        row.put(x, clip(printable(lesson.title), end - x - 2), dim)
    for nth in range(steps if dots else 0):
        row.put(end + 2 * nth, "●" if nth <= course.at else "○", accent if nth <= course.at else dim)
    x = row.put(end + dots, place, strong) + 2
    for key, words in keys:
        x = row.put(row.put(x, key, accent) + 1, words, Ink(palette.text, ground)) + 2
    return row


def _keys(course: Course) -> tuple[tuple[str, str], ...]:
    """Return the keys that lead on and back; those that lead on are of one width."""
    if course.is_search:
        return (("enter", "here"), _BACK)
    if course.question and course.asking:
        return ((f"1-{len(course.question.choices)}", "choose"), _BACK)
    if course.is_over and not course.following:
        return (_BACK,)
    return (("enter", "next"), _BACK)


def _keys_width(keys: Sequence[tuple[str, str]]) -> int:
    return sum(len(key) + len(words) + 3 for key, words in keys)


def _asked(course: Course, palette: Palette, width: int, room: int) -> list[Parts]:
    """Return the question with its choices, for which there are so many lines, or what became of it."""
    question = course.question
    if question is None:
        return []
    strong = Ink(palette.accent, palette.panel, bold=True)
    plain, dim = Ink(palette.text, palette.panel), Ink(palette.dim, palette.panel)
    if course.is_answered:
        said: list[Parts] = [[("✓ Found", strong), (", there it is.", plain)]]
        if question.choices:
            mark, choice = f"✓ Right:  {question.right + 1} ", printable(question.choices[question.right])
            first, *others = _folded(choice, width - len(mark))
            said = [[(mark, strong), (first, plain)]]
            said += [[(" " * len(mark), strong), (line, plain)] for line in others]
        after = [line for each in course.step.afterwards for line in _inked(each, palette, width)]
        return [*said, *after]
    prompt: Parts = [(f"? {printable(question.prompt)}", strong)]
    if course.is_search:
        return [prompt, *_because("✗ ", course.why, palette, width)]
    wrong = course.answers
    note = "  press its number" if not wrong else f"  not {wrong[-1] + 1}; try another, or . goes on"
    head = [[*prompt, (note, dim)]]
    if course.why:
        head = _because(f"✗ {wrong[-1] + 1}  ", course.why, palette, width)
    lines = _arranged([printable(choice) for choice in question.choices], width, room - len(head) + 1)
    return [*head, *([part for cell in line for part in _choice(*cell, wrong, palette)] for line in lines)]


def _because(mark: str, why: str, palette: Palette, width: int) -> list[Parts]:
    """Return why an answer is wrong in lines, a mark before the first of them; none if nothing is said."""
    if not why:
        return []
    first, *others = _inked(why, palette, width - len(mark))
    cross = (mark, Ink(palette.paints[Paint.SUSPICIOUS], palette.panel, bold=True))
    return [[cross, *first], *([(" " * len(mark), cross[1]), *line] for line in others)]


def _choice(nth: int, text: str, goes_on: bool, wrong: Sequence[int], palette: Palette) -> Parts:
    """Return a choice: its number and text, and whether it was taken and is wrong; or more of its text."""
    dim, is_wrong = Ink(palette.dim, palette.panel), nth in wrong
    words = (f" {text}", dim if is_wrong else Ink(palette.text, palette.panel))
    if goes_on:
        return [("   ", dim), words]
    if is_wrong:
        cross = ("✗ ", Ink(palette.paints[Paint.SUSPICIOUS], palette.panel))
        return [cross, (str(nth + 1), dim), words]
    return [("  ", dim), (str(nth + 1), Ink(palette.accent, palette.panel, bold=True)), words]


def _arranged(texts: list[str], width: int, room: int) -> list[list[tuple[int, str, bool]]]:
    """Return choices in lines, by their numbers from 0, cut only where so many lines have no room for them.

    All in one line if they are that short, else in two columns, else one below the other, where long ones go
    on in the next line.
    """
    # before each stand a mark, its number and a blank
    if sum(cell_len(text) + 8 for text in texts) <= width:
        return [[(nth, f"{text}    ", False) for nth, text in enumerate(texts)]]
    # the last column may reach into the margin
    whole, half = width - 3, width // 2 - 4
    if width >= _TWO_COLUMNS and (max(map(cell_len, texts)) <= half or len(texts) > room):
        height = -(-len(texts) // 2)
        cells = [(nth, f"{clip(text, half):<{half}}", False) for nth, text in enumerate(texts)]
        return [cells[at::height] for at in range(height)]
    lines = [
        [(nth, part, at > 0)]
        for nth, text in enumerate(texts)
        for at, part in enumerate(_folded(text, whole))
    ]
    if len(lines) > room:
        return [[(nth, clip(text, whole), False)] for nth, text in enumerate(texts)]
    return lines


def _folded(text: str, room: int) -> list[str]:
    """Return a choice in as many lines as it takes; a row's words go on under themselves."""
    letters, gap, _ = text.partition("  ")
    indent = " " * (len(letters) + len(gap) if gap else 0)
    return wrapped(text, room, indent=indent) or [""]


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
        if token.startswith("`"):
            # a flag's letters stay together
            found.append(_Word(token.strip("`"), "code", space))
            space = False
            continue
        kind = "strong" if token.startswith("**") else ""
        bare = token.strip("*") if kind else token
        space = space or bare[:1] == " "
        for text in bare.split():
            found.append(_Word(text, kind, space))
            space = True
        space = bare[-1:] == " " if bare else space
    return found


def _inked(paragraph: str, palette: Palette, width: int) -> list[Parts]:
    """Return a paragraph in lines of a width in cells."""
    inks = {
        "": Ink(palette.text, palette.panel),
        "code": Ink(palette.accent, palette.panel),
        "strong": Ink(palette.text, palette.panel, bold=True),
    }
    return [
        [(f"{' ' if word.space else ''}{word.text}", inks[word.kind]) for word in line]
        for line in _wrap(paragraph, width)
    ]


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
