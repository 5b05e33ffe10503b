"""The truth tables, and where in the open image each of their rows occurs."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from blockstrata.errors import BlockstrataError
from blockstrata.semantics import SEMANTICS
from blockstrata.semantics.nbd import NBD_6_0, wire_of
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.process.memory import TOO_LARGE
from blockstrata_viewer.reports.tables import Entry, Place, Table, tables
from blockstrata_viewer.screens.list_screen import ListScreen
from blockstrata_viewer.widgets.dialog import Dialog
from blockstrata_viewer.widgets.plain import Words
from blockstrata_viewer.widgets.table_view import TableView, entries_of


class TablesScreen(ListScreen[tuple[Table, Place] | None]):
    """Returns a table and the place of a row of it to go to, or None.

    Opens at the row that the cursor is on, under the flags in force.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("B", "dismiss", "close"),
        Binding("n", "seek(1)", "next row that occurs here"),
        Binding("p", "seek(-1)", "previous row that occurs here"),
        Binding("s,tab", "table(1)", "next table"),
        Binding("S,shift+tab", "table(-1)", "previous table"),
        Binding("enter", "take", "go there"),
    ]

    HEADING = "TRUTH TABLES"
    view: TableView

    def __init__(self, scene: Scene) -> None:
        super().__init__(TableView(palette_of(scene)))
        self._scene = scene

    @property
    def chosen(self) -> tuple[Table, Entry] | None:
        """The row that is chosen, and its table; None before there are any."""
        rows = entries_of(self.view.tables)
        return rows[self.view.at] if rows else None

    def compose(self) -> ComposeResult:
        """Compose the page, with words in the place of the list until there is one."""
        self.view.display = False
        wait = Words("looking for each row …", id="wait")
        yield Dialog(wait, self.view, title=self.HEADING, classes="wide tall")

    @work
    async def on_mount(self) -> None:
        """Look for each row away from the screen, and show the tables, the cursor's own row chosen."""
        wait = self.query_one("#wait", Words)
        try:
            # the image may have millions of runs
            self.view.tables = await asyncio.to_thread(self._look)
        except (BlockstrataError, MemoryError) as error:
            wait.update(str(error) or TOO_LARGE)
        else:
            wait.display = False
            self.view.display = True
            self.view.at = self._first()

    def _look(self) -> tuple[Table, ...]:
        shown = self._scene.semantics
        wire = shown if wire_of(shown) else NBD_6_0
        return tuple(tables(self._scene.chain_scene.disk.chain, (*SEMANTICS, wire)))

    def _first(self) -> int:
        """Return the row of the run under the cursor, or the first of its table, also if a lesson asks."""
        scene, rows = self._scene, entries_of(self.view.tables)
        scene = scene.leave() if scene.disk.round_trip else scene
        semantics = self._scene.semantics
        # what a byte is used for has no letters, its storage has
        track = scene.disk.tracks[0] if scene.uses else scene.track
        run = track.run_at(scene.cursor)
        letters = "" if run is None or scene.asking else track.state_at(run, semantics).letters
        under = [
            at
            for at, (table, _) in enumerate(rows)
            if table.semantics is semantics
            and (bool(table.semantics.deferred_flag) or table.is_protocol == scene.disk.is_file)
        ]
        return next((at for at in under if rows[at][1].letters == letters), under[0])

    def action_seek(self, step: int) -> None:
        """Choose the next row that occurs."""
        rows = entries_of(self.view.tables)
        at = self.view.at + step
        while 0 <= at < len(rows) and rows[at][1].place is None:
            at += step
        if 0 <= at < len(rows):
            self.view.at = at

    def action_table(self, step: int) -> None:
        """Choose the first row of another table, after the last one of the first."""
        if self.chosen is None:
            return
        shown = list(self.view.tables)
        wanted = shown[(shown.index(self.chosen[0]) + step) % len(shown)]
        self.view.at = sum(len(table.entries) for table in shown[: shown.index(wanted)])

    def action_take(self) -> None:
        """Leave for the first place where the row occurs, if it can be shown."""
        if self.chosen and (place := self.chosen[1].place) and place.has_axis:
            self.dismiss((self.chosen[0], place))
