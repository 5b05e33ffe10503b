"""``blockstrata info``."""

from dataclasses import replace

import click

from blockstrata.access import Probe
from blockstrata_viewer.cli.opening import Opening, opening_options
from blockstrata_viewer.cli.output import EXIT_FAILED, fail, tell_notices, write
from blockstrata_viewer.reports import info as report


@click.command("info")
@click.argument("image")
@opening_options
@click.option("--quick", is_flag=True, help="Read headers only, no tables and no data.")
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True)
def command(image: str, opening: Opening, quick: bool, output: str) -> None:
    """Show the chain as a tree: sizes, features, and how much of each layer has which flags."""
    probe = Probe.NONE if quick else opening.access.probe
    opening = replace(opening, access=replace(opening.access, probe=probe, shows_headers=True))
    with opening.open(image) as chain:
        facts = report.collect(chain, quick=quick)
        write(report.json_lines(facts) if output == "json" else report.human_lines(facts))
        tell_notices(chain)
        if broken := report.find_break(facts):
            fail(EXIT_FAILED, broken)
