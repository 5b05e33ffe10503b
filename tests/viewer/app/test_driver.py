"""The viewer in a terminal that is stopped, taken away, closed, blocked, or sends nonsense."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import subprocess
import termios
import time
import tty
from contextlib import suppress
from pathlib import Path

import pytest
from ptys import ESCAPE, PICTURE, PROGRAM, TIMEOUT, Pty, modes_of
from textual import constants
from textual.drivers.linux_driver import LinuxDriver
from textual.drivers.web_driver import WebDriver

from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.driver import LEAVE, MODES, TerminalDriver
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.process.terminal import COLUMNS, ROWS, bounded, forget_absurd_size

DEMO = [*PROGRAM, "demo"]
SET = re.compile(r"\x1b\[\?[0-9]+[hl]")


@pytest.fixture
def terminal(tmp_path):
    """Return what starts a program in a pty; it is ended with the test."""
    started = []

    def start(words=DEMO, **settings):
        started.append(Pty(words, tmp_path, **settings))
        return started[-1]

    yield start
    for pty in started:
        pty.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One viewer for all tests that leave it as it was, its errors written elsewhere; ^C ends it in order."""
    directory = tmp_path_factory.mktemp("running")
    with open(directory / "errors", "wb") as errors:
        pty = Pty(DEMO, directory, stderr=errors)
    pty.shows()
    yield pty
    try:
        pty.send(b"\x03")
        assert pty.left() == 0
        pty.clean()
        assert (directory / "errors").read_bytes() == b""
    finally:
        pty.close()


def test_what_is_no_text_is_no_end(running):
    pty = running
    for nonsense in (
        b"\xff\xfe\xc3(",
        b"\x1b[1114112;1u",  # no character has such a number
        b"\x1b[999999999999;99999999u",
        b"\x1b[48;0;0;0;0t\x1b[<0;3;3M\x1b[<0;3;3m",  # a division by no columns
        b"\x1b[48;99999;99999;5;5t\x1b[48;36;120;720;1440t",
        b"\x1b[<0;99999999999999999;5M\x1b[<32;999999999;8M\x1b[<64;999999;999999M\x1b[<0;999999;8m",
        b"\x1b[<0;20;8M\x1b[<32;999999999;8M\x1b[<0;20;8m\x1b",
        b"\x1b[99999999999R\x1b[5;99999999999R\x1bP\x1b]52;c;\x1b[M\xff\xff\xff",
    ):
        pty.send(nonsense)
    pty.send(b"\x1b\x1b" + ESCAPE)
    since = pty.insist(b"g", b"Go to")
    pty.send(b"\xe930M\xff")  # in a question, too
    pty.expect("�30M�".encode(), since)
    pty.send(ESCAPE)
    # the question may get one while it goes
    since = pty.insist(b"?", b"COLOURS AND TEXTURES")
    pty.send(ESCAPE)
    pty.shows(since)


def test_a_paste_without_end_is_over_some_time(running):
    pty = running
    pty.send(b"\x1b[200~q")
    since = pty.insist(b"?", b"COLOURS AND TEXTURES")
    pty.send(ESCAPE)
    pty.shows(since)
    assert pty.process.poll() is None


def test_a_flood_waits_in_the_terminal(terminal):
    pty = terminal()
    pty.shows()
    until = time.monotonic() + 1
    sent = 0
    while time.monotonic() < until:
        pty.read(0.01)
        with suppress(BlockingIOError):
            os.set_blocking(pty.master, False)
            sent += os.write(pty.master, b"hl\xff" * 300)
    os.set_blocking(pty.master, True)
    assert sent > 4096
    assert pty.process.poll() is None
    pty.kill(signal.SIGTERM)
    assert pty.left() == 143
    pty.clean()


def test_being_stopped_and_continued(running):
    pty = running
    for _ in range(20):
        pty.kill(signal.SIGCONT)
        pty.read(0.01)
    pty.answers()
    raw = termios.tcgetattr(pty.slave)
    assert raw != pty.before

    # a shell that takes the terminal meanwhile sets it as it likes
    pty.kill(signal.SIGSTOP)
    pty.stopped()
    termios.tcsetattr(pty.slave, termios.TCSANOW, pty.before)
    while pty.read():
        pass
    since = len(pty.output)
    pty.kill(signal.SIGCONT)
    # what it was just painting when it was stopped comes first
    pty.shows(pty.expect(MODES.encode(), since))
    assert termios.tcgetattr(pty.slave) == raw
    pty.answers()

    for _ in range(3):
        pty.kill(signal.SIGTSTP)
        pty.stopped()
        while pty.read():
            pass
        pty.clean()
        since = len(pty.output)
        pty.kill(signal.SIGCONT)
        pty.shows(since)
        assert modes_of(pty.output)[1] == 1
        pty.answers()


def test_a_signal_with_sigcont_as_timeout_sends_it(terminal):
    pty = terminal()
    pty.shows()
    for number in (signal.SIGTERM, signal.SIGCONT, signal.SIGTERM, signal.SIGCONT):
        pty.kill(number)
    assert pty.left() == 143
    pty.clean()


@pytest.mark.parametrize(
    ("number", "keys", "shown"),
    [
        (signal.SIGHUP, b"", PICTURE),
        (signal.SIGINT, b"?", b"COLOURS AND TEXTURES"),
        (signal.SIGQUIT, b"g", b"Go to"),
        (signal.SIGTERM, b"\x10", b"earch"),
    ],
    ids=["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"],
)
def test_a_signal_ends_it_wherever_one_is(terminal, tmp_path, number, keys, shown):
    pty = terminal()
    pty.shows()
    assert list(tmp_path.glob("blockstrata-*"))
    since = len(pty.output)
    pty.send(keys)
    pty.expect(shown, since if keys else 0)
    pty.kill(number)
    assert pty.left() == 128 + number
    pty.clean()
    assert not list(tmp_path.glob("blockstrata-*"))
    assert b"Traceback" not in pty.output


@pytest.mark.parametrize("enough", [b"\x1b[?1049h", b"\x1b[?1004h", b"\x1b[?2004h"])
def test_a_signal_while_it_starts(terminal, tmp_path, enough):
    pty = terminal()
    pty.expect(enough)
    pty.kill(signal.SIGTERM)
    assert pty.left() == 143
    pty.clean()
    assert not list(tmp_path.glob("blockstrata-*"))


def test_ignored_signals_stay_ignored(terminal):
    pty = terminal(["sh", "-c", 'trap "" INT HUP QUIT TSTP; exec "$@"', "sh", *DEMO])
    pty.shows()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        pty.kill(number)
    pty.answers()
    pty.send(b"q")
    assert pty.left() == 0
    pty.clean()


def test_a_terminal_that_takes_nothing_holds_up_no_signal(terminal, tmp_path):
    pty = terminal()
    pty.shows()
    # frames until the pty is full, and Textual's queue behind it
    for turn in range(80):
        pty.resize(120 - turn % 40, 36)
        pty.kill(signal.SIGWINCH)
        time.sleep(0.02)
    pty.resize(120, 36)
    pty.kill(signal.SIGTERM)
    assert pty.process.wait(TIMEOUT) == 143
    assert pty.left() == 143
    pty.clean()
    assert pty.output.endswith(LEAVE.encode())
    assert not list(tmp_path.glob("blockstrata-*"))


def test_a_closed_terminal_ends_it_even_if_hanging_up_is_ignored(terminal, tmp_path):
    for trap in ('trap "" HUP; exec "$@"', 'exec "$@"'):
        pty = terminal(["sh", "-c", trap, "sh", *DEMO])
        pty.shows()
        pty.hang_up()
        assert pty.process.wait(TIMEOUT) == 129
        assert not list(tmp_path.glob("blockstrata-*"))


def test_a_shell_behind_a_stopped_viewer_keeps_its_terminal(terminal):
    """The viewer is told to end while the shell has the terminal in front."""
    script = 'set -m; "$@"; echo in fr""ont; read line; kill %1; bg; wait %1; echo $? and $line'
    pty = terminal(["sh", "-c", script, "sh", *DEMO])
    pty.shows()
    children = Path(f"/proc/{pty.process.pid}/task/{pty.process.pid}/children")
    viewer = int(children.read_text())
    os.kill(viewer, signal.SIGSTOP)
    pty.expect(b"in front")
    termios.tcsetattr(pty.slave, termios.TCSANOW, pty.before)
    pty.send(b"here\n")
    pty.expect(b"143 and here")
    assert pty.left() == 0
    pty.clean()


def test_a_terminal_that_was_raw_stays_raw(terminal):
    pty = terminal(["sh", "-c", 'read go; exec "$@"', "sh", *DEMO])
    tty.setraw(pty.slave)
    pty.before = termios.tcgetattr(pty.slave)
    pty.send(b"\n")
    pty.shows()
    pty.send(b"q")
    assert pty.left() == 0
    pty.clean()


def test_an_absurd_size_in_the_environment_is_the_terminals(terminal):
    pty = terminal(size=(120, 36), COLUMNS="-5", LINES="100000")
    pty.shows()
    pty.expect(b"\x1b[36;1H")
    assert b"\x1b[37;1H" not in pty.output
    pty.send(b"q")
    assert pty.left() == 0
    pty.clean()


@pytest.mark.parametrize(("size", "environment"), [((1, 1), {}), ((3, 2), {}), ((120, 36), {"LINES": "1"})])
def test_a_tiny_terminal_can_be_left(terminal, size, environment):
    pty = terminal(size=size, **environment)
    pty.expect(b"\x1b[?2004h")
    pty.send(b"jkq")
    assert pty.left() == 0
    pty.clean()


def test_the_size_of_a_screen_is_bounded():
    assert bounded(65535, 65535) == (COLUMNS, ROWS)
    assert bounded(0, -1) == (1, 1)
    assert bounded(120, 36) == (120, 36)
    for absurd in ("100000", "-5", "abc", "0", "9" * 5000, ""):
        environment = {"COLUMNS": "80", "LINES": absurd, "OTHER": "x"}
        forget_absurd_size(environment)
        assert environment == {"COLUMNS": "80", "OTHER": "x"}
        environment = {"COLUMNS": absurd, "LINES": "24"}
        forget_absurd_size(environment)
        assert environment == {"LINES": "24"}


@pytest.mark.parametrize(("said", "wide"), [("100000", 120), ("200", 200)])
def test_a_printed_picture_is_bounded(demo_image, said, wide):
    done = subprocess.run(
        [*PROGRAM, demo_image],
        env={**os.environ, "COLUMNS": said, "LINES": "36"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert wide - 2 <= max(map(len, lines)) <= wide
    assert "CORE SAMPLE" in done.stdout


@pytest.mark.parametrize("given", ["</dev/null", "<&-"])
def test_without_somebody_to_press_a_key_the_picture_is_printed(terminal, given):
    pty = terminal(["sh", "-c", f'exec "$@" {given}', "sh", *DEMO])
    assert pty.left() == 0
    pty.clean()
    assert PICTURE in pty.output
    assert b"\x1b[" not in pty.output


def test_what_is_expected_of_textual(terminal):
    """What a new version of Textual sets, names or calls otherwise is to be taken into driver.py."""
    pty = terminal()
    pty.shows()
    pty.answers()
    start = pty.output[: pty.output.index(PICTURE)].decode()
    pushed = start.count("\x1b[>")
    sets = {each for each in SET.findall(start) if not each.startswith("\x1b[?2026")}
    assert sets == {*SET.findall(MODES), "\x1b[?1049h"}
    assert pushed == 1
    since = len(pty.output)
    pty.send(b"q")
    assert pty.left() == 0
    # what is left in order is left at once, too; what is only there at times is taken back at any rate
    assert {*SET.findall(pty.output[since:].decode())} - {"\x1b[?2026h"} <= {*SET.findall(LEAVE)}
    source = inspect.getsource(LinuxDriver)
    for name in (
        "signal.signal(signal.SIGTSTP, self._sigtstp_application)",
        "signal.signal(signal.SIGCONT, self._sigcont_application)",
        "WriterThread(self._file)",
        "self._writer_thread.write(data)",
        "self._get_terminal_size()",
        "self.run_input_thread()",
        "self.attrs_before = termios.tcgetattr(self.fileno)",
        "self._must_signal_resume = True",
        "self._mouse_pixels = True",
        "if self._auto_restart:",
    ):
        assert name in source, name


def test_another_driver_is_textuals(monkeypatch):
    assert ViewerApp(Setup([])).driver_class is TerminalDriver
    monkeypatch.setattr(constants, "DRIVER", "textual.drivers.web_driver:WebDriver")
    assert ViewerApp(Setup([])).driver_class is WebDriver


def test_the_driver_for_the_web(terminal):
    words = ["sh", "-c", 'stty raw -echo; exec "$@"', "sh", *DEMO]
    pty = terminal(words, TEXTUAL_DRIVER="textual.drivers.web_driver:WebDriver")
    pty.expect(b"__GANGLION__")
    pty.shows()
    quits = json.dumps({"type": "quit"}).encode()
    pty.send(b"M" + len(quits).to_bytes(4, "big") + quits)
    assert pty.left() == 0
