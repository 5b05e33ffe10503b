"""The viewer: composition and routing only.  What a frame shows is in scene.py and widgets/."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.widgets import Static

from blockstrata.errors import BlockstrataError
from blockstrata.printable import printable
from blockstrata_viewer.layout import WIDE
from blockstrata_viewer.palette import THEMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult

    from blockstrata_viewer.disk import Disk
    from blockstrata_viewer.scene import Scene
    from blockstrata_viewer.widgets.chain_view import ChainView

_TALL = 30
"""Rows from which the inspector has its full height under the chain."""


class ViewerApp(App[int]):
    """Shows one image.  Its exit value is the exit code."""

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "blockstrata"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1)", "move", id="cursor.left", key_display="← →"),
        Binding("right,l", "move(1)", "move the cursor", id="cursor.right", show=False),
        Binding("shift+left", "move(-10)", "ten cells left", id="cursor.left10", show=False),
        Binding("shift+right", "move(10)", "ten cells right", id="cursor.right10", show=False),
        Binding("home", "edge(0)", "start of the disk", id="cursor.home", show=False),
        Binding("end", "edge(1)", "end of the disk", id="cursor.end", show=False),
        Binding("up,k", "select(-1)", "layer", id="layer.up", key_display="↑ ↓"),
        Binding("down,j", "select(1)", "next layer", id="layer.down", show=False),
        Binding("plus,equals_sign,right_square_bracket", "zoom(1)", "zoom", id="zoom.in", key_display="+ -"),
        Binding("minus,left_square_bracket", "zoom(-1)", "zoom out", id="zoom.out", show=False),
        Binding("f", "fit", "fit", id="zoom.fit"),
        Binding("s", "semantics(1)", "flags", id="semantics.next"),
        Binding("S", "semantics(-1)", "previous flags", id="semantics.previous", show=False),
        Binding("t", "theme", "theme", id="theme.next"),
        Binding("question_mark,f1", "help", "help", id="help", key_display="?"),
        Binding("q", "quit_viewer", "quit", id="quit"),
    ]

    class Loaded(Message):
        """The image is open and read."""

        def __init__(self, disk: Disk) -> None:
            super().__init__()
            self.disk = disk

    class Failed(Message):
        """The image cannot be shown."""

        def __init__(self, error: BlockstrataError) -> None:
            super().__init__()
            self.error = error

    def __init__(self, image: str, theme: str = "dark", semantics: str = "proposed") -> None:
        super().__init__()
        self.image = image
        self.failure: BlockstrataError | None = None
        self.scene: Scene | None = None
        self.settled = asyncio.Event()
        """Set once the image is on the screen, or the reason why it is not."""
        self._palette = THEMES[theme]
        self._semantics = semantics
        self.mono = self.no_color or os.environ.get("TERM") == "dumb"

    def compose(self) -> ComposeResult:
        """Show that the image is being opened; the rest is mounted when it is."""
        yield Static(f"opening {printable(self.image)} …", id="message", markup=False)

    def on_mount(self) -> None:
        """Start reading once the first frame is painted."""
        self.call_after_refresh(self.load)

    @work(thread=True, exclusive=True)
    def load(self) -> None:
        """Open and read the image away from the screen; numpy comes in here."""
        from blockstrata_viewer.disk import load_disk  # noqa: PLC0415

        try:
            disk = load_disk(self.image)
        except BlockstrataError as error:
            self.post_message(self.Failed(error))
        else:
            self.post_message(self.Loaded(disk))

    def on_viewer_app_failed(self, message: Failed) -> None:
        """Say why there is nothing to see; the viewer stays until it is left."""
        self.failure = message.error
        page = self.query_one("#message", Static)
        page.add_class("error")
        page.update(f"{message.error}\n\nq quits")
        self.settled.set()

    async def on_viewer_app_loaded(self, message: Loaded) -> None:
        """Put the disk on the screen."""
        from blockstrata.semantics import by_name  # noqa: PLC0415
        from blockstrata_viewer.scene import Scene  # noqa: PLC0415
        from blockstrata_viewer.viewport import Viewport  # noqa: PLC0415
        from blockstrata_viewer.widgets.bars import Keys, Legend, Title  # noqa: PLC0415
        from blockstrata_viewer.widgets.chain_view import ChainView  # noqa: PLC0415
        from blockstrata_viewer.widgets.inspector import Inspector  # noqa: PLC0415

        disk = message.disk
        self.scene = Scene(
            disk, Viewport(disk.size, 1).fit(), self._palette, by_name(self._semantics), mono=self.mono
        )
        await self.query_one("#message").remove()
        await self.mount(
            Title(),
            Container(ChainView(), Inspector(), id="main"),
            Legend(),
            Keys(self.key_help(footer=True)),
        )
        self.arrange()
        self.settled.set()

    def key_help(self, *, footer: bool = False) -> list[tuple[str, str]]:
        """Return the keys and what they do, from the bindings."""
        found = []
        for binding in self.BINDINGS:
            assert isinstance(binding, Binding)  # noqa: S101
            if footer and not binding.show:
                continue
            keys = binding.key_display or binding.key.replace("question_mark", "?")
            found.append(
                (keys if footer else binding.key_display or _plain(binding.key), binding.description)
            )
        return found

    def arrange(self) -> None:
        """Fit the parts to the terminal's size, and show the scene."""
        if self.scene is None or not self.query("#main"):
            return
        width, height = self.size
        side = width >= WIDE
        main = self.query_one("#main")
        main.set_class(side, "side")
        from blockstrata_viewer.layout import SIDE_PANEL, chain_layout  # noqa: PLC0415
        from blockstrata_viewer.widgets.inspector import Inspector  # noqa: PLC0415

        inspector = self.query_one(Inspector)
        inspector.side = side
        inspector.styles.width = SIDE_PANEL if side else "1fr"
        panel = 9 if height >= _TALL else 7
        inspector.styles.height = "1fr" if side else panel
        strips = chain_layout(width - SIDE_PANEL if side else width, height, 1, 0)
        self.show(self.scene.resize(strips.columns))

    def show(self, scene: Scene) -> None:
        """Make a scene the one on the screen."""
        self.scene = scene
        for widget in self.query("Title, ChainView, Inspector, Legend, Keys"):
            widget.scene = scene  # type: ignore[attr-defined]

    def change(self, change: Callable[[Scene], Scene]) -> None:
        """Show what a change makes of the scene, if there is one yet."""
        if self.scene is not None:
            self.show(change(self.scene))

    def on_resize(self, event: events.Resize) -> None:  # noqa: ARG002
        """Fit to the new size."""
        self.call_after_refresh(self.arrange)

    def action_move(self, cells: int) -> None:
        """Move the cursor by cells."""
        self.change(lambda scene: scene.move(cells))

    def action_edge(self, end: int) -> None:
        """Move the cursor to the start or the end of the disk."""
        self.change(lambda scene: scene.go_to(scene.disk.size if end else 0))

    def action_select(self, steps: int) -> None:
        """Choose the layer below or above."""
        self.change(lambda scene: scene.select(scene.selected + steps))

    def action_zoom(self, steps: int) -> None:
        """Zoom about the cursor."""
        self.change(lambda scene: scene.zoom(steps))

    def action_fit(self) -> None:
        """Show the whole disk."""
        self.change(lambda scene: scene.fit())

    def action_semantics(self, steps: int) -> None:
        """Show the same facts under the next semantics."""
        self.change(lambda scene: scene.toggle(steps))

    def action_theme(self) -> None:
        """Take the next theme."""
        names = list(THEMES)
        palette = THEMES[names[(names.index(self._palette.name) + 1) % len(names)]]
        self._palette = palette
        from dataclasses import replace  # noqa: PLC0415

        self.change(lambda scene: replace(scene, palette=palette))

    def action_help(self) -> None:
        """Show the help."""
        from blockstrata_viewer.screens.help import HelpScreen  # noqa: PLC0415

        self.push_screen(HelpScreen(self.key_help()))

    def action_quit_viewer(self) -> None:
        """Leave."""
        self.exit(1 if self.failure else 0)

    def on_chain_view_placed(self, message: ChainView.Placed) -> None:
        """Follow a click."""

        def place(scene: Scene) -> Scene:
            placed = scene.go_to(message.offset)
            return placed if message.selected is None else placed.select(message.selected)

        self.change(place)

    def on_chain_view_zoomed(self, message: ChainView.Zoomed) -> None:
        """Follow the wheel."""
        self.change(lambda scene: scene.zoom(message.steps, message.about))

    def on_chain_view_panned(self, message: ChainView.Panned) -> None:
        """Follow the wheel sideways."""
        self.change(lambda scene: scene.pan(message.columns))


_NAMES = {
    "equals_sign": "=",
    "plus": "+",
    "minus": "-",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "question_mark": "?",
}


def _plain(keys: str) -> str:
    return " ".join(_NAMES.get(key, key) for key in keys.split(","))
