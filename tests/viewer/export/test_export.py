"""Screens as files: the same bytes anywhere, nothing fetched, no seams, and never over an image."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import shutil
import socket
import stat
import struct
import subprocess
import sys
import zlib
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from itertools import cycle
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from blockstrata.errors import BadRangeError
from blockstrata.formats.qcow2.author import Image, write_image, write_raw
from blockstrata_viewer import export
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.headless import Still, picture, take
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.app.shot import read_shot, save
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.export import Cell, ExportError, Screen, render, write_screenshot
from blockstrata_viewer.export.glyphs import HEIGHT, SHADES, WIDTH, rectangles, stroke
from blockstrata_viewer.export.screen import grey, mix, showable
from blockstrata_viewer.export.svg import ground_of, is_text, joined
from blockstrata_viewer.lessons import read_lesson
from blockstrata_viewer.lessons.course import Course, Shelf
from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.model.scene import GUEST

SVG = "{http://www.w3.org/2000/svg}"
BLOCKS = [chr(code) for code in range(0x2580, 0x25A0)]
LINES = list("─│┃┬┴╵╷╰╯╭╮╱┈┊━")
PAGE, INK, GROUND = "#101010", "#e0e0e0", "#205080"


@pytest.fixture(scope="module")
def shot(demo_image):
    return take(Still(demo_image, columns=80, rows=24, aim=Aim(31104 << 10, 128 << 10, 1)))


def screen_of(*rows: str, fg=INK, bg=GROUND) -> Screen:
    return Screen(tuple(tuple(Cell(char, fg, bg) for char in row) for row in rows), PAGE, INK)


# ---- the same bytes, whatever the environment


ENVIRONMENTS = [
    {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONHASHSEED": "1", "COLUMNS": "200"},
    {
        "TERM": "dumb",
        "NO_COLOR": "1",
        "PYTHONHASHSEED": "77",
        "COLUMNS": "33",
        "LINES": "9",
        "LC_ALL": "C",
        "TZ": "Asia/Kolkata",
        "TEXTUAL_THEME": "textual-light",
        "TEXTUAL_FILTERS": "dim",
        "TEXTUAL_COLOR_SYSTEM": "256",
        "TEXTUAL_SCREENSHOT": "0",
        "TEXTUAL_DRIVER": "no.such:Driver",
        "BLOCKSTRATA_CONFIG": "config.toml",
    },
]


IN_EVERY_FORMAT = """
import sys
from blockstrata_viewer.cli.group import main
image, *forms = sys.argv[1:]
for form in forms:
    try:
        main(["screenshot", image, "-o", f"screen.{form}"])
    except SystemExit as leaving:
        if leaving.code:
            raise
"""


def test_same_bytes_in_any_environment(demo_image, tmp_path):
    runs = []
    for number, environment in enumerate(ENVIRONMENTS):
        directory = tmp_path / str(number)
        directory.mkdir()
        (directory / "config.toml").write_text('theme = "light"\nsemantics = "old"\ncolor = "16"\n')
        command = [sys.executable, "-c", IN_EVERY_FORMAT, demo_image, *export.FORMATS]
        env = {"PATH": os.environ["PATH"], "HOME": str(directory), **environment}
        runs.append(subprocess.Popen(command, cwd=directory, env=env, stderr=subprocess.PIPE, text=True))
    for run in runs:
        _, errors = run.communicate(timeout=120)
        assert (run.returncode, errors) == (0, "")
    first, second = tmp_path / "0", tmp_path / "1"
    for form in export.FORMATS:
        content = (first / f"screen.{form}").read_bytes()
        assert content
        assert content == (second / f"screen.{form}").read_bytes(), form
    assert sorted(path.name for path in second.iterdir()) == sorted(
        ["config.toml", *(f"screen.{form}" for form in export.FORMATS)]
    )


def test_same_screen_twice(demo_image, shot):
    again = take(Still(demo_image, columns=80, rows=24, aim=Aim(31104 << 10, 128 << 10, 1)))
    assert again == shot
    assert render(again.screen, "png", "x") == render(shot.screen, "png", "x")


# ---- SVG


def paths_of(svg: str) -> list[tuple[str, list[tuple[int, int, int, int]]]]:
    """Return colour and rectangles (left, top, right, bottom) of every filled path on the grid."""
    group = ET.fromstring(svg).find(f"{SVG}g[@shape-rendering='crispEdges']")
    found = []
    for path in group.findall(f"{SVG}path"):
        outline = path.attrib["d"]
        rects = re.findall(r"M(\d+) (\d+)H(\d+)V(\d+)H\1Z", outline)
        assert "".join(f"M{a} {b}H{c}V{d}H{a}Z" for a, b, c, d in rects) == "".join(
            outline.split("\n")
        ).replace("Z M", "ZM")
        found.append((path.attrib["fill"], [tuple(map(int, rect)) for rect in rects]))
    return found


def canvas(svg: str) -> np.ndarray:
    """Return the colour of every unit of a picture without its text and curves, page first."""
    root = ET.fromstring(svg)
    width, height = int(root.attrib["width"]), int(root.attrib["height"])
    units = np.full((height, width), root.find(f"{SVG}rect").attrib["fill"], dtype="U7")
    for colour, rects in paths_of(svg):
        for left, top, right, bottom in rects:
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height
            units[top:bottom, left:right] = colour
    return units


def drawn(screen: Screen) -> np.ndarray:
    """Return the colour that every unit of a screen should have, cell by cell."""
    units = np.empty((screen.height * HEIGHT, screen.width * WIDTH), dtype="U7")
    for y, row in enumerate(screen.rows):
        for x, cell in enumerate(row):
            part = units[y * HEIGHT : (y + 1) * HEIGHT, x * WIDTH : (x + 1) * WIDTH]
            part[:] = ground_of(cell)
            for left, top, right, bottom in rectangles(cell.text):
                part[top:bottom, left:right] = cell.fg
    return units


def inside(units: np.ndarray, screen: Screen, title: bool = True) -> np.ndarray:
    top = 32 if title else 8
    return units[top : top + screen.height * HEIGHT, 8 : 8 + screen.width * WIDTH]


def test_svg_stands_alone(shot):
    svg = render(shot.screen, "svg", shot.title).decode()
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert "url(" not in svg
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", svg)
    assert not {element.tag.removeprefix(SVG) for element in root.iter()} - {
        "svg",
        "title",
        "g",
        "rect",
        "path",
        "text",
    }
    assert root.find(f"{SVG}title").text == "blockstrata — web01-active.qcow2"
    assert root.attrib["viewBox"] == f"0 0 {80 * WIDTH + 16} {24 * HEIGHT + 40}"


def test_every_unit_has_the_colour_of_its_cell(shot):
    """No gap between neighbours and no overlap beyond a cell: what is filled is exactly the grid."""
    units = canvas(render(shot.screen, "svg", shot.title).decode())
    assert (inside(units, shot.screen) == drawn(shot.screen)).all()


def test_rectangles_of_one_colour_are_joined(shot):
    for _, rects in paths_of(render(shot.screen, "svg").decode()):
        assert len(set(rects)) == len(rects)
        by_edge = {(left, top, bottom) for left, top, _, bottom in rects}
        assert not any((right, top, bottom) in by_edge for _, top, right, bottom in rects)


def test_joined():
    unit = [export.glyphs.Rect(x, y, x + 1, y + 1) for x in range(3) for y in range(3)]
    assert joined(unit) == [(0, 0, 3, 3)]
    assert joined([unit[0], unit[4]]) == [unit[0], unit[4]]


def test_every_glyph_is_geometry_or_has_its_own_place(shot):
    svg = render(shot.screen, "svg", shot.title).decode()
    texts = ET.fromstring(svg).findall(f".//{SVG}text")
    assert texts[0].text == shot.title
    placed = {}
    for text in texts[1:]:
        places = [int(place) for place in text.attrib["x"].split()]
        assert len(places) == len(text.text)
        for place, char in zip(places, text.text, strict=True):
            x, y = (place - 8) // WIDTH, (int(text.attrib["y"]) - 32) // HEIGHT
            assert place == 8 + x * WIDTH
            cell = shot.screen.rows[y][x]
            assert char == cell.text
            if char != " ":
                assert (text.attrib["fill"], "font-weight" in text.attrib) == (cell.fg, cell.bold)
                placed[x, y] = char
    cells = {(x, y): cell for y, row in enumerate(shot.screen.rows) for x, cell in enumerate(row)}
    assert placed == {at: cell.text for at, cell in cells.items() if is_text(cell)}
    # nothing that has to meet its neighbour is left to a font
    assert not [char for char in placed.values() if 0x2500 <= ord(char) < 0x25A0]


@pytest.mark.parametrize("title", ["", "A title"])
def test_blocks_meet(title):
    """All block elements and lines beside and below each other, twice over."""
    chars = cycle([*BLOCKS, *LINES])
    rows = ["".join(next(chars) for _ in range(41)) for _ in range(4)]
    screen = screen_of(*rows)
    units = canvas(render(screen, "svg", title).decode())
    assert (inside(units, screen, bool(title)) == drawn(screen)).all()


def test_shapes():
    for char in BLOCKS:
        assert bool(rectangles(char)) != (char in SHADES), char
    for char in LINES:
        assert rectangles(char) or stroke(char, 0, 0), char
    area = {char: sum((r - a) * (b - t) for a, t, r, b in rectangles(char)) for char in BLOCKS}
    for eighths, char in enumerate("▁▂▃▄▅▆▇█", 1):
        assert area[char] == eighths * WIDTH * HEIGHT // 8
        assert rectangles(char) == ((0, HEIGHT - 2 * eighths, WIDTH, HEIGHT),)
    for eighths, char in enumerate("▏▎▍▌▋▊▉█", 1):
        assert rectangles(char) == ((0, 0, eighths, HEIGHT),)
    assert rectangles("▀") == ((0, 0, 8, 8),)
    assert rectangles("▐") == ((4, 0, 8, 16),)
    assert rectangles("▔") == ((0, 0, 8, 2),)
    assert rectangles("▕") == ((7, 0, 8, 16),)
    assert rectangles("▚") == ((0, 0, 4, 8), (4, 8, 8, 16))
    assert rectangles("│") == ((3, 0, 4, 16),)
    assert rectangles("┃") == ((3, 0, 5, 16),)
    assert rectangles("─") == ((0, 7, 8, 8),)
    assert set(rectangles("┬")) == {(0, 7, 8, 8), (3, 7, 4, 16)}
    assert set(rectangles("┴")) == {(0, 7, 8, 8), (3, 0, 4, 8)}
    assert rectangles("╷") == ((3, 7, 4, 16),)
    # dots are as far from those of the next cell as from each other, so that a texture has no seam
    every = [(x, y, x + 2, y + 2) for x in (1, 5) for y in (1, 5, 9, 13)]
    assert set(rectangles("⣿")) == set(every)
    assert set(rectangles("⡇")) == set(every[:4])
    assert set(rectangles("⣀")) == {every[3], every[7]}
    assert rectangles("\u2800") == ()
    assert rectangles("x") == rectangles("") == rectangles("·") == ()
    assert stroke("╰", 8, 16) == "M11.5 16v4a3.5 3.5 0 0 0 3.5 3.5h1"
    assert [ground_of(Cell(char, "#ffffff", "#000000")) for char in " ░▒▓"] == [
        "#000000",
        "#404040",
        "#808080",
        "#bfbfbf",
    ]


def test_colours():
    assert mix("#000000", "#ff0080", 4) == "#ff0080"
    assert mix("#102030", "#ffffff", 0) == "#102030"
    assert grey("#808080") == "#808080"
    assert grey("#ff0000") == "#363636"


def test_wide_and_combining_characters_stay_on_the_grid():
    row = (Cell("日", INK, PAGE), Cell("", INK, PAGE), Cell("e\u0301", INK, PAGE), Cell("x", INK, PAGE))
    screen = Screen((row,), PAGE, INK)
    texts = ET.fromstring(render(screen, "svg").decode()).findall(f".//{SVG}text")
    assert [(text.attrib["x"], text.text) for text in texts] == [("8", "日"), ("24", "e\u0301"), ("32", "x")]
    assert render(screen, "txt").decode() == "日e\u0301x\n"


# ---- PNG


def decoded(png: bytes) -> np.ndarray:
    """Return the pixels of an eight-bit RGBA picture, uint8 (height, width, 4)."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, header = 8, b"", b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + length]
        header = body if kind == b"IHDR" else header
        packed += body if kind == b"IDAT" else b""
        at += length + 12
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", header)
    assert (depth, colour, interlace) == (8, 6, 0)
    lines = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * 4)
    pixels = np.zeros((height + 1, width + 1, 4), np.int64)
    for y, line in enumerate(lines):
        kind, values = line[0], line[1:].reshape(width, 4).astype(np.int64)
        above = pixels[y]
        out = pixels[y + 1]
        for x in range(width):
            left, up, corner = out[x], above[x + 1], above[x]
            if kind == 0:
                guess = 0
            elif kind == 1:
                guess = left
            elif kind == 2:
                guess = up
            elif kind == 3:
                guess = (left + up) // 2
            else:
                p = left + up - corner
                a, b, c = abs(p - left), abs(p - up), abs(p - corner)
                guess = np.where((a <= b) & (a <= c), left, np.where(b <= c, up, corner))
            out[x + 1] = (values[x] + guess) & 0xFF
    return pixels[1:, 1:].astype(np.uint8)


def test_png_has_the_size_and_the_colours(shot):
    png = render(shot.screen, "png", shot.title)
    assert struct.unpack(">II", png[16:24]) == (2 * (80 * WIDTH + 16), 2 * (24 * HEIGHT + 40))


def test_png_pixels():
    """Every pixel of blanks, blocks and straight lines is one of the two colours, and the right one."""
    screen = screen_of(" ▁▂▃▄▅▆▇█▏▎▌▔", "░▒▓▚▐▀ │┃─┬┴╷", fg="#56b4e9", bg="#161d26")
    pixels = decoded(render(screen, "png"))
    assert pixels.shape == (2 * (2 * HEIGHT + 16), 2 * (13 * WIDTH + 16), 4)
    assert (pixels[0, 0] == 0).all()  # outside the window's round corner
    names = np.array([f"#{r:02x}{g:02x}{b:02x}" for r, g, b, _ in pixels.reshape(-1, 4).tolist()])
    cells = names.reshape(pixels.shape[:2])[16 : 16 + 4 * HEIGHT, 16 : 16 + 26 * WIDTH]
    expected = drawn(screen).repeat(2, axis=0).repeat(2, axis=1)
    assert (cells == expected).all()


def test_png_has_the_shipped_font():
    """A glyph is drawn, bold is another, and a character the font lacks takes no other font's."""
    pictures = [
        render(Screen(((Cell(char, INK, PAGE, bold),) * 3,), PAGE, INK), "png")
        for char, bold in ((" ", False), ("g", False), ("g", True), ("·", False), ("◀", False), ("…", False))
    ]
    assert len(set(pictures)) == len(pictures)
    fonts = Path(export.__file__).parent.parent / "fonts"
    assert "Bitstream" in (fonts / "LICENSE-DejaVu.txt").read_text()
    assert {path.name for path in fonts.iterdir()} == {
        "DejaVuSansMono.ttf",
        "DejaVuSansMono-Bold.ttf",
        "LICENSE-DejaVu.txt",
    }


# ---- HTML and text


class Page(HTMLParser):
    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if "display:flex" in (dict(attrs).get("style") or ""):
            self.rows.append("")

    def handle_data(self, data):
        if self.rows:
            self.rows[-1] += data


def test_html_is_one_pre(shot):
    html = render(shot.screen, "html", shot.title).decode()
    page = Page(html)
    assert [tag for tag, _ in page.tags].count("pre") == 1
    assert {tag for tag, _ in page.tags} == {"meta", "title", "pre", "span"}
    assert "url(" not in html
    assert "http" not in html
    rows = ["".join(cell.text for cell in row) for row in shot.screen.rows]
    assert [row.rstrip("\n") for row in page.rows] == rows
    widths = re.findall(r"width:(\d+)px;background", html)
    assert sum(map(int, widths)) == 80 * 24 * WIDTH


def test_html_paints_blocks_behind_the_glyph():
    html = render(screen_of("▃▃x▎▖│█", fg="#56b4e9", bg="#161d26"), "html").decode()
    for width, layer, colour in (
        (
            16,
            "linear-gradient(180deg,transparent 10px,#56b4e9 10px) no-repeat,",
            "transparent",
        ),
        (8, "", "#56b4e9"),
        (8, "linear-gradient(90deg,#56b4e9 2px,transparent 2px) no-repeat,", "transparent"),
        (
            8,
            "linear-gradient(90deg,transparent 3px,#56b4e9 3px,#56b4e9 4px,transparent 4px) no-repeat,",
            "transparent",
        ),
        (8, "linear-gradient(180deg,#56b4e9,#56b4e9) no-repeat,", "transparent"),
        (8, "linear-gradient(#56b4e9,#56b4e9) 0px 8px/4px 8px no-repeat,", "transparent"),
    ):
        assert f"width:{width}px;background:{layer}#161d26;color:{colour}" in html


async def test_text_is_the_composed_screen(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await app.settled.wait()
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        text = render(read_shot(app.main.pane).screen, "txt").decode()
    assert text == "".join(f"{strip.text.rstrip()}\n" for strip in strips)


def test_picture_is_the_text(demo_image, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("LINES", "30")
    lines = picture(demo_image, Opening(), "dark", "proposed", Aim())
    assert len(lines) == 30
    assert "".join(lines).encode() == render(
        take(Still(demo_image, colours="none", columns=90, rows=30)).screen, "txt"
    )
    assert "█" in "".join(lines)


# ---- what a still shows


def test_still(demo_image):
    text = render(
        take(Still(demo_image, semantics="historic", aim=Aim(0x1E60000, 64 << 10, GUEST))).screen, "txt"
    ).decode()
    assert "30.375 MiB" in text
    assert "64 KiB/cell" in text
    assert "EXTENT  guest sees" in text


def test_themes_and_colours(demo_image):
    dark, light = (take(Still(demo_image, theme=theme)).screen for theme in ("dark", "light"))
    assert (dark.page, light.page) == ("#0b0f14", "#fbfcfd")
    assert [[cell.text for cell in row] for row in dark.rows] == [
        [cell.text for cell in row] for row in light.rows
    ]
    none = take(Still(demo_image, colours="none")).screen
    assert all(
        colour[1:3] == colour[3:5] == colour[5:]
        for row in none.rows
        for _, *inks, _ in row
        for colour in inks
    )
    few = take(Still(demo_image, colours="256")).screen
    assert few.page == "#121212"


@pytest.mark.parametrize("aim", [Aim(64 << 20), Aim(-1), Aim(layer=3)])
def test_still_out_of_range(demo_image, aim):
    with pytest.raises(BadRangeError):
        take(Still(demo_image, aim=aim))


# ---- names are never markup


def test_names_are_not_markup(tmp_path):
    name = "disk <b>&amp;[bold]'\"\x1b[31m\u202e\ufffe.raw"
    write_raw(tmp_path / name, 1 << 20, [(0, b"x" * 4096)])
    shot = take(Still(str(tmp_path / name), columns=200, rows=50))
    shown = "disk <b>&amp;[bold]'\"\\x1b[31m\\u202e"
    for form in ("svg", "html", "txt"):
        content = render(shot.screen, form, f"{name}\x00").decode()
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ufffe]", content)
        if form == "svg":
            root = ET.fromstring(content)
            assert root.find(f"{SVG}title").text.startswith(shown)
            assert shown in "".join(text.text for text in root.iter(f"{SVG}text"))
        elif form == "html":
            assert any(shown in row for row in Page(content).rows)
            assert "<b>" not in content
        else:
            assert shown in content
    assert render(shot.screen, "png", name)


def test_showable():
    assert showable("é") == "é"
    for code in (0, 0x1B, 0x7F, 0x9B, 0x202E, 0xD800, 0xFDD0, 0xFFFE, 0xFFFF, 0x1FFFF):
        assert showable(chr(code)) == "\N{REPLACEMENT CHARACTER}"


# ---- files


def run(capsys, *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as leaving:
        main(["screenshot", *words])
    printed = capsys.readouterr()
    assert printed.out == ""
    return leaving.value.code, printed.err


def digest(directory: Path) -> dict[str, int]:
    return {path.name: zlib.crc32(path.read_bytes()) for path in directory.iterdir() if path.is_file()}


def test_command(demo_image, tmp_path, capsys):
    output = tmp_path / "a.svg"
    output.write_text("longer than nothing, and replaced")
    words = "--size 80x24 --at 31104K --zoom 128k --layer 1 --theme light --title Here".split()
    assert run(capsys, demo_image, "-o", str(output), *words) == (0, "")
    still = Still(demo_image, theme="light", columns=80, rows=24, aim=Aim(31104 << 10, 128 << 10, 1))
    assert output.read_bytes() == render(take(still).screen, "svg", "Here")
    assert run(capsys, demo_image, "-o", str(tmp_path / "plain"), "--format", "txt") == (0, "")
    assert (tmp_path / "plain").read_bytes() == render(take(Still(demo_image, colours="none")).screen, "txt")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-o", "a.gif"], 2, "a.gif: no format has this ending; use .svg, .png, .html, .txt"),
        (["-o", "a"], 2, "a: no format has this ending"),
        (["-o", "no/such/a.svg"], 1, "no/such/a.svg: no such file or directory"),
        (["-o", ".", "--format", "svg"], 1, ".: is a directory"),
        (["-o", "a.svg", "--size", "120"], 2, "'120' is not COLSxROWS"),
        (["-o", "a.svg", "--size", "10x10"], 2, "'10x10' is not COLSxROWS"),
        (["-o", "a.svg", "--size", "9999x50"], 2, "'9999x50' is not COLSxROWS"),
        (["-o", "a.svg", "--zoom", "1000"], 2, "'1000' is not a multiple of 512"),
        (["-o", "a.svg", "--zoom", "0"], 2, "'0' is not a multiple of 512 bytes"),
        (["-o", "a.svg", "--at", "1x"], 2, "'1x' is not a size"),
        (["-o", "a.svg", "--at", "64M"], 1, "67108864 is not on the disk of 67108864 bytes"),
        (["-o", "a.svg", "--layer", "3"], 1, "3 is not in the chain, 0 to 2"),
        (["-o", "a.svg", "--layer", "top"], 2, "'top' is neither a depth"),
        ([], 2, "Missing option '-o'"),
    ],
)
def test_command_errors(demo_image, tmp_path, monkeypatch, capsys, words, code, message):
    monkeypatch.chdir(tmp_path)
    left, errors = run(capsys, demo_image, *words)
    assert left == code
    assert message in errors
    assert errors.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_never_over_an_input(demo_image, tmp_path, monkeypatch, capsys):
    source = Path(demo_image).parent
    for path in source.iterdir():
        shutil.copy(path, tmp_path / path.name)
    monkeypatch.chdir(tmp_path)
    os.link("debian-golden.raw", "linked.svg")
    Path("pointing.svg").symlink_to("web01-monday.qcow2")
    before = digest(tmp_path)
    for output in (
        "web01-active.qcow2",
        str(tmp_path / "web01-monday.qcow2"),
        "../" + tmp_path.name + "/debian-golden.raw",
        "linked.svg",
        "pointing.svg",
    ):
        code, errors = run(capsys, "web01-active.qcow2", "-o", output, "--format", "svg")
        assert code == 1
        assert errors == (
            f"blockstrata: {output}: is a disk or part of the chain that is shown; it is not overwritten\n"
        )
    assert digest(tmp_path) == before


def test_never_over_a_layer_that_cannot_be_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("old.vmdk").write_bytes(b"KDMV" + bytes(4096))
    for name, backing in (
        ("top.qcow2", "old.vmdk"),
        ("top2.qcow2", 'json:{"file": {"filename": "old.vmdk"}}'),
    ):
        write_image(tmp_path / name, Image(1 << 20, backing=backing, backing_format="vmdk"), {})
        before = digest(tmp_path)
        code, errors = run(capsys, name, "-o", "old.vmdk", "--format", "txt")
        assert code == 1
        assert "not overwritten" in errors
        assert digest(tmp_path) == before


def test_never_over_an_external_data_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "top.qcow2", Image(1 << 20, data_file="data.raw"), {})
    before = digest(tmp_path)
    assert "data.raw" in before
    for output in ("data.raw", "top.qcow2"):
        assert run(capsys, "top.qcow2", "-o", output, "--format", "svg")[0] == 1
    assert digest(tmp_path) == before


@contextmanager
def full_disk(most):
    """Let no file grow beyond some bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_what_was_there(shot, tmp_path):
    (tmp_path / "a.svg").write_text("old")
    for name in ("a.svg", "new.svg"):
        with full_disk(4096), pytest.raises(ExportError, match="file too large"):
            write_screenshot(shot.screen, str(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
    assert (tmp_path / "a.svg").read_text() == "old"


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(shot, tmp_path):
    old, link = tmp_path / "a.svg", tmp_path / "link.svg"
    old.write_text("old")
    old.chmod(0o640)
    link.symlink_to("a.svg")
    write_screenshot(shot.screen, str(link))
    assert link.is_symlink()
    assert old.read_bytes() == render(shot.screen, "svg")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    (tmp_path / "to-come.svg").symlink_to("new.svg")
    write_screenshot(shot.screen, str(tmp_path / "to-come.svg"))
    assert (tmp_path / "new.svg").read_bytes() == old.read_bytes()
    mask = os.umask(0o077)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new.svg").stat().st_mode) == 0o666 & ~mask
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "link.svg", "new.svg", "to-come.svg"]


def test_what_is_no_regular_file_is_refused_at_once(shot, tmp_path):
    os.mkfifo(tmp_path / "pipe.svg")
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(str(tmp_path / "socket.svg"))
    (tmp_path / "folder.svg").mkdir()
    before = sorted(tmp_path.iterdir())
    for name, what in (
        (tmp_path / "pipe.svg", "is a pipe, not a regular file"),
        (tmp_path / "socket.svg", "is a socket, not a regular file"),
        (tmp_path / "folder.svg", "is a directory"),
        (f"{tmp_path}/new.svg/", "is a directory"),
        ("/dev/full", "is a character device, not a regular file"),
    ):
        with pytest.raises(ExportError, match=what):
            write_screenshot(shot.screen, str(name), form="svg")
    assert sorted(tmp_path.iterdir()) == before


def test_what_has_lost_its_name_is_refused(shot, tmp_path):
    with (tmp_path / "a.svg").open("w") as file:
        (tmp_path / "a.svg").unlink()
        with pytest.raises(ExportError):
            write_screenshot(shot.screen, f"/dev/fd/{file.fileno()}", form="svg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output(demo_image, tmp_path, name):
    """It is open already: written on, not replaced, and nothing on it is lost."""
    words = ["-m", "blockstrata_viewer", "screenshot", demo_image, "-o", name, "--format", "txt"]
    (tmp_path / "log").write_text("before\n")
    with (tmp_path / "log").open("a") as log:
        subprocess.run([sys.executable, *words], stdout=log, timeout=60, check=True)
    shown = render(take(Still(demo_image, colours="none")).screen, "txt")
    assert (tmp_path / "log").read_bytes() == b"before\n" + shown


async def test_never_over_an_image_that_has_another_name_by_now(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_raw("base.raw", 1 << 20, [(0, b"x" * 4096)])
    write_image(tmp_path / "top.qcow2", Image(1 << 20, backing="base.raw", backing_format="raw"), {})
    app = ViewerApp(Setup(["top.qcow2"]))
    async with app.run_test(size=(80, 24)):
        await app.settled.wait()
        for name in ("top.qcow2", "base.raw"):
            Path(name).rename("moved.svg")
            with pytest.raises(ExportError, match="not overwritten"):
                save(app.main.pane, "moved.svg")
            Path("moved.svg").rename(name)


async def test_never_over_a_lesson(tmp_path, monkeypatch):
    """Nor over images of its steps that are not open yet."""
    monkeypatch.chdir(tmp_path)
    write_raw("one.svg", 1 << 20, [])
    write_raw("two.svg", 1 << 20, [])
    steps = "".join(f"## {name}\n\n```step\nfile: {name}.svg\n```\n\nLook.\n\n" for name in ("one", "two"))
    Path("my.md").write_text(f"# Mine\n\nSummary.\n\n{steps}")
    os.link("my.md", "linked.svg")
    course = Course([read_lesson("my.md")], Shelf(tmp_path / "made"))
    app = ViewerApp(Setup([course.image], course=course))
    async with app.run_test(size=(80, 24)):
        await app.settled.wait()
        assert app.failure is None
        for name in ("one.svg", "two.svg", "linked.svg"):
            with pytest.raises(ExportError, match="not overwritten"):
                save(app.main.pane, name)


@pytest.mark.live("qemu-img")
def test_never_over_what_qemu_img_alone_reads(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for words in (
        "qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentFlat top.vmdk 3G",
        "qemu-img create -q -f raw rules 1M",
        "qemu-img create -q -f raw below.raw 1M",
    ):
        subprocess.run(words.split(), check=True, timeout=60)
    for image, output in (
        ("top.vmdk", "top-f002.vmdk"),
        ("blkdebug:/dev/null:below.raw", "below.raw"),
        ('json:{"driver": "blkdebug", "image": {"driver": "file", "filename": "below.raw"}}', "below.raw"),
    ):
        before = Path(output).stat()
        code, errors = run(capsys, "--via-qemu", "--follow-remote", image, "-o", output, "--format", "svg")
        assert code == 1
        assert "not overwritten" in errors, image
        assert (Path(output).stat().st_ino, Path(output).stat().st_mtime) == (before.st_ino, before.st_mtime)


def test_write_errors(shot, tmp_path):
    with pytest.raises(ExportError, match="no such file or directory"):
        write_screenshot(shot.screen, str(tmp_path / "missing" / "a.svg"))
    (tmp_path / "loop.svg").symlink_to("loop.svg")
    with pytest.raises(ExportError, match="too many levels of symbolic links"):
        write_screenshot(shot.screen, str(tmp_path / "loop.svg"))
    locked = tmp_path / "a\x00b.svg"
    with pytest.raises(ExportError):
        write_screenshot(shot.screen, str(locked))


async def test_a_running_viewer_saves_what_it_shows(demo_image, tmp_path):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(80, 24)) as pilot:
        await app.settled.wait()
        await pilot.press("right", "right", "down")
        scene = app.scene
        shown = read_shot(app.main.pane)
        for form in export.FORMATS:
            save(app.main.pane, str(tmp_path / f"a.{form}"))
        with pytest.raises(ExportError):
            save(app.main.pane, demo_image, form="svg")
        assert app.scene is scene
        assert read_shot(app.main.pane) == shown
    still = Still(demo_image, columns=80, rows=24, aim=Aim(scene.cursor, layer=1))
    assert (tmp_path / "a.svg").read_bytes() == render(shown.screen, "svg", shown.title)
    assert shown == await asyncio.to_thread(take, still)
    colourless = await asyncio.to_thread(take, replace(still, colours="none"))
    assert (tmp_path / "a.txt").read_bytes() == render(colourless.screen, "txt")


async def test_a_viewer_without_a_scene_can_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = ViewerApp(Setup(["missing.qcow2"]))
    async with app.run_test(size=(80, 24)) as pilot:
        await app.settled.wait()
        await pilot.pause()
        shot = read_shot(app.main.pane)
    assert (shot.screen.width, shot.screen.height) == (80, 24)
    assert "missing.qcow2" in render(shot.screen, "txt").decode()
