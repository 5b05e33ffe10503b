"""Both sides of the comparison: what QEMU answers, and what blockstrata answers, about one image.

Names are relative to the directory that holds the images, and both sides are asked from there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner
from recipe import SECRET

from blockstrata_viewer.cli.group import main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recipe import Recipe

TOOLS = ("qemu-img", "qemu-io", "fallocate")
"""What recipes need on PATH, besides the tools that every system has."""

_SECONDS = 60
_SHARED_MEMORY = Path("/dev/shm")
_PROTOCOLS = ("file", "null-co", "null-aio")
_WITHOUT_BACKING = ("raw", *_PROTOCOLS)


@dataclass(frozen=True, slots=True)
class Answer:
    """A map, or None and the error text where the image was refused."""

    entries: list[dict[str, object]] | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """The same thing asked of both sides: ``theirs`` is the image as QEMU is given it."""

    image: str
    options: tuple[str, ...]
    theirs: str
    their_options: tuple[str, ...] = ()

    @property
    def our_words(self) -> tuple[str, ...]:
        """Return the command line after the program's name."""
        return ("map", "--output", "json", *self.options, self.image)

    @property
    def their_words(self) -> tuple[str, ...]:
        """Return the qemu-img command line."""
        return ("qemu-img", "map", "--output=json", *SECRET, *self.their_options, self.theirs)


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """Yield a fresh directory, in memory if possible: elsewhere the page cache may change answers."""
    memory = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="blockstrata-", dir=memory) as name:
        yield Path(name)


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run one command for a bounded time; what it started ends with it."""
    with subprocess.Popen(
        words,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)


def build(recipe: Recipe, cwd: Path) -> None:
    """Make the images of a recipe."""
    done = run("sh", "-e", "-c", recipe.script, cwd=cwd)
    assert done.returncode == 0, f"the recipe failed: {done.stderr}{done.stdout}\n{recipe.script}"


def questions(recipe: Recipe, cwd: Path) -> list[Question]:
    """Return what is asked of an image that was made: the whole chain, layers alone, lists of options."""
    alone = list(recipe.chain or _chain(recipe.image, cwd))
    layers = range(len(alone)) if recipe.layers is None else recipe.layers
    return [
        Question(recipe.image, (), recipe.asked or recipe.image),
        *(Question(recipe.image, ("--layer", str(layer)), alone[layer]) for layer in layers),
        *(question for nth, name in enumerate(recipe.snapshots) for question in _at(recipe, nth, name)),
        *(Question(text, ("--image-opts",), text, ("--image-opts",)) for text in recipe.also),
    ]


def _at(recipe: Recipe, nth: int, name: str) -> Iterator[Question]:
    """Yield what is asked of a snapshot: its whole chain, and its layer alone."""
    applied = {"driver": "qcow2", "file": {"driver": "file", "filename": f"at-{nth}.qcow2"}}
    yield Question(recipe.image, ("--snapshot", name), "json:" + json.dumps(applied))
    yield Question(
        recipe.image,
        ("--snapshot", name, "--layer", "0"),
        "json:" + json.dumps({**applied, "backing": None}),
    )


def _chain(image: str, cwd: Path) -> Iterator[str]:
    """Yield the name by which QEMU opens each layer without its backing layer; nothing if it cannot tell."""
    info = run("qemu-img", "info", "--output=json", "--backing-chain", image, cwd=cwd)
    for layer in json.loads(info.stdout) if info.returncode == 0 else ():
        driver, name = layer["format"], layer["filename"]
        if name.startswith("json:"):
            spec = {
                key: value for key, value in json.loads(name[5:]).items() if key.split(".")[0] != "backing"
            }
        elif driver in _PROTOCOLS:
            spec = {"driver": driver, "filename": name}
        else:
            spec = {"driver": driver, "file": {"driver": "file", "filename": name}}
        if driver not in _WITHOUT_BACKING:
            spec["backing"] = None
        if layer.get("encrypted"):
            spec["encrypt.key-secret"] = "key"
        yield "json:" + json.dumps(spec)


def their_answer(question: Question, cwd: Path) -> Answer:
    """Ask QEMU; a crash is no answer."""
    done = run(*question.their_words, cwd=cwd)
    assert done.returncode in (0, 1), done.stderr
    return Answer(json.loads(done.stdout)) if done.returncode == 0 else Answer(None, done.stderr)


def our_answer(question: Question, cwd: Path) -> Answer:
    """Ask blockstrata, in this process; an exception that it lets through is part of the error text."""
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(main, question.our_words)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return Answer(None, "".join(traceback.format_exception(done.exception)))
    return Answer(json.loads(done.stdout)) if done.exit_code == 0 else Answer(None, done.stderr)


def our_process(question: Question, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Ask blockstrata in a process of its own."""
    return run(sys.executable, "-m", "blockstrata_viewer", *question.our_words, cwd=cwd)


def difference(theirs: Answer, ours: Answer) -> str:
    """Return an empty string if the answers are equal, else the first entries that differ.

    QEMU before 8.2 does not tell compressed data from other data; then neither do we.
    """
    if theirs.entries is None or ours.entries is None:
        if theirs.entries is ours.entries:
            return ""
        return "\n".join(
            f"{side}: {'refused: ' + answer.error.strip() if answer.entries is None else 'answered'}"
            for side, answer in (("QEMU", theirs), ("ours", ours))
        )
    left, right = theirs.entries, ours.entries
    if not any("compressed" in entry for entry in left):
        right = without_compressed(right)
    if left == right:
        return ""
    first = next(
        (n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
    )
    return "\n".join(
        f"{side}, entry {first} of {len(entries)}: {json.dumps(entries[first : first + 1])[1:-1] or 'none'}"
        for side, entries in (("QEMU", left), ("ours", right))
    )


def without_compressed(entries: list[dict[str, object]]) -> list[dict[str, object]]:
    """Drop the key and merge neighbours again, by QEMU's rule."""
    merged: list[dict[str, object]] = []
    for whole in entries:
        entry = {key: value for key, value in whole.items() if key != "compressed"}
        if merged and _mergeable(merged[-1], entry):
            merged[-1]["length"] += entry["length"]
        else:
            merged.append(entry)
    return merged


def _mergeable(before: dict[str, object], after: dict[str, object]) -> bool:
    if any(before[key] != after[key] for key in ("depth", "present", "zero", "data")):
        return False
    if ("offset" in before) != ("offset" in after):
        return False
    return "offset" not in before or before["offset"] + before["length"] == after["offset"]


def report(recipe: Recipe, question: Question, found: str) -> str:
    """Return a failure message: what differs, and the commands that show it."""
    lines = [
        f"{recipe.name}: {' '.join(question.options) or 'the whole chain'} of {question.image}",
        found,
        "",
        'cd "$(mktemp -d -p /dev/shm)"',
        *recipe.commands,
        shlex.join(question.their_words),
        shlex.join(("blockstrata", *question.our_words)),
    ]
    return "\n".join(lines)
