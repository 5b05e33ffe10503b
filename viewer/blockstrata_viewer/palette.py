"""States to colours and glyphs: for 16 million colours, 256, 16, and none.

A state is a combination of flags of the semantics in force; states that mean alike share a paint
(SCREEN.md, "Colour follows the flags in force").
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from blockstrata.facts import Mapping, mapping_of

if TYPE_CHECKING:
    from blockstrata.facts import Traits
    from blockstrata.semantics.table import Semantics


class Paint(IntEnum):
    """The families of states, in the order in which they stack in a cell from the bottom."""

    DATA = 0
    NO_OFFSET = 1
    RESERVED = 2
    RESERVED_NOWHERE = 3
    ZERO = 4
    ZERO_AT_OFFSET = 5
    SUSPICIOUS = 6
    INVALID = 7
    UNREAD = 8
    DEFERRED_RESERVED = 9
    FALLS_THROUGH = 10


@dataclass(frozen=True, slots=True)
class State:
    """What one kind of run shows: its paint, its letters and its words, short for legends and whole."""

    paint: Paint
    letters: str
    short: str
    words: str


_STATES: Final[dict[str, dict[str, tuple[Paint, str]]]] = {
    "historic": {
        "D·O": (Paint.DATA, "data"),
        "D··": (Paint.NO_OFFSET, "no offset"),
        "DZO": (Paint.RESERVED, "preallocated"),
        "DZ·": (Paint.RESERVED_NOWHERE, "zero, stored"),
        "·Z·": (Paint.ZERO, "zero"),
        "·ZO": (Paint.ZERO_AT_OFFSET, "zero, offset"),
        "··O": (Paint.DEFERRED_RESERVED, "reserved"),
        "···": (Paint.FALLS_THROUGH, "falls through"),
    },
    "proposed": {
        "L·AO": (Paint.DATA, "data"),
        "L·A·": (Paint.NO_OFFSET, "no offset"),
        "LZAO": (Paint.RESERVED, "zero, reserved"),
        "LZA·": (Paint.RESERVED_NOWHERE, "zero, stored"),
        "LZ··": (Paint.ZERO, "zero"),
        "LZ·O": (Paint.ZERO_AT_OFFSET, "hole"),
        "··AO": (Paint.DEFERRED_RESERVED, "reserved"),
        "·ZAO": (Paint.DEFERRED_RESERVED, "zero reserved"),
        "····": (Paint.FALLS_THROUGH, "falls through"),
    },
    "proposed protocol": {
        "··AO": (Paint.DATA, "data"),
        "··A·": (Paint.NO_OFFSET, "no offset"),
        "·ZAO": (Paint.RESERVED, "zero, reserved"),
        "·ZA·": (Paint.RESERVED_NOWHERE, "zero, stored"),
        "·Z··": (Paint.ZERO, "zero"),
        "·Z·O": (Paint.ZERO_AT_OFFSET, "hole"),
        "····": (Paint.FALLS_THROUGH, "no access"),
    },
}
"""Paint and short words by letters; what is not named here is suspicious."""


def state_of(semantics: Semantics, code: int, traits: Traits, *, settled: bool) -> State:
    """Return how a fact of a layer shows under a semantics; ``settled`` in the guest's view."""
    mapping = mapping_of(code)
    if mapping is Mapping.INVALID:
        return State(Paint.INVALID, "", "invalid", "a corrupt entry, or a layer that cannot be opened")
    if mapping is Mapping.UNREAD:
        return State(Paint.UNREAD, "", "not read yet", "not read yet")
    table = semantics.table(traits)
    flags = int(semantics.settle(table)[code] if settled else table[code])
    letters = semantics.letters(flags)
    kind = f"{semantics.name} protocol" if traits.is_protocol else semantics.name
    paint, short = _STATES.get(kind, _STATES[semantics.name]).get(letters, (Paint.SUSPICIOUS, "suspicious"))
    return State(paint, letters, short, semantics.row(flags, is_protocol=traits.is_protocol).words)


@dataclass(frozen=True, slots=True)
class Palette:
    """Every colour of the screen, as rich names them (``#rrggbb`` or ``color(n)``)."""

    name: str
    page: str
    panel: str
    track: str
    rule: str
    text: str
    dim: str
    faint: str
    accent: str
    on_accent: str
    crosshair: str
    paints: tuple[str, ...]
    """By :class:`Paint`: the ink, on ``page`` for the hatched ones and on ``track`` for the rest."""
    dots: str
    """Ink of the dots on the second grey, and of hatches."""
    selected: str
    """Background of the selected layer's label."""
    ramp: tuple[str, str]
    """"supplied by", top and base."""


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
    on_accent="#0b0f14",
    crosshair="#ffffff",
    paints=(
        "#56b4e9",
        "#1f5f99",
        "#ffd166",
        "#c89211",
        "#7d8896",
        "#525c69",
        "#d55e00",
        "#b8326a",
        "#26303c",
        "#3f7f74",
        "#161d26",
    ),
    dots="#aeb8c4",
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
    on_accent="#ffffff",
    crosshair="#0b0f14",
    paints=(
        "#2386c8",
        "#0b3d66",
        "#ffc20a",
        "#b98700",
        "#9aa5b1",
        "#c3cbd4",
        "#d55e00",
        "#a3195b",
        "#d2dae3",
        "#7fc4b4",
        "#e8ecf1",
    ),
    dots="#5a6a7c",
    selected="#dde3ea",
    ramp=("#7b2d8e", "#d9c2ea"),
)

THEMES: Final = {palette.name: palette for palette in (DARK, LIGHT)}

MONO_GLYPHS: Final = ("█", "▓", "▒", "▒", "░", "░", "!", "?", "╱", "┈", "·")
"""By :class:`Paint`, for terminals without colour: the glyph of a cell's dominant state."""


def blend(first: str, second: str, share: float) -> str:
    """Return the colour that lies at a share of the way from one ``#rrggbb`` to another."""
    pairs = zip(_channels(first), _channels(second), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def ramp(palette: Palette, depth: int, layers: int) -> str:
    """Return the colour of a layer in the "supplied by" ramp."""
    return blend(*palette.ramp, depth / max(1, layers - 1))
