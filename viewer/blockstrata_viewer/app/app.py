"""The viewer: composition and routing only.  What a frame shows is in scene.py and widgets/."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from textual import events, work
from textual.containers import Container
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message
from textual.theme import Theme
from textual.worker import get_current_worker

from blockstrata.access import Probe
from blockstrata.errors import BlockstrataError, ConsentError, OpenError
from blockstrata.text.printable import printable
from blockstrata_viewer.app.bindings import BINDINGS, footer_keys, help_keys
from blockstrata_viewer.app.commands import ViewerCommands
from blockstrata_viewer.app.driver import TerminalDriver
from blockstrata_viewer.app.forgetting import collect_and_freeze, forget_lines
from blockstrata_viewer.draw.layout import SIDE_PANEL, WIDE, chain_layout
from blockstrata_viewer.draw.palette import DARK, LIGHT, THEMES, palette_for
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.process.aside import Aside
from blockstrata_viewer.process.memory import TAKES_TOO_MUCH, TOO_LARGE
from blockstrata_viewer.process.scratch import scratch_directory
from blockstrata_viewer.widgets.plain import PlainApp, Words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult
    from textual.await_complete import AwaitComplete
    from textual.binding import BindingType
    from textual.driver import Driver
    from textual.widget import Widget

    from blockstrata_viewer.draw.palette import Palette
    from blockstrata_viewer.lessons.course import Course, Shelf
    from blockstrata_viewer.model.disk import Disk
    from blockstrata_viewer.model.loading import Loader
    from blockstrata_viewer.model.scene import Scene
    from blockstrata_viewer.widgets.chain_view import ChainView

_NOT_YET = "not yet: the image is still being read"
_NOT_IN_MEMORY = "not all of this image is in memory; --memory allows more, map and info do without"
_ASKED = "answer first: that would tell what the lesson asks"
_TALL = 30
"""Rows from which the inspector has its full height under the chain."""
_PANEL_TALL, _PANEL = 9, 7
_BOTH = 34
"""Rows from which a lesson and the inspector stand under the chain together."""
_LESSON_LEAVES = 14
"""Rows that a lesson leaves to all else: the bars, and a chain of three layers."""


@dataclass
class Opened:
    """One of the images and how it is opened: its scene once there is one, or why there is none."""

    image: str
    opening: Opening
    turn: int = 0
    """How often it was begun to read it."""
    again: int = 0
    """The turn in which parts of it are being read again, 0 if none are."""
    loader: Loader | None = None
    scene: Scene | None = None
    read: int = 0
    """The turn in which what the scene shows was read."""
    failure: BlockstrataError | None = None

    @property
    def disk(self) -> Disk | None:
        """The disk that the scene shows, or that it was entered from."""
        return self.scene.chain_scene.disk if self.scene else None

    @property
    def is_whole(self) -> bool:
        """Whether all of the image is read, and it is not being read anew."""
        return self.disk is not None and self.disk.loading is None and self.read == self.turn

    def drop(self) -> None:
        """Give up what is shown of the image, its files with it."""
        if self.disk:
            self.disk.chain.close()
        self.scene = None


class ViewerApp(PlainApp):
    """Shows images, one at a time.  Its exit value is the exit code.

    ``colours`` is one of :data:`palette.COLOURS`; ``keymap`` holds the user's own keys by binding id;
    ``course`` are the lessons to be gone through, ``images`` then its first one.
    """

    CSS_PATH = "app.tcss"
    TITLE = "blockstrata"
    COMMANDS: ClassVar = {ViewerCommands}
    ASKS: ClassVar = True
    """Whether there is somebody who can answer a question."""
    BINDINGS: ClassVar[list[BindingType]] = list(BINDINGS)

    class Loaded(Message):
        """More of an image is read, or all of it."""

        def __init__(self, opened: Opened, disk: Disk, turn: int) -> None:
            super().__init__()
            self.opened = opened
            self.disk = disk
            self.turn = turn

    class Failed(Message):
        """An image cannot be shown."""

        def __init__(self, opened: Opened, error: BlockstrataError, turn: int) -> None:
            super().__init__()
            self.opened = opened
            self.error = error
            self.turn = turn

    def __init__(
        self,
        images: Sequence[str],
        opening: Opening | None = None,
        theme: str = "dark",
        semantics: str = "proposed",
        colours: str = "truecolor",
        keymap: dict[str, str] | None = None,
        course: Course | None = None,
    ) -> None:
        # without this, Textual's way of having no colour is black and white
        super().__init__(ansi_color=True if colours == "none" else None)
        self.images = [Opened(image, opening or Opening()) for image in images]
        self.course = course
        self._step_shown = course is None
        self._shelf: Shelf | None = None
        self._made = ExitStack()
        """What is made for lessons, and goes when the viewer does."""
        self._home: asyncio.AbstractEventLoop | None = None
        self._told_to_leave: int | None = None
        self._left_for_lesson = 0
        self._own = len(self.images)
        """How many images there are without those of lessons, which are behind them."""
        self._asked_at: tuple[object, ...] = ()
        self.shown = 0
        self.settled = asyncio.Event()
        """Set once the first image is wholly read and on the screen, or the reason why it is not."""
        self.inspector_shown = True
        self.keys = keymap or {}
        self.set_keymap(self.keys)
        self._first_semantics = semantics
        self._colours = colours
        self._count = 0
        for palette in (DARK, LIGHT):
            self.register_theme(
                Theme(
                    name=f"blockstrata-{palette.name}",
                    primary=palette.accent,
                    accent=palette.accent,
                    foreground=palette.text,
                    background=palette.page,
                    surface=palette.panel,
                    panel=palette.panel,
                    warning=palette.paints[2],
                    error=palette.paints[6],
                    dark=palette is DARK,
                )
            )
        self.theme_name = theme
        self.theme = f"blockstrata-{theme}"

    @property
    def opened(self) -> Opened:
        """The image on the screen."""
        return self.images[self.shown]

    @property
    def scene(self) -> Scene | None:
        """The scene on the screen."""
        return self.opened.scene

    @property
    def failure(self) -> BlockstrataError | None:
        """Why there is no scene on the screen."""
        return self.opened.failure

    def get_driver_class(self) -> type[Driver]:
        """Return ours for a terminal, and any other that Textual is told to use."""
        found = super().get_driver_class()
        return TerminalDriver if found is LinuxDriver else found

    def compose(self) -> ComposeResult:
        """Show that an image is being opened; the rest is mounted when there is something to show."""
        yield Words(id="message")

    def on_mount(self) -> None:
        """Start reading once the first frame is painted."""
        # whatever is being waited for, nobody who leaves has to wait too
        self._home = asyncio.get_running_loop()
        self._home.set_default_executor(Aside())
        if self._told_to_leave is not None:
            self.exit(self._told_to_leave)
        self.call_after_refresh(self.show_image, 0)

    def leave(self, number: int) -> None:
        """Leave the terminal as it was, as a signal says; from any thread."""
        self._told_to_leave = 128 + number
        if self._home is not None:
            with suppress(RuntimeError):  # it is being left already
                self._home.call_soon_threadsafe(self.exit, self._told_to_leave)

    def show_image(self, index: int) -> None:
        """Bring one of the images to the screen, and read it if it was not."""
        self.shown = index % len(self.images)
        opened = self.opened
        self.query_one("#message", Words).update(f"opening {printable(opened.image)} …")
        if opened.failure:
            self.show_failure(opened.failure)
        elif opened.scene:
            self.call_later(self.show_scene)
        if not opened.is_whole and not opened.failure:
            self.begin(opened)

    def begin(self, opened: Opened) -> None:
        """Begin to read an image; what is still being read of any is given up."""
        opened.turn += 1
        opened.loader = opened.failure = None
        self.load(opened, opened.turn)

    @work(thread=True, exclusive=True)
    def load(self, opened: Opened, turn: int) -> None:
        """Read an image away from the screen, with a picture now and then; numpy comes in here."""
        from blockstrata_viewer.model.loading import Loader  # noqa: PLC0415

        worker = get_current_worker()
        loader = Loader(opened.image, opened.opening)
        if turn == opened.turn:
            opened.loader = loader
        try:
            for disk in loader.load(lambda: worker.is_cancelled):
                if not disk.loading:
                    collect_and_freeze()
                self.post_message(self.Loaded(opened, disk, turn))
        except BlockstrataError as error:
            if not worker.is_cancelled:
                self.post_message(self.Failed(opened, error, turn))
        except MemoryError:
            too_large = OpenError(opened.image, "", TAKES_TOO_MUCH)
            self.post_message(self.Failed(opened, too_large, turn))

    def read_again(self) -> None:
        """Tell the loader where the screen looks, and have it read what is not in memory there."""
        opened = self.opened
        scene, loader = opened.scene, opened.loader
        if scene is None or loader is None:
            return
        on_disk = scene.chain_scene
        is_wanted = loader.look(on_disk.viewport, on_disk.cursor)
        if is_wanted and opened.is_whole and opened.again != opened.turn:
            opened.again = opened.turn
            self.load_again(opened, loader, opened.turn)

    @work(thread=True, group="again")
    def load_again(self, opened: Opened, loader: Loader, turn: int) -> None:
        """Read away from the screen what is looked at and not in memory."""
        worker = get_current_worker()
        try:
            for disk in loader.again(lambda: worker.is_cancelled or turn != opened.turn):
                self.post_message(self.Loaded(opened, disk, turn))
        except MemoryError:
            self.call_from_thread(self.say, TOO_LARGE)
        finally:
            if opened.again == turn:
                opened.again = 0
            # somebody may have looked elsewhere while this was about to end
            self.call_later(self.read_again)

    def on_viewer_app_failed(self, message: Failed) -> None:
        """Say why there is nothing to see; the viewer stays until it is left."""
        if message.turn != message.opened.turn:
            return
        message.opened.drop()
        message.opened.failure = message.error
        if message.opened is self.opened:
            self.show_failure(message.error)
            self.settled.set()
            self.ask(message.opened, message.error)

    def show_failure(self, error: BlockstrataError) -> None:
        """Put an error in the place of an image."""
        self.refresh_parts()
        for part in self.query("#title, #main, #lesson, #legend, #keys"):
            part.display = False
        page = self.query_one("#message", Words)
        page.display = True
        page.update(f"{error}\n\nq quits")

    async def on_viewer_app_loaded(self, message: Loaded) -> None:
        """Put what is read of an image on the screen."""
        from blockstrata.semantics import by_name  # noqa: PLC0415
        from blockstrata_viewer.model.scene import Scene  # noqa: PLC0415
        from blockstrata_viewer.model.viewport import Viewport  # noqa: PLC0415

        opened, disk = message.opened, message.disk
        if message.turn != opened.turn:
            if opened.disk is None or not opened.disk.is_same_opening(disk):
                disk.chain.close()  # it is being read anew
            return
        opened.read = message.turn
        if opened.scene is None:
            viewport = Viewport(disk.size, 1).fit()
            opened.scene = Scene(
                disk, viewport, by_name(self._first_semantics), self._colours, self.theme_name
            )
        else:
            before = opened.disk
            opened.scene = opened.scene.with_disk(disk)
            if before and not before.is_same_opening(disk):
                before.chain.close()  # it was read anew
        if opened is self.opened:
            await self.show_scene()
            if opened.is_whole:
                self.settled.set()
                if disk.notices:
                    self.say(" · ".join(disk.notices))
                self.ask(opened, disk.chain.missing)

    def ask(self, opened: Opened, error: BlockstrataError | None) -> None:
        """Ask for the consent that an image could not be opened without, and open it anew if it is given."""
        if not (self.ASKS and isinstance(error, ConsentError)):
            return
        from blockstrata_viewer.screens.consent import ConsentScreen  # noqa: PLC0415

        def answered(consents: bool | None) -> None:
            if consents:
                opened.opening = opened.opening.allowing(error.consent)
                opened.drop()
                opened.failure = None
                self.show_image(self.images.index(opened))

        self.push_screen(ConsentScreen(error), answered)

    def pop_screen(self) -> AwaitComplete:
        """Leave a page, and all that is kept of it."""
        forget_lines(self.screen)
        return super().pop_screen()

    def palette(self) -> Palette:
        """Return the palette in force."""
        return palette_for(self._colours, self.theme_name)

    async def show_scene(self) -> None:
        """Mount the parts of the main screen if they are not there yet, and show the scene in them."""
        from blockstrata_viewer.draw.keys import draw_keys  # noqa: PLC0415
        from blockstrata_viewer.draw.legend import draw_legend  # noqa: PLC0415
        from blockstrata_viewer.draw.title import draw_title  # noqa: PLC0415
        from blockstrata_viewer.widgets.bar import Bar  # noqa: PLC0415
        from blockstrata_viewer.widgets.chain_view import ChainView  # noqa: PLC0415
        from blockstrata_viewer.widgets.inspector import Inspector  # noqa: PLC0415

        message = self.query_one("#message", Words)
        message.display = False
        if not self.query("#main"):
            keys = footer_keys()
            await self.mount(
                Bar(lambda scene, width: draw_title(scene, width, self.place()), id="title"),
                Container(ChainView(), Inspector(), id="main"),
                *self.lesson_parts(),
                Bar(draw_legend, id="legend"),
                Bar(lambda scene, width: draw_keys(scene, width, keys, self.note()), id="keys"),
            )
        for part in self.query("#title, #main, #lesson, #legend, #keys"):
            part.display = True
        self.arrange()
        self.show_step()

    @property
    def is_at_rest(self) -> bool:
        """Whether what is to be shown is on the screen: the image as a whole, and the step of a lesson."""
        return self.failure is not None or (self.opened.is_whole and self._step_shown)

    def place(self) -> str:
        """Return which of several images is shown, as in 2/3."""
        return f"{self.shown + 1}/{len(self.images)}" if len(self.images) > 1 else ""

    def note(self) -> str:
        """Return what the footer says instead of keys: a count that is being typed, or the last note."""
        return f"{self._count} …" if self._count else self._note

    _note = ""

    def say(self, text: str) -> None:
        """Put a note into the footer until the next key."""
        self._note = printable(text)
        self.refresh_parts()

    def arrange(self) -> None:
        """Fit the parts to the terminal's size, and show the scene."""
        if self.scene is None or not self.query("#main"):
            return
        from blockstrata_viewer.widgets.inspector import Inspector  # noqa: PLC0415

        width, height = self.size
        side = width >= WIDE and self.inspector_shown
        self.query_one("#main").set_class(side, "side")
        inspector = self.query_one(Inspector)
        inspector.display = self.inspector_shown
        inspector.side = side
        inspector.styles.width = SIDE_PANEL if side else "1fr"
        inspector.styles.height = "1fr" if side else _PANEL_TALL if height >= _TALL else _PANEL
        self.arrange_lesson()
        strips = chain_layout(width - SIDE_PANEL if side else width, height, 1, 0)
        self.show(self.scene.resize(strips.columns))

    def show(self, scene: Scene) -> None:
        """Make a scene the one on the screen."""
        self.opened.scene = scene
        self.refresh_parts()
        self.read_again()

    def refresh_parts(self) -> None:
        """Hand the scene to everything that draws it."""
        for part in self.query("Bar, ChainView, Inspector, LessonPanel"):
            part.scene = self.scene  # type: ignore[attr-defined]

    def change(self, change: Callable[[Scene], Scene]) -> None:
        """Show what a change makes of the scene, if there is one yet."""
        self._note, self._count = "", 0
        if self.scene is not None:
            try:
                self.show(change(self.scene))
            except MemoryError:
                self.say(TOO_LARGE)
            except BlockstrataError as error:
                self.say(str(error))

    def seek(self, change: Callable[[Scene], Scene | None], nothing: str) -> None:
        """Repeat a search as often as the count says; say so where it finds nothing."""
        for _ in range(self.take_count()):
            try:
                found = change(self.scene) if self.scene else None
            except MemoryError:
                found, nothing = None, TOO_LARGE
            except BlockstrataError as error:
                found, nothing = None, str(error)
            if found is None:
                self.say(nothing)
                return
            self._note = ""
            self.show(found)

    def take_count(self) -> int:
        """Return the count that was typed before a key, 1 if none was."""
        count, self._count = self._count or 1, 0
        return count

    def on_key(self, event: events.Key) -> None:
        """Collect the digits of a count."""
        if len(self.screen_stack) > 1:
            from blockstrata_viewer.screens.question import Question, answers  # noqa: PLC0415

            # it went to the screen below before the question was there
            if isinstance(self.screen, Question) and answers(event):
                self.screen.post_message(events.Key(event.key, event.character))
            return
        if event.character and event.character.isdigit() and event.character.isascii():
            if self.course and self.course.answer(int(event.character)):
                self.show_answer()
                return
            self._count = min(self._count * 10 + int(event.character), 10**6)
            self.refresh_parts()

    async def on_event(self, event: events.Event) -> None:
        """Take a note away before the next key does what it does."""
        if isinstance(event, events.Key) and not event.is_forwarded and self._note:
            self._note = ""
            self.refresh_parts()
        await super().on_event(event)

    def on_resize(self, event: events.Resize) -> None:  # noqa: ARG002
        """Fit to the new size."""
        self.call_after_refresh(self.arrange)

    def action_move(self, cells: int) -> None:
        """Move the cursor by cells."""
        count = self.take_count()
        self.change(lambda scene: scene.move(cells * count))

    def action_edge(self, end: int) -> None:
        """Move the cursor to the start or the end of the disk."""
        self.change(lambda scene: scene.go_to(scene.disk.size if end else 0))

    def action_select(self, steps: int) -> None:
        """Choose the layer below or above."""
        count = self.take_count()
        self.change(lambda scene: scene.select(scene.selected + steps * count))

    def action_zoom(self, steps: int) -> None:
        """Zoom about the cursor."""
        count = self.take_count()
        self.change(lambda scene: scene.zoom(steps * count))

    def action_fit(self) -> None:
        """Show the whole disk."""
        self.change(lambda scene: scene.fit())

    def action_fit_selection(self) -> None:
        """Show what lies between the markers, or the extent at the cursor."""
        self.change(lambda scene: scene.fit_selection())

    def action_change(self, step: int) -> None:
        """Go to the next change of state in the selected layer."""
        self.seek(lambda scene: scene.change(step), "no further change in this layer")

    def action_difference(self) -> None:
        """Go to the next place where historic and proposed mean different things."""
        self.seek(lambda scene: scene.difference(), "from here on, old and new mean the same in this layer")

    def action_differences(self) -> None:
        """Show only where historic and proposed mean different things, or all again."""
        self.change(lambda scene: scene.drawn(differences=not scene.differences))

    def action_suspicious(self) -> None:
        """Go to the next run that the table calls a bug."""
        on_trip = self.scene is not None and self.scene.disk.round_trip is not None
        nothing = (
            "nothing more is lost"
            if on_trip
            else "nothing suspicious by these flags from here on in this layer"
        )
        self.seek(lambda scene: scene.suspicious(), nothing)

    def action_mark(self) -> None:
        """Set a marker at the cursor."""
        self.change(lambda scene: scene.mark())

    def action_clear(self) -> None:
        """Take the markers away; without any, leave a file's axis."""
        self._count = 0

        def clear(scene: Scene) -> Scene:
            return replace(scene, markers=()) if scene.markers else scene.leave()

        self.change(clear)

    def action_file_axis(self) -> None:
        """Show the selected layer's file on its own axis, or come back from there."""
        self.change(lambda scene: scene.file_axis())

    def action_round_trip(self) -> None:
        """Show what becomes of the image on the way through NBD, or come back from there."""
        if missing := self._is_missing():
            self.say(missing)
        else:
            self.change(lambda scene: scene.round_trip())

    def _is_missing(self) -> str:
        """Say why there is not all of the image to go through; an empty string if there is."""
        if self.scene is None or not self.opened.is_whole:
            return _NOT_YET
        return _NOT_IN_MEMORY if self.opened.disk and self.opened.disk.summaries else ""

    def action_storage(self) -> None:
        """Read the image again, its files asked in the other way where their storage is."""
        if not self.opened.is_whole and not self.failure:
            return
        access = self.opened.opening.access
        probe = Probe.SEEK if access.probe is Probe.FIEMAP else Probe.FIEMAP
        self.opened.opening = replace(self.opened.opening, access=replace(access, probe=probe))
        self.change(lambda scene: scene.leave())
        self.say(f"storage by {probe.value}")
        self.begin(self.opened)

    def action_audit(self) -> None:
        """Show what the audit finds."""
        self._count = 0
        from blockstrata_viewer.screens.audit import AuditScreen  # noqa: PLC0415

        if missing := self._is_missing():
            self.say(missing)
        elif self.scene is not None:
            self.push_screen(AuditScreen(self.scene.chain_scene.disk.chain, self.palette()))

    def action_patterns(self) -> None:
        """Add ink to solid cells, or take it away."""
        self.change(lambda scene: scene.drawn(patterns=not scene.patterns))

    def action_semantics(self, steps: int) -> None:
        """Show the same facts under the next semantics."""
        self.change(lambda scene: scene.toggle(steps))

    def action_under(self, name: str) -> None:
        """Show the same facts under a semantics by its name."""
        from blockstrata.semantics import by_name  # noqa: PLC0415

        self.change(lambda scene: scene.under(by_name(name)))

    def action_choose(self, depth: int) -> None:
        """Choose a layer by its depth."""
        self.change(lambda scene: scene.select(depth))

    def action_theme(self) -> None:
        """Take the next theme."""
        self.theme_name = THEMES[(THEMES.index(self.theme_name) + 1) % len(THEMES)]
        self.theme = f"blockstrata-{self.theme_name}"
        for opened in self.images:
            if opened.scene:
                opened.scene = opened.scene.drawn(theme=self.theme_name)
        self.refresh_parts()

    def action_inspector(self) -> None:
        """Show or hide the inspector."""
        self._count = 0
        self.inspector_shown = not self.inspector_shown
        self._note = ""
        self.arrange()
        if any(not panel.display for panel in self.query("#lesson")):
            self.say("i leads back to the lesson")

    def action_image(self, step: int) -> None:
        """Show the next image, if there are several."""
        self._count = 0
        if len(self.images) > 1 and len(self.screen_stack) == 1:
            self.show_image(self.shown + step)

    def action_help(self) -> None:
        """Show the help for what is on the screen."""
        self._count = 0
        from blockstrata_viewer.screens.help import HelpScreen  # noqa: PLC0415

        self.push_screen(HelpScreen(help_keys(self.keys), self.scene, self.palette()))

    def action_go_to(self) -> None:
        """Ask where to go, and go there."""
        self._count = 0
        from blockstrata_viewer.screens.go_to import GoToScreen  # noqa: PLC0415

        def go(offset: int | None) -> None:
            if offset is not None:
                self.change(lambda scene: scene.go_to(offset))

        if self.scene is not None and self.scene.disk.size:
            self.push_screen(GoToScreen(self.scene), go)

    def action_details(self) -> None:
        """Show all there is to know of the extent at the cursor."""
        self._count = 0
        from blockstrata_viewer.screens.details import DetailsScreen  # noqa: PLC0415

        if self.scene is not None and self.scene.asking:
            self.say(_ASKED)
        elif self.scene is not None:
            self.push_screen(DetailsScreen(self.scene))

    def action_trace(self) -> None:
        """Follow a read of the byte under the cursor down the layers."""
        self._count = 0
        from blockstrata_viewer.screens.trace import TraceScreen  # noqa: PLC0415

        if self.scene is not None and self.scene.asking:
            self.say(_ASKED)
        elif self.scene is not None and self.scene.disk.size:
            # a round trip's tracks are no layers
            scene = self.scene.leave() if self.scene.disk.round_trip else self.scene
            self.push_screen(TraceScreen(scene.disk.chain, scene.cursor, self.palette()))

    def action_tables(self) -> None:
        """Show the truth tables, and go where one of their rows occurs."""
        self._count = 0
        from blockstrata_viewer.screens.tables import TablesScreen, Target  # noqa: PLC0415

        def go(target: Target | None) -> None:
            if target is not None:
                place = target.place
                self.change(
                    lambda scene: scene.at(
                        place.depth, place.offset, target.semantics, in_file=target.in_file
                    )
                )

        if missing := self._is_missing():
            self.say(missing)
        elif self.scene is not None:
            self.push_screen(TablesScreen(self.scene), go)

    def lesson_parts(self) -> list[Widget]:
        """Return the part of the screen that a lesson has, if there is one."""
        if self.course is None:
            return []
        from blockstrata_viewer.widgets.lesson_panel import LessonPanel  # noqa: PLC0415

        panel = LessonPanel(self.course)
        panel.id = "lesson"
        # where there is no room for both, i takes turns
        self.inspector_shown = self.size.height >= _BOTH
        return [panel]

    def arrange_lesson(self) -> None:
        """Fit a lesson's part under the chain, or leave its place to the inspector."""
        if self.course is None:
            return
        from blockstrata_viewer.widgets.lesson_panel import LessonPanel, lesson_height  # noqa: PLC0415

        width, height = self.size
        # query_one would keep it when it is gone
        panel = self.query(LessonPanel).first()
        panel.is_alone = not self.inspector_shown
        most = height - _LESSON_LEAVES - (_PANEL_TALL if height >= _BOTH else 0)
        panel.styles.height = lesson_height(self.course.lesson, width, most)
        panel.display = height >= _BOTH or not self.inspector_shown

    def show_step(self) -> None:
        """Go where the step of a lesson is, once its image is read, and ask what it asks."""
        if self.course is None or self._step_shown or not self.opened.is_whole or self.scene is None:
            return
        from blockstrata_viewer.lessons.aim import aim  # noqa: PLC0415

        scene = self.scene.chain_scene
        try:
            site = self.course.arrive(scene.disk.chain)
            step, asks = self.course.step, self.course.is_open
            self.change(lambda _: aim(scene, step, site).drawn(asking=asks))
            self._asked_at = self._spot()
        except BlockstrataError as error:
            self.say(str(error))
        self._step_shown = True
        self.arrange()

    def show_answer(self) -> None:
        """Show what became of a choice; the right one, where the question was asked."""
        assert self.course is not None  # noqa: S101
        if self.course.is_answered and self._spot() != self._asked_at:
            self.go_to_step()
        else:
            asks = self.course.is_open
            self.change(lambda scene: scene.drawn(asking=asks))

    def _spot(self) -> tuple[object, ...]:
        """Return where the screen is: image, axis, flags, layer, byte."""
        scene = self.scene
        if scene is None:
            return ()
        axis = (scene.disk.is_file, scene.disk.round_trip is not None)
        return self.shown, axis, scene.semantics, scene.selected, scene.cursor

    def action_lesson(self, steps: int) -> None:
        """Go to another step of the lessons."""
        if self.course is None:
            self.say("no lesson is open; L chooses one")
        elif self.course.move(steps * self.take_count()):
            self.go_to_step()
        else:
            self.say("this was the last step" if steps > 0 else "this is the first step")

    def go_to_step(self) -> None:
        """Show the step that the lessons are at, on its image."""
        assert self.course is not None  # noqa: S101
        self._note, self._step_shown = "", False
        if self.scene is not None:
            self.opened.scene = self.scene.drawn(asking=False)
        try:
            image = self.course.image
        except BlockstrataError as error:
            self.say(str(error))
            return
        except OSError as error:
            self.say(f"{error.filename or 'the lesson'}: {error.strerror or error}")
            return
        names = [opened.image for opened in self.images]
        if image not in names:
            self._give_up_images_of_lessons()
            self.images.append(Opened(image, Opening()))
            names = [opened.image for opened in self.images]
        if names.index(image) == self.shown and self.scene is not None:
            self.show_step()
        else:
            self.show_image(names.index(image))

    def action_learn(self) -> None:
        """Choose a lesson, and begin it."""
        self._count = 0
        from blockstrata_viewer.lessons import taught  # noqa: PLC0415
        from blockstrata_viewer.screens.lessons import LessonsScreen  # noqa: PLC0415

        async def begin(name: str | None) -> None:
            if name:
                await self.action_begin_lesson(name)
            elif name is not None:
                await self.action_leave_lesson()

        offered = taught(self.course.lessons if self.course else ())
        self.push_screen(LessonsScreen(offered, self.course, self.palette()), begin)

    async def action_begin_lesson(self, name: str) -> None:
        """Begin a lesson by its name; its images are made in a directory that goes when the viewer does."""
        from blockstrata_viewer.lessons import taught  # noqa: PLC0415
        from blockstrata_viewer.lessons.course import Course, Shelf  # noqa: PLC0415

        if self.course is None:
            self._left_for_lesson = self.shown
            try:
                self._shelf = self._shelf or Shelf(self._made.enter_context(scratch_directory()))
            except OSError as error:
                self.say(f"no directory for the lesson's images: {error.strerror or error}")
                return
            self.course = Course(taught(), self._shelf)
            if self.query("#main"):
                await self.mount(*self.lesson_parts(), before="#legend")
        elif name not in [lesson.name for lesson in self.course.lessons]:
            self.course.lessons = taught(self.course.lessons)
        if self.course.begin(name):
            self.go_to_step()

    async def action_leave_lesson(self) -> None:
        """Take the lesson away, and show the image that was left for it."""
        if self.course is None:
            return
        self.course, self._step_shown, self.inspector_shown = None, True, True
        for panel in self.query("#lesson"):
            forget_lines(panel)
            await panel.remove()
        if self.scene is not None:
            self.opened.scene = self.scene.drawn(asking=False)
        self.show_image(self._left_for_lesson)
        self._give_up_images_of_lessons()
        self.arrange()

    def _give_up_images_of_lessons(self) -> None:
        """Give back what is open for lessons; one that is wanted again is read again."""
        for opened in self.images[self._own :]:
            opened.turn += 1  # what still comes of it is given back
            opened.drop()
        del self.images[self._own :]

    def on_unmount(self) -> None:
        """Take away what was made for lessons."""
        self._made.close()

    def action_export(self) -> None:
        """Ask for a file, and write what the screen shows into it."""
        self._count = 0
        from blockstrata_viewer.app.headless import save  # noqa: PLC0415
        from blockstrata_viewer.screens.export import ExportScreen, proposed  # noqa: PLC0415

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

        if self.scene is not None:
            self.push_screen(ExportScreen(proposed(self.opened.image)), after)

    def action_quit_viewer(self) -> None:
        """Leave."""
        self.exit(1 if any(opened.failure for opened in self.images) else 0)

    def on_chain_view_placed(self, message: ChainView.Placed) -> None:
        """Follow a click."""

        def place(scene: Scene) -> Scene:
            placed = scene.go_to(message.offset)
            return placed if message.selected is None else placed.select(message.selected)

        self.change(place)

    def on_chain_view_selected(self, message: ChainView.Selected) -> None:
        """Follow a range being drawn: its ends are the two markers."""
        self.change(lambda scene: replace(scene, markers=(message.start, message.end)))

    def on_chain_view_hovered(self, message: ChainView.Hovered) -> None:
        """Show the byte under the pointer in the ruler."""
        if self.scene is not None and self.scene.hover != message.offset:
            self.show(replace(self.scene, hover=message.offset))

    def on_chain_view_zoomed(self, message: ChainView.Zoomed) -> None:
        """Follow the wheel."""
        self.change(lambda scene: scene.zoom(message.steps, message.about))

    def on_chain_view_panned(self, message: ChainView.Panned) -> None:
        """Follow the wheel sideways."""
        self.change(lambda scene: scene.pan(message.columns))
