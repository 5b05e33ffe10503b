"""What tests of several areas share."""

from __future__ import annotations

import pytest
from scripted_nbd import Server


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
