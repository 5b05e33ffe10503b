"""The lessons as a list to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from blockstrata.text.printable import printable
from blockstrata_viewer.draw.lines import Ink, Line, clip, list_line, put_keys, wrapped
from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.lessons.course import Course, Score
from blockstrata_viewer.lessons.lesson import Lesson
from blockstrata_viewer.widgets.drawn import DrawnList

_MARGIN: Final = 2
_WORDS: Final = _MARGIN + 4
"""Where titles and sentences start."""
_HEAD: Final = 1
_FOOT: Final = 2
_KEYS: Final = (("↑ ↓", "choose"), ("enter", "begin"))
_LEAVE: Final = "Leave the lesson"
_LEAVE_WORDS: Final = "Go back to the image that was open before."


def draw_lessons(
    lessons: Sequence[Lesson],
    course: Course | None,
    done: Mapping[str, Score],
    at: int,
    palette: Palette,
    width: int,
    height: int,
) -> list[Line]:
    """Return the rows of the screen: each lesson's title and sentence, the one at ``at`` chosen.

    Those in ``done``, by name, are ticked, with how many of their answers were right at the first try.

    Where there is little room, only the chosen one has its sentence.  While a lesson is open, the last line
    leaves it.  Needs no app.
    """
    rows = [Line(width, Ink(palette.text, palette.panel)) for _ in range(height)]
    entries = [
        (
            f"{nth:>2}",
            printable(each.title),
            printable(each.summary),
            _note(each, course, done.get(each.name)),
        )
        for nth, each in enumerate(lessons, 1)
    ]
    if course:
        entries.append(("", _LEAVE, _LEAVE_WORDS, ""))
    room = max(1, height - _HEAD - _FOOT)
    sentences = [wrapped(words, width - _WORDS - _MARGIN) for _, _, words, _ in entries]
    needed = sum(1 + len(each) for each in sentences)
    shows_all, has_gaps = needed <= room, needed + len(entries) - 1 <= room
    drawn: list[Line] = []
    chosen = 0
    for nth, (number, title, _, note) in enumerate(entries):
        is_chosen = nth == at
        chosen = len(drawn) if is_chosen else chosen
        drawn.append(_title(number, title, note, palette, width, is_chosen=is_chosen))
        drawn[-1].on_click(0, width, f"pick({nth})")
        shown = sentences[nth] if shows_all or is_chosen else ()
        drawn += [_sentence(words, palette, width, is_chosen=is_chosen) for words in shown]
        if has_gaps:
            drawn.append(Line(width, Ink(palette.text, palette.panel)))
    first = max(0, min(chosen - room // 2, len(drawn) - room))
    for y, row in enumerate(drawn[first : first + room], _HEAD):
        if y < height:
            rows[y] = row
    if rows:
        put_keys(rows[-1], _MARGIN, _KEYS, palette)
    return rows


def _note(lesson: Lesson, course: Course | None, score: Score | None) -> str:
    """Return how long a lesson is, how far one is in it, or what was right when one had been through it."""
    steps = f"{len(lesson.steps)} steps"
    if course and course.lesson.name == lesson.name and not course.is_over:
        steps = f"at step {course.at + 1} of {len(lesson.steps)}"
    if score is None:
        return steps
    return f"{steps} · ✓ {score.at_once} of {score.asked} at the first try" if score.asked else f"{steps} · ✓"


def _title(number: str, title: str, note: str, palette: Palette, width: int, *, is_chosen: bool) -> Line:
    row, ground = list_line(width, palette, is_chosen=is_chosen)
    row.put(_MARGIN, number, Ink(palette.accent, ground, bold=True))
    end = width - _MARGIN - len(note)
    row.put(_WORDS, clip(title, end - _WORDS - 2), Ink(palette.text, ground, bold=True))
    row.put(end, note, Ink(palette.dim, ground))
    return row


def _sentence(words: str, palette: Palette, width: int, *, is_chosen: bool) -> Line:
    row, ground = list_line(width, palette, is_chosen=is_chosen, goes_on=True)
    row.put(_WORDS, words, Ink(palette.dim, ground))
    return row


class LessonList(DrawnList):
    """Shows lessons, one of them chosen."""

    def __init__(
        self, lessons: Sequence[Lesson], course: Course | None, done: Mapping[str, Score], palette: Palette
    ) -> None:
        super().__init__()
        self._done = done
        self.lessons = lessons
        self._course = course
        self._palette = palette

    @property
    def count(self) -> int:
        """How many entries there are; the last one leaves the lesson that is open."""
        return len(self.lessons) + (1 if self._course else 0)

    def draw(self, width: int, height: int) -> list[Line]:
        """Return the lines."""
        return draw_lessons(self.lessons, self._course, self._done, self.at, self._palette, width, height)
