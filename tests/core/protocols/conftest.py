"""File systems of other kinds than the one that the tests' directory lies on."""

from __future__ import annotations

import os
import subprocess

import pytest


@pytest.fixture
def mounted(tmp_path):
    """Return a function that makes a file system in a file and mounts it; it is taken down at the end."""
    made = []

    def mount(kind):
        disk, place = tmp_path / "disk", tmp_path / "mounted"
        with disk.open("wb") as file:
            os.ftruncate(file.fileno(), 400 << 20)
        place.mkdir()
        subprocess.run([f"mkfs.{kind}", "-q", str(disk)], check=True, capture_output=True, timeout=60)
        done = subprocess.run(
            ["mount", "-o", "loop", str(disk), str(place)], check=False, capture_output=True, timeout=60
        )
        if done.returncode:
            pytest.skip(f"may not mount: {done.stderr.decode().strip()}")
        made.append(place)
        return place

    yield mount
    for place in made:
        subprocess.run(["umount", str(place)], check=True, timeout=60)
