"""``blockstrata screenshot``."""

import contextlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from blockstrata_viewer.cli.lazy import load
from blockstrata_viewer.cli.making import made, scenario_named
from blockstrata_viewer.cli.opening import Opening, opening_options
from blockstrata_viewer.cli.types import CELL_SIZE, KEYS, SCREEN_SIZE, SEMANTICS, SIZE, TRACK
from blockstrata_viewer.draw.palette import COLOURS, THEMES
from blockstrata_viewer.export import FORMATS, ExportError, format_of, render, write_screenshot
from blockstrata_viewer.process.directories import absolute
from blockstrata_viewer.process.scratch import scratch_directory

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
@click.option("--title", metavar="TEXT", help="The window's; '' for none. The image's name if not given.")
def command(
    image: str | None,
    opening: Opening,
    scenario: str | None,
    output: str,
    form: str | None,
    size: tuple[int, int],
    color: str | None,
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
    for name in [name for name in os.environ if name.startswith("TEXTUAL_")]:
        del os.environ[name]
    take = load("app.headless:take")
    colours = color or ("none" if form == "txt" else "truecolor")
    columns, rows = size
    still = load("app.headless:Still")(
        image or "", opening, colours=colours, columns=columns, rows=rows, **shown
    )
    if scenario is None:
        shot = take(still)
    else:
        chosen = scenario_named(scenario)
        absolute(".")  # where to go back to
        # names that do not tell where the files are
        with scratch_directory() as directory, contextlib.chdir(directory):
            first, *others = made(chosen.build, Path())
            shot = take(replace(still, image=first, others=tuple(others), counts_runs=True))
            shot = replace(shot, inputs=frozenset())
    title = shot.title if title is None else title
    if output in _STANDARD_OUTPUT:
        sys.stdout.buffer.write(render(shot.screen, form, title))
    else:
        write_screenshot(shot.screen, output, title=title, form=form, inputs=shot.inputs)
