"""The truth tables as a list to move in: a line for each row, and all there is to say of the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from textual.reactive import reactive

from blockstrata.text.printable import base_name, printable
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.layout import NARROW
from blockstrata_viewer.draw.lines import Ink, Line, clip, list_line, put_keys, shorten, wrapped
from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.draw.strips import draw_swatch
from blockstrata_viewer.model.states import state_of_flags
from blockstrata_viewer.model.switch import word_of
from blockstrata_viewer.reports.tables import Entry, Table
from blockstrata_viewer.widgets.drawn import DrawnList

_MARGIN: Final = 2
_AMOUNTS: Final = 10
"""Cells of the bytes on the right."""
_SUMS: Final = "bytes of all layers"
"""What stands over the bytes."""
_FOOT: Final = 6
"""Rows below the list: a line, what the chosen row says, keys."""
_KEYS: Final = (("↑ ↓", "row"), ("n p", "row that occurs here"), ("s", "table"), ("enter", "go there"))


def draw_tables(tables: Sequence[Table], at: int, palette: Palette, width: int, height: int) -> list[Line]:
    """Return the rows of the screen, entry ``at`` of all tables chosen and in view.  Needs no app."""
    rows = [Line(width, Ink(palette.text, palette.panel)) for _ in range(height)]
    if not rows or not tables:
        return rows
    lines, chosen, top = _lines(tables, at, palette, width)
    table, entry = list(entries_of(tables))[at]
    _draw_head(rows[0], table, palette)
    if height > 2:
        rows[1].put(width - len(_SUMS) - _MARGIN, _SUMS, Ink(palette.dim, palette.panel))
    room = max(1, height - _FOOT - 2)
    # a table begins where the list does, if that shows its chosen row
    first = max(0, min(top if chosen - top < room else chosen - room // 2, len(lines) - room))
    for y, line in enumerate(lines[first : first + room], 2):
        if y < height:
            rows[y] = line
    if height > _FOOT + 2:
        _draw_foot(rows[-_FOOT:], table, entry, palette)
    return rows


def entries_of(tables: Sequence[Table]) -> list[tuple[Table, Entry]]:
    """Return each row of each table, in order."""
    return [(table, entry) for table in tables for entry in table.entries]


def _lines(tables: Sequence[Table], at: int, palette: Palette, width: int) -> tuple[list[Line], int, int]:
    """Return the list's lines, which of them is the chosen one, and which the heading of its table."""
    lines: list[Line] = []
    chosen = number = top = 0
    for table in tables:
        if lines:
            lines.append(Line(width, Ink(palette.text, palette.panel)))
        heading = len(lines)
        lines.append(_heading(table, palette, width))
        for entry in table.entries:
            if number == at:
                chosen, top = len(lines), heading
            lines.append(_line(table, entry, palette, width, number, is_chosen=number == at))
            number += 1
    return lines, chosen, top


def _heading(table: Table, palette: Palette, width: int) -> Line:
    row = Line(width, Ink(palette.text, palette.panel))
    x = row.put(_MARGIN, word_of(table.semantics), Ink(palette.accent, palette.panel, bold=True))
    row.put(x + 2, f"{table.semantics.title} — {table.kind}", Ink(palette.dim, palette.panel))
    here = sum(entry.place is not None for entry in table.entries)
    count = f"{here} of {len(table.entries)} here"
    row.put(width - len(count) - _MARGIN, count, Ink(palette.dim, palette.panel))
    return row


def _line(table: Table, entry: Entry, palette: Palette, width: int, number: int, *, is_chosen: bool) -> Line:
    """Return the line of a row by its number: bright if it occurs, else the scenario that shows it."""
    row, ground = list_line(width, palette, is_chosen=is_chosen)
    row.on_click(0, width, f"pick({number})")
    colour = palette.text if entry.place else palette.dim
    state = state_of_flags(table.semantics, entry.row.flags, is_protocol=table.is_protocol)
    draw_swatch(row, _MARGIN, state.paint, palette)
    x = row.put(_MARGIN + 3, f"{entry.letters:<4}", Ink(colour, ground, bold=bool(entry.place)))
    amount = format_size(entry.place.length) if entry.place else ""
    scenario = f"demo {entry.scenario}" if entry.scenario else "in no scenario"
    note, note_room = (amount, _AMOUNTS) if entry.place else (scenario, len(scenario))
    end = width - _MARGIN - note_room
    row.put(x + 2, clip(entry.row.words, end - x - 4), Ink(colour, ground))
    row.put(width - _MARGIN - len(note), note, Ink(colour, ground))
    return row


def _draw_head(row: Line, table: Table, palette: Palette) -> None:
    """Write whose table the chosen row is in, whose own heading may be out of sight."""
    x = row.put(
        _MARGIN, f"{word_of(table.semantics)}, {table.kind}", Ink(palette.text, palette.panel, bold=True)
    )
    letters = table.semantics.lettered(is_protocol=table.is_protocol)
    meanings = " · ".join(f"{each.letter} {each.name.lower()}" for each in letters)
    start = row.width - len(meanings) - _MARGIN
    if start > x + 1:
        row.put(start, meanings, Ink(palette.dim, palette.panel))


def _draw_foot(rows: list[Line], table: Table, entry: Entry, palette: Palette) -> None:
    """Write what the chosen row says, where it is, and what the keys do."""
    width = rows[0].width
    rows[0].put(_MARGIN, "─" * (width - 2 * _MARGIN), Ink(palette.rule, palette.panel))
    state = state_of_flags(table.semantics, entry.row.flags, is_protocol=table.is_protocol)
    draw_swatch(rows[1], _MARGIN, state.paint, palette)
    x = rows[1].put(_MARGIN + 3, f"{entry.letters:<4}  ", Ink(palette.text, palette.panel, bold=True))
    for row, words in zip(rows[1:3], wrapped(entry.row.words, width - x - _MARGIN), strict=False):
        row.put(x, words, Ink(palette.text, palette.panel))
    place = entry.place
    if place:
        layer = f" (layer {place.depth})" if place.has_axis else " (tables only)"
        layer = layer if width >= NARROW else ""
        where = f"{format_size(place.length)}, first at {place.offset:#x} of "
        name = shorten(base_name(printable(place.name)), width - x - _MARGIN - len(where) - len(layer))
        rows[3].put(x, f"{where}{name}{layer}", Ink(palette.text, palette.panel))
    else:
        shown = f"blockstrata demo {entry.scenario} shows it" if entry.scenario else "and in no scenario"
        rows[3].put(x, f"not in this image; {shown}", Ink(palette.dim, palette.panel))
    put_keys(rows[5], _MARGIN, _KEYS[: None if place and place.has_axis else -1], palette)


class TableView(DrawnList):
    """Shows tables, one of their entries chosen."""

    tables: reactive[tuple[Table, ...]] = reactive((), always_update=True)

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette

    @property
    def count(self) -> int:
        """How many entries there are."""
        return len(entries_of(self.tables))

    def draw(self, width: int, height: int) -> list[Line]:
        """Return the lines."""
        return draw_tables(self.tables, self.at, self._palette, width, height)
