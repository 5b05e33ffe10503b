"""Every scenario builds, is the same each time, and is what it says it is, by QEMU's own word."""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from oracle import Answer, Question, difference, our_answer
from recipe import SECRET

from blockstrata.facts.codes import (
    DEFERRING,
    NO_HOST,
    SYNTHESISED,
    Mapping,
    Storage,
    Traits,
    fact,
    mapping_of,
    storage_of,
)
from blockstrata.graph.chain import open_chain
from blockstrata.guest.merge import alone, in_place, merged
from blockstrata.naming.drivers import RECORDED
from blockstrata.naming.options import merge
from blockstrata.questions.faults import faults_in, tail
from blockstrata.questions.round_trip import round_trip
from blockstrata.semantics.historic import HISTORIC
from blockstrata.semantics.nbd import WIRES, wire_of
from blockstrata.semantics.proposed import FORMAT_ROWS, PROPOSED, PROTOCOL_ROWS
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.lessons import lessons
from blockstrata_viewer.lessons.course import Shelf
from blockstrata_viewer.reports.trace import map_line, trace
from blockstrata_viewer.scenarios import DEFAULT, SCENARIOS, Scenario
from blockstrata_viewer.scenarios.picture import blocks, clusters, units
from blockstrata_viewer.scenarios.web_server import Area, scatter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blockstrata.graph.chain import Chain, Layer

ROOT = Path(__file__).parents[3]
live = pytest.mark.live("qemu-img")
each = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))

MOST_STORED = {"web-server": 16 << 20}
"""Bytes that a scenario may occupy, where that is not 2 MiB."""


def qemu_img(*arguments: object, cwd: Path | None = None) -> str:
    done = subprocess.run(
        ["qemu-img", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60, cwd=cwd
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def name_of(options: dict[str, object]) -> str:
    return f"json:{json.dumps(options)}"


def options_of(image: str) -> dict[str, object]:
    """Return a scenario's image as block device options that QEMU has."""
    if not image.startswith("json:"):
        return {"driver": "qcow2", "file": {"driver": "file", "filename": image}}
    options: dict[str, object] = json.loads(image.removeprefix("json:"))
    file = options.get("file")
    if isinstance(file, dict) and file["driver"] == RECORDED:
        options["file"] = {"driver": "file", "filename": file["filename"]}
    return options


def layers_of(image: str) -> Iterator[dict[str, object]]:
    """Yield the options by which QEMU opens each layer of a chain alone, as QEMU names them."""
    options = options_of(image)
    while True:
        over = options.pop("backing", None)
        if options["driver"] == "qcow2":
            options["backing"] = None
        info = json.loads(qemu_img("info", "--output=json", name_of(options)))
        if info.get("encrypted"):
            options["encrypt"] = {"key-secret": "key"}
        yield options
        if "backing-filename" not in info:
            return
        name, driver = info["full-backing-filename"], info["backing-filename-format"]
        if name.startswith("json:"):
            options = json.loads(name.removeprefix("json:"))
        else:
            options = {"driver": driver, "file": {"driver": "file", "filename": name}}
        options = merge(options, over if isinstance(over, dict) else {}, name)


def chain_of(layers: list[dict[str, object]]) -> dict[str, object]:
    """Return layers one on another, as one node."""
    whole = layers[-1]
    for layer in reversed(layers[:-1]):
        whole = {**layer, "backing": whole}
    return whole


def runs_of(path: Path, *, alone: bool = False) -> list[dict[str, int | bool]]:
    node = {"driver": "qcow2", "file": {"driver": "file", "filename": str(path)}, "backing": None}
    entries: list[dict[str, int | bool]] = json.loads(
        qemu_img("map", "--output=json", name_of(node) if alone else path)
    )
    return entries


def letters(run: dict[str, int | bool]) -> str:
    return "".join(
        letter if run.get(key, False) is not False else letter.lower()
        for letter, key in [("P", "present"), ("Z", "zero"), ("D", "data"), ("O", "offset")]
    )


def disk_usage(directory: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in directory.iterdir())


# ---------------------------------------------------------------- what holds for all


def test_the_default_is_one_of_them() -> None:
    assert DEFAULT == "web-server"
    assert DEFAULT in SCENARIOS
    assert [scenario.name for scenario in SCENARIOS.values()] == list(SCENARIOS)
    assert len(SCENARIOS) >= 12


@each
def test_is_said_in_one_sentence(scenario: Scenario) -> None:
    assert scenario.summary.endswith(".")
    assert not any(mark in scenario.summary[:-1] for mark in (". ", "!", "?", "\n"))
    # a line of the list has 100 columns
    assert len(scenario.name) < 16
    assert len(scenario.summary) <= 84
    assert scenario.title


@each
def test_is_small_and_the_same_each_time(tmp_path: Path, scenario: Scenario) -> None:
    built = []
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        images = scenario.build(directory)
        assert images
        assert disk_usage(directory) <= MOST_STORED.get(scenario.name, 2 << 20)
        assert {file.name for file in directory.iterdir()} == set(scenario.files)
        built.append({file.name: file.read_bytes() for file in directory.iterdir()})
        assert str(directory).encode() not in b"".join(built[-1].values())
    assert built[0] == built[1]


@each
def test_can_be_moved(tmp_path: Path, scenario: Scenario) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    images = scenario.build(before)
    before.rename(after)
    for image in images:
        with open_chain(image.replace(str(before), str(after))) as chain:
            assert chain.missing is None
            backings = [layer.node.backing for layer in chain.layers if layer.node.backing]
            assert all(os.sep not in backing for backing in backings if not backing.startswith("json:"))
            assert all(layer.node.backing_format for layer in chain.layers if layer.node.backing)


@each
def test_has_no_faults(tmp_path: Path, scenario: Scenario) -> None:
    for image in scenario.build(tmp_path):
        with open_chain(image) as chain:
            for layer in chain.layers:
                assert faults_in(layer, in_place(chain, layer.depth, 0, layer.size)) == ()
                assert tail(layer) is None


@each
def test_never_writes_over_a_file(tmp_path: Path, scenario: Scenario) -> None:
    scenario.build(tmp_path)
    before = {file.name: file.stat() for file in tmp_path.iterdir()}
    with pytest.raises(FileExistsError):
        scenario.build(tmp_path)
    with pytest.raises(FileExistsError):
        scenario.keep(tmp_path)
    after = {file.name: file.stat() for file in tmp_path.iterdir()}
    assert {name: (one.st_mtime_ns, one.st_size) for name, one in after.items()} == {
        name: (one.st_mtime_ns, one.st_size) for name, one in before.items()
    }


@each
def test_is_not_kept_beside_one_of_its_files(tmp_path: Path, scenario: Scenario) -> None:
    last = tmp_path / scenario.files[-1]
    last.write_text("mine")
    with pytest.raises(FileExistsError) as caught:
        scenario.keep(tmp_path)
    assert caught.value.filename == str(last)
    assert [file.name for file in tmp_path.iterdir()] == [last.name]
    assert last.read_text() == "mine"


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """Let some writes go well, and then none."""
    left = [None] * after

    def write(*what: object) -> int:
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        left.pop()
        return real(*what)

    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", write)


@pytest.mark.parametrize("after", [0, 4])
def test_what_cannot_be_kept_whole_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_text("mine")
    with monkeypatch.context() as patched:
        fill_the_disk(patched, after=after)
        for where in ("there", "new/below"):
            with pytest.raises(OSError, match="No space left"):
                SCENARIOS[DEFAULT].keep(tmp_path / where)
    assert [path.name for path in tmp_path.rglob("*")] == ["there", "mine"]
    assert SCENARIOS[DEFAULT].keep(tmp_path / "there")


def test_the_images_of_a_lesson_are_made_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = next(iter(lessons().values()))
    shelf = Shelf(tmp_path)
    with monkeypatch.context() as patched:
        fill_the_disk(patched, after=1)
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                shelf.image(lesson, lesson.steps[0])
    with open_chain(shelf.image(lesson, lesson.steps[0])) as chain:
        assert chain.missing is None


@each
@live
def test_every_image_is_clean(tmp_path: Path, scenario: Scenario) -> None:
    scenario.build(tmp_path)
    checked = 0
    for file in tmp_path.glob("*.qcow2"):
        (options, *_) = layers_of(str(file)) if "null" not in file.name else [options_of(str(file))]
        # a data file is found from the directory it is in
        report = json.loads(qemu_img("check", "--output=json", *SECRET, name_of(options), cwd=tmp_path))
        assert report.get("corruptions", 0) == report.get("leaks", 0) == report["check-errors"] == 0
        checked += 1
    assert checked == sum(name.endswith(".qcow2") for name in scenario.files)


@each
@live
def test_map_is_qemu_img_s(tmp_path: Path, scenario: Scenario) -> None:
    """Of every image, merged and each layer alone; recorded storage is not QEMU's to know, the file is."""
    for image in scenario.build(tmp_path):
        layers = list(layers_of(image))
        with open_chain(image) as chain:
            assert len(chain.layers) == len(layers)
        asked = [((), chain_of(layers)), *((("--layer", str(n)), each) for n, each in enumerate(layers))]
        for options, theirs in asked:
            found = json.loads(qemu_img("map", "--output=json", *SECRET, name_of(theirs)))
            ours = our_answer(Question(image, options, ""), tmp_path)
            assert difference(Answer(found), ours) == "", (image, options)


@each
@live
def test_a_trace_ends_where_qemu_img_map_says(tmp_path: Path, scenario: Scenario) -> None:
    """At both ends of runs all over the disk."""
    for image in scenario.build(tmp_path):
        theirs = chain_of(list(layers_of(image)))
        runs = json.loads(qemu_img("map", "--output=json", *SECRET, name_of(theirs)))
        with open_chain(image) as chain:
            for run in runs[:: max(1, len(runs) // 20)]:
                for into in (0, run["length"] - 1):
                    words = [f"depth {run['depth']}"]
                    words += [f"{key} {json.dumps(run[key])}" for key in ("present", "zero", "data")]
                    words += [f"offset {run['offset'] + into}"] if "offset" in run else []
                    ours = map_line(trace(chain, run["start"] + into).last)
                    assert ours.replace(", compressed true", "") == ", ".join(words), (image, run, into)


# ---------------------------------------------------------------- what each promises


def opened(name: str, directory: Path, index: int = 0) -> Chain:
    return open_chain(SCENARIOS[name].build(directory)[index])


def local(chain: Chain, layer: Layer) -> np.ndarray:
    """Return for each sector whether a layer would supply it, bool."""
    view = in_place(chain, layer.depth, 0, layer.size)
    is_local = (PROPOSED.flags(view) & 8) != 0
    return np.repeat(is_local, view.extents.lengths // 512)


def supplied(chain: Chain, depth: int, sectors: int) -> np.ndarray:
    view = merged(chain, 0, chain.size)
    return np.repeat(view.depth == depth, view.extents.lengths // 512)[:sectors]


def kinds(view) -> set[tuple[int, str, str, bool]]:
    """Return depth, mapping and storage of each run, and whether the block layer made it up."""
    return {
        (depth, mapping_of(code).name, storage_of(code).name, bool(code & SYNTHESISED))
        for depth, code in zip(view.depth.tolist(), view.extents.facts.tolist(), strict=True)
    }


def seen(semantics, view) -> set[str]:
    is_protocol = view.layers[0].node.is_protocol
    return {semantics.letters(flags, is_protocol=is_protocol) for flags in semantics.flags(view).tolist()}


def test_the_first_snapshot_shadows_some_and_adds_some(tmp_path: Path) -> None:
    with opened("first-snapshot", tmp_path) as chain:
        above, below = (alone(layer, 0, layer.size) for layer in chain.layers)
        data = [
            np.repeat(view.extents.having(Mapping.NORMAL), view.extents.lengths // 512)
            for view in (above, below)
        ]
        assert (data[0] & data[1]).any(), "written over"
        assert (data[0] & ~data[1]).any(), "written for the first time"
        assert (~data[0] & data[1]).any(), "read from below"
        assert set(merged(chain, 0, chain.size).depth.tolist()) == {0, 1}


def test_the_long_chain_shadows_data_in_every_layer_but_the_first(tmp_path: Path) -> None:
    with opened("long-chain", tmp_path) as chain:
        assert len(chain.layers) == 8
        for layer in chain.layers:
            own = local(chain, layer)
            read = supplied(chain, layer.depth, len(own))
            assert (own & read).any(), "every layer is read somewhere"
            assert (own & ~read).any() == (layer.depth > 0)
        # the journal is in all of them
        assert all(local(chain, layer)[:32].all() for layer in chain.layers)


def test_the_staircase_is_filled_up_at_each_step(tmp_path: Path) -> None:
    with opened("staircase", tmp_path) as chain:
        sizes = [layer.size for layer in chain.layers]
        assert sizes == [1 << 20, 768 << 10, 512 << 10, 256 << 10]
        view = merged(chain, 0, chain.size)
        made_up = view.extents.facts >= SYNTHESISED
        assert set(view.depth[made_up].tolist()) == {0, 1, 2, 3}
        for depth, below in enumerate(sizes[1:]):
            at = view.extents.edges[:-1][made_up & (view.depth == depth)]
            assert at.min() == below, "from the backing file's very end"
            assert at.max() < sizes[depth]


NINE_ZEROES = {
    (0, "ZERO_PLAIN", "NONE", False): "·Z·",
    (0, "ZERO_ALLOC", "DATA", False): "·ZO",
    (0, "NORMAL", "DATA", False): "D·O",
    (2, "PASSTHROUGH", "HOLE", False): "·ZO",
    (1, "NORMAL", "HOLE", False): "DZO",
    (1, "ZERO_ALLOC", "HOLE", False): "·ZO",
    (1, "UNALLOCATED", "NONE", True): "·Z·",
    (0, "UNALLOCATED", "NONE", True): "·Z·",
    (0, "UNALLOCATED_ALLOC", "DATA", True): "·ZO",
}
"""And what QEMU says of each; the third is zeroes that were written."""


@pytest.mark.live("qemu-img", "qemu-io")
def test_every_zero_is_one_by_qemu_s_reading(tmp_path: Path) -> None:
    (image,) = SCENARIOS["every-zero"].build(tmp_path)
    with open_chain(image) as chain:
        view = merged(chain, 0, chain.size)
        assert [layer.node.read_traits().recurse for layer in chain.layers] == [False, True, False]
    runs = zip(
        view.extents.edges.tolist(),
        view.extents.lengths.tolist(),
        view.depth.tolist(),
        view.extents.facts.tolist(),
        HISTORIC.flags(view).tolist(),
        strict=False,
    )
    zeroes = set()
    for start, length, depth, code, flags in runs:
        # qemu-io ends with status 1 if the pattern is not what it reads
        done = subprocess.run(
            ["qemu-io", "-r", "-f", "qcow2", "-c", f"read -P 0 {start} {length}", image],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode:
            assert "Pattern verification failed" in done.stdout
            continue
        kind = (depth, mapping_of(code).name, storage_of(code).name, code >= SYNTHESISED)
        assert HISTORIC.letters(flags) == NINE_ZEROES[kind]
        zeroes.add(kind)
    assert zeroes == set(NINE_ZEROES)


@pytest.mark.live("qemu-img", "qemu-io")
def test_preallocation_is_as_qemu_img_makes_it(tmp_path: Path) -> None:
    images = [Path(image) for image in SCENARIOS["preallocation"].build(tmp_path)]
    assert [image.stem.partition("-")[2] for image in images] == ["off", "metadata", "falloc", "full"]
    with open_chain(str(images[0])) as chain:
        view = merged(chain, 0, chain.size)
        written = [
            (int(view.extents.edges[run]), int(view.extents.lengths[run]))
            for run in np.flatnonzero(view.extents.having(Mapping.NORMAL))
        ]
    for image in images:
        mode, theirs = image.stem.partition("-")[2], tmp_path / "theirs.qcow2"
        options = f"cluster_size=8k,preallocation={mode}"
        qemu_img("create", "-q", "-f", "qcow2", "-o", options, theirs, "512k")
        writes = [word for start, length in written for word in ("-c", f"write {start} {length}")]
        subprocess.run(
            ["qemu-io", "-f", "qcow2", *writes, theirs], capture_output=True, check=True, timeout=60
        )
        # offsets apart: QEMU's writer lays out its tables otherwise
        mine, made = (
            [
                (run["start"], run["length"], run["present"], run["zero"], run["data"])
                for run in merge_runs(path)
            ]
            for path in (image, theirs)
        )
        assert mine == made, mode
        assert "identical" in qemu_img("compare", images[0], image)
        theirs.unlink()


def merge_runs(path: Path) -> list[dict[str, int | bool]]:
    """Return QEMU's runs, neighbours joined that differ in nothing but where they lie."""
    found: list[dict[str, int | bool]] = []
    for run in runs_of(path):
        alike = found and all(found[-1][key] == run[key] for key in ("present", "zero", "data"))
        if alike:
            found[-1]["length"] += run["length"]
        else:
            found.append(run)
    return found


def test_preallocation_tells_holes_from_what_is_stored(tmp_path: Path) -> None:
    images = SCENARIOS["preallocation"].build(tmp_path)
    stored = [Path(image).stat().st_blocks * 512 for image in images]
    # a file system may count a few blocks of its own
    assert abs(stored[0] - stored[1]) + abs(stored[2] - stored[3]) <= 32 << 10
    assert min(stored[2:]) - max(stored[:2]) > 256 << 10
    for image, old, new in zip(
        images,
        [{"D·O", "·Z·"}, {"D·O", "DZO"}, {"D·O"}, {"D·O"}],
        [{"L·AO", "LZ··"}, {"L·AO", "LZ·O"}, {"L·AO", "LZ·O"}, {"L·AO"}],
        strict=True,
    ):
        with open_chain(image) as chain:
            view = merged(chain, 0, chain.size)
            assert (seen(HISTORIC, view), seen(PROPOSED, view)) == (old, new)


def test_the_punched_image_is_recursed_into(tmp_path: Path) -> None:
    images = SCENARIOS["punched"].build(tmp_path)
    for image, recurse, old in zip(images, [False, True], [{"D·O"}, {"D·O", "DZO"}], strict=True):
        with open_chain(image) as chain:
            view = merged(chain, 0, chain.size)
            assert chain.layers[0].node.read_traits().recurse is recurse
            assert seen(HISTORIC, view) == old
            assert seen(PROPOSED, view) == {"L·AO", "LZ·O"}, "the facts are alike"


def test_subclusters_have_states_of_their_own(tmp_path: Path) -> None:
    with opened("subclusters", tmp_path) as chain:
        features = chain.layers[0].node.features()
        assert (features["extended-l2"], features["cluster-size"]) == (True, 128 << 10)
        view = in_place(chain, 0, 0, chain.size)
        assert seen(PROPOSED, view) == {"L·AO", "LZA·", "LZ··", "··AO", "····"}
        inside = view.extents.edges % (128 << 10) != 0
        assert inside.sum() >= 12, "most runs end inside a cluster"
        reserved = view.extents.having(Mapping.UNALLOCATED_ALLOC)
        storages = {storage_of(code) for code in view.extents.facts[reserved].tolist()}
        assert storages == {Storage.DATA, Storage.HOLE}
        # whatever is stored there, it is read from below
        guest = merged(chain, 0, chain.size)
        starts = guest.extents.edges[:-1]
        for run in np.flatnonzero(reserved):
            start, end = view.extents.edges[run : run + 2]
            touched = (starts < end) & (guest.extents.edges[1:] > start)
            assert set(guest.depth[touched].tolist()) == {1}


def test_the_golden_image_is_packed_and_shared(tmp_path: Path) -> None:
    images = SCENARIOS["golden-image"].build(tmp_path)
    golden = tmp_path / "debian-12.qcow2"
    assert len(images) == 2
    for image in images:
        with open_chain(image) as chain:
            assert [Path(layer.name).name for layer in chain.layers][1:] == [golden.name]
            assert {"L·A·", "L·AO"} <= seen(PROPOSED, merged(chain, 0, chain.size))
            packed = alone(chain.layers[1], 0, chain.size)
            length = packed.extents.lengths[packed.extents.having(Mapping.COMPRESSED)].sum()
            assert golden.stat().st_size * 10 < length
    assert Path(images[0]).read_bytes() != Path(images[1]).read_bytes()


@live
def test_the_data_file_holds_each_byte_at_its_guest_offset(tmp_path: Path) -> None:
    (image,) = SCENARIOS["data-file"].build(tmp_path)
    with open_chain(image) as chain:
        view = merged(chain, 0, chain.size)
        hosted = view.extents.host != NO_HOST
        assert (view.extents.host == view.extents.edges[:-1])[hosted].all()
        assert hosted.sum() >= 8
        assert Path(chain.layers[0].node.host.name).name == "db02.raw"
    # the header's name is taken from the working directory, and from nowhere else
    assert qemu_img("map", "--output=json", "db02.qcow2", cwd=tmp_path) == qemu_img(
        "map", "--output=json", image, cwd="/"
    )
    elsewhere = subprocess.run(
        ["qemu-img", "map", tmp_path / "db02.qcow2"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd="/",
    )
    assert elsewhere.returncode == 1
    assert "'db02.raw'" in elsewhere.stderr


@live
def test_the_encrypted_image_has_no_offset_and_holes_that_are_no_zeroes(tmp_path: Path) -> None:
    (image,) = SCENARIOS["encrypted"].build(tmp_path)
    with open_chain(image) as chain:
        assert chain.layers[0].node.is_encrypted
        own = in_place(chain, 0, 0, chain.size)
        for semantics in (HISTORIC, PROPOSED):
            assert all("O" not in shown for shown in seen(semantics, own))
        assert seen(PROPOSED, own) == {"L·A·", "L···", "LZA·", "LZ··", "····"}
        assert (0, "UNALLOCATED_ALLOC", "DATA", False) in kinds(own)
        assert (0, "NORMAL", "HOLE", False) in kinds(own)
    refused = subprocess.run(
        ["qemu-img", "map", image], capture_output=True, text=True, check=False, timeout=60
    )
    assert "encrypt.key-secret" in refused.stderr


def test_the_null_driver_gives_an_offset_and_promises_nothing(tmp_path: Path) -> None:
    images = SCENARIOS["null-driver"].build(tmp_path)
    found = []
    for image in images:
        with open_chain(image) as chain:
            view = in_place(chain, 0, 0, chain.size)
            found.append((chain.layers[0].node.driver, seen(HISTORIC, view), seen(PROPOSED, view)))
    assert found == [
        ("qcow2", {"D·O", "·ZO", "·Z·", "···"}, {"L··O", "LZA·", "LZ··", "····"}),
        ("raw", {"··O"}, {"L··O"}),
        ("null-co", {"·ZO"}, {"Z·O"}),
    ]


# ---------------------------------------------------------------- all facts, all rows

HOSTED = (Mapping.NORMAL, Mapping.ZERO_ALLOC, Mapping.UNALLOCATED_ALLOC)
UNHOSTED = (Mapping.UNALLOCATED, Mapping.ZERO_PLAIN, Mapping.COMPRESSED, Mapping.OPAQUE_DATA)
STORED = tuple(storage for storage in Storage if storage is not Storage.NONE)
"""What protocol drivers say of a byte of theirs.  Nobody asks for one past the last sector."""


def all_facts() -> Iterator[tuple[int, Traits]]:
    """Yield every fact that a driver can give, with every kind of layer it can be given of."""
    passed = [fact(Mapping.PASSTHROUGH, storage) for storage in STORED]
    mapped = [fact(mapping) for mapping in UNHOSTED]
    mapped += [fact(mapping, storage) for mapping in HOSTED for storage in STORED]
    mapped += [code | SYNTHESISED for code in mapped if mapping_of(code) in DEFERRING]
    for driver in ("file", "host_device", "null-co", "nbd"):
        yield from ((code, Traits(driver, is_protocol=True)) for code in passed)
        yield from ((code, Traits(driver)) for code in [*passed, *mapped])
        yield from ((code, Traits(driver, encrypted=True)) for code in mapped)
        yield from ((code, Traits(driver, recurse=True)) for code in mapped)


def rows_of(facts, *, is_protocol: bool) -> set[str]:
    return {
        PROPOSED.letters(int(PROPOSED.table(traits)[code]), is_protocol=is_protocol)
        for code, traits in facts
        if traits.is_protocol is is_protocol
    }


def facts_in(image: str) -> set[tuple[int, Traits]]:
    """Return the facts of every layer of a chain as it stands there, merged and alone, and of its files."""
    found = set()
    with open_chain(image) as chain:
        views = [merged(chain, 0, chain.size)]
        for layer in chain.layers:
            views += [in_place(chain, layer.depth, 0, layer.size), alone(layer, 0, layer.size)]
            for host in {layer.node.host, layer.node.file}:
                extents = host.extents(0, max(512, -(-host.length // 512) * 512))
                found |= {(code, host.read_traits()) for code in extents.facts.tolist()}
        for view in views:
            found |= {
                (code, view.layers[source].node.read_traits())
                for code, source in zip(view.extents.facts.tolist(), view.source.tolist(), strict=True)
            }
    return found


FORMAT_NEVER = {"·Z·O", "···O", "·ZA·", "··A·", "·Z··"}
"""The source's five bugs."""
PROTOCOL_NEVER = {"ZA·", "·A·", "Z··", "···"}
"""A protocol driver's bytes are at their own offset; past its end nothing is asked."""


def test_the_rows_that_facts_lead_to() -> None:
    every = set(all_facts())
    formats = {PROPOSED.letters(row.flags) for row in FORMAT_ROWS}
    protocols = {PROPOSED.letters(row.flags, is_protocol=True) for row in PROTOCOL_ROWS}
    assert (len(formats), len(protocols)) == (16, 8)
    assert formats - rows_of(every, is_protocol=False) == FORMAT_NEVER
    assert protocols - rows_of(every, is_protocol=True) == PROTOCOL_NEVER


def test_every_row_reaches_every_row(tmp_path: Path) -> None:
    (image,) = SCENARIOS["every-row"].build(tmp_path)
    every, found = set(all_facts()), facts_in(image)
    for is_protocol in (False, True):
        assert rows_of(found, is_protocol=is_protocol) == rows_of(every, is_protocol=is_protocol)
    with open_chain(image) as chain:
        # at one look: the layers as they stand in the chain
        shown = {
            shown
            for layer in chain.layers
            for shown in seen(PROPOSED, in_place(chain, layer.depth, 0, layer.size))
        }
        assert shown == rows_of(every, is_protocol=False)
        assert any("recorded" in notice for _, notice in chain.notices())


@each
def test_no_scenario_gives_other_facts(tmp_path: Path, scenario: Scenario) -> None:
    """So the enumeration is not too small."""
    every = set(all_facts())
    for image in scenario.build(tmp_path):
        assert facts_in(image) <= every


def losses(wire, code: int, traits: Traits) -> set[str]:
    means = wire.base.settle(wire.base.table(traits))[[code]]
    said = wire.server.settle(wire.server.table(traits))[[code]]
    (lost,) = wire.lost(means, said).tolist()
    (concludes,) = wire.client(said).tolist()
    return {" ".join(wire.changes(lost, concludes))} if lost else set()


def test_the_nbd_round_trip_loses_all_there_is_to_lose(tmp_path: Path) -> None:
    images = SCENARIOS["nbd-round-trip"].build(tmp_path)
    lost: dict[str, set[str]] = {}
    for image in images:
        with open_chain(image) as chain:
            view = merged(chain, 0, chain.size)
            for wire in WIRES:
                trip = round_trip(view, wire)
                assert trip.lossy_runs < len(trip) or view.layers[0].node.is_protocol
                lost.setdefault(wire.server.name, set()).update(name for name, _, _ in trip.losses())
    # a server answers for the whole chain, so what is deferred in a layer is none of it
    served = [
        (code, traits)
        for code, traits in all_facts()
        if not (mapping_of(code) in DEFERRING and not code & SYNTHESISED)
    ]
    assert lost == {
        wire.server.name: set().union(*(losses(wire, *each) for each in served)) for wire in WIRES
    }
    assert lost == {
        "nbd-2018": {"+present", "+data"},
        "nbd-6.0": {"+present"},
        "nbd-proposed": {"+local"},
    }


def test_a_layer_of_the_round_trip_loses_what_it_deferred(tmp_path: Path) -> None:
    with opened("nbd-round-trip", tmp_path) as chain:
        middle = chain.layers[1]
        view = alone(middle, 0, middle.size)
        wire = wire_of(next(wire.server for wire in WIRES if wire.server.name == "nbd-6.0"))
        assert wire is not None
        trip = round_trip(view, wire)
        (name, _, size), *others = trip.losses()
        assert (name, others) == ("+present", [])
        assert size == view.extents.lengths[view.extents.having(Mapping.UNALLOCATED)].sum()


# ---------------------------------------------------------------- the command


def demo(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["demo", *words])
    return done.exit_code, done.stdout, done.stderr


@each
def test_is_kept_and_printed(tmp_path: Path, scenario: Scenario) -> None:
    directory = tmp_path / "new" / "it's here"
    code, out, err = demo("--keep", str(directory), scenario.name)
    assert (code, err) == (0, "")
    assert {file.name for file in directory.iterdir()} == set(scenario.files)
    lines = out.splitlines()
    images = shlex.split(out)
    assert len(lines) == len(images)
    for image in images:
        assert CliRunner().invoke(main, ["map", image]).exit_code in (0, 1)
        with open_chain(image) as chain:
            assert chain.missing is None
    again = demo("--keep", str(directory), scenario.name)
    assert again[:2] == (1, "")
    assert again[2].count("\n") == 1
    assert "exists" in again[2]


@pytest.mark.parametrize("where", ["file", "file/below", "closed/below"])
def test_where_nothing_can_be_kept(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "closed").symlink_to("/proc")
    code, out, err = demo("--keep", str(tmp_path / where))
    assert (code, out) == (1, "")
    assert err.startswith(f"blockstrata: {tmp_path}")
    assert err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_the_list_names_them_all_in_100_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    code, out, _ = demo("--list")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == list(SCENARIOS)
    assert all(line[:16].rstrip() in SCENARIOS for line in lines)
    assert max(map(len, lines)) <= 100
    monkeypatch.setenv("COLUMNS", "60")
    narrow = demo("--list")[1].splitlines()
    assert max(map(len, narrow)) <= 60
    assert all(line[:16].strip() in {"", *SCENARIOS} for line in narrow)


def test_the_page_of_audits_is_up_to_date() -> None:
    # as the command writes it, in a process that has read no image before
    done = subprocess.run(
        [sys.executable, ROOT / "screenshots" / "audit_page.py"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    written = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    # as lists, so that pytest shows the lines that differ
    assert done.stdout.splitlines() == written.splitlines()
    assert all(f"## {scenario}\n" in written for scenario in SCENARIOS)


# ---------------------------------------------------------------- the web server


@live
def test_the_web_server_has_one_of_each(tmp_path: Path) -> None:
    active = tmp_path / "web01-active.qcow2"
    SCENARIOS["web-server"].build(tmp_path)
    monday, base = tmp_path / "web01-monday.qcow2", tmp_path / "debian-golden.raw"
    sizes = [json.loads(qemu_img("info", "--output=json", file))["virtual-size"] for file in (active, monday)]
    assert sizes[0] > sizes[1] > base.stat().st_size
    assert base.stat().st_size % 512

    upper, middle = ({letters(run) for run in runs_of(file, alone=True)} for file in (active, monday))
    # data, compressed, plain zero, allocated zero, deferred, and reserved but deferred
    assert upper == {"PzDO", "PzDo", "PZdo", "PZdO", "pZdo", "pZdO"}
    # QEMU takes this one for a preallocated image, so the holes under its data show
    assert middle == {"PzDO", "PzDo", "PZdo", "PZdO", "pZdo", "PZDO"}

    guest = runs_of(active)
    assert {run["depth"] for run in guest} == {0, 1, 2}
    past = [run for run in guest if letters(run) == "pZdo"]
    assert {run["depth"] for run in past} == {0, 1}, "past the end of either backing file"
    assert 40 <= len(runs_of(active, alone=True)) <= 150
    assert 40 <= len(runs_of(monday, alone=True)) <= 150
    assert 40 <= len(json.loads(qemu_img("map", "-f", "raw", "--output=json", base))) <= 150


@live
def test_the_web_server_reserves_space_over_data_of_each_layer_below(tmp_path: Path) -> None:
    active = tmp_path / "web01-active.qcow2"
    SCENARIOS["web-server"].build(tmp_path)
    alone = [run for run in runs_of(active, alone=True) if letters(run) == "pZdO"]
    supplied = set()
    for reserved in alone:
        start, end = reserved["start"], reserved["start"] + reserved["length"]
        supplied |= {
            (run["depth"], letters(run))
            for run in runs_of(active)
            if run["start"] < end and start < run["start"] + run["length"]
        }
    assert {(1, "PzDO"), (2, "PzDO"), (2, "PZdO"), (0, "pZdO")} <= supplied


def host_has_hole(path: Path, start: int, length: int) -> bool:
    with path.open("rb") as file:
        return os.lseek(file.fileno(), start, os.SEEK_HOLE) < start + length


@live
@pytest.mark.parametrize("name", ["web01-active.qcow2", "web01-monday.qcow2"])
@pytest.mark.parametrize("state", ["zero", "data"])
def test_the_web_server_stores_some_runs_and_not_others(tmp_path: Path, name: str, state: str) -> None:
    SCENARIOS["web-server"].build(tmp_path)
    path = tmp_path / name
    wanted = [run for run in runs_of(path, alone=True) if run["present"] and "offset" in run and run[state]]
    if state == "zero":
        wanted = [run for run in wanted if not run["data"]]
    assert {host_has_hole(path, run["offset"], run["length"]) for run in wanted} == {False, True}


def test_scatter_keeps_order_and_gaps() -> None:
    placed = list(scatter(Random(5), [Area(10, 40, "D3 C4 D2"), Area(40, 45, "Z2 h3")]))
    kinds = "".join(kind for kind, _ in placed)
    numbers = [number for _, number in placed]
    assert kinds == "DDDCCCCDDZZhhh"
    assert numbers == sorted(set(numbers))
    assert min(numbers) >= 10
    assert numbers[-5:] == [40, 41, 42, 43, 44]
    with pytest.raises(ValueError, match="do not fit"):
        list(scatter(Random(5), [Area(0, 4, "D3 C2")]))


def test_a_picture_is_its_letters() -> None:
    assert list(units("D4 .2 Zz")) == [(0, "D"), (1, "D"), (2, "D"), (3, "D"), (6, "Z"), (7, "z")]
    assert list(units(".12 a")) == [(12, "a")]
    assert blocks("D .1 D", 4, b"abc") == [(0, b"abca"), (8, b"abca")]
    with pytest.raises(KeyError):
        clusters("D", {})
