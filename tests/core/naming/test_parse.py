"""What a name means: paths, protocols, names of backing files."""

from __future__ import annotations

import pytest

from blockstrata.errors import BadReferenceError, UnsupportedError
from blockstrata.naming.parse import parse_reference
from blockstrata.naming.paths import directory_of, has_protocol


@pytest.mark.parametrize(
    "name",
    ["top.qcow2", "/a/b c", "./c:olon.qcow2", "a/b:c", "-", "json", "{}", "ümläut", " ", "null-co"],
)
def test_a_plain_name_is_a_file_whose_format_is_to_be_probed(name: str):
    assert parse_reference(name) == {"file": {"filename": name}}


@pytest.mark.parametrize("name", ["top.img", "/a:b", "x"])
def test_a_known_format_is_stated(name: str):
    assert parse_reference(name, "qcow2") == {"driver": "qcow2", "file": {"filename": name}}


@pytest.mark.parametrize("driver", ["file", "host_device"])
def test_a_protocol_as_the_format_is_the_whole_chain(driver: str):
    assert parse_reference("/dev/vda", driver) == {"driver": driver, "filename": "/dev/vda"}


@pytest.mark.parametrize("path", ["a.img", "/a/b", "c:olon", "file:twice", ""])
def test_file_takes_all_that_follows_as_the_path(path: str):
    assert parse_reference(f"file:{path}") == {"file": {"driver": "file", "filename": path}}


@pytest.mark.parametrize("driver", ["null-co", "null-aio"])
def test_null_has_one_name(driver: str):
    assert parse_reference(f"{driver}://") == {"file": {"driver": driver}}
    assert parse_reference(f"{driver}://", "raw") == {"driver": "raw", "file": {"driver": driver}}
    assert parse_reference(f"{driver}://", driver) == {"driver": driver}
    for other in ("", "/", "//x", "//\n", "x"):
        with pytest.raises(BadReferenceError, match=f"the only name of this driver is {driver}://"):
            parse_reference(f"{driver}:{other}")


@pytest.mark.parametrize("name", ["c:olon.qcow2", "gopher://host/x", "-U:a", ":", "FILE:x", "a\nb:c"])
def test_a_colon_before_any_slash_is_a_protocol(name: str):
    assert has_protocol(name)
    with pytest.raises(
        UnsupportedError, match=r"protocol .* is not supported; a file of this name is written \./"
    ):
        parse_reference(name)


def test_protocols_that_only_qemu_speaks():
    assert parse_reference("https://h/x") == {"file": {"driver": "https", "url": "https://h/x"}}
    assert parse_reference("ssh://h/x", "vmdk") == {
        "driver": "vmdk",
        "file": {"driver": "ssh", "filename": "ssh://h/x"},
    }


@pytest.mark.parametrize("name", ["", "plain", "/a:b", "./a:b", "a/b:c"])
def test_a_colon_after_a_slash_is_none(name: str):
    assert not has_protocol(name)


@pytest.mark.parametrize("driver", [None, "raw", "file"])
def test_an_empty_name_is_refused(driver: str | None):
    with pytest.raises(BadReferenceError, match="an image needs a name"):
        parse_reference("", driver)


# ---------------------------------------------------------------- backing names


@pytest.mark.parametrize(
    ("overlay", "backing", "joined"),
    [
        ("top.qcow2", "base.qcow2", "base.qcow2"),
        ("dir/top.qcow2", "base.qcow2", "dir/base.qcow2"),
        ("/a/b/top.qcow2", "../base.qcow2", "/a/b/../base.qcow2"),
        ("./dir//top", "sub/base", "./dir//sub/base"),
        ("dir/top", "sub/c:olon.qcow2", "dir/sub/c:olon.qcow2"),
        ("c:olon.qcow2", "base", "c:base"),
        ("c:a/olon.qcow2", "base", "c:a/base"),
        ("/top", "base", "/base"),
        ("a:b/top", "base", "a:b/base"),
    ],
)
def test_a_backing_name_is_joined_to_the_overlay_s_path_as_it_was_given(
    overlay: str, backing: str, joined: str
):
    assert directory_of(overlay) + backing == joined
