"""Lessons read from Markdown.

::

    # The title
    One sentence.

    > What was learnt, shown at the end.

    ## The first step
    ```step
    scenario: web-server
    at: 20M
    layer: 1
    ```
    Text with `code` and **strong** words.

    - LZ··: Why this choice is wrong.

    > What is shown once the step's question is answered.

A place's keys (scenario, image, file, at, layer, zoom, semantics, view) that a step leaves out are as in the
step before; a new scenario or file starts afresh, but for the semantics.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from blockstrata.facts.codes import SECTOR
from blockstrata.semantics import SWITCH, by_name
from blockstrata.text.sizes import parse_size
from blockstrata_viewer.lessons.find import read_wanted
from blockstrata_viewer.lessons.lesson import GUEST, VIEWS, Lesson, LessonError, Source, Step
from blockstrata_viewer.lessons.questions import ASKS
from blockstrata_viewer.scenarios import SCENARIOS

_LARGEST: Final = 1 << 20
"""Bytes; no lesson is that long."""


def read_lesson(path: str) -> Lesson:
    """Return the lesson in a file; ``LessonError`` says what is wrong with it, and in which line."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise LessonError(path, "", "is too long for a lesson")
        text = raw.decode()
    except OSError as error:
        raise LessonError(path, "", error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise LessonError(path, f"line {line}", "is not UTF-8 text") from None
    lesson = parse_lesson(text, path)
    for step in lesson.steps:
        if step.source.file is not None and "file" in step.lines:
            lesson.own_file(step)
    return lesson


def parse_lesson(text: str, file: str) -> Lesson:
    """Return the lesson that a text is; ``file`` is what messages call it."""
    return _Parser(text, file).lesson()


class _Parser:
    """Goes through lines once: ``at`` is the index of the next one, ``values`` is what the last step said."""

    def __init__(self, text: str, file: str) -> None:
        self.lines = text.splitlines()
        self.file = file
        self.at = 0
        self.values = _FRESH

    def error(self, what: str, line: int | None = None) -> LessonError:
        return LessonError(self.file, f"line {self.at + 1 if line is None else line}", what)

    def lesson(self) -> Lesson:
        self._skip_blank()
        if not self._next().startswith("# "):
            raise self.error("a lesson begins with '# ' and its title")
        title = self._next()[2:].strip()
        self.at += 1
        head = self._paragraphs()
        if head.reasons:
            raise self.error("a reason ('- ') belongs to a step", min(head.lines.values()))
        steps = []
        while self.at < len(self.lines):
            steps.append(self._step())
        if not steps:
            raise self.error("there is no step; one begins with '## ' and its title")
        name = re.sub(r"^[0-9]+-", "", Path(self.file).stem)
        return Lesson(name, self.file, title, " ".join(head.text), tuple(steps), head.quoted)

    def _step(self) -> Step:
        line = self.at + 1
        title = self._next()[3:].strip()
        self.at += 1
        self._skip_blank()
        if self._next().strip() != "```step":
            raise self.error("here stands the step's block, ```step")
        given, lines = self._block()
        if "scenario" in given or "file" in given:
            self.values = _FRESH | {"semantics": self.values["semantics"]}
        values = self.values | _ASKS_NOTHING | given
        if (values["scenario"] is None) == (values["file"] is None):
            raise self.error("a step names either a scenario or a file", line)
        for key in ("prompt", "choices"):
            if values[key] and not values["ask"]:
                raise self.error(f"{key} without ask", lines[key])
        if (values["ask"] == "find") != bool(values["find"]):
            raise self.error("'ask: find' and what to find go together", lines.get("find", lines.get("ask")))
        said = self._paragraphs()
        if not said.text:
            raise self.error("the step has no text", line)
        if said.quoted and not values["ask"]:
            raise self.error("there is an answer ('> '), but nothing is asked", line)
        if said.reasons and values["ask"] in ("", "find"):
            raise self.error("a reason ('- ') says why a choice is wrong; none is offered", line)
        self.values = values
        shown = values.copy()
        source = Source(shown.pop("scenario"), shown.pop("image"), shown.pop("file"))
        return Step(
            title,
            source,
            text=said.text,
            afterwards=said.quoted,
            reasons=said.reasons,
            line=line,
            lines=lines | said.lines,
            **shown,
        )

    def _block(self) -> tuple[dict[str, Any], dict[str, int]]:
        """Return the keys of a step's block with their values, and the lines they stand in."""
        self.at += 1
        opened = self.at
        given: dict[str, Any] = {}
        lines: dict[str, int] = {}
        while self._next().strip() != "```":
            if self.at >= len(self.lines):
                raise self.error("the step's block does not end", opened)
            line = self._next()
            key, colon, value = (part.strip() for part in line.partition(":"))
            if line.strip():
                if not colon:
                    raise self.error(f"'{line.strip()}' is not 'key: value'")
                if key not in _KEYS:
                    raise self.error(f"'{key}' is not a key; use one of {', '.join(_KEYS)}")
                if key in given:
                    raise self.error(f"{key} is given twice")
                try:
                    given[key], lines[key] = _KEYS[key][1](value), self.at + 1
                except ValueError as error:
                    raise self.error(f"{key}: {error}") from None
            self.at += 1
        self.at += 1
        return given, lines

    def _paragraphs(self) -> _Said:
        """Return what is said up to the next step."""
        found: dict[str, list[str]] = {_PLAIN: [], _QUOTE: [], _ITEM: []}
        lines: dict[str, int] = {}
        last = ""
        while self.at < len(self.lines) and not self._next().startswith("## "):
            line = self._next()
            if line.startswith("```"):
                raise self.error("a block stands right under a step's title, nowhere else")
            kind = _kind(line, last)
            words = line.removeprefix(kind).strip()
            if kind == _ITEM and line.startswith(_ITEM):
                key, colon, _ = words.partition(":")
                if not colon or key in lines:
                    raise self.error("a reason is '- CHOICE: why it is wrong', one a choice")
                lines[key] = self.at + 1
                found[kind].append(words)
            elif kind == last and kind:
                found[kind][-1] += f" {words}"
            elif kind:
                found[kind].append(words)
            last = kind if words else ""
            self.at += 1
        reasons = {key: why.strip() for key, _, why in (item.partition(":") for item in found[_ITEM])}
        of_reasons = {f"- {key}": line for key, line in lines.items()}
        return _Said(tuple(found[_PLAIN]), tuple(found[_QUOTE]), reasons, of_reasons)

    def _next(self) -> str:
        return self.lines[self.at] if self.at < len(self.lines) else ""

    def _skip_blank(self) -> None:
        while self.at < len(self.lines) and not self._next().strip():
            self.at += 1


_PLAIN: Final = " "
_QUOTE: Final = ">"
_ITEM: Final = "- "
"""How the lines of paragraphs start."""


class _Said(NamedTuple):
    """Paragraphs, those that are quoted, and why choices are wrong; ``lines`` has the lines of the last."""

    text: tuple[str, ...]
    quoted: tuple[str, ...]
    reasons: dict[str, str]
    lines: dict[str, int]


def _kind(line: str, last: str) -> str:
    """Return of what kind a line is, after one of another; an empty string if it parts paragraphs."""
    if not line.removeprefix(_QUOTE).strip():
        return ""
    if line.startswith((_QUOTE, _ITEM)):
        return _QUOTE if line.startswith(_QUOTE) else _ITEM
    return _ITEM if last == _ITEM and line.startswith("  ") else _PLAIN


def _scenario(value: str) -> str:
    if value not in SCENARIOS:
        raise ValueError(f"'{value}' is not a scenario; blockstrata demo --list names them")
    return value


def _text(value: str) -> str:
    if not value:
        raise ValueError("is empty")
    return value


def _number(value: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", value, re.ASCII):
        raise ValueError(f"'{value}' is not a number")
    return int(value)


def _image(value: str) -> int:
    if not _number(value):
        raise ValueError("images are counted from 1")
    return int(value)


def _layer(value: str) -> int:
    return GUEST if value == "guest" else _number(value)


def _zoom(value: str) -> str | int:
    if value in ("fit", "extent"):
        return value
    size = parse_size(value)
    if not size or size % SECTOR:
        raise ValueError(f"'{value}' is neither fit, extent nor a multiple of {SECTOR} bytes")
    return size


def _semantics(value: str) -> str:
    try:
        return by_name(value).name
    except KeyError:
        known = ", ".join(each.name for each in SWITCH)
        raise ValueError(f"'{value}' is not a semantics; use one of {known}") from None


def _one_of(known: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in known:
            raise ValueError(f"'{value}' is none of {', '.join(known)}")
        return value

    return read


def _choices(value: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in value.split(","))
    if not 2 <= len(found) <= 9 or len(set(found)) < len(found) or "" in found:
        raise ValueError("wants 2 to 9 different ones, with commas between")
    return found


_KEYS: Final[dict[str, tuple[Any, Callable[[str], Any]]]] = {
    "scenario": (None, _scenario),
    "image": (1, _image),
    "file": (None, _text),
    "at": ("0", _text),
    "layer": (0, _layer),
    "zoom": ("fit", _zoom),
    "semantics": ("proposed", _semantics),
    "view": ("chain", _one_of(VIEWS)),
    "ask": ("", _one_of(tuple(ASKS))),
    "prompt": ("", _text),
    "choices": ((), _choices),
    "find": ((), read_wanted),
}
"""Every key of a step's block: what holds where none has stated it, and how its value is read."""
_FRESH: Final = {key: value for key, (value, _) in _KEYS.items()}
_ASKS_NOTHING: Final = {key: _FRESH[key] for key in ("ask", "prompt", "choices", "find")}
