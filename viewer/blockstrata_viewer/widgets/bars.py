"""The bars above and below: title, legend, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from blockstrata.semantics import SWITCH
from blockstrata.semantics.nbd import wire_of
from blockstrata.text.printable import base_name, printable
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.layout import NARROW
from blockstrata_viewer.draw.lines import Ink, Line, clip, shorten
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.widgets.inspector import draw_swatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.filter import LineFilter

    from blockstrata.semantics.table import Semantics
    from blockstrata_viewer.model.scene import Scene
    from blockstrata_viewer.model.states import State


_DIFFERENCES: Final = "differences only"


def draw_title(scene: Scene, width: int, place: str = "") -> Line:
    """Return the title: name, layers, sizes, and the switch between semantics on the right.

    ``place`` tells which of several images this is, as in ``2/3``.
    """
    palette, disk = palette_of(scene), scene.disk
    row = Line(width, Ink(palette.text, palette.panel))
    badges = _badges(scene.semantics)
    switch_at = width - sum(len(word) + 2 for word in badges) - 1
    row.put(1, "▚", Ink(palette.accent, palette.panel))
    row.put(3, "blockstrata", Ink(palette.text, palette.panel, bold=True))
    facts = _facts(scene, place)
    end = switch_at - (10 if width >= NARROW else 2)
    name = base_name(disk.layers[0].name)
    while len(facts) > 1 and 17 + min(len(name), 20) + 3 + len("  ·  ".join(facts)) > end:
        facts.pop()
    tail = "  ·  ".join(facts)
    room = max(8, end - 17 - 3 - len(tail))
    at = row.put(17, shorten(name, room), Ink(palette.paints[0], palette.panel, bold=True))
    row.put(at + 3, clip(tail, end - at - 3), Ink(palette.dim, palette.panel))
    if width >= NARROW:
        row.put(switch_at - 7, "flags", Ink(palette.dim, palette.panel))
    for badge, chosen in badges.items():
        ink = Ink(palette.on_badge, palette.badge, bold=True) if chosen else Ink(palette.dim, palette.rule)
        word = f"[{badge}]" if chosen and palette.is_mono else f" {badge} "
        switch_at = row.put(switch_at, word, ink)
    return row


def _badges(chosen: Semantics) -> dict[str, bool]:
    """Return the words of the switch, in order, and whether each is the chosen one."""
    return {
        chosen.word if switch == chosen.switch else switch: switch == chosen.switch
        for switch in dict.fromkeys(semantics.switch for semantics in SWITCH)
    }


def _facts(scene: Scene, place: str) -> list[str]:
    disk = scene.disk
    facts = [place] if place else []
    if disk.chain.gap:
        facts.append("chain incomplete")
    if disk.round_trip:
        facts.append(f"round trip, {disk.round_trip.name}")
    elif scene.entered_from:
        facts.append(f"the file of layer {scene.file_depth}")
    else:
        facts.append(_count(len(disk.layers), "layer"))
    facts.append(f"{format_size(disk.size)} {'of file' if disk.is_file else 'virtual'}")
    if disk.allocated is not None:
        facts.append(f"{format_size(disk.allocated)} allocated")
    snapshot = getattr(disk.layers[0].node, "snapshot", None)
    if snapshot:
        facts.insert(0, f"at snapshot {printable(snapshot.name or snapshot.id)}")
    return facts


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def draw_legend(scene: Scene, width: int) -> Line:
    """Return the legend: every state of the chain under the semantics in force, and its share.

    Words say what letters do; without room for all words, the letters are explained on the right instead.
    Where that does not fit either, shares go first, then the explanation, then states, those that the
    selected track has none of before the others; "…" says that states are missing.  That only differences
    are shown is said whatever room there is.
    """
    palette = palette_of(scene)
    row = Line(width, Ink(palette.text, palette.page))
    shares = _shares(scene)
    if scene.differences:
        whole, width = width, max(0, width - len(_DIFFERENCES) - 2)
        row.put(whole - len(_DIFFERENCES) - 2, _DIFFERENCES, Ink(palette.accent, palette.page, bold=True))
    meanings = "" if scene.differences else _meanings(scene)
    explained = len(meanings) + 4 if meanings else 0
    for shape, gap, more in (("all", 2, 0), ("share", 2, explained), ("none", 2, explained), ("none", 2, 0)):
        entries = [_entry(state, share, shape) for state, share in shares]
        if _legend_width(entries, gap) + more < width:
            break
    else:
        gap = 1
    kept = list(range(len(entries)))
    while kept and _legend_width([entries[nth] for nth in kept], gap) + _more(kept, entries) >= width:
        # of those that have as much, the last one
        kept.remove(min(kept, key=lambda nth: (shares[nth][1], -nth)))
    at = 2
    for nth in kept:
        draw_swatch(row, at, shares[nth][0].paint, palette)
        at += 2
        letters, word, share = entries[nth]
        for part, ink in (
            (letters, Ink(palette.text, palette.page, bold=True)),
            (word, Ink(palette.text, palette.page)),
            (share, Ink(palette.dim, palette.page)),
        ):
            at = row.put(at + 1, part, ink) if part else at
        at += gap
    at = row.put(at, "…" if _more(kept, entries) else "", Ink(palette.text, palette.page))
    if meanings and at + len(meanings) + 4 < width + gap:
        row.put(width - len(meanings) - 2, meanings, Ink(palette.dim, palette.page))
    return row


def _meanings(scene: Scene) -> str:
    """Return what letters stand for; on a round trip, D and Z say more than H and Z."""
    wire = wire_of(scene.semantics) if scene.disk.round_trip else None
    lettered = (wire.base if wire else scene.semantics).lettered(is_protocol=scene.disk.is_file)
    return " · ".join(f"{each.letter} {each.name.lower()}" for each in lettered)


_Entry = tuple[str, str, str]


def _entry(state: State, share: float, shape: str) -> _Entry:
    """Return letters, word and share of a state; one without letters has its word in any shape."""
    word = state.short if shape == "all" or not state.letters else ""
    return state.letters, word, "" if shape == "none" else _percent(share)


def _legend_width(entries: Sequence[_Entry], gap: int) -> int:
    """Return the cells of a margin and of entries: a swatch of two, what is said, and a gap after it."""
    return 2 + sum(2 + sum(1 + len(part) for part in entry if part) + gap for entry in entries) - gap


def _more(kept: Sequence[int], entries: Sequence[_Entry]) -> int:
    """Return the cells of the sign that there are more entries, 0 if there are none."""
    return 3 if len(kept) < len(entries) else 0


def _percent(share: float) -> str:
    """Return a share for people; what is there is never 0.0%."""
    return "" if share == 0 else "<0.1%" if share < 0.0005 else f"{100 * share:.1f}%"


def _shares(scene: Scene) -> list[tuple[State, float]]:
    """Return each state that occurs in the chain, in stacking order, with its share of the selected track."""
    disk = scene.disk
    found: dict[State, int] = {}
    for track in (disk.guest, *disk.tracks):
        for state, total in zip(track.states(scene.semantics), track.shares.totals().tolist(), strict=True):
            # a state may be left that nothing has any more: UNREAD, once all that was is summarised
            if total:
                found[state] = found.get(state, 0) + (total if track is scene.track else 0)
    whole = max(1, sum(found.values()))
    ordered = sorted(found.items(), key=lambda item: (item[0].paint, item[0].letters))
    return [(state, total / whole) for state, total in ordered]


def draw_keys(scene: Scene, width: int, keys: Sequence[tuple[str, str]], note: str) -> Line:
    """Return the footer: a note, how far reading is, or keys and what they do; the last two always fit."""
    palette = palette_of(scene)
    note = note or str(scene.disk.loading or "")
    row = Line(width, Ink(palette.text, palette.panel))
    if note:
        row.put(2, clip(note, width - 4), Ink(palette.text, palette.panel, bold=True))
        return row
    sizes = [len(key) + len(words) + 3 for key, words in keys]
    room = width - 2
    shown = list(keys)
    while sum(sizes) > room and len(shown) > 2:
        del shown[-3], sizes[-3]
    at = 2
    for key, words in shown:
        at = row.put(at, key, Ink(palette.accent, palette.panel, bold=True))
        at = row.put(at + 1, words, Ink(palette.dim, palette.panel)) + 2
    return row


class Bar(Widget):
    """One line of the screen: a scene, drawn by the function that it is given."""

    DEFAULT_CSS = "Bar { height: 1; }"

    scene: reactive[Scene | None] = reactive(None, always_update=True)

    def __init__(self, draw: Callable[[Scene, int], Line], id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._draw = draw

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return none: the colours are already the terminal's."""
        return []

    def render_line(self, y: int) -> Strip:  # noqa: ARG002
        """Return the line."""
        width = self.size.width
        return self._draw(self.scene, width).strip() if self.scene else Strip.blank(width)
