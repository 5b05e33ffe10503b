"""Scenarios as the commands make them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from blockstrata.text.printable import shortened
from blockstrata_viewer.scenarios import SCENARIOS, Scenario


def scenario_named(name: str) -> Scenario:
    """Return a scenario by its name; ``UsageError`` if there is none."""
    if name not in SCENARIOS:
        raise click.UsageError(
            f"there is no scenario '{shortened(name)}'; blockstrata demo --list names them"
        )
    return SCENARIOS[name]


def made(make: Callable[[Path], tuple[str, ...]], directory: Path) -> tuple[str, ...]:
    """Make the images of a scenario in a directory; what the file system refuses is one line."""
    try:
        return make(directory)
    except FileExistsError as error:
        raise click.ClickException(
            f"{error.filename}: exists; an existing file is never overwritten"
        ) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or directory}: {error.strerror}") from None
