"""Where a command line opens a view, and what it says of options that stand in the wrong place."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from blockstrata_viewer.cli.group import main


def run(*words):
    return CliRunner().invoke(main, list(words))


def test_the_demo_without_a_name_is_the_default_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("screenshot", "--demo", "-o", "a.txt", "--size", "80x24").exit_code == 0
    assert run("screenshot", "-o", "b.txt", "--size", "80x24", "--demo", "web-server").exit_code == 0
    assert run("screenshot", "-o", "c.txt", "--size", "80x24", "--demo", "--at", "0").exit_code == 0
    first, named, start = (tmp_path.joinpath(name).read_text("utf-8") for name in ("a.txt", "b.txt", "c.txt"))
    assert "web01-active.qcow2" in first
    assert first == named
    assert "30.375 MiB" in first, "where its layers disagree"
    assert start != first


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["screenshot", "--demo", "-o", "-"], "--format svg, png, html, txt"),
        (["screenshot", "--demo", "-o", ""], "-o needs the name of a file"),
        (["--theme", "light", "demo"], "blockstrata demo --theme light"),
        (["-f", "raw", "map", "disk"], "blockstrata map -f raw disk"),
    ],
)
def test_wrong_usage_is_one_line_that_says_what_to_do(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_named_like_a_command_can_stand_behind_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").write_bytes(bytes(1 << 20))
    done = run("--theme", "light", "demo")
    assert done.exit_code == 0
    assert "1 MiB" in done.stdout


def test_view_opens_where_it_is_told(demo_image):
    done = run(demo_image, "--at", "31M", "--layer", "1", "--zoom", "64K")
    assert done.exit_code == 0
    assert "at 31 MiB" in done.stdout
    assert "64 KiB/cell" in done.stdout
    assert run(demo_image, "--layer", "9").exit_code == 1
