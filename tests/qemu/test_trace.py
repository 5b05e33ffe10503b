"""Where a traced read ends, against qemu-img map: depth, flags and offset, byte by byte."""

from __future__ import annotations

import contextlib
import json

import pytest
from oracle import TOOLS, Question, build, their_answer
from recipe import SECRET
from recipes import RECIPES

from blockstrata.graph.chain import open_chain
from blockstrata_viewer.reports.trace import map_line, trace

pytestmark = pytest.mark.live(*TOOLS)

TRACED = [
    "chain",
    "extended-l2-longer-than-backing",
    "extended-l2-over-extended-l2",
    "subclusters-neighbours-over-backing",
    "preallocation-metadata",
    "preallocation-metadata-below",
    "zero-allocated",
    "zero-over-backing",
    "compressed-below",
    "data-file-over-backing",
    "data-file-at-0",
    "punched-10-of-12",
    "truncated-inside-a-cluster",
    "staircase-up-and-down",
    "staircase-on-raw",
    "chain-of-200",
    "raw-offset-and-size",
    "backing-raw-offset",
    "raw-1000000-bytes-written",
    "null-under-raw-garbage",
    "null-zeroes",
    "file-alone",
    "encrypted-luks-over-backing",
    "encrypted-aes-below",
    "at-snapshot-over-backing",
]

SAMPLES = 12
"""Runs of a map that are traced at both ends."""


@pytest.mark.parametrize("name", TRACED)
def test_a_trace_ends_where_qemu_says(name, work):
    recipe = RECIPES[name]
    build(recipe, work)
    theirs = their_answer(Question(recipe.image, (), recipe.asked or recipe.image), work)
    assert theirs.entries
    runs = theirs.entries[:: max(1, len(theirs.entries) // SAMPLES)]
    with contextlib.chdir(work), open_chain(recipe.image) as chain:
        for run in runs:
            assert run["length"]
            for into in (0, run["length"] - 1):
                ours = map_line(trace(chain, run["start"] + into).last)
                assert without_compressed(ours) == expected(run, into), (name, run, into)


def expected(run: dict, into: int) -> str:
    words = [f"depth {run['depth']}"]
    words += [f"{key} {json.dumps(run[key])}" for key in ("present", "zero", "data")]
    if "offset" in run:
        words.append(f"offset {run['offset'] + into}")
    return ", ".join(words)


def without_compressed(line: str) -> str:
    return line.replace(", compressed true", "")


def test_the_key_is_not_needed(work):
    """An encrypted image is traced without it: SECRET is QEMU's alone."""
    recipe = RECIPES["encrypted-luks-over-backing"]
    assert SECRET[1] not in recipe.image
    build(recipe, work)
    with contextlib.chdir(work), open_chain(recipe.image) as chain:
        found = [trace(chain, at) for at in range(0, chain.size, chain.size // 16)]
    assert any(each.last.layer.node.is_encrypted and each.stored is not None for each in found)
