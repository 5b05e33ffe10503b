"""The title and the keys, drawn without an app, and what a click on the bars does."""

from __future__ import annotations

import pytest
from pilots import load_whole, without_swatches

from blockstrata.semantics import by_name
from blockstrata_viewer.app.bindings import footer_keys
from blockstrata_viewer.draw.bars import draw_keys, draw_legend, draw_title
from blockstrata_viewer.draw.inspector import draw_inspector
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.viewport import Viewport
from blockstrata_viewer.scenarios import SCENARIOS


def scene_of(disk, semantics="proposed"):
    return Scene(disk, Viewport(disk.size, 54).fit(), by_name(semantics), "none")


def clicks(lines):
    """Return what a click does on each text that has a click of its own, in reading order."""
    found = []
    for line in lines:
        text = without_swatches(line)
        for x, char in enumerate(text):
            action = line.action_at(x)
            if not action:
                continue
            if x and line.action_at(x - 1) == action:
                found[-1][0] += char
            else:
                found.append([char, action])
    return [(text.strip(), action) for text, action in found]


@pytest.mark.parametrize(
    ("semantics", "words"),
    [
        ("historic", "[today] proposed  nbd "),
        ("proposed", " today [proposed] nbd "),
        ("nbd-2018", " today  proposed [nbd 2018]"),
        ("nbd-6.0", " today  proposed [nbd 6.0]"),
    ],
)
@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_switch_says_today_proposed_nbd(demo_disk, semantics, words, width):
    title = draw_title(scene_of(demo_disk, semantics), width)
    assert title.text().endswith(f"{words} ")
    chosen = semantics if semantics.startswith("nbd") else "nbd-6.0"
    expected = ["under('historic')", "under('proposed')", f"under('{chosen}')"]
    assert [action for _, action in clicks([title])] == expected


def test_the_title_is_as_long_as_there_is_room(demo_disk):
    scene = scene_of(demo_disk)
    short, middle, long = (draw_title(scene, width).text() for width in (80, 120, 200))
    assert short.startswith(" ▚ blockstrata   web01-active.qcow2   3 layers  ")
    assert "3 layers  ·  64 MiB virtual  ·  13.9 MiB stored" in middle
    assert "flags" in long


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_way_back_is_named(tmp_path, width):
    image, *_ = SCENARIOS["nbd-round-trip"].build(tmp_path)
    disk = load_whole(image)
    trip, file = scene_of(disk, "nbd-6.0").round_trip(), scene_of(disk).file_axis()
    disk.chain.close()
    assert "nas01-tue.qcow2   round trip, r goes back  " in draw_title(trip, width).text()
    assert "the file of layer 0, v goes back  " in draw_title(file, width).text()
    keys = footer_keys()
    for scene, key, action in ((trip, "r", "round_trip"), (file, "v", "turn('axis.file')")):
        footer = draw_keys(scene, width, keys, "")
        assert footer.text().startswith(f"  {key} back  ← → move")
        assert clicks([footer])[0][1] == action
    assert " back" not in draw_keys(scene_of(disk), width, keys, "").text()


def test_states_and_layers_are_buttons(demo_disk):
    scene = scene_of(demo_disk).go_to(37 << 20)
    assert clicks(draw_legend(scene, 200))[:2] == [
        ("## L·AO data 7.9%", "isolate('L·AO')"),
        ("## L·A· compressed 8.3%", "isolate('L·A·')"),
    ]
    sample = [each for each in clicks(draw_inspector(scene, 46, 46, side=True)) if "choose" in each[1]]
    assert [action for _, action in sample[:3]] == ["choose(0)", "choose(1)", "choose(2)"]
    assert "web01-monday.qcow2" in sample[1][0]


def test_a_hidden_state_has_no_swatch_in_the_legend(demo_disk):
    text = without_swatches(draw_legend(scene_of(demo_disk).hide("L·AO"), 200)[0])
    assert text.startswith("     L·AO data 7.9%  ## L·A· compressed 8.3%")
