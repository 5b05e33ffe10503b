"""What goes when a part of the screen is left, so that a day's work takes no more memory than a minute's."""

from __future__ import annotations

import gc

from textual.widget import Widget


def forget_lines(part: Widget) -> None:
    """Have Textual give up the lines that it keeps of a part, and of all in it; for one that goes.

    Textual 8 remembers which colours were asked for by which of a thousand parts, whether they are there
    or not, and what was drawn of these stays with them: half a MiB for a large page.
    """
    for each in part.walk_children(Widget, with_self=True):
        each.refresh()
        has_vertical, has_horizontal = each.scrollbars_enabled
        if has_vertical:
            each.vertical_scrollbar.refresh()
        if has_horizontal:
            each.horizontal_scrollbar.refresh()


def collect_and_freeze() -> None:
    """Collect what nothing refers to any more, and have the collector pass over what there is now.

    What was read stays, and there is much of it.  What was passed over so far may be garbage by now.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
