"""Signals that end a command, from its first import to its last line."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

TIMEOUT = 30


def start(*words):
    words = [sys.executable, "-m", "blockstrata_viewer", *words]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_code(code):
    words = [sys.executable, "-c", code]
    return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def test_control_c_while_it_is_imported_is_quiet(demo_image):
    """Python says on standard error each import that is done: the signal comes after some more each time."""
    ended = []
    code = "import blockstrata_viewer.__main__ as program; program.main()"
    words = [sys.executable, "-X", "importtime", "-c", code, "map", "--output", "json", demo_image]
    for more in (1, 2, 3, 5, 10, 20, 40, 80, 120, 160):
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            for line in process.stderr:
                if line.endswith("| blockstrata_viewer.__main__\n"):
                    break
            for _ in range(more):
                process.stderr.readline()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=TIMEOUT)
        assert [line for line in said.splitlines() if not line.startswith("import time:")] == []
        ended.append(process.returncode)
    assert set(ended) == {-signal.SIGINT}


def test_control_c_before_signals_are_taken_is_quiet():
    """Of what Python runs of ours, the first line takes the traceback away."""
    code = (
        "import os, signal, sys, blockstrata_viewer.__main__ as program\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'blockstrata_viewer.cli.group': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "program.main()\n"
    )
    done = run_code(code)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_end_is_quiet(number):
    """While functions of atexit run, and threads are waited for."""
    code = (
        "import atexit, os, sys, threading, time\n"
        "from blockstrata_viewer.__main__ import main\n"
        f"atexit.register(os.kill, os.getpid(), {int(number)})\n"
        "threading.Thread(target=time.sleep, args=(0.1,)).start()\n"
        "sys.argv = ['blockstrata', '--version']\n"
        "main()\n"
    )
    done = run_code(code)
    assert (done.returncode, done.stderr) == (-number, "")


def test_a_signal_while_it_writes_is_quiet(tmp_path):
    image = tmp_path / "large.raw"
    with open(image, "wb") as file:
        for place in range(20000):
            file.seek(place << 13)
            file.write(b"x")
    with start("map", "--output", "json", "-f", "raw", str(image)) as process:
        process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, said) == (-signal.SIGINT, "")


def test_an_ignored_signal_stays_ignored(demo_image):
    words = [sys.executable, "-X", "importtime", "-m", "blockstrata_viewer", "map", "--output", "json"]
    with subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *words, demo_image],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr:
            if line.endswith("blockstrata_viewer.cli.group\n"):
                break
        process.send_signal(signal.SIGINT)
        answer, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert answer.startswith("[")
