"""What the commands that open the viewer have in common."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.cli.config import load_config
from blockstrata_viewer.cli.lazy import load
from blockstrata_viewer.cli.output import write
from blockstrata_viewer.cli.types import SEMANTICS, SIZE
from blockstrata_viewer.draw.palette import COLOURS, THEMES
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.process.leaving import telling
from blockstrata_viewer.process.terminal import TEXTUAL_NAMES, colours_of, forget_absurd_size

if TYPE_CHECKING:
    from blockstrata_viewer.lessons.course import Course


def look_options(command: Any) -> Any:
    """Add the options that say how the viewer starts, the last parameters of :func:`view_images`."""
    for option in (
        click.option("--color", type=click.Choice(COLOURS), help="Colours there are."),
        click.option("--theme", type=click.Choice(THEMES), help="Dark if nothing else is configured."),
        click.option("--semantics", type=SEMANTICS, help="Proposed if nothing else is configured."),
        click.option(
            "--memory", type=SIZE, help="What is read of an image may take so much of it; 1G if not given."
        ),
    ):
        command = option(command)
    return command


def write_listed(pairs: Iterable[tuple[str, str]]) -> None:
    """Write names and what they mean in two columns, at most 100 wide."""
    width = max(40, min(100, shutil.get_terminal_size((100, 24)).columns))
    write(
        textwrap.fill(words, width, initial_indent=f"{name:<16}", subsequent_indent=" " * 16) + "\n"
        for name, words in pairs
    )


def is_terminal() -> bool:
    """Say whether somebody can see the screen and press a key."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def view_images(
    images: tuple[str, ...],
    opening: Opening,
    course: Course | None = None,
    *,
    color: str | None,
    theme: str | None,
    semantics: str | None,
    memory: int | None,
) -> None:
    """Run the viewer, or print a picture of each image once if nobody can press a key.

    What is None is as the config file has it; ``memory`` in bytes.
    """
    forget_absurd_size(os.environ)
    config = load_config()
    theme = theme or config.theme or "dark"
    semantics = semantics or config.semantics or "proposed"
    for said in (config.memory, memory):
        opening = opening if said is None else replace(opening, memory=said)
    colours = color or config.color or colours_of(os.environ)
    shows = is_terminal()
    if shows:
        os.environ["TEXTUAL_COLOR_SYSTEM"] = TEXTUAL_NAMES[colours]
        if colours == "none":
            os.environ["NO_COLOR"] = "1"
        else:
            os.environ.pop("NO_COLOR", None)
    config.check_keys()
    if not shows:
        picture = load("app.headless:picture")
        for image in images:
            write(picture(image, opening, theme, semantics))
        return
    setup = Setup(images, opening, theme, semantics, colours, config.keys, course)
    app = load("app.app:ViewerApp")(setup)
    with telling(app.leave):
        code = app.run()
    # a viewer that failed has a return code, and no value
    sys.exit(app.return_code or code or 0)
