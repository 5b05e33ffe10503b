"""The round trip, the audit and the other probe on the screen: keys are pressed, states are looked at."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path

import pytest

from blockstrata.formats.qcow2.author import Data, Image, ZeroAlloc, ZeroPlain, write_image
from blockstrata.graph.chain import open_chain
from blockstrata.guest.merge import alone, merged
from blockstrata.protocols.fiemap import fiemap_probe
from blockstrata.questions.round_trip import round_trip
from blockstrata.semantics.nbd import NBD_6_0, NBD_2018, NBD_PROPOSED, wire_of
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.model.scene import GUEST
from blockstrata_viewer.model.states import Paint

CLUSTER = 1 << 16


@pytest.fixture
def image(tmp_path):
    """Two layers of 16 clusters, every kind of zero among them."""
    base = {0: Data(b"b"), 1: ZeroAlloc(b"x"), 2: ZeroPlain(), 5: Data(b"c")}
    write_image(tmp_path / "base", Image(16 * CLUSTER), base)
    top = Image(16 * CLUSTER, backing="base", backing_format="qcow2")
    write_image(tmp_path / "top", top, {3: ZeroPlain(), 5: Data(b"d")})
    return str(tmp_path / "top")


@pytest.fixture
async def viewer(image):
    """The image on a screen of 120×36, as (app, press): press returns the scene after the keys."""
    app = ViewerApp(Setup([image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await app.settled.wait()
        await pilot.pause()

        async def press(*keys):
            await pilot.press(*keys)
            await pilot.pause()
            return app.scene

        yield app, press


def rows(app):
    return ["".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()]


async def test_four_rows_at_one_axis(viewer):
    app, press = viewer
    scene = await press("r")
    assert scene.semantics is NBD_6_0
    text = "\n".join(rows(app))
    for words in ("image means", "server sends", "client reads", "difference", "ROUND TRIP", "r goes back"):
        assert words in text
    with open_chain(app.main.pane.images.shown.image) as chain:
        trip = round_trip(merged(chain, 0, chain.size), wire_of(NBD_6_0))
    assert f"{trip.lossy_runs} of {len(trip)} extents" in text
    assert len(scene.disk.tracks) == 3


async def test_the_rows_are_what_the_core_computes(viewer):
    _, press = viewer
    scene = await press("r", "S", "S")
    for semantics in (NBD_2018, NBD_6_0, NBD_PROPOSED):
        assert scene.semantics is semantics
        wire = wire_of(semantics)
        with open_chain(scene.disk.chain.layers[0].name) as chain:
            trip = round_trip(merged(chain, 0, chain.size), wire)
        for at, means, said, concludes, lost in zip(
            trip.start.tolist(),
            trip.means.tolist(),
            trip.said.tolist(),
            trip.concludes.tolist(),
            trip.lost.tolist(),
            strict=True,
        ):
            shown = [
                track.state_at(track.run_at(at), semantics)
                for track in (scene.disk.guest, *scene.disk.tracks)
            ]
            assert [state.letters for state in shown[:3]] == [
                wire.base.letters(means),
                semantics.letters(said),
                wire.base.letters(concludes),
            ]
            assert (shown[3].paint is Paint.SUSPICIOUS) == bool(lost)
        scene = await press("s")
    assert scene.semantics is NBD_2018, "s and S go through the mappings"


async def test_b_goes_to_the_next_lossy_run(viewer):
    app, press = viewer
    await press("r", "S", "S")
    with open_chain(app.main.pane.images.shown.image) as chain:
        trip = round_trip(merged(chain, 0, chain.size), wire_of(NBD_2018))
    lossy = [at for at, lost in zip(trip.start.tolist(), trip.lost.tolist(), strict=True) if lost]
    for at in lossy:
        assert (await press("b")).cursor == at
    assert (await press("b")).cursor == lossy[-1]
    assert "after this point, the client reads what the image means" in rows(app)[-1]


@pytest.mark.parametrize("key", ["r", "escape"])
async def test_it_leads_back_to_where_the_cursor_is(viewer, key):
    app, press = viewer
    before = await press("j")
    await press("r", "l", "l", "l")
    moved = app.scene.cursor
    after = await press(key)
    assert after.disk is before.disk
    assert (after.selected, after.semantics.name) == (1, "proposed")
    assert after.cursor == moved > 0


async def test_a_lower_layer_is_served_alone(viewer):
    _, press = viewer
    scene = await press("j", "r")
    assert scene.disk.round_trip.name == "layer 1 alone"
    with open_chain(scene.disk.chain.layers[0].name) as chain:
        expected = round_trip(alone(chain.layers[1], 0, chain.layers[1].size), wire_of(NBD_6_0))
    found = scene.disk.round_trip.sent(wire_of(NBD_6_0))
    assert found.said.tolist() == expected.said.tolist()


async def test_flags_that_are_no_server_s_end_the_trip(viewer):
    app, press = viewer
    await press("r")
    await app.run_action("screen.under('historic')")
    assert app.scene.disk.round_trip is None
    assert app.scene.semantics.name == "historic"


async def test_layers_keep_what_they_defer_under_the_wire_s_flags(viewer):
    _, press = viewer
    scene = await press("S", "S")
    assert scene.semantics is NBD_6_0
    top = scene.disk.tracks[0]
    assert {state.short for state in top.states(NBD_6_0)} == {"data", "hole, zero", "falls through"}


async def test_other_keys_do_no_harm_on_a_trip(viewer):
    app, press = viewer
    scene = await press(
        "r", "k", "k", "k", "k", "x", "D", "D", "t", "plus", "n", "p", "space", "l", "space", "z", "f"
    )
    assert scene.disk.round_trip
    assert scene.selected == GUEST
    await press("i", "i", "enter")
    await press("escape")
    await press("?")
    assert "round trip through NBD" in "\n".join(rows(app))
    await press("escape", "v")
    assert app.scene.disk.round_trip is None


async def test_the_audit(viewer):
    app, press = viewer
    await press("a")
    until = time.monotonic() + 20
    while "misstatement" not in "\n".join(rows(app)) and time.monotonic() < until:
        await asyncio.sleep(0.02)
    text = "\n".join(rows(app))
    # the zero cluster over written storage in the base, found by hand: one of them, 64 KiB
    row = r"qcow2 +\S+ ·ZO +LZ·O +LZA· +misstatement +1 +64 KiB +the facts say LZA·: reads as zero"
    assert re.search(row, text), text
    await press("escape")
    assert "CORE SAMPLE" in "\n".join(rows(app))


async def test_the_audit_of_a_broken_chain_is_a_line(image):
    Path(image).with_name("base").unlink()
    app = ViewerApp(Setup([image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await app.settled.wait()
        await pilot.press("a")
        until = time.monotonic() + 20
        while "backing file of" not in "\n".join(rows(app)) and time.monotonic() < until:
            await asyncio.sleep(0.02)
        assert "No such file" in "\n".join(rows(app))
        await pilot.press("escape", "r")
        await pilot.pause()
        assert app.scene.disk.round_trip is None
        assert "cannot be opened" in rows(app)[-1]


async def test_w_asks_files_in_the_other_way(tmp_path):
    path = tmp_path / "image.raw"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
        try:
            fiemap_probe(file.fileno(), 1 << 20)
            expected = {"LZAO"}
        except OSError:
            expected = {"LZ·O"}
    app = ViewerApp(Setup([str(path)]))
    async with app.run_test(size=(120, 36)) as pilot:
        await app.settled.wait()
        await pilot.press("l", "l")
        cursor, before = app.scene.cursor, app.scene.disk
        # what is read of reserved space may count as data to seek from then on
        for letters in (expected, {"LZ·O", "L·AO"}):
            await pilot.press("w")
            while app.scene.disk is before:
                await pilot.pause(0.01)
            before = app.scene.disk
            states = before.tracks[0].states(app.scene.semantics)
            assert {state.letters for state in states} <= letters
            assert app.scene.cursor == cursor
