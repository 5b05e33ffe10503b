"""``check`` held against ``qemu-img check``, for one image in a directory."""

from __future__ import annotations

import contextlib
import json
import subprocess
from random import Random

from click.testing import CliRunner
from damage import TOP, damaged
from recipe import SECRET

from blockstrata_viewer.cli.group import main

FOUND, FAILED = 3, 1


def theirs(directory, kind):
    """Return qemu-img's object, or None where it gives none."""
    named = [*SECRET, "--image-opts", f"driver=qcow2,file.filename={TOP},encrypt.key-secret=key"]
    done = subprocess.run(
        ["qemu-img", "check", "--output=json", *(named if kind == "luks" else [TOP])],
        cwd=directory,
        capture_output=True,
        timeout=30,
        check=False,
    )
    return (json.loads(done.stdout) if done.stdout.startswith(b"{") else None), done.returncode


def ours(directory, *words):
    with contextlib.chdir(directory):
        done = CliRunner().invoke(main, ["check", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


def compared(directory, kind):
    """Hold both answers against each other and return the findings."""
    expected, status = theirs(directory, kind)
    done = ours(directory, "-f", "qcow2", "--output", "json", TOP)
    if expected is None:
        if kind != "luks":  # which takes no key here, and no sound header of its key
            assert done.exit_code == FAILED, done.stdout
        return []
    found = json.loads(done.stdout)
    findings = found.pop("findings")
    expected["filename"] = found["filename"]
    assert found == expected
    assert done.exit_code == {0: 0, 1: FAILED, 2: FOUND, 3: FOUND}[status]
    severities = {each["severity"] for each in findings}
    assert ("corruption" in severities) == ("corruptions" in expected)
    if "tail" in [each["kind"] for each in findings]:
        # where refcounts cannot be read nobody knows what is past the image's end
        assert not expected["check-errors"]
    size = 1 << (directory / TOP).read_bytes()[23]
    leaked = sum(each["length"] for each in findings if each["severity"] == "leak")
    assert leaked == expected.get("leaks", 0) * size
    return findings


def patched(directory, kind, change):
    """Change a sound image by what ``change`` says of it, and return the findings."""
    sound = (directory / TOP).read_bytes()
    image = bytearray(sound)
    for at, octets in change(sound):
        image[at : at + len(octets)] = octets
    assert image != sound
    try:
        (directory / TOP).write_bytes(image)
        return compared(directory, kind)
    finally:
        (directory / TOP).write_bytes(sound)


def by_chance(directory, kind, seed, rounds, hold):
    """Damage an image by chance, again and again, and have ``hold`` hold the answers against each other."""
    sound = (directory / TOP).read_bytes()
    try:
        for nth in range(rounds):
            image, said = damaged(sound, Random(f"{kind} {seed} {nth}"))
            if image[56:60] == bytes(4):
                continue  # without a refcount table nobody but qemu-img check opens it
            (directory / TOP).write_bytes(image)
            try:
                hold(directory, kind)
            except AssertionError as error:
                error.add_note(f"{kind}, seed {seed}, round {nth}: {said}")
                raise
    finally:
        (directory / TOP).write_bytes(sound)
