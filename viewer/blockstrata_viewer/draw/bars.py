"""The bars: the title above, the legend and the keys below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from blockstrata.semantics.historic import HISTORIC
from blockstrata.semantics.proposed import PROPOSED
from blockstrata.text.printable import base_name, printable
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.layout import NARROW
from blockstrata_viewer.draw.lines import Ink, Line, clip, put_keys, shorten
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.strips import draw_swatch
from blockstrata_viewer.draw.units import counted, percents
from blockstrata_viewer.model.asking import betrays
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.states import Paint
from blockstrata_viewer.model.switch import switches

_DIFFERENCES: Final = "differences only"
_ASKED: Final = "the legend is hidden until you answer the question"
_LEGEND_ROWS: Final = 2
_OF_USES: Final = 4
"""Rows that the legend has at most; that of what a file is used for, where there is room."""
_SHAPES: Final = ((True, 2), (True, 1), (False, 2), (False, 1))
"""Whether the legend has shares, and the cells between its entries: the first that there is room for."""


def draw_title(scene: Scene, width: int, place: str = "") -> Line:
    """Return the title: name, layers, sizes, and the switch between semantics on the right.

    ``place`` tells which of several images this is, as in ``2/3``.
    """
    palette, disk = palette_of(scene), scene.disk
    row = Line(width, Ink(palette.text, palette.panel))
    badges = switches(scene.semantics)
    switch_at = width - sum(len(word) + 2 for word, _ in badges) - 1
    row.put(1, "▚", Ink(palette.accent, palette.panel))
    facts = _facts(scene, place)
    end = switch_at - (10 if width >= NARROW else 2)
    name = base_name(disk.layers[0].name)
    at = 17
    while len(facts) > 1 and at + min(len(name), 20) + 3 + len("  ·  ".join(facts)) > end:
        facts.pop()
    tail = "  ·  ".join(facts)
    if at + len(name) + 3 + len(tail) > end and width < NARROW:
        # what is shown tells more than by what
        at = 3
    else:
        row.put(3, "blockstrata", Ink(palette.text, palette.panel, bold=True))
    room = max(8, end - at - 3 - len(tail))
    at = row.put(at, shorten(name, room), Ink(palette.paints[0], palette.panel, bold=True))
    row.put(at + 3, clip(tail, end - at - 3), Ink(palette.dim, palette.panel))
    if width >= NARROW:
        row.put(switch_at - 7, "flags", Ink(palette.dim, palette.panel))
    for badge, semantics in badges:
        is_chosen = semantics is scene.semantics
        ink = Ink(palette.on_badge, palette.badge, bold=True) if is_chosen else Ink(palette.dim, palette.rule)
        word = f"[{badge}]" if is_chosen and palette.is_mono else f" {badge} "
        switch_at = row.put(switch_at, word, ink, f"under({semantics.name!r})")
    return row


def _facts(scene: Scene, place: str) -> list[str]:
    disk = scene.disk
    facts = [place] if place else []
    if disk.chain.missing:
        facts.append("chain incomplete")
    if number := sum(map(len, disk.faults)):
        facts.append(counted(number, "fault"))
    if disk.round_trip:
        facts += ["round trip, r goes back", f"of {disk.round_trip.name}"]
    elif scene.entered_from:
        facts.append(f"the file of layer {scene.file_depth}, v goes back")
    else:
        facts.append(counted(len(disk.layers), "layer"))
    facts.append(f"{format_size(disk.size)} {'of file' if disk.is_file else 'virtual'}")
    if disk.allocated is not None:
        facts.append(f"{format_size(disk.allocated)} stored")
    snapshot = getattr(disk.layers[0].node, "snapshot", None)
    if snapshot:
        facts.insert(0, f"at snapshot {printable(snapshot.name or snapshot.id)}")
    return facts


class _Entry:
    """What the legend says of a state: letters, words, and how many bytes of the selected track it has."""

    def __init__(self, paint: Paint, letters: str, short: str) -> None:
        self.paint = paint
        self.letters = letters
        self.short = short
        self.amount = 0
        self.share = ""
        """Its part of the selected track: a percentage, or bytes where that is what a file is used for."""

    def parts(self, *, shares: bool) -> list[str]:
        """Return what is said of it, in its three inks; what is empty is left out."""
        return [self.letters, self.short, self.share if shares else ""]

    def width(self, *, shares: bool) -> int:
        """Return the cells of a swatch of two and of what is said."""
        return 2 + sum(1 + len(part) for part in self.parts(shares=shares) if part)


def legend_rows(scene: Scene, width: int) -> int:
    """Return how many rows the legend takes, whichever layer is selected, today or proposed."""
    compared = {scene.semantics} if scene.disk.round_trip else {scene.semantics, HISTORIC, PROPOSED}
    kept = scene.disk.guest.kept
    key = ("legend rows", width, frozenset(each.name for each in compared), scene.differences, scene.selected)
    if key not in kept:
        kept[key] = max(_rows_under(scene.drawn(semantics=each), width) for each in compared)
    rows: int = kept[key]
    return rows


def _rows_under(scene: Scene, width: int) -> int:
    entries = _entries(scene)
    for entry in entries:
        # whatever the share is that it has in a layer
        entry.share = entry.share if scene.uses else "100.0%"
    return len(_arranged(entries, scene, width, _most_rows(scene, width))[0])


def _most_rows(scene: Scene, width: int) -> int:
    return _OF_USES - (width < NARROW) if scene.uses else _LEGEND_ROWS


def draw_legend(scene: Scene, width: int, height: int = _LEGEND_ROWS) -> list[Line]:
    """Return the legend: every state of the chain under the semantics in force, in words, and its share.

    Where that takes more rows than there are, shares go first, then states, those that the selected track has
    least of before the others; it is said how many.  What letters mean stands on the right if there is room,
    and that only differences are shown is said whatever room there is.
    """
    palette = palette_of(scene)
    is_asked = betrays("legend", scene.asking)
    lines, shares, gap, missing = _arranged([] if is_asked else _entries(scene), scene, width, height)
    rows = [Line(width, Ink(palette.text, palette.page)) for _ in range(height)]
    at = 2
    for row, entries in zip(rows, lines, strict=False):
        at = 2
        for entry in entries:
            at = _put_entry(row, at, entry, scene, shares=shares) + gap
    last = rows[len(lines) - 1]
    if is_asked:
        at = last.put(2, _ASKED, Ink(palette.dim, palette.page))
    at = last.put(at, f"… {missing} more" if missing else "", Ink(palette.text, palette.page))
    if scene.differences:
        ink = Ink(palette.accent, palette.page, bold=True)
        rows[0].put(width - len(_DIFFERENCES) - 2, _DIFFERENCES, ink)
    if scene.differences or scene.uses:
        return rows
    # on a round trip, D and Z say more than H and Z
    lettered = (scene.wire.base if scene.wire else scene.semantics).lettered(is_protocol=scene.disk.is_file)
    meanings = " · ".join(f"{each.letter} {each.name.lower()}" for each in lettered)
    for row, end in ((last, at), *((row, 0) for row in rows[len(lines) :])):
        if end + len(meanings) + 4 < width:
            row.put(width - len(meanings) - 2, meanings, Ink(palette.dim, palette.page))
            break
    return rows


def _put_entry(row: Line, at: int, entry: _Entry, scene: Scene, *, shares: bool) -> int:
    """Put an entry into a row and return the cell after it; a click on it shows its state alone.

    The one that is alone stands out; one that is hidden has no swatch.
    """
    palette, start = palette_of(scene), at
    labels = entry.letters.split() or [entry.short]
    is_hidden = not scene.hidden.isdisjoint(labels)
    plain = Ink(palette.dim if is_hidden else palette.text, palette.page)
    bold = Ink(palette.on_badge, palette.badge, bold=True) if scene.isolated in labels else plain
    inks = (bold._replace(bold=True), plain if entry.letters else bold, Ink(palette.dim, palette.page))
    if not is_hidden:
        draw_swatch(row, at, entry.paint, palette)
    at += 2
    for text, ink in zip(entry.parts(shares=shares), inks, strict=True):
        at = row.put(at + 1, text, ink) if text else at
    row.on_click(start, at, f"isolate({labels[0]!r})")
    letters_at = start + 3
    for label in labels:
        # where several are one entry, each has its letters
        row.on_click(letters_at, letters_at + len(label), f"isolate({label!r})")
        letters_at += len(label) + 1
    return at


def _arranged(
    entries: list[_Entry], scene: Scene, width: int, rows: int
) -> tuple[list[list[_Entry]], bool, int, int]:
    """Return the legend's entries row by row, whether with shares, the gap, and how many are missing."""
    ends = [width - 2] * rows
    if scene.differences:
        ends[0] -= len(_DIFFERENCES) + 2
    for shares, gap in _SHAPES:
        lines = _filled(entries, ends, gap, shares=shares)
        if lines is not None:
            return lines, shares, gap, 0
    kept = _together(entries)
    lines = _filled(kept, ends, gap, shares=False)
    ends[-1] -= len(f"… {len(entries)} more")
    while kept and lines is None:
        # of those that have as much, the last one
        kept.remove(min(reversed(kept), key=lambda entry: entry.amount))
        lines = _filled(kept, ends, gap, shares=False)
    return lines or [[]], False, gap, len(_together(entries)) - len(kept)


def _filled(
    entries: Sequence[_Entry], ends: Sequence[int], gap: int, *, shares: bool
) -> list[list[_Entry]] | None:
    """Return entries in rows that end at some cells, None if they do not fit."""
    lines: list[list[_Entry]] = [[]]
    at = 2
    for entry in entries:
        length = entry.width(shares=shares)
        if at + length > ends[len(lines) - 1] and (lines[-1] or len(lines) < len(ends)):
            if len(lines) == len(ends):
                return None
            lines.append([])
            at = 2
        lines[-1].append(entry)
        at += length + gap
    return None if at - gap > ends[len(lines) - 1] and lines[-1] else lines


def _entries(scene: Scene) -> list[_Entry]:
    """Return each state that occurs in the chain, in stacking order, with its share of the selected track.

    On a round trip the stations speak of the same: what looks alike and is called alike is one entry.
    """
    disk = scene.disk
    found: dict[tuple[Paint, str, str], _Entry] = {}
    # what a file is used for is enough to say, and what its storage is has letters
    for track in (scene.uses,) if scene.uses else (disk.guest, *disk.tracks):
        for state, total in track.by_state(scene.semantics).items():
            key = state.paint, state.letters, state.short
            entry = found.setdefault(key, _Entry(*key))
            entry.amount += total if track is scene.track else 0
    entries = [found[key] for key in sorted(found)]
    if disk.round_trip:
        entries = _together(entries)
    amounts = [entry.amount for entry in entries]
    shares = list(map(format_size, amounts)) if scene.uses else percents(amounts)
    for entry, share in zip(entries, shares, strict=True):
        entry.share = share if entry.amount else ""
    return entries


def _together(entries: Sequence[_Entry]) -> list[_Entry]:
    """Return entries of which those that look alike and are called alike are one, with all their letters."""
    found: dict[tuple[Paint, str], _Entry] = {}
    for entry in entries:
        one = found.setdefault((entry.paint, entry.short), _Entry(entry.paint, "", entry.short))
        one.letters = f"{one.letters} {entry.letters}".strip()
        one.amount += entry.amount
    return list(found.values())


def draw_keys(scene: Scene, width: int, keys: Sequence[tuple[str, ...]], note: str) -> Line:
    """Return the footer: a note, how far reading is, or keys and what they do; the last two always fit."""
    palette = palette_of(scene)
    note = note or str(scene.disk.loading or "")
    row = Line(width, Ink(palette.text, palette.panel))
    if note:
        row.put(2, clip(note, width - 4), Ink(palette.text, palette.panel, bold=True))
        return row
    shown = list(keys)
    if scene.disk.round_trip:
        shown.insert(0, ("r", "back", "round_trip"))
    elif scene.entered_from:
        # the key that led here
        shown.sort(key=lambda each: each[1] != "file")
        shown[0] = (shown[0][0], "back", *shown[0][2:])
    while len(shown) > 2 and sum(len(key) + len(words) + 3 for key, words, *_ in shown) > width - 2:
        del shown[-3]
    put_keys(row, 2, shown, palette)
    return row
