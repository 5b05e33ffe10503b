"""Data that a file shares with another one: said in words; strips and steps are as they were."""

from __future__ import annotations

import json

import pytest
from pilots import load_whole, without_swatches

from blockstrata.semantics import SWITCH, by_name
from blockstrata_viewer.draw.bars import draw_legend
from blockstrata_viewer.draw.inspector import draw_inspector
from blockstrata_viewer.model.columns import columns_of
from blockstrata_viewer.model.extent_filter import parse_filter
from blockstrata_viewer.model.extent_table import Query, find
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.viewport import Viewport
from blockstrata_viewer.reports.extent import describe

KI = 1 << 10
STORAGE = (
    "32K data, 16K {0}, 16K data, 64K hole, 64K {0}, 32K unwritten, 32K {0}, 64K data, 64K {0}, 128K hole"
)
WORDS = "the file system shares these bytes with another file"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """The same file, parts of which are shared in the first scene and not in the second."""
    path = tmp_path_factory.mktemp("shared") / "image"
    path.write_bytes(bytes(512 * KI))
    disks = []
    for word in ("shared", "data"):
        file = {"driver": "recorded", "filename": str(path), "storage": STORAGE.format(word)}
        disks.append(load_whole("json:" + json.dumps({"driver": "raw", "file": file})))
    yield [Scene(disk, Viewport(disk.size, 64).fit(), by_name("proposed"), "none") for disk in disks]
    for disk in disks:
        disk.chain.close()


def texts(lines):
    return [without_swatches(line).strip() for line in lines]


def test_it_is_said_of_a_place_that_is_shared_and_of_no_other(scenes):
    shared, _ = scenes
    for offset, is_shared in ((40 * KI, True), (50 * KI, False), (70 * KI, False), (300 * KI, False)):
        scene = shared.go_to(offset)
        inside = scene.file_axis()
        assert (WORDS in texts(draw_inspector(scene, 60, 40, side=True))) is is_shared
        said = "This file holds data here, and shares it with another file."
        assert (said in " ".join(texts(draw_inspector(inside, 60, 40, side=True)))) is is_shared
        assert (f"         {WORDS}" in [line.text for line in describe(inside)]) is is_shared


def test_a_file_s_own_axis_counts_it_apart(scenes):
    shared, data = (scene.file_axis() for scene in scenes)
    panel = [line.split() for line in texts(draw_inspector(shared, 60, 40, side=True))]
    assert ["##", "·AO", "data", "112", "KiB", "21.9%"] in panel
    assert ["##", "·AO", "data,", "shared", "176", "KiB", "34.4%"] in panel
    assert "·AO data, shared 34.4%" in texts(draw_legend(shared, 120))[0]
    for scene in (data, *scenes):
        assert "shared" not in " ".join(texts(draw_legend(scene, 120)))


def test_the_table_finds_it(scenes):
    for track, text in ((scenes[0].track, "fact:shared"), (scenes[0].file_axis().track, "state:shared")):
        *_, found = find(track, by_name("proposed"), Query(parse_filter(text)))
        assert (found.matched, found.total) == (4, 176 * KI)


@pytest.mark.parametrize("semantics", SWITCH, ids=lambda each: each.name)
def test_strips_are_the_same(scenes, semantics):
    pairs = [[scene.track for scene in scenes], [scene.file_axis().track for scene in scenes]]
    for shared, data in pairs:
        assert len(shared) > len(data)
        for columns in (7, 64, 200):
            viewport = Viewport(shared.size, columns).fit()
            left, right = (columns_of(track, viewport, semantics) for track in (shared, data))
            assert left.letters == right.letters
            for name in ("amounts", "present", "split", "left", "right"):
                assert (getattr(left, name) == getattr(right, name)).all()


def steps(scene):
    """Return where one comes by going from change to change."""
    found, track, run = [], scene.track, 0
    while (run := track.change(run, scene.semantics, 1)) is not None:
        found.append(track.bounds(run)[0] // KI)
    return found


def test_changes_of_state_are_the_same_to_the_guest(scenes):
    shared, data = scenes
    assert steps(shared) == steps(data) == [64, 128, 192, 224, 384]
