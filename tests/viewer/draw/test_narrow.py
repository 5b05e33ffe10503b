"""A terminal may be narrower than what a part of the screen puts beside its words."""

from __future__ import annotations

import pytest

from blockstrata.graph.chain import open_chain
from blockstrata.semantics import SEMANTICS
from blockstrata_viewer.draw.lines import wrapped
from blockstrata_viewer.draw.palette import palette_for
from blockstrata_viewer.lessons import lessons
from blockstrata_viewer.lessons.course import Course, Shelf
from blockstrata_viewer.reports.tables import tables
from blockstrata_viewer.widgets.lesson_list import draw_lessons
from blockstrata_viewer.widgets.lesson_panel import draw_lesson, lesson_height
from blockstrata_viewer.widgets.table_view import draw_tables

PALETTE = palette_for("truecolor", "dark")
HEIGHT = 40


def test_words_go_into_any_width():
    assert wrapped("one two", 3) == ["one", "two"]
    assert wrapped("on e", 0) == wrapped("on e", -7) == ["o", "n", "e"]


@pytest.mark.parametrize("width", [0, 1, 5, 6, 8, 9, 13, 16, 18])
def test_lists_and_lessons_are_drawn_at_any_width(demo_image, tmp_path, width):
    known = list(lessons().values())
    course = Course(known, Shelf(tmp_path), at=next(iter(known[0].questions)))
    with open_chain(course.image) as chain:
        course.arrive(chain)
    assert course.answer(course.question.right + 1)
    with open_chain(demo_image) as chain:
        shown = list(tables(chain, SEMANTICS))
    drawn = [
        draw_lesson(course, PALETTE, width, HEIGHT),
        draw_lessons(known, course, {}, 0, PALETTE, width, HEIGHT),
        draw_tables(shown, 0, PALETTE, width, HEIGHT),
    ]
    assert lesson_height(course.lesson, width, HEIGHT) <= HEIGHT
    assert [{row.width for row in rows} for rows in drawn] == [{width}] * len(drawn)
