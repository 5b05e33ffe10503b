"""An image that is read anew may be another one by then: resized, shorter in layers, gone, back again."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilots import descriptors, load_whole, opened, screen_text, until

from blockstrata.formats.qcow2.author import Data, Image, write_image
from blockstrata.semantics.proposed import PROPOSED
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.viewport import Viewport

COLUMNS = 60
SIZES = [0, 512, 4096, 1 << 16, 1 << 20, 10 << 30, 1 << 40]


def made(directory, size, layers=1):
    """Return a disk of some size and layers, wholly read."""
    names = [f"{size}-{layers}-{nth}.qcow2" for nth in range(layers)]
    for nth, name in enumerate(names):
        backing = names[nth + 1] if nth + 1 < layers else None
        image = Image(size, backing=backing, backing_format="qcow2" if backing else None)
        write_image(directory / name, image, {0: Data(b"d")} if size else {})
    return load_whole(str(directory / names[0]))


@pytest.fixture(scope="module")
def disks(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sizes")
    disks = [made(directory, size, layers) for size in SIZES for layers in (1, 3)]
    yield disks
    for disk in disks:
        disk.chain.close()


def check(scene):
    """Everything in a scene that is a place on the disk is on it, and there is a view of it."""
    disk, viewport = scene.disk, scene.viewport
    assert viewport.size == disk.size
    assert viewport.columns == COLUMNS
    assert viewport.cell <= viewport.fit_cell
    assert 0 <= viewport.left <= max(0, viewport.cells() - COLUMNS)
    assert 0 <= scene.cursor < max(1, disk.size)
    assert 0 <= viewport.column_of(scene.cursor) < COLUMNS
    assert GUEST <= scene.selected < len(disk.tracks)
    assert all(0 <= marker < max(1, disk.size) for marker in scene.markers)
    assert scene.hover is None or 0 <= scene.hover < max(1, disk.size)


moves = st.lists(
    st.sampled_from(
        [
            lambda scene: scene.zoom(3),
            lambda scene: scene.zoom(50),
            lambda scene: scene.zoom(-2),
            lambda scene: scene.go_to(scene.disk.size),
            lambda scene: scene.go_to(scene.disk.size // 3),
            lambda scene: scene.pan(7),
            lambda scene: scene.mark(),
            lambda scene: scene.select(2),
            lambda scene: scene.select(GUEST),
            lambda scene: replace(scene, hover=scene.cursor),
            lambda scene: scene.file_axis(),
            lambda scene: scene.round_trip(),
        ]
    ),
    max_size=8,
)


@given(st.integers(0, 2 * len(SIZES) - 1), st.integers(0, 2 * len(SIZES) - 1), moves)
def test_whatever_is_in_a_scene_is_on_the_disk_that_is_read_anew(disks, first, second, moved):
    before, after = disks[first], disks[second]
    scene = Scene(before, Viewport(before.size, COLUMNS).fit(), PROPOSED)
    for move in moved:
        scene = move(scene)
    bottom = scene.chain_scene
    was_whole = bottom.viewport.is_whole
    check(scene)
    anew = scene.with_disk(after)
    if after is before:
        assert (
            anew.entered_from is scene.entered_from
            or anew.entered_from.viewport == scene.entered_from.viewport
        )
    else:
        assert anew.entered_from is None
        assert anew.disk is after
        assert not was_whole or anew.viewport == Viewport(after.size, COLUMNS).fit()
        for again in (anew.fit(), anew.zoom(5), anew.move(1), anew.go_to(after.size), anew.mark()):
            check(again)
    check(anew)


async def read_again(app, pilot):
    """Press the key that reads an image anew, and wait until that has come about."""
    turn = app.main.pane.images.shown.turn
    await pilot.press("w")
    await until(pilot, lambda: app.main.pane.images.shown.turn > turn and app.main.pane.is_at_rest)


@pytest.mark.parametrize(("before", "after"), [(10 << 30, 4096), (1 << 40, 1 << 16), (1 << 20, 1 << 30)])
async def test_a_disk_that_is_resized_while_it_is_open(tmp_path, before, after):
    path = tmp_path / "disk.raw"
    path.touch()
    os.truncate(path, before)
    app = ViewerApp(Setup([str(path)]))
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        await pilot.press("space", "end", "space")
        os.truncate(path, after)
        await read_again(app, pilot)
        viewport = app.scene.viewport
        assert viewport == Viewport(after, viewport.columns).fit()
        await pilot.press("end")
        assert viewport.cells() - 1 == app.scene.cursor // viewport.cell
        await pilot.press("plus", "f", "n", "v", "v", "r", "r")
        assert app.scene.viewport == viewport


async def test_a_chain_that_has_fewer_layers_than_before(tmp_path):
    made(tmp_path, 1 << 20, 3).chain.close()
    app = ViewerApp(Setup([str(tmp_path / "1048576-3-0.qcow2")]))
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        await pilot.press("down", "down")
        assert app.scene.selected == 2
        write_image(tmp_path / "other.qcow2", Image(1 << 16), {})
        (tmp_path / "other.qcow2").replace(tmp_path / "1048576-3-0.qcow2")
        await read_again(app, pilot)
        assert (app.scene.selected, len(app.scene.disk.layers)) == (0, 1)


async def test_pages_wait_until_an_image_is_read_anew(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        first = app.scene.disk
        app.main.action_storage()
        for action in ("round_trip", "page('audit')", "page('tables')"):
            await app.run_action(action, app.main)
            assert "still being read" in app.main.pane.footnote
        assert app.scene.entered_from is None
        assert app.screen is app.main
        await until(pilot, lambda: app.main.pane.is_at_rest)
        assert app.scene.disk is not first


async def test_a_file_that_is_gone_and_comes_back(tmp_path):
    made(tmp_path, 1 << 20).chain.close()
    path, away = tmp_path / "1048576-1-0.qcow2", tmp_path / "away"
    app = ViewerApp(Setup([str(path)]))
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        assert descriptors(path) == 1
        path.rename(away)
        await read_again(app, pilot)
        assert "q quits" in screen_text(app)
        assert app.failure.what == "No such file or directory"
        assert app.scene is None
        assert descriptors(tmp_path) == 0
        away.rename(path)
        await read_again(app, pilot)
        assert "q quits" not in screen_text(app)
        assert app.scene.disk.size == 1 << 20
        assert descriptors(path) == 1
        await pilot.press("q")
    assert app.return_value == 0
