"""Leaving: at once whatever is waited for, and nothing stays that was made for the time being."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import socket
import stat
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager

import pytest
from heeding import HEEDING
from pilots import opened, screen_text, until

from blockstrata.formats.qcow2.author import write_raw
from blockstrata.protocols.file import FileNode
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup

TIMEOUT = 30
AT_ONCE = 5
"""Seconds; half of one is usual, what is waited for takes thirty."""


# ---- the viewer, whatever it waits for


class Terminal:
    """The viewer on a terminal that nobody looks at."""

    def __init__(self, *words, **environment):
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        self.viewer = subprocess.Popen(
            [*HEEDING, sys.executable, "-m", "blockstrata_viewer", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )
        os.close(theirs)
        self.shown = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        while True:
            try:
                self.shown += os.read(self._ours, 1 << 16)
            except OSError:
                return

    def wait(self, is_so):
        over = time.monotonic() + TIMEOUT
        while not is_so():
            assert time.monotonic() < over, self.shown
            assert self.viewer.poll() is None, self.shown
            time.sleep(0.02)

    def leave(self, how):
        """Press a key or send a signal; return the exit status, and how long it took."""
        began = time.monotonic()
        if isinstance(how, bytes):
            os.write(self._ours, how)
        else:
            self.viewer.send_signal(how)
        return self.viewer.wait(TIMEOUT * 2), time.monotonic() - began

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.viewer.poll() is None:
            self.viewer.kill()
            self.viewer.wait()
        self._reader.join()
        os.close(self._ours)


def starts_tls(plug):
    """Say that TLS starts here; the next bytes are the client's, and no answer follows."""
    plug.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
    with plug.makefile("rb") as said:
        assert len(said.read(20)) == 20
    plug.sendall(struct.pack(">QIII", 0x3E889045565A9, 5, 1, 0))


@contextmanager
def stalling(script):
    """Serve one client with a script, after which nothing comes; yield the port, and an event for that."""
    stalled = threading.Event()
    plugs = []

    def serve():
        plugs.append(listening.accept()[0])
        plugs[0].settimeout(TIMEOUT)
        script(plugs[0])
        # what the client begins with comes when it waits
        stalled.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(TIMEOUT)
        server = threading.Thread(target=serve)
        server.start()
        try:
            yield listening.getsockname()[1], stalled
        finally:
            server.join()
            for plug in plugs:
                plug.close()


@pytest.mark.parametrize("how", [b"q", signal.SIGHUP])
def test_a_handshake_that_stalls_keeps_nobody(how):
    with (
        stalling(starts_tls) as (port, stalled),
        Terminal("view", f"nbds://127.0.0.1:{port}/?tls-verify-peer=false") as terminal,
    ):
        terminal.wait(lambda: stalled.is_set() and b"opening" in terminal.shown)
        code, seconds = terminal.leave(how)
    assert code == (0 if how == b"q" else 128 + how)
    assert seconds < AT_ONCE
    assert terminal.shown.rfind(b"\x1b[?1049l") > terminal.shown.rfind(b"\x1b[?1049h")


def test_a_qemu_img_that_hangs_goes_with_the_viewer(tmp_path):
    program = tmp_path / "qemu-img"
    program.write_text(
        '#!/bin/sh\necho $$ >"${0%/*}/child~"; mv "${0%/*}/child~" "${0%/*}/child"\nsleep 600\n'
    )
    program.chmod(stat.S_IRWXU)
    (tmp_path / "top.vdi").write_bytes(bytes(64) + b"\x7f\x10\xda\xbe" + bytes(4096))
    path = f"{tmp_path}:{os.environ['PATH']}"
    with Terminal("view", "--via-qemu", str(tmp_path / "top.vdi"), PATH=path) as terminal:
        terminal.wait((tmp_path / "child").exists)
        _, seconds = terminal.leave(b"q")
    assert seconds < AT_ONCE
    over = time.monotonic() + AT_ONCE
    while is_running((tmp_path / "child").read_text().strip()):
        assert time.monotonic() < over, "qemu-img is still there"
        time.sleep(0.02)


def is_running(number):
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("key", ["enter", "T"])
async def test_a_page_that_waits_for_bytes_can_be_left(tmp_path, monkeypatch, key):
    write_raw(tmp_path / "a.raw", 1 << 20, [(0, b"x" * 4096)])
    let_go = threading.Event()
    app = ViewerApp(Setup([str(tmp_path / "a.raw")]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        read = FileNode.read

        def slow(*words):
            assert let_go.wait(TIMEOUT)
            return read(*words)

        monkeypatch.setattr(FileNode, "read", slow)
        try:
            await pilot.press(key)
            await until(pilot, lambda: "reading …" in screen_text(app))
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is app.main)
            await pilot.press(key)
            await until(pilot, lambda: "reading …" in screen_text(app))
        finally:
            let_go.set()
        await until(pilot, lambda: "78 78 78" in screen_text(app))


# ---- what is made for the time being


STOPPED = """
import os, shutil, signal, sys
from pathlib import Path
moment, number = sys.argv[1], int(sys.argv[2])

def stop(name, after=False, real=os):
    call = getattr(real, name)
    waiting = [number]
    def stopping(*words, **options):
        found = call(*words, **options) if after else None
        if waiting:
            os.kill(os.getpid(), waiting.pop())
        return found if after else call(*words, **options)
    setattr(real, name, stopping)

from blockstrata_viewer.process.scratch import scratch_directory
if moment == "before it is made": stop("mkdir")
elif moment == "once it is made": stop("mkdir", after=True)
elif moment == "while it goes": stop("unlink")
elif moment == "when it has gone": stop("rmtree", after=True, real=shutil)
with scratch_directory() as directory:
    for name in "abc":
        Path(directory, name).write_text(name)
    if moment == "in use":
        os.kill(os.getpid(), number)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize(
    "moment", ["before it is made", "once it is made", "in use", "while it goes", "when it has gone"]
)
def test_a_temporary_directory_goes_with_a_signal_at_any_moment(tmp_path, moment, number):
    done = subprocess.run(
        [*HEEDING, sys.executable, "-c", STOPPED, moment, str(int(number))],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == -number, done.stderr
    assert not list(tmp_path.iterdir())


WRITES = """
import os, sys
number, *words = sys.argv[1:]
write = os.pwrite
def stopping(*what):
    os.kill(os.getpid(), int(number))
    return write(*what)
os.pwrite = stopping
from blockstrata_viewer.cli.group import main
main(words)
"""


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGTERM, ["demo"]),
        (signal.SIGHUP, ["learn"]),
        (signal.SIGINT, ["screenshot", "--demo", "web-server", "-o", "a.svg"]),
        (signal.SIGTERM, ["demo", "--keep", "made/here"]),
    ],
)
def test_nothing_half_made_stays(tmp_path, number, words):
    done = subprocess.run(
        [*HEEDING, sys.executable, "-c", WRITES, str(int(number)), *words],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == (130 if number == signal.SIGINT else -number), done.stderr
    assert not list(tmp_path.iterdir())


def test_nohup_is_heeded(tmp_path):
    done = subprocess.run(
        ["nohup", sys.executable, "-c", STOPPED, "in use", str(int(signal.SIGHUP))],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
