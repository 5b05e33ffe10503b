"""What comes from outside is shown as it is: never as markup, and never with a control character.

Textual takes text for markup unless it is told otherwise, each time.  Here it is told once: nothing else in
the viewer makes widgets of text, and the linter holds it to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.text import Text
from textual.app import App
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.content import Content
from textual.filter import LineFilter
from textual.notifications import SeverityLevel
from textual.widgets import Input, Static

from blockstrata.text.printable import printable


def plain(text: str) -> Content:
    """Return a name or a message as Textual shows it where it would look for markup."""
    return Content(printable(text))


class Words(Static):
    """Lines of text."""

    def __init__(self, content: str | Text = "", *, id: str | None = None, classes: str | None = None):  # noqa: A002  Textual's name
        super().__init__(_lines(content), id=id, classes=classes, markup=False)

    def update(self, content: Any = "", *, layout: bool = True) -> None:
        """Show other lines: a string or rich's text."""
        super().update(_lines(content), layout=layout)


def _lines(content: str | Text) -> str | Text:
    return "\n".join(map(printable, content.split("\n"))) if isinstance(content, str) else content


class Prompt(Input):
    """A line to be written; what is proposed or pasted is what is seen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", "take the line", show=False)]

    def validate_value(self, value: str) -> str:
        """Return what is to be the value."""
        return printable(value)


class Net(LineFilter):
    """Takes out of a line what no source of it should have put there; cells stay where they are."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the line, each character that is not printable replaced by as many cells as it had."""
        return [
            each if each.text.isprintable() or each.control else Segment(_netted(each.text), each.style)
            for each in segments
        ]


def _netted(text: str) -> str:
    return "".join(
        char if printable(char) == char else "\N{REPLACEMENT CHARACTER}" * cell_len(char) for char in text
    )


NET: Final = Net()


class PlainApp(App[int]):
    """An app that takes no text for markup."""

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what every line of a widget goes through, but for those that are drawn from rows."""
        return [*super().get_line_filters(), NET]

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a notification as it stands."""
        super().notify(
            printable(message), title=printable(title), severity=severity, timeout=timeout, markup=False
        )
