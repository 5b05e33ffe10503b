"""The main screen: an image's chain with what explains it, and what its keys do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container

from blockstrata.errors import BlockstrataError, ConsentError
from blockstrata.semantics import by_name
from blockstrata.text.printable import printable
from blockstrata_viewer.app.bindings import BINDINGS, footer_keys
from blockstrata_viewer.app.commands import Command, ViewerCommands, commands_of
from blockstrata_viewer.app.forgetting import forget_lines
from blockstrata_viewer.app.images import Images, Opened
from blockstrata_viewer.app.lesson_guide import LessonGuide, spot_of
from blockstrata_viewer.app.pages_screen import PagesScreen
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.app.shot import save
from blockstrata_viewer.draw.keys import draw_keys
from blockstrata_viewer.draw.layout import SIDE_PANEL, WIDE, chain_layout
from blockstrata_viewer.draw.legend import draw_legend
from blockstrata_viewer.draw.palette import THEMES, Palette, palette_for
from blockstrata_viewer.draw.title import draw_title
from blockstrata_viewer.model.disk import Disk
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.viewport import Viewport
from blockstrata_viewer.process.memory import TOO_LARGE
from blockstrata_viewer.screens.consent import ConsentScreen
from blockstrata_viewer.screens.export import ExportScreen, proposed
from blockstrata_viewer.screens.lessons import LessonsScreen
from blockstrata_viewer.widgets.bar import Bar
from blockstrata_viewer.widgets.chain_view import ChainView
from blockstrata_viewer.widgets.inspector import Inspector
from blockstrata_viewer.widgets.lesson_panel import LessonPanel, lesson_height
from blockstrata_viewer.widgets.plain import Words

_TALL = 30
"""Rows from which the inspector has its full height under the chain."""
_PANEL_TALL, _PANEL = 9, 7
_BOTH = 34
"""Rows from which a lesson and the inspector stand under the chain together."""
_LESSON_LEAVES = 14
"""Rows that a lesson leaves to all else: the bars, and a chain of three layers."""


class MainScreen(PagesScreen):
    """Shows images, one at a time, and lessons on them.

    ``settled`` is set once the first image is wholly read and on the screen, or the reason why it is not.
    """

    BINDINGS: ClassVar[list[BindingType]] = list(BINDINGS)
    COMMANDS: ClassVar = {ViewerCommands}

    def __init__(self, setup: Setup, settled: asyncio.Event) -> None:
        super().__init__(classes="-message")
        self.setup = setup
        self.keymap = setup.keymap
        self.settled = settled
        self.images = Images(self, setup.images, setup.opening, setup.prepare)
        self.guide = LessonGuide(setup.course)
        self.theme_name = setup.theme
        self.inspector_shown = True

    @property
    def opened(self) -> Opened:
        """The image on the screen."""
        return self.images.shown

    @property
    def current(self) -> Scene | None:
        """The scene of the image on the screen."""
        return self.opened.scene

    @property
    def palette(self) -> Palette:
        """The palette in force."""
        return palette_for(self.setup.colours, self.theme_name)

    @property
    def is_at_rest(self) -> bool:
        """Whether what is to be shown is on the screen: the image as a whole, and the step of a lesson."""
        shown = self.opened
        return shown.failure is not None or (shown.is_whole and self.guide.is_arrived)

    def compose(self) -> ComposeResult:
        """Compose all parts; until there is a scene, a message is in their place."""
        keys, scene = footer_keys(), MainScreen.scene
        yield Words(id="message")
        title = Bar(lambda scene, width: draw_title(scene, width, self.images.place), id="title")
        yield title.data_bind(scene)
        with Container(id="main"):
            yield ChainView().data_bind(scene)
            yield Inspector().data_bind(scene)
        yield LessonPanel(self.guide.course).data_bind(scene)
        yield Bar(draw_legend, id="legend").data_bind(scene)
        footer = Bar(lambda scene, width: draw_keys(scene, width, keys, self.footnote), id="keys")
        yield footer.data_bind(scene)

    @property
    def footnote(self) -> str:
        """What the footer says instead of keys: a count that is being typed, or the last note."""
        return f"{self.count} …" if self.count else self.note

    def watch_note(self) -> None:
        """Have the footer say it."""
        # there is none any more while the viewer is being left
        for footer in self.query("#keys"):
            footer.refresh()

    watch_count = watch_note

    def on_mount(self) -> None:
        """Begin to read the first image."""
        # where there is no room for both, i takes turns
        self.inspector_shown = self.guide.course is None or self.size.height >= _BOTH
        self.show_image(0)

    def on_unmount(self) -> None:
        """Take away what was made for lessons."""
        self.guide.close()

    def on_resize(self) -> None:
        """Fit to the new size."""
        self.call_after_refresh(self.fit_parts)

    def show_image(self, index: int) -> None:
        """Bring one of the images to the screen, and read it if it was not."""
        self.images.at = index % len(self.images.all)
        opened = self.opened
        self.query_one("#message", Words).update(f"opening {printable(opened.image)} …")
        if opened.failure:
            self.show_failure(opened.failure)
        elif opened.scene:
            self.call_later(self.show_scene)
        if not opened.is_whole and not opened.failure:
            self.images.begin(opened)

    @on(Images.Failed)
    def fail(self, message: Images.Failed) -> None:
        """Say why there is nothing to see; the viewer stays until it is left."""
        if message.turn != message.opened.turn:
            return
        message.opened.drop()
        message.opened.failure = message.error
        if message.opened is self.opened:
            self.show_failure(message.error)
            self.call_after_refresh(self.settled.set)
            self.ask(message.opened, message.error)

    def show_failure(self, error: BlockstrataError) -> None:
        """Put an error in the place of an image."""
        self.scene = None
        self.query_one("#message", Words).update(f"{error}\n\nq quits")
        self.add_class("-message")

    @on(Images.Loaded)
    def take(self, message: Images.Loaded) -> None:
        """Put what is read of an image on the screen."""
        opened, disk = message.opened, message.disk
        if self.images.take(message, self._first_scene) and opened is self.opened:
            self.show_scene()
            if opened.is_whole:
                self.call_after_refresh(self.settled.set)
                if disk.notices:
                    self.say(" · ".join(disk.notices))
                self.ask(opened, disk.chain.missing)

    def _first_scene(self, disk: Disk) -> Scene:
        viewport = Viewport(disk.size, 1).fit()
        return Scene(disk, viewport, by_name(self.setup.semantics), self.setup.colours, self.theme_name)

    @on(Images.Short)
    def run_short(self) -> None:
        """Say that no more can be shown."""
        self.say(TOO_LARGE)

    def ask(self, opened: Opened, error: BlockstrataError | None) -> None:
        """Ask for the consent that an image could not be opened without, and open it anew if it is given."""
        if not (self.setup.asks and isinstance(error, ConsentError)):
            return

        def answered(consents: bool | None) -> None:
            if consents:
                opened.allow(error.consent)
                self.show_image(self.images.all.index(opened))

        self.app.push_screen(ConsentScreen(error), answered)

    def show_scene(self) -> None:
        """Show the parts of the screen, with the scene in them."""
        self.remove_class("-message")
        self.fit_parts()
        self.show_step()

    def fit_parts(self) -> None:
        """Fit the parts to the terminal's size, and show the scene."""
        if (scene := self.current) is None:
            return
        width, height = self.size
        side = width >= WIDE and self.inspector_shown
        self.query_one("#main").set_class(side, "side")
        inspector = self.query_one(Inspector)
        inspector.set_class(not self.inspector_shown, "-away")
        inspector.side = side
        inspector.styles.width = SIDE_PANEL if side else "1fr"
        inspector.styles.height = "1fr" if side else _PANEL_TALL if height >= _TALL else _PANEL
        panel, course = self.query_one(LessonPanel), self.guide.course
        panel.course, panel.is_alone = course, not self.inspector_shown
        panel.set_class(not course or (height < _BOTH and self.inspector_shown), "-away")
        if course:
            most = height - _LESSON_LEAVES - (_PANEL_TALL if height >= _BOTH else 0)
            panel.styles.height = lesson_height(course.lesson, width, most)
        strips = chain_layout(width - SIDE_PANEL if side else width, height, 1, 0)
        self.show(scene.resize(strips.columns))

    def show(self, scene: Scene) -> None:
        """Make a scene the one on the screen."""
        self.opened.scene = self.scene = scene
        self.images.read_again()

    def action_storage(self) -> None:
        """Read the image again, its files asked in the other way where their storage is."""
        opened = self.opened
        if opened.is_whole or opened.failure:
            probe = opened.ask_otherwise()
            self.change(lambda scene: scene.leave())
            self.say(f"storage by {probe.value}")
            self.images.begin(opened)

    def action_theme(self) -> None:
        """Take the next theme."""
        self.theme_name = THEMES[(THEMES.index(self.theme_name) + 1) % len(THEMES)]
        self.app.theme = f"blockstrata-{self.theme_name}"
        for opened in self.images.all:
            if opened.scene:
                opened.scene = opened.scene.drawn(theme=self.theme_name)
        self.scene = self.current

    def action_inspector(self) -> None:
        """Show or hide the inspector."""
        self.note, self.count = "", 0
        self.inspector_shown = not self.inspector_shown
        self.fit_parts()
        if self.guide.course and self.query_one(LessonPanel).has_class("-away"):
            self.say("i leads back to the lesson")

    def action_image(self, step: int) -> None:
        """Show the next image, if there are several."""
        self.count = 0
        if len(self.images.all) > 1:
            self.show_image(self.images.at + step)

    def action_export(self) -> None:
        """Ask for a file, and write what the screen shows into it."""
        self.count = 0

        def export(path: str) -> None:
            try:
                save(self, path)
            except BlockstrataError as error:
                self.say(str(error))
            else:
                self.say(f"written: {path}")

        def after(path: str | None) -> None:
            if path is not None:
                # not before the question is off the screen
                self.call_after_refresh(export, path)

        if self.current:
            self.app.push_screen(ExportScreen(proposed(self.opened.image)), after)

    def commands(self) -> Iterator[Command]:
        """Yield what the palette offers."""
        return commands_of(self.keymap, self.guide.offered, self.guide.course, self.current)

    def show_step(self) -> None:
        """Go where the step of a lesson is, once its image is read, and ask what it asks."""
        guide, scene = self.guide, self.current
        if guide.is_arrived or scene is None or not self.opened.is_whole:
            return
        try:
            aimed = guide.aim(scene)
        except BlockstrataError as error:
            self.say(str(error))
        else:
            self.change(lambda _: aimed)
            guide.asked_at = spot_of(self.images.at, aimed)
        guide.is_arrived = True
        self.fit_parts()

    def answer(self, number: int) -> bool:
        """Take a choice at a lesson's question; say whether it was one.

        What became of it is shown; the right one, where the question was asked.
        """
        course, scene = self.guide.course, self.current
        if course is None or not course.answer(number):
            return False
        if course.is_answered and scene and spot_of(self.images.at, scene) != self.guide.asked_at:
            self.go_to_step()
        else:
            self.change(lambda scene: scene.drawn(asking=course.is_open))
        return True

    def action_lesson(self, steps: int) -> None:
        """Go to another step of the lessons."""
        if self.guide.course is None:
            self.say("no lesson is open; L chooses one")
        elif self.guide.course.move(steps * self.take_count()):
            self.go_to_step()
        else:
            self.say("this was the last step" if steps > 0 else "this is the first step")

    def _stop_asking(self) -> None:
        if self.current:
            self.opened.scene = self.current.drawn(asking=False)

    def go_to_step(self) -> None:
        """Show the step that the lessons are at, on its image."""
        if (course := self.guide.course) is None:
            return
        self.note, self.guide.is_arrived = "", False
        self._stop_asking()
        try:
            index = self.images.index(course.image)
        except BlockstrataError as error:
            self.say(str(error))
            return
        except OSError as error:
            self.say(f"{error.filename or 'the lesson'}: {error.strerror or error}")
            return
        if index == self.images.at and self.current:
            self.show_step()
        else:
            self.show_image(index)

    def action_learn(self) -> None:
        """Choose a lesson, and begin it."""
        self.count = 0

        def begin(name: str | None) -> None:
            if name:
                self.action_begin_lesson(name)
            elif name is not None:
                self.action_leave_lesson()

        self.app.push_screen(LessonsScreen(self.guide.offered, self.guide.course, self.palette), begin)

    def action_begin_lesson(self, name: str) -> None:
        """Begin a lesson by its name; its images are made in a directory that goes when the viewer does."""
        is_new = self.guide.course is None
        try:
            is_found = self.guide.begin(name, self.images.at)
        except OSError as error:
            self.say(f"no directory for the lesson's images: {error.strerror or error}")
            return
        if is_new:
            self.inspector_shown = self.size.height >= _BOTH
        if is_found:
            self.go_to_step()

    def action_leave_lesson(self) -> None:
        """Take the lesson away, and show the image that was left for it."""
        if self.guide.course is None:
            return
        self.guide.leave()
        self.inspector_shown = True
        forget_lines(self.query_one(LessonPanel))
        self._stop_asking()
        self.show_image(self.guide.left)
        self.images.give_up_images_of_lessons()
        self.fit_parts()
