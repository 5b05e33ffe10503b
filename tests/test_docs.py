"""The pages: what they run runs, what they name is there, and the words of the program are in them."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import click
import pytest

from blockstrata_viewer.bindings import BINDINGS
from blockstrata_viewer.cli import main
from blockstrata_viewer.lessons import lessons
from blockstrata_viewer.scenarios import SCENARIOS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

_CODE = re.compile(r"```[a-z]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
_LINK = re.compile(r"""\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)\"""")


def test_the_library_page_runs():
    page = ROOT / "docs" / "library.md"
    found = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert found.attempted > 40
    assert not found.failed


def commands_of(text: str) -> list[list[str]]:
    """Return the words after ``blockstrata`` of every command that a page shows."""
    lines = []
    for block, span in _CODE.findall(text):
        lines += (block or span).splitlines()
    parts = [part.strip() for line in lines for part in re.split(r"&&|\|(?=\s)|#\s|; ", line)]
    found = []
    for part in parts:
        match = re.match(r"(?:uvx .*)?(?:\S*/)?blockstrata(?: |$)(.*)", part)
        if match and "=" not in part.partition("blockstrata")[0]:
            found.append(shlex.split(match[1].replace("\\|", "|")))
    return found


def options_of(command: click.Command) -> set[str]:
    names = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return names | {"-h", "--help"}


@each_page
def test_commands_and_options_exist(page):
    for words in commands_of(page.read_text("utf-8")):
        first = next((word for word in words if word in main.commands), None)
        command = main.commands[first or "view"]
        known = options_of(command) | ({"--version", "-V"} if first is None else set())
        given = [word.partition("=")[0].strip("[]…") for word in words if word.startswith("-")]
        assert not set(given) - known, f"{page.name}: blockstrata {shlex.join(words)}"


def test_every_command_and_option_is_in_the_manual():
    text = (ROOT / "docs" / "manual.md").read_text("utf-8")
    for name, command in main.commands.items():
        assert f"blockstrata {name}" in text or name == "view"
        for option in options_of(command) - {"-h"}:
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", text), f"{name} {option}"


@each_page
def test_options_named_alone_exist(page):
    """A page that names an option in running text means one of ours, or says whose it is."""
    known = set.union({"--version", "-V"}, *map(options_of, main.commands.values()))
    theirs = {
        "qemu-img": {"--output", "--image-opts"},
        "qemu-nbd": {"--load-snapshot", "--bitmap", "-A", "-l"},
        "nbdinfo": {"--map", "--json", "--totals"},
        "tests/qemu/record.py": {"--missing"},
        "benchmarks/run.py": {"--write", "--scale"},
        "fallocate": {"--punch-hole", "--dig-holes"},
    }
    for block, span in _CODE.findall(page.read_text("utf-8")):
        for word in re.findall(r"(?<!\S)(--[a-z][a-z-]*)", span if not block else ""):
            tool = next((tool for tool in theirs if tool in span), None)
            assert word in known | theirs.get(tool or "", set()), f"{page.name}: {span}"


@each_page
def test_relative_links_lead_somewhere(page):
    text = _CODE.sub("", page.read_text("utf-8"))
    for pair in _LINK.findall(text):
        target = pair[0] or pair[1]
        if re.match("[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            heads = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in anchors, f"{page.name}: {target}"


@each_page
def test_scenarios_and_lessons_exist(page):
    for words in commands_of(page.read_text("utf-8")):
        if words[:1] not in (["demo"], ["learn"]) or len(words) < 2:
            continue
        name = words[1]
        if re.fullmatch("[a-z-]+", name) and not name.startswith("-"):
            assert name in (SCENARIOS if words[0] == "demo" else lessons()), f"{page.name}: {words}"


def test_every_key_is_in_the_manual():
    text = (ROOT / "docs" / "manual.md").read_text("utf-8")
    named = set(re.findall(r"^\| [^|]+ \| `?([a-z0-9_. `]+?)`? \|", text, re.MULTILINE))
    ids = {name for cell in named for name in cell.replace("`", "").split()}
    assert {binding.id for binding in BINDINGS} <= ids
