"""Every key of the viewer, as data: the footer, the help, the palette and the config file all come from here.

The table is that of docs/manual.md, "The keys".  An id stays for good, because config files name it.
"""

from __future__ import annotations

from typing import Final

from textual.binding import Binding

from blockstrata.text.printable import printable

BINDINGS: Final = (
    Binding("left,h", "move(-1)", "move", id="cursor.left", key_display="← →"),
    Binding("right,l", "move(1)", "move the cursor to the right", id="cursor.right", show=False),
    Binding("shift+left", "move(-10)", "ten cells to the left", id="cursor.left10", show=False),
    Binding("shift+right", "move(10)", "ten cells to the right", id="cursor.right10", show=False),
    Binding("home", "edge(0)", "start of the disk", id="cursor.home", show=False),
    Binding("end", "edge(1)", "end of the disk", id="cursor.end", show=False),
    Binding("up,k", "select(-1)", "layer", id="layer.up", key_display="↑ ↓"),
    Binding("down,j", "select(1)", "next layer down", id="layer.down", show=False),
    Binding("plus,equals_sign,right_square_bracket", "zoom(1)", "zoom", id="zoom.in", key_display="+ -"),
    Binding("minus,left_square_bracket", "zoom(-1)", "zoom out", id="zoom.out", show=False),
    Binding("s", "semantics(1)", "flags", id="semantics.next"),
    Binding("S", "semantics(-1)", "previous flags", id="semantics.previous", show=False),
    Binding("n", "change(1)", "change", id="change.next", key_display="n p"),
    Binding("p", "change(-1)", "previous change in the layer", id="change.previous", show=False),
    Binding("d", "difference", "differs", id="difference.next"),
    Binding("D", "differences", "show only where old and new differ", id="difference.all", show=False),
    Binding("b", "suspicious", "next suspicious run", id="suspicious.next", show=False),
    Binding("f", "fit", "fit", id="zoom.fit"),
    Binding("z", "fit_selection", "fit the extent, or between markers", id="zoom.selection", show=False),
    Binding("g", "go_to", "go to", id="cursor.goto"),
    Binding("space,m", "mark", "set a marker", id="marker.set", show=False),
    Binding("v", "file_axis", "file", id="axis.file"),
    Binding("enter", "details", "details of the extent", id="extent.details", show=False),
    Binding("T", "trace", "trace a read of this byte through the layers", id="trace", show=False),
    Binding("full_stop", "lesson(1)", "next step of the lesson", id="lesson.next", show=False),
    Binding("comma", "lesson(-1)", "previous step of the lesson", id="lesson.previous", show=False),
    Binding("r", "round_trip", "round trip", id="nbd.round_trip", show=False),
    Binding("w", "storage", "ask files by seek or fiemap", id="storage.next", show=False),
    Binding("a", "audit", "audit", id="audit", show=False),
    Binding("x", "patterns", "patterns", id="patterns", show=False),
    Binding("t", "theme", "theme", id="theme.next", show=False),
    Binding("i", "inspector", "inspector", id="inspector", show=False),
    Binding("e", "export", "export", id="export"),
    Binding("B", "tables", "tables", id="tables"),
    Binding("L", "learn", "lessons", id="learn"),
    Binding("tab", "image(1)", "next image", id="image.next", show=False),
    Binding("shift+tab", "image(-1)", "previous image", id="image.previous", show=False),
    Binding(
        "escape", "clear", "clear markers, leave the file's axis or the round trip", id="clear", show=False
    ),
    Binding("question_mark,f1", "help", "help", id="help", key_display="?"),
    Binding("ctrl+p", "app.command_palette", "palette", id="palette", show=False),
    Binding("q,ctrl+c,ctrl+q", "app.quit_viewer", "quit", id="quit", key_display="q"),
)

APP_BINDINGS: Final = tuple(binding for binding in BINDINGS if binding.id in ("palette", "quit"))
"""Those that the app has as well: it would have its own, and may be left before there is a main screen."""

_NAMES: Final = {
    "equals_sign": "=",
    "plus": "+",
    "minus": "-",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "question_mark": "?",
    "full_stop": ".",
    "comma": ",",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
}


def footer_keys() -> list[tuple[str, str]]:
    """Return keys and words for the footer."""
    return [(each.key_display or spell(each.key), each.description) for each in BINDINGS if each.show]


def help_keys(keymap: dict[str, str]) -> list[tuple[str, str]]:
    """Return every key and what it does; ``keymap`` holds the user's own keys by id."""
    spoken = {
        "cursor.left": "move the cursor to the left",
        "layer.up": "next layer up",
        "zoom.in": "zoom in",
        "zoom.fit": "fit all",
        "semantics.next": "next flags on the switch",
        "change.next": "next change in the layer",
        "difference.next": "next place where old and new flags mean different things",
        "cursor.goto": "go to an offset",
        "axis.file": "the layer's file, on its own axis",
        "nbd.round_trip": "the round trip through NBD, and back",
        "audit": "hold today's answers against the proposed tables",
        "tables": "the truth tables, and where in this image their rows occur",
        "learn": "choose a lesson",
        "export": "export the screen (svg, png, html, txt)",
    }
    return [
        (printable(spell(keymap.get(each.id or "", each.key))), spoken.get(each.id or "", each.description))
        for each in BINDINGS
    ]


def spell(keys: str) -> str:
    """Return Textual's names of keys as they stand on a keyboard."""
    names = [[_NAMES.get(part, part) for part in key.split("+") if part] for key in keys.split(",")]
    return " ".join("-".join(parts) for parts in names)
