"""Random recipes, asked of QEMU and of blockstrata; both may refuse, but then both must."""

from __future__ import annotations

import pytest
from fuzzer import ROUNDS, SEED, fuzz_recipe
from oracle import TOOLS, build, difference, our_answer, questions, report, their_answer

pytestmark = pytest.mark.live(*TOOLS)


@pytest.mark.parametrize("number", ROUNDS)
def test_round(number, work, record_property):
    record_property("fuzz seed", SEED)
    recipe = fuzz_recipe(SEED, number)
    build(recipe, work)
    for question in questions(recipe, work):
        found = difference(their_answer(question, work), our_answer(question, work))
        if found:
            again = f"again: BLOCKSTRATA_FUZZ_SEED={SEED} BLOCKSTRATA_FUZZ_ONLY={number}"
            pytest.fail(f"{again}\n{report(recipe, question, found)}", pytrace=False)
