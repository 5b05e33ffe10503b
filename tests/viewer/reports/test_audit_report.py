"""The audit's text for people."""

from __future__ import annotations

import re

import pytest

from blockstrata.graph.chain import open_chain
from blockstrata_viewer.reports.audit import AuditReport
from blockstrata_viewer.screens.read_page import page_width


@pytest.fixture(scope="module")
def lines(demo_image):
    with open_chain(demo_image) as chain:
        return "".join(AuditReport(chain).human_lines()).splitlines()


def test_no_two_rows_look_the_same(lines):
    """Their counts aside: today's letters and the row may be one, what the facts say is another."""
    rows = [
        line[:51] for line in lines if re.match("  (qcow2|file) .* (bug row|misstatement|question) ", line)
    ]
    assert len(rows) >= 8
    assert len(set(rows)) == len(rows)
    assert sum("··O   ···O  ··AO   bug row" in row for row in rows) == 1
    assert sum("··O   ···O  ····   bug row" in row for row in rows) == 1


def test_no_two_headings_of_a_layer_look_the_same(lines):
    for layer in "\n".join(lines).split("\n\n"):
        heads = [line for line in layer.splitlines() if re.match("  [a-z ]+: today ", line)]
        assert len(set(heads)) == len(heads)
        assert all("facts say" in head for head in heads)


def test_all_but_the_words_fits_on_a_small_screen(lines):
    (head, *_) = [line for line in lines if line.startswith("  driver")]
    assert head.index("  words") <= page_width(80)


def test_one_range_is_a_range(lines):
    more = [line for line in lines if "more range" in line]
    assert any(line.strip() == "… 1 more range" for line in more)
    assert all(line.endswith("s") == ("… 1 " not in line) for line in more)
