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
import fcntl
import os
import platform
import pty
import select
import shlex
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from blockstrata.chain import Chain, Layer
from blockstrata.extents import Extents
from blockstrata.facts import NO_HOST, Mapping, Storage, Traits, fact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from blockstrata.driver import HostNode
    from blockstrata_viewer.disk import Disk

CLUSTER: Final = 1 << 16
CLUSTERS_A_RUN: Final = 8
"""Mean; with 2 M runs the disk has 1 TiB."""
SEED: Final = 2018

# ----------------------------------------------------------------------------------------------------------
# the chain

_STORED: Final = (
    (fact(Mapping.NORMAL, Storage.DATA), 0.70),
    (fact(Mapping.NORMAL, Storage.HOLE), 0.04),
    (fact(Mapping.ZERO_PLAIN), 0.12),
    (fact(Mapping.ZERO_ALLOC, Storage.DATA), 0.03),
    (fact(Mapping.ZERO_ALLOC, Storage.UNWRITTEN), 0.03),
    (fact(Mapping.COMPRESSED), 0.08),
)
"""What an overlay holds where it holds something, and how often."""
_HOSTED: Final = (Mapping.NORMAL, Mapping.ZERO_ALLOC)


class MadeUpFile:
    """The file under a made-up layer: data and holes in turn, and no bytes to read."""

    driver = "file"
    backing = None
    backing_format = None
    refusal = None
    supports_backing = False

    def __init__(self, name: str, length: int, runs: int, rng: np.random.Generator) -> None:
        self.name = name
        self.length = length
        self.allocated = length
        self.traits = Traits(host_driver="file", is_protocol=True)
        edges = _edges(max(1, min(runs, length // CLUSTER)), length // CLUSTER, rng)
        kinds = [fact(Mapping.PASSTHROUGH, Storage.DATA), fact(Mapping.PASSTHROUGH, Storage.HOLE)]
        facts = np.resize(np.array(kinds, np.uint8), len(edges) - 1)
        self._extents = Extents(edges, facts, edges[:-1].copy())

    @property
    def host(self) -> HostNode:
        """Return this node."""
        return self

    @property
    def file(self) -> HostNode:
        """Return this node."""
        return self

    @property
    def identity(self) -> tuple[object, ...]:
        """Return what no other file equals."""
        return ("made-up", self.name)

    def extents(self, start: int, length: int) -> Extents:
        """Return data and holes of a window inside the file."""
        return self._extents.cut(start, start + length)

    def windows(self) -> Iterator[tuple[int, int, int]]:
        """Yield the one window."""
        yield 0, self.length, 0

    def read(self, offset: int, length: int) -> bytes:  # noqa: ARG002
        """Return zeroes."""
        return bytes(length)

    def notices(self) -> list[str]:
        """Return nothing."""
        return []

    def fault_at(self, offset: int) -> str:  # noqa: ARG002
        """Return an empty string: nothing is corrupt."""
        return ""

    def features(self) -> dict[str, object]:
        """Return nothing."""
        return {}

    def close(self) -> None:
        """Do nothing."""


class MadeUpImage:
    """A qcow2 node without a file; its layer knows all its facts, so that nobody asks it."""

    driver = "qcow2"
    backing = None
    backing_format = "qcow2"
    refusal = None
    supports_backing = True

    def __init__(self, name: str, length: int, host: HostNode) -> None:
        self.name = name
        self.length = length
        self.host = host
        self.file = host
        self.traits = Traits(host_driver="file")

    def extents(self, start: int, length: int) -> Extents:
        """Refuse: the facts are known."""
        raise NotImplementedError

    def windows(self) -> Iterator[tuple[int, int, int]]:
        """Yield the one window."""
        yield 0, self.length, 0

    def fault_at(self, offset: int) -> str:  # noqa: ARG002
        """Return an empty string: nothing is corrupt."""
        return ""

    def features(self) -> dict[str, object]:
        """Return what the details may tell."""
        return {"cluster-size": CLUSTER}

    def close(self) -> None:
        """Do nothing."""


def made_up_chain(layers: int, runs: int) -> Chain:
    """Return a chain of layers of ``runs`` runs each, all of one size."""
    size = runs * CLUSTERS_A_RUN * CLUSTER
    return Chain(tuple(_layer(depth, layers, runs, size) for depth in range(layers)))


def _layer(depth: int, layers: int, runs: int, size: int) -> Layer:
    rng = np.random.default_rng((SEED, depth))
    edges = _edges(runs, size // CLUSTER, rng)
    facts = _facts(runs, rng)
    host, end = _host(np.diff(edges), facts, rng)
    name = f"layer-{layers - 1 - depth:02d}.qcow2"
    node = MadeUpImage(name, size, MadeUpFile(name, end, runs // 4, rng))
    return Layer(depth, node, Extents(edges, facts, host))


def _edges(runs: int, clusters: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the edges of so many runs that fill so many clusters, in bytes."""
    inner = rng.choice(clusters - 1, runs - 1, replace=False, shuffle=False) + 1
    inner.sort()
    return np.concatenate([[0], inner, [clusters]]).astype(np.int64) * CLUSTER


def _facts(runs: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return facts in which every second run is deferred to the layer below."""
    codes, shares = zip(*_STORED, strict=True)
    facts = np.full(runs, fact(Mapping.UNALLOCATED), np.uint8)
    facts[1::2] = rng.choice(np.array(codes, np.uint8), runs // 2, p=shares)
    return facts


def _host(
    lengths: NDArray[np.int64], facts: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.int64], int]:
    """Return host offsets, and the file's length: runs lie side by side in batches, the batches shuffled."""
    hosted = np.flatnonzero(np.isin(facts >> 3, _HOSTED))
    batch = rng.permutation(len(hosted) // 64 + 1)[np.arange(len(hosted)) // 64]
    order = hosted[np.argsort(batch, kind="stable")]
    first = 4 * CLUSTER
    ends = first + np.cumsum(lengths[order])
    host = np.full(len(facts), NO_HOST, np.int64)
    host[order] = ends - lengths[order]
    return host, int(ends[-1]) if len(ends) else first


# ----------------------------------------------------------------------------------------------------------
# the viewer, in a process of its own


def serve(layers: int, runs: int, profile: str | None) -> int:
    """Run the viewer on the made-up chain, in the terminal that this process has."""
    from blockstrata_viewer import loading  # noqa: PLC0415
    from blockstrata_viewer.app import ViewerApp  # noqa: PLC0415
    from blockstrata_viewer.disk import disk_of  # noqa: PLC0415

    def load(*_: object) -> Iterator[Disk]:
        yield disk_of(made_up_chain(layers, runs))

    loading.load = load  # type: ignore[assignment]
    app = ViewerApp(["made-up"])
    if profile is None:
        return app.run() or 0
    with cProfile.Profile() as profiler:
        code = app.run() or 0
    profiler.dump_stats(profile)
    return code


# ----------------------------------------------------------------------------------------------------------
# the terminal

_SYNC_QUERY: Final = b"\x1b[?2026$p"
_SYNC_ANSWER: Final = b"\x1b[?2026;2$y"
_FRAME_END: Final = b"\x1b[?2026l"
_ON_THE_SCREEN: Final = b"CORE SAMPLE"
_FIRST_FRAME: Final = 300.0
"""Seconds in which the chain must have been made and shown."""
_QUIET: Final = 0.05
"""Seconds without output after which a frame is over; no part of what is measured."""
_NOTHING: Final = 0.5
"""Seconds after which a key has painted nothing."""


class Terminal:
    """A pty in which a process runs; keeps the time of each piece of its output."""

    def __init__(self, command: Sequence[str], columns: int, rows: int) -> None:
        self._fd, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("TEXTUAL_")},
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }
        environment.pop("NO_COLOR", None)
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=inner, stdout=inner, stderr=inner, env=environment, start_new_session=True
        )
        os.close(inner)
        os.set_blocking(self._fd, False)
        self._tail = b""
        self._last = b""
        self.frames = 0
        self.is_ready = False

    def read(self, seconds: float) -> float | None:
        """Return when the next piece of output came, or None if none did in time."""
        if not select.select([self._fd], [], [], max(0.0, seconds))[0]:
            return None
        try:
            piece = os.read(self._fd, 1 << 16)
        except OSError:
            words = self._last.decode(errors="replace")
            raise SystemExit(f"the viewer has ended; its last words:\n{words}") from None
        now = time.perf_counter()
        self._last = (self._last + piece)[-4000:]
        seen = self._tail + piece
        self.frames += seen.count(_FRAME_END) - self._tail.count(_FRAME_END)
        self.is_ready |= _ON_THE_SCREEN in seen
        if _SYNC_QUERY in seen:
            os.write(self._fd, _SYNC_ANSWER)
            seen = b""
        # whatever is looked for may come in two pieces
        self._tail = seen[-16:]
        return now

    def settle(self, seconds: float) -> float | None:
        """Wait for output, then for silence; return when the last piece came, or None if none did in time."""
        last = self.read(seconds)
        while last is not None and (now := self.read(_QUIET)) is not None:
            last = now
        return last

    def wait_for_picture(self) -> float:
        """Wait for the first frame of the chain, and return the seconds it took."""
        began = time.perf_counter()
        while not self.is_ready:
            if time.perf_counter() - began > _FIRST_FRAME:
                raise SystemExit("the viewer shows nothing")
            last = self.settle(1.0)
        return (last or began) - began

    def press(self, key: bytes) -> float | None:
        """Send a key and return the seconds until its frame was painted, or None if none was."""
        began = time.perf_counter()
        self.write(key)
        last = self.settle(_NOTHING)
        return None if last is None else last - began

    def write(self, keys: bytes) -> None:
        """Send keys."""
        while keys:
            select.select([], [self._fd], [])
            keys = keys[os.write(self._fd, keys) :]

    def memory(self) -> int:
        """Return the most bytes of memory that the process has had."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))

    def close(self) -> None:
        """Leave the viewer, or end it if it does not go."""
        self.write(b"q")
        until = time.perf_counter() + 20
        try:
            while time.perf_counter() < until and self._process.poll() is None:
                self.read(0.1)
        except SystemExit:
            pass
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.close(self._fd)


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
    last = terminal.settle(_NOTHING) or last
    rate = f"{1 / pause:.0f} a second" if pause else "all at once"
    late, painted = max(0.0, 1000 * (last - sent)), terminal.frames - frames
    return f"| {rate} | {count} | {1000 * (sent - began):.0f} | {late:.0f} | {painted} |"


# ----------------------------------------------------------------------------------------------------------
# the report


_MEDIAN: Final = 25
_P95: Final = 60
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
