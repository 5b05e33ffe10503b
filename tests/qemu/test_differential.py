"""Every recipe, asked of QEMU and of blockstrata."""

from __future__ import annotations

import json

import pytest
from oracle import (
    TOOLS,
    Answer,
    Question,
    build,
    difference,
    our_answer,
    our_process,
    questions,
    report,
    their_answer,
)
from recipes import RECIPES

pytestmark = pytest.mark.live(*TOOLS)


@pytest.mark.parametrize("name", RECIPES)
def test_same_answer(name, work):
    recipe = RECIPES[name]
    build(recipe, work)
    asked = questions(recipe, work)
    assert len(asked) > 1, f"qemu-img info does not name the layers of {recipe.image}"
    for question in asked:
        theirs = their_answer(question, work)
        assert theirs.entries is not None, report(recipe, question, f"QEMU refuses: {theirs.error}")
        found = difference(theirs, our_answer(question, work))
        if found:
            pytest.fail(report(recipe, question, found), pytrace=False)


@pytest.mark.parametrize("name", ["chain", "compressed-below", "encrypted-aes"])
def test_same_answer_as_a_process(name, work):
    recipe = RECIPES[name]
    build(recipe, work)
    question = Question(recipe.image, (), recipe.asked or recipe.image)
    done = our_process(question, work)
    assert (done.returncode, done.stderr) == (0, "")
    found = difference(their_answer(question, work), Answer(json.loads(done.stdout)))
    assert not found, report(recipe, question, found)
