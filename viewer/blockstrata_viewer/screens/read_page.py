"""Pages for which an image is read while one looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from itertools import accumulate
from typing import ClassVar, Final

from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.visual import Visual, visualize

from blockstrata.errors import BlockstrataError
from blockstrata_viewer.draw.lines import style_of
from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.draw.strips import swatch_cell
from blockstrata_viewer.process.aside import Aside
from blockstrata_viewer.process.memory import TOO_LARGE
from blockstrata_viewer.reports.told import Spot, Told
from blockstrata_viewer.widgets.dialog import ScrolledDialog
from blockstrata_viewer.widgets.plain import Words

_SOON: Final = 0.2
"""Seconds for which the screen waits, so that nothing flickers where it does not take long."""

_WIDEST: Final = 140
"""Cells of a wide dialog at the most, as in app.tcss."""
_FRAME: Final = 5
"""Cells that its frame, its padding and a scrollbar take."""
_SWATCH: Final = 3
"""Cells of a swatch and the gap behind it."""
_LEADS: Final = " ›"
"""Behind a line that leads somewhere."""

Read = Callable[[], Sequence[Told]]
Fold = Callable[[str, int], list[str]]
"""Breaks a line for a width."""


def page_width(screen: int) -> int:
    """Return the cells of a line in a wide dialog with a scrollbar on a screen; app.tcss has the shares."""
    return max(1, min(_WIDEST, screen * 96 // 100) - _FRAME)


class ReadPage(Words):
    """Shows the lines that ``read`` returns, which may wait for a server or a file system, or the one error.

    Keys do not wait with it.  ``fold`` breaks a line, ``style`` makes text of what it is broken into.
    """

    class Entered(Message):
        """A line was chosen that names a place."""

        def __init__(self, spot: Spot) -> None:
            super().__init__()
            self.spot = spot

    def __init__(self, palette: Palette, read: Read, fold: Fold, style: Callable[[str], Text]) -> None:
        super().__init__("reading …", classes="page")
        self._palette = palette
        self._read = read
        self._fold = fold
        self._style = style
        self._lines: Sequence[Told] | None = None
        self._rows: list[Text] = []
        """The lines as they are folded for the width."""
        self._tops: list[int] = []
        """The row at which each line begins, and after the last the end."""
        self.chosen: int | None = None
        """Which line is marked, one that names a place."""

    def on_mount(self) -> None:
        """Begin to read."""
        reading = Aside().submit(self._read)
        if wait([reading], _SOON).done:
            self._show(reading)
        else:
            self.wait_for(reading)

    @work
    async def wait_for(self, reading: Future[Sequence[Told]]) -> None:
        """Show what is read once it is."""
        await asyncio.wait([asyncio.wrap_future(reading)])
        self._show(reading)

    def _show(self, reading: Future[Sequence[Told]]) -> None:
        try:
            self._lines = reading.result()
        except BlockstrataError as error:
            self.update(str(error))
        except MemoryError:
            self.update(TOO_LARGE)
        else:
            self.fit_width()

    @property
    def text(self) -> str:
        """The lines as they were read, empty until then."""
        return "\n".join(line.text for line in self._lines or ())

    @property
    def spot(self) -> Spot | None:
        """The place that the marked line names."""
        return None if self.chosen is None or not self._lines else self._lines[self.chosen].spot

    def choose(self, steps: int) -> bool:
        """Mark another line that names a place; say whether there are such."""
        leading = [nth for nth, line in enumerate(self._lines or ()) if line.spot]
        if not leading:
            return False
        at = 0 if self.chosen is None else leading.index(self.chosen) + steps
        self.chosen = leading[max(0, min(at, len(leading) - 1))]
        self.refresh()
        return True

    @property
    def chosen_row(self) -> int:
        """The row at which the marked line begins, 0 if there is none."""
        return self._tops[self.chosen] if self.chosen is not None else 0

    def fit_width(self) -> None:
        """Fit the lines to the width that there is."""
        if self._lines is not None:
            width = page_width(self.app.size.width) - _SWATCH
            parts = [self._told(line, width) for line in self._lines]
            self._tops = list(accumulate(map(len, parts), initial=0))
            self._rows = [row for each in parts for row in each]
            self.update(Text("\n").join(self._rows))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return how many rows there are."""
        return len(self._rows) or super().get_content_height(container, viewport, width)

    def render_line(self, y: int) -> Strip:
        """Return a row; those in sight alone are drawn when another line is chosen."""
        if y >= len(self._rows) or self.text_selection:
            return super().render_line(y)
        row = self._rows[y]
        if self.chosen is not None and self._tops[self.chosen] <= y < self._tops[self.chosen + 1]:
            row = row.copy()
            row.stylize("reverse")
        drawn = Visual.to_strips(self, visualize(self, row), self.size.width, 1, self.visual_style)
        return drawn[0].apply_offsets(0, y)

    def _told(self, line: Told, width: int) -> list[Text]:
        """Return the rows of a line: its swatch before the letters, a sign where it leads somewhere."""
        first, *others = self._fold(line.text, width) or [""]
        head = self._style(first)
        if line.at and len(first) > line.at:
            swatch = Text("  ")
            if line.paint is not None:
                glyph, ink = swatch_cell(line.paint, self._palette)
                swatch = Text(glyph * 2, style_of(ink))
            head = Text.assemble(head[: line.at], swatch, " ", head[line.at :])
        rows = [head, *map(self._style, others)]
        if line.spot:
            rows[-1].append(_LEADS, self._palette.accent)
        return rows

    def on_resize(self) -> None:
        """Fit the lines to the new width, once all parts have theirs."""
        self.call_after_refresh(self.fit_width)

    def on_click(self, event: events.Click) -> None:
        """Go where the line under the pointer leads."""
        for line, top, end in zip(self._lines or (), self._tops, self._tops[1:], strict=False):
            if top <= event.y < end and line.spot:
                self.post_message(self.Entered(line.spot))


class PageScreen(ModalScreen[Spot | None]):
    """A page that is read, under a title; its keys, and the one that opens it, leave.

    Returns the place that a line of it names, or None.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "close"),
        Binding("enter", "enter", "go there"),
        Binding("up,k", "choose(-1)", "previous line with a ›", priority=True),
        Binding("down,j", "choose(1)", "next line with a ›", priority=True),
        Binding("y", "copy", "copy"),
    ]
    IS_WIDE: ClassVar[bool] = True
    """Whether it takes almost all of a screen's width, as app.tcss has it."""

    def __init__(self, title: str, page: ReadPage) -> None:
        super().__init__()
        self._title = title
        self._page = page

    def compose(self) -> ComposeResult:
        """Compose the page."""
        yield ScrolledDialog(
            self._page,
            title=self._title,
            keys="↑ ↓ enter go where › leads · y copies · esc closes",
            classes="wide" if self.IS_WIDE else "",
        )

    def action_choose(self, steps: int) -> None:
        """Mark another line, and have it in sight; without any scroll."""
        box = self.query_one(ScrolledDialog)
        if self._page.choose(steps):
            height = box.scrollable_content_region.height
            row = self._page.chosen_row
            if not box.scroll_y <= row < box.scroll_y + height:
                box.scroll_to(y=row - height // 2, animate=False)
        else:
            box.scroll_relative(y=steps, animate=False)

    def action_enter(self) -> None:
        """Leave for where the marked line leads, if there is one."""
        self.dismiss(self._page.spot)

    def on_read_page_entered(self, message: ReadPage.Entered) -> None:
        """Leave for where a line leads."""
        self.dismiss(message.spot)

    def action_copy(self) -> None:
        """Copy the lines of the page."""
        if text := self._page.text:
            self.app.copy_to_clipboard(text)
            self.notify(f"copied: {text.count(chr(10)) + 1} lines")
