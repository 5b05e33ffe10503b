"""Paints to colours and glyphs: for 16 million colours, 256, 16, and none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from blockstrata_viewer.model.states import Paint

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    hollow: str
    """Ground of the textures of zero."""
    hollow_alone: str
    """What stands for them over something solid in a strip of one row, which has no room for the texture."""
    rule: str
    text: str
    dim: str
    faint: str
    accent: str
    badge: str
    on_badge: str
    crosshair: str
    paints: tuple[str, ...]
    """Of a texture, what fills the part of a cell in which it has no room beside something solid."""
    inks: tuple[str, ...]
    """Ink of each paint's texture on the track; of a paint without one, the paint."""
    on_paints: tuple[str, ...]
    """Ink of letters and patterns on each paint."""
    dimmed: tuple[str, ...]
    """The paints outside the window, in the overview."""
    dimmed_inks: tuple[str, ...]
    selected: str
    """Background of the selected layer's label."""
    ramp: tuple[str, ...]
    """"supplied by", top to base: two colours to blend, or steps to choose from."""
    is_mono: bool
    patterned: bool
    """Whether solid paints have patterns on them, for eyes that cannot tell the colours."""

    def outside(self) -> Palette:
        """Return the palette of what is outside the window, in the overview."""
        return replace(self, paints=self.dimmed, inks=self.dimmed_inks)

    def pattern_ink(self, paint: Paint) -> str:
        """Return the ink of the pattern on a solid paint: less loud than letters, where there are colours."""
        ground, letters = self.paints[paint], self.on_paints[paint]
        return blend(ground, letters, 0.5) if ground.startswith("#") else letters

    def supplier(self, depth: int, layers: int) -> str:
        """Return the colour of a layer in the ramp."""
        share = depth / max(1, layers - 1)
        if self.ramp[0].startswith("#"):
            return blend(self.ramp[0], self.ramp[-1], share)
        return self.ramp[round(share * (len(self.ramp) - 1))]


@lru_cache(maxsize=1024)
def blend(first: str, second: str, share: float) -> str:
    """Return the colour that lies at a share of the way from one ``#rrggbb`` to another."""
    pairs = zip(channels(first), channels(second), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def channels(colour: str) -> tuple[int, int, int]:
    """Return the red, green and blue of a ``#rrggbb``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _contrast(colour: str) -> str:
    """Return black or white, whichever reads better on a colour."""
    red, green, blue = (channel / 255 for channel in channels(colour))
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    # where both have the same contrast ratio by WCAG, (L + 0.05) against 1.05 and against 0.05
    return "#0b0f14" if (luminance + 0.05) ** 2 > 1.05 * 0.055 else "#ffffff"


TEXTURES: Final[dict[Paint, str]] = {
    Paint.ZERO: " ╌╌╌╌╌╌╌╌",
    Paint.ZERO_AT_OFFSET: " ⢀⢀⢄⢄⢔⢔⢕⢕",
    Paint.DEFERRED_RESERVED: " ⡀⡀⡄⡄⡆⡆⡇⡇",
}
"""Marks for what is not solid, by how many eighths of a cell are of it, from the bottom."""

HALVES: Final[dict[Paint, tuple[str, str]]] = {
    Paint.ZERO: ("╌", "╌"),
    Paint.ZERO_AT_OFFSET: ("⠅", "⢐"),
    Paint.DEFERRED_RESERVED: ("⡇", "⢸"),
}
"""The left and the right half of each texture; dashes have none."""

_COLOURS: Final[dict[str, tuple[str | int, ...]]] = {
    # dark and light of 16 million colours, dark and light of 256, and 16
    "page": ("#0b0f14", "#fbfcfd", 233, 231, 0),
    "panel": ("#10161e", "#f2f5f8", 234, 255, 0),
    "track": ("#161d26", "#e8ecf1", 236, 254, 0),
    "hollow": ("#252f3a", "#d3dae2", 238, 253, 0),
    "hollow_alone": ("#2b3541", "#c8d1da", 239, 251, 8),
    "rule": ("#26303c", "#d2dae3", 238, 252, 8),
    "text": ("#dbe3ec", "#17212c", 254, 234, 15),
    "dim": ("#8493a5", "#5a6a7c", 246, 241, 7),
    "faint": ("#4b5868", "#a3b0be", 240, 248, 8),
    "accent": ("#7ee0c6", "#00795f", 116, 29, 10),
    "badge": ("#7ee0c6", "#00795f", 116, 29, 10),
    "on_badge": ("#0b0f14", "#ffffff", 233, 231, 0),
    "crosshair": ("#ffffff", "#0b0f14", 231, 16, 15),
    "selected": ("#1c242e", "#e4e9ef", 237, 253, 0),
}
"""Those of 256 are chosen by hand: an automatic choice takes page, panel and track for one."""

_PAINTS: Final[dict[Paint, tuple[str | int, ...]]] = {
    Paint.DATA: ("#56b4e9", "#2386c8", 74, 32, 14),
    Paint.NO_OFFSET: ("#1f5f99", "#0b3d66", 24, 23, 4),
    Paint.RESERVED: ("#ffd166", "#ffc20a", 221, 220, 11),
    Paint.RESERVED_NOWHERE: ("#6b4c24", "#6b4c24", 94, 94, 3),
    Paint.TABLES: ("#9b9b94", "#7d7d78", 102, 102, 7),
    Paint.SNAPSHOT: ("#b44bff", "#9933ff", 135, 135, 5),
    Paint.BITMAP: ("#8fd98f", "#7cb342", 114, 71, 2),
    Paint.SHARED: ("#00a58a", "#00897b", 36, 30, 6),
    Paint.SUSPICIOUS: ("#d55e00", "#d55e00", 172, 172, 9),
    Paint.INVALID: ("#b8326a", "#a3195b", 125, 125, 13),
    Paint.UNREAD: ("#26303c", "#d2dae3", 238, 252, 8),
    Paint.ZERO: ("#252f3a", "#d3dae2", 238, 253, 0),
    Paint.ZERO_AT_OFFSET: ("#252f3a", "#d3dae2", 238, 253, 0),
    Paint.DEFERRED_RESERVED: ("#16262b", "#deece9", 236, 254, 0),
    Paint.FALLS_THROUGH: ("#161d26", "#e8ecf1", 236, 254, 0),
}

_INKS: Final[dict[Paint, tuple[str | int, ...]]] = {
    Paint.ZERO: ("#667380", "#8b98a6", 245, 245, 7),
    Paint.ZERO_AT_OFFSET: ("#5c6875", "#8b98a6", 245, 245, 7),
    Paint.DEFERRED_RESERVED: ("#3f9f8c", "#3f9f8c", 72, 72, 10),
}
"""Inks of textures."""


def _true(name: str, column: int, *ramp: str) -> Palette:
    """Return a palette of 16 million colours, in which letters and dimmed paints follow from the paints."""
    paints, inks = ([str(each[column]) for each in table.values()] for table in (_PAINTS, _INKS))
    page, text, dim = (str(_COLOURS[name][column]) for name in ("page", "text", "dim"))
    on_paints = [
        blend(text, dim, 0.5) if paint in TEXTURES else _contrast(str(each[column]))
        for paint, each in _PAINTS.items()
    ]
    dimmed, dimmed_inks = ([blend(each, page, 0.6) for each in colours] for colours in (paints, inks))
    return _palette(name, column, on_paints, dimmed, dimmed_inks, ramp)


def _palette(
    name: str,
    column: int,
    on_paints: Iterable[str | int],
    dimmed: Iterable[str | int],
    dimmed_inks: Iterable[str | int],
    ramp: Iterable[str | int],
) -> Palette:
    """Return the palette of a column of the tables above; numbers are those of a terminal's colours."""

    def named(colours: Iterable[str | int]) -> tuple[str, ...]:
        return tuple(each if isinstance(each, str) else f"color({each})" for each in colours)

    def inked(paints: tuple[str, ...], inks: Iterable[str | int]) -> tuple[str, ...]:
        own = dict(zip(_INKS, named(inks), strict=True))
        return tuple(own.get(paint, paints[paint]) for paint in Paint)

    paints, dim = named(each[column] for each in _PAINTS.values()), named(dimmed)
    return Palette(
        name,
        **dict(zip(_COLOURS, named(each[column] for each in _COLOURS.values()), strict=True)),
        paints=paints,
        inks=inked(paints, (each[column] for each in _INKS.values())),
        on_paints=named(on_paints),
        dimmed=dim,
        dimmed_inks=inked(dim, dimmed_inks),
        ramp=named(ramp),
        is_mono=False,
        patterned=False,
    )


DARK: Final = _true("dark", 0, "#f3b8e2", "#5a3f9e")
LIGHT: Final = _true("light", 1, "#7b2d8e", "#d9c2ea")
DARK_256: Final = _palette(
    "dark",
    2,
    on_paints=(16, 231, 16, 231, 16, 16, 16, 16, 16, 231, 231, 251, 251, 251, 244),
    dimmed=(23, 17, 94, 58, 239, 54, 22, 23, 52, 53, 235, 235, 235, 235, 234),
    dimmed_inks=(238, 238, 23),
    ramp=(218, 176, 140, 97, 61),
)
LIGHT_256: Final = _palette(
    "light",
    3,
    on_paints=(231, 231, 16, 231, 16, 16, 16, 231, 16, 231, 16, 239, 239, 239, 243),
    dimmed=(153, 146, 230, 187, 251, 189, 194, 152, 223, 224, 255, 255, 255, 255, 255),
    dimmed_inks=(251, 251, 152),
    ramp=(90, 97, 140, 176, 183),
)
DARK_16: Final = _palette(
    "dark",
    4,
    on_paints=(0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 15, 7, 7, 7, 8),
    dimmed=(6, 4, 3, 3, 7, 5, 2, 6, 1, 5, 8, 0, 0, 0, 0),
    dimmed_inks=(8, 8, 2),
    ramp=(15, 13, 5, 8),
)
MONO: Final = Palette(
    "mono",
    **dict.fromkeys(_COLOURS, "default") | {"badge": "reverse"},
    paints=("default",) * len(Paint),
    inks=("default",) * len(Paint),
    on_paints=("default",) * len(Paint),
    dimmed=("default",) * len(Paint),
    dimmed_inks=("default",) * len(Paint),
    ramp=("default",),
    is_mono=True,
    patterned=False,
)

THEMES: Final = ("dark", "light")

_PALETTES: Final = {
    "truecolor": (DARK, LIGHT),
    "256": (DARK_256, LIGHT_256),
    # of 16 the terminal decides what they are
    "16": (DARK_16, DARK_16),
    "none": (MONO, MONO),
}

COLOURS: Final = tuple(_PALETTES)
"""How many colours the terminal has."""


def palette_for(colours: str, theme: str) -> Palette:
    """Return the palette for a terminal's colours and a theme."""
    return _PALETTES[colours][THEMES.index(theme)]


def palette_of(scene: Scene) -> Palette:
    """Return the palette that a scene is drawn with."""
    return (
        _patterned(scene.colours, scene.theme) if scene.patterns else palette_for(scene.colours, scene.theme)
    )


@cache
def _patterned(colours: str, theme: str) -> Palette:
    return replace(palette_for(colours, theme), patterned=True)


MONO_GLYPHS: Final = ("█", "▓", "▒", "▚", "╬", "╲", "⠶", "━", "!", "╳", "╱", "╌", "⢕", "⡇", " ")
"""By :class:`Paint`, for terminals without colour: the glyph of a cell's dominant state."""

MARKS: Final[dict[Paint, str]] = {Paint.SNAPSHOT: "╲", Paint.BITMAP: "⠶", Paint.SHARED: "━"}
"""What is always on a cell of one solid state: no more colours can be told apart by all eyes."""

PATTERNS: Final = (" ", "╱", "╳", "╲", " ", "╲", "⠶", "━", "┼", " ", " ", " ", " ", " ", " ")
"""By :class:`Paint`: what is on a cell of one solid state, for eyes that cannot tell the colours."""

FLOOR: Final = "⣀"
"""What shows the foot of an empty track where it has no colour of its own."""
EMPTY: Final = "⡀"
"""The same above its foot: a track that ends, and one that is empty, look different."""
