"""``blockstrata anatomy``."""

from dataclasses import replace

import click

from blockstrata.questions.anatomy import Anatomy, anatomy
from blockstrata_viewer.cli.opening import Opening, opening_options
from blockstrata_viewer.cli.output import EXIT_FINDINGS, tell_notices, write
from blockstrata_viewer.cli.progress import progress
from blockstrata_viewer.reports.anatomy import WRONG, human_lines, json_lines


@click.command("anatomy")
@click.argument("image")
@opening_options
@click.option("--map", "with_map", is_flag=True, help="List all runs of the file, too.")
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True)
def command(image: str, opening: Opening, with_map: bool, output: str) -> int:
    """Say what each byte of an image's file is used for; exit status 3 if some leak or overlap."""
    opening = replace(opening, access=replace(opening.access, shows_headers=True))
    with opening.open(image) as chain:
        found = anatomy(chain.layers[0])
        if output == "json":
            write(json_lines(found))
        elif with_map:
            write(human_lines(found, with_map=True))
        else:
            with progress(f"going through {found.filename}") as step:
                lines = list(human_lines(found, tick=step))
            write(lines)
        tell_notices(chain)
    return EXIT_FINDINGS if _is_wrong(found) else 0


def _is_wrong(found: Anatomy) -> bool:
    return bool(found.sums.beyond or any(found.sums.bytes_of(use) for use in WRONG))
