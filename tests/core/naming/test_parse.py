"""What a name means: paths, protocols, ``json:{…}``, names of backing files, and options."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from blockstrata.errors import BadReferenceError, BlockstrataError, UnsupportedError
from blockstrata.graph.chain import open_chain
from blockstrata.guest.merge import merged
from blockstrata.naming.parse import (
    bool_option,
    child,
    needs_qemu,
    parse_reference,
    size_option,
    text_option,
)
from blockstrata.naming.paths import directory_of, has_protocol

if TYPE_CHECKING:
    from pathlib import Path


def parse_json(text: str, driver: str | None = None) -> dict[str, object]:
    return parse_reference(f"json:{text}", driver)


# ---------------------------------------------------------------- names


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


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ({"file": {"filename": "x"}}, False),
        ({"driver": "vmdk", "file": {"driver": "file", "filename": "x"}}, False),
        ({"driver": "raw", "file": {"driver": "raw", "file": {"filename": "x"}}}, False),
        ({"driver": "nosuch", "file": {"filename": "x"}}, False),
        ({"driver": "qcow2", "file": "node"}, False),
        ({"file": {"driver": "https", "url": "https://h/x"}}, True),
        ({"driver": "https", "url": "https://h/x"}, True),
        ({"driver": "raw", "file": {"driver": "raw", "file": {"driver": "qcow2"}}}, True),
        ({"driver": "qcow2", "file": {"driver": "vmdk", "file": {"filename": "x"}}}, True),
        ({"driver": "quorum", "children": []}, True),
        ({"driver": []}, False),
        ({"driver": {}, "file": {"driver": {}}}, False),
    ],
)
def test_what_only_qemu_opens(options, needs: bool):
    assert needs_qemu(options) is needs


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


# ---------------------------------------------------------------- json

MEANING = {"driver": "raw", "offset": 512, "file": {"driver": "file", "filename": "base.img"}}


@pytest.mark.parametrize(
    "text",
    [
        '{"driver": "raw", "offset": 512, "file": {"driver": "file", "filename": "base.img"}}',
        '{"driver": "raw", "offset": 512, "file.driver": "file", "file.filename": "base.img"}',
        '{"driver": "raw", "offset": 512, "file.driver": "file", "file": {"filename": "base.img"}}',
        '{"driver": "raw", "offset": 512, "file": {"filename": "base.img"}, "file.driver": "file"}',
    ],
)
def test_dotted_and_nested_keys_mean_the_same(text: str):
    assert parse_json(text) == MEANING


def test_dots_are_taken_apart_at_every_depth():
    nested = {"backing": {"file": {"driver": "raw", "file": {"filename": "x"}}}}
    assert parse_json('{"backing.file.file.filename": "x", "backing.file.driver": "raw"}') == nested
    assert parse_json('{"backing": {"file.file": {"filename": "x"}, "file.driver": "raw"}}') == nested


@pytest.mark.parametrize(
    "text",
    [
        '{"a.b.c": 1, "a": {"b": {"d": 2}}}',
        '{"a": {"b": {"d": 2}}, "a.b.c": 1}',
        '{"a": {"b.c": 1}, "a.b": {"d": 2}}',
        '{"a.b": {"c": 1}, "a": {"b.d": 2}}',
    ],
)
def test_no_option_is_lost_where_dotted_and_nested_keys_meet(text: str):
    assert parse_json(text) == {"a": {"b": {"c": 1, "d": 2}}}


@pytest.mark.parametrize(
    "text",
    [
        '{"file.filename": "a", "file": "node"}',
        '{"file": "node", "file.filename": "a"}',
        '{"backing": null, "backing.driver": "raw"}',
        '{"backing.driver": "raw", "backing": null}',
        '{"driver": "raw", "driver": "qcow2"}',
        '{"file": {"filename": "a", "filename": "b"}}',
    ],
)
def test_an_option_that_is_given_twice_is_refused(text: str):
    with pytest.raises(BadReferenceError):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('{"file.filename": "a", "file": {"filename": "b"}}', {"file": {"filename": "b"}}),
        ('{"file": {"filename": "b"}, "file.filename": "a"}', {"file": {"filename": "b"}}),
        ('{"a.b.c": 2, "a": {"b": {"c": 1}}}', {"a": {"b": {"c": 1}}}),
        ('{"file.filename": "a", "file": 1}', {"file": {"filename": "a"}}),
        ('{"file": null, "file.filename": "a"}', {"file": {"filename": "a"}}),
        ('{"file": {}, "file.filename": "a"}', {"file": {"filename": "a"}}),
        ('{"file.filename": "a", "file": []}', {"file": {"filename": "a"}}),
    ],
)
def test_of_two_spellings_the_nested_one_wins_and_what_is_no_text_counts_for_nothing(
    text: str, options: dict[str, object]
):
    assert parse_json(text) == options


def test_a_list_is_options_by_index():
    assert parse_json('{"a": [1, {"b": 2}], "c": []}') == {"a": {"0": 1, "1": {"b": 2}}, "c": {}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("""{'a': 'b'}""", "b"),
        (r"""{'a': '\'"'}""", "'\""),
        (r"""{"a": "\'\""}""", "'\""),
        (r"""{'a': "\\'"}""", "\\'"),
        (r"""{'a': '\u00e9\n'}""", "é\n"),
        ("""{"a": "%s"}""", "%s"),
    ],
)
def test_strings_may_stand_in_single_quotes(text: str, value: str):
    assert parse_json(text) == {"a": value}


def test_null_stays_null():
    assert parse_json('{"driver": "qcow2", "backing": null}') == {"driver": "qcow2", "backing": None}


def test_a_format_that_is_known_wins_over_json_s():
    assert parse_json('{"driver": "raw", "file.filename": "x"}', "qcow2") == {
        "driver": "qcow2",
        "file": {"filename": "x"},
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{]",
        "{'driver: 1}",
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": %s}',
        '{"a": 1} x',
        "[1]",
        "1",
        "null",
        '"text"',
    ],
)
def test_what_is_no_json_object_is_refused(text: str):
    with pytest.raises(BadReferenceError, match="JSON"):
        parse_json(text)


def test_the_message_shortens_a_long_name():
    with pytest.raises(BadReferenceError) as caught:
        parse_json("{" + "x" * 10_000)
    assert len(str(caught.value)) < 200


def nested_raw(depth: int, filename: str) -> str:
    return '{"driver": "raw", "file": ' * depth + json.dumps({"filename": filename}) + "}" * depth


def dotted_raw(depth: int, filename: str) -> str:
    drivers = {"file." * level + "driver": "raw" for level in range(depth)}
    return json.dumps({**drivers, "file." * depth + "filename": filename})


def nested_list(depth: int, _: str) -> str:
    return '{"driver": "raw", "file": ' + "[" * depth + "]" * depth + "}"


@pytest.mark.parametrize("spelling", [nested_raw, dotted_raw, nested_list])
def test_deep_nesting_is_an_image_or_an_error_but_never_a_crash(tmp_path: Path, spelling):
    """Somewhere below the interpreter's limit JSON still is read; what is done with it must hold out too."""
    path = tmp_path / "base.img"
    path.write_bytes(b"x" * 512)
    limit = sys.getrecursionlimit()
    for depth in (100, *range(limit - 120, limit + 40, 10)):
        try:
            with open_chain(f"json:{spelling(depth, str(path))}") as chain:
                assert len(merged(chain, 0, chain.size).extents) == 1
        except BlockstrataError as error:
            assert depth > 100 or spelling is nested_list
            assert str(error).isprintable()


# ---------------------------------------------------------------- options


def test_child_tells_none_from_options_and_refuses_node_names():
    assert child({}, "file", "x") is None
    assert child({"backing": None}, "backing", "x") is None
    assert child({"file": {}}, "file", "x") is None
    assert child({"file": 1}, "file", "x") is None
    with pytest.raises(BadReferenceError, match="x: file: names a node, 'node0'"):
        child({"file": "node0"}, "file", "x")


def test_a_child_inherits_its_cache_mode_and_may_discard():
    given = {"filename": "a", "cache": {"no-flush": "on"}}
    options = {"cache": {"direct": "on", "no-flush": "off"}, "discard": "ignore", "file": given}
    cache = {"direct": "on", "no-flush": "on"}
    assert child(options, "file", "x") == {"filename": "a", "cache": cache, "discard": "unmap"}
    assert options["file"] is given


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, None),
        ({}, None),
        (0, 0),
        (512.0, 512),
        (" 512", 512),
        ("+512", 512),
        (65536, 65536),
        ("65536", 65536),
        ("64k", 65536),
        ("1.5M", 1572864),
        ("0x200", 512),
    ],
)
def test_a_size_is_a_number_or_as_qemu_writes_it(value: object, size: int | None):
    assert size_option({"size": value}, "size", "x") == size


def test_a_size_that_is_not_given_is_none():
    assert size_option({}, "size", "x") is None


@pytest.mark.parametrize("value", [-1, "-1", True, False, "", "big", 2**63, "8E", 1.5])
def test_what_is_no_size_is_refused(value: object):
    with pytest.raises(BadReferenceError, match="x: size: "):
        size_option({"size": value}, "size", "x")


@pytest.mark.parametrize("value", [True, "on", "yes", "true", "y"])
def test_switched_on(value: object):
    assert bool_option({"s": value}, "s", "x") is True


@pytest.mark.parametrize(
    "options", [{}, *({"s": value} for value in (False, "off", "no", "false", "n", None))]
)
def test_switched_off(options: dict[str, object]):
    """JSON's null counts as not given, as it does for QEMU."""
    assert bool_option(options, "s", "x") is False


@pytest.mark.parametrize("value", [1, 0, 1.0, "On", "", "maybe"])
def test_what_is_neither_on_nor_off_is_refused(value: object):
    with pytest.raises(BadReferenceError, match=r"x: s: .*neither on nor off"):
        bool_option({"s": value}, "s", "x")


def test_text_must_be_there():
    assert text_option({"filename": "a"}, "filename", "x") == "a"
    for options in ({}, {"filename": ""}, {"filename": None}, {"filename": 1}, {"filename": {}}):
        with pytest.raises(BadReferenceError, match="x: filename: is missing"):
            text_option(options, "filename", "x")
