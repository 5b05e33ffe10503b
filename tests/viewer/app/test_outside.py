"""Text from outside on every screen of the viewer: neither markup nor anything that a terminal obeys."""

from __future__ import annotations

import pytest
import textual.markup
from pilots import opened, screen_text, until

from blockstrata.access import Consent
from blockstrata.errors import ConsentError, OpenError
from blockstrata.formats.qcow2.author import Data, Image, write_image, write_raw
from blockstrata.text.printable import printable
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.commands import places
from blockstrata_viewer.app.images import Images
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.lessons import parse_lesson
from blockstrata_viewer.lessons.course import Course, Shelf
from blockstrata_viewer.screens.consent import ConsentScreen
from blockstrata_viewer.screens.export import ExportScreen, proposed

MARK = "owned"
"""Stands in all that comes from outside here, and in nothing else."""
CONTROLS = f"\x1b]2;{MARK}\x07\x9b\u202e\u200b\ue000\n\udcff"
FILE = f'[a="{CONTROLS}{MARK}'
TITLE = f"[/] [@click=app.quit] [a={CONTROLS}\x00 {MARK}"
SIZE = (120, 40)


@pytest.fixture(autouse=True)
def no_markup(monkeypatch):
    """Let a test fail where text from outside is read as markup, whatever becomes of it."""
    read = textual.markup.to_content

    def to_content(markup, *rest, **more):
        assert MARK not in markup
        return read(markup, *rest, **more)

    monkeypatch.setattr(textual.markup, "to_content", to_content)


@pytest.fixture
def image(tmp_path, monkeypatch):
    """Return an image of two layers, by names that are not to be obeyed; lines have room for them."""
    monkeypatch.chdir(tmp_path)
    write_raw(f"{FILE} base.raw", 1 << 20, [(0, b"b")])
    top = Image(1 << 20, backing=f"{FILE} base.raw", backing_format="raw")
    write_image(f"{FILE} top.qcow2", top, {1: Data(b"t")})
    return f"{FILE} top.qcow2"


def lesson_of(title, image):
    """Return a lesson that says a title wherever it says something."""
    words = title.replace("\n", " ")
    text = (
        f"# {words}\n{words}\n\n## {words}\n```step\nfile: top\nask: layer\nprompt: {words}\n```\n{words}\n"
    )
    lesson = parse_lesson(text, "lesson.md")
    step = lesson.steps[0]
    object.__setattr__(step, "source", type(step.source)(None, 1, image))
    return lesson


def assert_clean(app, *, shows=MARK):
    text = screen_text(app)
    assert shows in text
    for line in text.split("\n"):
        assert printable(line) == line


async def test_the_main_screen_and_every_page(image):
    app = ViewerApp(Setup([image]))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await opened(app, pilot)
        assert_clean(app)
        pages = {"enter": MARK, "T": MARK, "a": MARK, "B": "row", "e": MARK}
        for key, words in pages.items():
            await pilot.press(key)
            await until(pilot, lambda words=words: app.screen is not app.main and words in screen_text(app))
            assert_clean(app, shows=words)
            await left(app, pilot)
        for key in "vrws":
            await pilot.press(key)
            await until(pilot, lambda: app.main.pane.images.shown.is_whole)
            assert_clean(app)


async def left(app, pilot):
    """Leave the palette: Textual's search fails where the app ends while it goes on."""
    await pilot.press("escape")
    await until(pilot, lambda: app.screen is app.main)


async def test_the_palette(image):
    app = ViewerApp(Setup([image], course=Course([lesson_of(TITLE, image)], Shelf(None))))
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("ctrl+p", *"layer: 0")
        await until(pilot, lambda: "layer: 0 " in screen_text(app))
        assert_clean(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.main)
        assert app.scene.selected == 0
        # the palette's own input takes what is pasted as it is
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "Search" in screen_text(app))
        app.screen.focused.post_message(textual.events.Paste(f"{MARK}\x1b]2;x\x07\x9b\u202e"))
        await until(pilot, lambda: MARK in screen_text(app))
        assert_clean(app)
        await left(app, pilot)


async def test_lessons(tmp_path):
    write_image(tmp_path / "top.qcow2", Image(1 << 20), {1: Data(b"t")})
    image = str(tmp_path / "top.qcow2")
    app = ViewerApp(Setup([image], course=Course([lesson_of(TITLE, image)], Shelf(None))))
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await until(pilot, lambda: app.main.pane.guide.course.question)
        assert_clean(app)
        await pilot.press("L")
        await until(pilot, lambda: "LESSONS" in screen_text(app))
        assert_clean(app)
        await pilot.press("escape", "ctrl+p", *"lessons: 1")
        await until(pilot, lambda: "lessons: 1" in screen_text(app))
        assert_clean(app)
        await left(app, pilot)


@pytest.mark.parametrize("keys", ["[/],f5", "\x1b]2;x\x07\u202e[a="])
async def test_keys_of_the_config(demo_image, keys):
    app = ViewerApp(Setup([demo_image], keymap={"zoom.fit": keys}))
    async with app.run_test(size=(200, 120)) as pilot:
        await opened(app, pilot)
        for key, words in (("question_mark", "fit all"), ("ctrl+p", "look closer: fit all")):
            await pilot.press(key, *(words if key == "ctrl+p" else ""))
            await until(pilot, lambda words=words: words in screen_text(app))
            assert_clean(app, shows=words)
            await left(app, pilot)


async def test_what_is_said_asked_and_notified(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await opened(app, pilot)
        app.main.pane.say(TITLE)
        await pilot.pause()
        assert_clean(app)
        await pilot.press("escape")
        app.notify(TITLE, title=TITLE, markup=True)
        app.screen.notify(TITLE, title=TITLE)
        await until(pilot, lambda: MARK in screen_text(app))
        assert_clean(app)
        app.push_screen(ConsentScreen(ConsentError(TITLE, TITLE, TITLE, Consent.VIA_QEMU)))
        await until(pilot, lambda: "Run qemu-img" in screen_text(app))
        assert_clean(app)
        await pilot.press("n")
        app.main.pane.post_message(
            Images.Failed(app.main.pane.images.shown, OpenError(TITLE, TITLE, TITLE), 1)
        )
        await until(pilot, lambda: "q quits" in screen_text(app))
        assert_clean(app)


async def test_an_image_being_opened_and_one_that_cannot_be(tmp_path):
    app = ViewerApp(Setup([f"{tmp_path}/{TITLE}"]))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await until(pilot, lambda: app.failure)
        assert_clean(app)


async def test_a_name_is_proposed_as_it_can_be_seen(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        app.push_screen(ExportScreen(FILE))
        await until(pilot, lambda: MARK in screen_text(app))
        assert_clean(app)
        prompt = app.screen.query_one("Input")
        assert prompt.value == printable(FILE)
        # a paste is from outside too
        app.screen.focused.post_message(textual.events.Paste(f"\x1b]2;{MARK}\x07{MARK}.svg"))
        await until(pilot, lambda: f"\\x07{MARK}.svg" in prompt.value)
        assert printable(prompt.value) == prompt.value
        assert_clean(app)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("/d/web.qcow2", "web.svg"),
        ("web", "blockstrata.svg"),
        ("\x1b]2;x\x07.qcow2", "\\x1b]2;x\\x07.svg"),
        ("a" * 251 + ".qcow2", "a" * 251 + ".svg"),
        ("\x1b" * 240 + ".raw", ("\\x1b" * 63)[:251] + ".svg"),
        ("é" * 200 + ".raw", "é" * 125 + ".svg"),
    ],
)
def test_proposed(image, name):
    assert proposed(image) == name
    assert len(name.encode()) <= 255


def test_the_palette_finds_letters_in_their_order_in_any_name_at_once():
    assert places("lay", "A layer") == [2, 3, 4]
    assert places("alr", "A layer") == [0, 2, 6]
    assert places("rl", "A layer") == []
    assert places("x", "\u0130x") == [1]
    # in so many ways that nobody could try each
    assert len(places("abc" * 8, "a" * 50 + "b" * 50 + ("c" * 50 + "a" * 50 + "b" * 50) * 8)) == 24
