"""``blockstrata screenshot``."""

import contextlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from blockstrata_viewer.cli.lazy import load
from blockstrata_viewer.cli.making import made, scenario_named
from blockstrata_viewer.cli.opening import Opening, opening_options
from blockstrata_viewer.cli.types import CELL_SIZE, KEYS, SCREEN_SIZE, SEMANTICS, SIZE, TRACK
from blockstrata_viewer.draw.palette import COLOURS, THEMES
from blockstrata_viewer.export import (
    FORMATS,
    ExportError,
    Moment,
    format_of,
    moving_svg,
    render,
    write_picture,
)
from blockstrata_viewer.process.directories import absolute
from blockstrata_viewer.process.scratch import scratch_directory

if TYPE_CHECKING:
    # the app is imported once the environment is as Textual is to find it
    from collections.abc import Sequence

    from blockstrata_viewer.app.headless import Pressed

_STANDARD_OUTPUT: Final = ("-", "/dev/stdout")
"""Names of files that are open already: whatever they lead to, nothing is opened or replaced."""


@click.command("screenshot")
@click.argument("image", required=False)
@opening_options
@click.option("--demo", "scenario", metavar="SCENARIO", help="A scenario of the demo in place of IMAGE.")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="Its ending names the format: .svg .png .html .txt; - is standard output.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="Whatever the ending.")
@click.option("--size", type=SCREEN_SIZE, default="120x36", show_default=True, metavar="COLSxROWS")
@click.option("--theme", type=click.Choice(THEMES), default="dark", show_default=True)
@click.option(
    "--color", type=click.Choice(COLOURS), help="Colours to draw with: none for txt, else truecolor."
)
@click.option("--semantics", type=SEMANTICS, default="proposed", show_default=True)
@click.option("--at", type=SIZE, default=0, metavar="OFFSET", help="Guest byte of the cursor.")
@click.option(
    "--zoom", "cell", type=CELL_SIZE, metavar="SIZE", help="Bytes a cell; the whole disk if not given."
)
@click.option("--layer", type=TRACK, default="0", show_default=True, metavar="N|guest", help="Selected.")
@click.option("--press", type=KEYS, default=(), metavar="KEYS", help="Then press keys, as in 's s T'.")
@click.option(
    "--moving",
    "seconds",
    type=click.FloatRange(0.1, 60),
    metavar="SECONDS",
    help="A picture that moves: a frame for each key, so long. .svg only.",
)
@click.option("--title", metavar="TEXT", help="The window's; '' for none. The image's name if not given.")
def command(
    image: str | None,
    opening: Opening,
    scenario: str | None,
    output: str,
    form: str | None,
    size: tuple[int, int],
    color: str | None,
    seconds: float | None,
    title: str | None,
    **shown: Any,
) -> None:
    """Write a picture of the viewer's screen: the same file for the same image and options, anywhere.

    Of a scenario, or with keys, it is what who runs the demo and presses them sees.
    """
    try:
        form = form or format_of(output)
    except ExportError as error:
        raise click.UsageError(str(error)) from None
    if (image is None) == (scenario is None):
        raise click.UsageError("name either an IMAGE or a scenario by --demo")
    if seconds is not None and form != "svg":
        raise click.UsageError("only an .svg can move")
    for name in [name for name in os.environ if name.startswith("TEXTUAL_")]:
        del os.environ[name]
    take = load("app.headless:take_each")
    colours = color or ("none" if form == "txt" else "truecolor")
    columns, rows = size
    still = load("app.headless:Still")(
        image or "", opening, colours=colours, columns=columns, rows=rows, **shown
    )
    if scenario is None:
        taken = take(still)
    else:
        chosen = scenario_named(scenario)
        absolute(".")  # where to go back to
        # names that do not tell where the files are
        with scratch_directory() as directory, contextlib.chdir(directory):
            first, *others = made(chosen.build, Path())
            taken = take(replace(still, image=first, others=tuple(others), counts_runs=True))
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


def _moments(taken: "Sequence[Pressed]", seconds: float) -> list[Moment]:
    """Return what each key leads to; what is typed into a line goes by as quickly as one types."""
    said_of = load("app.bindings:said_of")
    return [
        Moment(each.shot.screen, seconds / 6 if each.is_typed else seconds, each.key and said_of(each.key))
        for each in taken
    ]
