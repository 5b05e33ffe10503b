"""Options of drivers: which there are, and which values they take."""

from __future__ import annotations

import pytest

from blockstrata.errors import BadReferenceError
from blockstrata.naming.checks import check_options


@pytest.mark.parametrize(
    ("driver", "known", "unknown"),
    [
        ("file", {"filename": "a"}, {"size": 1}),
        ("host_device", {"locking": "off"}, {"offset": 1}),
        ("null-co", {"read-zeroes": True}, {"filename": "a"}),
        ("null-aio", {"size": 1}, {"file": {"filename": "a"}}),
        ("raw", {"offset": 512}, {"backing": {}}),
        ("qcow2", {"data-file": {"filename": "a"}}, {"offset": 512}),
        ("file", {"cache": {"direct": "on"}}, {"cache": {"x": "on"}}),
        ("file", {"backing": None}, {"cache": None}),
        ("raw", {"file": {"driver": "null-co", "size": "whatever"}}, {"x": 1}),
    ],
)
def test_options_are_those_of_the_driver(driver, known, unknown):
    check_options({"driver": driver, "node-name": "n", **known}, driver, "x")
    with pytest.raises(BadReferenceError, match=f"^x: .*: driver '{driver}' has no such option$"):
        check_options({"driver": driver, **unknown}, driver, "x")


@pytest.mark.parametrize(
    ("driver", "key", "right", "wrong"),
    [
        ("file", "aio", "threads", "fibres"),
        ("file", "aio", "io_uring", "native"),
        ("file", "locking", True, "yes"),
        ("file", "aio-max-batch", -1, "1k"),
        ("file", "aio-max-batch", "0x10", "08"),
        ("file", "aio-max-batch", 2**64 - 1, 2**64),
        ("file", "aio-max-batch", "007", "9" * 9999),
        ("file", "aio-max-batch", "0x0f", "0x" + "f" * 9999),
        ("file", "aio-max-batch", "0", "0x"),
        ("raw", "size", "0" * 99 + "7", "9" * 9999),
        ("file", "pr-manager", None, "helper"),
        ("file", "node-name", "a.b-c_d", "1a"),
        ("file", "node-name", "a" * 31, "a" * 32),
        ("file", "discard", "off", "no"),
        ("file", "detect-zeroes", "on", "unmap"),
        ("file", "read-only", "y", "On"),
        ("null-co", "latency-ns", 2**63 - 1, -1),
        ("raw", "size", "1.5k", "1kB"),
        ("qcow2", "overlap-check", "cached", "some"),
        ("qcow2", "overlap-check", {"template": "all", "main-header": True}, {"main-header": "all"}),
        ("qcow2", "cache-clean-interval", 2**32 - 1, 2**32),
        ("qcow2", "cache-clean-interval", 0, -1),
        ("qcow2", "cache-size", {}, "x"),
    ],
)
def test_values_are_those_the_option_takes(driver, key, right, wrong):
    check_options({key: right}, driver, "x")
    with pytest.raises(BadReferenceError, match=f"^x: {key}"):
        check_options({key: wrong}, driver, "x")


@pytest.mark.parametrize("value", [1, 0, 1.0, "On", "", "maybe"])
def test_what_is_neither_on_nor_off_is_refused(value: object):
    for options in ({"read-zeroes": value}, {"cache": {"direct": value}}):
        with pytest.raises(BadReferenceError, match=r"x: (read-zeroes|cache\.direct): .*neither on nor off"):
            check_options(options, "null-co", "x")


def test_options_that_need_others():
    check_options({"aio": "native", "cache": {"direct": "on"}}, "file", "x")
    check_options({"detect-zeroes": "unmap", "discard": True}, "file", "x")
    with pytest.raises(BadReferenceError, match="aio: 'native' needs cache"):
        check_options({"aio": "native", "cache": {"direct": "off"}}, "file", "x")
    with pytest.raises(BadReferenceError, match="detect-zeroes: 'unmap' needs discard"):
        check_options({"detect-zeroes": "unmap", "discard": "ignore"}, "file", "x")
    check_options({"force-share": "on", "read-only": "on"}, "raw", "x")
    check_options({"force-share": "off", "read-only": "off"}, "raw", "x")
    with pytest.raises(BadReferenceError, match="force-share: cannot be used with read-only=off"):
        check_options({"force-share": True, "read-only": False}, "raw", "x")
