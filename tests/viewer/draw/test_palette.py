"""Colours that can be told apart, by eyes that see them all and by eyes that do not.

CIEDE2000 after Sharma, Wu and Dalal (2005), checked against pairs of their published test data; the three
dichromacies by the matrices of Machado, Oliveira and Fernandes (2009) for severity 1.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from blockstrata_viewer.draw.looks import LOOKS
from blockstrata_viewer.draw.palette import (
    DARK,
    DARK_16,
    DARK_256,
    FLOOR,
    LIGHT,
    LIGHT_256,
    MONO,
    MONO_GLYPHS,
    PATTERNS,
    TEXTURES,
    blend,
)
from blockstrata_viewer.draw.strips import solid_cell
from blockstrata_viewer.model.states import Paint

VISIONS = {
    "normal": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
LEAST = 15.0


def linear(colour: str):
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(colour: str, vision: str = "normal"):
    seen = np.clip(np.array(VISIONS[vision]) @ linear(colour), 0, 1)
    ratios = TO_XYZ @ seen / WHITE
    x, y, z = np.where(ratios > 216 / 24389, np.cbrt(ratios), (24389 / 27 * ratios + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def ciede2000(first, second) -> float:
    (l1, a1, b1), (l2, a2, b2) = first, second
    mean_chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7))
    c1, c2 = np.hypot(a1 * stretch, b1), np.hypot(a2 * stretch, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1 * stretch)) % 360, np.degrees(np.arctan2(b2, a2 * stretch)) % 360
    dh = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    hue = h1 + h2 if c1 * c2 == 0 else (h1 + h2) / 2
    if c1 * c2 and abs(h1 - h2) > 180:
        hue += 180 if hue < 180 else -180
    t = 1 - 0.17 * cos(hue - 30) + 0.24 * cos(2 * hue) + 0.32 * cos(3 * hue + 6) - 0.20 * cos(4 * hue - 63)
    sl = 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    sc, sh = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    turn = 60 * np.exp(-(((hue - 275) / 25) ** 2))
    rt = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * np.sin(np.radians(turn))
    dl, dc = (l2 - l1) / sl, (c2 - c1) / sc
    dhue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(dh / 2)) / sh
    return float(np.sqrt(dl**2 + dc**2 + dhue**2 + rt * dc * dhue))


def cos(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
        ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ],
)
def test_the_measure_is_the_published_one(first, second, distance):
    assert ciede2000(first, second) == pytest.approx(distance, abs=1e-4)


def rgb(colour: str) -> str:
    """Return a colour as ``#rrggbb``; those of 256 are the same in every terminal."""
    if colour.startswith("#"):
        return colour
    number = int(colour.removeprefix("color(").removesuffix(")"))
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    steps = [0, 95, 135, 175, 215, 255]
    cube = number - 16
    return "#" + "".join(f"{steps[cube // base % 6]:02x}" for base in (36, 6, 1))


PALETTES = pytest.mark.parametrize(
    "palette",
    [DARK, LIGHT, DARK_256, LIGHT_256],
    ids=["dark", "light", "dark of 256", "light of 256"],
)
# what stands in a strip as plain colour
SOLID = [
    Paint.DATA,
    Paint.NO_OFFSET,
    Paint.RESERVED,
    Paint.RESERVED_NOWHERE,
    Paint.SUSPICIOUS,
    Paint.FALLS_THROUGH,
]


@pytest.mark.parametrize("vision", VISIONS)
@PALETTES
def test_any_two_states_can_be_told_apart(palette, vision):
    """By colour, or by texture; and a texture can be seen on what is behind it."""
    cells = {paint: solid_cell(paint, palette) for paint in Paint}
    close = {}
    for first, second in combinations(Paint, 2):
        (mark, ink), (other_mark, other_ink) = cells[first], cells[second]
        distance = ciede2000(lab(rgb(ink.bg), vision), lab(rgb(other_ink.bg), vision))
        if mark == other_mark and distance < LEAST:
            close[f"{first.name} {second.name}"] = round(distance, 1)
    for paint, (mark, ink) in cells.items():
        distance = ciede2000(lab(rgb(ink.fg), vision), lab(rgb(ink.bg), vision))
        if mark != " " and paint is not Paint.UNREAD and distance < LEAST:
            close[paint.name] = round(distance, 1)
    assert not close


@pytest.mark.parametrize("vision", VISIONS)
@PALETTES
def test_what_is_hollow_can_be_told_beside_what_is_solid(palette, vision):
    """In a part of a cell there is no texture: what stands for it is far from what is stored."""
    close = {}
    for paint in SOLID[:-1]:
        for name in ("hollow", "hollow_alone", "track"):
            ground = rgb(getattr(palette, name))
            distance = ciede2000(lab(rgb(palette.paints[paint]), vision), lab(ground, vision))
            if distance < LEAST:
                close[f"{paint.name} {name}"] = round(distance, 1)
    alone = ciede2000(lab(rgb(palette.hollow_alone), vision), lab(rgb(palette.track), vision))
    assert alone >= 6
    assert not close


def test_every_texture_is_one_of_its_own():
    """Also where there are 16 colours or none, and no two of them are told by colour."""
    for palette in (DARK_16, MONO):
        looks = [solid_cell(paint, palette) for paint in Paint]
        assert len(set(looks)) == len(Paint)
    assert [paint for paint, _ in LOOKS if paint not in (Paint.INVALID, Paint.UNREAD)] == [
        paint for paint in Paint if paint not in (Paint.INVALID, Paint.UNREAD)
    ], "the help explains each, in their order"
    for marks in (*TEXTURES.values(), MONO_GLYPHS, PATTERNS, FLOOR):
        assert "·" not in marks, "which is an unset flag and nothing else"


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=lambda palette: palette.name)
def test_text_can_be_read(palette):
    for ground in (palette.page, palette.panel):
        for text in (palette.text, palette.dim, palette.accent):
            assert contrast(text, ground) >= 4.5
    assert contrast(palette.text, palette.selected) >= 4.5
    assert contrast(palette.dim, palette.selected) >= 4.5
    assert contrast(palette.on_badge, palette.badge) >= 4.5
    for paint in (*SOLID[:-1], Paint.ZERO, Paint.ZERO_AT_OFFSET, Paint.DEFERRED_RESERVED):
        assert contrast(palette.on_paints[paint], palette.paints[paint]) >= 4.5, paint


def contrast(first: str, second: str) -> float:
    """Return WCAG's contrast ratio."""
    lighter, darker = sorted((float(TO_XYZ[1] @ linear(colour)) for colour in (first, second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=lambda palette: palette.name)
def test_the_ramp_shares_no_colour_with_the_states(palette):
    steps = [blend(palette.ramp[0], palette.ramp[-1], step / 4) for step in range(5)]
    for step in steps:
        for paint in Paint:
            assert ciede2000(lab(step), lab(palette.inks[paint])) >= 10
