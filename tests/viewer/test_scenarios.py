"""Every scenario builds, is the same each time, and is what it says it is, by QEMU's own word."""

from __future__ import annotations

import json
import os
import subprocess
from random import Random
from typing import TYPE_CHECKING

import pytest

from blockstrata_viewer.scenarios import DEFAULT, SCENARIOS, Scenario
from blockstrata_viewer.scenarios.scatter import Area, scatter

if TYPE_CHECKING:
    from pathlib import Path

live = pytest.mark.live("qemu-img")
each = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))


def qemu_img(*arguments: object) -> str:
    done = subprocess.run(
        ["qemu-img", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def runs_of(path: Path, *, alone: bool = False) -> list[dict[str, int | bool]]:
    node = {"driver": "qcow2", "file": {"driver": "file", "filename": str(path)}, "backing": None}
    name = f"json:{json.dumps(node)}" if alone else path
    entries: list[dict[str, int | bool]] = json.loads(qemu_img("map", "--output=json", name))
    return entries


def letters(run: dict[str, int | bool]) -> str:
    return "".join(
        letter if run.get(key, False) is not False else letter.lower()
        for letter, key in [("P", "present"), ("Z", "zero"), ("D", "data"), ("O", "offset")]
    )


def disk_usage(directory: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in directory.iterdir())


def test_the_default_is_one_of_them() -> None:
    assert DEFAULT in SCENARIOS
    assert [scenario.name for scenario in SCENARIOS.values()] == list(SCENARIOS)


@each
def test_is_small_and_the_same_each_time(tmp_path: Path, scenario: Scenario) -> None:
    built = []
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        active = scenario.build(directory)
        assert active.parent == directory
        assert disk_usage(directory) < 32 << 20
        built.append({file.name: file.read_bytes() for file in directory.iterdir()})
        assert active.name in built[-1]
    assert built[0] == built[1]


@each
def test_never_writes_over_a_file(tmp_path: Path, scenario: Scenario) -> None:
    active = scenario.build(tmp_path)
    before = active.stat()
    with pytest.raises(FileExistsError):
        scenario.build(tmp_path)
    assert active.stat() == before


@each
@live
def test_every_image_is_clean_and_found_from_anywhere(tmp_path: Path, scenario: Scenario) -> None:
    active = scenario.build(tmp_path)
    for file in tmp_path.glob("*.qcow2"):
        report = json.loads(qemu_img("check", "--output=json", file))
        assert report.get("corruptions", 0) == report.get("leaks", 0) == report["check-errors"] == 0
    chain = json.loads(qemu_img("info", "--backing-chain", "--output=json", active))
    assert len(chain) == len(list(tmp_path.iterdir()))
    assert all(os.sep not in layer.get("backing-filename", "") for layer in chain)
    assert all("backing-filename-format" in layer for layer in chain if "backing-filename" in layer)


@live
def test_the_web_server_has_one_of_each(tmp_path: Path) -> None:
    active = SCENARIOS["web-server"].build(tmp_path)
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
    active = SCENARIOS["web-server"].build(tmp_path)
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
