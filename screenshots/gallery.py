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
        "The README's tour, animated: it shows the result of each key. It is one file of shapes and style "
        "rules, without a script.",
        '--demo --size 108x32 --press "g 2 9 M enter s s d T escape E escape r b" --moving 2.5',
    ),
)
SCREENS: Final = (
    Picture(
        "demo",
        "The demo",
        "A web server's disk on a golden image. Every strip is a layer; the top strip is what the guest "
        "sees. The vertical line is the drill, and the core sample below shows all layers at its offset.",
        "--demo",
    ),
    Picture(
        "old",
        "Today's flags",
        "The same place with the flags that QEMU answers today: `s` changes the colours, and reads nothing "
        "again.",
        "--demo --semantics old",
    ),
    Picture(
        "nbd",
        "What a server says",
        "The same place with the two flags that an NBD server sends.",
        "--demo --semantics nbd",
    ),
    Picture(
        "zoomed",
        "Closer",
        "`+` zooms in at the cursor; extents that are wide enough show their letters.",
        "--demo web-server --at 0x1e60000 --layer 1 --zoom 32K",
    ),
    Picture(
        "differences",
        "Where today and proposed differ",
        "`d` finds the next place where today's and the proposed flags mean different things; `D` shows only "
        "those.",
        '--demo web-server --layer 1 --zoom 512K --press "d D"',
    ),
    Picture(
        "markers",
        "Between two markers",
        "`space` sets a marker; with two markers, the inspector shows what is between them.",
        '--demo web-server --at 20M --layer guest --zoom 512K --press "space 3 2 l space"',
    ),
    Picture(
        "file",
        "A file on its own axis",
        "`v` shows the selected layer's file: what each of its bytes is for, and on what storage it lies.",
        '--demo web-server --at 0x1e60000 --layer 1 --press "v +"',
    ),
    Picture(
        "round-trip",
        "There and back through NBD",
        "`r` shows what the image means, what a server sends, what the client concludes, and what is lost.",
        '--demo nbd-round-trip --press "r b"',
    ),
    Picture(
        "details",
        "Details of an extent",
        "`enter` shows the table entry bit by bit, and the first stored bytes.",
        '--demo web-server --at 0x1e60000 --press "enter"',
    ),
    Picture(
        "trace",
        "A trace of a read",
        "`T` follows a read of the byte at the cursor through the layers.",
        '--demo web-server --at 0x1f00000 --press "T"',
    ),
    Picture(
        "audit",
        "The audit",
        "`a` compares today's answers with the proposed tables.",
        '--demo web-server --press "a"',
    ),
    Picture(
        "tables",
        "The truth tables",
        "`B` shows every row, how much of the image it applies to, and where it first occurs; `enter` goes "
        "there.",
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
        "A lesson goes from place to place on real images and asks questions; the inspector hides the "
        "answers.",
        '--demo web-server --press "L enter ."',
    ),
    Picture(
        "lesson-answered",
        "An answer",
        "The image itself gives the right answer.",
        '--demo web-server --press "L enter . 1 2"',
    ),
    Picture(
        "lesson-small",
        "On a small terminal",
        "A lesson also fits on 80×24; `i` switches between it and the inspector.",
        '--demo web-server --size 80x24 --press "L down down down down down down enter . ."',
    ),
)
TERMINALS: Final = (
    Picture(
        "wide",
        "Large",
        "From 160 columns on, the inspector is on the right and also shows the whole layer.",
        "--demo web-server --at 0x1e60000 --layer 1 --size 200x50",
    ),
    Picture(
        "small",
        "Small",
        "80×24 is enough for everything.",
        "--demo web-server --at 0x1e60000 --layer 1 --size 80x24",
    ),
    Picture(
        "mono",
        "Without colours",
        "With `NO_COLOR`, or on a terminal without colours, each state has its own glyph.",
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
        "This palette is chosen by hand for 256 colours.",
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
        "Under each picture are the commands that write it, dark and light. Run them at the root of a",
        "checkout. They show what `blockstrata demo SCENARIO` shows after you press the keys of `--press`.",
        "`python screenshots/gallery.py` writes this page and the pictures.",
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
