"""The legend, drawn without an app."""

from __future__ import annotations

import re

import pytest
from pilots import load_whole, without_swatches

from blockstrata.semantics import SEMANTICS, by_name
from blockstrata_viewer.draw.bars import draw_legend, legend_rows
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.viewport import Viewport
from blockstrata_viewer.scenarios import SCENARIOS


@pytest.fixture(scope="module")
def every_row(tmp_path_factory):
    """The scenario with the most states."""
    (image,) = SCENARIOS["every-row"].build(tmp_path_factory.mktemp("rows"))
    disk = load_whole(image)
    yield Scene(disk, Viewport(disk.size, 54).fit(), by_name("proposed"), "none")
    disk.chain.close()


def states_of(track, semantics):
    totals = zip(track.states(semantics), track.shares.totals().tolist(), strict=True)
    return {state for state, total in totals if total}


def legend(scene, width):
    lines = draw_legend(scene, width, legend_rows(scene, width))
    assert all(len(line.text()) == width for line in lines)
    return [without_swatches(line) for line in lines]


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("width", [40, 80, 100, 120, 200])
def test_the_legend_has_every_state_in_words_or_says_how_many_more(every_row, depth, width):
    scene = every_row.select(depth)
    text = "".join(legend(scene, width))
    every = {
        (state.letters, state.short)
        for track in (scene.disk.guest, *scene.disk.tracks)
        for state in states_of(track, scene.semantics)
    }
    shown = {(letters, short) for letters, short in every if f" {letters} " in text and f" {short} " in text}
    missing = re.findall(r"… (\d+) more", text)
    assert (shown == every) == (not missing)
    assert missing == [] or len(every) - len(shown) in (int(missing[0]), int(missing[0]) + 1)
    # letters never stand alone
    assert not re.search(r"[LZAO·]{4} +(##|…)", text)


def test_shares_go_before_states_and_what_most_of_the_strip_is_stays(every_row):
    scene = every_row.select(2)
    assert legend(scene, 160)[0].startswith("  ## L·AO data  ## L·A· compressed  ## L·A· encrypted  ## LZAO")
    assert "## LZ·· zero 89.1%" in "".join(legend(scene, 200))
    assert "%" not in "".join(legend(scene, 80))
    assert re.search("[a-z] … [0-9] more$", legend(scene, 80)[1].rstrip())
    for width in (80, 40):
        assert "## LZ·· zero" in "".join(legend(scene, width))
    assert "L local · Z zero · A alloc · O offset_valid" in legend(scene, 160)[1]


def test_shares_in_the_legend_add_up(demo_disk):
    for semantics in SEMANTICS:
        for selected in (-1, 0, 1, 2):
            scene = Scene(demo_disk, Viewport(demo_disk.size, 54).fit(), semantics, "none", selected=selected)
            shares = re.findall(r" ([0-9]+)\.([0-9])%", "".join(legend(scene, 200)))
            assert sum(10 * int(whole) + int(tenth) for whole, tenth in shares) == 1000


def test_the_legend_has_one_height_whatever_is_selected_today_or_proposed(demo_disk):
    scene = Scene(demo_disk, Viewport(demo_disk.size, 54).fit(), by_name("proposed"), "none")
    for width in range(40, 220, 7):
        changed = [scene.select(depth).under(each) for depth in (-1, 0, 1, 2) for each in SEMANTICS]
        assert len({legend_rows(each, width) for each in changed}) == 1


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_legend_tells_that_only_differences_are_shown(every_row, width):
    scene = every_row.drawn(differences=True)
    assert legend(scene, width)[0].endswith("  differences only  ")
    assert "differences" not in "".join(legend(every_row, width))


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_legend_of_a_round_trip_has_no_state_twice(tmp_path, width):
    image, *_ = SCENARIOS["nbd-round-trip"].build(tmp_path)
    disk = load_whole(image)
    scene = Scene(disk, Viewport(disk.size, 54).fit(), by_name("nbd-6.0"), "none").round_trip()
    text = "".join(legend(scene.select(2), width))
    disk.chain.close()
    assert " kept" in text
    assert "+present gained" in text
    assert "## D·O ·· data" in text
    words = re.findall(r"## (?:[·A-Z]+ )*([a-z+][a-z, ]*[a-z])", text)
    assert len(words) == len(set(words)) == 9
