"""The command line: what it prints, how it fails, what it imports."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from blockstrata import __version__
from blockstrata.formats.qcow2.author import Compressed, Image, write_image, write_raw
from blockstrata.semantics import SWITCH, by_name
from blockstrata_viewer.cli import commands
from blockstrata_viewer.cli.group import COMMANDS, main
from blockstrata_viewer.cli.types import SEMANTICS
from blockstrata_viewer.scenarios import SCENARIOS


def run(*words):
    return CliRunner().invoke(main, list(words))


def python(*words):
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=60, check=False)


def test_version():
    assert run("--version").output == f"blockstrata {__version__}\n"


def test_an_image_is_viewed_and_without_a_terminal_printed_once(demo_image):
    done = python("-m", "blockstrata_viewer", demo_image)
    assert done.returncode == 0
    assert "CORE SAMPLE" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_command_is_no_image(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("map").exit_code == 2
    assert run("./map").exit_code == 1
    assert "./map: No such file or directory" in run("./map").stderr


def test_a_misspelt_command_is_no_missing_image(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, what in (
        ("tabel", "no such command"),
        ("tabel.raw", "No such file"),
        ("./tabel", "No such file"),
    ):
        done = run(name)
        assert done.exit_code == 1
        assert done.stderr.count("\n") == 1
        assert what in done.stderr
        assert ("--help" in done.stderr) == (name == "tabel")
    write_raw(tmp_path / "tabel", 1 << 20, [(0, b"x")])
    assert "tabel" in run("tabel").stdout


def test_where_the_table_for_people_ends_it_says_what_lists_the_rest(tmp_path):
    write_image(tmp_path / "top.qcow2", Image(1 << 20), {0: Compressed(b"x")})
    done = run("map", str(tmp_path / "top.qcow2"))
    assert done.exit_code == 1
    assert "compressed clusters. --output json lists them" in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["map", "nosuch.qcow2"], 1),
        (["info", "nosuch.qcow2"], 1),
        (["nosuch.qcow2"], 1),
        (["map", "--layer", "0", "json:{"], 1),
        (["map", "evil\x1b[31m\n.qcow2"], 1),
        (["map", "--semantics", "nonsense", "x"], 2),
        (["map", "--in-place", "x"], 2),
        (["map", "--start-offset", "much", "x"], 2),
        (["map"], 2),
        (["demo", "nosuch"], 2),
    ],
)
def test_errors_are_one_line(words, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*words)
    assert done.exit_code == code
    assert done.stderr.startswith("blockstrata: ")
    assert done.stderr.count("\n") == 1
    assert done.stderr.rstrip("\n").isprintable()


def test_a_layer_that_is_not_there(demo_image):
    done = run("map", "--layer", "3", demo_image)
    assert done.exit_code == 1
    assert "layer: 3 is not in the chain, 0 to 2" in done.stderr


def lengths(done):
    assert done.exit_code == 0, done.stderr
    return [entry["length"] for entry in json.loads(done.stdout)]


def test_proposed_json_names_the_four_bits(demo_image):
    for name in ("proposed", "new"):
        first, *_ = json.loads(run("map", "--output", "json", "--semantics", name, demo_image).stdout)
        keys = ["start", "length", "depth", "local", "zero", "alloc", "offset_valid"]
        assert [key for key in first if key != "offset"] == keys


def test_offsets_are_there_where_they_are_valid(demo_image):
    for entry in json.loads(run("map", "--output", "json", "--semantics", "new", demo_image).stdout):
        assert ("offset" in entry) == entry["offset_valid"]


def test_in_place_defers_and_alone_does_not(demo_image):
    in_place = json.loads(run("map", "--output", "json", "--layer", "1", "--in-place", demo_image).stdout)
    alone = json.loads(run("map", "--output", "json", "--layer", "1", demo_image).stdout)
    assert {entry["depth"] for entry in in_place} == {1}
    assert {entry["depth"] for entry in alone} == {0}
    assert any(not (entry["present"] or entry["zero"] or entry["data"]) for entry in in_place)
    assert all(entry["zero"] or entry["data"] for entry in alone)
    assert sum(entry["length"] for entry in in_place) == sum(entry["length"] for entry in alone)


def test_a_range_is_cut_to_the_disk(demo_image):
    whole = sum(lengths(run("map", "--output", "json", demo_image)))
    part = run("map", "--output", "json", "--start-offset", "1M", "--max-length", "1000", demo_image)
    assert sum(lengths(part)) == 1000
    past = run("map", "--output", "json", "--start-offset", str(whole + 5), demo_image)
    assert lengths(past) == [0]
    assert json.loads(past.stdout)[0]["start"] == whole + 5


def test_csv_has_the_columns_of_json(demo_image):
    rows = run("map", "--output", "csv", "--semantics", "new", demo_image).stdout.splitlines()
    entries = json.loads(run("map", "--output", "json", "--semantics", "new", demo_image).stdout)
    assert rows[0] == "start,length,depth,local,zero,alloc,offset_valid,offset"
    assert len(rows) == len(entries) + 1
    for row, entry in zip(rows[1:], entries, strict=True):
        values = [int(value) if value else None for value in row.split(",")]
        assert values == [entry.get(key) for key in rows[0].split(",")]


def test_info_adds_up(demo_image):
    facts = json.loads(run("info", "--output", "json", demo_image).stdout)
    assert [layer["format"] for layer in facts["layers"]] == ["qcow2", "qcow2", "raw"]
    for part in (*facts["layers"], {**facts["guest"], "virtual-size": facts["virtual-size"]}):
        assert sum(line["bytes"] for line in part["totals"]) == part["virtual-size"]
        assert sum(line["runs"] for line in part["totals"]) == part["runs"]
    text = run("info", demo_image).stdout
    assert "web01-monday.qcow2" in text
    assert "guest sees" in text


def test_quick_info_reads_no_table(demo_image, monkeypatch):
    from blockstrata.protocols.file import FileNode

    read = []
    real = FileNode.read
    monkeypatch.setattr(
        FileNode,
        "read",
        lambda self, offset, length: read.append(offset + length) or real(self, offset, length),
    )
    facts = json.loads(run("info", "--quick", "--output", "json", demo_image).stdout)
    assert max(read) <= 65536
    assert "totals" not in facts["layers"][0]
    assert facts["layers"][0]["features"]["extended-l2"] is True


@pytest.mark.live("qemu-img")
def test_compressed_clusters_are_counted_as_qemu_img_counts_them(demo_image):
    facts = json.loads(run("info", "--output", "json", demo_image).stdout)
    images = [layer for layer in facts["layers"] if layer["format"] == "qcow2"]
    for layer in images:
        done = subprocess.run(
            ["qemu-img", "check", "-U", "--output=json", layer["filename"]],
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert layer["compressed-clusters"] == json.loads(done.stdout)["compressed-clusters"] > 0
    assert f"{images[0]['compressed-clusters']} compressed clusters" in run("info", demo_image).stdout


def test_data_that_is_encrypted_is_told_apart_from_compressed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SCENARIOS["encrypted"].build(tmp_path)
    lines = run("info", "safe01.qcow2").stdout
    assert lines.count("at no usable offset (encrypted)\n") == 2
    assert "compressed" not in lines


def test_info_marks_a_gap(demo_image, tmp_path):
    image = tmp_path / "web01-active.qcow2"
    image.write_bytes(Path(demo_image).read_bytes())
    done = run("info", str(image))
    gap = f"web01-monday.qcow2: backing file of {image}: No such file or directory"
    assert done.exit_code == 1
    assert gap in done.stdout
    assert done.stderr.endswith(f"{gap}\n")
    refused = run("map", "--output", "json", str(image))
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert run("map", "--output", "json", "--layer", "0", str(image)).exit_code == 0


@pytest.mark.parametrize("size", [0, 1 << 20])
def test_a_layer_that_is_not_there_is_not_mapped(tmp_path, monkeypatch, size):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "top.qcow2", Image(size, backing="gone.raw", backing_format="raw"), {})
    for words in (["--layer", "1"], ["--layer", "1", "--in-place"], [], ["--layer", "1", "--bitmap", "x"]):
        done = run("map", *words, "top.qcow2")
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr == "blockstrata: gone.raw: backing file of top.qcow2: No such file or directory\n"
    assert run("map", "--layer", "0", "top.qcow2").exit_code == 0


def test_info_of_an_image_without_its_data_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = Image(1 << 20, data_file="data.raw", backing="base.raw", backing_format="raw")
    write_image(tmp_path / "top.qcow2", image, {})
    write_raw(tmp_path / "base.raw", 4096, [])
    (tmp_path / "data.raw").unlink()
    why = "top.qcow2: data file data.raw: No such file or directory"
    for words in ((), ("--quick",)):
        done = run("info", *words, "top.qcow2")
        assert (done.exit_code, done.stderr) == (1, f"blockstrata: {why}\n")
        for line in (
            "1 MiB virtual, ",
            "data file data.raw\n",
            "backing base.raw (raw)",
            "1  base.raw  (raw)",
            f"! map refuses this image, as QEMU does: {why}\n",
        ):
            assert line in done.stdout
        assert done.stdout.count("No such file") == 1
        (layer, _) = json.loads(run("info", *words, "--output", "json", "top.qcow2").stdout)["layers"]
        assert layer["data-file"] == {"filename": "data.raw"}
        assert layer["features"]["compat"] == "1.1"
        assert layer["refusal"] == why
    (tmp_path / "data.raw").mkdir()
    assert (
        "QEMU does: top.qcow2: data file data.raw: is a directory, not a disk image\n"
        in run("info", "top.qcow2").stdout
    )
    for words in (("map", "top.qcow2"), ("audit", "top.qcow2"), ("trace", "top.qcow2", "0")):
        assert run(*words).exit_code == 1


def test_a_chain_whose_middle_lost_its_data_file(tmp_path, monkeypatch):
    """It is not told that a backing file is missing: all images are there."""
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "top.qcow2", Image(1 << 20, backing="mid.qcow2", backing_format="qcow2"), {})
    write_image(tmp_path / "mid.qcow2", Image(1 << 20, data_file="data.raw"), {})
    (tmp_path / "data.raw").unlink()
    lost = "data file data.raw: No such file or directory"
    error = f"blockstrata: mid.qcow2: backing file of top.qcow2: {lost}\n"
    assert run("map", "top.qcow2").stderr == error
    done = run("info", "top.qcow2")
    assert (done.exit_code, done.stderr) == (1, f"blockstrata: mid.qcow2: {lost}\n")
    assert f"fault    cannot be opened: {lost}\n" in run("trace", "top.qcow2", "0").stdout
    assert run("screenshot", "top.qcow2", "-o", "screen.txt", "--size", "120x36").exit_code == 0
    assert f"mid.qcow2: {lost}" in (tmp_path / "screen.txt").read_text()


_TABLE_OF_NAMES = b"".join(
    struct.pack(">BB46s", kind, bit, name)
    for kind, bit, name in (
        (1, 9, b"not this"),
        (0, 9, b"warp \x1b[31m drive"),
        (0, 9, b"again"),
        (0, 62, b"x" * 46),
    )
)


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        (1 << 9, r"unknown bit 9 ('warp \x1b[31m drive')"),
        (1 << 63 | 1 << 62 | 1 << 5, f"unknown bit 5, 62 ('{'x' * 46}'), 63"),
        (2**64 - 32, r"unknown bit 5, 6, 7, 8, 9 ('warp \x1b[31m drive'), 10, 11, 12 and 51 more"),
    ],
)
def test_unknown_features_are_called_by_the_names_that_the_image_has(tmp_path, monkeypatch, bits, said):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "top.qcow2", Image(3 << 20), {})
    image = bytearray((tmp_path / "top.qcow2").read_bytes())
    image[72:80] = bits.to_bytes(8, "big")
    at = struct.unpack_from(">I", image, 100)[0]
    table = struct.pack(">II", 0x6803F857, len(_TABLE_OF_NAMES)) + _TABLE_OF_NAMES
    image[at : at + len(table) + 8] = table + bytes(8)
    (tmp_path / "top.qcow2").write_bytes(image)
    error = f"blockstrata: top.qcow2: qcow2 incompatible_features: {said}\n"
    assert run("map", "top.qcow2").stderr == error
    done = run("info", "--output", "json", "top.qcow2")
    assert (done.exit_code, done.stderr) == (1, error)
    (layer,) = json.loads(done.stdout)["layers"]
    assert layer["virtual-size"] == 3 << 20
    assert layer["features"]["cluster-size"] == 65536


def test_info_tells_of_features_that_an_image_has_and_nobody_must_know(tmp_path, monkeypatch):
    """By the name that the image has for the bit of this kind, if it has one."""
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "top.qcow2", Image(3 << 20), {})
    assert "unknown" not in run("info", "top.qcow2").stdout
    image = bytearray((tmp_path / "top.qcow2").read_bytes())
    image[80:96] = struct.pack(">QQ", 1 << 9 | 1 << 11, 1 << 9 | 1 << 10)
    at = struct.unpack_from(">I", image, 100)[0]
    table = struct.pack(">II", 0x6803F857, len(_TABLE_OF_NAMES)) + _TABLE_OF_NAMES
    image[at : at + len(table) + 8] = table + bytes(8)
    (tmp_path / "top.qcow2").write_bytes(image)
    done = run("info", "top.qcow2")
    assert done.exit_code == 0
    assert "unknown-compatible 9 ('not this'), 11, unknown-autoclear 9, 10\n" in done.stdout


@pytest.mark.parametrize(
    ("at", "width", "value", "key", "shown"),
    [
        (32, 4, 3, "encryption", "unknown"),
        (36, 4, 0, "compat", "1.1"),
        (96, 4, 2**32 - 1, "refcount-bits", "unknown"),
        (104, 1, 7, "compression-type", "unknown"),
        (16, 4, 2**32 - 1, "lazy-refcounts", False),
    ],
)
def test_info_shows_what_it_can_of_a_header_that_is_refused(
    tmp_path, monkeypatch, at, width, value, key, shown
):
    monkeypatch.chdir(tmp_path)
    image = Image(1 << 20, backing="base.raw", backing_format="raw")
    write_image(tmp_path / "top.qcow2", image, {})
    with (tmp_path / "top.qcow2").open("r+b") as file:
        file.seek(100)
        file.write((112).to_bytes(4, "big"))
        file.seek(at)
        file.write(value.to_bytes(width, "big"))
    done = run("info", "--output", "json", "top.qcow2")
    assert done.exit_code == 1
    layer = json.loads(done.stdout)["layers"][0]
    assert layer["features"][key] == shown
    assert layer["virtual-size"] == 1 << 20
    assert done.stderr == f"blockstrata: {layer['refusal']}\n"
    assert run("map", "top.qcow2").stderr == done.stderr


def test_table_prints_every_row():
    text = run("table").stdout
    for letters in ("DZO", "D··", "LZAO", "L·A·", "····"):
        assert f"  {letters}  " in text


def test_demo_lists_its_scenarios():
    assert "web-server" in run("demo", "--list").stdout


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["--version"], {"numpy", "textual"}),
        (["--help"], {"numpy", "textual"}),
        (["view", "--help"], {"numpy", "textual"}),
        (["map", "--help"], {"textual"}),
    ],
)
def test_commands_import_only_what_they_need(words, unwanted):
    code = f"""
import sys
from blockstrata_viewer.cli.group import main
try:
    main({words!r}, prog_name="blockstrata")
finally:
    assert not {unwanted!r} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_is_listed_of_a_command_is_what_it_says_itself():
    context = click.Context(main)
    said = {name: main.get_command(context, name).help.partition("\n\n")[0] for name in COMMANDS}
    assert said == COMMANDS
    assert sorted(path.stem for path in Path(commands.__file__).parent.glob("[a-z]*.py")) == sorted(COMMANDS)


def test_the_semantics_that_are_written_out_are_those_there_are():
    assert {by_name(name) for name in SEMANTICS.choices} == set(SWITCH)


def test_map_imports_no_textual(demo_image):
    code = f"""
import sys
from blockstrata_viewer.cli.group import main
try:
    main(["map", {demo_image!r}], prog_name="blockstrata")
except SystemExit:
    pass
assert "textual" not in sys.modules and "rich" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_whoever_reads_may_leave_early(demo_image):
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m blockstrata_viewer map --output json {demo_image!r} | head -n 1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_without_words_it_says_what_there_is():
    done = run()
    assert done.exit_code == 2
    assert done.stdout.startswith("Usage: ")
    assert "screenshot" in done.stdout


@pytest.mark.parametrize("words", [["table"], ["map", "{image}"], ["info", "{image}"]])
def test_a_full_disk_is_one_line(words, demo_image):
    command = " ".join([sys.executable, "-m", "blockstrata_viewer", *words]).format(image=demo_image)
    done = subprocess.run(
        ["sh", "-c", f"{command} > /dev/full"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "blockstrata: standard output: No space left on device\n"


def test_a_terminal_that_knows_ascii_alone(demo_image):
    command = [sys.executable, "-m", "blockstrata_viewer", "info", demo_image]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0
    assert "web01-monday.qcow2" in done.stdout


def test_control_c_is_no_error():
    """click makes a RuntimeError of it, which is not to be taken for one of ours."""
    code = (
        "import blockstrata_viewer.model.opening as opening\n"
        "def interrupted(*_): raise KeyboardInterrupt\n"
        "opening.Opening.open = interrupted\n"
        "from blockstrata_viewer.cli.group import main\n"
        "main(['map', 'x'])\n"
    )
    done = python("-c", code)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")


@pytest.mark.parametrize("words", [["map"], ["info"], ["audit"], []])
def test_without_standard_output_it_is_one_line(demo_image, words):
    command = [sys.executable, "-m", "blockstrata_viewer", *words, demo_image]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command],
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "blockstrata: standard output is closed\n")


def test_a_round_trip_of_a_layer_in_place_is_wrong_usage(demo_image):
    done = run("map", "--round-trip", "--layer", "0", "--in-place", demo_image)
    assert done.exit_code == 2
    assert "a server also answers for what is deferred" in done.stderr
