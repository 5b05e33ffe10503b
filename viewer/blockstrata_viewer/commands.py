"""The command palette: every binding, semantics, lesson and layer, each with a prefix to type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.command import DiscoveryHit, Hit, Provider

from blockstrata.printable import base_name, printable
from blockstrata_viewer.bindings import help_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.command import Hits

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


class ViewerCommands(Provider):
    """Lists and finds commands; each runs the action that its key runs."""

    async def discover(self) -> Hits:
        """Yield every command."""
        for name, action, key in self._commands():
            yield DiscoveryHit(name, lambda action=action: self.app.run_action(action), help=key)

    async def search(self, query: str) -> Hits:
        """Yield the commands that match what was typed."""
        matcher = self.matcher(query)
        for name, action, key in self._commands():
            score = matcher.match(name)
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(name),
                    lambda action=action: self.app.run_action(action),
                    help=key,
                )

    def _commands(self) -> Iterator[tuple[str, str, str]]:
        """Yield name, action and key of every command."""
        from blockstrata.semantics import SWITCH  # noqa: PLC0415
        from blockstrata_viewer.app import ViewerApp  # noqa: PLC0415
        from blockstrata_viewer.bindings import BINDINGS  # noqa: PLC0415
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
            yield f"lesson: {nth} {printable(lesson.title)}", f"app.begin_lesson({lesson.name!r})", ""
        if app.course:
            yield "lesson: leave it", "app.leave_lesson", ""
        if app.scene:
            for layer in app.scene.disk.layers:
                name = base_name(layer.name)
                yield f"layer: {layer.depth} {name}", f"app.choose({layer.depth})", ""
