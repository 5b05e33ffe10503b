"""What the tests against QEMU share."""

from __future__ import annotations

import pytest
from oracle import workplace


@pytest.fixture
def work():
    """Return a fresh directory for images, in memory if possible."""
    with workplace() as directory:
        yield directory
