"""Naming an image on the command line: lists of options and formats, for every command alike."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from blockstrata.formats.qcow2.author import Data, Image, write_image
from blockstrata_viewer.cli.group import main


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image("base.qcow2", Image(1 << 20), {0: Data(b"b")})
    top = Image(1 << 20, backing="base.qcow2", backing_format="qcow2")
    write_image("top,one.qcow2", top, {1: Data(b"t")})
    return tmp_path


OPTIONS = "driver=qcow2,file.filename=top,,one.qcow2"


def run(*words):
    return CliRunner().invoke(main, list(words))


@pytest.mark.parametrize(
    "words", [["map"], ["info"], ["view"], ["screenshot", "-o", "a.txt"], ["map", "--layer", "1"]]
)
def test_a_list_of_options_is_the_same_image(images, words):
    written = images / "a.txt"
    answers = []
    for named in (["top,one.qcow2"], ["--image-opts", OPTIONS]):
        done = run(*words, *named)
        assert done.exit_code == 0, done.stderr
        answers.append((done.stdout, written.read_text() if written.exists() else ""))
        written.unlink(missing_ok=True)
    assert answers[0] == answers[1]
    assert any(answers[0])


def test_options_below_are_the_user_s(images):
    (images / "other.raw").write_bytes(b"o" * 512)
    done = run(
        "map",
        "--output=json",
        "--image-opts",
        f"{OPTIONS},backing.driver=raw,backing.file.filename=other.raw",
    )
    assert [(entry["length"], entry["depth"], entry["data"]) for entry in json.loads(done.stdout)] == [
        (512, 1, True),
        (65024, 0, False),
        (65536, 0, True),
        ((1 << 20) - 131072, 0, False),
    ]


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("top,,one.qcow2", "file: names a node, 'top,one.qcow2', but there are none; give its options"),
        (f"{OPTIONS},lazy=on", "top,one.qcow2: lazy: driver 'qcow2' has no such option"),
        (f"{OPTIONS},file.locking=maybe", "locking: 'maybe' is none of on, off, auto"),
        ("driver=qcow2", "driver=qcow2: file: driver 'qcow2' needs a file"),
    ],
)
def test_what_makes_no_sense_is_one_line(options, message):
    done = run("map", "--image-opts", options)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.endswith(f"{message}\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("images")
def test_options_state_the_format_themselves():
    done = run("map", "-f", "qcow2", "--image-opts", OPTIONS)
    assert done.exit_code == 2
    assert "--image-opts states the format itself" in done.stderr


def test_a_format_wins_over_what_is_probed_and_over_json_s(images):
    reference = 'json:{"driver":"qcow2","file.filename":"base.qcow2"}'
    for name in ("base.qcow2", reference):
        entries = json.loads(run("map", "--output=json", "-f", "raw", name).stdout)
        assert sum(entry["length"] for entry in entries) == (images / "base.qcow2").stat().st_size
    assert "format 'qcow3' is known neither here" in run("map", "-f", "qcow3", "base.qcow2").stderr
    assert "format '' is known neither here" in run("map", "-f", "", "base.qcow2").stderr
