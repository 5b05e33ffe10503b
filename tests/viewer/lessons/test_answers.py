"""What lessons ask beyond a choice: a place to find, why an answer is wrong, and how a lesson ends."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner
from pilots import screen_text

from blockstrata.facts.codes import NO_HOST
from blockstrata.formats.qcow2.author import Data, Image, write_image
from blockstrata.graph.chain import open_chain
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.draw.bars import draw_legend, draw_title
from blockstrata_viewer.draw.inspector import draw_inspector
from blockstrata_viewer.draw.layout import layout_of
from blockstrata_viewer.draw.painter import draw_chain
from blockstrata_viewer.lessons import lessons, parse_lesson
from blockstrata_viewer.lessons.aim import aim
from blockstrata_viewer.lessons.course import Course, Score, Shelf, visit
from blockstrata_viewer.lessons.find import read_wanted, right_places, why_not
from blockstrata_viewer.lessons.lesson import GUEST
from blockstrata_viewer.lessons.site import site_of
from blockstrata_viewer.model.loading import Loader
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.viewport import Viewport
from blockstrata_viewer.screens.lessons import LessonsScreen

LESSONS = lessons()
each = pytest.mark.parametrize("name", LESSONS)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    return Shelf(tmp_path_factory.mktemp("lessons"))


@contextlib.asynccontextmanager
async def viewer(course, size=(120, 36)):
    app = ViewerApp(Setup([course.image], course=course))
    async with app.run_test(size=size) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        await arrived(app, pilot)
        yield app, pilot


async def arrived(app, pilot):
    for _ in range(200):
        await pilot.pause(0.02)
        if app.main.pane.guide.is_arrived:
            break
    await pilot.pause()


def step_at(name, title):
    return [step.title for step in LESSONS[name].steps].index(title)


def found_in(name):
    """Return the number of the first step of a lesson that asks for a place."""
    return next(at for at, step in enumerate(LESSONS[name].steps) if step.find)


@each
def test_every_wrong_choice_has_a_reason_that_does_not_tell(name, shelf):
    for step, _, question in visit(LESSONS[name], shelf):
        for nth, reason in enumerate(question.reasons if question else ()):
            if nth == question.right:
                assert not reason, (step.title, "the right choice has a reason why it is wrong")
                continue
            assert reason.endswith((".", "?")), (step.title, question.choices[nth])
            right = question.choices[question.right]
            told = [part for part in re.split(r"  |, (?=depth)", right) if part not in ("yes", "no")]
            assert not [part for part in told if part in reason], (step.title, reason)
            assert not reason.startswith(("Yes", "No,"))


@each
def test_what_is_to_be_found_is_there_and_not_where_one_starts(name, shelf):
    searched = 0
    for step, site, _ in visit(LESSONS[name], shelf):
        if not step.find:
            continue
        searched += 1
        layer = dict(step.find).get("layer", str(step.layer))
        there = replace(site, layer=GUEST if layer == "guest" else int(layer))
        places = right_places(site, step.find).tolist()
        assert places
        for place in places:
            assert why_not(there, place, step.find, range(0)) == ""
        start = site.host if step.view == "file" else site.offset
        assert start != NO_HOST
        assert why_not(site, start, step.find, range(0)).endswith(".")
        wrong = [
            at for at in range(0, there.size, there.size // 16) if why_not(there, at, step.find, range(0))
        ]
        assert wrong, f"{step.title}: every place is right"
        assert set(places).isdisjoint(wrong)
    assert searched


@pytest.mark.parametrize(
    ("wanted", "layer", "at", "said"),
    [
        ("layer 2, is covered", 0, 0, "This is web01-active.qcow2 (layer 0); choose debian-golden.raw"),
        ("layer guest, row D·O", 0, 0, "choose what the guest sees"),
        ("layer 2, row D·O", 2, 0, "Here it is `·ZO`"),
        ("layer 0, row D·O", 0, 0, "Here the layer defers, `···`; `D·O` is wanted."),
        ("layer 2, is covered", 2, 0, "nothing covers it"),
        ("layer 0, is covered", 0, 0, "Here the layer defers"),
        ("layer 2, is data", 2, 0, "holds no data"),
        ("from 1", 0, 0, "The guest gets this byte from debian-golden.raw (layer 2), not from layer 1."),
        ("layer 0, is differs", 0, 0, "mean the same"),
        ("layer 0, is bug row", 0, 0, "verdict is 'sound'"),
        ("layer 0, is synthesised", 0, 0, "a layer below it still reaches this far"),
        ("layer 1, is data", 1, 0x3900000, "has ended before this byte"),
        ("layer 2, is data", 2, 0x3000, "zoom in"),
    ],
)
def test_why_a_place_is_wrong_depends_on_what_is_there(wanted, layer, at, said, shelf):
    lesson = LESSONS["backing-chain"]
    step = replace(lesson.steps[0], semantics="historic")
    with contextlib.closing(open_chain(shelf.image(lesson, step))) as chain:
        site = replace(site_of(lesson, step, chain), layer=layer)
        around = range(0x10000) if said == "zoom in" else range(0)
        assert said in why_not(site, at, read_wanted(wanted), around)


async def test_a_place_is_found(shelf):
    lesson = LESSONS["backing-chain"]
    course = Course([lesson], shelf, at=found_in("backing-chain"))
    async with viewer(course) as (app, pilot):
        assert course.is_search
        assert course.step.prompt in screen_text(app)
        # what is here is no secret: one looks for a place
        assert "CORE SAMPLE" in screen_text(app)
        await pilot.press("v", "enter")
        await pilot.pause()
        assert "not the step's view" in screen_text(app), "the first answer, too"
        await pilot.press("v", "enter")
        await pilot.pause()
        assert "choose debian-golden.raw (layer 2)" in screen_text(app)
        assert course.is_open
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        assert "✗ Here the layer says zeroes" in screen_text(app)
        await pilot.press("v", "enter")
        await pilot.pause()
        assert "not the step's view" in screen_text(app)
        await pilot.press("v")
        place = int(right_places(site_of(lesson, course.step, app.scene.disk.chain), course.step.find)[0])
        app.main.pane.change(lambda scene: scene.go_to(place))
        # a digit is a count, since there is nothing to choose
        await pilot.press("5", "enter")
        await pilot.pause()
        assert course.is_answered
        assert "✓ Found" in screen_text(app)
        assert app.scene.cursor == place
        assert course.step.afterwards[0].split()[-1] in screen_text(app)
        assert course.score == Score(5, 1, 0)
        await pilot.press("enter")
        await arrived(app, pilot)
        assert course.at == found_in("backing-chain") + 1


@pytest.mark.parametrize("name", ["holes-in-files", "the-wire"])
async def test_a_place_is_found_in_other_views(name, shelf):
    lesson = LESSONS[name]
    course = Course([lesson], shelf, at=found_in(name))
    async with viewer(course) as (app, pilot):
        await pilot.press("enter")
        await pilot.pause()
        assert course.remark
        chain = app.scene.chain_scene.disk.chain
        place = int(right_places(site_of(lesson, course.step, chain), course.step.find)[0])
        app.main.pane.change(lambda scene: scene.go_to(place))
        await pilot.press("enter")
        await pilot.pause()
        assert course.is_answered


async def test_enter_leads_through_a_lesson_to_its_end(shelf):
    """All answers at once but one; the end says so, and the list remembers it after the lessons are left."""
    first, second = LESSONS["two-jobs"], LESSONS["holes-in-files"]
    course = Course([first, second], shelf)
    async with viewer(course) as (app, pilot):
        spoilt = False
        for step in first.steps:
            assert course.step is step
            if course.asking:
                await pilot.press("enter")
                assert course.is_open
                assert app.main.pane.footnote == "press a digit to choose"
                if not spoilt:
                    spoilt = True
                    await pilot.press(str(2 - course.question.right))
                    await pilot.pause()
                    assert course.why in screen_text(app)
                await pilot.press(str(course.question.right + 1))
            elif course.is_search:
                await pilot.press("d", "enter")
            await pilot.pause()
            assert not course.is_open
            await pilot.press("enter")
            await arrived(app, pilot)
        assert course.is_over
        text = screen_text(app)
        assert "The end" in text
        assert first.learnt[0].split(".")[0] in " ".join(text.split())
        assert "You answered 3 of 4 questions right at the first try" in text
        assert second.title in text
        assert "CORE SAMPLE" in text
        await pilot.press("L")
        await pilot.pause()
        assert "✓ 3 of 4 at the first try" in screen_text(app)
        await pilot.press("escape", "enter")
        await arrived(app, pilot)
        assert course.lesson is second
        assert course.at == 0
        # begun again, nothing is answered, and the tick stays
        await app.run_action(f"screen.begin_lesson('{first.name}')")
        await arrived(app, pilot)
        assert course.score == Score(4, 0, 0)
        await pilot.press("L", "end", "enter")
        await pilot.pause()
        await pilot.press("L")
        await pilot.pause()
        assert isinstance(app.screen, LessonsScreen)
        assert "✓ 3 of 4 at the first try" in screen_text(app)


async def test_a_lesson_with_open_questions_is_not_ticked(shelf):
    lesson = LESSONS["two-jobs"]
    course = Course([lesson], shelf, at=len(lesson.steps) - 1)
    async with viewer(course) as (app, pilot):
        await pilot.press("enter")
        await arrived(app, pilot)
        asked = ", ".join(str(at + 1) for at in lesson.questions)
        assert f"Still open: steps {asked}" in screen_text(app)
        assert not course.done
        # behind the last lesson, enter opens the list
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, LessonsScreen)
        assert "✓" not in screen_text(app)


def scene_of(lesson, step, question, shelf):
    *_, disk = Loader(shelf.image(lesson, step), Opening()).load(lambda: False)
    site = site_of(lesson, step, disk.chain)
    scene = Scene(disk, Viewport(disk.size, 90).fit(), site.semantics)
    return aim(scene, step, site).drawn(asking=step.ask if question.choices else "")


def around(scene):
    """Return all that is drawn of a scene, but for the lesson itself."""
    rows = [*draw_chain(scene, layout_of(scene, 120, 36)), *draw_inspector(scene, 120, 9, side=False)]
    rows += [*draw_inspector(scene, 56, 36, side=True), draw_title(scene, 120), *draw_legend(scene, 120)]
    return "\n".join(row.text() for row in rows)


@each
def test_what_is_drawn_does_not_tell_what_is_asked(name, shelf):
    lesson = LESSONS[name]
    for step, _, question in visit(lesson, shelf):
        if not question or not question.choices:
            continue
        scene = scene_of(lesson, step, question, shelf)
        right = question.choices[question.right]
        told = [part for part in right.split("  ") if part.strip("·") not in ("", "yes", "no")]
        hidden, shown = around(scene), around(scene.drawn(asking=""))
        scene.chain_scene.disk.chain.close()
        assert not [part for part in told if part in hidden], (step.title, hidden)
        assert "◀" not in hidden
        assert "CORE SAMPLE" not in hidden
        if step.ask == "row" and right.split("  ")[0].strip("·"):
            # it would have told, in some lines
            assert all(word in shown for word in told[0].split()), step.title
        if step.ask == "layer":
            assert re.search("supplied by +(hidden|.* until you answer)", hidden)
            assert "◀" in shown
        else:
            assert "the legend is hidden" in hidden


@pytest.mark.parametrize(
    ("name", "at", "waits", "goes_on"),
    [
        ("backing-chain", 1, "oTE/", "aBdDb"),
        ("preallocation", 2, "oTaBbE/", "d"),
        ("two-jobs", 3, "oTaBdD", "b"),
    ],
)
async def test_keys_that_would_tell_wait(name, at, waits, goes_on, shelf):
    course = Course([LESSONS[name]], shelf, at=at)
    async with viewer(course) as (app, pilot):
        assert course.asking
        for key in waits:
            before = app.scene
            await pilot.press(key)
            assert app.screen is app.main, key
            assert app.main.pane.footnote == "not while a question is open"
            assert app.scene == before
        before = app.scene
        for action in ("isolate", "hide"):
            await app.run_action(f"screen.{action}('D·O')")
        assert (app.scene == before) == (name != "backing-chain")
        for key in goes_on:
            await pilot.press(key)
            await pilot.pause()
            assert app.main.pane.footnote != "not while a question is open"
            if app.screen is not app.main:
                await pilot.press("escape")
        await pilot.press(str(course.question.right + 1), "T")
        await pilot.pause()
        assert app.screen is not app.main


GOOD = """\
# Mine
About my disk.

> It is mine.

## First
```step
file: my.qcow2
at: 0
ask: row
choices: L·AO, LZ··
```
Look at this.

- LZ··: It was written,
  as you can see.

> Because.

## Second
```step
ask: find
find: row LZ··
```
Look for this.

> There.
"""


def test_an_own_lesson_with_reasons_and_a_search(tmp_path):
    write_image(tmp_path / "my.qcow2", Image(1 << 20), {0: Data(b"mine")})
    (tmp_path / "mine.md").write_text(GOOD)
    lesson = parse_lesson(GOOD, str(tmp_path / "mine.md"))
    assert lesson.learnt == ("It is mine.",)
    assert lesson.steps[0].reasons == {"LZ··": "It was written, as you can see."}
    assert lesson.steps[1].find == (("row", "LZ··"),)
    done = CliRunner().invoke(main, ["learn", str(tmp_path / "mine.md")])
    assert done.exit_code == 0, done.stderr
    assert "Answer: for instance at 0x10000" in done.stdout
    assert done.stdout.splitlines()[-1].strip() == "It is mine."


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("- LZ··:", "- LZ··", 15, "a reason is"),
        ("- LZ··:", "- L·AO: no\n- L·AO:", 16, "one a choice"),
        ("- LZ··:", "- LZAO:", 15, "is not a choice here"),
        ("> It is mine.", "- LZ··: why", 4, "belongs to a step"),
        ("find: row LZ··", "", 22, "go together"),
        ("ask: find", "", 23, "go together"),
        ("find: row LZ··", "find: row LZAO", 23, "no such place"),
        ("find: row LZ··", "find: row", 23, "is none of layer N"),
        ("find: row LZ··", "find: is nice", 23, "is none of data"),
        ("find: row LZ··", "find: layer top", 23, "is not the number"),
        ("find: row LZ··", "find: layer 3, row LZ··", 23, "layers 0 to 0"),
        ("find: row LZ··", "find: from 0, from 0", 23, "twice"),
        ("find: row LZ··", "find: is lost", 23, "nbd semantics"),
        ("Look for this.", "Look for this.\n\n- LZ··: no", 20, "none is offered"),
    ],
)
def test_a_bad_reason_or_search_is_one_line(tmp_path, old, new, line, what):
    write_image(tmp_path / "my.qcow2", Image(1 << 20), {0: Data(b"mine")})
    assert GOOD.count(old) == 1
    path = tmp_path / "mine.md"
    path.write_text(GOOD.replace(old, new))
    done = CliRunner().invoke(main, ["learn", str(path)])
    assert done.exit_code == 1
    assert what in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"blockstrata: {path}: line {line}: ")
