"""Doubles of the programs and servers that the core asks."""

from __future__ import annotations

import os
import stat
import sys

import pytest
from scripted_nbd import Server

from blockstrata.formats.qemu import process as qemu


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Return a function that puts a Python script first on PATH as qemu-img; ``argv`` is its arguments."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    qemu._version.cache_clear()

    def put(body: str) -> None:
        program = folder / "qemu-img"
        program.write_text(f"#!{sys.executable} -I\nimport json, os, sys, time\nargv = sys.argv[1:]\n{body}")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    return put


@pytest.fixture
def serve(tmp_path):
    """Return what starts a server on a script; it is stopped, and its own failures told, at the end."""
    servers = []

    def start(script):
        servers.append(Server(tmp_path / f"s{len(servers)}", script))
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()
