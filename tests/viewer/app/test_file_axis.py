"""A layer's file on its own axis: whose file it is, and where one is on the way back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pilots import load_whole

from blockstrata.facts.codes import NO_HOST
from blockstrata.formats.qcow2.author import Data, Image, ZeroPlain, write_image
from blockstrata.semantics import by_name
from blockstrata_viewer.app.bindings import KEYS_BY_ID
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.viewport import Viewport

CLUSTER = 512


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """Three layers that store other clusters at the same offsets of their files."""
    work = tmp_path_factory.mktemp("axis")
    backing = None
    for name, used in (("base", (1, 4, 7, 2)), ("middle", (5, 8, 3)), ("top", (9, 6, 0))):
        clusters = {10: ZeroPlain()} | {cluster: Data(b"x") for cluster in used}
        image = Image(64 * CLUSTER, cluster_bits=9, backing=backing, backing_format=backing and "qcow2")
        write_image(work / f"{name}.qcow2", image, clusters)
        backing = f"{name}.qcow2"
    whole = load_whole(str(work / "top.qcow2"))
    yield whole
    whole.chain.close()


def scene_of(disk, selected, cursor=0):
    viewport = Viewport(disk.size, 100).fit()
    return Scene(disk, viewport, by_name("historic"), selected=selected).go_to(cursor)


def stored(disk, selected):
    """Return the guest's byte for each layer and host byte, of those that a track has at sector starts."""
    view = disk.track(selected).view
    edges, hosts = view.extents.edges.tolist(), view.extents.host.tolist()
    return {
        (source, host + at): edges[run] + at
        for run, (source, host) in enumerate(zip(view.source.tolist(), hosts, strict=True))
        for at in range(0, edges[run + 1] - edges[run], CLUSTER)
        if host != NO_HOST
    }


@pytest.mark.parametrize("selected", [GUEST, 0, 1, 2])
def test_the_way_out_of_a_file_leads_to_the_byte_that_is_stored_there(disk, selected):
    found = stored(disk, selected)
    layers = {layer for layer, _ in found}
    assert layers == ({0, 1, 2} if selected == GUEST else {selected})
    # the same bytes of each file, so that to take one for another shows
    assert selected != GUEST or len({host for _, host in found}) < len(found)
    for (layer, _), entered in found.items():
        inside = scene_of(disk, selected, entered + 5).file_axis()
        assert inside.disk.is_file
        assert inside.file_depth == layer
        assert inside.disk.layers[0].node is disk.layers[layer].node.host
        for (other, host), guest in found.items():
            if other == layer:
                out = inside.go_to(host + 7).leave()
                assert (out.cursor, out.selected, out.disk) == (guest + 7, selected, disk)


@pytest.mark.parametrize("selected", [GUEST, 0, 1, 2])
def test_where_nothing_of_the_track_is_stored_one_is_back_where_one_was(disk, selected):
    inside = scene_of(disk, selected, 11 * CLUSTER).file_axis()
    # the header
    assert inside.go_to(3).leave().cursor == 11 * CLUSTER


def test_what_is_stored_nowhere_enters_at_the_start_of_the_file(disk):
    inside = scene_of(disk, 1, 10 * CLUSTER + 9).file_axis()
    assert (inside.cursor, inside.file_depth) == (0, 1)
    assert scene_of(disk, 1, 10 * CLUSTER).leave().cursor == 10 * CLUSTER


@pytest.mark.parametrize("enter", [Scene.file_axis, Scene.round_trip])
def test_states_that_are_shown_alone_are_those_of_one_axis(disk, enter):
    """On another axis there are no such letters: all strips would be empty, and the legend mark nothing."""

    def clear(each):
        return KEYS_BY_ID["clear"].does(each, 1)

    scene = replace(scene_of(disk, 0).isolate("DO"), hover=CLUSTER)
    inside = enter(scene)
    assert (inside.isolated, inside.hidden, inside.hover) == ("", frozenset(), None)
    for change in (lambda each: each.isolate("other"), lambda each: each.hide("other"), clear):
        inside = change(inside)
        assert inside.chain_scene.isolated == "DO"
    assert inside.hidden == frozenset()
    back = enter(inside)
    assert (back.isolated, back.hover) == ("DO", None)
    hidden = enter(enter(scene.hide("Z")).hide("other"))
    assert hidden.hidden == {"Z"}
