"""``blockstrata audit``."""

import click

from blockstrata_viewer.cli.opening import Opening, opening_options
from blockstrata_viewer.cli.output import EXIT_FINDINGS, tell_notices, write
from blockstrata_viewer.reports.audit import AuditReport


@click.command("audit")
@click.argument("image")
@opening_options
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True)
def command(image: str, opening: Opening, output: str) -> int:
    """Compare today's answers with the proposed tables; exit status 3 if there are findings."""
    with opening.open(image) as chain:
        report = AuditReport(chain)
        write(report.json_lines() if output == "json" else report.human_lines())
        tell_notices(chain)
    return EXIT_FINDINGS if report.findings else 0
