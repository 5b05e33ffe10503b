"""The face of the library: a table of names, hints and words for each, path-likes, runs, closed chains."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import struct
import sys
import tracemalloc
import types
import typing
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from scripted_nbd import READ

import blockstrata
from blockstrata import (
    HISTORIC,
    NBD_6_0,
    NBD_2018,
    NBD_PROPOSED,
    NO_HOST,
    PROPOSED,
    SECTOR,
    SEMANTICS,
    Access,
    Chain,
    ClosedError,
    Consent,
    Extents,
    Layer,
    Mapping,
    Probe,
    Run,
    Storage,
    View,
    alone,
    audit,
    conclusions,
    fact,
    in_place,
    mapping_of,
    merged,
    open_chain,
    storage_of,
    trace,
)
from blockstrata.formats.qcow2.author import Data, Image, ZeroAlloc, ZeroPlain, write_image, write_raw
from blockstrata.graph.export_layers import export_layers

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scripted_nbd import Server

MIB = 1 << 20
CLUSTER = 1 << 16
ROOT = Path(__file__).parent.parent.parent
SOURCE = Path(blockstrata.__file__).read_text("utf-8")


# ---------------------------------------------------------------- names


def imported_for_type_checkers() -> dict[str, str]:
    """Return the names that type checkers see, and where each comes from."""
    (block,) = [
        each
        for each in ast.parse(SOURCE).body
        if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"
    ]
    return {alias.name: each.module for each in block.body for alias in each.names if not alias.asname}


def test_there_is_one_table_of_names():
    table = blockstrata._MODULE_OF
    assert len(blockstrata.__all__) == len(set(blockstrata.__all__))
    assert set(blockstrata.__all__) == set(table)
    assert imported_for_type_checkers() == table
    assert sum(map(len, map(str.split, blockstrata._HOME.values()))) == len(table), "a name with two homes"


@pytest.mark.parametrize("name", blockstrata.__all__)
def test_each_name_is_where_the_table_says(name):
    value = getattr(blockstrata, name)
    assert value is getattr(sys.modules[blockstrata._MODULE_OF[name]], name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert (value.__module__, value.__qualname__) == (blockstrata._MODULE_OF[name], name)


def test_dir_shows_the_face_and_nothing_private():
    shown = {name for name in dir(blockstrata) if not name.startswith("__")}
    assert shown == set(blockstrata.__all__)
    assert "__version__" in dir(blockstrata)


def test_what_is_not_there_is_said():
    with pytest.raises(AttributeError, match="'blockstrata' has no attribute 'qcow3'"):
        _ = blockstrata.qcow3
    with pytest.raises(ImportError):
        exec("from blockstrata import qcow3")


def test_every_error_is_in_the_face():
    errors = sys.modules["blockstrata.errors"]
    kinds = {
        name
        for name, each in vars(errors).items()
        if inspect.isclass(each) and each.__module__ == errors.__name__
    }
    assert len(kinds) >= 10
    assert kinds <= set(blockstrata.__all__)


def test_all_of_it_is_on_the_page():
    page = (ROOT / "docs" / "library.md").read_text("utf-8")
    for name in blockstrata.__all__:
        assert re.search(rf"`{name}\b", page), name


@pytest.mark.parametrize("page", ["README.md", "core/README.md"])
def test_what_the_readme_shows_runs(page, top, monkeypatch, capsys):
    monkeypatch.chdir(top.parent)
    (shown,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    exec(shown, {})
    assert re.search(rf"^{CLUSTER} {CLUSTER} top\.qcow2 .*L·AO$", capsys.readouterr().out, re.MULTILINE)


def test_the_semantics_have_names():
    assert SEMANTICS == (HISTORIC, PROPOSED)
    names = [each.name for each in (HISTORIC, PROPOSED, NBD_2018, NBD_6_0, NBD_PROPOSED)]
    assert names == ["historic", "proposed", "nbd-2018", "nbd-6.0", "nbd-proposed"]


# ---------------------------------------------------------------- hints and words

CLASSES = [name for name in blockstrata.__all__ if inspect.isclass(getattr(blockstrata, name))]
FUNCTIONS = [name for name in blockstrata.__all__ if inspect.isfunction(getattr(blockstrata, name))]


def functions_of(owner: type) -> Iterator[tuple[str, types.FunctionType]]:
    """Yield the functions behind a class' own methods and properties, inherited ones of ours too."""
    for each in owner.__mro__:
        if not each.__module__.startswith("blockstrata"):
            continue
        for name, value in vars(each).items():
            inner = getattr(value, "fget", None) or getattr(value, "__func__", None) or value
            inner = inner.func if isinstance(inner, cached_property) else inner
            if isinstance(inner, types.FunctionType):
                yield name, inner


def hinted(name: str) -> list[object]:
    """Return all types in the hints of a function or class of the face; fails where one does not resolve."""
    value = getattr(blockstrata, name)
    sources = [value, *(inner for _, inner in functions_of(value))] if inspect.isclass(value) else [value]
    return [hint for source in sources for hint in typing.get_type_hints(source).values()]


def parts(hint: object) -> Iterator[object]:
    yield hint
    for each in typing.get_args(hint):
        if isinstance(each, list):
            for inner in each:
                yield from parts(inner)
        else:
            yield from parts(each)


@pytest.mark.parametrize("name", [*CLASSES, *FUNCTIONS])
def test_hints_resolve_to_what_is_public_too(name):
    ours = {
        part.__name__
        for hint in hinted(name)
        for part in parts(hint)
        if inspect.isclass(part) and part.__module__.startswith("blockstrata")
    }
    assert ours <= set(blockstrata.__all__)


def test_hints_say_what_is_taken_and_given():
    hints = typing.get_type_hints(open_chain)
    assert hints["return"] is Chain
    assert set(typing.get_args(hints["image"])) == {str, bytes, os.PathLike[str], os.PathLike[bytes]}
    assert typing.get_type_hints(Run) == {
        "start": int,
        "length": int,
        "mapping": Mapping,
        "storage": Storage,
        "host": int | None,
        "layer": Layer,
    }
    assert typing.get_type_hints(View)["extents"] is Extents


@pytest.mark.parametrize("name", [*CLASSES, *FUNCTIONS])
def test_each_has_words(name):
    value = getattr(blockstrata, name)
    assert re.match(r"\S.*[.:]", value.__doc__ or ""), name
    assert not (value.__doc__ or "").startswith(f"{name}("), "a dataclass' own words say nothing"
    for method, inner in functions_of(value) if inspect.isclass(value) else ():
        assert method.startswith("_") or inner.__doc__, f"{name}.{method}"


# ---------------------------------------------------------------- path-likes


class Named:
    """A path-like, as os.DirEntry is one; its path may be bytes."""

    def __init__(self, path: str | bytes) -> None:
        self.path = path

    def __fspath__(self) -> str | bytes:
        return self.path


@pytest.fixture
def top(tmp_path) -> Path:
    """Return an overlay with data, zeroes of both kinds, and holes, on a shorter raw file."""
    write_raw(tmp_path / "base.raw", 12 * CLUSTER, [(0, b"x" * CLUSTER), (4 * CLUSTER, b"x" * CLUSTER)])
    image = Image(MIB, backing="base.raw", backing_format="raw")
    write_image(tmp_path / "top.qcow2", image, {1: Data(b"new"), 2: ZeroPlain(), 3: ZeroAlloc(b"old")})
    return tmp_path / "top.qcow2"


@pytest.mark.parametrize(
    "kind", [str, Path, os.fsencode, lambda path: Named(str(path)), lambda path: Named(bytes(path))]
)
def test_any_path_opens(top, kind):
    with open_chain(kind(top)) as chain:
        assert chain.layers[0].name == str(top)
        assert [layer.node.driver for layer in chain.layers] == ["qcow2", "raw"]


@pytest.mark.parametrize("name", ["null-co:", "nbd:localhost:1", "json:{}", "a b"])
def test_a_path_is_no_reference_whatever_it_looks_like(tmp_path, monkeypatch, name):
    """The same text as a str is what QEMU takes it for."""
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / name, Image(MIB), {})
    for image in (Path(name), name.encode(), Named(name)):
        with open_chain(image) as chain:
            assert (chain.layers[0].node.driver, chain.size) == ("qcow2", MIB)
    if ":" in name:
        with pytest.raises(blockstrata.BlockstrataError):
            open_chain(name)


def test_a_path_that_is_no_text_opens(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff.qcow2"
    write_image(Path(os.fsdecode(name)), Image(MIB), {})
    with open_chain(name) as chain:
        assert os.fsencode(chain.layers[0].name) == name
    Path(os.fsdecode(name)).unlink()
    with pytest.raises(blockstrata.OpenError, match=r"\\xff\.qcow2: No such file"):
        open_chain(name)


@pytest.mark.parametrize("image", [3, None, ["top.qcow2"]])
def test_what_is_no_path_is_a_type_error(image):
    with pytest.raises(TypeError, match=r"expected str, bytes or os\.PathLike"):
        open_chain(image)


# ---------------------------------------------------------------- runs


def test_runs_are_the_arrays_in_python_s_own_numbers(top):
    with open_chain(top) as chain:
        base = chain.layers[1]
        views = [
            merged(chain, 0, chain.size),
            in_place(chain, 0, 100, MIB - 200),
            alone(base, 512, base.size - 512),
        ]
    for view in views:
        runs = list(view)
        assert len(runs) == len(view) == len(view.extents) > 2
        assert [run.start for run in runs] == view.extents.edges[:-1].tolist()
        assert [run.length for run in runs] == view.extents.lengths.tolist()
        assert [run.host for run in runs] == [
            None if host == NO_HOST else host for host in view.extents.host.tolist()
        ]
        assert [fact(run.mapping, run.storage) for run in runs] == [
            code & ~blockstrata.SYNTHESISED for code in view.extents.facts.tolist()
        ]
        assert [run.layer for run in runs] == [view.layers[index] for index in view.source.tolist()]
        assert {type(each) for run in runs for each in run} <= {*(int, type(None), Mapping, Storage, Layer)}


def test_a_run_says_where_its_bytes_are(top):
    with open_chain(top) as chain:
        runs = list(merged(chain, 0, chain.size))
        host, layers = trace(chain, CLUSTER + 5).last.host, chain.layers
    assert [(run.start // CLUSTER, run.mapping.name, run.layer.depth) for run in runs[:4]] == [
        (0, "PASSTHROUGH", 1),
        (1, "NORMAL", 0),
        (2, "ZERO_PLAIN", 0),
        (3, "ZERO_ALLOC", 0),
    ]
    assert runs[0] == Run(0, CLUSTER, Mapping.PASSTHROUGH, Storage.DATA, 0, layers[1])
    assert runs[1].host == host - 5
    assert runs[2].host is None
    # past the end of the backing file nobody has anything
    assert runs[-1] == Run(12 * CLUSTER, 4 * CLUSTER, Mapping.UNALLOCATED, Storage.NONE, None, layers[0])


def test_runs_come_one_by_one(top):
    """A view of millions of runs is not turned into Python's objects at once."""
    count = 1 << 20
    numbers = np.arange(count + 1, dtype=np.int64)
    extents = Extents(numbers * SECTOR, np.full(count, fact(Mapping.NORMAL), np.uint8), numbers[:-1] * SECTOR)
    with open_chain(top) as chain:
        source = np.broadcast_to(np.int64(0), count)
        view = View(extents, source, source, chain.layers)
    tracemalloc.start()
    try:
        assert next(iter(view)) == Run(0, SECTOR, Mapping.NORMAL, Storage.NONE, 0, view.layers[0])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * count


def test_runs_go_on_from_block_to_block(top, monkeypatch):
    with open_chain(top) as chain:
        view = merged(chain, 0, chain.size)
    whole = list(view)
    monkeypatch.setattr(sys.modules["blockstrata.facts.extents"], "_BLOCK", 2)
    assert len(whole) > 4
    assert list(view) == whole


def test_an_empty_view_has_no_runs(top):
    with open_chain(top) as chain:
        assert list(merged(chain, 0, 0)) == []


def test_facts_come_apart_again():
    for mapping in Mapping:
        for storage in Storage:
            code = fact(mapping, storage)
            assert (mapping_of(code), storage_of(code)) == (mapping, storage)
    with pytest.raises(ValueError, match="is not a valid"):
        mapping_of(0x7F)


# ---------------------------------------------------------------- closed chains

LUKS = struct.Struct(">6sH32s32s32sII20s32sI40s")
SLOT = struct.Struct(">II32sII")
SLOT_SECTORS = 504


def reference(**options: object) -> str:
    return "json:" + json.dumps(options)


def write_luks(path: Path) -> None:
    payload = 8 + 8 * SLOT_SECTORS
    header = LUKS.pack(
        b"LUKS\xba\xbe",
        1,
        b"aes",
        b"xts-plain64",
        b"sha256",
        payload,
        64,
        bytes(20),
        bytes(32),
        1000,
        b"uuid",
    )
    slots = b"".join(SLOT.pack(0x00AC71F3, 1000, bytes(32), 8 + n * SLOT_SECTORS, 4000) for n in range(8))
    path.write_bytes((header + slots).ljust(payload * SECTOR + MIB, b"\0"))


class Place(typing.NamedTuple):
    """Where a chain may be made."""

    folder: Path
    serve: Callable[..., Server]


def of_raw(place: Place) -> Chain:
    write_raw(place.folder / "disk.raw", MIB, [(0, b"x" * 4096)])
    return open_chain(place.folder / "disk.raw", Access(Probe.SEEK))


def of_file(place: Place) -> Chain:
    write_raw(place.folder / "disk.raw", MIB, [(0, b"x" * 4096)])
    return open_chain(reference(driver="file", filename=str(place.folder / "disk.raw")))


def of_recorded(place: Place) -> Chain:
    write_raw(place.folder / "disk.raw", MIB, [(0, b"x" * 4096)])
    return open_chain(
        reference(driver="recorded", filename=str(place.folder / "disk.raw"), storage="512K data,512K hole")
    )


def of_qcow2(place: Place) -> Chain:
    write_image(place.folder / "disk.qcow2", Image(MIB), {0: Data(b"x")})
    return open_chain(place.folder / "disk.qcow2")


def of_qcow2_with_data_file(place: Place) -> Chain:
    image = Image(MIB, data_file=str(place.folder / "data"))
    write_image(place.folder / "disk.qcow2", image, {0: Data(b"x")}, place.folder / "data")
    return open_chain(place.folder / "disk.qcow2")


def of_qcow2_on_null(place: Place) -> Chain:
    image = Image(MIB, data_file=str(place.folder / "data"))
    write_image(place.folder / "disk.qcow2", image, {0: Data(b"x")}, place.folder / "data")
    file = {"driver": "file", "filename": str(place.folder / "disk.qcow2")}
    return open_chain(
        reference(driver="qcow2", file=file, **{"data-file": {"driver": "null-co", "size": MIB}})
    )


def of_missing(place: Place) -> Chain:
    write_image(
        place.folder / "disk.qcow2", Image(MIB, backing="gone", backing_format="raw"), {0: Data(b"x")}
    )
    chain = open_chain(place.folder / "disk.qcow2")
    assert chain.missing
    return chain


def of_luks(place: Place) -> Chain:
    write_luks(place.folder / "disk.luks")
    return open_chain(place.folder / "disk.luks")


def of_null(_: Place) -> Chain:
    return open_chain(reference(driver="null-co", size=MIB))


def of_raw_on_null(_: Place) -> Chain:
    return open_chain(reference(driver="raw", size=MIB, offset=512, file={"driver": "null-aio"}))


def of_export(place: Place) -> Chain:
    return open_chain(place.serve(served).uri)


def of_export_layers(place: Place) -> Chain:
    chain = export_layers(open_chain(place.serve(served).uri))
    assert len(chain.layers) == 2
    return chain


def of_foreign(place: Place) -> Chain:
    (place.folder / "disk.vdi").write_bytes(bytes(64) + b"\x7f\x10\xda\xbe" + bytes(MIB - 68))
    return open_chain(place.folder / "disk.vdi", Access(consents=frozenset({Consent.VIA_QEMU})))


def of_remote(_: Place) -> Chain:
    return open_chain("https://localhost/disk", Access(consents=frozenset(Consent)))


def served(talk, _) -> None:
    """Serve a chain of two layers: what is zero is in the lower one."""
    talk.greet()
    talk.negotiate(contexts={"base:allocation": 1, "qemu:allocation-depth": 2})
    for asked in talk.requests():
        if asked.command == READ:
            talk.data(asked, asked.offset, bytes(asked.length))
            continue
        half = asked.length // 2
        for number, told in ((1, (0, 3)), (2, (1, 2))):
            if number - 1 < len(talk.chosen):
                extents = zip((half, asked.length - half), told, strict=True)
                talk.status(asked, *extents, context=number, done=number == len(talk.chosen))


QEMU_IMG = """
open("asked", "w").close()
row = {"depth": 0, "present": True, "zero": False, "data": True, "compressed": False}
if argv == ["--version"]:
    print("qemu-img version 9.9.9 (made up)")
elif argv[0] == "info":
    print(json.dumps({"format": "https" if "https" in argv[-1] else "vdi", "virtual-size": 1 << 20}))
else:
    print(json.dumps([{**row, "start": 0, "length": 1 << 20, "offset": 0}]))
"""

KINDS = [each for name, each in list(globals().items()) if name.startswith("of_")]

QUESTIONS: dict[str, Callable[[Chain], object]] = {
    "merged": lambda chain: merged(chain, 0, chain.size),
    "merged, no bytes": lambda chain: merged(chain, 0, 0),
    "in place": lambda chain: in_place(chain, 0, 0, chain.size),
    "alone": lambda chain: alone(chain.layers[-1], 0, chain.layers[-1].size),
    "trace": lambda chain: trace(chain, 0),
    "audit": audit,
    "conclusions": conclusions,
    "extents": lambda chain: [layer.extents(0, layer.size) for layer in chain.layers],
    "fault": lambda chain: chain.layers[-1].fault_at(0),
    "notices": Chain.notices,
}


@pytest.mark.parametrize("is_warm", [False, True], ids=["asked for the first time", "asked before"])
@pytest.mark.parametrize("kind", KINDS, ids=[each.__name__.removeprefix("of_") for each in KINDS])
def test_a_closed_chain_says_closed(kind, is_warm, tmp_path, serve, fake):
    fake(QEMU_IMG)
    chain = kind(Place(tmp_path, serve))
    view = merged(chain, 0, chain.size) if is_warm else None
    if is_warm:
        for ask in QUESTIONS.values():
            ask(chain)
    names, size = [layer.name for layer in chain.layers], chain.size
    (tmp_path / "asked").unlink(missing_ok=True)
    assert not chain.is_closed
    chain.close()
    chain.close()
    assert chain.is_closed
    for what, ask in QUESTIONS.items():
        with pytest.raises(ClosedError, match=r": is closed$") as caught:
            ask(chain)
        assert caught.value.file, what
    with pytest.raises(ClosedError), chain:
        pass
    assert ([layer.name for layer in chain.layers], chain.size) == (names, size)
    assert not (tmp_path / "asked").exists(), "qemu-img is asked no more"
    if view is not None:
        assert sum(run.length for run in view) == size


def test_a_with_statement_closes_also_after_an_error(top):
    with pytest.raises(ZeroDivisionError), open_chain(top) as chain:
        raise ZeroDivisionError
    assert chain.is_closed


def test_what_was_read_before_is_still_told(top):
    """A layer that has its facts by heart, as the viewer's have, asks nobody."""
    with open_chain(top) as chain:
        known = Chain(tuple(replace(layer, known=layer.extents(0, layer.size)) for layer in chain.layers))
        before = list(merged(known, 0, known.size))
    assert list(merged(known, 0, known.size)) == before
    with pytest.raises(ClosedError):
        trace(known, CLUSTER)
