"""A screen as SVG: backgrounds, blocks and lines as geometry on whole units, other glyphs as placed text.

No font is linked, and none is needed for the strips.  What is drawn, in this order: the window, backgrounds,
blocks and straight lines, curves and diagonals, text.  Rectangles of one colour are joined where they touch,
first along a row, then down; together with edges on whole units this leaves no seam at any scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from blockstrata_viewer.export.glyphs import HEIGHT, SHADES, WIDTH, Rect, rectangles, stroke
from blockstrata_viewer.export.screen import Cell, Screen, mix

FONTS: Final = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
FONT_SIZE: Final = "13.3"
"""In units: DejaVu Sans Mono is then a cell wide."""
_BASELINE: Final = 12
"""Units from the top of a cell."""
SIDE: Final = 8
"""Of the window beside the screen and below it, and above it without a title."""
RADIUS: Final = 8
_BAR: Final = 32
_TITLE_BASELINE: Final = 21


class Frame(NamedTuple):
    """A window of ``width`` × ``height`` whose screen starts at (SIDE, ``top``), in the units of a cell."""

    width: int
    height: int
    top: int
    title: str
    rule: str
    dim: str


def frame_of(screen: Screen, title: str) -> Frame:
    """Return the window for a screen; the title is cut in its middle if it is too long."""
    top = _BAR if title else SIDE
    room = max(1, screen.width - 4)
    if len(title) > room:
        title = title[: room // 2] + "…" + title[len(title) - (room - room // 2 - 1) :]
    return Frame(
        width=screen.width * WIDTH + 2 * SIDE,
        height=screen.height * HEIGHT + top + SIDE,
        top=top,
        title=title,
        rule=mix(screen.page, screen.ink, 1),
        dim=mix(screen.page, screen.ink, 2),
    )


def svg(screen: Screen, title: str = "") -> str:
    """Return the picture of a screen in a window; without a title the window has no title bar."""
    frame = frame_of(screen, title)
    texts = lettered([*title_of(frame), *_texts(screen, frame)])
    return window(screen, frame, [*_geometry(screen, frame), *texts])


def window(screen: Screen, frame: Frame, drawn: Iterable[str]) -> str:
    """Return a window, in the colours of a screen, with what is drawn in it."""
    width, height = frame.width, frame.height
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    # half a unit inside
    outline = f'x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="{RADIUS}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(frame.title or 'blockstrata')}</title>",
        f'<rect {outline} fill="{screen.page}"/>',
        *_lip(screen, frame),
        *drawn,
        f'<rect {outline} fill="none" stroke="{frame.rule}"/>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def lettered(drawn: Iterable[str]) -> list[str]:
    """Return elements in the font of the screen."""
    return [
        f'<g font-family="{FONTS}" font-size="{FONT_SIZE}" style="font-variant-ligatures:none">',
        *drawn,
        "</g>",
    ]


def row_of(screen: Screen, frame: Frame, y: int) -> list[str]:
    """Return the elements of the row ``y`` of a screen in a window."""
    row = Screen((screen.rows[y],), screen.page, screen.ink)
    at = frame._replace(top=frame.top + y * HEIGHT)
    return [*_geometry(row, at), *_texts(row, at)]


def caption(frame: Frame, text: str) -> str:
    """Return words at the right end of a window's title bar."""
    x = frame.width - 2 * SIDE
    return f'<text x="{x}" y="{_TITLE_BASELINE}" text-anchor="end" fill="{frame.dim}">{escape(text)}</text>'


def _geometry(screen: Screen, frame: Frame) -> list[str]:
    return [
        '<g shape-rendering="crispEdges">',
        *_filled(_backgrounds(screen, frame)),
        *_filled(_blocks(screen, frame)),
        "</g>",
        '<g fill="none">',
        *_curves(screen, frame),
        "</g>",
    ]


def ground_of(cell: Cell) -> str:
    """Return what fills a cell: its background, or with a shade glyph the even mixture of its two colours."""
    return mix(cell.bg, cell.fg, SHADES.get(cell.text, 0))


def joined(rects: Iterable[Rect]) -> list[Rect]:
    """Return rectangles joined where they share a whole edge, first along rows, then downwards."""
    wide: list[Rect] = []
    for rect in sorted(rects, key=lambda rect: (rect.top, rect.bottom, rect.left)):
        last = wide[-1] if wide else None
        if last and (last.top, last.bottom, last.right) == (rect.top, rect.bottom, rect.left):
            wide[-1] = last._replace(right=rect.right)
        else:
            wide.append(rect)
    tall: list[Rect] = []
    for rect in sorted(wide, key=lambda rect: (rect.left, rect.right, rect.top)):
        last = tall[-1] if tall else None
        if last and (last.left, last.right, last.bottom) == (rect.left, rect.right, rect.top):
            tall[-1] = last._replace(bottom=rect.bottom)
        else:
            tall.append(rect)
    return sorted(tall, key=lambda rect: (rect.top, rect.left))


def _lip(screen: Screen, frame: Frame) -> Iterator[str]:
    """Yield what rounds off the last row, if it is one bar from edge to edge."""
    first, last = screen.rows[-1][0], screen.rows[-1][-1]
    if _bleeds(first) and _bleeds(last) and first.bg == last.bg != screen.page:
        top = frame.top + screen.height * HEIGHT
        r = RADIUS
        down = f"M0.5 {top}h{frame.width - 1}V{frame.height - 1 - r}.5"
        corners = f"a{r} {r} 0 0 1 -{r} {r}H{r}.5a{r} {r} 0 0 1 -{r} -{r}"
        yield f'<path fill="{first.bg}" d="{down}{corners}Z"/>'


def _bleeds(cell: Cell) -> bool:
    """Say whether a cell at the edge of the screen is continued to the edge of the window."""
    return cell.text == " "


def title_of(frame: Frame) -> Iterator[str]:
    """Yield the title of a window, if it has one."""
    if frame.title:
        # set as one run, in the middle: nothing in it has to meet a column
        yield (
            f'<text x="{frame.width // 2}" y="{_TITLE_BASELINE}" text-anchor="middle" '
            f'fill="{frame.dim}">{escape(frame.title)}</text>'
        )


def _cells(screen: Screen, frame: Frame) -> Iterator[tuple[int, int, Cell]]:
    for y, row in enumerate(screen.rows):
        for x, cell in enumerate(row):
            yield SIDE + x * WIDTH, frame.top + y * HEIGHT, cell


def _backgrounds(screen: Screen, frame: Frame) -> dict[str, list[Rect]]:
    found: dict[str, list[Rect]] = {}
    for left, top, cell in _cells(screen, frame):
        if (ground := ground_of(cell)) != screen.page:
            found.setdefault(ground, []).append(Rect(left, top, left + WIDTH, top + HEIGHT))
    for y, row in enumerate(screen.rows):
        top = frame.top + y * HEIGHT
        for cell, left, right in ((row[0], 0, SIDE), (row[-1], frame.width - SIDE, frame.width)):
            if _bleeds(cell) and cell.bg != screen.page:
                found.setdefault(cell.bg, []).append(Rect(left, top, right, top + HEIGHT))
    return found


def _blocks(screen: Screen, frame: Frame) -> dict[str, list[Rect]]:
    found: dict[str, list[Rect]] = {}
    for left, top, cell in _cells(screen, frame):
        for rect in rectangles(cell.text):
            found.setdefault(cell.fg, []).append(rect.moved(left, top))
    return found


def _filled(by_colour: dict[str, list[Rect]]) -> Iterator[str]:
    """Yield a path a colour, a line of text for each height at which rectangles start."""
    for colour, rects in by_colour.items():
        rows = [
            "".join(f"M{left} {top}H{right}V{bottom}H{left}Z" for left, top, right, bottom in row)
            for _, row in groupby(joined(rects), key=lambda rect: rect.top)
        ]
        yield f'<path fill="{colour}" d="' + "\n".join(rows) + '"/>'


def _curves(screen: Screen, frame: Frame) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for left, top, cell in _cells(screen, frame):
        if path := stroke(cell.text, left, top):
            found.setdefault(cell.fg, []).append(path)
    for colour, paths in found.items():
        yield f'<path stroke="{colour}" d="' + "".join(paths) + '"/>'


def _texts(screen: Screen, frame: Frame) -> Iterator[str]:
    """Yield a text element for each word or words of one ink, with a place for each glyph."""
    for y, row in enumerate(screen.rows):
        for run in _runs(row):
            baseline = frame.top + y * HEIGHT + _BASELINE
            places = " ".join(str(SIDE + x * WIDTH) for x, _ in run)
            text = "".join(cell.text for _, cell in run)
            weight = ' font-weight="700"' if run[0][1].bold else ""
            yield (f'<text x="{places}" y="{baseline}" fill="{run[0][1].fg}"{weight}>{escape(text)}</text>')


def _runs(row: tuple[Cell, ...]) -> Iterator[list[tuple[int, Cell]]]:
    """Yield cells of one ink that can be one element: at most one blank between two glyphs.

    A list of places counts UTF-16 units, so that what takes more than one is an element of its own.
    """
    run: list[tuple[int, Cell]] = []
    for x, cell in enumerate(row):
        if not is_text(cell):
            continue
        if run:
            last_x, last = run[-1]
            alike = (last.fg, last.bold) == (cell.fg, cell.bold)
            plain = len(last.text) == len(cell.text) == 1 and max(last.text, cell.text) < "\U00010000"
            near = x - last_x == 1 or (x - last_x == 2 and row[x - 1].text == " ")
            if not (alike and plain and near):
                yield run
                run = []
            elif x - last_x == 2:
                run.append((last_x + 1, last._replace(text=" ")))
        run.append((x, cell))
    if run:
        yield run


def is_text(cell: Cell) -> bool:
    """Say whether a cell holds a glyph that is not drawn as geometry."""
    char = cell.text
    return char not in ("", " ") and not (char in SHADES or rectangles(char) or stroke(char, 0, 0))
