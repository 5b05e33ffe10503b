"""The help: what is on the screen, every key, and what the letters stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.screen import ModalScreen

from blockstrata_viewer.draw.lines import style_of, wrapped
from blockstrata_viewer.draw.looks import LOOKS, MARKS
from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.draw.strips import swatch_cell
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.states import Paint, state_of_flags
from blockstrata_viewer.model.switch import word_of
from blockstrata_viewer.screens.read_page import page_width
from blockstrata_viewer.widgets.dialog import ScrolledDialog
from blockstrata_viewer.widgets.plain import Words

_GUEST = (
    "This strip is what the guest reads. Each byte comes from the first layer, from the top, that does not "
    "defer. The ribbon under it shows which layer that is."
)
_LAYER = (
    "This strip is one layer as it stands in the chain. What it does not hold is an empty track: the read "
    "falls through to the layer below."
)
_FILE = (
    "This is the layer's file on its own axis: what each of its bytes is used for, and below that its "
    "storage, as the protocol layer says. enter lists all users of a byte; each leads to the guest. v or "
    "escape goes back to the guest's axis, to the byte that is stored under the cursor."
)
_TRIP = (
    "This is a round trip through NBD: what the image means, what a server says of it on the wire, what the "
    "client's node concludes, and where the two ends differ. S chooses the next NBD mapping, b goes to the "
    "next difference; r or escape goes back."
)
_MOUSE = (
    ("click", "place the cursor and choose the layer; press a button"),
    ("drag", "select a range, to see its length and contents; on the overview, move the window"),
    ("wheel", "zoom at the pointer; with shift, or sideways, pan"),
    ("20l", "a count before a key repeats it"),
)
_WIDE: Final = 150
"""Columns from which colours stand beside keys."""
_NARROW: Final = 96
"""Columns of which a page that is not wide takes its share at the most, as app.tcss has it."""


def _here(scene: Scene) -> str:
    if scene.disk.round_trip:
        return _TRIP
    if scene.disk.is_file:
        return _FILE
    return _GUEST if scene.selected == GUEST else _LAYER


class HelpScreen(ModalScreen[None]):
    """Explains the selected part, the colours and the letters, and lists the keys by what one wants to do."""

    BINDINGS: ClassVar = [Binding("escape,question_mark,f1,q,enter", "dismiss", "close")]

    def __init__(self, keys: Sequence[tuple[str, str, str]], scene: Scene | None, palette: Palette) -> None:
        """``keys``: for each of them what it is for, how it is typed, and what it does."""
        super().__init__()
        self._palette = palette
        self._accent = f"bold {palette.accent}"
        self._keys = keys
        self._scene = scene

    def compose(self) -> ComposeResult:
        """Compose the page: colours first, beside the keys where there is room."""
        is_wide = self.app.size.width >= _WIDE
        room = page_width(self.app.size.width if is_wide else min(self.app.size.width, _NARROW))
        room = room // 2 - 2 if is_wide else room
        looks, keys = (Words(column, classes="column") for column in (self._looks(room), self._listed(room)))
        parts = [Horizontal(looks, keys)] if is_wide else [looks, keys]
        yield ScrolledDialog(*parts, title="HELP", classes="wide" if is_wide else "")

    def _looks(self, room: int) -> Text:
        """Return what colours, letters and marks mean, and what is here, in so many columns."""
        page, scene = Text(), self._scene
        if scene is None:
            return page
        page.append("COLOURS AND TEXTURES\n", self._accent)
        for paint, words in LOOKS:
            _entry(page, self._swatch(paint), words, room)
        for mark, words in MARKS:
            _entry(page, Text(f"{mark:<2}", self._accent), words, room)
        semantics, is_file = scene.semantics, scene.disk.is_file
        page.append(f"\nLETTERS, {word_of(semantics)}  ", self._accent)
        page.append(f"{semantics.title}\n")
        for row in semantics.protocol_rows if is_file else semantics.format_rows:
            state = state_of_flags(semantics, row.flags, is_protocol=is_file)
            letters = Text(f"  {semantics.letters(row.flags, is_protocol=is_file)}", "bold")
            _entry(page, Text.assemble(self._swatch(state.paint), letters), row.words, room)
        page.append("\nHERE\n", self._accent)
        page.append("\n".join(wrapped(_here(scene), room)) + "\n\n")
        return page

    def _swatch(self, paint: Paint) -> Text:
        glyph, ink = swatch_cell(paint, self._palette)
        return Text(glyph * 2, style_of(ink))

    def _listed(self, room: int) -> Text:
        """Return the keys by what one wants to do, in so many columns."""
        page = Text()
        entries = (*self._keys, *(("mouse, and counts", *each) for each in _MOUSE))
        widest = max(len(keys) for _, keys, _ in entries)
        for group in dict.fromkeys(group for group, *_ in entries):
            page.append(f"{group.upper()}\n", self._accent)
            for of, keys, words in entries:
                if of == group:
                    _entry(page, Text(f"{keys:<{widest}}", "bold"), words, room)
            page.append("\n")
        page.rstrip()
        return page


def _entry(page: Text, head: Text, words: str, room: int) -> None:
    """Write what something means behind it; what has no room goes on under itself."""
    indent = 2 + head.cell_len + 2
    first, *others = wrapped(words, room - indent) or [""]
    page.append("  ")
    page.append_text(head)
    page.append(f"  {first}\n" + "".join(f"{' ' * indent}{other}\n" for other in others))
