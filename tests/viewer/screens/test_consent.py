"""An image that only qemu-img reads: the viewer asks first, and does what the answer says."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

import pytest
from pilots import screen_text, until

from blockstrata.access import Access, Consent
from blockstrata.errors import ConsentError
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.screens.consent import ConsentScreen

ALLOWED = Opening(Access(consents=frozenset({Consent.VIA_QEMU})))


def run(*words, cwd):
    subprocess.run(words, cwd=cwd, check=True, timeout=60, capture_output=True)


@pytest.fixture
def vmdk(tmp_path):
    run("qemu-img", "create", "-q", "-f", "vmdk", "disk.vmdk", "3M", cwd=tmp_path)
    run("qemu-io", "-f", "vmdk", "-c", "write 64k 100k", "disk.vmdk", cwd=tmp_path)
    return str(tmp_path / "disk.vmdk")


@pytest.mark.live("qemu-img", "qemu-io")
async def test_yes_opens_it(vmdk):
    app = ViewerApp(Setup([vmdk]))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ConsentScreen))
        assert "Run qemu-img" in screen_text(app)
        assert app.scene is None
        await pilot.press("y")
        await until(pilot, lambda: app.scene)
        text = screen_text(app)
        assert "vmdk via qemu-img" in text
        assert "unallocated · via qemu-img" in text
        assert app.main.pane.images.shown.opening.access.allows(Consent.VIA_QEMU)
        assert app.scene.disk.size == 3 << 20
        await pilot.press("n", "enter")
        assert "stored at 0x" in screen_text(app)


@pytest.mark.live("qemu-img", "qemu-io")
@pytest.mark.parametrize("key", ["n", "escape", "enter"])
async def test_anything_else_leaves_the_reason(vmdk, key):
    app = ViewerApp(Setup([vmdk]))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ConsentScreen))
        await pilot.press(key)
        await until(pilot, lambda: not isinstance(app.screen, ConsentScreen))
        assert app.scene is None
        assert isinstance(app.failure, ConsentError)
        assert "--via-qemu asks qemu-img" in " ".join(screen_text(app).split())
        await pilot.press("q")
    assert app.return_value == 1


@pytest.mark.live("qemu-img", "qemu-io")
async def test_below_what_is_read_here_too(vmdk, tmp_path):
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", vmdk, "-F", "vmdk", "top.qcow2", cwd=tmp_path)
    app = ViewerApp(Setup([str(tmp_path / "top.qcow2")]))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ConsentScreen))
        await pilot.press("y")
        await until(pilot, lambda: app.scene and not app.scene.disk.chain.missing)
        assert [layer.node.driver for layer in app.scene.disk.layers] == ["qcow2", "vmdk"]


@pytest.mark.live("qemu-img", "qemu-io")
async def test_files_that_only_qemu_opens_have_an_axis_and_no_bytes(tmp_path):
    words = "qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentFlat disk.vmdk 3G"
    run(*words.split(), cwd=tmp_path)
    app = ViewerApp(Setup([str(tmp_path / "disk.vmdk")], ALLOWED))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, app.settled.is_set)
        await pilot.press("enter")
        assert "bytes are not read here" in " ".join(screen_text(app).split())
        await pilot.press("escape", "v")
        await until(pilot, lambda: app.scene.disk.is_file)
        assert "2 extents" in screen_text(app)


HANGS = f"""#!{sys.executable} -I
import os, time
with open("child.new", "w") as file: file.write(str(os.getpid()))
os.rename("child.new", "child")
time.sleep(600)
"""


@pytest.fixture
def hanging(tmp_path, monkeypatch):
    """Return an image whose qemu-img never answers, which writes the number of its process into ``child``."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "qemu-img"
    program.write_text(HANGS)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk.vdi").write_bytes(bytes(64) + b"\x7f\x10\xda\xbe" + bytes(1024))
    return tmp_path / "disk.vdi"


async def test_leaving_ends_a_qemu_img_that_hangs(hanging, tmp_path):
    child = tmp_path / "child"
    app = ViewerApp(Setup([str(hanging)], ALLOWED))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, child.exists)
        began = time.monotonic()
        await pilot.press("q")
    for _ in range(500):
        try:
            os.kill(int(child.read_text()), 0)
        except ProcessLookupError:
            break
        await asyncio.sleep(0.02)
    else:
        raise AssertionError("qemu-img outlives the viewer")
    assert time.monotonic() - began < 20
