"""``blockstrata trace``."""

import click

from blockstrata_viewer.cli.opening import Opening, opening_options
from blockstrata_viewer.cli.output import tell_notices, write
from blockstrata_viewer.cli.types import SIZE
from blockstrata_viewer.reports.trace import trace_lines


@click.command("trace")
@click.argument("image")
@click.argument("offset", type=SIZE)
@opening_options
def command(image: str, offset: int, opening: Opening) -> None:
    """Follow a read of one guest byte through the layers, to the byte of the file that answers it."""
    with opening.open(image) as chain:
        write(f"{line}\n" for line in trace_lines(chain, offset))
        tell_notices(chain)
