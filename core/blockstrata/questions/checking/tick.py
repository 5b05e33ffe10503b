"""How far something is that takes long."""

from __future__ import annotations

from collections.abc import Callable

Tick = Callable[[int, int], None]
"""Told how much is done, and of how much; what it raises ends the work."""


def no_tick(_done: int, _total: int) -> None:
    """Take no notice."""
