"""More runs than memory: strips stay exact, and what is looked at closely is read again."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from pilots import load_whole, opened, screen_text, until

from blockstrata.facts.codes import Mapping
from blockstrata.formats.qcow2.author import Data, Image, ZeroAlloc, ZeroPlain, write_image
from blockstrata.semantics import by_name
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.headless import Still, take
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.model.columns import columns_of
from blockstrata_viewer.model.loading import Loader
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.model.viewport import Viewport

SPAN = 512 * 64
"""Guest bytes that one L2 table maps: clusters are 512 bytes."""
TABLES = 64
RARE = 37 * SPAN + 5 * 512
"""The one cluster that is zero, allocated."""


@pytest.fixture
def image(tmp_path, monkeypatch):
    """A chain of two, the lower one shorter; a window takes a table or two."""
    monkeypatch.setattr("blockstrata.formats.qcow2.node._WINDOW", 128)
    rng = np.random.default_rng(11)
    kinds = (Data(b"x"), ZeroPlain())
    for name, backing, tables in (("base", None, TABLES - 9), ("top", "base.qcow2", TABLES)):
        at = np.flatnonzero(rng.random(tables * 64) < 0.4)
        clusters = {nth: kinds[rng.integers(2)] for nth in at.tolist()}
        if backing:
            clusters[RARE // 512] = ZeroAlloc()
        size = tables * SPAN
        write_image(
            tmp_path / f"{name}.qcow2",
            Image(size, cluster_bits=9, backing=backing, backing_format=backing and "qcow2"),
            clusters,
        )
    return str(tmp_path / "top.qcow2")


LITTLE = Opening(memory=1500 * 128)


def summarised(image):
    loader = Loader(image, LITTLE)
    *_, disk = loader.load()
    assert len(disk.summaries) > 5
    assert len(disk.tracks[0]) < 1500
    return loader, disk


def tracks(disk):
    return disk.guest, *disk.tracks


def test_what_is_summarised_adds_up(image):
    _, disk = summarised(image)
    whole = load_whole(image)
    for less, more in zip(tracks(disk), tracks(whole), strict=True):
        assert not [code for code, _ in more.facts if code >> 3 == Mapping.UNREAD]
        wanted = dict(zip(more.facts, more.shares.totals().tolist(), strict=True))
        found = dict(zip(less.facts, less.shares.totals().tolist(), strict=True))
        assert {kind: total for kind, total in found.items() if total} == wanted
        assert abs(less.count - len(more)) <= 2 * len(disk.summaries)
        assert less.by_state(by_name("proposed")) == more.by_state(by_name("proposed")), (
            "no state that nothing has"
        )


@pytest.mark.parametrize("semantics", ["historic", "proposed"])
def test_a_strip_of_summaries_is_the_strip_of_all_runs(image, semantics):
    loader, disk = summarised(image)
    whole = load_whole(image)
    chosen = by_name(semantics)
    for up in range(1, 5):
        cell = loader.chunk * up
        cells = -(-disk.size // cell)
        for left in {0, cells // 2, max(0, cells - 10)}:
            viewport = Viewport(disk.size, 80, cell, left)
            for less, more in zip(tracks(disk), tracks(whole), strict=True):
                found, wanted = (columns_of(track, viewport, chosen) for track in (less, more))
                assert found.amounts.tolist() == wanted.amounts.tolist()
                assert found.letters == wanted.letters
            suppliers = [each.guest.suppliers.columns(viewport).amounts.tolist() for each in (disk, whole)]
            assert suppliers[0] == suppliers[1]


def test_the_cursor_s_region_is_read_again(image):
    loader, disk = summarised(image)
    at = disk.summaries[-2].region.start + 1000
    assert loader.look(Viewport(disk.size, 20).fit(), at)
    *_, again = loader.again(lambda: False)
    assert not any(summary.region.start <= at < summary.region.end for summary in again.summaries)
    assert len(again.summaries) >= len(disk.summaries)
    assert not loader.look(Viewport(disk.size, 20).fit(), at)
    whole = load_whole(image)
    for less, more in zip(tracks(again), tracks(whole), strict=True):
        if at < more.size:
            assert less.view.extents.facts[less.run_at(at)] == more.view.extents.facts[more.run_at(at)]
            assert less.host_of(at) == more.host_of(at)


def test_a_close_view_is_read_again_whole_or_as_far_as_memory_goes(image):
    loader, disk = summarised(image)
    at = disk.summaries[-2].region.start
    close = Viewport(disk.size, 80, loader.chunk // 2, at // (loader.chunk // 2))
    assert loader.look(close, at)
    *_, again = loader.again(lambda: False)
    inside = [
        summary
        for summary in again.summaries
        if summary.region.start < close.end and close.start < summary.region.end
    ]
    assert not inside or not loader.look(close, at)
    everything = Viewport(disk.size, 10**6, loader.chunk // 2, 0)
    assert loader.look(everything, at)
    *_, _ = loader.again(lambda: False)
    assert not loader.look(everything, at), "there is no memory for more, and it is not tried again"


def test_nothing_is_read_again_for_whoever_gave_up(image):
    loader, disk = summarised(image)
    assert loader.look(Viewport(disk.size, 80).fit(), disk.summaries[-1].region.start)
    assert list(loader.again(lambda: True)) == []


def test_what_is_sought_is_found_in_a_summary(image):
    loader, disk = summarised(image)
    track = disk.tracks[0]
    wanted = np.array([code >> 3 == Mapping.ZERO_ALLOC for code, _ in track.facts])
    assert wanted.any()
    at = track.find(0, wanted)
    assert at <= RARE < at + loader.chunk
    assert loader.look(Viewport(disk.size, 80).fit(), at)
    *_, again = loader.again(lambda: False)
    track = again.tracks[0]
    wanted = np.array([code >> 3 == Mapping.ZERO_ALLOC for code, _ in track.facts])
    assert at == RARE or track.find(at, wanted) == RARE


def fact_at_cursor(scene):
    return scene.track.view.extents.facts[scene.run] >> 3


def test_summaries_of_many_layers_keep_within_bounds(tmp_path, monkeypatch):
    """What is kept of a layer does not grow with the layers above and below."""
    monkeypatch.setattr("blockstrata.formats.qcow2.node._WINDOW", 64)
    layers, size = 48, 256 * SPAN
    for nth in range(layers):
        below = f"{nth + 1}.qcow2" if nth + 1 < layers else None
        image = Image(size, cluster_bits=9, backing=below, backing_format=below and "qcow2")
        write_image(tmp_path / f"{nth}.qcow2", image, {nth * 200 + at * 3: Data(b"x") for at in range(60)})
    opening = Opening(memory=1 << 20)
    loader = Loader(str(tmp_path / "0.qcow2"), opening)
    *_, disk = loader.load()
    assert disk.summaries
    summaries = [
        summary for region in disk.summaries for summary in (region.guest, *region.layers) if summary
    ]
    kept = sum(
        summary.amounts.nbytes + (0 if summary.suppliers is None else summary.suppliers.nbytes)
        for summary in summaries
    )
    assert kept < opening.memory // 4
    assert all(summary.suppliers is None for region in disk.summaries for summary in region.layers if summary)
    whole = load_whole(str(tmp_path / "0.qcow2"))
    assert disk.guest.suppliers.totals().tolist() == whole.guest.suppliers.totals().tolist()


def test_one_may_look_elsewhere_at_any_time_while_it_is_read(image):
    loader = Loader(image, Opening(memory=300 * 128))
    switch, faults, is_done = sys.getswitchinterval(), [], threading.Event()

    def look():
        try:
            while not is_done.is_set():
                for at in range(0, TABLES * SPAN, SPAN):
                    loader.look(Viewport(TABLES * SPAN, 80, 512, at // 512), at)
        except RuntimeError as error:
            faults.append(error)

    sys.setswitchinterval(1e-6)
    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(3):
            for _disk in loader.load():
                pass
    finally:
        is_done.set()
        looking.join()
        sys.setswitchinterval(switch)
    assert not faults


async def test_the_viewer_reads_again_where_one_goes(image):
    app = ViewerApp(Setup([image], LITTLE))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        assert app.scene.disk.summaries
        assert "one of about" in screen_text(app)
        await pilot.press("a")
        assert "not all of this image is in memory" in screen_text(app)
        await pilot.press("r")
        assert app.scene.disk.round_trip is None
        await pilot.press("g", *str(RARE), "enter")
        await until(
            pilot, lambda: app.scene.track.view.extents.facts[app.scene.run] >> 3 == Mapping.ZERO_ALLOC
        )
        assert app.scene.cursor == RARE
        assert not app.scene.disk.loading
        await until(pilot, lambda: not app.main.pane.images.shown.again)
        # zooming in reads what comes into view, and no more than that
        await pilot.press(*"+" * 8)
        await until(pilot, lambda: not app.main.pane.images.shown.again)
        await pilot.pause()
        shown = app.scene.viewport
        inside = [
            summary
            for summary in app.scene.disk.summaries
            if summary.region.start < shown.end and shown.start < summary.region.end
        ]
        assert not inside
        assert app.scene.disk.summaries


def test_a_picture_shows_the_byte_it_is_of(image):
    shot = take(Still(image, LITTLE, "dark", "proposed", "none", 120, 36, Aim(RARE)))
    text = "\n".join("".join(cell.text for cell in row) for row in shot.screen.rows)
    assert f"{RARE:#014x}" in text
    assert "not read" not in text


async def test_the_extent_table_says_what_it_does_not_have(image):
    app = ViewerApp(Setup([image], LITTLE))
    async with app.run_test(size=(120, 30)) as pilot:
        await opened(app, pilot)
        await pilot.press("E")
        track = app.scene.track
        text = screen_text(app)
        assert track.summaries
        assert f"EXTENTS  {len(track):,} · " in text
        assert f"about {track.count:,} in all; distant regions are kept only as sums" in text
        await pilot.press("/", *"state:read", "enter")
        assert "not read yet" in screen_text(app)
