"""The command palette: every binding, semantics, lesson and layer, each with a prefix to type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from textual.command import DiscoveryHit, Hit, Provider

from blockstrata.text.printable import base_name, printable, shortened
from blockstrata_viewer.app.bindings import help_keys
from blockstrata_viewer.widgets.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.command import Hits, Matcher
    from textual.content import Content

_PREFIXES: Final = {
    "cursor": "go",
    "layer": "layer",
    "zoom": "zoom",
    "semantics": "flags",
    "change": "find",
    "difference": "find",
    "suspicious": "find",
    "image": "image",
    "learn": "lesson",
    "lesson": "lesson",
}

_WHOLE: Final = 1.5
"""How much better it is if what was typed stands there as it is."""


class ViewerCommands(Provider):
    """Lists and finds commands; each runs the action that its key runs."""

    async def discover(self) -> Hits:
        """Yield every command."""
        for name, action, key in self._commands():
            # Textual reads a str as markup; it takes content for what it says
            yield DiscoveryHit(
                plain(name), lambda action=action: self.app.run_action(action), help=_help(key)
            )

    async def search(self, query: str) -> Hits:
        """Yield the commands that match what was typed."""
        matcher = self.matcher(query)
        for name, action, key in self._commands():
            if found := places(query, name):
                weight = _WHOLE if found[-1] - found[0] == len(query) - 1 else 1
                yield Hit(
                    weight * matcher.fuzzy_search.score(name, found),
                    _highlighted(name, found, matcher),
                    lambda action=action: self.app.run_action(action),
                    help=_help(key),
                )

    def _commands(self) -> Iterator[tuple[str, str, str]]:
        """Yield name, action and key of every command."""
        from blockstrata.semantics import SWITCH  # noqa: PLC0415
        from blockstrata_viewer.app.app import ViewerApp  # noqa: PLC0415
        from blockstrata_viewer.app.bindings import BINDINGS  # noqa: PLC0415
        from blockstrata_viewer.lessons import taught  # noqa: PLC0415

        app = self.app
        assert isinstance(app, ViewerApp)  # noqa: S101
        for binding, (key, words) in zip(BINDINGS, help_keys(app.keys), strict=True):
            if binding.action != "command_palette":
                prefix = _PREFIXES.get((binding.id or "").partition(".")[0], "view")
                yield f"{prefix}: {words}", f"app.{binding.action}", key
        for semantics in SWITCH:
            yield f"flags: {semantics.word}, {semantics.title}", f"app.under('{semantics.name}')", ""
        for nth, lesson in enumerate(taught(app.course.lessons if app.course else ()), 1):
            title = shortened(printable(lesson.title))
            yield f"lesson: {nth} {title}", f"app.begin_lesson({lesson.name!r})", ""
        if app.course:
            yield "lesson: leave it", "app.leave_lesson", ""
        if app.scene:
            for layer in app.scene.disk.layers:
                name = shortened(base_name(layer.name))
                yield f"layer: {layer.depth} {name}", f"app.choose({layer.depth})", ""


def places(query: str, name: str) -> list[int]:
    """Return where the letters of a query stand in a name, as a whole or one after the other, if they do.

    Textual weighs every way in which they do, and a name can have more of these than anybody waits for.
    """
    query, inside = query.lower(), "".join(_lower(char) for char in name)
    whole = inside.find(query)
    if whole >= 0:
        return list(range(whole, whole + len(query)))
    found: list[int] = []
    for char in query:
        at = inside.find(char, found[-1] + 1 if found else 0)
        if at < 0:
            return []
        found.append(at)
    return found


def _lower(char: str) -> str:
    """Return a letter in lower case, but for the few that become two."""
    return lower if len(lower := char.lower()) == 1 else char


def _highlighted(name: str, found: list[int], matcher: Matcher) -> Content:
    content = plain(name)
    for at in found:
        if not name[at].isspace():
            content = content.stylize(matcher.match_style, at, at + 1)
    return content


def _help(key: str) -> Any:
    """Return a key as content, which Textual takes and does not declare."""
    return plain(key) if key else None
