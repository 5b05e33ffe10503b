"""Mutated images, asked of QEMU and of blockstrata: no hang, no crash, no traceback, and the same answer.

An hour of it::

    BLOCKSTRATA_MUTANTS_MINUTES=60 pytest -q tests/fuzz

``BLOCKSTRATA_MUTANTS`` is how many mutants are tried (150); ``BLOCKSTRATA_MUTANTS_SEED`` where to start (the
time, if not set); ``BLOCKSTRATA_MUTANTS_MINUTES`` goes on, seed after seed, for so long.  A failure shows the
smallest list of changes that hypothesis finds, and the command that makes the mutant again.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from corpus import TOP, cases
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from mutants import (
    ANATOMY,
    COMMANDS,
    MAPS,
    PICTURES,
    again,
    answer,
    disagreement,
    make,
    ours,
    theirs,
    uncovered,
)
from mutations import mutations, weighted

SEED = int(os.environ.get("BLOCKSTRATA_MUTANTS_SEED") or time.time())
MUTANTS = int(os.environ.get("BLOCKSTRATA_MUTANTS", "150"))
MINUTES = float(os.environ.get("BLOCKSTRATA_MUTANTS_MINUTES", "0"))


@st.composite
def mutants(draw):
    """Choose a case, one to five changes to its files, most to the active layer's, and what else to ask."""
    name = draw(st.sampled_from(sorted(cases())))
    top, *others = (mutations(layout) for layout in cases()[name].layouts)
    changes = draw(st.lists(weighted((4, top), *((1, other) for other in others)), min_size=1, max_size=5))
    command = draw(st.sampled_from((*(COMMANDS * 8), *PICTURES)))
    return name, changes, command


class WrongError(Exception):
    """A mutant that shows a fault; its arguments are what :func:`fault` takes."""


def fault(directory: Path, name, changes, command) -> str:
    """Say what is wrong about a mutant; an empty string if nothing is."""
    make(name, changes, directory)
    for what, (question, image) in MAPS.items():
        found = ours(("map", "--output", "json", *question), directory)
        wrong = found.fault or disagreement(theirs(image, directory), answer(found))
        if wrong:
            return f"map of {what}\n{wrong}"
    found = ours((*command, TOP), directory)
    wrong = found.fault or (uncovered(found, directory) if command == ANATOMY else "")
    return f"{' '.join(command)}\n{wrong}" if wrong else ""


def without_the_needless(directory: Path, name, changes, command):
    """Leave out the changes that a fault does not need, which hypothesis does not always find."""
    for each in changes:
        fewer = [other for other in changes if other is not each]
        if fewer and fault(directory, name, fewer, command):
            changes = fewer
    return changes


def search(number: int, directory: Path) -> None:
    """Try mutants, always the same ones for the same number."""

    @seed(number)
    @settings(
        max_examples=MUTANTS,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
    )
    @given(mutants())
    def tried(mutant):
        if fault(directory, *mutant):
            raise WrongError(*mutant)

    try:
        tried()
    except WrongError as wrong:
        name, changes, command = wrong.args
        changes = without_the_needless(directory, name, changes, command)
        pytest.fail(f"{fault(directory, name, changes, command)}\n{again(name, changes)}", pytrace=False)


@pytest.mark.live("qemu-img", "qemu-io", "fallocate")
@pytest.mark.timeout(60 * MINUTES + 300 + 3 * MUTANTS)  # the last seed is tried to its end
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
