"""What the tests against QEMU share."""

from __future__ import annotations

import pytest
from damage import MADE
from oracle import build, workplace
from recipe import Recipe


@pytest.fixture
def work():
    """Return a fresh directory for images, in memory if possible."""
    with workplace() as directory:
        yield directory


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a function that gives the directory of an image, made once."""
    known = {}

    def make(kind):
        if kind not in known:
            known[kind] = tmp_path_factory.mktemp(kind)
            build(Recipe(kind, MADE[kind]), known[kind])
        return known[kind]

    return make
