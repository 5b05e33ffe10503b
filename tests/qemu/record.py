"""Record QEMU's answers for machines without QEMU: ``python tests/qemu/record.py [--missing]``.

Writes one JSON file a recipe to tests/golden, or only those that are missing, and names the recipes that
cannot be recorded: large ones, and those whose images name the directory they are in.  Snapshots carry a date
and compressed clusters lie in the order in which they were ready, so their files differ each time; the
answers do not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from oracle import build, questions, run, their_answer, workplace
from recipes import RECIPES
from sparse import store

if TYPE_CHECKING:
    from recipe import Recipe

GOLDEN = Path(__file__).parent.parent / "golden"
_LARGEST = 30_000
"""Bytes of JSON a recipe."""


def recording(recipe: Recipe, tool: str) -> str:
    """Return a recipe's images and answers as JSON; ``ValueError`` says why it cannot be recorded."""
    if "$PWD" in recipe.script:
        raise ValueError("names its directory")
    with workplace() as work:
        build(recipe, work)
        paths = sorted(path for path in work.rglob("*") if path.is_file())
        if any(path.is_symlink() for path in work.rglob("*")):
            raise ValueError("has symbolic links")
        answers = [
            {
                **({"image": question.image} if question.image != recipe.image else {}),
                "options": question.options,
                "entries": their_answer(question, work).entries,
            }
            for question in questions(recipe, work)
        ]
        made = {
            "recipe": recipe.name,
            "tool": tool,
            "commands": recipe.commands,
            "image": recipe.image,
            "files": {str(path.relative_to(work)): store(path) for path in paths},
            "answers": answers,
        }
    text = json.dumps(made)
    if len(text) > _LARGEST:
        raise ValueError(f"takes {len(text)} bytes")
    return text + "\n"


def main() -> None:
    """Write all of them anew, or those that are missing; what has no recipe any more goes."""
    GOLDEN.mkdir(exist_ok=True)
    for stale in GOLDEN.glob("*.json"):
        if "--missing" not in sys.argv[1:] or stale.stem not in RECIPES:
            stale.unlink()
    tool = run("qemu-img", "--version", cwd=GOLDEN).stdout.splitlines()[0]
    total = 0
    for name, recipe in RECIPES.items():
        if (GOLDEN / f"{name}.json").exists():
            continue
        try:
            text = recording(recipe, tool)
        except ValueError as error:
            sys.stdout.write(f"left out: {name} {error}\n")
            continue
        total += (GOLDEN / f"{name}.json").write_text(text)
    sys.stdout.write(f"{len(list(GOLDEN.glob('*.json')))} recorded, {total} bytes\n")


if __name__ == "__main__":
    main()
