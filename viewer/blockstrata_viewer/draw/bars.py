"""The bars, a line each: the title above, the legend and the keys below."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from blockstrata.semantics import SWITCH
from blockstrata.text.printable import base_name, printable
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.layout import NARROW
from blockstrata_viewer.draw.lines import Ink, Line, clip, put_keys, shorten
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.strips import draw_swatch
from blockstrata_viewer.draw.units import counted
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.states import State

_DIFFERENCES: Final = "differences only"

_Entry = tuple[State, float, tuple[str, str, str]]
"""A state, its share, and what is said of it: letters, word and share."""


def draw_title(scene: Scene, width: int, place: str = "") -> Line:
    """Return the title: name, layers, sizes, and the switch between semantics on the right.

    ``place`` tells which of several images this is, as in ``2/3``.
    """
    palette, disk = palette_of(scene), scene.disk
    row = Line(width, Ink(palette.text, palette.panel))
    chosen = scene.semantics
    switches = dict.fromkeys(semantics.switch for semantics in SWITCH)
    badges = [chosen.word if switch == chosen.switch else switch for switch in switches]
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
    for badge in badges:
        is_chosen = badge == chosen.word
        ink = Ink(palette.on_badge, palette.badge, bold=True) if is_chosen else Ink(palette.dim, palette.rule)
        word = f"[{badge}]" if is_chosen and palette.is_mono else f" {badge} "
        switch_at = row.put(switch_at, word, ink)
    return row


def _facts(scene: Scene, place: str) -> list[str]:
    disk = scene.disk
    facts = [place] if place else []
    if disk.chain.missing:
        facts.append("chain incomplete")
    if disk.round_trip:
        facts.append(f"round trip, {disk.round_trip.name}")
    elif scene.entered_from:
        facts.append(f"the file of layer {scene.file_depth}")
    else:
        facts.append(counted(len(disk.layers), "layer"))
    facts.append(f"{format_size(disk.size)} {'of file' if disk.is_file else 'virtual'}")
    if disk.allocated is not None:
        facts.append(f"{format_size(disk.allocated)} allocated")
    snapshot = getattr(disk.layers[0].node, "snapshot", None)
    if snapshot:
        facts.insert(0, f"at snapshot {printable(snapshot.name or snapshot.id)}")
    return facts


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
    # on a round trip, D and Z say more than H and Z
    lettered = (scene.wire.base if scene.wire else scene.semantics).lettered(is_protocol=scene.disk.is_file)
    meanings = " · ".join(f"{each.letter} {each.name.lower()}" for each in lettered)
    meanings = "" if scene.differences else meanings
    explained = len(meanings) + 4 if meanings else 0
    for shape, gap, more in (("all", 2, 0), ("share", 2, explained), ("none", 2, explained), ("none", 2, 0)):
        entries = [(state, share, _said(state, share, shape)) for state, share in shares]
        if _legend_width(entries, gap) + more < width:
            break
    else:
        gap = 1
    kept = entries.copy()
    while kept and _legend_width(kept, gap) + (3 if len(kept) < len(entries) else 0) >= width:
        # of those that have as much, the last one
        kept.remove(min(reversed(kept), key=itemgetter(1)))
    plain = Ink(palette.text, palette.page)
    inks = (plain._replace(bold=True), plain, Ink(palette.dim, palette.page))
    at = 2
    for state, _, said in kept:
        draw_swatch(row, at, state.paint, palette)
        at += 2
        for text, ink in zip(said, inks, strict=True):
            at = row.put(at + 1, text, ink) if text else at
        at += gap
    at = row.put(at, "…" if len(kept) < len(entries) else "", plain)
    if meanings and at + len(meanings) + 4 < width + gap:
        row.put(width - len(meanings) - 2, meanings, Ink(palette.dim, palette.page))
    return row


def _said(state: State, share: float, shape: str) -> tuple[str, str, str]:
    """Return letters, word and share of a state; one without letters has its word in any shape."""
    word = state.short if shape == "all" or not state.letters else ""
    # what is there is never 0.0%
    percent = "" if share == 0 else "<0.1%" if share < 0.0005 else f"{100 * share:.1f}%"
    return state.letters, word, "" if shape == "none" else percent


def _legend_width(entries: Sequence[_Entry], gap: int) -> int:
    """Return the cells of a margin and of entries: a swatch of two, what is said, and a gap after it."""
    return 2 + sum(2 + sum(1 + len(part) for part in said if part) + gap for _, _, said in entries) - gap


def _shares(scene: Scene) -> list[tuple[State, float]]:
    """Return each state that occurs in the chain, in stacking order, with its share of the selected track."""
    disk = scene.disk
    found: dict[State, int] = {}
    for track in (disk.guest, *disk.tracks):
        for state, total in track.by_state(scene.semantics).items():
            found[state] = found.get(state, 0) + (total if track is scene.track else 0)
    whole = max(1, sum(found.values()))
    ordered = sorted(found.items(), key=lambda item: (item[0].paint, item[0].letters))
    return [(state, total / whole) for state, total in ordered]


def draw_keys(scene: Scene, width: int, keys: Sequence[tuple[str, ...]], note: str) -> Line:
    """Return the footer: a note, how far reading is, or keys and what they do; the last two always fit."""
    palette = palette_of(scene)
    note = note or str(scene.disk.loading or "")
    row = Line(width, Ink(palette.text, palette.panel))
    if note:
        row.put(2, clip(note, width - 4), Ink(palette.text, palette.panel, bold=True))
        return row
    shown = list(keys)
    while len(shown) > 2 and sum(len(key) + len(words) + 3 for key, words, *_ in shown) > width - 2:
        del shown[-3]
    put_keys(row, 2, shown, palette)
    return row
