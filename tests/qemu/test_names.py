"""What names and options mean, and which of them are refused, asked of QEMU and of blockstrata."""

from __future__ import annotations

import json

import pytest
from names import IMAGES, asked
from oracle import TOOLS, Answer, Question, build, difference, our_answer, run, workplace
from recipe import Recipe

pytestmark = pytest.mark.live(*TOOLS)

_ABORT = "Unexpected error in "
"""QEMU 7.2 aborts on what the options of null-co cannot be; that is a refusal, too."""


@pytest.fixture(scope="module")
def images():
    with workplace() as directory:
        build(Recipe("names", IMAGES), directory)
        yield directory


@pytest.mark.parametrize(("options", "image"), asked())
def test_same_meaning(options, image, images):
    question = Question(image, options, image, options)
    done = run(*question.their_words, cwd=images)
    assert done.returncode in (0, 1) or _ABORT in done.stderr, done.stderr
    theirs = Answer(json.loads(done.stdout)) if done.returncode == 0 else Answer(None, done.stderr)
    ours = our_answer(question, images)
    found = difference(theirs, ours)
    assert not found, f"{' '.join(options)} {image}\n{found}"
    if ours.entries is None:
        assert len(ours.error.splitlines()) == 1, ours.error
        assert ours.error[:-1].isprintable()
