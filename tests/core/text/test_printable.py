"""Names from files never reach a terminal as anything but visible text."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockstrata.errors import BlockstrataError
from blockstrata.text.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("base.qcow2", "base.qcow2"),
        ("", ""),
        ("grün 日本 🙂 é", "grün 日本 🙂 é"),
        ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x00\x7f\x9b", "\\x00\\x7f\\x9b"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("\u2028\u2029\u200b\ufeff", "\\u2028\\u2029\\u200b\\ufeff"),
        ("\ue000", "\\ue000"),
        ("\U000e0001", "\\U000e0001"),
        ("\U0010fffd", "\\U0010fffd"),
        (os.fsdecode(b"\xff\x80name"), "\\xff\\x80name"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_is_shown(text: str, shown: str):
    assert printable(text) == shown


@settings(max_examples=200)
@given(st.text(st.characters()))
def test_nothing_unsafe_is_left_and_nothing_else_is_touched(text: str):
    shown = printable(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
    shown.encode()
    if shown == text:
        return
    assert any(unicodedata.category(char) in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"} for char in text)


def test_an_error_is_one_printable_line():
    error = BlockstrataError("a\nb", "field\x1b", "is wrong\r")
    assert str(error) == "a\\x0ab: field\\x1b: is wrong\\x0d"
    assert (error.file, error.field, error.what) == ("a\nb", "field\x1b", "is wrong\r")


def test_an_error_leaves_out_what_is_empty():
    assert str(BlockstrataError("a", "", "is wrong")) == "a: is wrong"
