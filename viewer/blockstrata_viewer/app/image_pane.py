"""The image on the screen: its chain with what explains it, one scene after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.reactive import var

from blockstrata.errors import BlockstrataError, ConsentError
from blockstrata.semantics import by_name
from blockstrata.text.printable import printable
from blockstrata_viewer.app.bindings import footer_keys
from blockstrata_viewer.app.dissecting import Dissecting
from blockstrata_viewer.app.images import Images, Opened
from blockstrata_viewer.app.lesson_guide import LessonGuide
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.draw.bars import draw_keys, draw_title
from blockstrata_viewer.draw.layout import CHAIN_LEAST, SIDE_PANEL, WIDE, strip_columns
from blockstrata_viewer.model.disk import Disk
from blockstrata_viewer.model.history import Place, at_place, place_of
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.viewport import Viewport
from blockstrata_viewer.process.memory import TOO_LARGE
from blockstrata_viewer.screens.consent import ConsentScreen
from blockstrata_viewer.widgets.bar import Bar
from blockstrata_viewer.widgets.chain_view import ChainView
from blockstrata_viewer.widgets.extent_table import ExtentTable
from blockstrata_viewer.widgets.inspector import Inspector
from blockstrata_viewer.widgets.legend import Legend
from blockstrata_viewer.widgets.lesson_panel import LessonPanel, lesson_height
from blockstrata_viewer.widgets.plain import Words
from blockstrata_viewer.widgets.strata import Strata

_TALL = 30
"""Rows from which the inspector has its full height under the chain."""
_PANEL_TALL, _PANEL, _PANEL_LEAST = 9, 7, 4
_BARS = 4
"""Rows of the bars above and below all."""
_BOTH = 34
"""Rows from which a lesson and the inspector stand under the chain together."""
_LESSON_LEAVES = 14
"""Rows that a lesson leaves to all else: the bars, and a chain of three layers."""


class ImagePane(Container):
    """Shows one of the images, with the step of a lesson on it, or says why there is nothing to see.

    ``settled`` is set once the first image is wholly read and on the screen, or the reason why it is not.
    """

    scene: var[Scene | None] = var(None, always_update=True)
    """What is drawn."""
    note: var[str] = var("")
    """What the footer says until the next key."""
    count: var[int] = var(0)
    """What was typed before a key that repeats, 0 if nothing was."""

    def __init__(self, setup: Setup, settled: asyncio.Event) -> None:
        super().__init__(classes="-message")
        self.setup = setup
        self.settled = settled
        self.images = Images(self, setup)
        self.dissecting = Dissecting(self)
        self.guide = LessonGuide(setup.course)
        self.theme_name = setup.theme
        self.inspector_shown = True
        self._came_from: tuple[int, Viewport] | None = None
        """Cursor and view over which the table in full height was opened."""
        self._aim = setup.aim

    @property
    def current(self) -> Scene | None:
        """The scene that keys change; None while there is none, whatever is still drawn."""
        return self.images.shown.scene

    @property
    def is_at_rest(self) -> bool:
        """Whether what is to be shown is on the screen: the image as a whole, and the step of a lesson."""
        shown = self.images.shown
        return shown.failure is not None or (shown.is_whole and self.guide.is_arrived)

    def compose(self) -> ComposeResult:
        """Compose all parts; until there is a scene, a message is in their place."""
        keys, scene = footer_keys(), ImagePane.scene
        yield Words(id="message")
        title = Bar(lambda scene, width: draw_title(scene, width, self.images.place), id="title")
        yield title.data_bind(scene)
        with Container(id="main"):
            with Strata().data_bind(scene):
                yield ChainView().data_bind(scene)
                with Container(id="table", classes="-away"):
                    yield ExtentTable().data_bind(scene)
            yield Inspector().data_bind(scene)
        yield LessonPanel(self.guide.course).data_bind(scene)
        yield Legend(id="legend").data_bind(scene)
        footer = Bar(lambda scene, width: draw_keys(scene, width, keys, self.footnote), id="keys")
        yield footer.data_bind(scene)

    @property
    def footnote(self) -> str:
        """What the footer says instead of keys: a count that is being typed, the last note, how far it is."""
        return f"{self.count} …" if self.count else self.note or str(self.dissecting)

    def watch_note(self) -> None:
        """Have the footer say it."""
        # there is none any more while the viewer is being left
        for footer in self.query("#keys"):
            footer.refresh()

    watch_count = watch_note

    def say(self, text: str) -> None:
        """Put a note into the footer until the next key."""
        self.note = printable(text)

    def take_count(self) -> int:
        """Return the count that was typed before a key, 1 if none was."""
        count, self.count = self.count or 1, 0
        return count

    def on_mount(self) -> None:
        """Begin to read the first image."""
        self.make_room_for_lesson()
        self.show_image(0)

    def on_unmount(self) -> None:
        """Take away what was made for lessons."""
        self.guide.close()

    def on_resize(self) -> None:
        """Fit to the new size."""
        self.call_after_refresh(self.fit_parts)

    def make_room_for_lesson(self) -> None:
        """Where there is no room for a lesson and the inspector, ``i`` takes turns."""
        self.inspector_shown = self.guide.course is None or self.screen.size.height >= _BOTH

    def fit_parts(self) -> None:
        """Fit the parts to the terminal's size, and show the scene."""
        if (scene := self.current) is None:
            return
        width, height = self.screen.size
        side = width >= WIDE and self.inspector_shown
        self.query_one("#main").set_class(side, "side")
        inspector = self.query_one(Inspector)
        under = min(_PANEL_TALL if height >= _TALL else _PANEL, height - _BARS - CHAIN_LEAST)
        # the table in full height takes its place, but not beside the chain
        has_room = side or not (under < _PANEL_LEAST or self.table.is_full)
        inspector.set_class(not (self.inspector_shown and has_room), "-away")
        inspector.side = side
        inspector.styles.width = SIDE_PANEL if side else "1fr"
        inspector.styles.height = "1fr" if side else max(_PANEL_LEAST, under)
        panel, course = self.query_one(LessonPanel), self.guide.course
        panel.course, panel.is_alone = course, not self.inspector_shown
        panel.set_class(not course or (height < _BOTH and self.inspector_shown), "-away")
        if course:
            most = height - _LESSON_LEAVES - (_PANEL_TALL if height >= _BOTH else 0)
            panel.styles.height = lesson_height(course.lesson, width, most)
        self.show(scene.resize(strip_columns(width - SIDE_PANEL if side else width)))

    def show_image(self, index: int, place: Place | None = None) -> None:
        """Bring one of the images to the screen, at a place if one is given, and read it if it was not."""
        if self.current:
            # the pointer will be elsewhere
            self.images.shown.scene = replace(self.current, hover=None)
        self.images.at = index % len(self.images.all)
        opened = self.images.shown
        if place:
            opened.meet(place, jumps=True)
        self.query_one("#message", Words).update(f"opening {printable(opened.image)} …")
        if opened.failure:
            self._show_failure(opened.failure)
        elif opened.scene:
            self.call_later(self.show_scene)
        if not opened.is_whole and not opened.failure:
            self.images.begin(opened)

    @on(Images.Failed)
    def fail(self, message: Images.Failed) -> None:
        """Say why there is nothing to see; the viewer stays until it is left."""
        opened, error = message.opened, message.error
        if message.turn != opened.turn:
            return
        opened.drop()
        opened.failure = error
        if opened is self.images.shown:
            self._show_failure(error)
            self.call_after_refresh(self.settled.set)
            self._ask(opened, error)

    def _show_failure(self, error: BlockstrataError) -> None:
        self.scene = None
        self.query_one("#message", Words).update(f"{error}\n\nq quits")
        self.add_class("-message")

    @on(Images.Loaded)
    def take(self, message: Images.Loaded) -> None:
        """Put what is read of an image on the screen."""
        opened, disk = message.opened, message.disk
        if self.images.take(message, self._first_scene) and opened is self.images.shown:
            self.show_scene()
            if opened.is_whole:
                self.call_after_refresh(self.settled.set)
                if disk.notices:
                    self.say(" · ".join(disk.notices))
                self._ask(opened, disk.chain.missing)

    @on(Images.ReadAgain)
    def tell_changes(self, message: Images.ReadAgain) -> None:
        """Go back to the axis that one was on before an image was read again, and say what became of it."""
        opened, place = message.opened, message.opened.place
        if message.turn != opened.turn or opened is not self.images.shown:
            return
        opened.place = None
        if place and place.within and self.current and self.current.entered_from is None:
            self.change(partial(at_place, place=place))
        found = {None: "read again", True: "read again: nothing changed", False: "read again: it changed"}
        self.say(" · ".join([found[message.is_same], *(opened.disk.notices if opened.disk else ())]))

    def _first_scene(self, disk: Disk) -> Scene:
        viewport = Viewport(disk.size, 1).fit()
        return Scene(disk, viewport, by_name(self.setup.semantics), self.setup.colours, self.theme_name)

    @on(Images.Short)
    def run_short(self) -> None:
        """Say that no more can be shown."""
        self.say(TOO_LARGE)

    def _ask(self, opened: Opened, error: BlockstrataError | None) -> None:
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
        if self._aim and self.images.at == 0:
            aim, self._aim = self._aim, None
            self.change(lambda scene: aim.of(scene, self.images.shown.image))
        self.show_step()

    def show_step(self) -> None:
        """Go where the step of a lesson is, once its image is read, and ask what it asks."""
        if self.images.shown.is_whole and not self.guide.is_arrived:
            self.guide.is_arrived = True
            self.change(lambda scene: self.guide.arrive(self.images.at, scene))
            self.fit_parts()

    def show(self, scene: Scene) -> None:
        """Make a scene the one on the screen."""
        self.images.shown.scene = self.scene = scene
        self.images.read_again()
        self.dissecting.follow(scene)

    @on(Dissecting.Found)
    def take_uses(self, message: Dissecting.Found) -> None:
        """Show what the bytes of a file are for, if it is still on the screen."""
        scene = self.current
        if self.dissecting.is_awaited(message.disk) and scene and scene.disk.is_file:
            self.show(scene.dissected(message.uses))

    @on(Dissecting.Failed)
    def tell_why_not(self, message: Dissecting.Failed) -> None:
        """Say why nobody knows what the bytes of a file are for."""
        if self.dissecting.is_awaited(message.disk):
            self.say(str(message.error))

    @on(Dissecting.Went)
    def tell_how_far(self) -> None:
        """Have the footer say how far it is."""
        self.watch_note()

    def change(self, change: Callable[[Scene], Scene], *, jumps: bool = False) -> None:
        """Show what a change makes of the scene, if there is one yet.

        ``jumps``: where it leads away from is a place to go back to.
        """
        self.count = 0
        found, said = self._found(change)
        self.say(said)
        self._arrive(found, jumps=jumps)

    def search(self, find: Callable[[Scene], Scene | None], nothing: str, count: int = 1) -> None:
        """Show what is found from the scene on, so many times, close enough to see that one moved.

        Say so where there is nothing more.
        """
        found, said = self._found(find, nothing, count)
        self.say(said)
        if found and self.current:
            self._arrive(found.seen_from(self.current), jumps=True)

    def _found(
        self, find: Callable[[Scene], Scene | None], nothing: str = "", count: int = 1
    ) -> tuple[Scene | None, str]:
        """Return what is found last, None if nothing is, and what is to be said where there is no more."""
        scene = None
        for _ in range(count):
            try:
                found = find(scene or self.current) if self.current else None
            except MemoryError:
                return scene, TOO_LARGE
            except BlockstrataError as error:
                return scene, str(error)
            if found is None:
                return scene, nothing
            scene = found
        return scene, ""

    def _arrive(self, scene: Scene | None, *, jumps: bool) -> None:
        """Show a scene; keep the place that it leads away from, and take along who moves together."""
        opened, before = self.images.shown, self.current
        if scene is None or before is None:
            return
        here, there = place_of(before), place_of(scene)
        if jumps and here != there:
            opened.history = opened.history.leaving(here)
        self.show(scene)
        if here != there:
            if opened.place:
                opened.place = there
            self.images.follow(jumps=jumps)

    @property
    def table(self) -> ExtentTable:
        """The extent table."""
        return self.query_one(ExtentTable)

    def show_table(self, *, in_full: bool) -> None:
        """Give the extent table the full height, with the focus in it, or the place that it had."""
        table, scene = self.table, self.current
        if not (in_full or table.is_full):
            return
        if in_full and not table.is_full:
            self._came_from = (scene.cursor, scene.viewport) if scene else None
        elif not in_full and scene and self._came_from:
            self.images.shown.scene = scene.back_at(*self._came_from)
        table.is_full = self.query_one(Strata).in_full = in_full
        self.fit_parts()
        self.screen.set_focus(table if in_full else None, scroll_visible=False)

    @on(ExtentTable.Chosen)
    def go_to_extent(self, message: ExtentTable.Chosen) -> None:
        """Go where a row of the table is, or show it."""
        if message.goes_there:
            self.show_table(in_full=False)
            self.change(lambda scene: scene.go_to(message.offset), jumps=True)
        elif self.current and self.table.is_full and self.table.is_chosen(message.offset):
            self.show(self.current.go_to(message.offset))

    @on(ExtentTable.Left)
    def leave_table(self) -> None:
        """Leave the full height; the cursor is where it was."""
        self.show_table(in_full=False)

    @on(ChainView.Turned)
    def follow(self, message: ChainView.Turned) -> None:
        """Follow the mouse."""
        self.change(message.change, jumps=message.jumps)

    @on(ChainView.Hovered)
    def hover(self, message: ChainView.Hovered) -> None:
        """Show the byte under the pointer in the ruler."""
        if self.current is not None and self.current.hover != message.offset:
            self.show(replace(self.current, hover=message.offset))
