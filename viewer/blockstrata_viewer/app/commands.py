"""The command palette: every binding, semantics, lesson and layer, each with a prefix to type."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from textual.command import DiscoveryHit, Hit, Hits, Matcher, Provider
from textual.content import Content

from blockstrata.semantics import SWITCH
from blockstrata.text.printable import base_name, printable, shortened
from blockstrata_viewer.app.bindings import KEYS, help_keys
from blockstrata_viewer.app.image_pane import ImagePane
from blockstrata_viewer.model.switch import word_of
from blockstrata_viewer.widgets.plain import plain

_NOT_OFFERED: Final = ("palette", "enter")
"""What is there already, and what another command says as well."""

_WHOLE: Final = 1.5
"""How much better it is if what was typed stands there as it is."""


class Command(NamedTuple):
    """What the palette offers: what it is called, the action of the screen that it runs, and its keys."""

    name: str
    action: str
    key: str = ""


def commands_of(pane: ImagePane) -> Iterator[Command]:
    """Yield every command: the bindings under the user's keys, flags, lessons, and layers of the image."""
    guide, scene = pane.guide, pane.current
    for key, (group, keys, words) in zip(KEYS, help_keys(pane.setup.keymap), strict=True):
        if key.id not in _NOT_OFFERED:
            yield Command(f"{group}: {words}", key.action, keys)
    for semantics in SWITCH:
        shown = word_of(semantics)
        also = "" if shown == semantics.word else f" ({shown})"
        what = f"{semantics.word}{also}, {semantics.title}"
        yield Command(f"compare flags: {what}", f"under('{semantics.name}')")
    for nth, lesson in enumerate(guide.offered, 1):
        title = shortened(printable(lesson.title))
        yield Command(f"lessons: {nth} {title}", f"begin_lesson({lesson.name!r})")
    if guide.course:
        yield Command("lessons: leave the lesson", "leave_lesson")
    states = scene.disk.guest.by_state(scene.semantics) if scene and not scene.asking else ()
    for state in states:
        if state.letters:
            yield Command(f"state: {state.letters} alone, or all", f"isolate({state.letters!r})")
            yield Command(f"state: hide {state.letters}, or show it", f"hide({state.letters!r})")
    for layer in scene.disk.layers if scene else ():
        name = shortened(base_name(layer.name))
        yield Command(f"layer: {layer.depth} {name}", f"choose({layer.depth})")


class ViewerCommands(Provider):
    """Lists and finds commands; each runs the action that its key runs."""

    async def discover(self) -> Hits:
        """Yield every command."""
        for name, action, key in commands_of(self.screen.query_one(ImagePane)):
            # Textual reads a str as markup; it takes content for what it says
            yield DiscoveryHit(plain(name), partial(self._run, action), help=_help(key))

    async def search(self, query: str) -> Hits:
        """Yield the commands that match what was typed."""
        matcher = self.matcher(query)
        for name, action, key in commands_of(self.screen.query_one(ImagePane)):
            if found := places(query, name):
                weight = _WHOLE if found[-1] - found[0] == len(query) - 1 else 1
                yield Hit(
                    weight * matcher.fuzzy_search.score(name, found),
                    _highlighted(name, found, matcher),
                    partial(self._run, action),
                    help=_help(key),
                )

    async def _run(self, action: str) -> None:
        await self.app.run_action(action, self.screen)


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
