"""Text made of columns, against the same rows written one by one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockstrata.facts.codes import NO_HOST
from blockstrata.graph.chain import Layer
from blockstrata.interchange import columns, listing, nbdinfo, qemu_img
from blockstrata.interchange.entries import Entries
from blockstrata.protocols.null import NullNode
from blockstrata.semantics import by_name
from blockstrata.semantics.historic import Flag

LENGTHS = st.integers(0, 12).flatmap(lambda digits: st.integers(0, 10**digits)) | st.integers(
    2**62, 2**63 - 1
)
"""Numbers of few digits as often as of many."""


def int64(numbers):
    return np.array(numbers, np.int64)


@given(
    st.lists(st.tuples(LENGTHS, LENGTHS | st.just(-1), st.integers(0, 2)), min_size=1, max_size=60), st.data()
)
def test_rows_are_what_format_writes(rows, data):
    words = ["", "ä b", "€" * 5]
    first, second, which = (int64(column) for column in zip(*rows, strict=True))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(columns, "_PIECE", data.draw(st.integers(1, 70)))
        found = "".join(
            columns.text(
                len(rows),
                *(b"<", first, b"|", second, b"|"),
                *(columns.Words(np.array([word.encode() for word in words]), which), b">\n"),
            )
        )
    assert found == "".join(
        f"<{first}|{'' if second < 0 else second}|{words[word]}>\n" for first, second, word in rows
    )


def entries_of(rows, semantics):
    start, length, depth, flags, offset = zip(*rows, strict=True)
    depths = int64(depth)
    return Entries(
        semantics, int64(start), int64(length), depths, depths, np.array(flags, np.uint8), int64(offset)
    )


def in_three(found):
    """Return entries in parts, of which the first has none."""
    middle = len(found) // 3
    return [found.part(0, 0), found.part(0, middle), found.part(middle, len(found))]


@given(
    st.lists(
        st.tuples(LENGTHS, LENGTHS, st.integers(0, 12_000), st.integers(0, 15), LENGTHS | st.just(NO_HOST)),
        min_size=1,
        max_size=60,
    ),
    st.sampled_from(["historic", "proposed"]),
)
def test_json_and_csv_say_what_the_entries_say(rows, name):
    semantics = by_name(name)
    found = entries_of(rows, semantics)
    expected = [
        {
            "start": start,
            "length": length,
            "depth": depth,
            **{column.key: bool(flags & column.flag) for column in semantics.columns},
            **({} if offset == NO_HOST else {"offset": offset}),
        }
        for start, length, depth, flags, offset in rows
    ]
    text = "".join(qemu_img.json_text(in_three(found)))
    assert json.loads(text) == expected
    # laid out as qemu-img does, and keys in its order
    lines = [json.dumps(each).replace("{", "{ ", 1) for each in expected]
    assert text == "[" + ",\n".join(lines) + "]\n"
    keys = ["start", "length", "depth", *(column.key for column in semantics.columns), "offset"]
    written = [
        ",".join(str(each.get(key, "")).replace("True", "1").replace("False", "0") for key in keys)
        for each in expected
    ]
    assert "".join(listing.csv_text(in_three(found), semantics)).splitlines() == [",".join(keys), *written]


@given(
    st.lists(
        st.tuples(
            LENGTHS,
            LENGTHS,
            st.integers(0, 2),
            st.sampled_from([0, int(Flag.DATA), int(Flag.DATA | Flag.ZERO), int(Flag.ZERO)]),
            LENGTHS | st.just(NO_HOST),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_the_table_for_people_is_what_c_s_formats_write(rows):
    layers = tuple(
        Layer(depth, NullNode(f"läyer {depth}", "null-co", 512, read_zeroes=False)) for depth in range(3)
    )
    lines, refused = [], False
    for index, (start, length, depth, flags, offset) in enumerate(rows):
        if flags & Flag.DATA and offset == NO_HOST and (index == 0 or not flags & Flag.ZERO):
            refused = True
            break
        if flags & Flag.DATA and not flags & Flag.ZERO:
            numbers = "".join(("0" if not each else hex(each)).ljust(16) for each in (start, length, offset))
            lines.append(f"{numbers}{layers[depth].node.host.name}")
    found = []
    try:
        found.extend(qemu_img.human_lines(in_three(entries_of(rows, by_name("historic"))), layers))
    except qemu_img.NoOffsetError:
        assert refused
    else:
        assert not refused
        assert "".join(found).splitlines()[1:] == lines


@given(st.lists(st.tuples(st.integers(1, 2**40), st.integers(0, 2**32 - 1)), max_size=60))
def test_nbdinfo_s_json_says_what_the_runs_say(runs):
    edges = np.concatenate([[0], np.cumsum([length for length, _ in runs], dtype=np.int64)]).astype(np.int64)
    types = np.array([kind for _, kind in runs], np.uint64)
    text = "".join(nbdinfo.json_text([(edges, types)], "base:allocation"))
    words = ("data", "hole", "zero", "hole,zero")
    expected = [
        {
            "offset": start,
            "length": length,
            "type": kind,
            **({"description": words[kind]} if kind < 4 else {}),
        }
        for start, (length, kind) in zip(edges.tolist(), runs, strict=False)
    ]
    assert json.loads(text) == expected
    lines = [json.dumps(each).replace("{", "{ ", 1) for each in expected]
    assert text == "[\n" + ",\n".join(lines) + "\n]\n"
