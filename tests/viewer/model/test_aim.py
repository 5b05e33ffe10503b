"""The command that leads to a view: what of it is written, and how."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

from blockstrata.access import Access, Consent, Probe
from blockstrata.errors import BadRangeError
from blockstrata.semantics.proposed import PROPOSED
from blockstrata_viewer.model.aim import (
    Aim,
    aim_of,
    image_words,
    left_out,
    opening_words,
    quoted,
    view_command,
)
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.viewport import Viewport


@pytest.fixture
def scene(demo_disk):
    return Scene(demo_disk, Viewport(demo_disk.size, 90).fit(), PROPOSED)


def test_an_aim_leads_to_where_it_was_taken(scene):
    views = [
        scene,
        scene.go_to(30 << 20).zoom(5).select(GUEST),
        scene.go_to(30 << 20).zoom(5).pan(17).select(2),
        scene.go_to(30 << 20).fit_range(29 << 20, 33 << 20),
        scene.go_to(63 << 20).zoom(9).move(200).zoom(-2),
    ]
    for view in views:
        again = aim_of(view).of(scene, "disk")
        assert (again.viewport, again.cursor, again.selected) == (view.viewport, view.cursor, view.selected)
    assert aim_of(scene) == Aim()
    assert aim_of(views[1]).start is None, "only where it does not follow from the others"
    assert aim_of(views[2]).start is not None


@pytest.mark.parametrize("aim", [Aim(at=64 << 20), Aim(layer=3), Aim(start=64 << 20)])
def test_what_is_not_there_is_an_error(scene, aim):
    with pytest.raises(BadRangeError):
        aim.of(scene, "disk")


def test_only_options_that_are_needed_are_written():
    assert opening_words(Opening()) == []
    access = Access(Probe.FIEMAP, frozenset(Consent), timeout=5)
    words = opening_words(Opening(access, "qcow2", image_opts=False, snapshot="a b", memory=1 << 20))
    assert words == [
        *("-f", "qcow2", "--snapshot", "a b", "--storage", "fiemap", "--timeout", "5"),
        *("--follow-remote", "--via-qemu", "--memory", "1048576"),
    ]
    assert opening_words(Opening(image_opts=True)) == ["--image-opts"]


def test_a_name_is_quoted_and_never_taken_for_a_command_or_an_option(scene):
    assert image_words("map", Opening()) == ["./map"]
    assert image_words("-x.qcow2", Opening()) == ["./-x.qcow2"]
    assert image_words("dir/a.qcow2", Opening()) == ["dir/a.qcow2"]
    assert image_words("driver=raw", Opening(image_opts=True)) == ["driver=raw"]
    name = "it's $HOME; `x`.qcow2"
    command = view_command(name, Opening(), scene)
    assert shlex.split(command)[:2] == ["blockstrata", name]


@pytest.mark.live("bash")
def test_a_shell_reads_any_name_from_printable_characters():
    names = [b"a b", b"-", b"", "\u4e2d'\u00fc".encode(), b"x-\xff7.raw", b"\x1b[2J\x03\n'\\$HOME `x`\t1"]
    line = quoted(*map(os.fsdecode, names))
    assert line.isprintable()
    read = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True, timeout=20
    )
    assert read.stdout.split(b"\0")[:-1] == names


def test_a_demo_is_named_with_the_options_that_it_takes(scene):
    asked, said = Opening(Access(Probe.FIEMAP), memory=1 << 20), ("demo", "staircase")
    command = shlex.split(view_command("/tmp/top.qcow2", asked, scene, said))
    assert command[:6] == ["blockstrata", "demo", "staircase", "--memory", "1048576", "--at"]
    assert left_out(asked, scene.drawn(folded=True), said) == "how files are asked (w), folded layers (c)"
    assert "--storage" in view_command("/tmp/top.qcow2", asked, scene)
    assert left_out(asked, scene) == ""
