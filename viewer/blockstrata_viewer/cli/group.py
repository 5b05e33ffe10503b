"""The program: commands by name, each imported when it runs."""

from __future__ import annotations

import os
import re
import sys
from typing import Any, Final, NoReturn

import click

from blockstrata import __version__
from blockstrata.errors import OpenError
from blockstrata_viewer.cli.lazy import load
from blockstrata_viewer.cli.output import manners
from blockstrata_viewer.process.memory import bound_memory

COMMANDS: Final = {
    "anatomy": "Say what each byte of an image's file is used for; exit status 3 if some leak or overlap.",
    "audit": "Compare today's answers with the proposed tables; exit status 3 if there are findings.",
    "check": "Check a qcow2 image as qemu-img check does; exit status 3 if something is damaged or leaks.",
    "demo": "Make a small real chain in a temporary directory and open it.",
    "info": "Show the chain as a tree: sizes, features, and how much of each layer has which flags.",
    "learn": "Learn what the flags mean, on real images; without a terminal, print the lesson.",
    "map": "List the block status of an image, as qemu-img map does.",
    "screenshot": (
        "Write a picture of the viewer's screen; the same image and options always give the same file."
    ),
    "table": "Print the truth tables: what each combination of flags means, and where in IMAGE it occurs.",
    "trace": "Follow a read of one guest byte through the layers, to the byte of the file that answers it.",
    "view": "Open the viewer on images and their backing chains; tab goes to the next image.",
}
"""What each does, as its own first line says: all that can be said of them without importing them."""


class Program(click.Group):
    """A group of commands in which a first word that is no command is an image to view.

    Errors are one line on standard error, never a traceback.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = load(f"cli.commands.{cmd_name}:command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List what there is, by commands that have a help and nothing else."""
        listed = {name: click.Command(name, help=words) for name, words in COMMANDS.items()}
        click.Group(commands=listed).format_commands(ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert ``view`` before an image or an option of view; what is not an option of it, view says."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if args and args[0] not in COMMANDS and args[0] not in own:
            if re.fullmatch("[a-z][a-z-]*", args[0]) and not os.path.lexists(args[0]):
                raise OpenError(
                    args[0], "", "No such file or directory, and no such command; --help names these"
                )
            _refuse_before_command(ctx, args)
            args = ["view", *args]
        return super().parse_args(ctx, args)

    def __call__(self, *args: Any, **extra: Any) -> Any:
        """Run as the program that this process is."""
        bound_memory()
        return super().__call__(*args, **extra)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run a command and exit: 0 done, 1 failed, 2 wrong usage, 3 findings."""
        # numpy's linear algebra is not used, and its threads take memory that may not be there
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        with manners():
            code = super().main(*args, **{"prog_name": "blockstrata", **extra, "standalone_mode": False})
        sys.exit(code if isinstance(code, int) else 0)


def _refuse_before_command(ctx: click.Context, args: list[str]) -> None:
    """``UsageError`` if options stand before the name of a command, where they are those of view."""
    view: click.Command = load("cli.commands.view:command")
    try:
        words = view.make_parser(ctx).parse_args(args.copy())[0]["images"]
    except click.UsageError:
        return  # view says what is wrong
    # without any, it is no list of words
    first = words[0] if isinstance(words, list | tuple) and words else ""
    if args[0].startswith("-") and first in COMMANDS and not os.path.lexists(first):
        at = args.index(first)
        right = load("model.aim:quoted")(first, *args[:at], *args[at + 1 :])
        raise click.UsageError(f"options go after the command: blockstrata {right}")


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s", prog_name="blockstrata")
def main() -> None:
    """Show where every byte of a QEMU disk really lives.

    blockstrata IMAGE opens the viewer. Write ./map for a file that is named like a command.
    """
