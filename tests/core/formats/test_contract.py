"""What importing costs: the library draws nothing, and the command line starts without the heavy parts."""

from __future__ import annotations

import json
import subprocess
import sys

IMPORT_ALL = """
import importlib, json, pkgutil, sys
import blockstrata
names = [module.name for module in pkgutil.walk_packages(blockstrata.__path__, "blockstrata.")]
for name in names:
    importlib.import_module(name)
print(json.dumps([names, sorted(sys.modules)]))
"""

IMPORT_CLI = """
import json, sys
import blockstrata_viewer.cli.group
print(json.dumps(sorted(sys.modules)))
"""


def run(code: str):
    """Run code in an interpreter that has imported nothing yet, and return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def tops(modules: list[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_the_core_draws_nothing():
    names, modules = run(IMPORT_ALL)
    assert {
        "blockstrata.graph.chain",
        "blockstrata.formats.qcow2.tables",
        "blockstrata.protocols.file",
    } <= set(names)
    assert set(names) <= set(modules)
    assert "numpy" in tops(modules)
    assert not tops(modules) & {"textual", "rich", "click", "blockstrata_viewer"}


def test_the_command_line_starts_without_numpy_and_textual():
    modules = run(IMPORT_CLI)
    assert {"blockstrata_viewer", "click"} <= tops(modules)
    assert not tops(modules) & {"numpy", "textual", "rich"}
