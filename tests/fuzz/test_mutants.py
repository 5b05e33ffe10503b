"""Mutated images, asked of QEMU and of blockstrata: no hang, no crash, no traceback, and the same answer.

An hour of it::

    BLOCKSTRATA_MUTANTS_MINUTES=60 pytest -q tests/fuzz

``BLOCKSTRATA_MUTANTS`` is how many mutants are tried (200); ``BLOCKSTRATA_MUTANTS_SEED`` where to start (the
time, if not set); ``BLOCKSTRATA_MUTANTS_MINUTES`` goes on, seed after seed, for so long.  A failure shows the
smallest list of changes that hypothesis finds, and the command that makes the mutant again.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from corpus import TOP, cases
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from mutants import COMMANDS, MAPS, PICTURES, again, answer, disagreement, make, ours, theirs
from mutations import mutations

SEED = int(os.environ.get("BLOCKSTRATA_MUTANTS_SEED") or time.time())
MUTANTS = int(os.environ.get("BLOCKSTRATA_MUTANTS", "200"))
MINUTES = float(os.environ.get("BLOCKSTRATA_MUTANTS_MINUTES", "0"))

HAS_QEMU = shutil.which("qemu-img") is not None


@st.composite
def mutants(draw):
    """Choose a case, one to five changes to its files, most to the active layer's, and what else to ask."""
    name = draw(st.sampled_from(sorted(cases())))
    top, *others = (mutations(layout) for layout in cases()[name].layouts)
    changes = draw(st.lists(st.one_of(top, top, top, *others), min_size=1, max_size=5))
    command = draw(st.sampled_from((*(COMMANDS * 8), *PICTURES)))
    return name, changes, command


def check(directory: Path, name, changes, command):
    make(name, changes, directory)
    for what, (question, image) in MAPS.items():
        found = ours(("map", "--output", "json", *question), directory)
        wrong = found.fault or (HAS_QEMU and disagreement(theirs(image, directory), answer(found)))
        if wrong:
            pytest.fail(f"{what}\n{wrong}\n{again(name, changes)}", pytrace=False)
    found = ours((*command, TOP), directory)
    if found.fault:
        pytest.fail(f"{' '.join(command)}\n{found.fault}\n{again(name, changes)}", pytrace=False)


def search(number: int, directory: Path) -> None:
    """Try mutants, always the same ones for the same number."""

    @seed(number)
    @settings(
        max_examples=MUTANTS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
    )
    @given(mutants())
    def tried(mutant):
        check(directory, *mutant)

    tried()


@pytest.mark.live("qemu-img", "qemu-io", "fallocate")
def test_mutants(record_property):
    record_property("mutants seed", SEED)
    end, number = time.monotonic() + 60 * MINUTES, SEED
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(prefix="blockstrata-", dir=memory) as work:
        while True:
            search(number, Path(work))
            number += 1
            if time.monotonic() >= end:
                break
