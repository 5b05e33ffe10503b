"""Places, and the way back and forward through them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pilots import load_whole

from blockstrata.formats.qcow2.author import Image, write_image
from blockstrata.semantics import by_name
from blockstrata.semantics.proposed import PROPOSED
from blockstrata_viewer.model.history import History, Place, at_place, place_of
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.viewport import Viewport


@pytest.fixture
def scene(demo_disk):
    return Scene(demo_disk, Viewport(demo_disk.size, 90).fit(), PROPOSED)


def _places(*offsets):
    return [Place(Viewport(1 << 20, 64).fit(), offset, 0) for offset in offsets]


def test_back_and_forward_lead_through_the_same_places():
    a, b, c = _places(0, 1, 2)
    history = History().leaving(a).leaving(b)
    history, place = history.back(c)
    assert place == b
    history, place = history.back(b)
    assert place == a
    assert history.back(a) is None
    history, place = history.forward(a)
    assert place == b
    history, place = history.forward(b)
    assert place == c
    assert history.forward(c) is None


def test_a_new_way_ends_the_one_that_one_came_back_from():
    a, b, c = _places(0, 1, 2)
    history, _ = History().leaving(a).back(b)
    history = history.leaving(a)
    assert history.forward(c) is None
    assert history.back(c)[1] == a


def test_where_one_is_already_is_no_step_back():
    a, b = _places(0, 1)
    history = History().leaving(a).leaving(b)
    assert history.back(b)[1] == a
    assert History().leaving(a).back(a) is None


def test_a_history_is_bounded():
    history = History()
    for place in _places(*range(1000)):
        history = history.leaving(place)
    assert len(history.past) < 1000
    assert history.past[-1].cursor == 999


def test_a_place_is_the_window_the_byte_and_the_track_and_not_the_flags(scene):
    there = scene.go_to(20 << 20).closer(64 << 10).select(1)
    place = place_of(there)
    elsewhere = scene.select(GUEST).under(by_name("nbd"))
    found = at_place(elsewhere, place)
    assert place_of(found) == place
    assert found.semantics.name == "nbd-6.0"


def test_a_place_on_a_smaller_disk_is_the_nearest_one(scene, tmp_path):
    image = tmp_path / "small.qcow2"
    write_image(image, Image(1 << 20), {})
    disk = load_whole(str(image))
    small = Scene(disk, Viewport(disk.size, 90).fit(), PROPOSED)
    far = at_place(small, place_of(scene.go_to(60 << 20).closer(4096).select(2)))
    assert (far.cursor, far.selected, far.viewport.cell) == (disk.size - 1, 0, 4096)
    assert 0 <= far.viewport.column_of(far.cursor) < 90
    assert at_place(small, place_of(scene)).viewport.is_whole
    disk.chain.close()


def test_a_place_is_seen_in_a_window_of_another_width(scene):
    place = place_of(scene.go_to(50 << 20).closer(64 << 10))
    narrow = at_place(scene.resize(30), place)
    assert narrow.viewport.columns == 30
    assert narrow.viewport.cell == 64 << 10
    assert 0 <= narrow.viewport.column_of(narrow.cursor) < 30


def test_a_place_on_another_axis_is_entered_again(scene):
    in_file = scene.select(1).go_to(31 << 20).file_axis().go_to(4096)
    on_trip = scene.select(GUEST).round_trip().go_to(8 << 20)
    for there in (in_file, on_trip):
        place = place_of(there)
        back = at_place(scene, place)
        assert place_of(back) == place
        assert (back.disk.is_file, back.disk.round_trip is None) == (there is in_file, there is in_file)
        assert at_place(back, place).disk is back.disk, "and not made anew where one is there"
    assert at_place(in_file, place_of(scene)).entered_from is None


def test_a_step_inside_a_cell_is_followed_to_where_it_is_seen(scene):
    before = scene.go_to(30 << 20)
    after = before.go_to(before.cursor + 4096)
    assert before.viewport.column_of(before.cursor) == after.viewport.column_of(after.cursor)
    seen = after.seen_from(before)
    column = seen.viewport.column_of
    assert column(seen.cursor) - column(before.cursor) == 1
    assert after.seen_from(after) is after
    far = before.go_to(40 << 20)
    assert far.seen_from(before) is far


def test_the_window_is_centred_and_keeps_the_cursor(scene):
    near = scene.closer(64 << 10)
    looking = near.look_at(32 << 20)
    assert looking.viewport.column_of(32 << 20) == 45
    assert looking.cursor == looking.viewport.start
    assert replace(near, viewport=looking.viewport) != near
    assert near.look_at(0).viewport.start == 0
    assert scene.look_at(32 << 20).cursor == 32 << 20, "the whole disk is in view"
