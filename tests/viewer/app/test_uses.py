"""What the bytes of a file are for, on its own axis: found out beside the screen, drawn, a way back."""

from __future__ import annotations

import re
import threading

import pytest
from pilots import load_whole, opened, screen_text, until, without_swatches

from blockstrata.formats.qcow2.author import Compressed, Data, Image, ZeroAlloc, write_image
from blockstrata.questions.checking.canvas import USES, HostUse
from blockstrata.semantics import by_name
from blockstrata_viewer.app import dissecting
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.draw.bars import draw_legend
from blockstrata_viewer.draw.inspector import draw_inspector
from blockstrata_viewer.draw.layout import layout_of
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.states import Paint
from blockstrata_viewer.model.uses import read_uses, state_of_use
from blockstrata_viewer.model.viewport import Viewport
from blockstrata_viewer.reports.extent import describe
from blockstrata_viewer.scenarios import SCENARIOS

CLUSTER = 4096
LAST = 40


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Data, zeroes with a place, compressed clusters; a leak, a byte that two name, and a tail."""
    path = tmp_path_factory.mktemp("uses") / "top.qcow2"
    clusters = {2: Data(b"a"), 3: Data(b"b"), 9: ZeroAlloc(), 12: Compressed(b"c"), 13: Compressed(b"d")}
    write_image(path, Image(64 * CLUSTER, cluster_bits=12), clusters | {LAST: Data(b"e"), 41: Data(b"f")})
    stored = bytearray(path.read_bytes())
    layer = load_whole(str(path))
    at = layer.layers[0].node.entry_at(2 * CLUSTER).l2_offset
    layer.chain.close()
    entry = lambda nth: slice(at + 8 * nth, at + 8 * nth + 8)  # noqa: E731 (it is said once)
    stored[entry(50)], stored[entry(41)] = stored[entry(3)], bytes(8)
    path.write_bytes(stored + bytes(3 * CLUSTER))
    return str(path)


@pytest.fixture(scope="module")
def scene(image):
    disk = load_whole(image)
    inside = Scene(disk, Viewport(disk.size, 100).fit(), by_name("proposed")).file_axis()
    layer = inside.chain_scene.disk.layers[0]
    yield inside.dissected(read_uses(layer, inside.disk.layers[0], lambda *_: None)).select(GUEST)
    disk.chain.close()


def run_of(scene, use):
    return next(run for run in scene.uses.anatomy if run.use is use)


def test_every_use_has_paint_and_words():
    shown = [state_of_use(use) for use in USES if use is not HostUse.BEYOND_END]
    assert len({state.short for state in shown}) == len(shown)
    assert all(state.words for state in shown)
    assert state_of_use(HostUse.DATA).paint is Paint.DATA


def test_the_track_adds_up_to_the_file(scene):
    found = {state.short: total for state, total in scene.uses.by_state(scene.semantics).items()}
    sums = scene.uses.anatomy.sums
    assert sum(found.values()) == scene.disk.size == sums.total
    assert found["leaked"] == CLUSTER
    assert found["shared"] == CLUSTER
    assert found == {str(use).replace("-", " "): size for use in USES if (size := sums.bytes_of(use))}
    (_, storage) = layout_of(scene, 120, 30).rows_of(GUEST), layout_of(scene, 120, 30).rows_of(0)
    assert len(storage) > 0


@pytest.mark.parametrize(
    ("use", "guest"),
    [
        (HostUse.DATA, 2),
        (HostUse.RESERVED, 9),
        (HostUse.COMPRESSED, 12),
        (HostUse.SHARED, 3),
        (HostUse.L2, 0),
    ],
)
def test_the_way_back_leads_to_the_guest_s_byte(scene, use, guest):
    run = run_of(scene, use)
    back = scene.go_to(run.host).leave()
    assert (back.cursor, back.disk) == (guest * CLUSTER, scene.chain_scene.disk)
    if use in (HostUse.DATA, HostUse.RESERVED, HostUse.SHARED):
        assert scene.go_to(run.host + 77).leave().cursor == guest * CLUSTER + 77


def test_what_nobody_reads_leads_back_to_where_one_was(scene):
    assert scene.go_to(run_of(scene, HostUse.LEAKED).host).leave().cursor == scene.chain_scene.cursor
    assert scene.isolate("leaked").leave().isolated == ""


def test_suspicious_bytes_are_found(scene):
    found = scene.go_to(0).suspicious()
    assert found.cursor == run_of(scene, HostUse.LEAKED).host


def test_all_users_of_a_byte_are_named_and_lead_to_the_guest(scene):
    run = run_of(scene, HostUse.SHARED)
    lines = describe(scene.go_to(run.host + 5))
    spots = [each.spot.offset for each in lines if each.spot and not each.spot.in_file]
    assert spots == [3 * CLUSTER + 5, 50 * CLUSTER + 5]
    assert any(re.match("users +2$", each.text) for each in lines)
    nobody = describe(scene.go_to(run_of(scene, HostUse.LEAKED).host))
    assert any(re.match("users +0$", each.text) for each in nobody)


def test_the_inspector_names_use_and_user(scene):
    for width, side in ((120, False), (46, True)):
        run = run_of(scene, HostUse.RESERVED)
        text = "\n".join(map(without_swatches, draw_inspector(scene.go_to(run.host), width, 30, side=side)))
        assert "USED FOR  reserved" in text
        assert re.search(r"guest +0x9000", text)
        assert re.search(r"tail +12 KiB", text)
        assert "storage" in text


def test_little_room_has_the_largest_and_the_sum_of_the_others(scene):
    rows = [without_swatches(row) for row in draw_inspector(scene, 120, 7, side=False)]
    shown = [float(size) for row in rows for size in re.findall(r"([0-9.]+) KiB +[0-9.]+%", row)]
    assert sum(shown) == pytest.approx(scene.disk.size / 1024)
    assert re.search(r"\d+ others", rows[-1])


def test_the_legend_has_words_and_bytes(scene):
    scene = scene.drawn(colours="none")
    text = "\n".join(map(without_swatches, draw_legend(scene, 120, 4)))
    assert "## leaked 4 KiB" in text
    assert "## tail 12 KiB" in text
    assert "A alloc" not in "\n".join(map(without_swatches, draw_legend(scene, 80, 3)))


async def test_it_is_found_out_beside_the_screen(image):
    app = ViewerApp(Setup([image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("v")
        await until(pilot, lambda: app.scene.disk.uses)
        assert app.scene.selected == GUEST
        assert "used for" in screen_text(app)
        await pilot.press("down")
        assert app.scene.uses is None
        assert "CORE SAMPLE" in screen_text(app)
        await pilot.press("v")
        assert app.scene.entered_from is None


async def test_a_place_in_the_file_is_gone_to_and_come_back_to(image, monkeypatch):
    """Nothing is found out a second time."""
    app = ViewerApp(Setup([image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("v")
        await until(pilot, lambda: app.scene.disk.uses)
        monkeypatch.setattr(dissecting, "read_uses", None)
        uses = app.scene.uses
        there = app.scene.at(0, 3 * CLUSTER, app.scene.semantics, in_file=True)
        assert (there.uses, there.cursor) == (uses, 3 * CLUSTER)
        await pilot.press("v", "v")
        await until(pilot, lambda: app.scene.uses is uses)


async def test_leaving_ends_it(image, monkeypatch):
    began, ended = threading.Event(), threading.Event()

    def endless(_layer, _file, tick):
        began.set()
        try:
            while True:
                tick(1, 2)
        finally:
            ended.set()

    app = ViewerApp(Setup([image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        with monkeypatch.context() as patched:
            patched.setattr(dissecting, "read_uses", endless)
            await pilot.press("v")
            await until(pilot, lambda: "50 %" in screen_text(app))
            assert app.scene.disk.uses is None
            await pilot.press("v")
            await until(pilot, ended.is_set)
            assert "%" not in screen_text(app).splitlines()[-1]
        await pilot.press("v")
        await until(pilot, lambda: app.scene.disk.uses)


async def test_what_has_no_parts_is_said(tmp_path):
    """Of an external data file, of which a line is all there is to say."""
    (image,) = SCENARIOS["data-file"].build(tmp_path)
    app = ViewerApp(Setup([image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("v")
        await until(pilot, lambda: app.main.pane.note)
        assert "at its guest offset" in app.main.pane.note
        assert app.scene.disk.uses is None
