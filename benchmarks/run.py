"""How fast blockstrata answers, beside tools that answer the same, and beside the least that is possible.

All is measured in turn, A B C A B C …, ``--runs`` times after a first time that does not count; the figures
are medians.  Processor time is user and system together.  What is measured:

``in process``
    the chain opened, and merged over the whole disk, in a fresh process that tells what this took
``map``, ``info``
    whole processes, from their start to their end
``qemu-img map``
    the whole process; like ours, it writes JSON to a file
``qemu-nbd + nbdinfo``
    a server on a Unix socket and ``nbdinfo --map --json``: processor time of both, wall time of the client
``qemu-nbd + libnbd``
    the same with libnbd for Python, if it is installed, without the client's start
``filefrag -v``, ``dissect.hypervisor``
    if they are installed and can read the disk; the latter walks runs in Python, each layer alone
``plain read``
    one pass of preadv over the bytes of the L2 tables, into a buffer that stays

The figures wanted hold at scale 1.  Images are made one disk at a time in a temporary directory (TMPDIR),
which takes 7 GiB at scale 1, or taken from ``--images``.  Run it as ``python benchmarks/run.py``; ``--write``
keeps the figures in results.md beside it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from cases import CASES
from disks import grow, made, measure
from page import Page
from processes import NoAnswerError
from screens import draw, start_up

GROWTH, START_UP, DRAWING = "growth", "start-up", "drawing"
PARTS: Final = (*CASES, GROWTH, START_UP, DRAWING)

_LIBRARIES: Final = {"numpy": "numpy", "Textual": "textual", "dissect.hypervisor": "dissect.hypervisor"}
_TOOLS: Final = (("qemu-img", "--version"), ("nbdinfo", "--version"), ("filefrag", "-V"))


def machine() -> str:
    """Return what the figures depend on, and nothing that tells one machine from another of its kind."""
    versions = [f"Python {platform.python_version()}"]
    for name, distribution in _LIBRARIES.items():
        try:
            versions.append(f"{name} {importlib.metadata.version(distribution)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join([f"{os.cpu_count()} cores", *versions, *_tools()])


def _tools() -> list[str]:
    """Return the first line by which each tool names itself, without what is in brackets."""
    found = []
    for words in _TOOLS:
        if shutil.which(words[0]):
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
            said = (done.stdout + done.stderr).splitlines()
            found.append(said[0].partition(" (")[0] if said else words[0])
    return found


def report(options: argparse.Namespace) -> list[str]:
    """Measure what is asked for, and return what is to be told."""
    asked = options.only or PARTS
    busy = os.getloadavg()[0]
    page = Page.empty()
    cases = [case for name, case in CASES.items() if name in asked]
    for case in CASES.values() if GROWTH in asked and not cases else cases:
        print(case.name, file=sys.stderr)
        with made(case, options) as place:
            if cases:
                measure(case, place, options, page)
            if GROWTH in asked:
                grow(case, place, options, page)
    if START_UP in asked:
        start_up(options, page)
    if DRAWING in asked:
        draw(options, page)
    return [
        f"{machine()}.",
        f"Scale {options.scale:g}, {options.runs} runs counted.",
        f"Load average of the machine before: {busy:.1f}.",
        *page.lines(),
    ]


def write(lines: list[str], path: Path) -> None:
    """Write a report as a page that names the command behind it, but not where the images were."""
    words = ["python", "benchmarks/run.py", *(word for word in sys.argv[1:] if word != "--write"), "--write"]
    if "--images" in words:
        words[words.index("--images") + 1] = "DIRECTORY"
    command = shlex.join(words)
    head = ["# Speed", "", f"Written by `{command}`; its docstring says what is measured.", ""]
    path.write_text("\n".join([*head, *lines]) + "\n")


def main() -> int:
    """Measure, print, and keep the figures if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="of the disks; 0.01 shows that all works")
    parser.add_argument("--images", type=Path, metavar="DIRECTORY", help="where images of that scale are")
    parser.add_argument("--runs", type=int, default=5, help="that count, of each contestant")
    parser.add_argument("--warm-up", type=int, default=1, help="runs before them that do not count")
    parser.add_argument("--only", action="append", choices=PARTS, metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--patience", type=float, default=120.0, help="seconds that one answer may take")
    parser.add_argument("--write", action="store_true", help="keep the figures in results.md")
    options = parser.parse_args()
    if options.images is not None:
        options.images = options.images.resolve()
        wanted = [case for name, case in CASES.items() if name in (options.only or CASES)]
        missing = [name for case in wanted for name in case.files if not (options.images / name).is_file()]
        if missing:
            parser.error(f"--images: {missing[0]} is not there")
    try:
        lines = report(options)
    except NoAnswerError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    if options.write:
        write(lines, Path(__file__).with_name("results.md"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
