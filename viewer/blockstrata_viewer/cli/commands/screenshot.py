"""``blockstrata screenshot``."""

import contextlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from blockstrata_viewer.cli.lazy import load
from blockstrata_viewer.cli.making import made, scenario_named
from blockstrata_viewer.cli.opening import Opening, opening_options
from blockstrata_viewer.cli.types import KEYS, SCREEN_SIZE
from blockstrata_viewer.cli.viewing import look_options, memory_option, place_options
from blockstrata_viewer.export import (
    FORMATS,
    ExportError,
    Moment,
    format_of,
    moving_svg,
    render,
    write_picture,
)
from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.process.directories import absolute
from blockstrata_viewer.process.scratch import scratch_directory
from blockstrata_viewer.scenarios import DEFAULT

if TYPE_CHECKING:
    # the app is imported once the environment is as Textual is to find it
    from collections.abc import Sequence

    from blockstrata_viewer.app.headless import Pressed

_STANDARD_OUTPUT: Final = ("-", "/dev/stdout")
"""Names of files that are open already: whatever they lead to, nothing is opened or replaced."""


@click.command("screenshot")
@click.argument("image", required=False)
@opening_options
@click.option(
    "--demo",
    "scenario",
    is_flag=False,
    flag_value=DEFAULT,
    metavar="[SCENARIO]",
    help="Show a scenario instead of IMAGE; without a name, the one that demo opens.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="The ending chooses the format: .svg .png .html .txt; - is standard output.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="The format, whatever the ending.")
@click.option("--size", type=SCREEN_SIZE, default="120x36", show_default=True, metavar="COLSxROWS")
@look_options
@memory_option
@place_options
@click.option("--press", type=KEYS, default=(), metavar="KEYS", help="Press keys first, as in 's s T'.")
@click.option(
    "--moving",
    "seconds",
    type=click.FloatRange(0.1, 60),
    metavar="SECONDS",
    help="A moving picture: a frame for each key, shown this long; .svg only.",
)
@click.option(
    "--title", metavar="TEXT", help="The window's title, '' for none; the image's name if not given."
)
def command(
    image: str | None,
    opening: Opening,
    scenario: str | None,
    output: str,
    form: str | None,
    size: tuple[int, int],
    color: str | None,
    theme: str | None,
    semantics: str | None,
    memory: int | None,
    aim: Aim | None,
    press: tuple[str, ...],
    seconds: float | None,
    title: str | None,
) -> None:
    """Write a picture of the viewer's screen; the same image and options always give the same file.

    With --demo or --press, it shows what the demo shows, or what the keys lead to.
    """
    form = form or _format_of(output)
    if (image is None) == (scenario is None):
        raise click.UsageError("give either an IMAGE or --demo")
    if seconds is not None and form != "svg":
        raise click.UsageError("only an .svg can move")
    for name in [name for name in os.environ if name.startswith("TEXTUAL_")]:
        del os.environ[name]
    take = load("app.headless:take_each")
    colours = color or ("none" if form == "txt" else "truecolor")
    columns, rows = size
    opening = opening if memory is None else replace(opening, memory=memory)
    chosen = scenario_named(scenario) if scenario is not None else None
    aim = aim or (chosen and chosen.opens) or Aim()
    still = load("app.headless:Still")(
        image or "",
        opening,
        theme or "dark",
        semantics or "proposed",
        colours,
        columns,
        rows,
        aim,
        press=press,
    )
    if chosen is None:
        taken = take(still)
    else:
        absolute(".")  # where to go back to
        # names that do not tell where the files are
        with scratch_directory() as directory, contextlib.chdir(directory):
            first, *others = made(chosen.build, Path())
            said = chosen.said((first, *others))
            taken = take(replace(still, image=first, others=tuple(others), said=said, counts_runs=True))
    shot = taken[-1].shot
    inputs = shot.inputs if scenario is None else frozenset()
    title = shot.title if title is None else title
    if seconds is None:
        content = render(shot.screen, form, title)
    else:
        content = moving_svg(_moments(taken, seconds), title).encode()
    if output in _STANDARD_OUTPUT:
        sys.stdout.buffer.write(content)
    else:
        write_picture(content, output, inputs)


def _format_of(output: str) -> str:
    """Return the format that a file's ending names; ``UsageError`` if it names none."""
    if not output:
        raise click.UsageError("-o needs the name of a file, or - for standard output")
    if output in _STANDARD_OUTPUT:
        raise click.UsageError(f"-o {output} has no ending: use --format {', '.join(FORMATS)}")
    try:
        return format_of(output)
    except ExportError as error:
        raise click.UsageError(str(error)) from None


def _moments(taken: "Sequence[Pressed]", seconds: float) -> list[Moment]:
    """Return what each key leads to; what is typed into a line goes by as quickly as one types."""
    return [Moment(each.shot.screen, seconds / 6 if each.is_typed else seconds, each.words) for each in taken]
