"""Run as a program: does jobs of blockstrata's command line one by one, and writes down what each opens.

``watched.py JOBS ANSWERS``: JOBS is a JSON list of lists of words; ANSWERS becomes a list of exit status,
standard error and events, as Python's audit hooks see them.  Under strace the files ``job-N`` part the jobs.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from pathlib import Path

from click.testing import CliRunner

from blockstrata_viewer.cli.group import main

PROGRAMS = ("subprocess.Popen", "os.posix_spawn", "os.exec")
EVENTS = ("open", "os.listdir", "os.scandir", "socket.connect", *PROGRAMS)
_seen: list[str] = []


def _watch(event, args):
    if event in EVENTS:
        # of a program that is run its name alone: its arguments name what it may never open
        _seen.append(f"{event} {args[:1] if event in PROGRAMS else args!r}")


def _control(words):
    """Open, connect and run what a test says, past all of blockstrata: whoever watches must see it."""
    import socket
    import subprocess

    name, port, program = words
    os.close(os.open(name, os.O_RDONLY | os.O_NONBLOCK))
    socket.create_connection(("127.0.0.1", int(port)), timeout=5).close()
    subprocess.run([program], check=True, timeout=20, stdout=subprocess.DEVNULL)


def _answers(jobs):
    for number, words in enumerate(jobs):
        with contextlib.suppress(OSError):
            os.open(f"job-{number}", os.O_RDONLY)
        _seen.clear()
        if words[0] == "control":
            _control(words[1:])
            yield 0, "", list(_seen)
            continue
        done = CliRunner().invoke(main, words)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        yield done.exit_code, done.stderr, list(_seen)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.addaudithook(_watch)
    found = list(_answers(json.loads(Path(sys.argv[1]).read_text())))
    Path(sys.argv[2]).write_text(json.dumps(found))
