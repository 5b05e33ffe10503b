"""``blockstrata table``."""

import click

from blockstrata_viewer.cli.opening import Opening, opening_options
from blockstrata_viewer.cli.output import tell_notices, write
from blockstrata_viewer.reports.tables import row_lines, truth_tables


@click.command("table")
@click.argument("image", required=False)
@opening_options
def command(image: str | None, opening: Opening) -> None:
    """Print the truth tables: what each combination of flags means, and where in IMAGE it occurs."""
    if image is None:
        write(truth_tables())
        return
    with opening.open(image) as chain:
        write(row_lines(chain))
        tell_notices(chain)
