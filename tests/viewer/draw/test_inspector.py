"""The inspector, drawn without an app: what it says of a place, in words and to the byte."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from pilots import load_whole, without_swatches

from blockstrata.semantics import by_name
from blockstrata_viewer.draw.inspector import draw_inspector
from blockstrata_viewer.draw.lines import shorten, shorten_all
from blockstrata_viewer.model.sample import core_sample
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.viewport import Viewport
from blockstrata_viewer.scenarios import SCENARIOS

MIB = 1 << 20
UNDER = {80: 7, 120: 9}
"""Rows under the chain by columns."""


def scene_of(disk, semantics="proposed", **changes):
    return Scene(disk, Viewport(disk.size, 54).fit(), by_name(semantics), "none", **changes)


@pytest.fixture(scope="module")
def chain_of_eight(tmp_path_factory):
    (image,) = SCENARIOS["long-chain"].build(tmp_path_factory.mktemp("long"))
    disk = load_whole(image)
    yield disk
    disk.chain.close()


def under(scene, width):
    lines = draw_inspector(scene, width, UNDER[width], side=False)
    assert [len(line.text()) for line in lines] == [width] * UNDER[width]
    parts = [without_swatches(line).split(" │ ") for line in lines]
    return [left.rstrip() for left, _ in parts], [right.rstrip() for _, right in parts]


def beside(scene, height=46):
    return [without_swatches(line).rstrip() for line in draw_inspector(scene, 46, height, side=True)]


def test_in_eighty_columns_nothing_is_lost(demo_disk):
    extent, sample = under(scene_of(demo_disk).go_to(37 * MIB), 80)
    assert extent == [
        "  EXTENT  web01-active.qcow2",
        "  The guest reads zeroes from …golden.raw.",
        "  ## proposed ···· falls through",
        "  ## today    ···  falls through",
        "  bytes   0x000002440000 – 0x000002be0000",
        "          7.625 MiB at 36.25 MiB",
        "  host    none  unallocated",
    ]
    assert [line.rstrip() for line in sample] == [
        "CORE SAMPLE  at 37 MiB",
        "▌ ## ···· web01-active.qcow2",
        "▌ ## ···· web01-monday.qcow2",
        "▌ ## LZ·O …ian-golden.raw ◀ guest",
        *[""] * 3,
    ]


def test_in_a_hundred_and_twenty_columns_words_go_on(demo_disk):
    extent, sample = under(scene_of(demo_disk, selected=2).go_to(8 * MIB + 123), 120)
    assert extent[0].startswith("  EXTENT  debian-golden.raw  extent ")
    assert extent[1].startswith("  ")
    assert " present " in "".join(extent)
    assert extent[-2].endswith(" long")
    assert sample[0] == "CORE SAMPLE  at 8,388,731 B"
    assert any(line.endswith("◀ the guest reads this") for line in sample)


@pytest.mark.parametrize(
    ("offset", "selected", "said"),
    [
        (0, 0, "This layer holds nothing here. The guest reads zeroes from debian-golden.raw."),
        (0, 2, "The guest reads zeroes from this layer."),
        (0, GUEST, "The guest reads zeroes from debian-golden.raw."),
        (16 << 10, GUEST, "The guest reads data from debian-golden.raw."),
        (1792 << 10, 0, "The guest reads data from this layer."),
        (1792 << 10, 2, "A layer above hides this one here. The guest reads data from web01-active.qcow2."),
        (9280 << 10, GUEST, "The guest reads zeroes from web01-active.qcow2."),
        (57344 << 10, 0, "No layer below reaches here. The guest reads zeroes."),
        (56 << 20, 2, "No layer below reaches here. The guest reads zeroes."),
        (54 << 20, 2, "This layer ends before here. The guest reads"),
    ],
)
def test_what_lies_under_the_cursor_is_a_sentence(demo_disk, offset, selected, said):
    lines = beside(scene_of(demo_disk, selected=selected).go_to(offset))
    assert said in " ".join(" ".join(lines[:6]).split())


def test_the_panel_has_one_unit(demo_disk):
    for offset in range(0, 64 * MIB, 3 * MIB + 77 * 512):
        for selected in (GUEST, 0, 1, 2):
            lines = beside(scene_of(demo_disk, selected=selected).go_to(offset))
            end = lines.index(next(line for line in lines if line.startswith(("  LAYER", "  GUEST"))))
            units = set(re.findall(r"[0-9] ([KMG]iB|B)\b", "\n".join(lines[:end])))
            assert len(units) == 1, lines


def test_shares_and_sizes_add_up_as_they_are_shown(demo_disk):
    for selected in (GUEST, 0, 1, 2):
        parts = "\n".join(beside(scene_of(demo_disk, selected=selected))).split("\n\n")
        parts = [part for part in parts if "share of" in part]
        assert len(parts) == 2
        for part in parts:
            whole, *sizes = re.findall(r"([0-9.]+) MiB", part)
            assert sum(map(Decimal, sizes)) == Decimal(whole), part
            assert sum(map(Decimal, re.findall(r"([0-9.]+)%", part))) == 100, part


def test_parts_beside_the_chain_follow_each_other(demo_disk):
    lines = beside(scene_of(demo_disk).go_to(37 * MIB))
    heads = [nth for nth, line in enumerate(lines) if re.match(r"  [A-Z]{4}", line)]
    names = [lines[nth].split("  ")[1] for nth in heads]
    assert names == ["EXTENT", "CORE SAMPLE", "LAYER", "SUPPLIED BY", "FLAGS"]
    assert lines[heads[-1] :][:5] == [
        "  FLAGS  proposed",
        "  L local        from here, not from below",
        "  Z zero         reads as zeroes",
        "  A alloc        storage is reserved",
        "  O offset_valid the host offset is valid",
    ]
    for head in heads[1:]:
        assert lines[head - 1] == ""
        assert lines[head - 2] != ""


def test_a_sample_says_in_one_row_what_many_layers_do(chain_of_eight):
    scene = scene_of(chain_of_eight, selected=7).go_to(511 << 10)
    found = core_sample(scene, 0, 9)
    assert [(each.depths, each.does) for each in found.rows] == [
        (range(1), ""),
        (range(1, 7), "defer"),
        (range(7, 8), ""),
    ]
    _, sample = under(scene, 120)
    assert sample[2] == "▌ ## 6 layers defer ▸"
    # whatever is selected is not folded away
    found = core_sample(scene.select(2), 0, 9)
    assert range(2, 3) in [each.depths for each in found.rows]


@pytest.mark.parametrize("room", range(1, 9))
@pytest.mark.parametrize("offset", [0, 100 << 10, 300 << 10, 511 << 10])
@pytest.mark.parametrize("selected", [GUEST, 0, 4, 7])
def test_the_layer_that_answers_is_always_in_the_sample(chain_of_eight, room, offset, selected):
    scene = scene_of(chain_of_eight, selected=selected).go_to(offset)
    guest = scene.disk.guest
    answers = int(guest.view.source[guest.run_at(offset)])
    rows, above, below = core_sample(scene, answers, room)
    assert any(answers in each.depths for each in rows)
    assert len(rows) + (below > 0) <= max(room, 2)
    # none is missing without being counted
    shown = [depth for each in rows for depth in each.depths]
    assert shown == list(range(above, 8 - below))


def test_names_keep_their_telling_end():
    assert shorten("web01-snap-0812.qcow2", 21) == "web01-snap-0812.qcow2"
    assert shorten("web01-snap-0812.qcow2", 16) == "…snap-0812.qcow2"
    assert shorten("web01-snap-0812.qcow2", 10) == "…nap-0812…"
    assert shorten("web01-snap-0812.qcow2", 1) == "…"
    assert shorten("web01-snap-0812.qcow2", 0) == ""
    assert shorten("日本語の名前.raw", 10) == "…名前.raw"
    names = ("web01-snap-0811.qcow2", "web01-snap-0812.qcow2")
    assert shorten_all(names, 12) == ("…-0811.qcow2", "…-0812.qcow2")
    # where only their start tells them apart, that stays
    assert shorten_all(("monday-web01.qcow2", "friday-web01.qcow2"), 10) == ("monday-we…", "friday-we…")


@pytest.mark.parametrize("width", [80, 120])
def test_a_round_trip_says_what_each_station_is(tmp_path, width):
    image, *_ = SCENARIOS["nbd-round-trip"].build(tmp_path)
    disk = load_whole(image)
    scene = scene_of(disk, "nbd-6.0").round_trip()
    extent, account = under(scene, width)
    disk.chain.close()
    assert extent[0].startswith("  EXTENT  difference")
    stations = [line.split() for line in extent if line.startswith("  ## ")]
    assert [words[1] for words in stations] == ["image", "sent", "client", "result"]
    assert account[0].startswith("ROUND TRIP  NBD of QEMU since 6.")
    gained = next(line for line in account if line.startswith("gained"))
    assert gained.startswith("gained  +present  0.13 MiB, 3 ex")
    assert "kept    0.87 MiB  15 extents" in account
    assert "lost" not in "\n".join(account)
    assert "runs" not in "\n".join(extent + account)
