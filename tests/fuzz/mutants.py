"""Both sides' answers about a mutant, and where they may differ.

``python tests/fuzz/mutants.py CASE 'FILE KIND ARGUMENT…'…`` makes a mutant again in a fresh directory, says
where, and asks both sides.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shlex
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "qemu")]

from click.testing import CliRunner
from corpus import TOP, cases
from mutations import parse
from oracle import Answer, difference

from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.cli.output import EXIT_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mutations import Mutation

SECONDS = 20
"""How much of the processor's time blockstrata may take for anything."""
PATIENCE = 120
"""How long anything may last by the clock, on a machine that does other things too."""
THEIR_SECONDS = 5
"""How long QEMU is waited for; it takes hours for some."""

ANATOMY = ("anatomy", "--output", "json")
COMMANDS = (
    ("map", "--output", "human"),
    ("map", "--output", "csv"),
    ("map", "--semantics", "proposed"),
    ("map", "--layer", "0", "--in-place"),
    ("map", "--layer", "1"),
    ("info",),
    ("info", "--quick"),
    ("info", "--output", "json"),
    ("check", "--chain"),
    ("anatomy",),
    ANATOMY,
)
"""What else is asked of each mutant, one at a time; the last word is the image."""
KEYS = ("keys",)
"""In place of a command: the viewer is opened and keys are pressed."""
PICTURES = (("view",), ("screenshot", "--size", "60x20", "-o", "screen.txt"), KEYS)
"""As COMMANDS, but slower."""
_PRESSED = "b enter escape down n s v enter escape escape b f".split()


def _stated(**more: object) -> str:
    return "json:" + json.dumps({"driver": "qcow2", "file": {"driver": "file", "filename": TOP}, **more})


MAPS = {
    "the whole chain": ((TOP,), TOP),
    "the active layer alone": (("--layer", "0", _stated()), _stated(backing=None)),
}
"""What both sides are asked: our options and image, and QEMU's name of it."""


class TooSlowError(Exception):
    """blockstrata took longer than it may."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command of ours did; ``fault`` says what it should not have done."""

    code: int
    out: str
    error: str
    fault: str


def make(case: str, changes: Sequence[Mutation], directory: Path) -> None:
    """Make a mutant."""
    cases()[case].restore(directory)
    for change in changes:
        change.apply(directory)


def ours(words: Sequence[str], directory: Path) -> Outcome:
    """Run a command in this process; it must end in time, with status 0, 3, or 1 and one line said."""
    with contextlib.chdir(directory), _alarm():
        if tuple(words[:1]) == KEYS:
            return _pressed(words[-1])
        done = CliRunner().invoke(main, list(words))
    fault = ""
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        fault = "".join(traceback.format_exception(done.exception))
    elif done.exit_code not in (0, 1, EXIT_FINDINGS):
        fault = f"exit status {done.exit_code}: {done.stderr}"
    elif not _says_enough(done.exit_code, done.stderr.splitlines()):
        fault = f"exit status {done.exit_code}, and on standard error: {done.stderr!r}"
    elif not done.stderr.rstrip("\n").isprintable():
        fault = f"control characters on standard error: {done.stderr!r}"
    elif re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout):
        fault = "control characters on standard output"
    return Outcome(done.exit_code, done.stdout, done.stderr, fault)


def _says_enough(status: int, lines: list[str]) -> bool:
    """Say whether what failed says one line, and what was done none but a warning of the image's faults."""
    if status == 1:
        return len(lines) == 1
    return not lines or (len(lines) == 1 and lines[0].startswith("blockstrata: warning: "))


def _pressed(image: str) -> Outcome:
    """Open the viewer and press keys; it must live."""

    async def press() -> None:
        app = ViewerApp(Setup([image]))
        async with app.run_test(size=(90, 30)) as pilot:
            await app.settled.wait()
            await pilot.pause()
            await pilot.press(*_PRESSED)

    try:
        asyncio.run(press())
    except Exception:
        return Outcome(1, "", "", traceback.format_exc())
    return Outcome(0, "", "", "")


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    def too_slow(*_: object) -> None:
        raise TooSlowError(f"took {SECONDS} seconds of the processor's time, or {PATIENCE} by the clock")

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, SECONDS), (signal.SIGALRM, signal.ITIMER_REAL, PATIENCE))
    before = [signal.signal(number, too_slow) for number, _, _ in timers]
    for _, timer, seconds in timers:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def theirs(image: str, directory: Path) -> Answer | None:
    """Return what QEMU says of an image; None if it does not end, or crashes."""
    try:
        done = subprocess.run(
            ["qemu-img", "map", "--output=json", image],
            cwd=directory,
            capture_output=True,
            timeout=THEIR_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode not in (0, 1):
        return None
    error = done.stderr.decode(errors="replace")
    return Answer(json.loads(done.stdout)) if done.returncode == 0 else Answer(None, error)


def answer(outcome: Outcome) -> Answer:
    """Return a map of ours."""
    return Answer(json.loads(outcome.out)) if outcome.code == 0 else Answer(None, outcome.error)


def uncovered(outcome: Outcome, directory: Path) -> str:
    """Say which byte of the file an anatomy leaves out or has twice; an empty string if none."""
    if outcome.code == 1:
        return ""
    found, at = json.loads(outcome.out), 0
    for run in found["runs"]:
        if run["use"] == "beyond-end":
            break
        if run["host"] != at or run["length"] < 1:
            return f"after {at} comes {run}"
        at += run["length"]
    totals = sum(each["bytes"] for each in found["totals"].values())
    length = (directory / TOP).stat().st_size
    return "" if at == totals == length else f"{at} bytes in runs, {totals} in totals, {length} in the file"


def disagreement(theirs: Answer | None, ours: Answer) -> str:
    """Say where two maps differ that should not; an empty string if they do not."""
    if theirs is None or _is_known(theirs, ours):
        return ""
    return difference(theirs, ours)


def _is_known(theirs: Answer, ours: Answer) -> bool:
    """Say whether two maps differ as docs/limits.md says."""
    if ours.entries is not None and theirs.entries is None:
        return _lacks_a_key(theirs.error)
    if theirs.entries is not None and ours.entries is None:
        return "leads back to itself" in ours.error or "names an L2 table again" in ours.error
    return False


def _lacks_a_key(error: str) -> bool:
    """Encrypted images are mapped without a key."""
    return "encrypt.key-secret" in error


def again(case: str, changes: Sequence[Mutation]) -> str:
    """Return the command that makes a mutant again."""
    return shlex.join(["python", "tests/fuzz/mutants.py", case, *map(str, changes)])


def _main(case: str, *lines: str) -> None:
    directory = Path(mkdtemp(prefix="mutant-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    make(case, [parse(line) for line in lines], directory)
    print(f"cd {directory}")
    for question, image in MAPS.values():
        print(shlex.join(["qemu-img", "map", "--output=json", image]), theirs(image, directory), sep="\n")
        words = ("map", "--output", "json", *question)
        print(shlex.join(["blockstrata", *words]), ours(words, directory), sep="\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
