"""The extent table as a widget: docked it follows the cursor, in full height one moves in it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Final

from textual import events, on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.worker import get_current_worker

from blockstrata.semantics.table import Semantics
from blockstrata_viewer.draw.extent_rows import Look, draw_extents, room_for
from blockstrata_viewer.draw.lines import Line
from blockstrata_viewer.model.extent_table import AT_ONCE, Found, Query, begun, everything, find
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.track import Track
from blockstrata_viewer.process.memory import TOO_LARGE
from blockstrata_viewer.widgets.drawn import SceneWidget

_WHEEL: Final = 3
"""Rows that one turn of the wheel moves."""
_FAR: Final = 1 << 62
"""More rows than there are."""


class ExtentTable(SceneWidget):
    """Shows the extents of the selected track that a query finds.

    Few extents are sorted and filtered when they are drawn, many in a worker, of which the last one counts.
    """

    DEFAULT_CSS = "ExtentTable { width: 1fr; height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "row above"),
        Binding("down", "move(1)", "row below"),
        Binding("pageup", "page(-1)", "page above"),
        Binding("pagedown", "page(1)", "page below"),
        Binding("home", f"move({-_FAR})", "first row"),
        Binding("end", f"move({_FAR})", "last row"),
        Binding("enter", "go", "go there"),
        Binding("escape,E", "leave", "close"),
        Binding("greater_than_sign", "column(1)", "sort by the column to the right"),
        Binding("less_than_sign", "column(-1)", "sort by the column to the left"),
        Binding("o", "order", "reverse the order"),
    ]

    wanted: reactive[Query] = reactive(Query())
    is_full: reactive[bool] = reactive(False)
    at: reactive[int] = reactive(0)
    """The chosen row, in full height."""

    @dataclass
    class Chosen(Message):
        """Somebody looks at the row that starts at a byte, or wants to go there."""

        offset: int
        goes_there: bool

    class Left(Message):
        """Somebody has seen enough of the full height."""

    @dataclass
    class Arrived(Message):
        """A worker found something, in a turn of its own."""

        found: Found
        turn: int

    _found = Found(0, 0)
    _turn = 0
    _asked: tuple[Query, Semantics | None] | None = None
    _first = 0
    """The row on top."""
    _begins = False
    """Whether the first row is to be chosen, once it is known."""

    def __init__(self) -> None:
        super().__init__()
        # what was found must not keep millions of runs that nobody shows any more
        self._track: Callable[[], Track | None] = lambda: None

    def found_in(self, scene: Scene) -> Found:
        """Return what the query finds, or begin to look for it and return what there is so far."""
        track, query = scene.track, self.wanted
        asked = (query, scene.semantics if query.asks_for_flags else None)
        if self._track() is track and self._asked == asked:
            return self._found
        self._track, self._asked = weakref.ref(track), asked
        self._turn += 1
        if query.is_plain or len(track) <= AT_ONCE:
            *_, self._found = find(track, scene.semantics, query)
        else:
            self._found = begun(track, query)
            search = partial(self._search, track, scene.semantics, query, self._turn)
            self.run_worker(search, group="extents", exclusive=True, thread=True)
        return self._found

    def _search(self, track: Track, semantics: Semantics, query: Query, turn: int) -> None:
        """Look for it away from the screen."""
        worker = get_current_worker()
        try:
            for found in find(track, semantics, query, lambda: worker.is_cancelled):
                self.post_message(self.Arrived(found, turn))
        except MemoryError:
            self.post_message(self.Arrived(replace(everything(track), progress=TOO_LARGE), turn))

    @on(Arrived)
    def take(self, message: Arrived) -> None:
        """Show what was found, if it is still wanted."""
        if message.turn == self._turn:
            self._found = message.found
            self._choose()
            self.refresh()

    def draw_scene(self, scene: Scene, width: int, height: int) -> list[Line]:
        """Return the lines."""
        found, room = self.found_in(scene), room_for(height, is_full=self.is_full)
        at: int | None
        if self.is_full:
            at = self._chosen(found)
            first = max(at - room + 1, min(self._first, at))
        else:
            at = found.row_of(scene.run)
            near = found.row_near(scene.run)
            first = self._first if near is None else near - room // 2
        self._first = max(0, min(first, len(found) - room))
        return draw_extents(scene, Look(self.wanted, found, self._first, at, self.is_full), width, height)

    def _chosen(self, found: Found) -> int:
        return max(0, min(self.at, len(found) - 1))

    def _choose(self) -> None:
        """Choose the first row of another order, as soon as it is known; else the one at the cursor."""
        if not (self.is_full and self.scene):
            return
        found = self.found_in(self.scene)
        if self._begins:
            self.at = 0
            self._begins = bool(found.progress)
            if found.order is not None:
                self._show_chosen()
        else:
            row = found.row_near(self.scene.run)
            self.at = self._chosen(found) if row is None else row

    def is_chosen(self, offset: int) -> bool:
        """Say whether the chosen row still starts at a byte: what was said of it may have waited for long."""
        scene = self.scene
        return scene is not None and any(
            scene.track.bounds(run)[0] == offset for run in self.found_in(scene).runs(self.at, self.at + 1)
        )

    def _show_chosen(self) -> None:
        """Have the drill go where the chosen row is."""
        if self.scene:
            for run in self.found_in(self.scene).runs(self.at, self.at + 1):
                if run != self.scene.run:
                    self.post_message(self.Chosen(self.scene.track.bounds(run)[0], goes_there=False))

    def watch_scene(self, before: Scene | None, after: Scene | None) -> None:
        """Follow the cursor, and choose its row among others that are found."""
        if self.is_full and before and after:
            known = self._found
            if self.found_in(after) is not known or before.cursor != after.cursor:
                self._choose()

    def watch_is_full(self) -> None:
        """Begin at the cursor, with rows above and below."""
        self.can_focus = self.is_full
        self._begins = False
        self._choose()
        self._first = self.at - room_for(self.size.height, is_full=True) // 2

    def watch_wanted(self, _before: Query, after: Query) -> None:
        """Begin at the top of another order, and near the cursor on the disk's own."""
        self._first = 0
        self._begins = after.column != "start" or after.is_descending
        self._choose()
        if not self._begins:
            self._show_chosen()

    def action_move(self, rows: int) -> None:
        """Choose another row."""
        if self.scene:
            found = self.found_in(self.scene)
            self._begins = False
            self.at = max(0, min(self._chosen(found) + rows, len(found) - 1))
            self._show_chosen()

    def action_page(self, pages: int) -> None:
        """Choose a row as far away as fits."""
        self.action_move(pages * max(1, room_for(self.size.height, is_full=True) - 1))

    def action_column(self, steps: int) -> None:
        """Sort by the next column."""
        self.wanted = self.wanted.beside(steps)

    def action_order(self) -> None:
        """Turn the order round."""
        self.wanted = self.wanted.by(self.wanted.column)

    def action_go(self) -> None:
        """Go to the chosen row."""
        if self.scene:
            self._go(self._chosen(self.found_in(self.scene)))

    def action_leave(self) -> None:
        """Leave the full height."""
        self.post_message(self.Left())

    def _go(self, row: int) -> None:
        if self.scene:
            for run in self.found_in(self.scene).runs(row, row + 1):
                self.post_message(self.Chosen(self.scene.track.bounds(run)[0], goes_there=True))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Move up in the full height."""
        event.stop()
        if self.is_full:
            self.action_move(-_WHEEL)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Move down in the full height."""
        event.stop()
        if self.is_full:
            self.action_move(_WHEEL)
