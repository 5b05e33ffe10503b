"""The line on a terminal that says that something goes on."""

from __future__ import annotations

import io
import time
from types import SimpleNamespace

import pytest

from blockstrata_viewer.cli import progress


class Terminal(io.StringIO):
    """Standard error, as a terminal that shows its last line."""

    def isatty(self):
        return True

    @property
    def line(self):
        return self.getvalue().rpartition("\r")[2]


@pytest.fixture
def terminal(monkeypatch):
    # pytest itself sets sys.stderr between a fixture and its test
    stream = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))
    monkeypatch.setattr(progress, "_AFTER", 0.01)
    monkeypatch.setattr(progress, "_EVERY", 0.01)
    monkeypatch.setenv("COLUMNS", "40")
    return stream


def wait(holds):
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_line_comes_and_goes(terminal):
    with progress.progress("checking a\nb") as step:
        wait(lambda: terminal.line == r"checking a\x0ab … 0 s")
        step(1, 3)
        wait(lambda: "… 33 %" in terminal.line)
        step(0, 0)
        wait(lambda: "%" not in terminal.line)
    assert terminal.getvalue().endswith("\r" + " " * 39 + "\r")
    assert "\n" not in terminal.getvalue()


def test_a_line_is_no_longer_than_the_terminal(terminal):
    with progress.progress("x" * 100):
        wait(lambda: terminal.line == "x" * 39)


def test_an_error_takes_the_line_away(terminal):
    with pytest.raises(KeyboardInterrupt), progress.progress("checking"):
        wait(lambda: terminal.line)
        raise KeyboardInterrupt
    assert not terminal.line


def test_what_is_quick_says_nothing(terminal, monkeypatch):
    monkeypatch.setattr(progress, "_AFTER", 60)
    with progress.progress("checking"):
        pass
    assert not terminal.getvalue()


def test_no_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))
    monkeypatch.setattr(progress, "_AFTER", 0)
    with progress.progress("checking") as step:
        step(1, 2)
        time.sleep(0.05)
    assert not stream.getvalue()
