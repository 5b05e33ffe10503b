"""Following backing references: loops, missing layers, overrides, and images made to hurt."""

from __future__ import annotations

import json
import os
import struct
import tempfile
import time
from dataclasses import replace

import numpy as np
import pytest

from blockstrata.errors import BlockstrataError, UnsupportedError
from blockstrata.facts.codes import Mapping
from blockstrata.formats.qcow2.author import Data, Image, write_image
from blockstrata.graph.chain import open_chain
from blockstrata.guest.merge import merged

IMAGE = Image(1 << 20)


def reference(**options):
    return "json:" + json.dumps(options)


def names(chain):
    return [layer.name.rpartition("/")[2] for layer in chain.layers]


@pytest.mark.parametrize("backing", ["self.qcow2", "./self.qcow2", "../{here}/self.qcow2"])
def test_an_image_that_backs_itself_is_told_at_once(tmp_path, backing):
    name = backing.format(here=tmp_path.name)
    write_image(tmp_path / "self.qcow2", replace(IMAGE, backing=name, backing_format="qcow2"), {})
    with open_chain(str(tmp_path / "self.qcow2")) as chain:
        assert len(chain.layers) == 2
        assert "leads back to itself" in str(chain.missing)
        assert len(str(chain.missing)) < 600


def test_a_loop_of_two_shows_each_once(tmp_path):
    for name, below in (("a.qcow2", "b.qcow2"), ("b.qcow2", "a.qcow2")):
        write_image(tmp_path / name, replace(IMAGE, backing=below, backing_format="qcow2"), {})
    with open_chain(str(tmp_path / "a.qcow2")) as chain:
        assert names(chain) == ["a.qcow2", "b.qcow2", "a.qcow2"]
        assert chain.missing is not None
        assert chain.layers[2].node.driver == "not opened"
        assert [layer.depth for layer in chain.layers] == [0, 1, 2]
        assert f"backing file of {tmp_path}/b.qcow2" in str(chain.missing)


def two_ways_to_one_file(work, last):
    """Make an image that lies in two directories, each with a next.qcow2; the second's is on ``last``."""
    for name in ("one", "two"):
        (work / name).mkdir()
    write_image(work / "two/image.qcow2", replace(IMAGE, backing="next.qcow2", backing_format="qcow2"), {})
    os.link(work / "two/image.qcow2", work / "one/image.qcow2")
    for name, below in (("one", "../two/image.qcow2"), ("two", last)):
        image = replace(IMAGE, backing=below, backing_format=below and "qcow2")
        write_image(work / name / "next.qcow2", image, {})


def test_one_name_in_different_directories_is_no_loop(tmp_path):
    """As for QEMU, a relative name leads to where the image was found, if it is the same image as before."""
    two_ways_to_one_file(tmp_path, None)
    with open_chain(str(tmp_path / "one/image.qcow2")) as chain:
        assert chain.missing is None
        assert names(chain) == ["image.qcow2", "next.qcow2"] * 2


def test_a_loop_through_two_directories_is_one(tmp_path):
    two_ways_to_one_file(tmp_path, "../one/image.qcow2")
    with open_chain(str(tmp_path / "one/image.qcow2")) as chain:
        assert "leads back to itself" in str(chain.missing)
        assert names(chain) == [*["image.qcow2", "next.qcow2"] * 2, "image.qcow2"]


def test_the_same_image_twice_is_no_loop_where_options_end_it(tmp_path):
    """QEMU follows the options first; what is below the second one is what the image states."""
    for name, below in (("top.qcow2", "mid.qcow2"), ("mid.qcow2", "base.qcow2"), ("base.qcow2", None)):
        write_image(tmp_path / name, replace(IMAGE, backing=below, backing_format=below and "qcow2"), {})
    top = {"filename": str(tmp_path / "top.qcow2")}
    again = {"backing": {"driver": "qcow2", "file": top}}
    with open_chain(reference(driver="qcow2", file=top, backing=again)) as chain:
        assert chain.missing is None
        assert names(chain) == ["top.qcow2", "mid.qcow2", "top.qcow2", "mid.qcow2", "base.qcow2"]


def test_a_loop_through_options_that_an_image_states_is_told(tmp_path):
    path = str(tmp_path / "self.qcow2")
    below = {"driver": "qcow2", "file": {"filename": path}}
    stated = reference(**below, backing=below)
    write_image(tmp_path / "self.qcow2", replace(IMAGE, backing=stated, backing_format="qcow2"), {})
    with open_chain(path) as chain:
        assert len(chain.layers) < 6
        assert "leads back to itself" in str(chain.missing)


def test_no_backing_by_option_where_the_image_states_options_for_it(tmp_path):
    """As for QEMU, keys of both are there: ``backing`` and ``backing.driver``."""
    stated = reference(
        driver="qcow2", file={"filename": str(tmp_path / "b.qcow2")}, backing={"driver": "raw"}
    )
    write_image(tmp_path / "a.qcow2", replace(IMAGE, backing=stated, backing_format="qcow2"), {})
    write_image(tmp_path / "b.qcow2", replace(IMAGE, backing="a.qcow2", backing_format="qcow2"), {})
    top = {"filename": str(tmp_path / "a.qcow2")}
    with open_chain(reference(driver="qcow2", file=top, backing={"backing": None})) as chain:
        assert "options are given for it too" in str(chain.missing)


def test_a_missing_layer_names_the_image_that_refers_to_it(tmp_path):
    write_image(tmp_path / "top.qcow2", replace(IMAGE, backing="gone.raw", backing_format="raw"), {})
    with open_chain(str(tmp_path / "top.qcow2")) as chain:
        missing = f"{tmp_path}/gone.raw: backing file of {tmp_path}/top.qcow2: No such file or directory"
        assert str(chain.missing) == missing


def test_a_gap_is_raised_for_its_own_layer_and_for_the_chain_as_a_whole(tmp_path):
    for name, below in (("top.qcow2", "mid.qcow2"), ("mid.qcow2", "gone.raw")):
        write_image(
            tmp_path / name, replace(IMAGE, backing=below, backing_format=below.rpartition(".")[2]), {}
        )
    with open_chain(str(tmp_path / "top.qcow2")) as chain:
        assert [layer.depth for layer in chain.layers] == [0, 1, 2]
        for depth in (0, 1):
            chain.require_opened(depth)
        for depth in (2, None):
            with pytest.raises(BlockstrataError, match=r"backing file of .*mid.qcow2"):
                chain.require_opened(depth)
    write_image(tmp_path / "alone.qcow2", IMAGE, {})
    with open_chain(str(tmp_path / "alone.qcow2")) as chain:
        for depth in (0, None):
            chain.require_opened(depth)


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_backing_layer_by_option(tmp_path, nothing):
    write_image(tmp_path / "top.qcow2", replace(IMAGE, backing="gone.raw", backing_format="raw"), {})
    top = {"driver": "file", "filename": str(tmp_path / "top.qcow2")}
    with open_chain(reference(driver="qcow2", file=top, backing=nothing)) as chain:
        assert names(chain) == ["top.qcow2"]


def test_options_complete_what_the_image_states(tmp_path):
    (tmp_path / "base.raw").write_bytes(b"b" * 4096)
    write_image(tmp_path / "top.qcow2", replace(IMAGE, backing="base.raw", backing_format="raw"), {})
    top = {"filename": str(tmp_path / "top.qcow2")}
    with open_chain(reference(driver="qcow2", file=top, backing={"file": {"driver": "file"}})) as chain:
        assert names(chain) == ["top.qcow2", "base.raw"]
        assert chain.missing is None


def test_no_backing_for_a_raw_node_is_allowed(tmp_path):
    (tmp_path / "base.raw").write_bytes(b"b" * 4096)
    with open_chain(
        reference(driver="raw", file={"filename": str(tmp_path / "base.raw")}, backing=None)
    ) as chain:
        assert chain.size == 4096


@pytest.mark.parametrize("size", [2**63 - 1, 2**63 - 511])
def test_what_reaches_8_eib_is_refused(size):
    with pytest.raises(BlockstrataError, match="8 EiB"):
        open_chain(reference(driver="null-co", size=size))


def test_the_largest_node_has_an_end():
    with open_chain(reference(driver="null-co", size=2**63 - 512)) as chain:
        assert merged(chain, 0, chain.size).extents.end == 2**63 - 512


@pytest.mark.skipif(
    not os.access("/dev/shm", os.W_OK), reason="no file system in memory, which has such files"
)
def test_a_sparse_file_of_8_eib():
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.truncate(2**63 - 1)
        with pytest.raises(UnsupportedError, match="8 EiB"):
            open_chain(file.name)


def test_an_l1_table_of_every_other_entry_is_read_in_one_go(tmp_path):
    """A quarter of a million stretches: seconds if each cost a call, and no more than a blink otherwise."""
    entries = 1 << 19
    path = tmp_path / "every-other.qcow2"
    size = entries * 64 * 512
    l1_at = 1 << 12
    table_at = l1_at + entries * 8
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 9, size, 0, entries, l1_at, 512, 1, 0, 0)
    with path.open("wb") as file:
        file.write(header)
        file.seek(l1_at)
        tables = np.zeros((entries // 2, 64), ">u8")
        tables[:, 0] = 1 << 63 | 1 << 20
        l1 = np.zeros(entries, ">u8")
        l1[::2] = np.arange(table_at, table_at + tables.nbytes, 512, dtype=np.uint64) | np.uint64(1 << 63)
        file.write(l1.tobytes())
        file.write(tables.tobytes())
    began = time.process_time()
    with open_chain(str(path)) as chain:
        extents = merged(chain, 0, chain.size).extents
    assert len(extents) == entries
    assert not extents.having(Mapping.INVALID).any()
    # the plain way took a minute; this only tells the two apart
    assert time.process_time() - began < 30


def test_data_lies_where_the_layers_say(tmp_path):
    write_image(tmp_path / "base.qcow2", IMAGE, {0: Data(b"b"), 1: Data(b"b")})
    top = replace(IMAGE, backing="base.qcow2", backing_format="qcow2")
    write_image(tmp_path / "top.qcow2", top, {1: Data(b"t")})
    with open_chain(str(tmp_path / "top.qcow2")) as chain:
        assert merged(chain, 0, 3 << 16).depth.tolist() == [1, 0, 1]
