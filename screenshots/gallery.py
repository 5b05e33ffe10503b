"""The pictures in this directory and the page that shows them, docs/gallery.md, each picture by one command.

    python screenshots/gallery.py

writes all of them anew.  A test does the same and compares, so that what is committed is what the commands
on the page give.  The commands are run word by word, a few at a time, but in processes that stay: most of a
second would else go by until each has started.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import shlex
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from blockstrata_viewer.app.headless import take  # noqa: F401  loaded before the first picture
from blockstrata_viewer.cli.group import main as blockstrata
from blockstrata_viewer.process.whole_file import write_whole
from blockstrata_viewer.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = "docs/gallery.md"
THEMES: Final = ("dark", "light")
_WORKERS: Final = 4
"""Half the time of a picture is waiting for the app to come to rest."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture: its file's name, what it is called, what to see in it, and the options that make it."""

    name: str
    title: str
    words: str
    options: str

    def file(self, theme: str) -> str:
        """Return the file of a theme, from the root of the repository."""
        return f"screenshots/{self.name}-{theme}.svg"

    def command(self, theme: str) -> str:
        """Return the command that writes it, run there."""
        look = "" if theme == "dark" else f" --theme {theme}"
        return f"blockstrata screenshot {self.options}{look} -o {self.file(theme)}"


TOUR: Final = (
    Picture(
        "tour",
        "The tour",
        "README's tour as it moves: what each key leads to. It is one file of shapes and style rules, with "
        "no script.",
        '--demo --size 108x32 --press "g 2 9 M enter s s d T escape E escape r b" --moving 2.5',
    ),
)
SCREENS: Final = (
    Picture(
        "demo",
        "The demo",
        "A web server's disk on a golden image. Every strip is a layer, the one on top what the guest sees; "
        "the vertical line is the drill, and the core sample below shows all layers under it.",
        "--demo",
    ),
    Picture(
        "old",
        "The old flags",
        "The same place by the flags that QEMU answers today: `s` recolours, nothing is read again.",
        "--demo --semantics old",
    ),
    Picture(
        "nbd",
        "What a server says",
        "The same once more by the two bits that cross an NBD connection.",
        "--demo --semantics nbd",
    ),
    Picture(
        "zoomed",
        "Closer",
        "`+` zooms about the cursor; extents that are wide enough carry their letters.",
        "--demo web-server --at 0x1e60000 --layer 1 --zoom 32K",
    ),
    Picture(
        "differences",
        "Where old and new differ",
        "`d` finds the next place where old and new flags mean different things, `D` shows only those.",
        '--demo web-server --layer 1 --zoom 512K --press "d D"',
    ),
    Picture(
        "markers",
        "Between two markers",
        "`space` sets a marker; two of them show what lies between.",
        '--demo web-server --at 20M --layer guest --zoom 512K --press "space 3 2 l space"',
    ),
    Picture(
        "file",
        "A file on its own axis",
        "`v` shows the selected layer's file, and what the protocol layer says of each of its bytes.",
        '--demo web-server --at 0x1e60000 --layer 1 --press "v +"',
    ),
    Picture(
        "round-trip",
        "There and back through NBD",
        "`r`: what the image means, what a server says of it, what the client concludes, and what is lost.",
        '--demo nbd-round-trip --press "r b"',
    ),
    Picture(
        "details",
        "Details of an extent",
        "`enter`: the table entry bit by bit, and the first bytes behind it.",
        '--demo web-server --at 0x1e60000 --press "enter"',
    ),
    Picture(
        "trace",
        "A read, traced",
        "`T` follows a read of the byte under the cursor down the layers.",
        '--demo web-server --at 0x1f00000 --press "T"',
    ),
    Picture(
        "audit",
        "The audit",
        "`a` holds today's answers against the proposed tables.",
        '--demo web-server --press "a"',
    ),
    Picture(
        "tables",
        "The truth tables",
        "`B`: every row, how much of the image it is true of, and where it occurs first; `enter` goes there.",
        '--demo web-server --at 0x1e60000 --layer 1 --press "B"',
    ),
    Picture(
        "help",
        "Help",
        "`?` explains the part of the screen that the cursor is in, and lists every key.",
        '--demo web-server --press "?"',
    ),
)
LESSONS: Final = (
    Picture("lessons", "The lessons", "`L` lists them, on any image.", '--demo web-server --press "L"'),
    Picture(
        "lesson",
        "A question",
        "A lesson goes from place to place on real images, and asks; the inspector does not tell.",
        '--demo web-server --press "L enter ."',
    ),
    Picture(
        "lesson-answered",
        "An answer",
        "What is right is worked out from the image.",
        '--demo web-server --press "L enter . 1 2"',
    ),
    Picture(
        "lesson-small",
        "On a small terminal",
        "80×24 hold a lesson too; `i` takes turns between it and the inspector.",
        '--demo web-server --size 80x24 --press "L down down down down down down enter . ."',
    ),
)
TERMINALS: Final = (
    Picture(
        "wide",
        "Large",
        "From 160 columns on, the inspector stands on the right and shows the layer as a whole.",
        "--demo web-server --at 0x1e60000 --layer 1 --size 200x50",
    ),
    Picture(
        "small",
        "Small",
        "80×24 show all of it.",
        "--demo web-server --at 0x1e60000 --layer 1 --size 80x24",
    ),
    Picture(
        "mono",
        "Without colours",
        "`NO_COLOR`, or a terminal that has none: a glyph for each state.",
        "--demo web-server --at 0x1e60000 --layer 1 --zoom 512K --color none",
    ),
    Picture(
        "patterns",
        "Patterns",
        "`x` adds a pattern to each colour.",
        '--demo web-server --at 0x1e60000 --layer 1 --zoom 512K --press "x"',
    ),
    Picture(
        "colours-256",
        "256 colours",
        "A palette of its own, chosen by hand.",
        "--demo web-server --at 0x1e60000 --layer 1 --zoom 512K --color 256",
    ),
)
_PLACES: Final = {
    "web-server": "--layer guest --at 12M --zoom 1M",
    "preallocation": '--press "tab n"',
    "punched": '--press "tab n"',
    "encrypted": '--press "b"',
    "nbd-round-trip": '--semantics nbd-2018 --press "r b"',
    "every-row": '--press "j b"',
}
"""What to look at, as options, in scenarios that do not open there."""


def _scenarios() -> Iterator[Picture]:
    for scenario in SCENARIOS.values():
        size = "100x36" if len(scenario.files) > 4 else "100x30"
        options = f"--demo {scenario.name} --size {size} {_PLACES.get(scenario.name, '')}".rstrip()
        yield Picture(f"scenario-{scenario.name}", scenario.title, scenario.summary, options)


SECTIONS: Final = {
    "The tour": TOUR,
    "The screen": SCREENS,
    "Lessons": LESSONS,
    "Other terminals": TERMINALS,
    "The scenarios": tuple(_scenarios()),
}


def pictures() -> Iterator[tuple[str, str]]:
    """Yield file and command of each picture."""
    for section in SECTIONS.values():
        for picture in section:
            for theme in THEMES:
                yield picture.file(theme), picture.command(theme)


def page() -> str:
    """Return the text of the page."""
    lines = [
        "# Gallery",
        "",
        "Under each picture stand the commands that write it, dark and light, for your own terminal at the",
        "root of a checkout. What they show is what `blockstrata demo SCENARIO` shows once the keys after",
        "`--press` are pressed. This page and the pictures are written by `python screenshots/gallery.py`.",
    ]
    for title, section in SECTIONS.items():
        lines += ["", f"## {title}"]
        for picture in section:
            dark, light = (f"../{picture.file(theme)}" for theme in THEMES)
            lines += [
                "",
                f"### {picture.title}",
                "",
                picture.words,
                "",
                "<picture>",
                f'  <source media="(prefers-color-scheme: light)" srcset="{light}">',
                f'  <img alt="{picture.title}" src="{dark}">',
                "</picture>",
                "",
                "```sh",
                *(picture.command(theme) for theme in THEMES),
                "```",
            ]
    return "\n".join(lines) + "\n"


def write(root: Path) -> None:
    """Write page and pictures under a directory, as they stand under the root of the repository."""
    for directory in ("screenshots", "docs"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    write_whole(root / PAGE, page().encode())
    commands = [command for _, command in pictures()]
    # nothing of this process, such as its event loops, is in the others, which load the viewer once for all
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["blockstrata_viewer.app.headless", "blockstrata_viewer.app.main_screen"])
    with ProcessPoolExecutor(_WORKERS, context) as pool:
        for command, code in zip(commands, pool.map(partial(run, root), commands), strict=True):
            if code:
                raise RuntimeError(f"exit status {code}: {command}")


def run(root: Path, command: str) -> int:
    """Run a command line of blockstrata in a directory, as a shell would, and return its exit status."""
    _, *words = shlex.split(command)
    with contextlib.chdir(root):
        try:
            blockstrata(words)
        except SystemExit as leaving:
            return leaving.code if isinstance(leaving.code, int) else bool(leaving.code)
    return 0


if __name__ == "__main__":
    write(ROOT)
