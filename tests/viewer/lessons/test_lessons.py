"""Every step of every lesson leads somewhere, asks what can be answered, and fits on the screen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from pilots import screen_text

from blockstrata.formats.qcow2.author import Data, Image, write_image
from blockstrata.graph.chain import open_chain
from blockstrata.guest.merge import merged
from blockstrata.semantics import SEMANTICS
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.bindings import BINDINGS
from blockstrata_viewer.app.commands import ViewerCommands
from blockstrata_viewer.app.lesson_guide import spot_of
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.draw.palette import palette_for
from blockstrata_viewer.lessons import LessonError, lessons, parse_lesson
from blockstrata_viewer.lessons.course import Course, Shelf, visit
from blockstrata_viewer.lessons.questions import ASKS
from blockstrata_viewer.screens.lessons import LessonsScreen
from blockstrata_viewer.widgets.lesson_list import draw_lessons
from blockstrata_viewer.widgets.lesson_panel import draw_lesson, lesson_height

LESSONS = lessons()
each = pytest.mark.parametrize("name", LESSONS)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    return Shelf(tmp_path_factory.mktemp("lessons"))


def run(*words):
    return CliRunner().invoke(main, list(words))


def test_there_are_ten_in_their_order():
    assert len(LESSONS) == 10
    assert next(iter(LESSONS)) == "backing-chain"
    assert all(lesson.summary[-1] in ".?" for lesson in LESSONS.values())
    assert {step.ask for lesson in LESSONS.values() for step in lesson.steps} >= set(ASKS)


@each
def test_every_step_stands_on_its_image(name, shelf):
    lesson = LESSONS[name]
    asked = 0
    for step, site, question in visit(lesson, shelf):
        assert 0 <= site.offset < merged(site.chain, 0, site.chain.size).extents.end
        if question is None:
            continue
        asked += 1
        assert step.afterwards, f"{step.title} does not say why"
        if step.find:
            continue
        assert 2 <= len(question.choices) <= 9
        assert len(set(question.choices)) == len(question.choices)
        assert 0 <= question.right < len(question.choices)
    assert asked >= 3


def at_step(lesson, number, shelf):
    course = Course([lesson], shelf, at=number)
    with contextlib.closing(open_chain(course.image)) as chain:
        course.arrive(chain)
    return course


@each
@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
def test_every_step_fits(name, size, shelf):
    """Both before and after the answer; 14 rows are the chain's and the bars', 9 the inspector's."""
    lesson, (width, height) = LESSONS[name], size
    palette = palette_for("truecolor", "dark")
    most = height - 14 - (9 if height >= 34 else 0)
    for number, step in enumerate(lesson.steps):
        course = at_step(lesson, number, shelf)
        question = course.question
        choices = question.choices if question else ()
        # what is wrong may take the place of the text, not of the choices
        for answer in (None, *range(len(choices))):
            said = list(step.text)
            if answer is not None:
                course.tried.clear()
                course.answer(answer + 1)
                is_right = answer == question.right
                said = [*said, *step.afterwards] if is_right else [question.reasons[answer]]
            rows = draw_lesson(
                course, palette, width, lesson_height(lesson, width, most), is_alone=height < 34
            )
            text = "\n".join(row.text() for row in rows)
            missing = [word for word in words_of(said) if word not in text]
            assert not missing, (step.title, answer, missing, text)
            if question and not course.is_answered:
                whole = " ".join(text.split())
                assert all(" ".join(choice.split()) in whole for choice in choices), text
                assert "…" not in "".join(row.text() for row in rows[1:]), text
            assert step.title in rows[0].text()
            assert ("i inspector" in rows[0].text()) == (height < 34)
    course = Course([lesson, lesson], shelf, at=len(lesson.steps))
    rows = draw_lesson(course, palette, width, lesson_height(lesson, width, most), is_alone=height < 34)
    text = "\n".join(row.text() for row in rows)
    assert not [word for word in words_of(lesson.learnt) if word not in text], text
    assert "next lesson" in text
    assert "Still open: step" in text


def words_of(paragraphs):
    return [word.strip('`*.,:;?()"') for part in paragraphs for word in part.split()]


HALF = len(LESSONS) // 2


@pytest.mark.parametrize("names", [list(LESSONS)[:HALF], list(LESSONS)[HALF:]], ids=["first", "second"])
async def test_the_viewer_goes_there(names, shelf):
    """One viewer goes through half of them, one after the other."""
    steps = [(LESSONS[name], number) for name in names for number in range(len(LESSONS[name].steps) + 1)]
    course = Course([LESSONS[name] for name in names], shelf)
    app = ViewerApp(Setup([course.image], course=course))
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        for nth, (lesson, number) in enumerate(steps):
            if nth:
                await pilot.press("full_stop")
            await arrived(app, pilot)
            assert ".md" not in app.main.pane.footnote
            if number == len(lesson.steps):
                assert course.is_over
                assert course.step is lesson.steps[-1]
                continue
            step = lesson.steps[number]
            assert course.step is step
            with contextlib.closing(open_chain(course.image)) as chain:
                site = Course([lesson], shelf, at=number).arrive(chain)
                cursor = site.host if step.view == "file" else site.offset
            scene = app.scene
            assert scene.cursor == cursor
            assert scene.semantics.name == step.semantics
            assert bool(scene.entered_from) == (step.view != "chain")
            assert scene.viewport.start <= cursor < scene.viewport.end
            if step.view == "chain":
                assert scene.selected == step.layer
            question = course.question
            assert bool(question) == bool(step.ask)
            if step.ask == "row":
                letters = scene.track.state_at(scene.run, scene.semantics).letters
                assert question.choices[question.right].startswith(f"{letters}  ")
            if step.ask == "lost":
                kept = scene.track.state_at(scene.run, scene.semantics).short == "kept"
                assert question.choices[question.right] == ("no" if kept else "yes")
        await pilot.press("full_stop")
        assert "last lesson" in app.main.pane.footnote


async def arrived(app, pilot):
    for _ in range(200):
        await pilot.pause(0.02)
        if app.main.pane.guide.is_arrived:
            break
    await pilot.pause()


async def test_answering(shelf):
    course = Course(list(LESSONS.values()), shelf)
    app = ViewerApp(Setup([course.image], course=course))
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        await arrived(app, pilot)
        # nothing is asked: a digit is a count
        await pilot.press("3", "right")
        assert app.scene.cursor == 3 * app.scene.viewport.cell
        await pilot.press("full_stop")
        await arrived(app, pilot)
        right = course.question.right + 1
        wrong = right % len(course.question.choices) + 1
        assert "Which layer answers here?" in screen_text(app)
        # the screen does not give it away
        assert "CORE SAMPLE" not in screen_text(app)
        assert "guest" not in screen_text(app).replace("guest sees", "")
        await pilot.press(str(wrong))
        await pilot.pause()
        assert course.is_open
        assert f"✗ {wrong}  {course.question.reasons[wrong - 1]}" in screen_text(app)
        # the other keys go on working
        before = app.scene.cursor
        await pilot.press("n")
        assert app.scene.cursor > before
        await pilot.press("p", str(right))
        await pilot.pause()
        assert course.is_answered
        assert f"Right:  {right}" in screen_text(app)
        assert "CORE SAMPLE" in screen_text(app)
        assert "entry by entry" in screen_text(app)
        await pilot.press("2", "right")
        assert course.answers == [wrong - 1, right - 1]
        # back, and there again: what was answered stays
        await pilot.press("comma")
        await arrived(app, pilot)
        await pilot.press("full_stop")
        await arrived(app, pilot)
        assert course.is_answered


async def test_what_would_tell_waits_for_the_answer(shelf):
    lesson = LESSONS["two-jobs"]
    course = Course([lesson], shelf, at=1)
    app = ViewerApp(Setup([course.image], course=course))
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        await arrived(app, pilot)
        for key in ("o", "T", "a", "B"):
            await pilot.press(key)
            await pilot.pause()
            assert app.screen is app.main
            assert app.main.pane.footnote == "not while a question is open"
        await pilot.press("l")
        assert app.main.pane.footnote == ""
        await pilot.press("h", str(course.question.right + 1), "o")
        await pilot.pause()
        assert app.screen is not app.main


async def test_an_answer_is_shown_at_its_place(shelf):
    lesson = LESSONS["two-jobs"]
    course = Course([lesson], shelf, at=1)
    app = ViewerApp(Setup([course.image], course=course))
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        await arrived(app, pilot)
        first = app.scene
        for keys in (["n"], ["n", "z", "s"], ["down"], ["v"], ["S", "r"]):
            before = app.scene
            assert before == first, "the step is as it was at first"
            right = course.question.right + 1
            await pilot.press(*keys, str(3 - right))
            assert spot_of(0, app.scene) != app.main.pane.guide.asked_at
            assert app.scene.asking
            await pilot.press(str(right))
            await pilot.pause()
            after = app.scene
            assert course.is_answered
            assert not after.asking
            assert (after.cursor, after.selected, after.semantics) == (
                before.cursor,
                before.selected,
                before.semantics,
            )
            assert after.disk is before.disk
            assert after.viewport == before.viewport
            # away and back, and nothing was answered yet
            course.tried.clear()
            course.solved.clear()
            for key in ("comma", "full_stop"):
                await pilot.press(key)
                await arrived(app, pilot)


async def test_an_answer_leaves_a_view_that_is_at_its_place(shelf):
    lesson = LESSONS["two-jobs"]
    course = Course([lesson], shelf, at=1)
    app = ViewerApp(Setup([course.image], course=course))
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        await arrived(app, pilot)
        await pilot.press("minus")
        closer = app.scene.viewport
        await pilot.press(str(course.question.right + 1))
        await pilot.pause()
        assert course.is_answered
        assert app.scene.viewport == closer


async def test_lessons_follow_one_another(shelf):
    first, second, *_ = LESSONS.values()
    course = Course([first, second], shelf, at=len(first.steps) - 1)
    app = ViewerApp(Setup([course.image], course=course))
    async with app.run_test(size=(80, 24)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        await arrived(app, pilot)
        await pilot.press("full_stop")
        await arrived(app, pilot)
        assert course.is_over
        assert course.lesson is first
        await pilot.press("enter")
        await arrived(app, pilot)
        assert course.lesson is second
        assert second.steps[0].title in screen_text(app)
        # where there is no room for both, i takes turns, and each says so
        assert "CORE SAMPLE" not in screen_text(app)
        assert "i inspector" in screen_text(app)
        await pilot.press("i")
        await pilot.pause()
        assert "CORE SAMPLE" in screen_text(app)
        assert "LESSON" not in screen_text(app)
        assert "i shows the lesson again" in screen_text(app)
        await pilot.press("i")
        await pilot.pause()
        assert "leads back" not in screen_text(app)
        await pilot.press("comma")
        await arrived(app, pilot)
        assert course.lesson is first


async def test_without_a_lesson_the_keys_say_so(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        await pilot.press("full_stop")
        assert "L chooses one" in app.main.pane.footnote
    assert {"lesson.next", "lesson.previous", "trace"} <= {binding.id for binding in BINDINGS}


async def test_lessons_are_chosen_from_within(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        await pilot.press("L")
        await pilot.pause()
        assert isinstance(app.screen, LessonsScreen)
        text = screen_text(app)
        for lesson in LESSONS.values():
            assert lesson.title in text
            assert lesson.summary.split()[0] in text
        await pilot.press("escape", "L", "down", "enter")
        await app.workers.wait_for_complete()
        await arrived(app, pilot)
        assert app.main.pane.guide.course.lesson is not None
        assert app.main.pane.guide.course.lesson.name == "four-bits-today"
        assert app.main.pane.images.place == "2/2"
        first = app.main.pane.guide.course.step
        assert first.title in screen_text(app)
        made = Path(app.main.pane.images.shown.image)
        assert made.exists()
        await pilot.press("full_stop")
        await arrived(app, pilot)
        assert app.main.pane.guide.course.at == 1
        # it opens at the lesson one is in, which begins anew
        await pilot.press("L")
        await pilot.pause()
        assert "at step 2 of" in screen_text(app)
        await pilot.press("enter")
        await arrived(app, pilot)
        assert app.main.pane.guide.course.step == first
        # the last line leaves
        await pilot.press("L", "end", "enter")
        await pilot.pause()
        await pilot.pause()
        assert app.main.pane.guide.course is None
        assert app.main.pane.images.shown.image == demo_image
        assert "LESSON" not in screen_text(app)
        assert "CORE SAMPLE" in screen_text(app)
        # and there is a way back in
        await app.run_action("screen.begin_lesson('the-wire')")
        await app.workers.wait_for_complete()
        await arrived(app, pilot)
        assert LESSONS["the-wire"].steps[0].title in screen_text(app)
    assert not made.exists()


async def test_the_palette_names_lessons_by_title(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(80, 24)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        hits = {hit.text: hit async for hit in ViewerCommands(app.screen).discover()}
        names = [f"lessons: {nth} {each.title}" for nth, each in enumerate(LESSONS.values(), 1)]
        assert set(names) <= set(hits)
        assert "lessons: leave the lesson" not in hits
        await hits[names[2]].command()
        await arrived(app, pilot)
        assert app.main.pane.guide.course.lesson.title == list(LESSONS.values())[2].title
        hits = {hit.text: hit async for hit in ViewerCommands(app.screen).discover()}
        await hits["lessons: leave the lesson"].command()
        await pilot.pause()
        assert app.main.pane.guide.course is None
        await pilot.press("full_stop")
        assert "L chooses one" in app.main.pane.footnote


async def test_lessons_stay_where_an_image_does_not_open(tmp_path):
    app = ViewerApp(Setup([str(tmp_path / "gone.qcow2")]))
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        await pilot.press("L", "enter")
        await app.workers.wait_for_complete()
        await arrived(app, pilot)
        assert "LESSON" in screen_text(app)
        await pilot.press("L", "end", "enter")
        await pilot.pause()
        assert "No such file" in screen_text(app)


async def test_no_room_for_the_images_of_a_lesson(demo_image, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "lab.qcow2")

    monkeypatch.setattr(Shelf, "image", full)
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        await pilot.press("L", "enter")
        await pilot.pause()
        assert app.main.pane.footnote == "lab.qcow2: No space left on device"


@each
@pytest.mark.parametrize("size", [(72, 20), (111, 30), (40, 8), (10, 1)])
def test_the_chooser_shows_every_lesson(name, size, shelf):
    known = list(LESSONS.values())
    at = list(LESSONS).index(name)
    for course in (None, Course(known, shelf, at)):
        rows = draw_lessons(known, course, {}, at, palette_for("truecolor", "light"), *size)
        assert [row.width for row in rows] == [size[0]] * size[1]
        text = "\n".join(row.text() for row in rows)
        if size[1] >= 20:
            assert known[at].title in text
            assert known[at].summary.split()[-1] in text
            assert all(lesson.title in text for lesson in known)


def test_the_list():
    done = run("learn", "--list")
    assert done.exit_code == 0
    for name in LESSONS:
        assert f"\n{name} " in f"\n{done.stdout}"


def test_without_a_terminal_it_is_text():
    done = run("learn", "short-backing")
    assert done.exit_code == 0
    assert "Past the lowest end" in done.stdout
    assert done.stdout.count("Answer: ") == 5
    assert "Answer: for instance at 0x40000" in done.stdout
    assert LESSONS["short-backing"].learnt[0].split()[-1] in done.stdout
    assert "`" not in done.stdout


def test_a_lesson_that_is_not_there():
    done = run("learn", "nosuch")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1


GOOD = """\
# Mine
About my disk.

## First
```step
file: my.qcow2
at: cluster:1
ask: row
```
Look at `this`.

> Because.
"""


def test_an_own_lesson_on_an_own_image(tmp_path):
    write_image(tmp_path / "my.qcow2", Image(1 << 20), {1: Data(b"mine")})
    (tmp_path / "mine.md").write_text(GOOD)
    done = run("learn", str(tmp_path / "mine.md"))
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    (answer,) = [line.split()[-1] for line in lines if "Answer" in line]
    assert any(line.strip().startswith(f"{answer}  L·AO") for line in lines)


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("# Mine", "Mine", 1, "begins with '# '"),
        ("## First", "First", 5, "a block stands right under"),
        ("```step", "```", 5, "```step"),
        ("ask: row\n```\nLook at `this`.\n\n> Because.\n", "ask: row\n", 5, "does not end"),
        ("at: cluster:1", "wat: 1", 7, "'wat' is not a key"),
        ("at: cluster:1", "at cluster 1", 7, "is not 'key: value'"),
        ("at: cluster:1", "file: b", 7, "given twice"),
        ("at: cluster:1", "scenario: nosuch", 7, "is not a scenario"),
        ("at: cluster:1", "scenario: punched", 4, "either a scenario or a file"),
        ("file: my.qcow2", "", 4, "either a scenario or a file"),
        ("at: cluster:1", "at: 9G", 7, "past the end"),
        ("at: cluster:1", "at: here", 7, "is not a size"),
        ("at: cluster:1", "layer: 4", 7, "layers 0 to 0"),
        ("at: cluster:1", "layer: top", 7, "is not a number"),
        ("at: cluster:1", "zoom: 3000", 7, "multiple of 512"),
        ("at: cluster:1", "semantics: mine", 7, "is not a semantics"),
        ("at: cluster:1", "view: file", 7, "no place in the layer's file"),
        ("at: cluster:1", "view: round-trip", 4, "one of the nbd semantics"),
        ("at: cluster:1", "image: 0", 7, "counted from 1"),
        ("at: cluster:1", "choices: L·AO, nonsense", 7, "is not a row here"),
        ("at: cluster:1", "at: 0\nchoices: L·AO, LZAO", 8, "none of them is right"),
        ("at: cluster:1", "choices: L·AO", 7, "2 to 9"),
        ("ask: row", "ask: why", 8, "is none of"),
        ("ask: row", "prompt: why?", 8, "prompt without ask"),
        ("ask: row", "", 4, "nothing is asked"),
        ("Look at `this`.", "", 4, "has no text"),
        ("ask: row", "ask: lost", 8, "needs one of the nbd semantics"),
        ("file: my.qcow2", "file: gone.qcow2", 6, "there is no file 'gone.qcow2'"),
    ],
)
def test_a_bad_lesson_is_one_line(tmp_path, old, new, line, what):
    write_image(tmp_path / "my.qcow2", Image(1 << 20), {1: Data(b"mine")})
    assert old in GOOD
    path = tmp_path / "mine.md"
    path.write_text(GOOD.replace(old, new, 1))
    done = run("learn", str(path))
    assert done.exit_code == 1
    assert what in done.stderr
    assert done.stderr.count("\n") == 1
    if line is not None:
        assert done.stderr.startswith(f"blockstrata: {path}: line {line}: ")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("../other.qcow2", "not in the directory"),
        ("sub/../../other.qcow2", "not in the directory"),
        ("{outside}/other.qcow2", "not in the directory"),
        ("{inside}/my.qcow2", "not in the directory"),
        ("link.qcow2", "not in the directory"),
        ("sub/out/other.qcow2", "not in the directory"),
        ("null", "not in the directory"),
        ("/dev/null", "not in the directory"),
        ("/proc/self/fd/0", "not in the directory"),
        ("around", "there is no file"),
        ("pipe", "is not a regular file"),
        ("sub", "is not a regular file"),
        ("nbd:127.0.0.1:9", "there is no file"),
        ('json:{{"driver": "null-co"}}', "there is no file"),
    ],
)
def test_a_lesson_s_file_lies_beside_it(tmp_path, monkeypatch, name, what):
    """It is somebody else's: what it names is a file in its own directory, wherever it is read from."""
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    write_image(inside / "my.qcow2", Image(1 << 20), {1: Data(b"mine")})
    write_image(tmp_path / "other.qcow2", Image(1 << 20), {1: Data(b"theirs")})
    (inside / "link.qcow2").symlink_to("../other.qcow2")
    (inside / "sub" / "out").symlink_to(tmp_path)
    (inside / "null").symlink_to("/dev/null")
    (inside / "around").symlink_to("around")
    os.mkfifo(inside / "pipe")
    name = name.format(outside=tmp_path, inside=inside)
    (inside / "mine.md").write_text(GOOD.replace("my.qcow2", name))
    lesson = parse_lesson(GOOD.replace("my.qcow2", name), str(inside / "mine.md"))
    monkeypatch.chdir(inside)
    for path in ("mine.md", "./mine.md", str(inside / "mine.md")):
        done = run("learn", path)
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith(f"blockstrata: {path}: line 6: file: ")
        assert what in done.stderr
    # also where it has become another since the lesson was read
    with pytest.raises(LessonError, match=what):
        Shelf(tmp_path).image(lesson, lesson.steps[0])


@pytest.mark.parametrize("name", ["nbd:127.0.0.1:9", "json:{}", "file:x", "sub/my.qcow2", "linked.qcow2"])
def test_a_file_beside_a_lesson_is_a_file_whatever_its_name(tmp_path, monkeypatch, name):
    (tmp_path / "sub").mkdir()
    written = tmp_path / ("real.qcow2" if name == "linked.qcow2" else name)
    write_image(written, Image(1 << 20), {1: Data(b"mine")})
    if not (tmp_path / name).exists():
        (tmp_path / name).symlink_to(written.name)
    (tmp_path / "mine.md").write_text(GOOD.replace("my.qcow2", name))
    monkeypatch.chdir(tmp_path)
    for path in ("mine.md", str(tmp_path / "mine.md")):
        done = run("learn", path)
        assert done.exit_code == 0, done.stderr
        assert "L·AO" in done.stdout


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe", b"# T\n\xff", b"# T\n\nText.\n", b"# T\n" + b"x" * (2 << 20)]
)
def test_what_is_no_lesson(tmp_path, raw):
    (tmp_path / "bad.md").write_bytes(raw)
    done = run("learn", str(tmp_path / "bad.md"))
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    missing = run("learn", str(tmp_path / "none.md"))
    assert missing.exit_code == 1
    assert "No such file" in missing.stderr


def test_a_lesson_has_a_number_too():
    assert run("learn", "2").output == run("learn", "four-bits-today").output
    for number in ("0", "11"):
        done = run("learn", number)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


def test_keys_that_are_left_out_are_as_before():
    text = (
        GOOD
        + "\n## Second\n```step\nlayer: guest\n```\nMore.\n\n## Third\n```step\nscenario: punched\n```\nx\n"
    )
    first, second, third = parse_lesson(text, "x.md").steps
    assert (first.ask, second.ask, third.ask) == ("row", "", "")
    assert (second.at, second.source, second.layer) == ("cluster:1", first.source, -1)
    assert (third.at, third.layer, third.source.file) == ("0", 0, None)
    with pytest.raises(LessonError):
        parse_lesson(text.replace("scenario: punched", "scenario: x"), "x.md")


@each
def test_who_speaks_is_said_where_the_source_is_named(name):
    """A lesson may be the only one that somebody opens."""
    lesson = LESSONS[name]
    texts = [lesson.summary, *(text for step in lesson.steps for text in (*step.text, *step.afterwards))]
    first = next((text for text in texts if re.search("the (\\*\\*)?source|the message", text)), "")
    assert not first or "Eric Blake's message" in first, first


async def test_what_a_step_says_of_flags_is_on_the_screen(shelf):
    """The last step of the audit tells today's and the proposed letters of a driver that cannot say."""
    lesson = LESSONS["the-audit"]
    course = Course([lesson], shelf, at=len(lesson.steps) - 1)
    app = ViewerApp(Setup([course.image], course=course))
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        await arrived(app, pilot)
        scene = app.scene
        for semantics in SEMANTICS:
            letters = scene.track.state_at(scene.run, semantics).letters
            assert f"`{letters}`" in "".join(course.step.text)
            assert letters in screen_text(app)


def test_why_today_s_letters_mean_another_thing_is_said(shelf):
    lesson = LESSONS["two-jobs"]
    (number,) = [at for at, step in enumerate(lesson.steps) if step.ask == "same"]
    course = at_step(lesson, number, shelf)
    with contextlib.closing(open_chain(course.image)) as chain:
        seen = course.arrive(chain).seen()
        rows = [each.letters(int(each.flags(seen)[0]), is_protocol=False) for each in SEMANTICS]
    said = " ".join(course.step.afterwards)
    assert all(f"`{letters}`" in said for letters in rows)
