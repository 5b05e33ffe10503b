"""How long a key takes until its frame is painted, and whether a held key queues work.

The viewer runs in a pty on a made-up chain that exists in memory only: the same seed makes the same chain.
Keys are sent one at a time; a frame's time is from writing the key to reading the last byte of output that
follows it.  Textual marks the frames' ends (``CSI ?2026l``), which count them::

    key ──────┬── handler ──┬── waiting for Textual's timer ──┬── painting ──┬── quiet ──▶ next key
    measured  ├──────────────────────────────────────────────────────────────┤

Run it as ``python benchmarks/frames.py``; ``--write`` keeps the figures in frames.md beside it.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import platform
import shlex
import statistics
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from made_up import SEED, made_up_chain
from terminal import NOTHING, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blockstrata_viewer.model.disk import Disk

# ----------------------------------------------------------------------------------------------------------
# the viewer, in a process of its own


def serve(layers: int, runs: int, profile: str | None) -> int:
    """Run the viewer on the made-up chain, in the terminal that this process has."""
    from blockstrata_viewer.app.app import ViewerApp  # noqa: PLC0415
    from blockstrata_viewer.app.setup import Setup  # noqa: PLC0415
    from blockstrata_viewer.model import loading  # noqa: PLC0415
    from blockstrata_viewer.model.disk import disk_of  # noqa: PLC0415

    def load(*_: object) -> Iterator[Disk]:
        yield disk_of(made_up_chain(layers, runs))

    loading.Loader.load = load  # type: ignore[assignment]
    app = ViewerApp(Setup(["made-up"]))
    if profile is None:
        return app.run() or 0
    with cProfile.Profile() as profiler:
        code = app.run() or 0
    profiler.dump_stats(profile)
    return code


# ----------------------------------------------------------------------------------------------------------
# keys

_KEYS: Final = {
    "→": b"\x1b[C",
    "←": b"\x1b[D",
    "shift →": b"\x1b[1;2C",
    "shift ←": b"\x1b[1;2D",
    "↓": b"\x1b[B",
    "↑": b"\x1b[A",
    "+": b"+",
    "-": b"-",
    "n": b"n",
    "p": b"p",
    "s": b"s",
    "d": b"d",
    "f": b"f",
    "z": b"z",
    "space": b" ",
    "v": b"v",
    "v, back": b"v",
}
_WEIGHTS: Final = {"→": 5, "←": 3, "+": 5, "-": 4, "shift →": 4, "shift ←": 2, "↓": 4, "↑": 3, "s": 3, "n": 3}
"""How often a key comes beside the others, which come once."""


def mixed_keys(count: int) -> list[str]:
    """Return about so many keys in a random order that is always the same; ``v`` comes with its way back."""
    names = [name for name in _KEYS if name != "v, back"]
    weights = np.array([_WEIGHTS.get(name, 1) for name in names], float)
    rng = np.random.default_rng(SEED)
    found: list[str] = []
    while len(found) < count:
        name = names[rng.choice(len(names), p=weights / weights.sum())]
        found += ["v", "→", "+", "v, back"] if name == "v" else [name]
    return found


def measure(terminal: Terminal, keys: Sequence[str]) -> tuple[dict[str, list[float]], Counter[str]]:
    """Return the milliseconds of each kind of key, and how many of a kind painted nothing."""
    times: dict[str, list[float]] = defaultdict(list)
    nothing: Counter[str] = Counter()
    for name in keys:
        taken = terminal.press(_KEYS[name])
        if taken is None:
            nothing[name] += 1
        else:
            times[name].append(1000 * taken)
    return times, nothing


def hold(terminal: Terminal, key: str, count: int, pause: float) -> str:
    """Send a key so many times, ``pause`` seconds apart, and tell what comes after the last one."""
    frames = terminal.frames
    began = due = sent = last = time.perf_counter()
    for _ in range(count):
        due += pause
        terminal.write(_KEYS[key])
        sent = time.perf_counter()
        while (left := due - time.perf_counter()) > 0:
            last = terminal.read(left) or last
    last = terminal.settle(NOTHING) or last
    rate = f"{1 / pause:.0f} a second" if pause else "all at once"
    late, painted = max(0.0, 1000 * (last - sent)), terminal.frames - frames
    return f"| {rate} | {count} | {1000 * (sent - began):.0f} | {late:.0f} | {painted} |"


# ----------------------------------------------------------------------------------------------------------
# the report


_MEDIAN: Final = 20
_P95: Final = 45
"""Milliseconds that a key may take, at 200×50 with 32 layers of 2 M runs."""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies."""
    return float(np.percentile(np.array(values), 100 * share))


def table(times: dict[str, list[float]], nothing: Counter[str]) -> list[str]:
    """Return the times as lines of a table, all keys together last."""
    lines = ["| key | frames | median | p95 | max |", "| --- | ---: | ---: | ---: | ---: |"]
    kinds = {name: times[name] for name in _KEYS if times[name]}
    kinds["**all**"] = [each for values in kinds.values() for each in values]
    for name, values in kinds.items():
        figures = (statistics.median(values), percentile(values, 0.95), max(values))
        lines.append(f"| {name} | {len(values)} | {' | '.join(f'{figure:.1f}' for figure in figures)} |")
    if nothing:
        told = ", ".join(f"{name} {count}" for name, count in sorted(nothing.items()))
        lines += ["", f"Painted nothing, as there was nothing to change: {told}."]
    return lines


def machine() -> str:
    """Return what the figures depend on, and nothing that tells one machine from another of its kind."""
    import textual  # noqa: PLC0415

    python = platform.python_version()
    return f"{os.cpu_count()} cores, Python {python}, numpy {np.__version__}, Textual {textual.__version__}"


def report(options: argparse.Namespace) -> list[str]:
    """Run the viewer, press the keys, and return what is to be told."""
    columns, rows = (int(number) for number in options.size.split("x"))
    command = [sys.executable, __file__, "--serve", f"--layers={options.layers}", f"--runs={options.runs}"]
    command += [f"--profile={options.profile}"] if options.profile else []
    busy = os.getloadavg()[0]
    terminal = Terminal(command, columns, rows)
    try:
        ready = terminal.wait_for_picture()
        times, nothing = measure(terminal, mixed_keys(options.keys))
        terminal.press(_KEYS["f"])
        held = []
        for pause in (0, 1 / 30, 1 / 60):
            terminal.press(b"\x1b[H")
            held.append(hold(terminal, "→", options.held, pause))
        memory = terminal.memory()
    finally:
        terminal.close()
    return [
        f"{columns}×{rows}, {options.layers} layers of {options.runs:,} runs, {machine()}.",
        f"From the start to the first frame, the made-up chain included: {ready:.1f} s.",
        f"Memory at most: {memory / (1 << 30):.1f} GiB.",
        f"Load average of the machine before: {busy:.1f}.",
        "",
        "## From a key to its frame, ms",
        "",
        f"Wanted: median at most {_MEDIAN} ms, p95 at most {_P95} ms.",
        "",
        *table(times, nothing),
        "",
        "## An arrow key held down",
        "",
        "| keys | count | sending took, ms | output after the last key, ms | frames |",
        "| --- | ---: | ---: | ---: | ---: |",
        *held,
    ]


def write(lines: list[str], path: Path) -> None:
    """Write a report as a page that names the command behind it."""
    words = [word for word in sys.argv[1:] if word != "--write"]
    command = shlex.join(["python", "benchmarks/frames.py", *words, "--write"])
    head = ["# Frames", "", f"Written by `{command}`; its docstring says what is measured.", ""]
    path.write_text("\n".join([*head, *lines]) + "\n")


def main() -> int:
    """Measure, print, and keep the figures if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--runs", type=int, default=2_000_000, help="of each layer")
    parser.add_argument("--size", default="200x50", metavar="COLSxROWS")
    parser.add_argument("--keys", type=int, default=600, help="how many to press one at a time")
    parser.add_argument("--held", type=int, default=200, help="how many to press without waiting")
    parser.add_argument("--profile", metavar="FILE", help="keep a profile of the viewer; the figures suffer")
    parser.add_argument("--write", action="store_true", help="keep the figures in frames.md")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.layers, options.runs, options.profile)
    lines = report(options)
    print("\n".join(lines))
    if options.write:
        write(lines, Path(__file__).with_name("frames.md"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
