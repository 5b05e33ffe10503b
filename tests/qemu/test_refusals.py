"""What QEMU refuses, blockstrata refuses too: one line that names what is to blame, and exit status 1."""

from __future__ import annotations

import shlex

import pytest
from oracle import TOOLS, Question, build, our_process, report, their_answer
from recipe import Recipe
from refusals import FOREIGN, REFUSALS

pytestmark = pytest.mark.live(*TOOLS)


def refused_in_one_line(done, blamed):
    assert done.returncode == 1, done.stdout or done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert blamed in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", REFUSALS)
def test_refused(name, work):
    refusal = REFUSALS[name]
    build(refusal.recipe, work)
    question = Question(refusal.recipe.image, (), refusal.recipe.image)
    if not refusal.hangs:
        assert their_answer(question, work).entries is None, report(refusal.recipe, question, "QEMU answers")
    refused_in_one_line(our_process(question, work), refusal.blamed)


@pytest.mark.parametrize("fmt", FOREIGN)
def test_foreign_format(fmt, work):
    """Without consent qemu-img is not run: the line names the format and the option that asks it."""
    build(Recipe(fmt, (shlex.join(("qemu-img", "create", "-q", "-f", fmt, "top.img", "1M")),)), work)
    done = our_process(Question("top.img", (), "top.img"), work)
    refused_in_one_line(done, "top.img")
    assert f"format '{fmt}'" in done.stderr
    assert "--via-qemu" in done.stderr
