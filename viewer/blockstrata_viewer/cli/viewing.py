"""What the commands that open the viewer have in common."""

from __future__ import annotations

import functools
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.cli.config import load_config
from blockstrata_viewer.cli.lazy import load
from blockstrata_viewer.cli.output import write
from blockstrata_viewer.cli.types import CELL_SIZE, SEMANTICS, SIZE, TRACK
from blockstrata_viewer.draw.palette import COLOURS, THEMES
from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.process.leaving import telling
from blockstrata_viewer.process.terminal import TEXTUAL_NAMES, colours_of, forget_absurd_size

if TYPE_CHECKING:
    from blockstrata_viewer.lessons.course import Course


def place_options(command: Any) -> Any:
    """Add the options that say where a view opens; the command gets them as ``aim``, or None."""

    @functools.wraps(command)
    def with_aim(
        *args: Any, at: int | None, cell: int | None, layer: int | None, start: int | None, **rest: Any
    ) -> Any:
        is_given = any(each is not None for each in (at, cell, layer, start))
        aim = Aim(at or 0, cell, layer or 0, start) if is_given else None
        return command(*args, aim=aim, **rest)

    for option in (
        click.option("--layer", type=TRACK, metavar="N|guest", help="The selected layer; 0 if not given."),
        click.option(
            "--from",
            "start",
            type=SIZE,
            metavar="OFFSET",
            help="Guest byte of the leftmost cell; --at and --zoom decide if not given.",
        ),
        click.option(
            "--zoom",
            "cell",
            type=CELL_SIZE,
            metavar="SIZE",
            help="Bytes per cell; the whole disk if not given.",
        ),
        click.option("--at", type=SIZE, metavar="OFFSET", help="Guest byte of the cursor."),
    ):
        with_aim = option(with_aim)
    return with_aim


def look_options(command: Any) -> Any:
    """Add the options that say how a view looks: ``color``, ``theme``, ``semantics``, None if not given."""
    for option in (
        click.option("--color", type=click.Choice(COLOURS), help="Colours to draw with."),
        click.option("--theme", type=click.Choice(THEMES), help="Dark by default."),
        click.option("--semantics", type=SEMANTICS, help="Flags to show; proposed by default."),
    ):
        command = option(command)
    return command


def memory_option(command: Any) -> Any:
    """Add the option that bounds memory, ``memory`` in bytes, None if not given."""
    return click.option("--memory", type=SIZE, help="Limit for what is kept of an image; 1G if not given.")(
        command
    )


def view_options(command: Any) -> Any:
    """Add the options of all that opens the viewer, the last parameters of :func:`view_images`."""
    return look_options(memory_option(command))


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
    aim: Aim | None = None,
    said: Mapping[str, Sequence[str]] | None = None,
    color: str | None,
    theme: str | None,
    semantics: str | None,
    memory: int | None,
) -> None:
    """Run the viewer, or print a picture of each image once if nobody can press a key.

    What is None is as the config file has it; ``memory`` in bytes.  The first image opens at ``aim``;
    ``said`` as :class:`Setup` has it.
    """
    forget_absurd_size(os.environ)
    config = load_config()
    theme = theme or config.theme or "dark"
    semantics = semantics or config.semantics or "proposed"
    for bound in (config.memory, memory):
        opening = opening if bound is None else replace(opening, memory=bound)
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
            here = aim if aim and image is images[0] else Aim()
            write(picture(image, opening, theme, semantics, here))
        return
    setup = Setup(images, opening, theme, semantics, colours, config.keys, course, aim, said or {})
    app = load("app.app:ViewerApp")(setup)
    with telling(app.leave):
        code = app.run()
    # a viewer that failed has a return code, and no value
    sys.exit(app.return_code or code or 0)
