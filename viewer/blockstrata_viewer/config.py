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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockstrata.errors import BadReferenceError, OpenError
from blockstrata.sizes import parse_size
from blockstrata_viewer.palette import COLOURS, THEMES

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHOICES = {
    "theme": THEMES,
    "semantics": ("historic", "old", "proposed", "new"),
    "color": COLOURS,
}


@dataclass(frozen=True)
class Config:
    """What the file says; None where it says nothing.  ``memory`` in bytes, ``keys`` by binding id."""

    theme: str | None = None
    semantics: str | None = None
    color: str | None = None
    memory: int | None = None
    keys: dict[str, str] = field(default_factory=dict)


def config_path(environment: Mapping[str, str]) -> Path:
    """Return where the file is looked for."""
    base = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(environment.get("BLOCKSTRATA_CONFIG") or f"{base}/blockstrata/config.toml").expanduser()


def load_config(environment: Mapping[str, str] = os.environ) -> Config:
    """Return the config; ``OpenError`` or ``BadReferenceError`` names the file and what is wrong in it."""
    path = config_path(environment)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise OpenError(str(path), "", getattr(error, "strerror", None) or str(error)) from None
    try:
        found: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadReferenceError(str(path), "", str(error)) from None
    keys = found.pop("keys", {})
    memory = found.pop("memory", None)
    for name, value in found.items():
        if name not in _CHOICES:
            raise BadReferenceError(str(path), name, f"is not one of {', '.join(_CHOICES)}, memory, keys")
        if value not in _CHOICES[name]:
            raise BadReferenceError(str(path), name, f"{value!r} is not one of {', '.join(_CHOICES[name])}")
    _check_keys(str(path), keys)
    size = None if memory is None else _size(str(path), memory)
    return Config(found.get("theme"), found.get("semantics"), found.get("color"), size, keys)


def _size(path: str, memory: object) -> int:
    try:
        return parse_size(str(memory))
    except ValueError as error:
        raise BadReferenceError(path, "memory", str(error)) from None


def _check_keys(path: str, keys: object) -> None:
    """Refuse what is no table of binding ids and keys; the bindings are looked at only if there is one."""
    if not isinstance(keys, dict):
        raise BadReferenceError(path, "keys", "is no table")
    if not keys:
        return
    from blockstrata_viewer.bindings import BINDINGS  # noqa: PLC0415  it imports Textual

    ids = {binding.id for binding in BINDINGS}
    for name, value in keys.items():
        if name not in ids:
            raise BadReferenceError(path, f"keys.{name}", "is no binding; docs/manual.md names them")
        if not isinstance(value, str) or not value:
            raise BadReferenceError(path, f"keys.{name}", 'is not keys in text, like "left,h"')
