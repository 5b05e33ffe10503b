"""How the program ends: options before the image, homes and directories that are not there, a bug of ours."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest
from click.testing import CliRunner
from pilots import opened, screen_text, until

from blockstrata.errors import BlockstrataError
from blockstrata.formats.qcow2.author import Data, Image, write_image
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.image_pane import ImagePane
from blockstrata_viewer.app.images import Images
from blockstrata_viewer.app.main_screen import MainScreen
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.cli.config import load_config
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.model.offsets import parse_offset
from blockstrata_viewer.process import scratch
from blockstrata_viewer.screens.export import ExportScreen

DIGITS = "9" * 10_000


def run(*words):
    return CliRunner().invoke(main, list(words))


def assert_one_line(done, code, *words):
    assert done.exit_code == code
    assert done.stderr.startswith("blockstrata: ")
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 1000
    for each in words:
        assert each in done.stderr


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BLOCKSTRATA_CONFIG", str(tmp_path / "none.toml"))
    write_image("img", Image(1 << 20), {1: Data(b"t")})
    write_image("map", Image(1 << 20), {1: Data(b"t")})
    return tmp_path


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "words",
    [
        "--theme light img",
        "--theme=light img",
        "-f qcow2 img",
        "-fqcow2 img",
        "--semantics old --memory 1G img",
        "--snapshot map img",
        "-f map img",
        "--theme light map",
        "--image-opts driver=qcow2,file.filename=img",
        "-- img",
        "-- map",
        "img --theme light",
        "--via-qemu img --theme=dark img",
    ],
)
def test_options_of_view_stand_before_the_image_too(words):
    done, plain = run(*words.split()), run("view", *words.split())
    assert (done.exit_code, done.stdout, done.stderr) == (plain.exit_code, plain.stdout, plain.stderr)
    if "snapshot" in words or "-f map" in words:
        assert "'map'" in done.stderr or "map" in done.stderr.partition("img")[2]
    else:
        assert done.exit_code == 0
        assert "CORE SAMPLE" in done.stdout


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("words", ["--themes light img", "--themes=light img", "-x img", "--output json img"])
def test_a_mistyped_option_is_named(words):
    assert_one_line(run(*words.split()), 2, f"No such option '{words.partition(' ')[0].partition('=')[0]}'")


@pytest.mark.parametrize("options", [["--theme", "light"], ["--"]])
def test_options_alone_want_an_image(options):
    assert_one_line(run(*options), 2, "Missing argument 'IMAGE...'")


def fails(*_words, **_options):
    raise ZeroDivisionError("a bug")


WITH_A_BUG = """
import sys
from blockstrata_viewer.app import app
from blockstrata_viewer.cli import group as cli
def fails(*_): raise ZeroDivisionError("a bug")
from blockstrata_viewer.app.image_pane import ImagePane
where = sys.argv.pop(1)
setattr(ImagePane if where == "show_scene" else app.ViewerApp, where, fails)
cli.main()
"""


def take_all(terminal):
    """Take what is written to a terminal, as one does, until nobody has it open any more."""
    with suppress(OSError):
        while os.read(terminal, 1 << 16):
            pass


@pytest.mark.parametrize("where", ["show_scene", "on_mount"])
def test_a_viewer_that_crashed_has_not_succeeded(where, demo_image):
    ours, theirs = pty.openpty()
    reader = threading.Thread(target=take_all, args=(ours,), daemon=True)
    reader.start()
    try:
        done = subprocess.run(
            [sys.executable, "-c", WITH_A_BUG, where, demo_image],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            env={**os.environ, "TERM": "xterm-256color"},
            timeout=60,
            check=False,
        )
    finally:
        os.close(theirs)
        reader.join(20)
        os.close(ours)
    assert done.returncode == 1
    assert b"ZeroDivisionError" in done.stderr


COLOURS_SEEN = """
import sys
from blockstrata_viewer.cli import viewing
from blockstrata_viewer.cli.group import main
load = viewing.load
def seen(name):
    if name != "app.app:ViewerApp":
        return load(name)
    from textual.constants import COLOR_SYSTEM
    print(COLOR_SYSTEM)
    sys.exit()
viewing.load, viewing.is_terminal = seen, lambda: True
main(["--color", "16", sys.argv[1]])
"""


def test_keys_of_ones_own_change_no_colours(demo_image, tmp_path):
    """Textual reads how many there are while it is imported, and keys are checked against its bindings."""
    config = tmp_path / "config.toml"
    config.write_text('[keys]\n"cursor.left" = "left,a"\n')
    done = subprocess.run(
        [sys.executable, "-c", COLOURS_SEEN, demo_image],
        env={**os.environ, "BLOCKSTRATA_CONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("standard\n", "")


@pytest.fixture
def bounded():
    """Let a wait without an end be a failure."""

    def over(*_):
        raise TimeoutError("it waits on")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(
    ("part", "where"),
    [
        (ImagePane, "show_scene"),
        (ViewerApp, "on_mount"),
        (ViewerApp, "compose"),
        (MainScreen, "action_turn"),
        (Images, "_load"),
    ],
)
def test_a_picture_of_a_viewer_that_crashed_is_none(part, where, demo_image, tmp_path, monkeypatch):
    monkeypatch.setattr(part, where, fails)
    picture = tmp_path / "a.svg"
    done = run("screenshot", demo_image, "-o", str(picture), "--press", "s")
    assert done.exit_code == 1
    assert "a bug" in str(done.exception)
    assert not picture.exists()


HOMELESS = "~nosuchuser/x"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("~nosuchuser/x.svg", "there is no home directory ~nosuchuser"),
        ("x" * 300 + ".svg", "file name too long"),
        ("none/x.svg/x.svg", None),
    ],
)
async def test_a_name_that_cannot_be_is_said(name, words, demo_image, here):
    (here / "none").write_bytes(b"")
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ExportScreen))
        app.screen.query_one("Input").value = name
        await pilot.press("enter")
        await until(pilot, lambda: (words or "not a directory") in screen_text(app))


def test_a_home_that_is_nobody_s(monkeypatch, demo_image):
    monkeypatch.setenv("BLOCKSTRATA_CONFIG", HOMELESS)
    assert_one_line(run(demo_image), 1, f"{HOMELESS}: there is no home directory ~nosuchuser")
    monkeypatch.delenv("BLOCKSTRATA_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", "~nosuchuser")
    assert_one_line(run(demo_image), 1, "~nosuchuser/blockstrata/config.toml")


def test_without_any_home_there_is_no_config(monkeypatch, demo_image):
    def nobody(*_):
        raise KeyError("getpwuid(): uid not found")

    for name in ("HOME", "BLOCKSTRATA_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert run(demo_image).exit_code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("theme = " + "[" * 5000, "is nested too deeply"),
        (f"theme = {DIGITS}", "a number that is too long"),
        (f"theme = 0x{DIGITS}", "theme: 0x9"),
        (f"memory = {DIGITS}", "a number that is too long"),
        (f"memory = 0x{DIGITS}", "memory: '0x9"),
        (f'memory = "{DIGITS}"', "memory: '999"),
        (f'theme = "{DIGITS}"', "theme: '999"),
        ("theme = 2000-99-99", "line 1"),
        ("#" * (1 << 20) + "#", "too long for a config file"),
        ('theme = "\x1b[31m"', "line 1"),
        ("theme = [['light']]", "theme: [['light']]"),
        ("[keys]\n'zoom.fit' = 1", "is not a string of keys"),
    ],
)
def test_a_config_of_any_kind_is_one_line(text, words, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(BlockstrataError) as caught:
        load_config({"BLOCKSTRATA_CONFIG": str(path)}).check_keys()
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert words in line
    assert line.isprintable()
    assert len(line) < 500


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("screenshot", "img", "-o", "a.txt", "--at", DIGITS), 2, "too long for a size"),
        (("screenshot", "img", "-o", "a.txt", "--zoom", DIGITS), 2, "too long for a size"),
        (("screenshot", "img", "-o", "a.txt", "--zoom", f"0x{DIGITS}"), 2, "too long for a size"),
        (("screenshot", "img", "-o", "a.txt", "--size", "1000000000x1"), 2, "is not COLSxROWS"),
        (("screenshot", "img", "-o", "a" * 300 + ".txt"), 1, "file name too long"),
        (("trace", "img", DIGITS), 2, "too long for a size"),
        (("map", "img", "--start-offset", f"1.{DIGITS}"), 2, "too long for a size"),
        (("map", 'json:{"driver": "raw", "file.filename": "img", "size": ' + DIGITS + "}"), 1, "too long"),
        (("map", "--timeout", "nan", "img"), 2, "nan"),
        (("learn", DIGITS), 2, "no lesson"),
        (("map", "a" * 300), 1, "File name too long"),
        (("demo", "a" * 300), 2, "no scenario"),
        (("demo", "--keep", "a" * 300), 1, "File name too long"),
    ],
)
def test_numbers_and_names_of_any_length_are_one_line(words, code, said):
    assert_one_line(run(*words), code, said)


def test_a_place_of_any_length_is_refused_at_once():
    for text in (DIGITS, f"{DIGITS}%", "1e999999999%", f"1/{DIGITS}%", f"cluster:{DIGITS}", f"{DIGITS}:1"):
        with pytest.raises(ValueError, match=r"'9|'1") as caught:
            parse_offset(text, 1 << 20, 1 << 16)
        assert len(str(caught.value)) < 200


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """Be in a directory that is gone."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    yield
    with suppress(FileNotFoundError):
        os.chdir(tmp_path)


@pytest.mark.usefixtures("nowhere")
def test_in_a_directory_that_is_gone(demo_image, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", "relative")
    assert run("demo").exit_code == 0
    done = run("map", "--output", "json", demo_image)
    assert done.exit_code == 0, done.stderr
    assert run(demo_image).exit_code == 0
    assert run("screenshot", demo_image, "-o", str(tmp_path / "a.txt")).exit_code == 0
    gone = "the working directory is unknown: No such file or directory"
    assert_one_line(run("demo", "--keep", "kept"), 1, gone)
    assert_one_line(run("screenshot", "--demo", "punched", "-o", "a.txt"), 1, gone)
    assert_one_line(run("screenshot", demo_image, "-o", "a.txt"), 1, "a.txt: no such file or directory")


@pytest.mark.parametrize("words", [["demo"], ["learn"], ["screenshot", "--demo", "punched", "-o", "a.txt"]])
def test_without_a_place_for_temporary_files(words, monkeypatch, here):
    monkeypatch.setattr(scratch, "_places", lambda: [here / "none"])
    assert_one_line(run(*words), 1, f"{here / 'none'}/blockstrata-", "No such file or directory")
    assert not (here / "a.txt").exists()
