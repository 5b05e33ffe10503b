"""What the options take."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from blockstrata.text.sizes import parse_size

T = TypeVar("T")

SEMANTICS: Final = click.Choice(
    ["historic", "old", "proposed", "new", "nbd-2018", "nbd-6.0", "nbd-proposed", "nbd"]
)
"""What ``blockstrata.semantics.by_name`` takes, written out: to ask it takes numpy."""

_NAMED_KEYS: Final = (
    "backspace delete down end enter escape home insert left pagedown pageup right space tab up".split()
)
"""Names of keys that are no character."""
_KEY: Final = re.compile(
    rf"(?:ctrl\+|shift\+)*(?:.|f(?:[1-9]|1[0-9]|2[0-4])|{'|'.join(_NAMED_KEYS)})", re.DOTALL
)


class Parsed(click.ParamType[T]):
    """What a function makes of a word, unless its ``ValueError`` says what is wrong with it."""

    def __init__(self, name: str, parse: Callable[[str], T]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> T:
        """Return what the word means; a default that is no word means itself."""
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Seconds(click.FloatRange):
    """A span of time."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds; what is no number is in no range."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"'{value}' is not a number of seconds", param, ctx)
        return seconds


def _cell_size(text: str) -> int:
    size = parse_size(text)
    if not size or size % 512:
        raise ValueError(f"'{text}' is not a multiple of 512 bytes")
    return size


def _screen_size(text: str) -> tuple[int, int]:
    match = re.fullmatch("([0-9]{2,3})x([0-9]{2,3})", text)
    columns, rows = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (40 <= columns <= 500 and 12 <= rows <= 200):
        raise ValueError(f"'{text}' is not COLSxROWS from 40x12 to 500x200, as in 120x36")
    return columns, rows


def _track(text: str) -> int:
    if text == "guest":
        return -1
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError(f"'{text}' is neither a depth (0 is the active layer) nor 'guest'")
    return int(text)


def _keys(text: str) -> tuple[str, ...]:
    keys = tuple(text.split())
    for key in keys:
        if not _KEY.fullmatch(key):
            raise ValueError(
                f"'{key}' is not a key; separate keys by blanks; a key is a character, f1 to f24, or one of "
                f"{', '.join(_NAMED_KEYS)}"
            )
    return keys


SIZE: Final = Parsed("size", parse_size)
"""Bytes, as QEMU writes sizes."""
CELL_SIZE: Final = Parsed("size", _cell_size)
"""Bytes a cell: a multiple of a sector."""
SCREEN_SIZE: Final = Parsed("screen size", _screen_size)
"""Columns and rows."""
TRACK: Final = Parsed("layer", _track)
"""A layer by its depth, or -1 for what the guest sees."""
KEYS: Final = Parsed("keys", _keys)
"""Keys one by one, as they are pressed: ``s s``, ``shift+left``, ``g 3 7 % enter``."""
