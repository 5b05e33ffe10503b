"""What a command says, and how it ends: with one line at the most, and never with a traceback."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, NoReturn, TextIO

import click

from blockstrata.errors import BlockstrataError
from blockstrata.text.printable import printable
from blockstrata_viewer.process.memory import TOO_LARGE

if TYPE_CHECKING:
    from blockstrata.graph.chain import Chain

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_FINDINGS: Final = 3
EXIT_INTERRUPTED: Final = 130

_SHORTAGES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
"""Errors of the system that are nobody's fault in particular."""

_WRITTEN_AT_ONCE: Final = 1 << 16
"""Characters."""


def write(lines: Iterable[str]) -> None:
    """Write lines, many at once: most of what a line costs is the call that writes it."""
    waiting: list[str] = []
    size = 0
    try:
        for line in lines:
            waiting.append(line)
            size += len(line)
            if size > _WRITTEN_AT_ONCE:
                sys.stdout.write("".join(waiting))
                waiting, size = [], 0
    finally:
        sys.stdout.write("".join(waiting))
        sys.stdout.flush()


def tell_notices(chain: Chain) -> None:
    """Say on standard error what the user should know of how files were read."""
    for name, notice in chain.notices():
        tell(f"{name}: {notice}")


def tell(line: str) -> None:
    """Say something on standard error beside an answer."""
    # whoever read it may have left, or their disk be full, which takes nothing from the answer
    with contextlib.suppress(OSError):
        click.echo(f"blockstrata: {printable(line)}", err=True)


def fail(code: int, message: str) -> NoReturn:
    """Exit with a status and a line that says why."""
    # the exit status says it where nothing can be written
    with contextlib.suppress(OSError):
        click.echo(f"blockstrata: {printable(message)}", err=True)
    sys.exit(code)


_TOO_LARGE: Final = f"blockstrata: {TOO_LARGE}\n".encode()


@contextlib.contextmanager
def manners() -> Iterator[None]:
    """Make an exit status and a line of all that ends a command: 1 failed, 2 wrong usage, 130 interrupted."""
    _prepare_output()
    try:
        yield
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(EXIT_USAGE)
    except click.ClickException as error:
        fail(error.exit_code, error.format_message())
    except BlockstrataError as error:
        fail(EXIT_FAILED, str(error))
    except MemoryError:
        _fail_without_memory()
    except ImportError as error:
        fail(EXIT_FAILED, f"a part of the program cannot be loaded: {_root(error)}")
    except (RuntimeError, SystemError) as error:
        # a thread takes memory, too; and CPython loses a MemoryError here and there, while it imports
        if not str(error).endswith(("new thread", "without exception set", "without setting an exception")):
            raise
        _fail_without_memory()
    except BrokenPipeError:
        # whoever read us has left
        _discard(sys.stdout)
        sys.exit(EXIT_FAILED)
    except OSError as error:
        _discard(sys.stdout)
        subject = "" if error.errno in _SHORTAGES else f"{error.filename or 'standard output'}: "
        fail(EXIT_FAILED, f"{subject}{error.strerror or error}")


def _fail_without_memory() -> NoReturn:
    """Fail, and say no more: as Python ends, it complains of each thing that it has no memory for either."""
    try:
        fail(EXIT_FAILED, TOO_LARGE)
    except MemoryError:
        # not even for the line
        os.write(sys.stderr.fileno(), _TOO_LARGE)
        sys.exit(EXIT_FAILED)
    finally:
        _discard(sys.stderr)


def _prepare_output() -> None:
    """Fail if there is no standard output at all."""
    if sys.stdout is None:
        fail(EXIT_FAILED, "standard output is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a terminal that cannot say a character gets a question mark, not a failure
        sys.stdout.reconfigure(errors="replace")


def _discard(stream: TextIO) -> None:
    """Let what is still buffered or said go nowhere, so that the interpreter does not complain as it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _root(error: BaseException) -> BaseException:
    """Return the error that began it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
