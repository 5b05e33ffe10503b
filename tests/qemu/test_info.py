"""``info`` beside ``qemu-img info``: never less than it says; the exit status tells if a chain is whole."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from fuzzer import ROUNDS, SEED, fuzz_recipe
from oracle import TOOLS, build, run, workplace
from refusals import REFUSALS

from blockstrata_viewer.cli.group import main

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live(*TOOLS)

_CRASHES = ("luks-without-its-header",)
"""What qemu-img info 7.2 does not survive."""
_ODD = ("json-backing-node-unknown",)
"""An option that info, which opens no backing layer, takes for none of the driver's."""
_NO_KEY = "key-secret' is required"
"""Why qemu-img map fails on an encrypted layer before it looks below."""
_FEATURES = (
    "compat",
    "compression-type",
    "lazy-refcounts",
    "refcount-bits",
    "corrupt",
    "extended-l2",
    "data-file-raw",
)


def ours(*words: str, cwd: Path) -> Any:
    """Return exit status and facts of ``info``, or None; where it fails, standard error has one line."""
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(main, ("info", "--output", "json", *words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    lines = done.stderr.splitlines()
    assert (len(lines) == 1) == (done.exit_code == 1), done.stderr
    return done.exit_code, json.loads(done.stdout) if done.stdout else None


def said_by_qemu(found: dict[str, Any]) -> dict[str, object]:
    """Return what qemu-img says, under our names."""
    specific = found.get("format-specific", {}).get("data", {})
    said = {
        "format": found["format"],
        "virtual-size": found["virtual-size"],
        "allocated": found.get("actual-size"),
        "backing": found.get("backing-filename"),
        "backing-format": found.get("backing-filename-format"),
    }
    if found["format"] == "qcow2":
        said |= {
            "snapshots": found.get("snapshots", []),
            "data-file": specific.get("data-file"),
            "cluster-size": found["cluster-size"],
            "dirty": found["dirty-flag"],
            "encryption": specific.get("encrypt", {}).get("format"),
            "bitmaps": specific.get("bitmaps", []),
            **{key: specific[key] for key in _FEATURES if key in specific},
        }
    return said


def said_here(facts: dict[str, Any], keys: Any) -> dict[str, object]:
    """Return the same of the active layer, as we say it."""
    layer = facts["layers"][0]
    flat = {**layer["features"], **layer}
    said = {key: flat.get(key) for key in keys}
    for listed in {"snapshots", "bitmaps"} & set(said):
        said[listed] = flat.get(listed, [])
    if "snapshots" in said:
        said["snapshots"] = [{**each} for each in said["snapshots"]]
        for each in said["snapshots"]:
            del each["disk-size"]
    if "data-file" in said:
        said["data-file"] = (said["data-file"] or {}).get("filename")
    return said


def check(image: str, directory: Path, *switches: str) -> None:
    """What qemu-img info says is said; the exit status also tells what qemu-img map cannot open."""
    done = run("qemu-img", "info", "-U", "--output=json", image, cwd=directory)
    mapped = run("qemu-img", "map", "-U", "--output=json", image, cwd=directory)
    for words in (("--quick",), ()):
        code, facts = ours(*words, *switches, image, cwd=directory)
        if done.returncode == 0:
            theirs = said_by_qemu(json.loads(done.stdout))
            assert said_here(facts, theirs) == theirs
    if facts and "refusal" not in facts["layers"][0]:
        check_compressed(image, facts["layers"][0].get("compressed-clusters"), directory)
    if _NO_KEY in mapped.stderr:
        return  # no key is needed here: whether the layers below are all there, QEMU does not say
    # that an entry of an open image is corrupt is said, and ends nothing
    opens = mapped.returncode == 0 or "Could not read file metadata" in mapped.stderr
    assert code == (done.returncode if opens else 1), done.stderr + mapped.stderr


def check_compressed(image: str, ours: int | None, directory: Path) -> None:
    """As many clusters are compressed as qemu-img check counts, of the active state alone.

    Damage may lie behind the disk's end, where check counts it as well.
    """
    done = run("qemu-img", "check", "-U", "--output=json", image, cwd=directory)
    if done.returncode in (0, 3):
        assert ours == json.loads(done.stdout).get("compressed-clusters", 0)


@pytest.mark.parametrize("number", ROUNDS)
def test_random_images(number):
    recipe = fuzz_recipe(SEED, number)
    with workplace() as directory:
        build(recipe, directory)
        for image in sorted(path.name for path in directory.glob("*.qcow2")):
            check(image, directory)


@pytest.mark.parametrize("name", [name for name, each in REFUSALS.items() if not each.hangs])
def test_what_map_refuses_info_may_show(name):
    recipe = REFUSALS[name].recipe
    if name in (*_CRASHES, *_ODD):
        pytest.skip("QEMU's own fault")
    with workplace() as directory:
        build(recipe, directory)
        check(recipe.image, directory)
