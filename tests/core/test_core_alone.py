"""The library installed alone: its wheel, used where there is numpy and nothing else, and no source tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import numpy as np
import pytest

import blockstrata
from blockstrata.formats.qcow2.author import Data, Image, ZeroPlain, write_image

ROOT = Path(__file__).parent.parent.parent
BUILD = "import sys; from hatchling import build; print(getattr(build, sys.argv[1])(sys.argv[2]))"
SHARED = {"blockstrata/py.typed", "blockstrata/__init__.py"}


def run(*words: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(source: Path, folder: Path, kind: str) -> Path:
    """Build a sdist or wheel as installers do, by the hooks of the backend that pyproject.toml names."""
    return folder / run(sys.executable, "-c", BUILD, f"build_{kind}", folder, cwd=source).split()[-1]


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as found:
        return {name: found.read(name) for name in found.namelist()}


def metadata(files: dict[str, bytes]):
    (name,) = [each for each in files if each.endswith(".dist-info/METADATA")]
    return message_from_string(files[name].decode())


def needs(files: dict[str, bytes]) -> set[str]:
    """Return what is installed along, without what only extras ask for."""
    wanted = metadata(files).get_all("Requires-Dist") or []
    return {each.partition(">")[0].partition("=")[0] for each in wanted if "extra" not in each}


@pytest.fixture(scope="module")
def core_wheel(tmp_path_factory) -> Path:
    return built(ROOT / "core", tmp_path_factory.mktemp("core"), "wheel")


@pytest.fixture(scope="module")
def alone(core_wheel, tmp_path_factory) -> Path:
    """Return the interpreter of an environment that holds the wheel, numpy, and not even pip."""
    folder = tmp_path_factory.mktemp("alone")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    assert not list(site.iterdir())
    with zipfile.ZipFile(core_wheel) as wheel:
        wheel.extractall(site)
    numpy = Path(np.__file__).parent
    for part in (numpy, *numpy.parent.glob("numpy.libs")):
        (site / part.name).symlink_to(part)
    return folder / "venv" / "bin" / "python"


@pytest.fixture
def images(tmp_path) -> Path:
    write_image(tmp_path / "base.qcow2", Image(1 << 20), {0: Data(b"old"), 1: Data(b"old")})
    top = Image(1 << 20, backing="base.qcow2", backing_format="qcow2")
    write_image(tmp_path / "top.qcow2", top, {1: Data(b"new"), 2: ZeroPlain()})
    return tmp_path


# ---------------------------------------------------------------- what is built


def test_the_core_s_wheel_holds_the_library_and_needs_numpy(core_wheel):
    files = contents(core_wheel)
    told = metadata(files)
    assert (told["Name"], told["Version"]) == ("blockstrata-core", blockstrata.__version__)
    assert needs(files) == {"numpy"}
    assert {name.partition("/")[0] for name in files if ".dist-info/" not in name} == {"blockstrata"}
    sources = {
        str(each.relative_to(ROOT / "core"))
        for each in (ROOT / "core" / "blockstrata").rglob("*")
        if each.is_file() and "__pycache__" not in each.parts
    }
    assert SHARED <= sources <= set(files)
    (licence,) = [data for name, data in files.items() if name.endswith("licenses/LICENSE")]
    assert licence == (ROOT / "LICENSE").read_bytes() == (ROOT / "core" / "LICENSE").read_bytes()
    assert told.get_payload().startswith("# blockstrata-core")


def test_the_core_s_sdist_builds_the_same_wheel(core_wheel, tmp_path):
    sdist = built(ROOT / "core", tmp_path, "sdist")
    with tarfile.open(sdist) as found:
        found.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    again = built(source, tmp_path, "wheel")
    assert contents(again) == contents(core_wheel)


def test_the_whole_installs_the_library_and_the_viewer(core_wheel, tmp_path):
    sdist = built(ROOT, tmp_path, "sdist")
    with tarfile.open(sdist) as found:
        found.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    assert (source / "core" / "pyproject.toml").exists(), "the library can be installed alone from here too"
    files = contents(built(source, tmp_path, "wheel"))
    told = metadata(files)
    assert (told["Name"], told["Version"]) == ("blockstrata", blockstrata.__version__)
    assert needs(files) == {"click", "numpy", "resvg-py", "rich", "textual"}
    assert SHARED | {"blockstrata_viewer/py.typed", "blockstrata_viewer/app/app.tcss"} <= set(files)
    library = {name: data for name, data in contents(core_wheel).items() if name.startswith("blockstrata/")}
    assert library.items() <= files.items()


# ---------------------------------------------------------------- how it is used

USES = """
import importlib.util, json, sys
assert not any(importlib.util.find_spec(name) for name in ("click", "rich", "textual", "blockstrata_viewer"))

import blockstrata
import blockstrata.errors, blockstrata.access, blockstrata.text.printable, blockstrata.text.sizes
from blockstrata import Access, BlockstrataError, Consent, ConsentError
assert "numpy" not in sys.modules

# modules are called like two functions of the face, in a room of their own
import blockstrata.questions.audit, blockstrata.questions.trace
assert callable(blockstrata.audit) and callable(blockstrata.trace)
from blockstrata import *
from pathlib import Path
from typing import get_type_hints

assert set(blockstrata.__all__) <= set(dir(blockstrata)) & set(globals())
for name in blockstrata.__all__:
    value = getattr(blockstrata, name)
    if callable(value) and not isinstance(value, Semantics):
        get_type_hints(value)

image = Path("top.qcow2")
with open_chain(image) as chain:
    view = merged(chain, 0, chain.size)
    last = trace(chain, 5).last
    findings = sum(each.findings for each in audit(chain))
found = []
for semantics in (*SEMANTICS, NBD_2018, NBD_6_0, NBD_PROPOSED):
    found.append([semantics.letters(flags) for flags in semantics.flags(view).tolist()])
try:
    merged(chain, 0, chain.size)
except ClosedError as error:
    closed = str(error)
try:
    open_chain(b"gone.qcow2")
except BlockstrataError as error:
    gone = str(error)
runs = [(*run[:2], run.mapping.name, run.storage.name, run.host, run.layer.name) for run in view]
print(json.dumps([blockstrata.__file__, runs, last.host, findings, found, closed, gone]))
"""


def test_it_is_used_without_the_viewer_s_packages(alone, images):
    file, runs, host, findings, letters, closed, gone = json.loads(run(alone, "-I", "-c", USES, cwd=images))
    assert Path(file).is_relative_to(alone.parent.parent)
    assert runs == [
        [0, 65536, "NORMAL", "DATA", 327680, "base.qcow2"],
        [65536, 65536, "NORMAL", "DATA", 327680, "top.qcow2"],
        [131072, 65536, "ZERO_PLAIN", "NONE", None, "top.qcow2"],
        [196608, 851968, "UNALLOCATED", "NONE", None, "base.qcow2"],
    ]
    assert host == 327685
    assert findings == 1
    assert letters == [
        ["D·O", "D·O", "·Z·", "·Z·"],
        ["L·AO", "L·AO", "LZ··", "LZ··"],
        ["··", "··", "·Z", "HZ"],
        ["··", "··", "HZ", "HZ"],
        ["··", "··", "HZ", "HZ"],
    ]
    assert (closed, gone) == ("top.qcow2: is closed", "gone.qcow2: No such file or directory")


TYPED = """
from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import blockstrata
from blockstrata import (
    HISTORIC, NBD_6_0, SEMANTICS, Access, BlockstrataError, Chain, Consent, Extents, Judged, Layer, Mapping,
    Probe, Run, Semantics, Storage, Trace, View, alone, audit, fact, in_place, mapping_of, merged, open_chain,
    trace,
)


def lengths(image: str | bytes | Path) -> dict[Mapping, int]:
    found: dict[Mapping, int] = {}
    access = Access(Probe.FIEMAP, frozenset({Consent.VIA_QEMU}), timeout=5)
    try:
        with open_chain(image, access, image_format="qcow2") as chain:
            assert_type(chain, Chain)
            for run in merged(chain, 0, chain.size):
                assert_type(run, Run)
                assert_type(run.layer, Layer)
                assert_type(run.host, int | None)
                assert_type(run.storage, Storage)
                found[run.mapping] = found.get(run.mapping, 0) + run.length
            assert_type(audit(chain), list[Judged])
            assert_type(trace(chain, 0), Trace)
            assert_type(chain.missing, BlockstrataError | None)
            views: list[View] = [in_place(chain, 0, 0, 512), alone(chain.layer(0), 0, 512)]
            start, length, *_ = next(iter(views[0]))
            assert_type(start, int)
    except BlockstrataError as error:
        print(error.file, error.field, error.what)
    return found


def flags(view: View) -> list[NDArray[np.uint8]]:
    assert_type(view.extents, Extents)
    assert_type(view.extents.host, NDArray[np.int64])
    assert_type(HISTORIC, Semantics)
    return [semantics.flags(view) for semantics in (*SEMANTICS, NBD_6_0)]


assert_type(blockstrata.__version__, str)
print(lengths(Path("top.qcow2")), mapping_of(fact(Mapping.NORMAL, Storage.DATA)))
"""


def test_a_user_s_script_is_typed(alone, images, request):
    """By the installed package's own hints, as py.typed allows."""
    script = images / "script.py"
    script.write_text(TYPED, "utf-8")
    # numpy's hints are read once, not each time
    cache = request.config.cache.mkdir("mypy")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, "--cache-dir", cache]
    said = run(*mypy, "--python-executable", alone, script, cwd=images)
    assert "no issues found in 1 source file" in said
    assert run(alone, "-I", script, cwd=images).startswith("{<Mapping.NORMAL: 5>: 131072")
