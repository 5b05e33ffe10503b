"""The chain with the extent table below it, which share the rows that there are."""

from __future__ import annotations

from typing import Final

from textual.containers import Container
from textual.reactive import var

from blockstrata_viewer.draw.extent_rows import rows_for
from blockstrata_viewer.draw.layout import CHAIN_LEAST, TABLE_LEAST, layout_of
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.widgets.chain_view import ChainView

_FULL_LEAST: Final = 6
"""Rows of the table in full height from which the chain has any."""


class Strata(Container):
    """Gives the chain the rows that it uses, and what is left to ``#table``, if that is worth it."""

    DEFAULT_CSS = """
    Strata { width: 1fr; height: 1fr; }
    Strata #table { height: 1fr; }
    """

    scene: var[Scene | None] = var(None, always_update=True)
    in_full: var[bool] = var(False)
    """Whether the table has all rows but those that the chain cannot do without."""

    def watch_scene(self) -> None:
        """Divide the rows: another image may have other layers."""
        self.divide()

    def watch_in_full(self) -> None:
        """Divide the rows anew."""
        self.divide()

    def on_resize(self) -> None:
        """Divide the rows that there are now."""
        self.divide()

    def divide(self) -> None:
        """Divide the rows."""
        if self.scene is None or not self.size:
            return
        width, rows = self.size
        if self.in_full:
            wanted = rows_for(len(self.scene.track), is_full=True)
            rows = max(CHAIN_LEAST, rows - wanted) if rows >= CHAIN_LEAST + _FULL_LEAST else 0
        used = layout_of(self.scene, width, rows).used if rows else 0
        self.query_one("#table").set_class(not self.in_full and rows - used < TABLE_LEAST, "-away")
        chain = self.query_one(ChainView)
        chain.rows = rows
        if chain.styles.height is None or chain.styles.height.value != used:
            chain.styles.height = used
