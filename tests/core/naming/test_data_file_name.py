"""An external data file's name in the header: a file's name, whatever it looks like."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from blockstrata.formats.qcow2.author import Data, Image, write_image
from blockstrata_viewer.cli.group import main

HEADER_NAMES = ["file:d.raw", 'json:{"driver":"null-co"}', "a:b", "d.raw"]


@pytest.mark.live("qemu-img")
@pytest.mark.parametrize(
    ("name", "is_there"),
    [*((name, True) for name in HEADER_NAMES), *((name, False) for name in [*HEADER_NAMES, "null-co://"])],
)
def test_a_header_names_its_data_file_by_file_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_there: bool
) -> None:
    """Whatever it looks like: QEMU opens a file of that very name, and nothing else."""
    monkeypatch.chdir(tmp_path)
    write_image(
        Path("top.qcow2"),
        Image(1 << 20, data_file=name),
        {1: Data(b"x")},
        Path(name if is_there else "other"),
    )
    theirs = subprocess.run(
        ["qemu-img", "map", "--output=json", "top.qcow2"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (theirs.returncode == 0) is is_there
    ours = CliRunner().invoke(main, ["map", "--output", "json", "top.qcow2"])
    assert (ours.exit_code == 0) is is_there
    if is_there:
        entries = [
            {key: value for key, value in entry.items() if key != "compressed"}
            for entry in json.loads(ours.stdout)
        ]
        assert entries == json.loads(theirs.stdout)
