"""The config file that a user may write; nothing else is kept on disk, and nothing is ever written.

::

    theme = "light"
    semantics = "old"
    color = "256"
    memory = "2G"

    [keys]
    "cursor.left" = "left,a"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from blockstrata.errors import BadReferenceError, OpenError
from blockstrata.text.printable import shortened
from blockstrata.text.sizes import parse_size
from blockstrata_viewer.cli.lazy import load
from blockstrata_viewer.draw.palette import COLOURS, THEMES
from blockstrata_viewer.process.directories import expanded

_LARGEST: Final = 1 << 20
"""Bytes; no config file is that long."""

_CHOICES = {
    "theme": THEMES,
    "semantics": ("historic", "old", "proposed", "new"),
    "color": COLOURS,
}


@dataclass(frozen=True)
class Config:
    """What the file says; None where it says nothing.  ``memory`` in bytes, ``keys`` by binding id."""

    path: str = ""
    theme: str | None = None
    semantics: str | None = None
    color: str | None = None
    memory: int | None = None
    keys: dict[str, str] = field(default_factory=dict)

    def check_keys(self) -> None:
        """Refuse keys of no binding, ``BadReferenceError``; if there are keys, Textual is imported."""
        ids = {binding.id for binding in load("app.bindings:BINDINGS")} if self.keys else ()
        for name, value in self.keys.items():
            if name not in ids:
                raise BadReferenceError(
                    self.path, f"keys.{name}", "is not a binding; docs/manual.md names them"
                )
            if not isinstance(value, str) or not value:
                raise BadReferenceError(self.path, f"keys.{name}", 'is not a string of keys, like "left,h"')


def load_config(environment: Mapping[str, str] = os.environ) -> Config:
    """Return the config; ``OpenError`` or ``BadReferenceError`` names the file and what is wrong in it."""
    named, base = environment.get("BLOCKSTRATA_CONFIG"), environment.get("XDG_CONFIG_HOME")
    try:
        path = expanded(named or f"{base or '~/.config'}/blockstrata/config.toml")
    except OpenError:
        # nobody named a place, and without a home there is none
        if named or base:
            raise
        return Config()
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1).decode()
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise OpenError(str(path), "", getattr(error, "strerror", None) or str(error)) from None
    if len(text) > _LARGEST:
        raise OpenError(str(path), "", "is too long for a config file")
    name = str(path)
    found = _parsed(name, text)
    keys, memory = found.pop("keys", {}), found.pop("memory", None)
    for key, value in found.items():
        if key not in _CHOICES:
            raise BadReferenceError(name, key, f"is not one of {', '.join(_CHOICES)}, memory, keys")
        if value not in _CHOICES[key]:
            raise BadReferenceError(name, key, f"{_said(value)} is not one of {', '.join(_CHOICES[key])}")
    if not isinstance(keys, dict):
        raise BadReferenceError(name, "keys", "is not a table")
    try:
        size = None if memory is None else parse_size(memory if isinstance(memory, str) else _said(memory))
    except ValueError as error:
        raise BadReferenceError(name, "memory", str(error)) from None
    return Config(name, memory=size, keys=keys, **found)


def _parsed(path: str, text: str) -> dict[str, Any]:
    """Return what stands in the file; ``BadReferenceError`` also for what Python has no room for."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadReferenceError(path, "", str(error)) from None
    except RecursionError:
        raise BadReferenceError(path, "", "is nested too deeply") from None
    except ValueError:
        # digits beyond those that Python reads
        raise BadReferenceError(path, "", "holds a number that is too long") from None


def _said(value: object) -> str:
    """Return a value for a message, as it is written, but not at any length."""
    # Python does not write long numbers in decimal
    if isinstance(value, int) and value.bit_length() > 1024:
        return shortened(hex(value))
    return shortened(repr(value))
