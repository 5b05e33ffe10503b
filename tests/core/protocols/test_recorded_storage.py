"""Recorded storage: what was recorded is answered, and what was recorded is what a real file system said."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from blockstrata.access import Probe
from blockstrata.errors import BadReferenceError, OpenError, UnsupportedError
from blockstrata.facts.codes import Storage, storage_of
from blockstrata.formats.qcow2.author import Data, Image, Preallocated, Subclusters, write_image, write_raw
from blockstrata.graph.chain import open_chain
from blockstrata.protocols.fiemap import fiemap_probe
from blockstrata.protocols.file import open_file
from blockstrata.protocols.recorded import RecordedNode, open_recorded
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.scenarios import SCENARIOS

if TYPE_CHECKING:
    from blockstrata.facts.node import HostNode

KI = 1 << 10


def recorded(name: str | Path, storage: str) -> str:
    return "json:" + json.dumps({"driver": "recorded", "filename": str(name), "storage": storage})


def runs_of(node: HostNode) -> list[tuple[int, Storage]]:
    found = node.extents(0, node.length)
    pairs = zip(found.edges.tolist(), found.facts.tolist(), strict=False)
    return [(start, storage_of(code)) for start, code in pairs]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_raw(tmp_path / "raw", 16 * KI, [(0, b"x" * 16 * KI)])
    return tmp_path / "raw"


def test_what_was_recorded_is_answered(raw: Path) -> None:
    with closing(open_recorded(str(raw), "4K data, 8K unwritten,4096 hole", Probe.SEEK)) as node:
        assert runs_of(node) == [(0, Storage.DATA), (4 * KI, Storage.UNWRITTEN), (12 * KI, Storage.HOLE)]
        assert storage_of(int(node.extents(16 * KI, 512).facts[0])) is Storage.BEYOND_EOF
        assert node.allocated == 12 * KI
        assert node.read(0, 20 * KI) == b"x" * 16 * KI + bytes(4 * KI)
        assert (node.driver, node.host_driver, node.features()) == (
            "recorded",
            "file",
            {"recorded": True},
        )
        assert any("recorded" in notice for notice in node.notices())


def test_the_command_says_that_it_is_recorded(raw: Path) -> None:
    done = CliRunner().invoke(
        main, ["map", "--semantics", "new", "--output", "csv", recorded(raw, "16K unwritten")]
    )
    assert done.exit_code == 0
    assert "recorded" in done.stderr
    start, length, depth, *flags = done.stdout.splitlines()[1].split(",")
    assert (start, length, depth) == ("0", "16384", "0")
    assert flags[:4] == ["0", "1", "1", "1"]


@pytest.mark.parametrize(
    ("storage", "what"),
    [
        ("4K data", "4096 bytes are recorded of a file of 16384"),
        ("20K data", "20480 bytes are recorded"),
        ("9223372036854775807 data, 9223372036854775807 hole", "bytes are recorded of a file of 16384"),
        ("16K nothing", "'nothing' is none of data, hole, unwritten"),
        ("16K", "'' is none of"),
        ("16Q data", "is not a size"),
        ("16K data,", "is not a size"),
        ("16K data, 0 hole", "a run of no bytes"),
        ("-16K data", "is not a size"),
    ],
)
def test_a_record_that_makes_no_sense_is_one_line(raw: Path, storage: str, what: str) -> None:
    with pytest.raises(BadReferenceError, match=what.replace("(", "[(]")) as caught:
        open_chain(recorded(raw, storage))
    assert caught.value.field == "storage"
    assert "\n" not in str(caught.value)


def test_a_record_of_no_file(tmp_path: Path) -> None:
    with pytest.raises(OpenError):
        open_chain(recorded(tmp_path / "nosuch", "4K data"))
    with pytest.raises(BadReferenceError, match="storage: is missing"):
        open_chain(f'json:{{"driver":"recorded","filename":"{tmp_path}"}}')


def test_no_image_may_name_it(raw: Path, tmp_path: Path) -> None:
    """QEMU has no such driver, so an image that does is refused there too."""
    for backing in (recorded(raw, "16K data"), recorded(raw, "16K data").replace("}", ', "x": 1}')):
        image = tmp_path / "top"
        write_image(image, Image(16 * KI, backing=backing, backing_format="raw"), {})
        with open_chain(str(image)) as chain:
            assert isinstance(chain.missing, (UnsupportedError, BadReferenceError))
        image.unlink()


def needs_fiemap(path: Path) -> None:
    """Skip where the file system of the tests' directory has no FIEMAP, or has blocks of other sizes."""
    with path.open("rb") as file:
        try:
            fiemap_probe(file.fileno(), KI)
        except OSError as error:
            pytest.skip(f"no FIEMAP in {path.parent}: {error.strerror}")


def test_the_scenario_s_record_is_what_a_file_system_says(tmp_path: Path) -> None:
    (image,) = SCENARIOS["every-row"].build(tmp_path)
    with open_chain(image) as chain:
        node = chain.layers[0].node.file
        assert isinstance(node, RecordedNode)
        answered = runs_of(node)
        needs_fiemap(Path(node.name))
        with closing(open_file(node.name, probe=Probe.FIEMAP)) as file:
            assert runs_of(file) == answered
            assert file.allocated is not None
            assert node.allocated is not None
            assert abs(file.allocated - node.allocated) <= 16 * KI


def test_the_author_reserves_space(tmp_path: Path) -> None:
    path = tmp_path / "image"
    kinds = {
        0: Data(b"x"),
        1: Preallocated(),
        2: Preallocated(reserved=True),
        3: Subclusters("D" * 16 + "u" * 16, reserved=True),
    }
    write_image(path, Image(256 * KI, extended_l2=True), kinds)
    needs_fiemap(path)
    with closing(open_file(str(path), probe=Probe.FIEMAP)) as file:
        at = file.length - 256 * KI
        assert runs_of(file) == [
            (0, Storage.DATA),
            (at + 64 * KI, Storage.HOLE),
            (at + 128 * KI, Storage.UNWRITTEN),
            (at + 192 * KI, Storage.DATA),
            (at + 224 * KI, Storage.UNWRITTEN),
        ]
