"""``blockstrata check``."""

from dataclasses import replace

import click

from blockstrata.errors import BlockstrataError
from blockstrata.graph.chain import Chain, Layer
from blockstrata.questions.check import Check, check
from blockstrata_viewer.cli.opening import Opening, opening_options
from blockstrata_viewer.cli.output import EXIT_FAILED, EXIT_FINDINGS, fail, tell, tell_notices, write
from blockstrata_viewer.cli.progress import progress
from blockstrata_viewer.reports.check import human_lines, json_lines


@click.command("check")
@click.argument("image")
@opening_options
@click.option("--chain", "is_chain", is_flag=True, help="Check every qcow2 layer, not the active one alone.")
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True)
def command(image: str, opening: Opening, is_chain: bool, output: str) -> int:
    """Check a qcow2 image as qemu-img check does; exit status 3 if something is damaged or leaks."""
    opening = replace(opening, access=replace(opening.access, shows_headers=True))
    with opening.open(image) as chain:
        found, refusals = _each(_checked(chain, is_chain=is_chain), is_chain=is_chain)
        lines = json_lines if output == "json" else human_lines
        write(lines(found, is_chain=is_chain))
        tell_notices(chain)
        _tell_what_is_missing(chain, refusals, is_chain=is_chain)
    return _status(found)


def _each(layers: list[Layer], *, is_chain: bool) -> tuple[list[Check], list[BlockstrataError]]:
    """Return what was found in layers, and why others could not be checked; alone that is raised."""
    found, refusals = [], []
    for layer in layers:
        try:
            with progress(f"checking {layer.name}") as step:
                found.append(check(layer, step))
        except BlockstrataError as error:
            if not is_chain:
                raise
            refusals.append(error)
    return found, refusals


def _tell_what_is_missing(chain: Chain, refusals: list[BlockstrataError], *, is_chain: bool) -> None:
    """Say which layers were not checked, and fail for it if the whole chain was to be."""
    missing = [*refusals, *([chain.missing] if chain.missing else [])]
    for each in missing[:-1]:
        tell(str(each))
    if missing and is_chain:
        raise missing[-1]
    if missing:
        tell(str(missing[-1]))


def _checked(chain: Chain, *, is_chain: bool) -> list[Layer]:
    """Return the layers to check; in a chain those of other formats are left out, but not the active one."""
    layers = list(chain.layers[: None if is_chain else 1])
    return layers[:1] + [each for each in layers[1:] if each.node.driver == "qcow2"]


def _status(found: list[Check]) -> int:
    errors = sum(each.check_errors for each in found)
    if errors:
        name = next(each.filename for each in found if each.check_errors)
        fail(EXIT_FAILED, f"{name}: {errors} refcounts cannot be read")
    return EXIT_FINDINGS if any(each.corruptions or each.leaks for each in found) else 0
