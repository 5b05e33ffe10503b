"""What is imported when it is wanted: the one place of the command line that does so.

A command, so that the others start at once; and the app, once the environment is as Textual is to find it:
Textual reads it while it is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load(name: str) -> Any:
    """Return a part of this package by its module and name, as in ``app.app:ViewerApp``."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(f"blockstrata_viewer.{module}"), attribute)
