"""Who names a node, and where names lead."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from blockstrata.errors import BackingLoopError, ConsentError
from blockstrata.formats.qcow2.author import Image, write_image
from blockstrata.formats.qemu.vmdk import remote_names
from blockstrata.graph.chain import open_chain
from blockstrata.naming.named import Named
from blockstrata.naming.paths import is_stored
from blockstrata.protocols.file import open_file

NBD = {"driver": "nbd", "host": "h", "port": "1"}
FILE = {"driver": "file", "filename": "a"}


def below(named: Named, *keys: str) -> Named:
    for key in keys:
        child = named.child(key, "x")
        assert child is not None
        named = child
    return named


def test_whole_names_are_the_user_s_or_the_image_s_at_every_depth():
    options = {"driver": "raw", "cache": {"direct": "on"}, "file": {"driver": "raw", "file": NBD}}
    for keys in ((), ("file",), ("file", "file")):
        assert not below(Named.by_user(options), *keys).is_stated
        assert below(Named.by_image(options), *keys).is_stated


@pytest.mark.parametrize(
    ("given", "stated", "are_stated"),
    [
        ({"read-only": True}, {"driver": "raw", "file": NBD}, (True, True)),
        ({"driver": "raw"}, {"driver": "raw", "file": NBD}, (True, True)),
        ({"file": {"port": "2"}}, {"driver": "raw", "file": NBD}, (True, True)),
        ({"file": NBD}, {"driver": "raw", "offset": 512}, (True, False)),
        ({"file": NBD}, {"driver": "raw", "file": {"export": "e"}}, (True, True)),
        (
            {"driver": "raw", "file": NBD},
            {"driver": "vmdk", "file": {**NBD, "host": "other"}},
            (False, False),
        ),
        ({"file": FILE}, {"driver": "raw", "cache": {"direct": "on"}}, (True, True)),
    ],
)
def test_a_node_with_options_of_both_is_the_image_s(given, stated, are_stated):
    merged = Named.by_user({"backing": given}).completing("backing", stated, "x")
    assert (merged.is_stated, below(merged, "file").is_stated) == are_stated


def test_nothing_below_an_image_s_options_becomes_the_user_s():
    top = Named.by_image({"backing": {"driver": "raw", "file": NBD}})
    assert below(top, "backing", "file").is_stated
    for stated in ({}, {"driver": "qcow2", "file": FILE}):
        layer = top.completing("backing", stated, "x")
        assert layer.is_stated
        assert below(layer, "file").is_stated


def test_an_image_that_hands_itself_options_over_and_over_is_a_loop(tmp_path):
    path = str(tmp_path / "self.qcow2")
    node = {"driver": "qcow2", "file": {"filename": path}}
    backing = "json:" + json.dumps({**node, "backing": {"driver": "qcow2"}})
    write_image(tmp_path / "self.qcow2", replace(Image(1 << 20), backing=backing), {})
    with open_chain(path) as chain:
        assert isinstance(chain.missing, BackingLoopError)
        assert len(chain.layers) <= 4


def test_a_server_in_the_options_of_a_backing_layer_needs_consent(tmp_path):
    write_image(tmp_path / "base.qcow2", Image(1 << 20), {})
    node = {"driver": "qcow2", "file": {"filename": str(tmp_path / "base.qcow2")}}
    backing = "json:" + json.dumps({**node, "backing": {"driver": "raw", "file": NBD}})
    write_image(tmp_path / "top.qcow2", replace(Image(1 << 20), backing=backing), {})
    with open_chain(str(tmp_path / "top.qcow2")) as chain:
        assert len(chain.layers) == 3
        assert isinstance(chain.missing, ConsentError)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("here", True),
        ("link", True),
        ("sub/../here", True),
        ("gone", True),
        ("around", True),
        ("nul\0", True),
        ("/proc/version", False),
        ("to-proc", False),
        ("sub/deep", False),
        ("/proc/self/cwd/here", False),
        ("/sys/kernel/profiling", False),
    ],
)
def test_what_is_stored(tmp_path, monkeypatch, name, stored):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").write_bytes(b"x")
    (tmp_path / "sub").mkdir()
    for link, target in (
        ("link", "sub/../here"),
        ("around", "around"),
        ("to-proc", "/proc/version"),
        ("out", "/proc/self"),
        ("sub/deep", "../out/cwd/here"),
    ):
        (tmp_path / link).symlink_to(target)
    if name.startswith("/sys") and not Path(name).exists():
        pytest.skip("no such file here")
    assert is_stored(name) is stored


def test_what_is_open_is_not_stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").write_bytes(b"x")
    with (tmp_path / "here").open("rb") as file:
        for name in (f"/proc/self/fd/{file.fileno()}", f"/dev/fd/{file.fileno()}"):
            assert not is_stored(name)


def sparse(text: bytes, sector: int) -> bytes:
    header = b"KDMV" + bytes(24) + sector.to_bytes(8, "little")
    return header.ljust(512, b"\0") + text


@pytest.mark.parametrize("sector", [1, (1 << 55) + 1, (1 << 63) + 1])
def test_a_descriptor_lies_where_qemu_finds_it(tmp_path, sector):
    (tmp_path / "top.vmdk").write_bytes(sparse(b'RW 8 FLAT "nbd:h:1" 0\n', sector))
    file = open_file(str(tmp_path / "top.vmdk"))
    assert list(remote_names(file)) == ["nbd:h:1"]
    file.close()


def test_an_extent_of_an_extent_lies_beside_the_image(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "inner").write_bytes(sparse(b'RW 8 FLAT "other" 0\n', 1))
    (tmp_path / "sub" / "other").write_bytes(b"x")
    (tmp_path / "other").symlink_to("/proc/version")
    (tmp_path / "top.vmdk").write_bytes(b'version=1\nRW 8 SPARSE "sub/inner"\n')
    file = open_file(str(tmp_path / "top.vmdk"))
    assert list(remote_names(file)) == [str(tmp_path / "other")]
    file.close()


def test_a_name_relative_to_one_with_a_protocol_has_it_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nbd:top.vmdk").write_bytes(b'version=1\nRW 8 FLAT "h:1" 0\nRW 8 FLAT "plain" 0\n')
    file = open_file("nbd:top.vmdk")
    assert list(remote_names(file)) == ["h:1", "nbd:plain"]
    file.close()
