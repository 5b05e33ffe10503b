"""What grows with an image grows no faster than it: counted, not timed."""

from __future__ import annotations

import json
import tracemalloc
import unicodedata

import pytest

from blockstrata.graph.chain import Chain, Layer
from blockstrata.guest.merge import in_place
from blockstrata.protocols.null import NullNode
from blockstrata.questions.summary import Summary
from blockstrata.text import printable as printing
from blockstrata.text.printable import printable
from blockstrata.text.sizes import format_size
from blockstrata_viewer.reports.info import json_lines

SIZE = 1 << 20


def chain_of(count):
    return Chain(
        tuple(Layer(nth, NullNode(f"{nth}", "null-co", SIZE, read_zeroes=True)) for nth in range(count))
    )


def taken_to_add(chain, depth):
    """Return how many bytes are needed for so long, to add one layer's runs."""
    summary = Summary(chain.layers, in_place=True)
    view = in_place(chain, depth, 0, SIZE)
    tracemalloc.start()
    try:
        summary.add(view)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("place", [0, 1])
def test_a_layer_of_thousands_takes_no_more_to_add_up_than_one_of_a_few(place):
    few, many = chain_of(10), chain_of(4000)
    least = taken_to_add(few, 0)
    for chain in (few, many):
        assert taken_to_add(chain, place * (len(chain.layers) - 1)) < 2 * least + 4096


@pytest.mark.parametrize("text", ["\x01\x1b\u202e\x9f" * 500, "a\nü\udc80漢" * 400, "\U0010fffd " * 300])
def test_a_character_is_looked_up_once(monkeypatch, text):
    asked = []

    def category(char):
        asked.append(char)
        return unicodedata.category(char)

    monkeypatch.setattr(printing, "unicodedata", type("", (), {"category": staticmethod(category)}))
    monkeypatch.setattr(printing, "_SHOWN", printing._Shown())
    said = printable(text)
    assert sorted(asked) == sorted(set(text))
    assert printable(text) == said
    assert said.isprintable()


def test_no_more_characters_are_kept_than_there_is_use_for(monkeypatch):
    kept = printing._Shown()
    monkeypatch.setattr(printing, "_SHOWN", kept)
    every = "".join(map(chr, range(0x3000, 0x9000))) + "\n"
    assert printable(every) == every[:-1] + "\\x0a"
    assert printable(every[::-1]) == "\\x0a" + every[-2::-1]
    assert len(kept) <= 4096


def test_json_is_said_piece_by_piece():
    snapshot = {"id": "1", "name": "n" * 100, "disk-size": SIZE}
    facts = {"image": "a", "layers": [{"snapshots": [snapshot] * 5000}]}
    pieces = list(json_lines(facts))
    assert "".join(pieces) == json.dumps(facts, indent=2) + "\n"
    assert max(map(len, pieces)) < 1000


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (10239, "10.00 KiB"),
        (10 * 1024 + 1, "10.0 KiB"),
        (1024 * 1023 + 511, "1023 KiB"),
        (1024 * 1023 + 512, "1.00 MiB"),
        (2**63 - 1, "8.00 EiB"),
        (5 << 70, "5120 EiB"),
    ],
)
def test_sizes_at_the_edges(size, text):
    assert format_size(size) == text
