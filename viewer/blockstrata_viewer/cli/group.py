"""The command line.  Nothing here computes; each command opens, asks the core, and prints.

numpy and Textual are imported inside the commands that need them, so that the others start at once.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import math
import os
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import click

from blockstrata import __version__
from blockstrata.access import Access, Consent, Probe
from blockstrata.errors import BlockstrataError, OpenError
from blockstrata.text.printable import printable, shortened
from blockstrata.text.sizes import parse_size
from blockstrata_viewer.draw.palette import COLOURS, THEMES
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.process.memory import bound_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from blockstrata.graph.chain import Chain
    from blockstrata_viewer.lessons.course import Course
    from blockstrata_viewer.scenarios import Scenario

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_FINDINGS = 3

_TOO_LARGE = "this takes more memory than there is"
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
"""Errors of the system that are nobody's fault in particular."""

_STANDARD_OUTPUT = ("-", "/dev/stdout")
"""Names of files that are open already: whatever they lead to, nothing is opened or replaced."""

_WRITTEN_AT_ONCE = 1 << 16
"""Characters."""

SEMANTICS_NAMES = ["historic", "old", "proposed", "new", "nbd-2018", "nbd-6.0", "nbd-proposed", "nbd"]


class ImplicitView(click.Group):
    """A group of commands in which a first word that is no command is an image to view.

    Errors are one line on standard error, never a traceback.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert ``view`` before an image or an option of view; what is no option of it, view says."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if args and args[0] not in self.commands and args[0] not in own:
            if re.fullmatch("[a-z][a-z-]*", args[0]) and not os.path.lexists(args[0]):
                raise OpenError(
                    args[0], "", "No such file or directory, and no such command; --help names these"
                )
            args = ["view", *args]
        return super().parse_args(ctx, args)

    def __call__(self, *args: Any, **extra: Any) -> Any:
        """Run as the program that this process is."""
        bound_memory()
        return super().__call__(*args, **extra)

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command and exit: 0 done, 1 failed, 2 wrong usage, 3 findings."""
        # numpy's linear algebra is not used, and its threads take memory that may not be there
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        _prepare_output()
        try:
            code = super().main(*args, **{"prog_name": "blockstrata", **extra, "standalone_mode": False})
            sys.stdout.flush()
        except (click.Abort, KeyboardInterrupt):
            sys.exit(130)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(EXIT_USAGE)
        except click.UsageError as error:
            _fail(EXIT_USAGE, error.format_message())
        except click.ClickException as error:
            _fail(EXIT_FAILED, error.format_message())
        except BlockstrataError as error:
            _fail(EXIT_FAILED, str(error))
        except MemoryError:
            _fail(EXIT_FAILED, _TOO_LARGE)
        except ImportError as error:
            _fail(EXIT_FAILED, f"a part of the program cannot be loaded: {_root(error)}")
        except (RuntimeError, SystemError) as error:
            # a thread takes memory, too; and CPython loses a MemoryError here and there, while it imports
            if not str(error).endswith(("new thread", "without exception set")):
                raise
            _fail(EXIT_FAILED, _TOO_LARGE)
        except BrokenPipeError:
            # whoever read us has left; keep the interpreter from complaining when it flushes
            _discard_output()
            sys.exit(EXIT_FAILED)
        except OSError as error:
            _discard_output()
            subject = "" if error.errno in _SHORTAGES else f"{error.filename or 'standard output'}: "
            _fail(EXIT_FAILED, f"{subject}{error.strerror or error}")
        sys.exit(code if isinstance(code, int) else 0)


def _prepare_output() -> None:
    """Fail if there is no standard output at all."""
    if sys.stdout is None:
        _fail(EXIT_FAILED, "standard output is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a terminal that cannot say a character gets a question mark, not a failure
        sys.stdout.reconfigure(errors="replace")


def _discard_output() -> None:
    """Let what is still buffered go nowhere, so that the interpreter does not complain when it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _root(error: BaseException) -> BaseException:
    """Return the error that began it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _fail(code: int, message: str) -> NoReturn:
    # the exit status says it where nothing can be written
    with contextlib.suppress(OSError):
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


class Seconds(click.FloatRange):
    """A span of time."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds; what is no number is in no range."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"'{value}' is no number of seconds", param, ctx)
        return seconds


@click.group(cls=ImplicitView, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s", prog_name="blockstrata")
def main() -> None:
    """Show where every byte of a QEMU disk really lives.

    blockstrata IMAGE opens the viewer. A file named like a command is written ./map.
    """


def opening_options(command: Any) -> Any:
    """Add the options that say how images are opened; the command gets them as one ``opening``."""

    @functools.wraps(command)
    def with_opening(
        *args: Any,
        image_format: str | None,
        image_opts: bool,
        snapshot: str | None,
        storage: str,
        timeout: float,
        via_qemu: bool,
        follow_remote: bool,
        **rest: Any,
    ) -> Any:
        given = {Consent.VIA_QEMU: via_qemu, Consent.FOLLOW_REMOTE: follow_remote}
        consents = frozenset(consent for consent, is_given in given.items() if is_given)
        access = Access(Probe(storage), consents, timeout=timeout)
        if image_opts and image_format is not None:
            raise click.UsageError("--image-opts states the format itself: -f cannot stand beside it")
        return command(*args, opening=Opening(access, image_format, image_opts, snapshot), **rest)

    for option in (
        click.option(Consent.FOLLOW_REMOTE.value, is_flag=True, help="Open devices and servers images name."),
        click.option(Consent.VIA_QEMU.value, is_flag=True, help="Ask qemu-img about other formats."),
        click.option(
            "--timeout",
            type=Seconds(min=0, min_open=True, max=86400),
            default=Access().timeout,
            metavar="SECONDS",
            help="How long one answer of a server may take, or one run of qemu-img.",
        ),
        click.option(
            "--storage",
            type=click.Choice([Probe.SEEK.value, Probe.FIEMAP.value]),
            default=Probe.SEEK.value,
            help="How files are asked where their storage is; fiemap tells reserved space from holes.",
        ),
        click.option("--snapshot", metavar="NAME|ID", help="An internal snapshot, not the active state."),
        click.option("--image-opts", is_flag=True, help="IMAGE is a list of options, as qemu-img takes it."),
        click.option("-f", "image_format", metavar="FORMAT", help="The image's format; probed if not given."),
    ):
        with_opening = option(with_opening)
    return with_opening


@main.command("map")
@click.argument("image")
@opening_options
@click.option(
    "--output",
    type=click.Choice(["human", "json", "nbd-json", "csv"]),
    default="human",
    show_default=True,
    help="json as qemu-img's, nbd-json as nbdinfo's.",
)
@click.option(
    "--semantics",
    type=click.Choice(SEMANTICS_NAMES),
    help="Historic if not given, nbd-6.0 for what is a server's to say.",
)
@click.option("--bitmap", metavar="NAME", help="What a persistent dirty bitmap says, not the block status.")
@click.option("--context", metavar="NAME", help="Of an NBD export: another metadata context, for nbd-json.")
@click.option("--layer", type=click.IntRange(min=0), help="That layer alone, 0 = active.")
@click.option(
    "--in-place", is_flag=True, help="The layer as it stands in the chain; what it defers stays deferred."
)
@click.option("--round-trip", is_flag=True, help="What becomes of it on the way through NBD.")
@click.option("--start-offset", type=Size(), default=0, metavar="SIZE", help="First guest byte.")
@click.option("--max-length", type=Size(), metavar="SIZE", help="Stop after so many bytes.")
def map_command(
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
    from blockstrata.interchange.qemu_img import NoOffsetError
    from blockstrata.semantics import by_name
    from blockstrata_viewer.reports import map as mapping

    if in_place and layer is None:
        raise click.UsageError("--in-place needs --layer")
    part = mapping.Part(layer, in_place, start_offset, max_length)
    if _is_for_server(image, output):
        _write(mapping.server_lines(image, opening.access, context, part))
        return
    if bitmap is not None:
        _refuse_beside("--bitmap", "semantics", "in_place", "round_trip")
    if round_trip and in_place:
        raise click.UsageError(
            "--round-trip cannot stand beside --in-place: a server answers for what is deferred"
        )
    if round_trip and output == "nbd-json":
        raise click.UsageError("nbd-json has no words for a round trip; json has")
    by_server = round_trip or output == "nbd-json"
    chosen = by_name(semantics or ("nbd" if by_server else "historic"))
    if by_server and chosen.switch != "nbd":
        names = ", ".join(name for name in SEMANTICS_NAMES if name.startswith("nbd"))
        raise click.UsageError(f"--semantics {semantics} is not what a server says; that is one of {names}")
    with opening.open(image) as chain:
        if bitmap is not None:
            lines = mapping.bitmap_lines(chain, part, bitmap, output)
        elif round_trip:
            lines = mapping.round_trip_lines(part.view(chain), chosen, output)
        else:
            lines = mapping.status_lines(part, chain, chosen, output)
        try:
            _write(lines)
        except NoOffsetError as error:
            _fail(EXIT_FAILED, f"{image}: {error} --output json lists them")
        _tell_notices(chain)


def _is_for_server(image: str, output: str) -> bool:
    """Say whether ``map`` asks a server about its export as it is: no layer, format or meaning is chosen."""
    from blockstrata.naming.parse import export_options

    others = (
        "semantics",
        "bitmap",
        "layer",
        "in_place",
        "round_trip",
        "image_format",
        "image_opts",
        "snapshot",
    )
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
        raise click.UsageError(f"--{name.replace('_', '-')} cannot stand beside {option}")


def _tell_notices(chain: Chain) -> None:
    """Say on standard error what the user should know of how files were read."""
    # whoever read them may have left, or their disk be full, which takes nothing from the answer
    with contextlib.suppress(OSError):
        for name, notice in chain.notices():
            click.echo(f"blockstrata: {printable(f'{name}: {notice}')}", err=True)


def _write(lines: Iterator[str]) -> None:
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


@main.command()
@click.argument("image")
@opening_options
@click.option("--quick", is_flag=True, help="Headers only: no table and no byte of data is read.")
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True)
def info(image: str, opening: Opening, quick: bool, output: str) -> None:
    """Show the chain as a tree: sizes, features, and how much of each layer is what."""
    from blockstrata_viewer.reports import info as report

    probe = Probe.NONE if quick else opening.access.probe
    opening = replace(opening, access=replace(opening.access, probe=probe, shows_headers=True))
    with opening.open(image) as chain:
        facts = report.collect(chain, quick=quick)
        _write(report.json_lines(facts) if output == "json" else report.human_lines(facts))
        _tell_notices(chain)
        if report.is_refused(chain, facts):
            _fail(EXIT_FAILED, facts["layers"][0]["refusal"])


@main.command()
@click.argument("image")
@opening_options
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True)
def audit(image: str, opening: Opening, output: str) -> int:
    """Hold today's answers against the proposed tables; exit status 3 if some do not stand."""
    from blockstrata_viewer.reports.audit import AuditReport

    with opening.open(image) as chain:
        report = AuditReport(chain)
        _write(report.json_lines() if output == "json" else report.human_lines())
        _tell_notices(chain)
    return EXIT_FINDINGS if report.findings else 0


@main.command()
@click.argument("image")
@click.argument("offset", type=Size())
@opening_options
def trace(image: str, offset: int, opening: Opening) -> None:
    """Follow a read of one guest byte down the layers, to the byte of the file that answers it."""
    from blockstrata_viewer.reports.trace import trace_lines

    with opening.open(image) as chain:
        _write(f"{line}\n" for line in trace_lines(chain, offset))
        _tell_notices(chain)


@main.command()
@click.argument("image", required=False)
@opening_options
def table(image: str | None, opening: Opening) -> None:
    """Print the truth tables: what each combination of flags means, and where in IMAGE it occurs."""
    from blockstrata_viewer.reports.tables import row_lines, truth_tables

    if image is None:
        _write(truth_tables())
        return
    with opening.open(image) as chain:
        _write(row_lines(chain))
        _tell_notices(chain)


def look_options(command: Any) -> Any:
    """Add the options that say how the viewer starts."""
    semantics = click.Choice(SEMANTICS_NAMES)
    for option in (
        click.option("--color", type=click.Choice(COLOURS), help="Colours there are."),
        click.option("--theme", type=click.Choice(THEMES), help="Dark if nothing else is configured."),
        click.option("--semantics", type=semantics, help="Proposed if nothing else is configured."),
        click.option(
            "--memory", type=Size(), help="What is read of an image may take so much of it; 1G if not given."
        ),
    ):
        command = option(command)
    return command


@main.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@opening_options
@look_options
def view(images: tuple[str, ...], opening: Opening, **look: Any) -> None:
    """Open the viewer on images and all that they stand on; tab goes from one to the next."""
    _view_images(images, opening, **look)


@main.command()
@click.argument("scenario", required=False)
@click.option("--list", "list_scenarios", is_flag=True, help="Name the scenarios and stop.")
@click.option("--keep", metavar="DIR", help="Make the files in DIR and leave them; prints what to open.")
@look_options
def demo(scenario: str | None, list_scenarios: bool, keep: str | None, **look: Any) -> None:
    """Make a small real chain in a temporary directory and open it."""
    import shlex

    from blockstrata_viewer.process.directories import absolute
    from blockstrata_viewer.process.leaving import scratch_directory
    from blockstrata_viewer.scenarios import DEFAULT, SCENARIOS

    if list_scenarios:
        _write(_listed((each.name, each.summary) for each in SCENARIOS.values()))
        return
    chosen = _scenario(scenario or DEFAULT)
    if keep is None:
        with scratch_directory() as directory:
            images = _made(chosen.build, directory)
            _view_images(images, Opening(), **look)
        return
    # an absolute name can be opened from anywhere, and is never taken for a protocol's
    images = _made(chosen.keep, absolute(keep))
    try:
        if _is_terminal():
            _view_images(images, Opening(), **look)
    finally:
        _write(f"{printable(shlex.quote(image))}\n" for image in images)


@main.command()
@click.argument("lesson", required=False, metavar="[LESSON|FILE.md]")
@click.option("--list", "list_lessons", is_flag=True, help="Name the lessons and stop.")
@look_options
def learn(lesson: str | None, list_lessons: bool, **look: Any) -> None:
    """Learn what the flags mean, on real images; without a terminal a lesson is printed."""
    from blockstrata_viewer.lessons import lessons, read_lesson
    from blockstrata_viewer.lessons.course import Course, Shelf
    from blockstrata_viewer.lessons.text import lesson_lines
    from blockstrata_viewer.process.leaving import scratch_directory

    known = lessons()
    if list_lessons:
        _write(_listed((each.name, f"{each.title}. {each.summary}") for each in known.values()))
        return
    if lesson and re.fullmatch("[0-9]{1,4}", lesson) and 1 <= int(lesson) <= len(known):
        lesson = list(known)[int(lesson) - 1]
    own = lesson is not None and lesson not in known
    if lesson and own and not lesson.endswith(".md"):
        raise click.UsageError(f"no lesson '{shortened(lesson)}'; blockstrata learn --list names them")
    taught = [read_lesson(lesson)] if lesson and own else list(known.values())
    first = list(known).index(lesson) if lesson and not own else 0
    with scratch_directory() as directory:
        shelf = Shelf(directory)
        if _is_terminal():
            course = Course(taught, shelf, first)
            _view_images((course.image,), Opening(), course, **look)
        else:
            _write(f"{line}\n" for line in lesson_lines(taught[first], shelf))


def _scenario(name: str) -> Scenario:
    """Return a scenario by its name; ``UsageError`` if there is none."""
    from blockstrata_viewer.scenarios import SCENARIOS

    if name not in SCENARIOS:
        raise click.UsageError(f"no scenario '{shortened(name)}'; blockstrata demo --list names them")
    return SCENARIOS[name]


def _made(make: Callable[[Path], tuple[str, ...]], directory: Path) -> tuple[str, ...]:
    """Make the images of a scenario in a directory; what the file system refuses is one line."""
    try:
        return make(directory)
    except FileExistsError as error:
        raise click.ClickException(
            f"{error.filename}: exists, and nothing is ever written over a file"
        ) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or directory}: {error.strerror}") from None


def _listed(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield names and what they mean in two columns, at most 100 wide."""
    import shutil
    import textwrap

    width = max(40, min(100, shutil.get_terminal_size((100, 24)).columns))
    for name, words in pairs:
        yield textwrap.fill(words, width, initial_indent=f"{name:<16}", subsequent_indent=" " * 16) + "\n"


class ScreenSize(click.ParamType[tuple[int, int]]):
    """Columns and rows of a screen."""

    name = "screen size"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return columns and rows."""
        match = re.fullmatch("([0-9]{2,3})x([0-9]{2,3})", str(value))
        columns, rows = (int(match[1]), int(match[2])) if match else (0, 0)
        if not (40 <= columns <= 500 and 12 <= rows <= 200):
            self.fail(f"'{value}' is not COLSxROWS from 40x12 to 500x200, as in 120x36", param, ctx)
        return columns, rows


class CellSize(Size):
    """Bytes a cell."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return a power of two."""
        size = super().convert(value, param, ctx)
        if size.bit_count() != 1:
            self.fail(f"'{value}' is no power of two", param, ctx)
        return size


class TrackName(click.ParamType[int]):
    """A layer by its depth, or what the guest sees."""

    name = "layer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the depth, -1 for what the guest sees."""
        if value == "guest":
            return -1
        if not re.fullmatch("[0-9]{1,9}", str(value)):
            self.fail(f"'{value}' is neither a depth, 0 being the active layer, nor 'guest'", param, ctx)
        return int(value)


class Keys(click.ParamType[tuple[str, ...]]):
    """Keys to press."""

    name = "keys"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the keys, one by one."""
        from blockstrata_viewer.cli.keys import parse_keys

        try:
            return value if isinstance(value, tuple) else parse_keys(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@main.command()
@click.argument("image", required=False)
@opening_options
@click.option("--demo", "scenario", metavar="SCENARIO", help="A scenario of the demo in place of IMAGE.")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="Its ending names the format: .svg .png .html .txt; - is standard output.",
)
@click.option(
    "--format", "form", type=click.Choice(["svg", "png", "html", "txt"]), help="Whatever the ending."
)
@click.option("--size", type=ScreenSize(), default="120x36", show_default=True, metavar="COLSxROWS")
@click.option("--theme", type=click.Choice(THEMES), default="dark", show_default=True)
@click.option(
    "--color",
    type=click.Choice(COLOURS),
    help="Colours to draw with: none for txt, else truecolor.",
)
@click.option("--semantics", type=click.Choice(SEMANTICS_NAMES), default="proposed", show_default=True)
@click.option("--at", type=Size(), default=0, metavar="OFFSET", help="Guest byte of the cursor.")
@click.option("--zoom", type=CellSize(), metavar="SIZE", help="Bytes a cell; the whole disk if not given.")
@click.option(
    "--layer", type=TrackName(), default="0", show_default=True, metavar="N|guest", help="Selected."
)
@click.option("--press", type=Keys(), default=(), metavar="KEYS", help="Then press keys, as in 's s T'.")
@click.option("--title", metavar="TEXT", help="The window's; '' for none. The image's name if not given.")
def screenshot(
    image: str | None,
    opening: Opening,
    scenario: str | None,
    output: str,
    form: str | None,
    size: tuple[int, int],
    theme: str,
    color: str | None,
    semantics: str,
    at: int,
    zoom: int | None,
    layer: int,
    press: tuple[str, ...],
    title: str | None,
) -> None:
    """Write a picture of the viewer's screen: the same file for the same image and options, anywhere.

    Of a scenario, or with keys, it is what who runs the demo and presses them sees.
    """
    # Textual reads these when it is imported
    for name in [name for name in os.environ if name.startswith("TEXTUAL_")]:
        del os.environ[name]
    from blockstrata_viewer.app.headless import Still, take
    from blockstrata_viewer.export import ExportError, format_of, render, write_screenshot

    try:
        form = form or format_of(output)
    except ExportError as error:
        raise click.UsageError(str(error)) from None
    colours = color or ("none" if form == "txt" else "truecolor")
    still = Still(
        image or "",
        opening,
        theme,
        semantics,
        colours,
        *size,
        at=at,
        cell=zoom,
        layer=layer,
        press=press,
    )
    if (image is None) == (scenario is None):
        raise click.UsageError("name either an IMAGE or a scenario by --demo")
    if scenario is None:
        shot = take(still)
    else:
        # names that do not tell where the files are
        with _demo_files(scenario) as images:
            first, *others = images
            shot = take(replace(still, image=first, others=tuple(others), counts_runs=True))
            shot = replace(shot, inputs=frozenset())
    title = shot.title if title is None else title
    if output in _STANDARD_OUTPUT:
        sys.stdout.buffer.write(render(shot.screen, form, title))
    else:
        write_screenshot(shot.screen, output, title=title, form=form, inputs=shot.inputs)


@contextlib.contextmanager
def _demo_files(name: str) -> Iterator[tuple[str, ...]]:
    """Make a scenario in a directory of its own, which is the working directory for so long."""
    from pathlib import Path

    from blockstrata_viewer.process.directories import absolute
    from blockstrata_viewer.process.leaving import scratch_directory

    scenario = _scenario(name)
    absolute(".")  # where to go back to
    with scratch_directory() as directory, contextlib.chdir(directory):
        yield _made(scenario.build, Path())


def _is_terminal() -> bool:
    """Say whether somebody can see the screen and press a key."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _view_images(
    images: tuple[str, ...],
    opening: Opening,
    course: Course | None = None,
    /,
    *,
    color: str | None,
    theme: str | None,
    semantics: str | None,
    memory: int | None,
) -> None:
    """Run the viewer, or print a picture of each image once if nobody can press a key."""
    from blockstrata_viewer.cli.config import load_config
    from blockstrata_viewer.process.terminal import TEXTUAL_NAMES, colours_of, forget_absurd_size

    forget_absurd_size(os.environ)
    config = load_config()
    theme = theme or config.theme or "dark"
    semantics = semantics or config.semantics or "proposed"
    for said in (config.memory, memory):
        opening = opening if said is None else replace(opening, memory=said)
    if not _is_terminal():
        from blockstrata_viewer.app.headless import picture

        for image in images:
            _write(iter(picture(image, opening, theme, semantics)))
        return
    colours = color or config.color or colours_of(os.environ)
    # Textual reads these when it is imported
    os.environ["TEXTUAL_COLOR_SYSTEM"] = TEXTUAL_NAMES[colours]
    if colours == "none":
        os.environ["NO_COLOR"] = "1"
    else:
        os.environ.pop("NO_COLOR", None)
    from blockstrata_viewer.app.app import ViewerApp
    from blockstrata_viewer.process.leaving import telling

    app = ViewerApp(images, opening, theme, semantics, colours, config.keys, course)
    with telling(app.leave):
        code = app.run()
    # a viewer that failed has a return code, and no value
    sys.exit(app.return_code or code or 0)
