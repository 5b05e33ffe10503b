"""Block devices, asked of QEMU and of blockstrata; and images that name one, which needs consent.

The devices are loop devices: without the right to make one these checks are left out.
"""

from __future__ import annotations

import json

import pytest
from oracle import (
    TOOLS,
    Question,
    build,
    difference,
    our_answer,
    our_process,
    run,
    their_answer,
    workplace,
)
from recipe import Recipe, create, io

from blockstrata.access import Access, Consent
from blockstrata.errors import ConsentError
from blockstrata.graph.chain import open_chain

pytestmark = pytest.mark.live(*TOOLS, "losetup")

IMAGES = (
    "truncate -s 1M a.raw",
    io("a.raw", "write 128k 64k", fmt="raw"),
    create("in.qcow2", "1M", preallocation="metadata"),
    io("in.qcow2", "write 0 128k", "write -z 64k 64k"),
    "truncate -s 2M in.qcow2",
)


class Devices:
    """A directory, and loop devices on a raw file and a qcow2 image in it."""

    def __init__(self, directory, raw, qcow2):
        self.directory = directory
        self.raw = raw
        self.qcow2 = qcow2


@pytest.fixture(scope="module")
def devices():
    names: list[str] = []
    with workplace() as directory:
        build(Recipe("devices", IMAGES), directory)
        try:
            for image in ("a.raw", "in.qcow2"):
                done = run("losetup", "--find", "--show", image, cwd=directory)
                if done.returncode != 0:
                    pytest.skip("no loop device may be made here")
                names.append(done.stdout.strip())
            (directory / "link").symlink_to(names[0])
            overlays = (
                create("over.qcow2", "2M", names[0], "raw"),
                io("over.qcow2", "write 256k 64k"),
                create("linked.qcow2", "2M", "link", "raw"),
                create("named.qcow2", "1M", f"host_device:{names[0]}", "raw"),
                create("deep.qcow2", "2M", "over.qcow2"),
                create("data.qcow2", "1M", data_file="data.raw"),
                io("data.qcow2", "write 0 64k"),
            )
            build(Recipe("overlays", overlays), directory)
            (directory / "data.raw").unlink()
            (directory / "data.raw").symlink_to(names[0])
            yield Devices(directory, *names)
        finally:
            for name in names:
                run("losetup", "--detach", name, cwd=directory)


def same(devices, image, *options):
    question = Question(image, ("--follow-remote", *options), image, options)
    theirs = their_answer(question, devices.directory)
    found = difference(theirs, our_answer(question, devices.directory))
    assert not found, f"{' '.join(options)} {image}\n{found}"
    return theirs.entries


@pytest.mark.parametrize("fmt", [None, "raw", "qcow2", "host_device", "file"])
def test_a_device_by_its_name(devices, fmt):
    options = ("-f", fmt) if fmt else ()
    for name in (devices.raw, devices.qcow2, "link", f"file:{devices.raw}", f"host_device:{devices.raw}"):
        same(devices, name, *options)
    assert (same(devices, devices.raw, *options) is None) == (fmt in ("qcow2", "file"))


@pytest.mark.parametrize("driver", [None, "host_device", "file"])
def test_a_device_by_its_options(devices, driver):
    raw = {"filename": devices.raw, **({"driver": driver} if driver else {})}
    qcow2 = {**raw, "filename": devices.qcow2}
    answers = [
        same(devices, "json:" + json.dumps(options))
        for options in (
            {"driver": "raw", "file": raw},
            {"driver": "raw", "file": raw, "offset": 66048, "size": 131072},
            {"driver": "qcow2", "file": qcow2},
            {"file": qcow2},
        )
    ]
    assert (None in answers) == (driver == "file")


def test_a_regular_file_is_no_device(devices):
    assert same(devices, "a.raw", "-f", "host_device") is None
    assert same(devices, "host_device:a.raw") is None


@pytest.mark.parametrize("image", ["over.qcow2", "linked.qcow2", "named.qcow2", "deep.qcow2", "data.qcow2"])
def test_a_device_that_an_image_names_needs_consent(devices, image, monkeypatch):
    done = our_process(Question(image, (), image), devices.directory)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "is a device, or in /proc or /sys, and an image names it; consent with --follow" in done.stderr
    assert same(devices, image) is not None
    monkeypatch.chdir(devices.directory)
    with open_chain(image, Access(consents=frozenset({Consent.FOLLOW_REMOTE}))) as chain:
        assert chain.missing is None


def test_without_consent_the_layers_above_can_be_looked_at(devices, monkeypatch):
    monkeypatch.chdir(devices.directory)
    with open_chain("deep.qcow2") as chain:
        assert [layer.node.driver for layer in chain.layers] == ["qcow2", "qcow2", "not opened"]
        assert isinstance(chain.missing, ConsentError)
        assert chain.missing.consent is Consent.FOLLOW_REMOTE


def test_a_device_that_the_user_names_needs_none(devices, monkeypatch):
    monkeypatch.chdir(devices.directory)
    options = f"driver=qcow2,file.filename=over.qcow2,backing.driver=raw,backing.file.filename={devices.raw}"
    with open_chain(options, image_opts=True) as chain:
        assert [layer.node.host.driver for layer in chain.layers] == ["file", "host_device"]
        assert chain.missing is None
