"""The bars above and below: title, legend, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from blockstrata.printable import printable
from blockstrata.semantics import SEMANTICS
from blockstrata.sizes import format_size
from blockstrata_viewer.layout import NARROW
from blockstrata_viewer.rows import Ink, Row, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blockstrata_viewer.palette import Palette, State
    from blockstrata_viewer.scene import Scene


def draw_title(scene: Scene, width: int) -> Row:
    """Return the title: name, layers, sizes, and the switch between semantics on the right."""
    palette, disk = scene.palette, scene.disk
    row = Row(width, Ink(palette.text, palette.panel))
    switch_at = width - sum(len(each.switch) + 2 for each in SEMANTICS) - 1
    row.put(1, "▚", Ink(palette.accent, palette.panel))
    row.put(3, "blockstrata", Ink(palette.text, palette.panel, bold=True))
    layers = len(disk.layers)
    facts = [
        f"{layers} layer" + ("" if layers == 1 else "s"),
        f"{format_size(disk.size)} virtual",
        f"{format_size(disk.guest.allocated(scene.semantics))} allocated",
    ]
    if disk.chain.gap:
        facts.insert(0, "chain incomplete")
    while facts and len("   ".join(facts)) > (switch_at - 18) // 2:
        facts.pop()
    tail = "  ·  ".join(facts)
    name = printable(disk.layers[0].name.rpartition("/")[2])
    at = row.put(
        17,
        shorten(name, max(8, switch_at - 20 - len(tail))),
        Ink(palette.paints[0], palette.panel, bold=True),
    )
    row.put(at + 3, tail, Ink(palette.dim, palette.panel))
    if width >= NARROW:
        row.put(switch_at - 7, "flags", Ink(palette.dim, palette.panel))
    for semantics in SEMANTICS:
        chosen = semantics is scene.semantics
        ink = Ink(palette.on_accent, palette.accent, bold=True) if chosen else Ink(palette.dim, palette.rule)
        switch_at = row.put(switch_at, f" {semantics.switch} ", ink)
    return row


def draw_legend(scene: Scene, width: int) -> Row:
    """Return the legend: every state of the chain under the semantics in force, and its share."""
    from blockstrata_viewer.widgets.inspector import draw_swatch  # noqa: PLC0415

    palette = scene.palette
    row = Row(width, Ink(palette.text, palette.page))
    _shares(scene)
    entries = [(state, [state.short, f"{100 * share:.1f}%"]) for state, share in _shares(scene)]
    # words and shares, words alone, or nothing but letters: whichever has room
    for words_shown in (2, 1, 0):
        widths = [6 + len(" ".join([state.letters, *words[:words_shown]])) for state, words in entries]
        if sum(widths) <= width:
            break
    at = 2
    for (state, words), needed in zip(entries, widths, strict=True):
        if at + needed - 3 > width:
            break
        draw_swatch(row, at, state.paint, palette)
        at = row.put(at + 3, state.letters, Ink(palette.text, palette.page, bold=True))
        for word, colour in zip(words[:words_shown], (palette.dim, palette.faint), strict=False):
            at = row.put(at + 1, word, Ink(colour, palette.page))
        at += 2
    return row


def _shares(scene: Scene) -> list[tuple[State, float]]:
    """Return each state that occurs in the chain, in stacking order, with its share of the selected track."""
    disk = scene.disk
    found: dict[State, int] = {}
    for track in (disk.guest, *disk.tracks):
        for state in track.states(scene.semantics):
            found.setdefault(state, 0)
    totals = scene.track.shares.totals().tolist()
    for state, total in zip(scene.track.states(scene.semantics), totals, strict=True):
        found[state] += total
    whole = max(1, sum(totals))
    ordered = sorted(found.items(), key=lambda item: (item[0].paint, item[0].letters))
    return [(state, total / whole) for state, total in ordered]


def draw_keys(keys: Sequence[tuple[str, str]], palette: Palette, width: int) -> Row:
    """Return the footer: keys and what they do, as many as there is room for."""
    row = Row(width, Ink(palette.text, palette.panel))
    at = 2
    for key, words in keys:
        if at + len(key) + len(words) + 1 > width - 1:
            break
        at = row.put(at, key, Ink(palette.accent, palette.panel, bold=True))
        at = row.put(at + 1, words, Ink(palette.dim, palette.panel)) + 2
    return row


class Title(Widget):
    """The title of a scene."""

    DEFAULT_CSS = "Title { height: 1; }"
    scene: reactive[Scene | None] = reactive(None, always_update=True)

    def render_line(self, y: int) -> Strip:  # noqa: ARG002
        """Return the one line."""
        width = self.size.width
        return draw_title(self.scene, width).strip() if self.scene else Strip.blank(width)


class Legend(Widget):
    """The legend of a scene."""

    DEFAULT_CSS = "Legend { height: 1; }"
    scene: reactive[Scene | None] = reactive(None, always_update=True)

    def render_line(self, y: int) -> Strip:  # noqa: ARG002
        """Return the one line."""
        width = self.size.width
        return draw_legend(self.scene, width).strip() if self.scene else Strip.blank(width)


class Keys(Widget):
    """The footer: the app's bindings."""

    DEFAULT_CSS = "Keys { height: 1; }"
    scene: reactive[Scene | None] = reactive(None, always_update=True)

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.keys = keys

    def render_line(self, y: int) -> Strip:  # noqa: ARG002
        """Return the one line."""
        width = self.size.width
        return draw_keys(self.keys, self.scene.palette, width).strip() if self.scene else Strip.blank(width)
