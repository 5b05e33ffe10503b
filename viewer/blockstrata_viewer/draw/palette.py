"""Paints to colours and glyphs: for 16 million colours, 256, 16, and none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from blockstrata_viewer.model.states import Paint

if TYPE_CHECKING:
    from blockstrata_viewer.model.scene import Scene


@dataclass(frozen=True, slots=True)
class Palette:
    """Every colour of the screen, as rich names them: ``#rrggbb``, ``color(n)`` or ``default``.

    ``paints`` by :class:`Paint`.  ``badge`` is the background of what must stand out; "reverse" where there
    is no colour.
    """

    name: str
    page: str
    panel: str
    track: str
    rule: str
    text: str
    dim: str
    faint: str
    accent: str
    badge: str
    on_badge: str
    crosshair: str
    paints: tuple[str, ...]
    on_paints: tuple[str, ...]
    """Ink of letters and patterns on each paint."""
    dots: str
    """Ink of the dots on the second grey."""
    dimmed: tuple[str, ...]
    """The paints outside the window, in the overview."""
    selected: str
    """Background of the selected layer's label."""
    ramp: tuple[str, ...]
    """"supplied by", top to base: two colours to blend, or steps to choose from."""
    is_mono: bool = False

    def supplier(self, depth: int, layers: int) -> str:
        """Return the colour of a layer in the ramp."""
        share = depth / max(1, layers - 1)
        if self.ramp[0].startswith("#"):
            return blend(self.ramp[0], self.ramp[-1], share)
        return self.ramp[round(share * (len(self.ramp) - 1))]


def blend(first: str, second: str, share: float) -> str:
    """Return the colour that lies at a share of the way from one ``#rrggbb`` to another."""
    pairs = zip(_channels(first), _channels(second), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _contrast(colour: str) -> str:
    """Return black or white, whichever reads better on a colour."""
    red, green, blue = (channel / 255 for channel in _channels(colour))
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    # where both have the same contrast ratio by WCAG, (L + 0.05) against 1.05 and against 0.05
    return "#0b0f14" if (luminance + 0.05) ** 2 > 1.05 * 0.055 else "#ffffff"


_DIMMED: Final = 0.6

_DARK_PAINTS: Final = (
    "#56b4e9",
    "#1f5f99",
    "#ffd166",
    "#6b4c24",
    "#7d8896",
    "#666360",
    "#d55e00",
    "#b8326a",
    "#26303c",
    "#3f7f74",
    "#161d26",
)

_LIGHT_PAINTS: Final = (
    "#2386c8",
    "#0b3d66",
    "#ffc20a",
    "#6b4c24",
    "#9aa5b1",
    "#948a7f",
    "#d55e00",
    "#a3195b",
    "#d2dae3",
    "#7fc4b4",
    "#e8ecf1",
)

DARK: Final = Palette(
    name="dark",
    page="#0b0f14",
    panel="#10161e",
    track="#161d26",
    rule="#26303c",
    text="#dbe3ec",
    dim="#8493a5",
    faint="#4b5868",
    accent="#7ee0c6",
    badge="#7ee0c6",
    on_badge="#0b0f14",
    crosshair="#ffffff",
    paints=_DARK_PAINTS,
    on_paints=tuple(_contrast(colour) for colour in _DARK_PAINTS),
    dots="#a5a19d",
    dimmed=tuple(blend(colour, "#0b0f14", _DIMMED) for colour in _DARK_PAINTS),
    selected="#1c242e",
    ramp=("#f3b8e2", "#5a3f9e"),
)

LIGHT: Final = Palette(
    name="light",
    page="#fbfcfd",
    panel="#f2f5f8",
    track="#e8ecf1",
    rule="#d2dae3",
    text="#17212c",
    dim="#5a6a7c",
    faint="#a3b0be",
    accent="#00795f",
    badge="#00795f",
    on_badge="#ffffff",
    crosshair="#0b0f14",
    paints=_LIGHT_PAINTS,
    on_paints=tuple(_contrast(colour) for colour in _LIGHT_PAINTS),
    dots="#5d564d",
    dimmed=tuple(blend(colour, "#fbfcfd", _DIMMED) for colour in _LIGHT_PAINTS),
    selected="#e4e9ef",
    ramp=("#7b2d8e", "#d9c2ea"),
)


def _indexed(*numbers: int) -> tuple[str, ...]:
    return tuple(f"color({number})" for number in numbers)


DARK_256: Final = Palette(
    name="dark",
    page="color(233)",
    panel="color(234)",
    track="color(236)",
    rule="color(238)",
    text="color(254)",
    dim="color(246)",
    faint="color(240)",
    accent="color(116)",
    badge="color(116)",
    on_badge="color(233)",
    crosshair="color(231)",
    paints=_indexed(74, 24, 221, 136, 244, 240, 166, 125, 238, 66, 236),
    on_paints=_indexed(16, 231, 16, 16, 16, 231, 16, 231, 231, 231, 244),
    dots="color(248)",
    dimmed=_indexed(23, 17, 94, 58, 238, 237, 52, 53, 235, 235, 234),
    selected="color(237)",
    ramp=_indexed(218, 176, 140, 97, 61),
)
"""256 colours, chosen by hand: an automatic choice takes page, panel and track for one."""

LIGHT_256: Final = Palette(
    name="light",
    page="color(231)",
    panel="color(255)",
    track="color(254)",
    rule="color(252)",
    text="color(234)",
    dim="color(241)",
    faint="color(248)",
    accent="color(29)",
    badge="color(29)",
    on_badge="color(231)",
    crosshair="color(16)",
    paints=_indexed(32, 23, 220, 136, 247, 251, 166, 125, 252, 115, 254),
    on_paints=_indexed(231, 231, 16, 16, 16, 16, 16, 231, 16, 16, 243),
    dots="color(240)",
    dimmed=_indexed(153, 146, 230, 187, 253, 254, 223, 224, 255, 255, 255),
    selected="color(253)",
    ramp=_indexed(90, 97, 140, 176, 183),
)

DARK_16: Final = Palette(
    name="dark",
    page="color(0)",
    panel="color(0)",
    track="color(0)",
    rule="color(8)",
    text="color(15)",
    dim="color(7)",
    faint="color(8)",
    accent="color(10)",
    badge="color(10)",
    on_badge="color(0)",
    crosshair="color(15)",
    paints=_indexed(14, 4, 11, 3, 7, 8, 9, 13, 8, 10, 0),
    on_paints=_indexed(0, 15, 0, 0, 0, 15, 0, 0, 15, 0, 8),
    dots="color(15)",
    dimmed=_indexed(6, 4, 3, 3, 8, 8, 1, 5, 8, 0, 0),
    selected="color(0)",
    ramp=_indexed(15, 13, 5, 8),
)

MONO: Final = Palette(
    name="mono",
    page="default",
    panel="default",
    track="default",
    rule="default",
    text="default",
    dim="default",
    faint="default",
    accent="default",
    badge="reverse",
    on_badge="default",
    crosshair="default",
    paints=("default",) * len(Paint),
    on_paints=("default",) * len(Paint),
    dots="default",
    dimmed=("default",) * len(Paint),
    selected="default",
    ramp=("default",),
    is_mono=True,
)

THEMES: Final = ("dark", "light")

_PALETTES: Final = {
    ("truecolor", "dark"): DARK,
    ("truecolor", "light"): LIGHT,
    ("256", "dark"): DARK_256,
    ("256", "light"): LIGHT_256,
    ("16", "dark"): DARK_16,
    ("16", "light"): DARK_16,
    ("none", "dark"): MONO,
    ("none", "light"): MONO,
}

COLOURS: Final = ("truecolor", "256", "16", "none")
"""How many colours the terminal has."""


def palette_for(colours: str, theme: str) -> Palette:
    """Return the palette for a terminal's colours and a theme.

    With 16 colours there is one theme, because the terminal decides what they are; without colour too.
    """
    return _PALETTES[colours, theme]


def palette_of(scene: Scene) -> Palette:
    """Return the palette that a scene is drawn with."""
    return _PALETTES[scene.colours, scene.theme]


MONO_GLYPHS: Final = ("█", "▓", "▒", "▒", "░", "○", "!", "?", "╱", "▁", "·")
"""By :class:`Paint`, for terminals without colour: the glyph of a cell's dominant state."""

PATTERNS: Final = (" ", "╱", "╳", "╳", "·", "○", "!", "?", "╱", " ", " ")
"""By :class:`Paint`: ink on a cell of one state, for eyes that cannot tell the colours."""
