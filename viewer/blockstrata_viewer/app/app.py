"""The viewer: it says that an image is being opened, then brings in the main screen, which does the rest."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.theme import Theme

from blockstrata.errors import BlockstrataError
from blockstrata.text.printable import printable
from blockstrata_viewer.app.bindings import APP_BINDINGS
from blockstrata_viewer.app.driver import TerminalDriver
from blockstrata_viewer.app.forgetting import forget_lines
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.draw.palette import DARK, LIGHT
from blockstrata_viewer.process.aside import Aside
from blockstrata_viewer.screens.question import Question, answers
from blockstrata_viewer.widgets.plain import PlainApp, Words

if TYPE_CHECKING:
    # numpy would come with these
    from blockstrata_viewer.app.main_screen import MainScreen
    from blockstrata_viewer.model.scene import Scene


class ViewerApp(PlainApp):
    """Shows images, one at a time.  Its exit value is the exit code."""

    CSS_PATH = "app.tcss"
    TITLE = "blockstrata"
    COMMANDS: ClassVar = set()
    BINDINGS: ClassVar[list[BindingType]] = [
        *APP_BINDINGS,
        # over a page and in a prompt too, where the other keys of the app are not heard
        Binding("ctrl+c,ctrl+q", "quit_viewer", show=False, priority=True),
    ]

    def __init__(self, setup: Setup) -> None:
        # without this, Textual's way of having no colour is black and white
        super().__init__(ansi_color=True if setup.colours == "none" else None)
        self.setup = setup
        self.main: MainScreen | None = None
        self.settled = asyncio.Event()
        """Set once the first image is wholly read and on the screen, or the reason why it is not."""
        self._home: asyncio.AbstractEventLoop | None = None
        self._told_to_leave: int | None = None
        self._early: list[events.Key] = []
        """Keys that came before the main screen."""
        self.set_keymap(setup.keymap)
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
        self.theme = f"blockstrata-{setup.theme}"

    @property
    def scene(self) -> Scene | None:
        """The scene on the screen."""
        return self.main.pane.current if self.main else None

    @property
    def failure(self) -> BlockstrataError | None:
        """Why there is no scene on the screen."""
        return self.main.pane.images.shown.failure if self.main else None

    def get_driver_class(self) -> type[Driver]:
        """Return ours for a terminal, and any other that Textual is told to use."""
        found = super().get_driver_class()
        return TerminalDriver if found is LinuxDriver else found

    def compose(self) -> ComposeResult:
        """Show that an image is being opened."""
        yield Words(f"opening {printable(self.setup.images[0])} …", id="message")

    def on_mount(self) -> None:
        """Bring in the main screen once the first frame is painted."""
        # whatever is being waited for, nobody who leaves has to wait too
        self._home = asyncio.get_running_loop()
        self._home.set_default_executor(Aside())
        if self._told_to_leave is not None:
            self.exit(self._told_to_leave)
        self.call_after_refresh(self.open_main_screen)

    @work
    async def open_main_screen(self) -> None:
        """Import the main screen away from this one, numpy with it, and show it with the keys that came."""
        module = await asyncio.to_thread(import_module, "blockstrata_viewer.app.main_screen")
        main: MainScreen = module.MainScreen(self.setup, self.settled)
        await self.push_screen(main)
        self.main = main
        for key in self._early:
            self.post_message(events.Key(key.key, key.character))

    def leave(self, number: int) -> None:
        """Leave the terminal as it was, as a signal says; from any thread."""
        self._told_to_leave = 128 + number
        if self._home is not None:
            with suppress(RuntimeError):  # it is being left already
                self._home.call_soon_threadsafe(self.exit, self._told_to_leave)

    def pop_screen(self) -> AwaitComplete:
        """Leave a page, and all that is kept of it."""
        forget_lines(self.screen)
        return super().pop_screen()

    def on_key(self, event: events.Key) -> None:
        """Collect the digits of a count, and what came too early."""
        if self.main is None:
            self._early.append(event)
        elif self.screen is not self.main:
            # it went to the screen below before the question was there
            if isinstance(self.screen, Question) and answers(event):
                self.screen.post_message(events.Key(event.key, event.character))
        elif event.character and event.character.isdigit() and event.character.isascii():
            self.main.type_digit(int(event.character))

    async def on_event(self, event: events.Event) -> None:
        """Take a note away before the next key does what it does."""
        if isinstance(event, events.Key) and not event.is_forwarded and self.main:
            self.main.pane.note = ""
        await super().on_event(event)

    def action_command_palette(self) -> None:
        """Open the palette, which has nothing to offer before there is a main screen."""
        if self.main:
            super().action_command_palette()

    def action_quit_viewer(self) -> None:
        """Leave."""
        self.exit(1 if self.main and any(opened.failure for opened in self.main.pane.images.all) else 0)
