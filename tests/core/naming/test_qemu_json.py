"""What ``json:{…}`` means."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from blockstrata.errors import BadReferenceError, BlockstrataError
from blockstrata.graph.chain import open_chain
from blockstrata.guest.merge import merged
from blockstrata.naming.parse import parse_reference

if TYPE_CHECKING:
    from pathlib import Path


def parse_json(text: str, driver: str | None = None) -> dict[str, object]:
    return parse_reference(f"json:{text}", driver)


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
