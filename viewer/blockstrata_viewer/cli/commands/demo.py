"""``blockstrata demo``."""

from typing import Any

import click

from blockstrata_viewer.cli.making import made, scenario_named
from blockstrata_viewer.cli.output import write
from blockstrata_viewer.cli.viewing import is_terminal, place_options, view_images, view_options, write_listed
from blockstrata_viewer.model.aim import Aim, quoted
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.process.directories import absolute
from blockstrata_viewer.process.scratch import scratch_directory
from blockstrata_viewer.scenarios import DEFAULT, SCENARIOS


@click.command("demo")
@click.argument("scenario", required=False)
@click.option("--list", "list_scenarios", is_flag=True, help="Name the scenarios and stop.")
@click.option("--keep", metavar="DIR", help="Make the files in DIR and leave them there; print what to open.")
@place_options
@view_options
def command(
    scenario: str | None, list_scenarios: bool, keep: str | None, aim: Aim | None, **look: Any
) -> None:
    """Make a small real chain in a temporary directory and open it."""
    if list_scenarios:
        write_listed((each.name, each.summary) for each in SCENARIOS.values())
        return
    chosen = scenario_named(scenario or DEFAULT)
    look["aim"] = aim or chosen.opens
    if keep is None:
        with scratch_directory() as directory:
            images = made(chosen.build, directory)
            view_images(images, Opening(), said=chosen.said(images), **look)
        return
    # an absolute name can be opened from anywhere, and is never taken for a protocol's
    images = made(chosen.keep, absolute(keep))
    try:
        if is_terminal():
            view_images(images, Opening(), **look)
    finally:
        write(f"{quoted(image)}\n" for image in images)
