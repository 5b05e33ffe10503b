"""What the options take."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import click

from blockstrata.text.sizes import parse_size
from blockstrata_viewer.cli.keys import parse_keys

SEMANTICS: Final = click.Choice(
    ["historic", "old", "proposed", "new", "nbd-2018", "nbd-6.0", "nbd-proposed", "nbd"]
)
"""What ``blockstrata.semantics.by_name`` takes, written out: to ask it takes numpy."""


class Size(click.ParamType[int]):
    """A number of bytes as QEMU writes sizes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes."""
        try:
            return value if isinstance(value, int) else parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class CellSize(Size):
    """Bytes a cell."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return a power of two."""
        size = super().convert(value, param, ctx)
        if size.bit_count() != 1:
            self.fail(f"'{value}' is no power of two", param, ctx)
        return size


class Seconds(click.FloatRange):
    """A span of time."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds; what is no number is in no range."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"'{value}' is no number of seconds", param, ctx)
        return seconds


class ScreenSize(click.ParamType[tuple[int, int]]):
    """Columns and rows of a screen."""

    name = "screen size"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return columns and rows."""
        match = re.fullmatch("([0-9]{2,3})x([0-9]{2,3})", str(value))
        columns, rows = (int(match[1]), int(match[2])) if match else (0, 0)
        if not (40 <= columns <= 500 and 12 <= rows <= 200):
            self.fail(f"'{value}' is not COLSxROWS from 40x12 to 500x200, as in 120x36", param, ctx)
        return columns, rows


class TrackName(click.ParamType[int]):
    """A layer by its depth, or what the guest sees."""

    name = "layer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the depth, -1 for what the guest sees."""
        if value == "guest":
            return -1
        if not re.fullmatch("[0-9]{1,9}", str(value)):
            self.fail(f"'{value}' is neither a depth, 0 being the active layer, nor 'guest'", param, ctx)
        return int(value)


class Keys(click.ParamType[tuple[str, ...]]):
    """Keys to press."""

    name = "keys"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the keys, one by one."""
        try:
            return value if isinstance(value, tuple) else parse_keys(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
