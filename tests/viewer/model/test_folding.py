"""Layers that hold nothing in view are folded away, and come back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pilots import load_whole, opened, screen_text

from blockstrata.semantics import by_name
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.draw.layout import layout_of
from blockstrata_viewer.model.folding import tracks_of
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.track import Track
from blockstrata_viewer.model.viewport import Viewport
from blockstrata_viewer.scenarios import SCENARIOS

KIB = 1 << 10


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return SCENARIOS["long-chain"].build(tmp_path_factory.mktemp("long"))[0]


@pytest.fixture
def scene(image):
    """Eight layers of 512 KiB: each holds 16 KiB at the start, and 96 KiB further left than the one above."""
    disk = load_whole(image)
    yield Scene(disk, Viewport(disk.size, 64).fit(), by_name("proposed"), "none", folded=True)
    disk.chain.close()


def test_what_holds_nothing_in_view_is_folded(scene):
    assert tracks_of(scene) == tuple(range(8)), "all hold something of the whole disk"
    right = scene.fit_range(500 * KIB, 512 * KIB)
    assert tracks_of(right) == (0, range(1, 7), 7)
    assert tracks_of(right.select(GUEST)) == (0, range(1, 7), 7)
    # the selected layer is in sight, whatever it holds
    assert tracks_of(right.select(3)) == (0, range(1, 3), 3, range(4, 7), 7)
    # one layer alone is no fold
    assert tracks_of(right.select(2)) == (0, 1, 2, range(3, 7), 7)
    assert tracks_of(right.drawn(folded=False)) == tuple(range(8))
    assert tracks_of(right.drawn(asking="letters")) == tuple(range(8))
    assert tracks_of(right.round_trip()) == (0, 1, 2)
    assert tracks_of(right.file_axis()) == ()


def test_layers_are_asked_once_for_a_view_and_flags(scene, monkeypatch):
    asked = []
    by_state = Track.by_state

    def count(track, *given):
        asked.append(track)
        return by_state(track, *given)

    monkeypatch.setattr(Track, "by_state", count)
    right = scene.fit_range(500 * KIB, 512 * KIB)
    for depth in range(8):
        assert depth in tracks_of(replace(right.select(depth), hover=depth))
    assert len(asked) == 8
    tracks_of(right.under(by_name("historic")))
    tracks_of(right.pan(-1))
    assert len(asked) == 24


def test_a_fold_is_one_row(scene):
    layout = layout_of(scene.fit_range(500 * KIB, 512 * KIB), 120, 40)
    assert layout.tracks == (0, range(1, 7), 7)
    assert len(layout.rows_of(3)) == 1
    assert layout.layer_at(layout.rows_of(3).start) == 1
    assert len(layout.rows_of(0)) > 1


async def test_c_folds_and_a_layer_that_is_chosen_comes_out(image):
    app = ViewerApp(Setup([image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("end", *["plus"] * 6)
        assert "layers defer" not in screen_text(app).partition("EXTENT")[0]
        await pilot.press("c")
        assert "6 layers defer ▸" in screen_text(app).partition("EXTENT")[0]
        await pilot.press("down")
        assert "5 layers defer ▸" in screen_text(app).partition("EXTENT")[0]
        await pilot.press("c")
        assert "layers defer" not in screen_text(app).partition("EXTENT")[0]
