"""What QEMU answered where the recordings were made, asked of blockstrata without QEMU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from oracle import Answer, Question, difference, our_answer, report
from recipes import RECIPES
from sparse import restore

GOLDEN = sorted((Path(__file__).parent.parent / "golden").glob("*.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_recorded_answer(path, work):
    golden = json.loads(path.read_text())
    recipe = RECIPES[golden["recipe"]]
    assert list(recipe.commands) == golden["commands"], "the recipe has changed: python tests/qemu/record.py"
    for recorded in golden["answers"]:
        # anew each time: on a disk, what was read of reserved space lies in the page cache and counts as data
        if not all(restore(work / name, stored) for name, stored in golden["files"].items()):
            pytest.skip("this file system takes other storage for the same holes")
        image = recorded.get("image", golden["image"])
        question = Question(image, tuple(recorded["options"]), image)
        found = difference(Answer(recorded["entries"]), our_answer(question, work))
        if found:
            pytest.fail(report(recipe, question, found), pytrace=False)
