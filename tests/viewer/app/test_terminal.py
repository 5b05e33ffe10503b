"""The viewer in a real terminal: tmux plays it, presses keys, turns the wheel and reads the screen.

Every wait ends as soon as the screen shows what it waits for, and fails with the screen if it never does.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress
from itertools import count, cycle
from pathlib import Path

import numpy as np
import pytest

from blockstrata.formats.qcow2.author import Data, Image, write_image
from blockstrata.text.printable import printable

pytestmark = pytest.mark.live("tmux")

TIMEOUT = 30
CLUSTER = 1 << 16
ODD = "[bold red]web 01\n[@click=app.quit] $HOME " + "a" * 180 + " [link=x] end.qcow2"
SGR = re.compile(r"\x1b\[([0-9;:]*)m")


class Tmux:
    """A tmux server of our own, on a socket of our own."""

    def __init__(self, home):
        self._numbers = count()
        self._socket = f"blockstrata-test-{os.getpid()}"
        profile = home / "profile"
        profile.write_text("PS1='ready> '\n")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "ENV": str(profile),
            "BLOCKSTRATA_CONFIG": str(home / "none.toml"),
        }

    def run(self, *words):
        done = subprocess.run(
            ["tmux", "-u", "-L", self._socket, "-f", os.devnull, *words],
            env=self._environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT,
            check=True,
        )
        return done.stdout

    def pane(self, directory, size=(120, 36), **environment):
        """Return a new pane with a shell in it."""
        name = f"test-{next(self._numbers)}"
        settings = [word for item in environment.items() for word in ("-e", "=".join(item))]
        columns, rows = map(str, size)
        where = ["-x", columns, "-y", rows, "-c", str(directory)]
        self.run("new-session", "-d", "-s", name, *where, *settings, "sh")
        return Pane(self, f"={name}:", directory)

    def close(self):
        with suppress(subprocess.CalledProcessError):
            socket = Path(self.run("display-message", "-p", "#{socket_path}").strip())
            self.run("kill-server")
            socket.unlink(missing_ok=True)


class Pane:
    """A terminal with a shell in which the viewer is started and left."""

    def __init__(self, tmux, target, directory):
        self._tmux = tmux
        self._target = target
        self._directory = directory

    def __call__(self, command, *words):
        return self._tmux.run(command, "-t", self._target, *words)

    def text(self):
        return self("capture-pane", "-p")

    def lines(self):
        return self.text().splitlines()

    def painted(self):
        """Return the lines with their colours."""
        return self("capture-pane", "-pe").splitlines()

    def row_of(self, words):
        """Return the first row that shows words, counted from 0."""
        return next(row for row, line in enumerate(self.lines()) if words in line)

    def keys(self, *names):
        self("send-keys", *names)

    def type(self, text):
        self("send-keys", "-l", text)

    def mouse(self, button, column, row, *, release=False):
        """Send what a terminal sends for the mouse: buttons 0 to 2, 35 moving, 64 and on the wheel."""
        text = f"\x1b[<{button};{column + 1};{row + 1}{'m' if release else 'M'}"
        self("send-keys", "-H", *(f"{byte:02x}" for byte in text.encode()))

    def resize(self, columns, rows):
        self("resize-window", "-x", str(columns), "-y", str(rows))

    def wait(self, *wanted, without=()):
        """Wait until the screen shows all words, and none of others; return it."""

        def holds(text):
            return all(words in text for words in wanted) and not any(words in text for words in without)

        return self.wait_until(holds, f"{wanted} without {without}")

    def wait_until(self, holds, what="what was waited for"):
        """Wait until something holds of the screen and no part of a frame is missing any more; return it."""
        until = time.monotonic() + TIMEOUT
        before = None
        while not holds(text := self.text()) or self.painted() != before:
            assert time.monotonic() < until, f"the screen does not show {what}:\n{text}"
            before = self.painted()
            time.sleep(0.05)
        return text

    def start(self, *words):
        """Start the viewer with a command line; the shell says afterwards how it ended."""
        command = shlex.join([sys.executable, "-m", "blockstrata_viewer", *words])
        Path(self._directory, "run.sh").write_text(f"echo $$ >pid\nexec {command}\n")
        self.wait("ready>")
        self.type("stty -g >before; sh run.sh; echo status=$?; stty -g >after; echo do''ne")
        self.keys("Enter")

    def show(self, *words):
        """Start the viewer and wait for its picture."""
        self.start(*words)
        return self.wait("CORE SAMPLE", without=["reading"])

    def wait_for_reading(self):
        """Wait until part of an image is on the screen; it does not stand still then."""
        until = time.monotonic() + TIMEOUT
        while "reading" not in (text := self.text()):
            assert time.monotonic() < until, f"nothing is being read:\n{text}"
            time.sleep(0.03)

    def viewer(self):
        """Return the viewer's process id."""
        return int(Path(self._directory, "pid").read_text())

    def modes(self):
        """Return what the terminal is left with: alternate screen, cursor, any mouse reporting."""
        return self("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}").strip()

    def left(self):
        """Wait until the viewer is gone, see that the terminal is as it was, and return the exit status."""
        text = self.wait_until(lambda text: re.search("^done", text, re.MULTILINE), "the shell again")
        assert self.modes() == "0 1 0", text
        before, after = (Path(self._directory, name).read_text() for name in ("before", "after"))
        assert before == after
        self.type("echo ec''ho")
        self.wait("echo ec''ho")
        self.keys("Enter")
        self.wait("\necho\n")
        return int(re.search("^status=([0-9]+)$", text, re.MULTILINE)[1])


@pytest.fixture(scope="module")
def tmux(tmp_path_factory):
    server = Tmux(tmp_path_factory.mktemp("home"))
    yield server
    server.close()


@pytest.fixture
def pane(tmux, tmp_path):
    return tmux.pane(tmp_path, COLORTERM="truecolor")


def palettes(lines):
    """Return how the colours of painted lines are stated: "rgb", "256", "16"."""
    found = set()
    for match in SGR.finditer("\n".join(lines)):
        numbers = iter(match[1].replace(":", ";").split(";"))
        for number in numbers:
            if number in ("38", "48"):
                kind = next(numbers)
                found.add({"2": "rgb", "5": "256"}[kind])
                for _ in range(3 if kind == "2" else 1):
                    next(numbers)
            elif number and re.fullmatch("[34][0-7]|9[0-7]|10[0-7]", number):
                found.add("16")
    return found


def is_whole(text, columns, rows):
    """Say whether a screen of a size is drawn to its last cell."""
    lines = text.splitlines()
    parts = ("blockstrata", "guest sees", "web01-active", "EXTENT", "CORE SAMPLE", "supplied by")
    return (
        len(lines) == rows
        # of an image without refcounts a note says so, in the place of the keys
        and ("q quit" in lines[-1] or "no refcount block" in lines[-1])
        and lines[0].endswith(" nbd")
        and columns - 2 <= len(lines[0]) <= columns
        and all(words in text for words in parts)
        and ("LAYER  share of" in text) == (columns >= 160)
    )


WHOLE = ("demo", "--at", "0", "--zoom", "64M")
"""The demo as a whole: it opens where its layers disagree."""


def test_keys(pane):
    text = pane.show(*WHOLE)
    assert is_whole(text, 120, 36)
    assert pane.modes() == "1 0 1"
    assert palettes(pane.painted()) == {"rgb"}
    assert "CORE SAMPLE  at 0 MiB\n" in text
    assert "728 KiB/cell" in text

    pane.keys("Right")
    pane.wait("CORE SAMPLE  at 728.5 KiB\n")
    pane.keys("+")
    pane.wait("364 KiB/cell", "at 728.5 KiB\n")
    pane.keys("Right")
    pane.wait("at 729 KiB\n")
    pane.keys("f")
    pane.wait("728 KiB/cell")
    pane.keys("Home")
    pane.wait("CORE SAMPLE  at 0 MiB\n")

    pane.wait("\n▌▌ web01-active", "\n ▌ web01-monday")
    pane.keys("Down")
    pane.wait("\n▌▌ web01-monday", "\n ▌ web01-active", "EXTENT  web01-monday")
    pane.keys("Up", "Up")
    pane.wait("EXTENT  guest sees")

    pane.type("5l")
    pane.wait("CORE SAMPLE  at 3,642.5 KiB\n")
    pane.type("g")
    pane.wait("Go to")
    pane.type("101%")
    pane.keys("Enter")
    pane.wait("is not in 0% to 100%")
    pane.keys("BSpace", "BSpace", "BSpace", "BSpace")
    pane.type("50%")
    pane.keys("Enter")
    pane.wait("CORE SAMPLE  at 32 MiB\n", without=["Go to"])

    pane.keys("Space")
    pane.wait("◆", without=["BETWEEN"])
    pane.type("g42M")
    pane.keys("Enter")
    pane.wait("at 43,008 KiB\n")
    pane.keys("Space")
    pane.wait("BETWEEN MARKERS", "10 MiB  10,485,760 bytes")
    pane.keys("Escape")
    pane.wait("EXTENT  guest sees", without=["◆", "BETWEEN"])

    pane.keys("q")
    assert pane.left() == 0


def test_the_toggle_changes_letters_and_colours(pane):
    proposed = pane.show("demo")
    before = pane.painted()
    legend = slice(-3, -1)
    assert "L·AO" in "".join(proposed.splitlines()[legend])
    assert "D·O" not in "".join(proposed.splitlines()[legend])
    pane.keys("s")
    today = pane.wait("D data", without=["L·AO data"])
    after = pane.painted()
    assert "D·O" in "".join(today.splitlines()[legend])
    strips = slice(*(pane.row_of(words) for words in ("guest sees", "supplied by")))
    assert before[strips] != after[strips]
    assert before[0] != after[0]
    pane.keys("s")
    assert pane.wait("L·AO data", without=["D data"]) == proposed
    assert pane.painted() == before
    pane.keys("S")
    pane.wait("nbd 2018", "H hole")
    pane.keys("s")
    assert pane.wait("L·AO data", without=["H hole"]) == proposed
    pane.keys("q")
    assert pane.left() == 0


def test_screens_over_the_picture(pane):
    picture = pane.show("demo")
    pane.keys("?")
    pane.wait("COLOURS AND TEXTURES", "↓ more")
    pane.keys("End")
    pane.wait("wheel", "zoom at the pointer", without=["↓ more"])
    pane.keys("Escape")
    pane.wait_until(lambda text: text == picture, "the picture again")
    pane.keys("Enter")
    pane.wait_until(lambda text: text != picture, "details")
    pane.keys("Escape")
    pane.wait_until(lambda text: text == picture, "the picture again")
    pane.keys("C-p")
    pane.wait_until(lambda text: text != picture, "the palette")
    pane.keys("Escape")
    pane.wait_until(lambda text: text == picture, "the picture again")
    pane.keys("Down", "Down", "v")
    pane.wait("debian-golden.raw", "the file of layer 2", without=["guest sees"])
    pane.keys("v")
    pane.wait("guest sees", "EXTENT  debian-golden.raw", without=["the file of"])
    pane.keys("q")
    assert pane.left() == 0


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_resizing(pane, theme):
    pane.show("demo", "--theme", theme)
    for columns, rows in [(80, 24), (200, 50), (120, 36), (200, 24), (80, 50), (80, 24)]:
        pane.resize(columns, rows)
        pane.wait_until(lambda text, size=(columns, rows): is_whole(text, *size), f"{columns}×{rows}, whole")
    pane.keys("q")
    assert pane.left() == 0


@pytest.mark.parametrize("size", [(40, 10), (20, 5), (1, 1)])
def test_a_terminal_too_small_for_anything_ends_nothing(pane, size):
    whole = pane.show(*WHOLE)
    pane.resize(*size)
    pane.keys("Right", "s", "s", "Left")
    pane.wait_until(lambda text: len(text.splitlines()) <= size[1], "fewer lines")
    pane.resize(120, 36)
    pane.wait_until(lambda text: text == whole, "the whole picture again")
    pane.keys("q")
    assert pane.left() == 0


def write_scattered(path, tables):
    """Write an image whose clusters are all stored, neighbours hardly ever side by side, in a sparse file."""
    entries = CLUSTER // 8
    clusters = tables * entries
    l1_at, l2_at = 2 * CLUSTER, 4 * CLUSTER
    first = 4 + tables
    order = np.random.default_rng(1).permutation(clusters) + first
    with path.open("wb") as file:
        size = clusters * CLUSTER
        file.write(
            struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, size, 0, tables, l1_at, CLUSTER, 1, 0, 0)
        )
        file.seek(l1_at)
        file.write((l2_at + np.arange(tables, dtype=">u8") * CLUSTER | 1 << 63).astype(">u8").tobytes())
        file.seek(l2_at)
        file.write((order.astype(np.uint64) << 16 | np.uint64(1 << 63)).astype(">u8").tobytes())
        file.truncate((first + clusters) * CLUSTER)


def test_resizing_while_an_image_is_read(pane, tmp_path):
    write_scattered(tmp_path / "web01-active.qcow2", 512)
    pane.start("web01-active.qcow2")
    sizes = cycle([(80, 24), (200, 50), (120, 36)])
    resized = 0
    pane.wait_for_reading()
    while "reading" in pane.text():
        pane.resize(*next(sizes))
        pane.keys("Right", "+", "-")
        resized += 1
    assert resized
    for columns, rows in [(200, 50), (80, 24)]:
        pane.resize(columns, rows)
        pane.wait_until(lambda text, size=(columns, rows): is_whole(text, *size), f"{columns}×{rows}, whole")
    pane.keys("q")
    assert pane.left() == 0


def test_leaving_while_an_image_is_read(pane, tmp_path):
    write_scattered(tmp_path / "large.qcow2", 512)
    pane.start("large.qcow2")
    pane.wait_for_reading()
    pane.keys("q")
    assert pane.left() == 0


def test_mouse(pane):
    pane.show(*WHOLE)
    lines = pane.lines()
    guest, monday = pane.row_of("guest sees"), pane.row_of(" web01-monday.qcow2  ")
    first = lines[pane.row_of("┴")].index("┴")
    pane.mouse(0, first + 10, monday)
    pane.mouse(0, first + 10, monday, release=True)
    # ten cells of 728.5 KiB
    pane.wait("CORE SAMPLE  at 7,285 KiB\n", "EXTENT  web01-monday", "\n▌▌ web01-monday", without=["BETWEEN"])

    # where the enlarged cell beside the cursor's badge leaves room
    pane.mouse(35, first + 60, guest)
    pane.wait(" 43,710 KiB ", "CORE SAMPLE  at 7,285 KiB\n")

    pane.mouse(64, first + 30, guest)
    closer = pane.wait("364 KiB/cell")
    pane.mouse(68, first + 30, guest)
    pane.wait_until(lambda text: text != closer and "364 KiB/cell" in text, "another window")
    pane.mouse(67, first + 30, guest)
    pane.wait_until(lambda text: text == closer, "the window that was there before")
    pane.mouse(65, first + 30, guest)
    pane.wait("728 KiB/cell")

    pane.mouse(0, first + 8, guest)
    pane.mouse(32, first + 12, guest)
    pane.mouse(32, first + 24, guest)
    pane.mouse(0, first + 24, guest, release=True)
    pane.wait("BETWEEN MARKERS", "11,935,744 bytes")
    pane.mouse(35, first + 2, guest)
    pane.wait("11,935,744 bytes")
    pane.mouse(0, 3, monday)
    pane.mouse(0, 3, monday, release=True)
    pane.wait("\n▌▌ web01-monday")
    pane.keys("q")
    assert pane.left() == 0


def test_export(pane, tmp_path):
    pane.show("demo")
    pane.type("e")
    pane.wait("Export the screen")
    pane.keys("Enter")
    pane.wait("written: web01-active.svg", without=["Export the screen"])
    assert (tmp_path / "web01-active.svg").read_text(encoding="utf-8").startswith("<svg")
    pane.type("e")
    pane.wait("Export the screen")
    pane.type("picture.txt")
    pane.keys("Enter")
    pane.wait("written: picture.txt")
    text = (tmp_path / "picture.txt").read_text(encoding="utf-8")
    assert "CORE SAMPLE" in text
    assert "Export the screen" not in text
    pane.type("e")
    pane.wait("Export the screen")
    pane.type("no/such/directory.svg")
    pane.keys("Enter")
    pane.wait("no/such/directory.svg: ", without=["Export the screen"])
    pane.keys("q")
    assert pane.left() == 0


def screens(pane):
    """Yield the lines of the picture and of everything that can lie over it."""
    picture = pane.show("demo")
    yield pane.painted()
    over = {"?": "COLOURS AND TEXTURES", "g": "Go to", "Enter": "guest offset 0x1e60000", "C-p": "earch"}
    for key, words in over.items():
        pane.keys(key)
        pane.wait(words)
        yield pane.painted()
        pane.keys("Escape")
        pane.wait_until(lambda text: text == picture, "the picture again")
    pane.keys("x", "s", "D")
    pane.wait("differences only")
    yield pane.painted()
    pane.keys("q")
    assert pane.left() == 0


def test_no_color_means_none(tmux, tmp_path):
    pane = tmux.pane(tmp_path, NO_COLOR="1", COLORTERM="truecolor")
    pane.show("demo")
    assert palettes(pane.painted()) == set()
    pane.keys("x", "s", "D", "Space", "S-Right")
    pane.wait("differences only", "◆")
    assert palettes(pane.painted()) == set()
    pane.keys("q")
    assert pane.left() == 0


def test_no_color_means_none_under_other_screens(tmux, tmp_path):
    pane = tmux.pane(tmp_path, NO_COLOR="1", COLORTERM="truecolor")
    for lines in screens(pane):
        assert palettes(lines) == set()


def test_a_dumb_terminal_has_no_colours(tmux, tmp_path):
    pane = tmux.pane(tmp_path)
    pane.type("export TERM=dumb")
    pane.keys("Enter")
    pane.show("demo")
    assert palettes(pane.painted()) == set()
    pane.keys("q")
    assert pane.left() == 0


def test_without_colorterm_there_are_256_colours(tmux, tmp_path):
    pane = tmux.pane(tmp_path)
    for lines in screens(pane):
        assert palettes(lines) == {"256"}


@pytest.mark.parametrize(("colour", "palette"), [("16", "16"), ("256", "256"), ("truecolor", "rgb")])
def test_colours_can_be_chosen(tmux, tmp_path, colour, palette):
    pane = tmux.pane(tmp_path)
    picture = pane.show("demo", "--color", colour)
    assert palettes(pane.painted()) == {palette}
    pane.keys("?")
    pane.wait("COLOURS AND TEXTURES")
    assert palettes(pane.painted()) == {palette}
    pane.keys("Escape")
    pane.wait_until(lambda text: text == picture, "the picture again")
    pane.keys("q")
    assert pane.left() == 0


def test_an_image_that_cannot_be_read_is_a_message(pane, tmp_path):
    (tmp_path / "broken.qcow2").write_bytes(b"QFI\xfb" + bytes([0, 0, 0, 9]) + bytes(96))
    for name, reason in [("nosuch.qcow2", "No such file or directory"), ("broken.qcow2", "version")]:
        pane.start(name)
        pane.wait(name, reason, "q quits")
        pane.keys("q")
        assert pane.left() == 1


def squeezed(text):
    return re.sub(r"\s", "", text)


def test_a_name_is_never_markup(tmux, tmp_path):
    pane = tmux.pane(tmp_path, (200, 50), COLORTERM="truecolor")
    write_image(tmp_path / ODD, Image(16 * CLUSTER), {3: Data(b"a")})
    text = pane.show(f"./{ODD}")
    title, label = text.splitlines()[0], text.splitlines()[pane.row_of("┃")]
    # the end of a name tells
    assert "aaa [link=x] end.qcow2" in title
    assert "[link=x]" in label
    assert "end.qcow2" in label
    assert text.splitlines()[0].endswith(" nbd")
    pane.keys("Enter")
    pane.wait_until(lambda shown: shown != text, "details")
    pane.keys("Escape")
    pane.wait_until(lambda shown: shown == text, "the picture again")
    pane.type("v")
    pane.wait("the file of layer 0", "[link=x]", without=["guest sees"])
    pane.keys("q")
    assert pane.left() == 0


def test_an_error_names_the_file_as_it_is(tmux, tmp_path):
    pane = tmux.pane(tmp_path, COLORTERM="truecolor")
    pane.start(f"no[/]such[bold]/{ODD}")
    text = pane.wait("q quits")
    assert squeezed(printable(f"no[/]such[bold]/{ODD}")) in squeezed(text)
    pane.keys("q")
    assert pane.left() == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_leaves_the_terminal_clean(pane, number):
    pane.show("demo")
    os.kill(pane.viewer(), number)
    assert pane.left() == 128 + number


def test_control_c_leaves_the_terminal_clean(pane):
    pane.show("demo")
    pane.keys("C-c")
    assert pane.left() == 0


def test_a_kept_demo_says_what_to_open_once_it_is_left(pane, tmp_path):
    pane.show("demo", "--keep", "kept here", "preallocation")
    pane.keys("Tab")
    pane.wait("mail02-metadata.qcow2")
    pane.keys("q")
    assert pane.left() == 0
    # a terminal wraps what is longer than a line
    text = pane.text().replace("\n", "")
    for mode in ("off", "metadata", "falloc", "full"):
        kept = tmp_path / "kept here" / f"mail02-{mode}.qcow2"
        assert kept.exists()
        assert f"'{kept}'" in text


def test_a_closed_terminal_ends_the_viewer(pane):
    pane.show("demo")
    viewer = pane.viewer()
    pane("kill-session")
    until = time.monotonic() + TIMEOUT
    while Path(f"/proc/{viewer}").exists():
        assert time.monotonic() < until, "the viewer stays without a terminal"
        time.sleep(0.03)
