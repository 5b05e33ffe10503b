"""A moving picture: each frame shows what its key leads to, and nothing in it is a script."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from blockstrata_viewer.app.bindings import KEYS_BY_ID
from blockstrata_viewer.app.headless import Still, take_each
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.export import Cell, Moment, Screen, moving_svg

SVG = "{http://www.w3.org/2000/svg}"
PAGE, INK = "#101010", "#e0e0e0"


def screen_of(*rows: str) -> Screen:
    return Screen(tuple(tuple(Cell(char, INK, PAGE) for char in row) for row in rows), PAGE, INK)


def write(*arguments: str) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["screenshot", *arguments])
    assert leaving.value.code == 0


def shown_at(picture: str, share: float) -> list[str]:
    """Return the texts that a picture shows at a share of its time, by its own style rules."""
    style = picture[picture.index("<style>") : picture.index("</style>")]
    hidden = set()
    for name, steps in re.findall(r"@keyframes (m\d+)\{((?:[^{}]*\{[^{}]*\})*)\}", style):
        states = [
            (float(start), state) for start, state in re.findall(r"([\d.]+)%\{visibility:(\w+)\}", steps)
        ]
        _, state = [each for each in states if each[0] <= share * 100][-1]
        if state == "hidden":
            hidden.add(name)
    window = next(each for each in ET.fromstring(picture).findall(f"{SVG}g"))
    groups = [group for group in window.findall(f"{SVG}g") if group.get("class") not in hidden]
    return [text.text or "" for group in groups for text in group.iter(f"{SVG}text")]


def test_each_frame_is_seen_in_its_time():
    moments = [
        Moment(screen_of("same", "one "), 1),
        Moment(screen_of("same", "two "), 2, "n"),
        Moment(screen_of("same", "one "), 1, "p"),
    ]
    picture = moving_svg(moments, "a title")
    assert sorted(shown_at(picture, 0.1)) == ["one", "same"]
    assert sorted(shown_at(picture, 0.3)) == ["n", "same", "two"]
    assert sorted(shown_at(picture, 0.74)) == ["n", "same", "two"]
    assert sorted(shown_at(picture, 0.8)) == ["one", "p", "same"]


def test_a_row_that_stays_is_drawn_once():
    picture = moving_svg([Moment(screen_of("same", char * 4), 1) for char in "abcd"])
    assert picture.count(">same<") == 1
    assert ">same<" not in picture[picture.index('class="m') :]


def test_what_does_not_animate_shows_the_first_frame():
    picture = moving_svg([Moment(screen_of("one"), 1), Moment(screen_of("two"), 1)])
    base = {name: "visibility:hidden" in rule for name, rule in re.findall(r"\.(m\d+)\{([^}]*)\}", picture)}
    assert sorted(base.values()) == [False, True]
    assert "prefers-reduced-motion" in picture


def test_without_a_screen_there_is_no_picture():
    with pytest.raises(ValueError, match="a screen"):
        moving_svg([])


def test_frames_are_what_the_keys_lead_to(demo_image):
    still = Still(demo_image, columns=80, rows=24, press=("s", "down"))
    taken = take_each(still)
    assert [each.key for each in taken] == ["", "s", "down"]
    for count, each in enumerate(taken):
        alone = take_each(Still(demo_image, columns=80, rows=24, press=still.press[:count]))[-1]
        assert each.shot.screen == alone.shot.screen


def test_what_is_typed_is_told_apart(demo_image):
    taken = take_each(Still(demo_image, columns=80, rows=24, press=("g", "1", ".", "M", "enter")))
    assert [each.is_typed for each in taken] == [False, False, True, True, True, False]
    assert [each.words for each in taken][1:] == ["g  go to an offset", "1", ".", "M", "enter  take the line"]


def test_each_key_is_told_by_what_it_does_where_it_is_pressed(demo_image):
    zoom = [("+", "zoom.in"), ("[", "zoom.out"), ("]", "zoom.in"), ("-", "zoom.out")]
    walk = [("<", "history.back"), (">", "history.forward"), ("=", "image.together")]
    step = [(".", "lesson.next"), (",", "lesson.previous")]
    page = [("/", "extents.filter"), ("escape", "close"), ("?", "help"), ("escape", "close")]
    table = [("E", "extents"), (">", "sort by the column to the right"), ("escape", "close")]
    told = [*zoom, *walk, *step, *page, *table]
    _, *taken = take_each(Still(demo_image, columns=80, rows=24, press=tuple(key for key, _ in told)))
    words = [KEYS_BY_ID[does].words if does in KEYS_BY_ID else does for _, does in told]
    assert [each.words for each in taken] == [
        f"{key}  {said}" for (key, _), said in zip(told, words, strict=True)
    ]


def test_the_command_writes_one(demo_image, tmp_path):
    path, still = tmp_path / "tour.svg", tmp_path / "still.svg"
    write(demo_image, "-o", str(path), "--size", "80x24", "--press", "s s", "--moving", "1")
    write(demo_image, "-o", str(still), "--size", "80x24")
    picture = path.read_text()
    assert not list(ET.fromstring(picture).iter(f"{SVG}script"))
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    _, *drawn = (text.text for text in ET.parse(still).getroot().iter(f"{SVG}text"))
    assert sorted(drawn) == sorted(shown_at(picture, 0.0))


def test_only_an_svg_moves(demo_image, tmp_path):
    with pytest.raises(SystemExit) as leaving:
        main(["screenshot", demo_image, "-o", str(tmp_path / "a.png"), "--moving", "1"])
    assert leaving.value.code == 2
