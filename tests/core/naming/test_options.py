"""Options: a tree, what children inherit, values by type."""

from __future__ import annotations

import pytest

from blockstrata.errors import BadReferenceError
from blockstrata.naming.options import child, size_option, switch_of, text_option


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
    assert switch_of({"s": value}, "s") is True


@pytest.mark.parametrize("value", [False, "off", "no", "false", "n"])
def test_switched_off(value: object):
    assert switch_of({"s": value}, "s") is False


@pytest.mark.parametrize("options", [{}, {"s": None}, {"s": {}}])
def test_a_switch_that_is_not_given(options: dict[str, object]):
    """JSON's null counts as not given, as it does for QEMU."""
    assert switch_of(options, "s") is None


def test_text_must_be_there():
    assert text_option({"filename": "a"}, "filename", "x") == "a"
    for options in ({}, {"filename": ""}, {"filename": None}, {"filename": 1}, {"filename": {}}):
        with pytest.raises(BadReferenceError, match="x: filename: is missing"):
            text_option(options, "filename", "x")
