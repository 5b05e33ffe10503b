"""Files that somebody writes to while they are read are told."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from blockstrata.formats.qcow2.author import Data, Image, write_image
from blockstrata.graph.chain import Chain, open_chain
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.cli.group import main

IMAGE = Image(1 << 20)


def grow(path):
    os.truncate(path, path.stat().st_size + 512)


def touch(path):
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def overwrite(path):
    time.sleep(0.02)  # a file system's clock may tick no more often than 100 times a second
    with path.open("r+b") as file:
        file.write(file.read(1))


def replace(path):
    """Put another file in its place: what was opened stays what it was."""
    Path(shutil.copy(path, f"{path}.new")).replace(path)


@pytest.fixture
def images(tmp_path):
    write_image(tmp_path / "base.qcow2", IMAGE, {0: Data(b"b")})
    top = Image(1 << 20, backing="base.qcow2", backing_format="qcow2")
    write_image(tmp_path / "top.qcow2", top, {1: Data(b"t")})
    return tmp_path


@pytest.fixture
def written(images, monkeypatch):
    """Let ``top.qcow2`` grow each time that a chain is asked whether anything changed."""
    ask = Chain.notices

    def after_a_write(chain):
        grow(images / "top.qcow2")
        return ask(chain)

    monkeypatch.setattr(Chain, "notices", after_a_write)
    return images


def changed(chain):
    return [name for name, notice in chain.notices() if notice == "changed while it was read"]


@pytest.mark.parametrize("change", [grow, touch, overwrite])
@pytest.mark.parametrize("name", ["top.qcow2", "base.qcow2"])
def test_a_change_of_any_layer_is_seen(images, name, change):
    with open_chain(str(images / "top.qcow2")) as chain:
        assert changed(chain) == []
        change(images / name)
        assert changed(chain) == [str(images / name)]


def test_a_file_that_is_replaced_is_read_as_it_was(images):
    with open_chain(str(images / "top.qcow2")) as chain:
        replace(images / "top.qcow2")
        assert changed(chain) == []


def test_a_change_of_a_data_file_is_seen(images):
    image = Image(1 << 20, data_file=str(images / "data.raw"))
    write_image(images / "extern.qcow2", image, {})
    with open_chain(str(images / "extern.qcow2")) as chain:
        touch(images / "data.raw")
        assert changed(chain) == [str(images / "data.raw")]
        touch(images / "extern.qcow2")
        assert sorted(changed(chain)) == [str(images / "data.raw"), str(images / "extern.qcow2")]


def test_a_gap_does_not_change_and_hides_no_change(images):
    (images / "base.qcow2").unlink()
    with open_chain(str(images / "top.qcow2")) as chain:
        assert chain.missing is not None
        assert changed(chain) == []
        grow(images / "top.qcow2")
        assert changed(chain) == [str(images / "top.qcow2")]


def test_a_file_that_is_two_layers_is_told_once(images):
    top, base = images / "top.qcow2", images / "base.qcow2"
    name = f"driver=qcow2,file.filename={top},backing.driver=qcow2,backing.file.filename={top}"
    with open_chain(name, image_opts=True) as chain:
        assert [layer.name for layer in chain.layers] == [str(top), str(top), str(base)]
        touch(top)
        assert changed(chain) == [str(top)]


@pytest.mark.parametrize("words", [["map"], ["map", "--output", "json"], ["info"], ["info", "--quick"]])
def test_a_command_tells_after_its_answer(written, words):
    top = str(written / "top.qcow2")
    done = CliRunner().invoke(main, [*words, top])
    assert done.exit_code == 0
    assert done.stderr == f"blockstrata: {top}: changed while it was read\n"
    assert done.stdout


@pytest.mark.parametrize("words", [["map"], ["info"]])
def test_a_command_is_silent_where_nothing_changed(images, words):
    done = CliRunner().invoke(main, [*words, str(images / "top.qcow2")])
    assert (done.exit_code, done.stderr) == (0, "")


async def test_the_viewer_tells(written):
    app = ViewerApp(Setup([str(written / "top.qcow2")]))
    async with app.run_test() as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        await pilot.pause()
        assert app.main.pane.note == "top.qcow2: changed while it was read"
