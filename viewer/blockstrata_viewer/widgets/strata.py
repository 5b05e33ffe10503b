"""The chain with the extent table below it, which share the rows that there are."""

from __future__ import annotations

from textual.containers import Container
from textual.reactive import var

from blockstrata_viewer.draw.layout import TABLE_LEAST, layout_of
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.widgets.chain_view import ChainView


class Strata(Container):
    """Gives the chain the rows that it uses, and what is left to ``#table``, if that is worth it."""

    DEFAULT_CSS = """
    Strata { width: 1fr; height: 1fr; }
    Strata #table { height: 1fr; }
    """

    scene: var[Scene | None] = var(None, always_update=True)

    def watch_scene(self) -> None:
        """Divide the rows: another image may have other layers."""
        self.divide()

    def on_resize(self) -> None:
        """Divide the rows that there are now."""
        self.divide()

    def divide(self) -> None:
        """Divide the rows."""
        if self.scene is None or not self.size:
            return
        used = layout_of(self.scene, *self.size).used
        self.query_one("#table").set_class(self.size.height - used < TABLE_LEAST, "-away")
        chain = self.query_one(ChainView)
        if chain.styles.height is None or chain.styles.height.value != used:
            chain.styles.height = used
