"""Keys and what they do; the bar below has them, or a note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockstrata_viewer.draw.lines import Ink, Line, clip
from blockstrata_viewer.draw.palette import palette_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blockstrata_viewer.draw.palette import Palette
    from blockstrata_viewer.model.scene import Scene


def put_keys(line: Line, x: int, keys: Sequence[tuple[str, str]], palette: Palette) -> None:
    """Write keys and what they do, one after another."""
    for key, words in keys:
        x = line.put(x, key, Ink(palette.accent, palette.panel, bold=True))
        x = line.put(x + 1, words, Ink(palette.dim, palette.panel)) + 2


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
    put_keys(row, 2, shown, palette)
    return row
