"""The legend, drawn without an app."""

from __future__ import annotations

import pytest
from pilots import load_whole

from blockstrata.semantics import by_name
from blockstrata_viewer.draw.bars import draw_legend
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.viewport import Viewport
from blockstrata_viewer.scenarios import SCENARIOS


@pytest.fixture(scope="module")
def every_row(tmp_path_factory):
    """The scenario with the most states."""
    (image,) = SCENARIOS["every-row"].build(tmp_path_factory.mktemp("rows"))
    disk = load_whole(image)
    yield Scene(disk, Viewport(disk.size, 54).fit(), by_name("proposed"))
    disk.chain.close()


def states_of(track, semantics):
    totals = zip(track.states(semantics), track.shares.totals().tolist(), strict=True)
    return {state for state, total in totals if total}


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_the_legend_has_the_strip_s_states_or_says_that_there_are_more(every_row, depth, width):
    scene = every_row.select(depth)
    text = draw_legend(scene, width).text()
    shown = text.split()
    own = {state.letters for state in states_of(scene.track, scene.semantics)}
    every = {
        state.letters
        for track in (scene.disk.guest, *scene.disk.tracks)
        for state in states_of(track, scene.semantics)
    }
    assert own <= set(shown)
    assert ("…" in shown) == (not every <= set(shown))
    assert len(text) == width


def test_the_legend_leaves_out_words_then_shares_then_what_letters_mean_then_states(every_row):
    scene = every_row.select(2)
    wide, less, few, letters, narrow = (
        draw_legend(scene, width).text() for width in (260, 180, 152, 112, 40)
    )
    assert "zero 89.1%" in wide
    assert "hole" in wide
    assert "LZ·· 89.1%" in less
    assert "hole" not in less
    assert "L local" in less
    assert "%" not in few
    assert "L local" in few
    assert "L local" not in letters
    assert "%" not in letters
    assert "····" in letters
    assert "…" not in letters
    assert narrow.rstrip().endswith("…")
    # what most of the strip is stays
    assert "LZ··" in narrow
    assert "L··O" in narrow


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_legend_tells_that_only_differences_are_shown(every_row, width):
    scene = every_row.drawn(differences=True)
    assert draw_legend(scene, width).text().endswith("  differences only  ")
    assert "differences" not in draw_legend(every_row, width).text()


@pytest.mark.parametrize("width", [80, 120])
def test_the_legend_of_a_round_trip_tells_what_is_kept(tmp_path, width):
    image, *_ = SCENARIOS["nbd-round-trip"].build(tmp_path)
    disk = load_whole(image)
    scene = Scene(disk, Viewport(disk.size, 54).fit(), by_name("nbd-6.0")).round_trip()
    text = draw_legend(scene.select(2), width).text()
    disk.chain.close()
    assert " kept" in text
    assert "+present" in text
