"""The gallery is what its commands give; ``python screenshots/gallery.py`` writes it anew."""

from __future__ import annotations

import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

import gallery
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.lessons import lessons
from blockstrata_viewer.scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(360)  # seventy pictures, on whatever machine

LARGEST = 6_000_000
"""Bytes of all pictures."""


@pytest.fixture(scope="module")
def made(made_once):
    return made_once("gallery", gallery.write)


def test_no_picture_is_out_of_date(made):
    stale = [
        file
        for file, _ in gallery.pictures()
        # lines of text, compared as a whole: what differs is seen in a picture, not here
        if (made / file).read_text() != _committed(file)
    ]
    assert not stale, "python screenshots/gallery.py writes them anew"


def _committed(file):
    path = gallery.ROOT / file
    return path.read_text() if path.exists() else ""


def test_the_page_is_not_out_of_date(made):
    assert (made / gallery.PAGE).read_text().splitlines() == _committed(gallery.PAGE).splitlines()


def test_nothing_else_is_there():
    named = {file for file, _ in gallery.pictures()}
    assert {f"screenshots/{path.name}" for path in (gallery.ROOT / "screenshots").glob("*.svg")} == named
    assert len(named) == len(list(gallery.pictures()))


def test_every_scenario_has_a_picture_and_the_page_each_command():
    files = {file for file, _ in gallery.pictures()}
    scenarios = {f"screenshots/scenario-{name}" for name in SCENARIOS}
    assert {f"{name}-{theme}.svg" for name in scenarios for theme in gallery.THEMES} <= files
    page = gallery.page()
    for file, command in gallery.pictures():
        assert f"\n{command}\n" in page
        assert f'"../{file}"' in page
    assert len(lessons()) == 10


def test_pictures_tell_nothing_of_the_machine(made):
    total = 0
    for file, _ in gallery.pictures():
        text = (made / file).read_text()
        total += len(text.encode())
        shown = "".join(ET.fromstring(text).itertext())
        for secret in ("/tmp", "blockstrata-", str(Path.home()), str(made)):
            assert secret not in shown, file
    assert total < LARGEST


def test_the_command_alone_gives_the_picture(made, tmp_path):
    """As a process of its own, and from another directory."""
    file, command = list(gallery.pictures())[-1]
    (tmp_path / file).parent.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "blockstrata_viewer", *shlex.split(command)[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / file).read_text() == (made / file).read_text()


# ---- the options that make it


def screenshot(*words):
    return CliRunner().invoke(main, ["screenshot", *words])


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--demo", "nosuch", "-o", "a.svg"], "no scenario 'nosuch'"),
        (["-o", "a.svg"], "either an IMAGE or --demo"),
        (["a.qcow2", "--demo", "punched", "-o", "a.svg"], "either an IMAGE or --demo"),
        (["--demo", "punched", "--press", "s foo", "-o", "a.svg"], "'foo' is not a key"),
        (["--demo", "punched", "--press", "f25", "-o", "a.svg"], "'f25' is not a key"),
    ],
)
def test_wrong_usage(words, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = screenshot(*words)
    assert done.exit_code == 2
    assert what in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_keys_that_leave(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for keys in ("q", "s q s", "ctrl+c"):
        done = screenshot("--demo", "punched", "--press", keys, "-o", "a.svg")
        assert done.exit_code == 1
        assert "leaves the viewer" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_keys_are_pressed_on_any_image(demo_image, tmp_path):
    output = tmp_path / "a.txt"
    assert screenshot(demo_image, "--press", "S g 3 7 % enter", "-o", str(output)).exit_code == 0
    text = output.read_text()
    assert "[nbd" in text
    assert "0x17ae147" in text
    assert screenshot(demo_image, "--press", "shift+right . 2 l", "-o", str(output)).exit_code == 0
    assert "CORE SAMPLE" in output.read_text()


def test_a_file_beside_is_written_where_the_user_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert screenshot("--demo", "punched", "--press", "tab", "-o", "a.txt").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    text = Path("a.txt").read_text()
    assert "mail03-dug.qcow2" in text
    assert "2/2" in text
    assert "512 KiB virtual" in text
