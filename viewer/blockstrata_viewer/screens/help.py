"""The help: what is on the screen, every key, and what the letters stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from blockstrata_viewer.draw.lines import style_of
from blockstrata_viewer.draw.looks import LOOKS, MARKS
from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.draw.strips import swatch_cell
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.widgets.plain import Words

_GUEST = (
    "This strip is what the guest reads: at every byte the answer of the first layer, from the top, that "
    "serves it. The ribbon under it shows which layer that is."
)
_LAYER = (
    "This strip is one layer as it stands in the chain. What it does not hold is an empty track: the read "
    "falls through to the layer below."
)
_FILE = (
    "This is the layer's file on its own axis: what the protocol layer says of every host byte. v or escape "
    "leads back to the guest's axis."
)
_TRIP = (
    "This is a round trip through NBD: what the image means, what a server says of it on the wire, what the "
    "client's node concludes, and where the two ends differ. s goes to the next mapping, b to the next lossy "
    "run; r or escape leads back."
)
_MOUSE = (
    ("click", "place the cursor, choose the layer"),
    ("drag", "select a range: its length and what lies in it"),
    ("wheel", "zoom about the pointer; with shift, or sideways, pan"),
)


def _here(scene: Scene) -> str:
    if scene.disk.round_trip:
        return _TRIP
    if scene.disk.is_file:
        return _FILE
    return _GUEST if scene.selected == GUEST else _LAYER


class HelpScreen(ModalScreen[None]):
    """Explains the selected part and lists the keys; any of its own keys leaves."""

    BINDINGS: ClassVar = [Binding("escape,question_mark,f1,q,enter", "dismiss", "close")]

    def __init__(self, keys: Sequence[tuple[str, str]], scene: Scene | None, palette: Palette) -> None:
        super().__init__()
        self._palette = palette
        self._accent = f"bold {palette.accent}"
        self._keys = keys
        self._scene = scene

    def compose(self) -> ComposeResult:
        """Compose the page."""
        with VerticalScroll(classes="dialog"):
            yield Words(self._page())

    def _looks(self, page: Text) -> None:
        """Write what colours, textures and marks mean."""
        page.append("COLOURS AND TEXTURES\n", self._accent)
        for paint, words in LOOKS:
            glyph, ink = swatch_cell(paint, self._palette)
            page.append("  ")
            page.append(glyph * 2, style_of(ink))
            page.append(f"  {words}\n")
        for mark, words in MARKS:
            page.append(f"  {mark:<2}", self._accent)
            page.append(f"  {words}\n")
        page.append("\n")

    def _page(self) -> Text:
        page = Text()
        scene = self._scene
        is_file = scene is not None and scene.disk.is_file
        if scene:
            page.append("HERE\n", self._accent)
            page.append(f"{_here(scene)}\n\n")
            self._looks(page)
        page.append("KEYS\n", self._accent)
        keys = (*self._keys, *_MOUSE, ("20l", "a count before a key repeats it"))
        widest = max(len(key) for key, _ in keys)
        for key, words in keys:
            page.append(f"  {key:<{widest}} ", self._accent)
            page.append(f"{words}\n")
        if scene:
            semantics = scene.semantics
            page.append(f"\n{semantics.word.upper()}  ", self._accent)
            page.append(f"{semantics.title}\n")
            for row in semantics.protocol_rows if is_file else semantics.format_rows:
                page.append(f"  {semantics.letters(row.flags, is_protocol=is_file)}  ", "bold")
                page.append(f"{row.words}\n")
        return page
