"""What holds for all tests: the marker ``live``, how hypothesis tries, and what is made once for all.

Tests that run real tools are left out where a tool is missing, and the end says so.  With
``BLOCKSTRATA_REQUIRE_QEMU=1`` in the environment a missing tool is a failure instead.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections import Counter

import pytest
from hypothesis import settings

# how long an example takes says more of the machine than of us; a failure shows how to make it again
settings.register_profile("blockstrata", deadline=None, print_blob=True)
settings.load_profile("blockstrata")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Return what has a directory of a name filled once, whichever processes run tests, and returns it.

    Who comes second waits; where filling it failed, it is filled anew.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # each of them has its own directory in one for all
        root = root.parent

    def filled(name, fill):
        directory, done = root / name, root / f"{name}.done"
        with open(root / f"{name}.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(directory, ignore_errors=True)
                directory.mkdir()
                fill(directory)
                done.touch()
        return directory

    return filled


def pytest_runtest_setup(item):
    tools = [tool for marker in item.iter_markers("live") for tool in marker.args]
    missing = sorted({tool for tool in tools if shutil.which(tool) is None})
    if not missing:
        return
    reason = f"{', '.join(missing)} not found"
    if os.environ.get("BLOCKSTRATA_REQUIRE_QEMU") == "1":
        pytest.fail(f"{reason}, and BLOCKSTRATA_REQUIRE_QEMU=1", pytrace=False)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter):
    reports = [
        report
        for outcome in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.stats.get(outcome, ())
        if "live" in getattr(report, "keywords", ())
    ]
    if not reports:
        return
    left_out = Counter(
        (report.nodeid.partition("::")[0], _reason(report))
        for report in reports
        if report.skipped or (report.failed and report.when == "setup")
    )
    terminalreporter.section("live checks")
    for (file, reason), count in sorted(left_out.items()):
        terminalreporter.line(f"{file}: {count} left out: {reason}")
    if not left_out:
        count = len({report.nodeid for report in reports})
        terminalreporter.line(f"all {count} live checks ran, with {_version()}")
    for name, value in sorted({pair for report in reports for pair in report.user_properties}):
        terminalreporter.line(f"{name}: {value}")


def _reason(report) -> str:
    """Return why a test was left out; a skipped one keeps that as the last of three."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


def _version() -> str:
    """Return the line by which qemu-img names itself."""
    if shutil.which("qemu-img") is None:
        return "no qemu-img"
    done = subprocess.run(["qemu-img", "--version"], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()[0]
