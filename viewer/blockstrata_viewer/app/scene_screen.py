"""A screen that shows a scene: how keys and the mouse lead through it, its count and its note."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from textual import on
from textual.reactive import var
from textual.screen import Screen

from blockstrata.errors import BlockstrataError
from blockstrata.semantics import by_name
from blockstrata.text.printable import printable
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.process.memory import TOO_LARGE
from blockstrata_viewer.widgets.chain_view import ChainView


class SceneScreen(Screen[None]):
    """What leads from one scene to the next; what a scene is of is the main screen's business."""

    scene: var[Scene | None] = var(None, always_update=True)
    """What is drawn."""
    note: var[str] = var("")
    """What the footer says until the next key."""
    count: var[int] = var(0)
    """What was typed before a key that repeats, 0 if nothing was."""

    @property
    def current(self) -> Scene | None:
        """The scene that keys change; None while there is none, whatever is still drawn."""
        raise NotImplementedError

    def show(self, scene: Scene) -> None:
        """Make a scene the one on the screen."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        """Put a note into the footer until the next key."""
        self.note = printable(text)

    def change(self, change: Callable[[Scene], Scene]) -> None:
        """Show what a change makes of the scene, if there is one yet."""
        self.note, self.count = "", 0
        if (scene := self.current) is not None:
            try:
                self.show(change(scene))
            except MemoryError:
                self.say(TOO_LARGE)
            except BlockstrataError as error:
                self.say(str(error))

    def seek(self, change: Callable[[Scene], Scene | None], nothing: str) -> None:
        """Repeat a search as often as the count says; say so where it finds nothing."""
        for _ in range(self.take_count()):
            try:
                found = change(self.current) if self.current else None
            except MemoryError:
                found, nothing = None, TOO_LARGE
            except BlockstrataError as error:
                found, nothing = None, str(error)
            if found is None:
                self.say(nothing)
                return
            self.note = ""
            self.show(found)

    def take_count(self) -> int:
        """Return the count that was typed before a key, 1 if none was."""
        count, self.count = self.count or 1, 0
        return count

    def take_digit(self, digit: int) -> None:
        """Put a digit behind the count."""
        self.count = min(self.count * 10 + digit, 10**6)

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

    def action_choose(self, depth: int) -> None:
        """Choose a layer by its depth."""
        self.change(lambda scene: scene.select(depth))

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
        nothing = "nothing suspicious by these flags from here on in this layer"
        if self.current and self.current.disk.round_trip:
            nothing = "nothing more is lost"
        self.seek(lambda scene: scene.suspicious(), nothing)

    def action_mark(self) -> None:
        """Set a marker at the cursor."""
        self.change(lambda scene: scene.mark())

    def action_clear(self) -> None:
        """Take the markers away; without any, leave a file's axis."""
        self.change(lambda scene: replace(scene, markers=()) if scene.markers else scene.leave())

    def action_file_axis(self) -> None:
        """Show the selected layer's file on its own axis, or come back from there."""
        self.change(lambda scene: scene.file_axis())

    def action_patterns(self) -> None:
        """Add ink to solid cells, or take it away."""
        self.change(lambda scene: scene.drawn(patterns=not scene.patterns))

    def action_semantics(self, steps: int) -> None:
        """Show the same facts under the next semantics."""
        self.change(lambda scene: scene.toggle(steps))

    def action_under(self, name: str) -> None:
        """Show the same facts under a semantics by its name."""
        self.change(lambda scene: scene.under(by_name(name)))

    @on(ChainView.Placed)
    def place(self, message: ChainView.Placed) -> None:
        """Follow a click."""

        def placed(scene: Scene) -> Scene:
            there = scene.go_to(message.offset)
            return there if message.selected is None else there.select(message.selected)

        self.change(placed)

    @on(ChainView.Selected)
    def mark_range(self, message: ChainView.Selected) -> None:
        """Follow a range being drawn: its ends are the two markers."""
        self.change(lambda scene: replace(scene, markers=(message.start, message.end)))

    @on(ChainView.Hovered)
    def hover(self, message: ChainView.Hovered) -> None:
        """Show the byte under the pointer in the ruler."""
        if self.current is not None and self.current.hover != message.offset:
            self.show(replace(self.current, hover=message.offset))

    @on(ChainView.Zoomed)
    def zoom(self, message: ChainView.Zoomed) -> None:
        """Follow the wheel."""
        self.change(lambda scene: scene.zoom(message.steps, message.about))

    @on(ChainView.Panned)
    def pan(self, message: ChainView.Panned) -> None:
        """Follow the wheel sideways."""
        self.change(lambda scene: scene.pan(message.columns))
