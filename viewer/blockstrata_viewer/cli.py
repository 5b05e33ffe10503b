"""The command line.  Nothing here computes; each command opens, asks the core, and prints.

numpy and Textual are imported inside the commands that need them, so that the others start at once.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from blockstrata import __version__
from blockstrata.errors import BlockstrataError
from blockstrata.printable import printable
from blockstrata.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blockstrata.chain import Chain
    from blockstrata.guest import View

EXIT_FAILED = 1
EXIT_USAGE = 2

SEMANTICS_NAMES = ["historic", "old", "proposed", "new"]


class ImplicitView(click.Group):
    """A group of commands in which a first word that is no command is an image to view.

    Errors are one line on standard error, never a traceback.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert ``view`` before an image or an option of view."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if args and args[0] not in self.commands and args[0] not in own:
            args = ["view", *args]
        return super().parse_args(ctx, args)

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command and exit: 0 done, 1 failed, 2 wrong usage."""
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
            sys.stdout.flush()
        except click.UsageError as error:
            _fail(EXIT_USAGE, error.format_message())
        except click.ClickException as error:
            _fail(EXIT_FAILED, error.format_message())
        except BlockstrataError as error:
            _fail(EXIT_FAILED, str(error))
        except (click.Abort, KeyboardInterrupt):
            sys.exit(130)
        except BrokenPipeError:
            # whoever read us has left; keep the interpreter from complaining when it flushes
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(EXIT_FAILED)
        sys.exit(code if isinstance(code, int) else 0)


def _fail(code: int, message: str) -> NoReturn:
    click.echo(f"blockstrata: {printable(message)}", err=True)
    sys.exit(code)


class Size(click.ParamType[int]):
    """A number of bytes as QEMU writes sizes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes."""
        try:
            return value if isinstance(value, int) else parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group(cls=ImplicitView, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s", prog_name="blockstrata")
def main() -> None:
    """Show where every byte of a QEMU disk really lives.

    blockstrata IMAGE opens the viewer. A file named like a command is written ./map.
    """


@main.command("map")
@click.argument("image")
@click.option("--output", type=click.Choice(["human", "json", "csv"]), default="human", show_default=True)
@click.option("--semantics", type=click.Choice(SEMANTICS_NAMES), default="historic", show_default=True)
@click.option("--layer", type=click.IntRange(min=0), help="That layer alone, 0 = active.")
@click.option(
    "--in-place", is_flag=True, help="The layer as it stands in the chain; what it defers stays deferred."
)
@click.option("--start-offset", type=Size(), default=0, metavar="SIZE", help="First guest byte.")
@click.option("--max-length", type=Size(), metavar="SIZE", help="Stop after so many bytes.")
def map_command(
    image: str,
    output: str,
    semantics: str,
    layer: int | None,
    in_place: bool,
    start_offset: int,
    max_length: int | None,
) -> None:
    """List the block status of an image, as qemu-img map does."""
    from blockstrata.chain import open_chain
    from blockstrata.interchange import listing, qemu_img
    from blockstrata.interchange.entries import entries
    from blockstrata.semantics import by_name

    if in_place and layer is None:
        raise click.UsageError("--in-place needs --layer")
    with open_chain(image) as chain:
        view = _view(chain, layer, in_place, start_offset, max_length)
        found = entries(view, by_name(semantics))
        if output == "json":
            lines = qemu_img.json_lines(found)
        elif output == "csv":
            lines = listing.csv_lines(found)
        elif found.semantics.name == "historic":
            lines = qemu_img.human_lines(found, view.layers)
        else:
            lines = listing.human_lines(found, view.layers)
        try:
            _write(lines)
        except qemu_img.NoOffsetError as error:
            _fail(EXIT_FAILED, f"{image}: {error}")


def _view(chain: Chain, layer: int | None, in_place: bool, start: int, max_length: int | None) -> View:
    """Return the view that ``map`` was asked for; a range past the end is empty, as qemu-img has it."""
    from blockstrata import guest

    if chain.gap and (layer is None or in_place):
        raise chain.gap
    size = chain.size if layer is None else chain.layer(layer).size
    end = size if max_length is None else min(size, start + max_length)
    length = max(0, end - start)
    if layer is None:
        return guest.merged(chain, start, length)
    if in_place:
        return guest.in_place(chain, layer, start, length)
    return guest.alone(chain.layer(layer), start, length)


def _write(lines: Iterator[str]) -> None:
    try:
        sys.stdout.writelines(lines)
    finally:
        sys.stdout.flush()


@main.command()
@click.argument("image")
@click.option("--quick", is_flag=True, help="Headers only: no table and no byte of data is read.")
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True)
def info(image: str, quick: bool, output: str) -> None:
    """Show the chain as a tree: sizes, features, and how much of each layer is what."""
    from blockstrata.chain import open_chain
    from blockstrata.protocols.file import Probe
    from blockstrata_viewer import report

    with open_chain(image, probe=Probe.NONE if quick else Probe.SEEK) as chain:
        facts = report.collect(chain, quick=quick)
        _write(report.json_lines(facts) if output == "json" else report.human_lines(facts))


@main.command()
def table() -> None:
    """Print the truth tables: what each combination of flags means."""
    from blockstrata_viewer import report

    _write(report.truth_tables())


@main.command()
@click.argument("image")
@click.option("--theme", type=click.Choice(["dark", "light"]), default="dark", show_default=True)
@click.option("--semantics", type=click.Choice(SEMANTICS_NAMES), default="proposed", show_default=True)
def view(image: str, theme: str, semantics: str) -> None:
    """Open the viewer on an image and all that it stands on."""
    _view_image(image, theme, semantics)


@main.command()
@click.argument("scenario", required=False)
@click.option("--list", "list_scenarios", is_flag=True, help="Name the scenarios and stop.")
@click.option("--theme", type=click.Choice(["dark", "light"]), default="dark", show_default=True)
@click.option("--semantics", type=click.Choice(SEMANTICS_NAMES), default="proposed", show_default=True)
def demo(scenario: str | None, list_scenarios: bool, theme: str, semantics: str) -> None:
    """Make a small real chain in a temporary directory and open it."""
    import tempfile
    from pathlib import Path

    from blockstrata_viewer.scenarios import DEFAULT, SCENARIOS

    if list_scenarios:
        _write(f"{each.name:<16}{each.summary}\n" for each in SCENARIOS.values())
        return
    name = scenario or DEFAULT
    if name not in SCENARIOS:
        raise click.UsageError(f"no scenario '{name}'; blockstrata demo --list names them")
    with tempfile.TemporaryDirectory(prefix="blockstrata-") as directory:
        _view_image(str(SCENARIOS[name].build(Path(directory))), theme, semantics)


def _view_image(image: str, theme: str, semantics: str) -> None:
    """Run the viewer, or print its picture once if nobody can press a key."""
    if sys.stdout.isatty() and sys.stdin.isatty():
        from blockstrata_viewer.app import ViewerApp

        sys.exit(ViewerApp(image, theme, semantics).run() or 0)
    from blockstrata_viewer.snapshot import picture

    _write(iter(picture(image, theme, semantics)))
