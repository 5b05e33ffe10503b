"""The extent table as it is drawn: what there is room for, and that nothing is cut without a sign."""

from __future__ import annotations

import itertools

import pytest

from blockstrata.semantics import by_name
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.extent_rows import HEAD, Look, columns_of, draw_extents
from blockstrata_viewer.model.extent_filter import parse_filter
from blockstrata_viewer.model.extent_table import Query, find, row_of
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.viewport import Viewport


def scene_of(disk, selected=0, semantics="proposed", colours="none"):
    scene = Scene(disk, Viewport(disk.size, 50).fit(), by_name(semantics), colours)
    return scene.select(selected)


@pytest.mark.parametrize("selected", [GUEST, 0, 2])
@pytest.mark.parametrize("semantics", ["proposed", "historic", "nbd-6.0"])
@pytest.mark.parametrize("width", [24, 30, 40, 60, 80, 100, 120, 160, 240])
def test_a_row_says_what_it_says_or_that_something_is_missing(demo_disk, width, semantics, selected):
    scene = scene_of(demo_disk, selected, semantics)
    track = scene.track
    look = Look(Query(), list(find(track, scene.semantics, Query()))[-1], 20, 22)
    lines = draw_extents(scene, look, width, 12)
    assert len(lines) == 12
    columns = columns_of(scene, width)
    assert all(each.width > 0 and each.x + each.width <= width - 2 for each in columns)
    places = [(each.x, each.x + each.width) for each in columns]
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(places))
    for run, line in zip(range(20, 30), lines[HEAD:], strict=True):
        row = row_of(track, run, scene.semantics)
        said = {each.key: line.text()[each.x : each.x + each.width].strip() for each in columns}
        assert said["start"] == f"{row.start:#x}"
        assert said.get("length", format_size(row.length)) == format_size(row.length)
        assert said["letters"].endswith(row.state.letters)
        assert said.get("number", f"{run + 1}") == f"{run + 1}"
        if words := said.get("words"):
            assert words in (row.state.words, row.state.short) or words.endswith("…")
        host = "-" if row.host is None else f"{row.host:#x}"
        assert said.get("host", host) == host
        assert said.get("fact", row.fact) == row.fact
        assert said.get("layer", f"{row.layer.depth} ").startswith(f"{row.layer.depth} ")
        assert said.get("depth", f"{row.layer.depth}") == f"{row.layer.depth}"
        assert ("▶" in line.text()) == (run == 22)
    if width >= 80:
        assert {"start", "length", "letters", "words", "host"} <= {each.key for each in columns}
    if width >= 160:
        assert {"number", "fact"} <= {each.key for each in columns}
        assert selected != GUEST or "layer" in {each.key for each in columns}


@pytest.mark.parametrize("width", [24, 40, 60, 80, 120])
def test_the_head_says_how_many_and_how_much(demo_disk, width):
    scene = scene_of(demo_disk)
    query = Query(parse_filter("state:zero size>100k"))
    found = list(find(scene.track, scene.semantics, query))[-1]
    head = draw_extents(scene, Look(query, found), width, 8)[0].text().strip()
    whole = f"EXTENTS  {len(found)} of {len(scene.track)} match · {format_size(found.total)}"
    assert head.startswith(whole) or head.endswith("…")
    assert width < 80 or "/ state:zero size>100k" in head


def test_where_an_extent_is_on_the_disk(demo_disk):
    scene = scene_of(demo_disk)
    found = list(find(scene.track, scene.semantics, Query()))[-1]
    last = len(found) - 1
    for run in (0, last // 2, last):
        line = draw_extents(scene, Look(Query(), found, run), 160, HEAD + 1)[-1].text()
        place = columns_of(scene, 160)[-1]
        drawn = line[place.x : place.x + place.width]
        start, end = scene.track.bounds(run)
        assert set(drawn) == {"─", "█"}
        assert drawn.index("█") == start * place.width // demo_disk.size
        assert drawn.rindex("█") == -(-end * place.width // demo_disk.size) - 1
