"""The legend: every state of the chain under the semantics in force, in as much room as there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blockstrata_viewer.draw.lines import Ink, Line
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.strips import draw_swatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blockstrata_viewer.model.scene import Scene
    from blockstrata_viewer.model.states import State

_DIFFERENCES: Final = "differences only"

_Entry = tuple[str, str, str]
"""Letters, word and share of a state."""


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
    lettered = (scene.wire.base if scene.wire else scene.semantics).lettered(is_protocol=scene.disk.is_file)
    return " · ".join(f"{each.letter} {each.name.lower()}" for each in lettered)


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
        for state, total in track.by_state(scene.semantics).items():
            found[state] = found.get(state, 0) + (total if track is scene.track else 0)
    whole = max(1, sum(found.values()))
    ordered = sorted(found.items(), key=lambda item: (item[0].paint, item[0].letters))
    return [(state, total / whole) for state, total in ordered]
