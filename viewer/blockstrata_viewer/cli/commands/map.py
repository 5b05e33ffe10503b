"""``blockstrata map``."""

import click

from blockstrata.interchange.qemu_img import NoOffsetError
from blockstrata.naming.parse import export_options
from blockstrata.questions.faults import Losses
from blockstrata.semantics import by_name
from blockstrata_viewer.cli.opening import Opening, opening_options
from blockstrata_viewer.cli.output import EXIT_FAILED, fail, tell, tell_notices, write
from blockstrata_viewer.cli.types import SEMANTICS, SIZE
from blockstrata_viewer.reports import map as report


@click.command("map")
@click.argument("image")
@opening_options
@click.option(
    "--output",
    type=click.Choice(["human", "json", "nbd-json", "csv"]),
    default="human",
    show_default=True,
    help="json as qemu-img writes it, nbd-json as nbdinfo does.",
)
@click.option(
    "--semantics",
    type=SEMANTICS,
    help="Historic if not given; nbd-6.0 where a server answers.",
)
@click.option("--bitmap", metavar="NAME", help="List a persistent dirty bitmap, not the block status.")
@click.option(
    "--context", metavar="NAME", help="Ask an NBD export in another metadata context; for nbd-json."
)
@click.option("--layer", type=click.IntRange(min=0), help="Show that layer alone; 0 is the active one.")
@click.option(
    "--in-place",
    is_flag=True,
    help="Show the layer as it stands in the chain; what it defers stays deferred.",
)
@click.option("--round-trip", is_flag=True, help="Show what a round trip through NBD gains and loses.")
@click.option("--start-offset", type=SIZE, default=0, metavar="SIZE", help="First guest byte.")
@click.option("--max-length", type=SIZE, metavar="SIZE", help="Stop after so many bytes.")
def command(
    image: str,
    opening: Opening,
    output: str,
    semantics: str | None,
    bitmap: str | None,
    context: str | None,
    layer: int | None,
    in_place: bool,
    round_trip: bool,
    start_offset: int,
    max_length: int | None,
) -> None:
    """List the block status of an image, as qemu-img map does."""
    if in_place and layer is None:
        raise click.UsageError("--in-place needs --layer")
    part = report.Part(layer, in_place, start_offset, max_length)
    if _is_for_server(image, output):
        write(report.server_lines(image, opening.access, context, part))
        return
    if bitmap is not None:
        _refuse_beside("--bitmap", "semantics", "in_place", "round_trip")
    if round_trip and in_place:
        raise click.UsageError(
            "--round-trip cannot be used with --in-place: a server also answers for what is deferred"
        )
    if round_trip and output == "nbd-json":
        raise click.UsageError("nbd-json cannot express a round trip; use json")
    by_server = round_trip or output == "nbd-json"
    chosen = by_name(semantics or ("nbd" if by_server else "historic"))
    if by_server and chosen.switch != "nbd":
        names = ", ".join(name for name in SEMANTICS.choices if name.startswith("nbd"))
        raise click.UsageError(f"--semantics {semantics} is not what a server sends; use one of {names}")
    with opening.open(image) as chain:
        losses = Losses(chain.layers)
        if bitmap is not None:
            lines = report.bitmap_lines(chain, part, bitmap, output)
        elif round_trip:
            lines = report.round_trip_lines(part.view(chain), chosen, output)
        else:
            lines = report.status_lines(part, chain, chosen, output, losses)
        try:
            write(lines)
        except NoOffsetError as error:
            fail(EXIT_FAILED, f"{image}: {error} --output json lists them")
        tell_notices(chain)
        if bitmap is None and (line := report.warning(chain, part, losses)):
            tell(line)


def _is_for_server(image: str, output: str) -> bool:
    """Say whether a server is asked about its export as it is: no layer, format or meaning is chosen."""
    others = "semantics bitmap layer in_place round_trip image_format image_opts snapshot".split()
    if _is_given("context"):
        _refuse_beside("--context", *others)
        if output != "nbd-json":
            raise click.UsageError("--context needs --output nbd-json")
        return True
    return output == "nbd-json" and not any(map(_is_given, others)) and export_options(image) is not None


def _is_given(parameter: str) -> bool:
    source = click.get_current_context().get_parameter_source(parameter)
    return source is not click.core.ParameterSource.DEFAULT


def _refuse_beside(option: str, *parameters: str) -> None:
    """``UsageError`` if one of some parameters, which do not concern an option, was given."""
    for name in filter(_is_given, parameters):
        raise click.UsageError(f"--{name.replace('_', '-')} cannot be used with {option}")
