"""The pages: what they run runs, what they name is there, and the words of the program are in them."""

from __future__ import annotations

import doctest
import json
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from blockstrata.facts.codes import Mapping, Storage
from blockstrata.graph.chain import open_chain
from blockstrata.questions.trace import Rule
from blockstrata.semantics import SWITCH, historic, nbd, proposed
from blockstrata.semantics.audit import QUESTIONS, Verdict
from blockstrata_viewer.app.bindings import BINDINGS
from blockstrata_viewer.cli import group
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.lessons import lessons
from blockstrata_viewer.model import states
from blockstrata_viewer.model.scene import STATIONS
from blockstrata_viewer.scenarios import SCENARIOS

COMMANDS = {name: main.get_command(click.Context(main), name) for name in group.COMMANDS}
ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

_CODE = re.compile(r"^ *(`{3,})[a-z]*\n(.*?)^ *\1$|`([^`]+)`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"""\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)\"""")


def test_the_library_page_runs():
    page = ROOT / "docs" / "library.md"
    found = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert found.attempted > 40
    assert not found.failed


def commands_of(text: str) -> list[list[str]]:
    """Return the words after ``blockstrata`` of every command that a page shows."""
    lines = []
    for _, block, span in _CODE.findall(text):
        lines += block.splitlines() or [" ".join(span.split())]
    parts = [part.strip() for line in lines for part in re.split(r"&&|\|(?=\s)|#\s|; ", line)]
    found = []
    for part in parts:
        match = re.match(r"(?:uvx .*)?(?:\S*/)?blockstrata(?: |$)(.*)", part)
        if match and "=" not in part.partition("blockstrata")[0]:
            found.append(shlex.split(match[1].replace("\\|", "|")))
    return found


def options_of(command: click.Command) -> set[str]:
    options = [each for each in command.params if each.param_type_name == "option"]
    names = {name for each in options for name in (*each.opts, *each.secondary_opts)}
    return names | {"-h", "--help"}


@each_page
def test_commands_and_options_exist(page):
    for words in commands_of(page.read_text("utf-8")):
        first = next((word for word in words if word in COMMANDS), None)
        command = COMMANDS[first or "view"]
        known = options_of(command) | ({"--version", "-V"} if first is None else set())
        given = [word.partition("=")[0].strip("[]…") for word in words if word.startswith("-")]
        assert not set(given) - known, f"{page.name}: blockstrata {shlex.join(words)}"


def test_every_command_and_option_is_in_the_manual():
    text = (ROOT / "docs" / "manual.md").read_text("utf-8")
    for name, command in COMMANDS.items():
        assert f"blockstrata {name}" in text or name == "view"
        for option in options_of(command) - {"-h"}:
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", text), f"{name} {option}"


@each_page
def test_options_named_alone_exist(page):
    """In running text, an option or one of our commands; what begins otherwise is another tool."""
    known = set.union(*map(options_of, COMMANDS.values()))
    known |= {"--scale", "--write", "--missing"}  # of benchmarks/run.py, of tests/qemu/record.py
    for _, _, span in _CODE.findall(page.read_text("utf-8")):
        if re.match(rf"--|(?:{'|'.join(COMMANDS)}) ", span):
            assert set(re.findall(r"(?<!\S)--[a-z][a-z-]*", span)) <= known, f"{page.name}: {span}"


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


def words_of_the_code() -> set[str]:
    """Return the words that the program shows, as far as the code has them as data."""
    words = {each.name.lower().replace("_", " ") for kind in (Mapping, Storage) for each in kind}
    words |= {rule.value for rule in Rule}
    words |= {flag.name for kind in (historic.Flag, proposed.Flag, nbd.Flag) for flag in kind}
    words |= {column.key for semantics in SWITCH for column in semantics.columns}
    words |= {semantics.name for semantics in SWITCH} | {semantics.switch for semantics in SWITCH}
    words |= {verdict.words for verdict in Verdict if verdict is not Verdict.SOUND}
    words |= {question.client for question in QUESTIONS} | {question.asks for question in QUESTIONS}
    return words | set(STATIONS)


CONCEPTS = (ROOT / "docs" / "concepts.md").read_text("utf-8")


@pytest.mark.parametrize("word", sorted(words_of_the_code()))
def test_every_word_is_defined(word):
    """In a table's first column, in bold or in a heading: not just anywhere."""
    defined = re.findall(r"^\| ([^|]+) \|", CONCEPTS, re.MULTILINE) + re.findall(r"\*+([^*]+)\*+", CONCEPTS)
    if word in {question.asks for question in QUESTIONS}:
        assert word in CONCEPTS
        return
    cells = {part.strip().strip("`") for cell in defined for part in (cell, *re.split(r",|\(|\)", cell))}
    assert word in cells


@pytest.mark.parametrize("switch", states._STATES)
def test_the_table_of_states_is_the_legend_s(switch):
    table = CONCEPTS.partition("## States")[2].partition("## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if "|" in line]
    column = ["", "old", "new", "new protocol", "nbd"].index(switch)
    shown = {row[column].strip("`"): row[0] for row in rows[2:] if row[column].startswith("`")}
    suspicious = {letters for letters, word in shown.items() if word == "suspicious"}
    assert {letters: word for letters, word in shown.items() if letters not in suspicious} == {
        letters: short for letters, (_, short) in states._STATES[switch].items()
    }


@pytest.mark.parametrize("scenario", ["web-server", "encrypted", "null-driver"])
def test_every_feature_that_info_tells_is_defined(scenario, tmp_path):
    for image in SCENARIOS[scenario].build(tmp_path):
        with open_chain(image) as chain:
            for layer in chain.layers:
                for name in layer.node.features():
                    assert re.search(rf"^\| [^|]*\b{name}\b[^|]*\|", CONCEPTS, re.MULTILINE), name


def test_the_manual_s_lesson_runs(tmp_path):
    text = (ROOT / "docs" / "manual.md").read_text("utf-8")
    lesson = re.search(r"````markdown\n(.*?)````", text, re.DOTALL)[1]
    (tmp_path / "my-lesson.md").write_text(lesson, "utf-8")
    done = CliRunner().invoke(main, ["learn", str(tmp_path / "my-lesson.md")])
    assert done.exit_code == 0
    assert done.stdout.count("Answer: ") == 2


def test_the_tour_s_trace_is_what_the_demo_says(tmp_path):
    """The README shows a part of it."""
    image = tmp_path / "web01-active.qcow2"
    SCENARIOS["web-server"].build(tmp_path)
    done = CliRunner().invoke(main, ["trace", str(image), "29M"])
    block = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[1]
    said = done.stdout.replace(f"{tmp_path}/", "")
    for line in filter(None, (line.strip() for line in block.splitlines())):
        assert line in said


def test_how_many_there_are():
    """Counts that the README gives in words."""
    text = (ROOT / "README.md").read_text("utf-8")
    numbers = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()
    assert f"{numbers[len(SCENARIOS) - 10]} scenarios" in text
    assert f"{numbers[len(lessons()) - 10]} lessons" in text


def keys_of(value) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("command", [["info"], ["audit"], ["map"], ["map", "--round-trip"]], ids="-".join)
def test_every_key_of_json_is_in_the_concepts(command, tmp_path):
    (image,) = SCENARIOS["web-server"].build(tmp_path)
    done = CliRunner().invoke(main, [*command, "--output", "json", image])
    keys = keys_of(json.loads(done.stdout))
    assert len(keys) >= 8
    missing = {key for key in keys if not re.search(rf"(?<![\w-]){key}(?![\w-])", CONCEPTS)}
    assert not missing
