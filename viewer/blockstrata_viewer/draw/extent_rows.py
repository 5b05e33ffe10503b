"""The extent table, line by line: how many match, the columns' heads, and the rows there is room for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from rich.cells import cell_len

from blockstrata.facts.codes import NO_HOST, fact_words
from blockstrata.text.printable import base_name
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.lines import Ink, Line, clip, list_line, put_keys, shorten
from blockstrata_viewer.draw.palette import Palette, palette_of
from blockstrata_viewer.draw.strips import draw_swatch
from blockstrata_viewer.draw.units import short_count
from blockstrata_viewer.model.asking import betrays
from blockstrata_viewer.model.extent_table import COLUMNS, Found, Query, Row, row_of
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.states import Paint

HEAD: Final = 2
"""Lines over the rows: how many there are, and the columns' heads."""
_KEYS: Final = (
    ("↑ ↓", "row", "app.simulate_key('up')", "app.simulate_key('down')"),
    ("enter", "go there", "app.simulate_key('enter')"),
    ("/", "filter", "filter"),
    ("< >", "column", "app.simulate_key('less_than_sign')", "app.simulate_key('greater_than_sign')"),
    ("o", "order", "app.simulate_key('o')"),
    ("escape", "close", "app.simulate_key('escape')"),
)
"""Keys, what they do, and what a click on each does."""
_KEPT: Final = 512
"""Rows from which those that were drawn are given up."""
_MARGIN: Final = 2
_GAP: Final = 2
_SWATCH: Final = 3
"""Cells of a swatch and the blank after it."""
_LENGTH: Final = 8
"""Cells of a length: four digits, or three and a point, and a unit."""
_WORDS: Final = 6
"""Cells from which clipped words still say something."""
_PLACE: Final = 12
"""Cells from which it is worth while to show where on the disk an extent is."""
_NAME: Final = 20
"""Cells that the name of a layer takes at the most."""
_HOLLOW: Final = (Paint.ZERO, Paint.ZERO_AT_OFFSET, Paint.UNREAD, Paint.FALLS_THROUGH)
"""Paints that a thin line would not be seen in."""
WITHHELD: Final = "the extents are hidden until you answer the question"


@dataclass(frozen=True, slots=True)
class Look:
    """What to draw: of what a query found, the rows from ``first`` on, the row ``at`` marked if there is one.

    ``is_full``: with a line of keys at the foot.
    """

    query: Query
    found: Found
    first: int = 0
    at: int | None = None
    is_full: bool = False


class Column(NamedTuple):
    """A column: what it shows, its head, its first cell and how many it has."""

    key: str
    head: str
    x: int
    width: int
    is_right: bool = False

    @property
    def sorts(self) -> str:
        """What a click on the head sorts by, an empty string if nothing."""
        by = {"depth": "layer", "number": "start"}.get(self.key, self.key)
        return by if by in COLUMNS else ""


def room_for(height: int, *, is_full: bool) -> int:
    """Return how many rows of extents fit into so many lines."""
    return max(0, height - HEAD - is_full)


def rows_for(extents: int, *, is_full: bool) -> int:
    """Return how many lines so many extents take."""
    return extents + HEAD + is_full


def draw_extents(scene: Scene, look: Look, width: int, height: int) -> list[Line]:
    """Return the lines of the table.  Needs no app."""
    palette = palette_of(scene)
    lines = [_head(scene, look, width)]
    if betrays("extents", scene.asking):
        return lines
    columns = columns_of(scene, width)
    lines.append(_column_heads(columns, look.query, palette, width))
    room = room_for(height, is_full=look.is_full)
    kept = _kept(scene, columns, width)
    for nth, run in enumerate(look.found.runs(look.first, look.first + room), look.first):
        key = (run, nth == look.at)
        if key not in kept:
            row = row_of(scene.track, run, scene.semantics)
            kept[key] = _row(row, columns, palette, width, is_chosen=nth == look.at)
            if columns[-1].key == "place":
                _draw_place(kept[key], columns[-1], row, scene.disk.size, palette)
        lines.append(kept[key])
    if look.is_full:
        blank = Ink(palette.text, palette.page)
        lines = lines[: height - 1]
        lines += [Line(width, blank) for _ in range(height - 1 - len(lines))]
        foot = Line(width, Ink(palette.text, palette.panel))
        put_keys(foot, _MARGIN, _KEYS, palette)
        lines.append(foot)
    return lines


def _kept(scene: Scene, columns: list[Column], width: int) -> dict[tuple[int, bool], Line]:
    """Return the rows that were drawn of a track and look the same now, by run and whether it is chosen."""
    look = ("extents", scene.semantics, scene.colours, scene.theme, scene.disk.size, tuple(columns), width)
    kept: dict[tuple[int, bool], Line] = scene.track.kept.setdefault(look, {})
    if len(kept) >= _KEPT:
        kept.clear()
    return kept


def _head(scene: Scene, look: Look, width: int) -> Line:
    """Write how many extents match and their sum, what is asked for, and of which layer they are."""
    palette, track, found = palette_of(scene), scene.track, look.found
    line = Line(width, Ink(palette.text, palette.page))
    x = line.put(_MARGIN, "EXTENTS  ", Ink(palette.accent, palette.page, bold=True))
    name = scene.name_of(scene.selected)
    if betrays("extents", scene.asking):
        line.put(x, WITHHELD, Ink(palette.dim, palette.page))
        return line
    so_far = " so far" if found.progress.startswith("filter") else ""
    if look.query.filter.terms:
        count = f"{found.matched:,} of {len(track):,} match{so_far} · {format_size(found.total)}"
    else:
        count = f"{len(track):,} · {format_size(found.total)}"
    x = line.put(x, clip(count, width - _MARGIN - x), Ink(palette.text, palette.page, bold=True))
    more = [found.progress]
    if look.query.filter.terms:
        more.append(f"/ {look.query.filter.text}")
    if track.summaries:
        more.append(f"about {short_count(track.count)} in all; distant regions are kept only as sums")
    elif scene.disk.loading:
        more.append("still being read")
    text = "  ".join(filter(None, more))
    room = width - _MARGIN - x - 2
    x = line.put(x + 2, clip(text, room), Ink(palette.dim, palette.page)) if text and room > 8 else x
    room = width - _MARGIN - x - 4
    if room >= 12:
        name = shorten(name, room)
        line.put(width - _MARGIN - len(name), name, Ink(palette.dim, palette.page))
    return line


def _column_heads(columns: list[Column], query: Query, palette: Palette, width: int) -> Line:
    line = Line(width, Ink(palette.dim, palette.page))
    for column in columns:
        is_sorted = column.sorts == query.column and column.key != "number"
        arrow = ("▾" if query.is_descending else "▴") if is_sorted else ""
        text = clip(f"{column.head}{arrow}" if not column.is_right else f"{arrow}{column.head}", column.width)
        x = column.x + (column.width - len(text) if column.is_right else 0)
        colour = palette.accent if is_sorted else palette.dim
        line.put(x, text, Ink(colour, palette.page, bold=is_sorted))
        if column.sorts:
            line.on_click(column.x, column.x + column.width, f"sort_extents({column.sorts!r})")
    return line


def columns_of(scene: Scene, width: int) -> list[Column]:
    """Return the columns that there is room for, from the left; words take what the others leave.

    What is most wanted comes first: fact, layer and number are left out where there is no room, and where
    there is hardly any, host, words and length too.
    """
    track, semantics = scene.track, scene.semantics
    states = track.states(semantics)
    # uses have no letters
    head = "use" if scene.uses else "flags"
    widest = max((len(state.label if scene.uses else state.letters) for state in states), default=0)
    short = max((len(state.short) for state in states), default=0)
    words = max((len(state.words) for state in states), default=0)
    host = len(f"{track.highest_host:#x}") if track.highest_host != NO_HOST else 0
    # heads, and an arrow beside the one that is sorted by
    widths = {
        "start": max(len("start") + 1, len(f"{track.size:#x}")),
        "length": max(len("length") + 1, _LENGTH),
        "letters": _SWATCH + max(len(head) + 1, widest),
        "words": max(len("state") + 1, short),
        "host": max(len("host") + 1, host),
    }
    more = {"fact": max([len("fact") + 1, *(len(fact_words(code)) for code, _ in track.facts)])}
    more["number"] = max(len("#"), len(f"{len(track):,}"))
    if scene.selected == GUEST and not scene.disk.round_trip:
        # where a name has no room, the depth may have
        more = {"layer": _layer_width(scene), "depth": len("layer") + 1} | more
    for key, wide in more.items():
        if _taken(widths) + wide + _GAP <= width and not (key == "depth" and "layer" in widths):
            widths[key] = wide
    for key in ("host", "words", "length"):
        left = width - _taken(widths)
        if left < 0 and widths.get("words", 0) + left < _WORDS:
            del widths[key]
    left = width - _taken(widths)
    if left < 0 and "words" in widths:
        widths["words"] += left
    elif "words" in widths and words > short and widths["words"] + left >= words:
        left -= words - widths["words"]
        widths["words"] = words
    if left >= _PLACE + _GAP:
        widths["place"] = left - _GAP
    return _placed(widths, head)


def _taken(widths: dict[str, int]) -> int:
    return 2 * _MARGIN - _GAP + sum(wide + _GAP for wide in widths.values())


def _placed(widths: dict[str, int], letters: str) -> list[Column]:
    heads = (
        ("number", "#", True),
        ("start", "start", True),
        ("length", "length", True),
        ("letters", letters, False),
        ("words", "state", False),
        ("layer", "layer", False),
        ("depth", "layer", False),
        ("host", "host", True),
        ("fact", "fact", False),
        ("place", "on the disk", False),
    )
    columns, x = [], _MARGIN
    for key, head, is_right in heads:
        if key in widths:
            columns.append(Column(key, head, x, widths[key], is_right))
            x += widths[key] + _GAP
    return columns


def _layer_width(scene: Scene) -> int:
    layers = scene.track.view.layers
    longest = max(cell_len(base_name(layer.name)) for layer in layers)
    return max(len("layer") + 1, len(f"{len(layers) - 1} ") + min(_NAME, longest))


def _row(row: Row, columns: list[Column], palette: Palette, width: int, *, is_chosen: bool) -> Line:
    line, ground = list_line(width, palette, is_chosen=is_chosen, on=palette.page)
    text, dim = Ink(palette.text, ground, bold=is_chosen), Ink(palette.dim, ground)
    line.on_click(0, width, f"to_extent({row.start})")
    state = row.state
    for column in columns:
        x, wide = column.x, column.width
        match column.key:
            case "number":
                line.put(x, f"{row.run + 1:>{wide},}", dim)
            case "start":
                line.put(x, f"{row.start:>#{wide}x}", text)
            case "length":
                line.put(x, f"{format_size(row.length):>{wide}}", text)
            case "letters":
                draw_swatch(line, x, state.paint, palette)
                line.put(x + _SWATCH, state.label if column.head == "use" else state.letters, text)
            case "words":
                said = state.words if len(state.words) <= wide else state.short
                line.put(x, clip(said, wide), text)
            case "depth":
                line.put(x, f"{row.layer.depth}", text)
            case "layer":
                x = line.put(x, f"{row.layer.depth} ", dim)
                line.put(x, shorten(base_name(row.layer.name), column.x + wide - x), text)
            case "host":
                line.put(x, f"{row.host:>#{wide}x}" if row.host is not None else f"{'-':>{wide}}", dim)
            case "fact":
                line.put(x, clip(row.fact, wide), dim)
    return line


def _draw_place(line: Line, column: Column, row: Row, size: int, palette: Palette) -> None:
    """Draw where on the disk an extent is: heavy on a thin line."""
    ground = line.ink_at(column.x).bg
    colour = palette.dim if row.state.paint in _HOLLOW else palette.paints[row.state.paint]
    first = row.start * column.width // size
    last = max(first + 1, -(-(row.start + row.length) * column.width // size))
    line.put(column.x, "─" * column.width, Ink(palette.rule, ground))
    line.put(column.x + first, ("█" if palette.is_mono else "━") * (last - first), Ink(colour, ground))
