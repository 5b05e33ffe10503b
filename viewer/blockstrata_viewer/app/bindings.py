"""Every key and what it does: the footer, the help, the palette and the config file all come from here.

The table is that of docs/manual.md, "The keys".  An id stays for good, because config files name it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from textual.binding import Binding

from blockstrata.text.printable import printable

if TYPE_CHECKING:
    # these keys are the app's too, before numpy is there
    from textual.binding import ActiveBinding

    from blockstrata_viewer.model.scene import Scene

Turn = Callable[["Scene", int], "Scene"]
"""What a key makes of a scene, so many times."""


class Search(NamedTuple):
    """What a key looks for in a scene, and what is said where there is none, or none on a round trip."""

    find: Callable[[Scene], Scene | None]
    nothing: str
    nothing_on_trip: str = ""

    def nothing_in(self, scene: Scene | None) -> str:
        """Return what is said where there is none in a scene."""
        is_on_trip = scene is not None and scene.disk.round_trip
        return self.nothing_on_trip if is_on_trip and self.nothing_on_trip else self.nothing


class Key(NamedTuple):
    """Some keys that do the same: a turn of the scene, a search in it, or an action of the main screen.

    ``words`` say so in help and palette, ``footer`` in the footer, with ``shown`` for the keys if not these.
    ``jumps``: what it leads away from is a place to go back to; so is what a search leads away from.
    """

    id: str
    keys: str
    does: Turn | Search | str
    words: str
    footer: str = ""
    shown: str = ""
    jumps: bool = False

    @property
    def action(self) -> str:
        """The action, as Textual calls it."""
        return self.does if isinstance(self.does, str) else f"turn({self.id!r})"

    @property
    def binding(self) -> Binding:
        """The keys, as Textual knows them."""
        return Binding(self.keys, self.action, self.words, id=self.id)


def _clear(scene: Scene) -> Scene:
    """Return a scene with one thing less of what was set in it: markers, states, another axis."""
    if scene.markers:
        return replace(scene, markers=())
    if scene.isolated or scene.hidden:
        return replace(scene, isolated="", hidden=frozenset())
    return scene.leave()


_NO_CHANGE: Final = "no further change in this layer"

KEYS: Final = (
    Key(
        "cursor.left",
        "left,h",
        lambda scene, n: scene.move(-n),
        "move the cursor to the left",
        footer="move",
        shown="← →",
    ),
    Key("cursor.right", "right,l", lambda scene, n: scene.move(n), "move the cursor to the right"),
    Key("cursor.left10", "shift+left", lambda scene, n: scene.move(-10 * n), "ten cells to the left"),
    Key("cursor.right10", "shift+right", lambda scene, n: scene.move(10 * n), "ten cells to the right"),
    Key("cursor.home", "home", lambda scene, _: scene.go_to(0), "start of the disk", jumps=True),
    Key(
        "cursor.end",
        "end",
        lambda scene, _: scene.go_to(scene.disk.size),
        "end of the disk",
        jumps=True,
    ),
    Key(
        "layer.up",
        "up,k",
        lambda scene, n: scene.select(scene.selected - n),
        "next layer up",
        footer="layer",
        shown="↑ ↓",
    ),
    Key("layer.down", "down,j", lambda scene, n: scene.select(scene.selected + n), "next layer down"),
    Key(
        "layers.fold",
        "c",
        "fold_layers",
        "fold neighbouring layers that hold nothing in view, or show them all",
    ),
    Key(
        "zoom.in",
        "plus,right_square_bracket",
        lambda scene, n: scene.zoom(n),
        "zoom in",
        footer="zoom",
        shown="+ -",
    ),
    Key("zoom.out", "minus,left_square_bracket", lambda scene, n: scene.zoom(-n), "zoom out"),
    Key(
        "semantics.next",
        "s",
        lambda scene, _: scene.flip(),
        "flip between today's flags and the proposed ones",
        footer="flags",
    ),
    Key(
        "semantics.wire",
        "S",
        lambda scene, _: scene.next_wire(),
        "what NBD says: 2018, 6.0, proposed",
    ),
    Key(
        "change.next",
        "n",
        Search(lambda scene: scene.change(1), _NO_CHANGE),
        "next change in the layer",
        footer="change",
        shown="n p",
    ),
    Key(
        "change.previous",
        "p",
        Search(lambda scene: scene.change(-1), _NO_CHANGE),
        "previous change in the layer",
    ),
    Key(
        "difference.next",
        "d",
        Search(
            lambda scene: scene.difference(),
            "after this point, today's and the proposed flags mean the same in this layer",
        ),
        "next place where today's and the proposed flags differ in meaning",
        footer="differs",
    ),
    Key(
        "difference.all",
        "D",
        lambda scene, _: scene.drawn(differences=not scene.differences),
        "show only where today's and the proposed flags differ",
    ),
    Key(
        "suspicious.next",
        "b",
        Search(
            lambda scene: scene.suspicious(),
            "no suspicious extent after this point",
            nothing_on_trip="after this point, the client reads what the image means",
        ),
        "next suspicious extent",
    ),
    Key("zoom.fit", "f", lambda scene, _: scene.fit(), "fit all", footer="fit", jumps=True),
    Key(
        "zoom.selection",
        "z",
        lambda scene, _: scene.fit_selection(),
        "fit the extent, or the range between markers",
        jumps=True,
    ),
    Key("history.back", "less_than_sign", "walk(-1)", "back to where you were"),
    Key("history.forward", "greater_than_sign", "walk(1)", "forward again"),
    Key("cursor.goto", "g", "page('go_to')", "go to an offset", footer="go to"),
    Key("marker.set", "space,m", lambda scene, _: scene.mark(), "set a marker"),
    Key(
        "axis.file",
        "v",
        lambda scene, _: scene.uses_axis(),
        "the layer's file, on its own axis",
        footer="file",
        jumps=True,
    ),
    Key("extent.details", "o", "page('details')", "details of the extent"),
    Key("enter", "enter", "enter", "details of the extent; in a lesson: go on, or answer with this place"),
    Key("trace", "T", "page('trace')", "trace a read of this byte through the layers"),
    Key("lesson.next", "full_stop", "lesson(1)", "next step of the lesson, answered or not"),
    Key("lesson.previous", "comma", "lesson(-1)", "previous step of the lesson"),
    Key("nbd.round_trip", "r", "round_trip", "show the round trip through NBD, or leave it"),
    Key("storage.next", "w", "storage", "ask files for their storage by seek or by fiemap"),
    Key("audit", "a", "page('audit')", "audit: compare today's answers with the proposed tables"),
    Key(
        "patterns", "x", lambda scene, _: scene.drawn(patterns=not scene.patterns), "patterns on the colours"
    ),
    Key("theme.next", "t", "theme", "dark or light theme"),
    Key("inspector", "i", "inspector", "show or hide the inspector"),
    Key("export", "e", "export", "export the screen (svg, png, html, txt)", footer="export"),
    Key("extents", "E", "extents", "the extents as a table", footer="extents"),
    Key("extents.filter", "slash", "filter", "show only some extents in the table"),
    Key(
        "tables",
        "B",
        "page('tables')",
        "the truth tables, and where in this image their rows occur",
        footer="tables",
    ),
    Key("learn", "L", "learn", "choose a lesson", footer="lessons"),
    Key("image.next", "tab", "image(1)", "next image, at the same place"),
    Key("image.previous", "shift+tab", "image(-1)", "previous image, at the same place"),
    Key("image.together", "equals_sign", "together", "move all images together, or each alone"),
    Key("copy.offset", "y", "copy", "copy the offset"),
    Key("copy.command", "Y", "command", "show and copy the command that leads to this view"),
    Key("reload", "f5,R", "reload", "read the image again"),
    Key(
        "clear",
        "escape",
        lambda scene, _: _clear(scene),
        "clear markers, show all states, leave the file's axis or the round trip",
        jumps=True,
    ),
    Key("help", "question_mark,f1", "help", "help", footer="help", shown="?"),
    Key("palette", "ctrl+p", "app.command_palette", "palette"),
    Key("quit", "q,ctrl+c,ctrl+q", "app.quit_viewer", "quit", footer="quit", shown="q"),
)

KEYS_BY_ID: Final = {key.id: key for key in KEYS}
BINDINGS: Final = tuple(key.binding for key in KEYS)
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
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "slash": "/",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
}


def footer_keys() -> list[tuple[str, ...]]:
    """Return keys and words for the footer, and what a click does on each of the keys.

    Where the footer shows two keys, the second is that of the binding which comes next in the table.
    """
    found: list[tuple[str, ...]] = []
    for nth, key in enumerate(KEYS):
        if key.footer:
            shown = key.shown or _spell(key.keys)
            actions = [each.action for each in KEYS[nth : nth + 1 + shown.count(" ")]]
            found.append((shown, key.footer, *actions))
    return found


GROUPS: Final = {
    "move": ("cursor", "layer"),
    "look closer": ("zoom", "layers", "marker", "axis"),
    "compare flags": ("semantics", "difference", "nbd", "storage"),
    "find": ("change", "suspicious", "history"),
    "read": ("extent", "trace", "tables", "extents", "audit", "enter"),
    "lessons": ("learn", "lesson"),
    "images": ("image", "reload"),
    "copy and export": ("copy", "export"),
    "the screen": ("patterns", "theme", "inspector", "clear", "help", "palette", "quit"),
}
"""What one wants to do, and the first parts of the ids of keys that do it."""


def group_of(key: Key) -> str:
    """Return what one wants to do who types a key."""
    first = key.id.partition(".")[0]
    return next(group for group, firsts in GROUPS.items() if first in firsts)


class KeyWords(NamedTuple):
    """Keys as they stand on a keyboard, what they do, and for what that is."""

    group: str
    keys: str
    words: str


def help_keys(keymap: dict[str, str]) -> list[KeyWords]:
    """Return every key and what it does; ``keymap`` holds the user's own keys by id."""
    return [
        KeyWords(group_of(key), printable(_spell(keymap.get(key.id, key.keys))), key.words) for key in KEYS
    ]


def said_of(key: str, bound: Mapping[str, ActiveBinding]) -> str:
    """Return a key, by its name or its sign, as it stands on a keyboard, and what it is bound to."""
    shown = key if len(key) == 1 else _spell(key)
    words = (each.binding.description for name, each in bound.items() if _spell(name) == shown)
    return "  ".join([shown, *filter(None, words)])


def _spell(keys: str) -> str:
    """Return Textual's names of keys as they stand on a keyboard."""
    names = [[_NAMES.get(part, part) for part in key.split("+") if part] for key in keys.split(",")]
    return " ".join("-".join(parts) for parts in names)
