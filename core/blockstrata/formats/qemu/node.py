"""An image that is not read here, as qemu-img maps it: a format of a file, or a whole graph of QEMU's nodes.

QEMU is asked about one layer at a time, its backing cut off; the layers below are opened as any others::

    json:{"driver": "vmdk", "backing": null, "file": {"driver": "file", "filename": "top.vmdk"}}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Mapping as Dict
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np

from blockstrata.access import Access, Consent
from blockstrata.errors import ConsentError, OpenError, UnsupportedError
from blockstrata.facts.codes import CODES, MAX_LENGTH, NO_HOST, SYNTHESISED, Mapping, Storage, Traits, fact
from blockstrata.facts.compose import compose
from blockstrata.facts.extents import Extents, uniform
from blockstrata.facts.node import Driver, HostNode, ProtocolNode, check_open, whole_sectors
from blockstrata.formats.qemu import process as qemu
from blockstrata.formats.qemu.map import QemuMap, read_map
from blockstrata.naming.drivers import BY_NAME_DRIVERS, REMOTE_DRIVERS
from blockstrata.naming.options import Options
from blockstrata.naming.paths import has_protocol
from blockstrata.protocols.file import open_file

_WITH_BACKING: Final = ("vmdk", "qed", "qcow", "qcow2", "parallels")
_MARK: Final = np.uint8(SYNTHESISED)
_MOST_NESTED: Final = 16

_HOLE = fact(Mapping.NORMAL, Storage.HOLE)
_DATA = fact(Mapping.NORMAL, Storage.DATA)
_ZEROES = [_HOLE, fact(Mapping.NORMAL, Storage.UNWRITTEN)]

_AS_STORAGE: Final = np.full(CODES, fact(Mapping.PASSTHROUGH, Storage.UNDEFINED), np.uint8)
"""The answers of a protocol node as its own storage."""
_AS_STORAGE[[fact(Mapping.NORMAL), fact(Mapping.OPAQUE_DATA)]] = fact(Mapping.PASSTHROUGH, Storage.OPAQUE)
_AS_STORAGE[[fact(Mapping.ZERO_ALLOC), fact(Mapping.ZERO_PLAIN)]] = fact(Mapping.PASSTHROUGH, Storage.HOLE)


class _Mapped(NamedTuple):
    """The facts of a whole layer, and whether QEMU asks the file below, and tells compressed."""

    extents: Extents
    recurse: bool
    tells_compressed: bool


class UnknownHost(ProtocolNode):
    """The place of files that only QEMU opens: of their storage nothing is known."""

    def __init__(
        self, name: str, driver: str, length: int, allocated: int | None, directory: str | None = None
    ) -> None:
        super().__init__(name, driver, length)
        self.directory = directory
        self.allocated = allocated
        self.identity = (driver, name)

    def extents(self, start: int, length: int) -> Extents:
        """Return one run of which nothing is known."""
        return uniform(start, start + length, fact(Mapping.PASSTHROUGH, Storage.OPAQUE), start)

    def read(self, offset: int, length: int) -> bytes:
        """``UnsupportedError``: nothing is read through QEMU."""
        raise UnsupportedError(self.name, "", "its bytes are not read here")


class ForeignNode(Driver):
    """A layer that qemu-img answers for.

    ``reference`` is how it is named to qemu-img; ``found`` what its ``info`` says; ``file`` holds the image,
    ``host`` the bytes; ``extent_names`` are the files that it says hold them.
    """

    def __init__(
        self,
        name: str,
        reference: list[str],
        found: Dict[str, Any],
        access: Access,
        file: HostNode,
        host: HostNode,
    ) -> None:
        super().__init__(file, host)
        self.name = name
        self.driver = _text(found, "format") or "unknown"
        self.length = _size(found, "virtual-size", name)
        self.backing = _text(found, "backing-filename")
        self.backing_format = _text(found, "backing-filename-format")
        self.is_protocol = self.driver in REMOTE_DRIVERS
        self.supports_backing = self.driver in _WITH_BACKING
        self.extent_names = _extent_names(found)
        self._reference = reference
        self._access = access
        self._features = {"via": qemu.version(access), **_details(found)}

    def read_traits(self) -> Traits:
        """Return what holds for the image as a whole; has to map it the first time."""
        return replace(
            super().read_traits(), recurse=self._map.recurse, tells_compressed=self._map.tells_compressed
        )

    def extents(self, start: int, length: int) -> Extents:
        """Return the facts of a window of guest bytes; the first time the whole layer is mapped."""
        return self._map.extents.cut(start, start + length)

    def windows(self) -> Iterator[tuple[int, int, int]]:
        """Yield the one window: QEMU is asked once, about all of the layer."""
        yield 0, whole_sectors(self.length), 1

    def features(self) -> Dict[str, object]:
        """Return who answers, and some of what ``qemu-img info`` says."""
        return self._features

    @cached_property
    def _map(self) -> _Mapped:
        check_open(self)
        # what storage there is must be asked for before qemu-img reads the file
        self.host.extents(0, 0)
        with closing(qemu.map_pieces(self._reference, self.name, self._access)) as pieces:
            found = read_map(pieces, whole_sectors(self.length), self.name)
        if self.is_protocol:
            facts = _AS_STORAGE[found.extents.facts]
            extents = Extents(found.extents.edges, facts, found.extents.host).coalesce()
            return _Mapped(extents, False, found.tells_compressed)
        return _Mapped(self._on_storage(found), bool(found.holes.any()), found.tells_compressed)

    def _on_storage(self, found: QemuMap) -> Extents:
        """Return runs with their storage.

        What the file says is overruled only where it contradicts QEMU, which may happen when it changes.
        """
        mapped = found.extents
        if not (mapped.host != NO_HOST).any():
            return mapped
        # a mark stays with the parts of a run that is cut
        marked = np.where(found.holes, mapped.facts | _MARK, mapped.facts)
        mapped = compose(Extents(mapped.edges, marked, mapped.host), self.host.extents)
        is_hole, facts = mapped.facts & _MARK != 0, mapped.facts & ~_MARK
        # the tail of the last sector, or whatever QEMU makes of what lies further out: nothing is stored
        is_beyond = facts & 0x7 == Storage.BEYOND_EOF
        facts = np.where(is_beyond, facts & ~np.uint8(0x7) | np.uint8(Storage.HOLE), facts)
        if found.holes.any():
            is_normal = mapped.having(Mapping.NORMAL)
            facts = np.where(is_hole & ~np.isin(facts, _ZEROES), np.uint8(_HOLE), facts)
            facts = np.where(is_normal & ~is_hole & (facts == _HOLE), np.uint8(_DATA), facts)
        return Extents(mapped.edges, facts, mapped.host).coalesce()


def open_foreign(driver: str, file: HostNode, options: Options, access: Access) -> ForeignNode:
    """Open an image of a format that QEMU knows, on a file that is open here."""
    below = {**options["file"], "driver": file.driver}
    reference = _json_reference({**options, "driver": driver, "backing": None, "file": below})
    found = qemu.info(reference, file.name, access)
    return ForeignNode(file.name, reference, found, access, file, _host_of(found, file, access))


def open_graph(options: Options, name: str, access: Access) -> ForeignNode:
    """Open a node for which QEMU opens everything below too, over a network for one."""
    reference = _named_reference(options)
    if reference is None:
        _check_no_backing(options, name, access)
        reference = _json_reference(_without_backing(options))
        found = qemu.info(reference, name, access)
        below = options.get("file")
        file = _json_reference(_without_backing(below)) if isinstance(below, dict) else None
    else:
        found = qemu.info(reference, name, access)
        file = ["-f", "raw", *reference[-2:]]
        if "backing-filename" in found and not access.allows(Consent.FOLLOW_REMOTE):
            what = f"names a backing layer, which QEMU opens too; consent with {Consent.FOLLOW_REMOTE.value}"
            raise ConsentError(name, "", what, Consent.FOLLOW_REMOTE)
    own = _text(found, "filename")
    if own is not None and not own.startswith("json:"):
        name = own
    length = _size(found if file is None else qemu.info(file, name, access), "virtual-size", name)
    allocated = found.get("actual-size")
    allocated = allocated if isinstance(allocated, int) else None
    host = UnknownHost(name, "qemu", length, allocated, _directory(found))
    return ForeignNode(name, reference, found, access, host, host)


def _host_of(found: Dict[str, Any], file: HostNode, access: Access) -> HostNode:
    """Return the node that holds the guest's bytes: the image's file, unless it says that others do."""
    length = whole_sectors(_size(found, "virtual-size", file.name))
    names = _extent_names(found)
    if not names or names == [file.name]:
        return file
    if len(names) == 1 and not has_protocol(names[0]):
        return open_file(names[0], probe=access.probe)
    return UnknownHost(f"{file.name} ({len(names)} extents)", "file", length, file.allocated)


def _json_reference(options: Options) -> list[str]:
    return ["--", "json:" + json.dumps(options)]


def _named_reference(options: Options) -> list[str] | None:
    """Return how an image is named whose protocol has names of its own; None if options say all."""
    file = options.get("file")
    if not isinstance(file, dict) or file.get("driver") not in BY_NAME_DRIVERS or "filename" not in file:
        return None
    driver = options.get("driver")
    return [*(["-f", str(driver)] if driver else []), "--", str(file["filename"])]


def _directory(found: Dict[str, Any]) -> str | None:
    """Return what a relative backing name is appended to; QEMU knows nothing where several files are one."""
    backing, full = _text(found, "backing-filename"), _text(found, "full-backing-filename")
    if backing is None or full is None or not full.endswith(backing):
        return None
    return full.removesuffix(backing)


def _is_node(options: Options) -> bool:
    return not {"driver", "file", "filename"}.isdisjoint(options)


def _without_backing(options: Options) -> Options:
    """Return options in which no node has a layer below."""
    inner = {
        key: _without_backing(each) if isinstance(each, dict) else each
        for key, each in options.items()
        if key != "backing"
    }
    return {**inner, "backing": None} if _is_node(options) else inner


def _check_no_backing(options: Options, name: str, access: Access) -> None:
    """Refuse a graph in which a node below the first has a backing layer: it would be left out."""
    waiting = _inside(options)
    count = 0
    while waiting:
        key, node = waiting.pop()
        waiting += _inside(node)
        if not _is_node(node):
            continue
        count += 1
        if count > _MOST_NESTED:
            raise UnsupportedError(name, "", f"has more than {_MOST_NESTED} nodes")
        # a file name alone is never probed below another node: it is a protocol's, or refused
        is_format = node["driver"] in _WITH_BACKING if "driver" in node else "file" in node
        if not is_format or ("backing" in node and node["backing"] is None):
            continue
        if "backing" in node or "backing-filename" in qemu.info(
            _json_reference(_without_backing(node)), name, access
        ):
            raise UnsupportedError(
                name, key, "has a backing layer, which is not followed through the nodes above it"
            )


def _inside(options: Options) -> list[tuple[str, Options]]:
    """Return the options that others hold, by key; a node's backing does not count."""
    return [(key, each) for key, each in options.items() if key != "backing" and isinstance(each, dict)]


def _specific(found: Dict[str, Any]) -> Dict[str, Any]:
    """Return what ``qemu-img info`` says that only this format has."""
    specific = found.get("format-specific")
    data = specific.get("data") if isinstance(specific, dict) else None
    return data if isinstance(data, dict) else {}


def _extent_names(found: Dict[str, Any]) -> list[str]:
    """Return the names of the files that hold the guest's bytes, where an image says that others do."""
    extents = _specific(found).get("extents")
    each = extents if isinstance(extents, list) else []
    return [name for extent in each if isinstance(extent, dict) and (name := _text(extent, "filename"))]


def _details(found: Dict[str, Any]) -> dict[str, object]:
    details = {
        "cluster-size": found.get("cluster-size"),
        "subformat": _specific(found).get("create-type"),
        "encrypted": found.get("encrypted"),
    }
    return {key: value for key, value in details.items() if value}


def _text(found: Dict[str, Any], key: str) -> str | None:
    value = found.get(key)
    return value if isinstance(value, str) and value else None


def _size(found: Dict[str, Any], key: str, name: str) -> int:
    size = found.get(key)
    if not isinstance(size, int) or not 0 <= size <= MAX_LENGTH:
        raise OpenError(name, "qemu-img info", f"tells no {key}")
    return size
