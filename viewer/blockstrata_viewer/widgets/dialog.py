"""The frame that every page over the screen has: a title, the keys, and a sign where it goes on."""

from __future__ import annotations

from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget

from blockstrata_viewer.widgets.plain import plain

_CLOSE = "esc closes"


def framed(box: Widget, title: str, keys: str = _CLOSE) -> Widget:
    """Return a box with a title over it, and what the keys do under it."""
    box.add_class("dialog")
    box.border_title = plain(title)
    box.border_subtitle = plain(keys)
    return box


class Dialog(Vertical):
    """A framed box."""

    def __init__(self, *children: Widget, title: str, keys: str = _CLOSE, classes: str = "") -> None:
        super().__init__(*children, classes=classes)
        framed(self, title, keys)


class ScrolledDialog(VerticalScroll):
    """A framed box that scrolls; its frame says so where there is more."""

    def __init__(self, *children: Widget, title: str, keys: str = _CLOSE, classes: str = "") -> None:
        super().__init__(*children, classes=classes)
        framed(self, title, keys)
        self._keys = keys

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Say whether there is more below."""
        super().watch_scroll_y(old_value, new_value)
        self._tell()

    def watch_virtual_size(self) -> None:
        """Say it once it is known how much there is."""
        self.call_after_refresh(self._tell)

    def _tell(self) -> None:
        more = "↓ more · " if self.scroll_y < self.max_scroll_y else ""
        self.border_subtitle = plain(more + self._keys)
