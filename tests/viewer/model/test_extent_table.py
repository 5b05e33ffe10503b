"""The extent table: its rows are those of ``map``; sorted and filtered as plain Python would."""

from __future__ import annotations

import json
import re
import sys
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilots import load_whole

from blockstrata.facts.codes import NO_HOST
from blockstrata.facts.extents import Extents
from blockstrata.guest.view import View
from blockstrata.semantics import SEMANTICS, by_name
from blockstrata_viewer.model import extent_table
from blockstrata_viewer.model.extent_filter import parse_filter
from blockstrata_viewer.model.extent_table import COLUMNS, Query, find, row_of
from blockstrata_viewer.model.states import Paint
from blockstrata_viewer.model.track import Track
from blockstrata_viewer.reports.map import Part, status_lines
from blockstrata_viewer.scenarios import SCENARIOS

PROPOSED = by_name("proposed")


def whole(track, query, semantics=PROPOSED):
    """Return the rows that a query finds at last."""
    *_, found = find(track, semantics, query)
    assert not found.progress
    return found, [row_of(track, run, semantics) for run in found.runs(0, len(found))]


@pytest.mark.parametrize("semantics", SEMANTICS, ids=lambda each: each.name)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_rows_are_those_of_map(tmp_path, name, semantics):
    """Of the guest, and of each layer in its chain: what map prints is rows, or neighbouring rows joined."""
    disk = load_whole(SCENARIOS[name].build(tmp_path)[0])
    try:
        for depth, track in enumerate((disk.guest, *disk.tracks), -1):
            part = Part() if depth < 0 else Part(depth, in_place=True)
            entries = json.loads("".join(status_lines(part, disk.chain, semantics, "json")))
            rows = iter(whole(track, Query(), semantics)[1])
            for entry in entries:
                row = next(rows)
                assert (row.start, row.layer.depth) == (
                    entry["start"],
                    depth if depth >= 0 else entry["depth"],
                )
                assert "offset" not in entry or row.host == entry["offset"]
                letters, length = row.state.letters, row.length
                while length < entry["length"]:
                    row = next(rows)
                    length += row.length
                    # those that are joined look alike, and the next one is stored where this one ends
                    assert row.state.letters == letters
                    at = row.start - entry["start"]
                    assert "offset" not in entry or row.host == entry["offset"] + at
                assert length == entry["length"]
            assert next(rows, None) is None
    finally:
        disk.chain.close()


@pytest.fixture(scope="module")
def mixed(demo_disk):
    """Return what makes a track of so many runs of all the facts of the demo, in all its layers."""
    facts = np.unique(np.concatenate([track.view.extents.facts for track in demo_disk.tracks]))

    def make(seed, runs):
        rng = np.random.default_rng(seed)
        lengths = 512 << rng.integers(0, 14, runs)
        edges = np.concatenate([[0], np.cumsum(lengths)])
        host = np.where(rng.random(runs) < 0.5, NO_HOST, rng.integers(0, 50, runs) << 16)
        source = rng.integers(0, len(demo_disk.layers), runs)
        extents = Extents(edges, rng.choice(facts, runs), host)
        return Track(View(extents, source, source, demo_disk.layers))

    return make


def words_of(text):
    return re.findall(r"\w+", text.lower())


def said_of(row):
    state = row.state
    parts = state.letters, state.short, state.words, row.fact, row.layer.name.rpartition("/")[2]
    return [part.lower() for part in parts]


TERMS = {
    "state:zero": lambda row: "zero" in words_of(row.state.short),
    "STATE:Data": lambda row: "data" in words_of(row.state.short),
    "state:bug": lambda row: row.state.paint is Paint.SUSPICIOUS,
    "state:L·AO": lambda row: row.state.letters == "L·AO",
    "state:l.ao": lambda row: row.state.letters == "L·AO",
    "state:LAO": lambda row: row.state.letters == "L·AO",
    "state:LZ": lambda row: row.state.letters == "LZ··",
    "state:....": lambda row: row.state.letters == "····",
    "size>64k": lambda row: row.length > 65536,
    "size<64k": lambda row: row.length < 65536,
    "size>=0x10000": lambda row: row.length >= 65536,
    "size<=64k": lambda row: row.length <= 65536,
    "size=64k": lambda row: row.length == 65536,
    "size:512": lambda row: row.length == 512,
    "layer:0": lambda row: row.layer.depth == 0,
    "layer:2": lambda row: row.layer.depth == 2,
    "layer:7": lambda row: row.layer.depth == 7,
    "at:1M..2M": lambda row: row.start < 2 << 20 and row.start + row.length > 1 << 20,
    "at:1M": lambda row: row.start <= 1 << 20 < row.start + row.length,
    "at:3M..": lambda row: row.start + row.length > 3 << 20,
    "at:..64k": lambda row: row.start < 65536,
    "host:yes": lambda row: row.host is not None,
    "host:NO": lambda row: row.host is None,
    "fact:compressed": lambda row: "compressed" in row.fact,
    "fact:on": lambda row: " on " in row.fact,
    "monday": lambda row: any("monday" in part for part in said_of(row)),
    "Zero": lambda row: any("zero" in part for part in said_of(row)),
    "LZAO": lambda row: any("lzao" in part for part in said_of(row)),
}


def key_of(row, query, track):
    """Return what a row is sorted by, the least first; rows without a host offset come last by it."""
    column, sign = query.column, -1 if query.is_descending else 1
    if column in ("start", "length"):
        return sign * getattr(row, column)
    if column == "host":
        return (1, 0) if row.host is None else (0, sign * row.host)
    if column == "layer":
        return sign * row.layer.depth
    texts = [text_of(each, column) for each in track]
    return sign * sorted(set(texts)).index(text_of(row, column))


def text_of(row, column):
    state = row.state
    return {"letters": state.label, "words": f"{state.short} {state.words}", "fact": row.fact}[column]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(1, 120),
    st.lists(st.sampled_from(sorted(TERMS)), max_size=3),
    st.sampled_from(COLUMNS),
    st.booleans(),
    st.booleans(),
)
def test_sorted_and_filtered_as_plain_python_does(mixed, seed, runs, terms, column, is_descending, in_parts):
    track = mixed(seed, runs)
    query = Query(parse_filter(" ".join(terms)), column, is_descending)
    rows = [row_of(track, run, PROPOSED) for run in range(runs)]
    wanted = [row for row in rows if all(TERMS[term](row) for term in terms)]
    wanted.sort(key=lambda row: key_of(row, query, rows))
    sizes = {"AT_ONCE": 8, "_PART": 7, "FIRST": 5} if in_parts else {}
    with pytest.MonkeyPatch.context() as patch:
        for name, size in sizes.items():
            patch.setattr(extent_table, name, size)
        steps = list(find(track, PROPOSED, query))
    found = steps[-1]
    assert found.runs(0, runs) == [row.run for row in wanted]
    assert (found.matched, found.total) == (len(wanted), sum(row.length for row in wanted))
    for row in rows:
        assert found.row_of(row.run) == (wanted.index(row) if row in wanted else None)
    for step in steps[:-1]:
        assert step.progress
        if step.progress.startswith("sorting"):
            # the first rows do not move when the others come
            assert step.runs(0, 5) == found.runs(0, 5)


def test_every_term_is_one_that_some_rows_hold_and_some_do_not(mixed):
    """Or the test above would say little."""
    rows = [row_of(track, run, PROPOSED) for track in [mixed(1, 400)] for run in range(400)]
    for text, holds in TERMS.items():
        known = {bool(holds(row)) for row in rows}
        assert known == {True, False} or text in ("layer:7", "state:bug", "state:....", "LZAO"), text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("state:colour", "there is no state 'colour'; write letters such as L·AO, or one of: "),
        ("state:", "state: needs a value, such as state:zero"),
        ("size", "size needs a comparison, such as size>1M"),
        ("size>", "size> needs a size, such as size>1M"),
        ("size>much", "'much' is not a size"),
        ("size>9E", "'9E' is 8 EiB or more"),
        ("layer:top", "'top' is not the depth of a layer; 0 is the active one"),
        ("layer:99999999999", "'99999999999' is not the depth"),
        ("at:2M..1M", "at:2M..1M ends before it begins"),
        ("at:here", "'here' is not a size"),
        ("host:maybe", "host: is yes or no, not 'maybe'"),
        ("zero colour:red", "'colour:' is not one of state: size> layer: at: host: fact:"),
    ],
)
def test_what_a_filter_cannot_say_is_one_line(text, why):
    with pytest.raises(ValueError, match=re.escape(why)) as error:
        parse_filter(text)
    assert str(error.value).startswith(why)
    assert "\n" not in str(error.value)


def test_an_empty_filter_is_none():
    assert Query(parse_filter("  ")).is_plain
    assert parse_filter("zero   size>1M") == parse_filter("zero size>1M") != parse_filter("zero")


def test_what_one_sorts_by():
    query = Query().by("length")
    assert (query.column, query.is_descending) == ("length", True)
    assert not query.by("length").is_descending
    assert query.beside(1).column == "letters"
    assert Query().beside(-1) == Query()
    assert not query.by("fact").is_descending


@pytest.fixture(scope="module")
def long_track(mixed):
    return mixed(3, 1_000_000)


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(column="length", is_descending=True),
        Query(column="words"),
        Query(parse_filter("state:zero size>1k layer:1 monday at:1M.. host:no fact:zero"), "host"),
    ],
    ids=["as-they-lie", "by-length", "by-words", "filtered"],
)
def test_a_million_extents_take_no_million_steps(long_track, query):
    """Counted are the calls that Python makes, of its own functions and of others."""
    calls = 0

    def count(_frame, event, _what):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        *_, found = find(long_track, PROPOSED, query)
        found.runs(len(found) // 2, len(found) // 2 + 50)
        found.row_of(12345)
    finally:
        sys.setprofile(None)
    assert calls < 5000


def test_the_first_rows_come_before_the_others(long_track):
    first, whole = find(long_track, PROPOSED, Query(column="length", is_descending=True))
    assert first.progress == "sorting …"
    assert first.matched == whole.matched == len(whole) == 1_000_000
    assert len(first) == extent_table.FIRST
    assert first.runs(0, len(first)) == whole.runs(0, len(first))


def test_nobody_waits_for_what_is_not_wanted_any_more(long_track):
    query = Query(parse_filter("zero"), "length", is_descending=True)
    asked = iter([False, True])
    assert len(list(find(long_track, PROPOSED, query, lambda: next(asked)))) == 1
    assert len(list(islice(find(long_track, PROPOSED, query), 3))) == 3
