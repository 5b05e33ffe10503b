"""The files that are shown, which no picture may be written over."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from blockstrata.errors import BlockstrataError
from blockstrata.naming.parse import parse_reference
from blockstrata.protocols.file import FileNode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from blockstrata.facts.node import HostNode
    from blockstrata.graph.chain import Chain


def inputs_of(chains: Collection[Chain], names: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield device and inode of all files of some chains, and of those that go by some names."""
    for node in (node for chain in chains for node in _nodes(chain)):
        if isinstance(node, FileNode):  # whatever its name is by now
            match node.identity:
                case _, int(device), int(inode), _:
                    yield device, inode
    referred = [each for name in names for each in _referred(name)]
    for name in dict.fromkeys([*referred, *(name for chain in chains for name in _files(chain))]):
        # what has no name of its own in the file system cannot be overwritten by one
        with suppress(OSError, ValueError):
            status = Path(name).stat()
            yield status.st_dev, status.st_ino


def _nodes(chain: Chain) -> Iterator[HostNode]:
    for layer in chain.layers:
        yield layer.node.host
        yield layer.node.file


def _files(chain: Chain) -> Iterator[str]:
    """Yield the names of all files of a chain, also of those that could not be opened."""
    for node in _nodes(chain):
        yield node.name
    for layer in chain.layers:
        yield from getattr(layer.node, "extent_names", ())
        yield from _referred(layer.name)


def _referred(name: str) -> Iterator[str]:
    """Yield a path, and the paths in it if it is a reference such as ``json:{…}``."""
    yield name
    with suppress(BlockstrataError):
        yield from _named(parse_reference(name))


def _named(options: Mapping[str, object]) -> Iterator[str]:
    """Yield the file names in the options of a reference."""
    for key, value in options.items():
        if key == "filename" and isinstance(value, str):
            yield value
            # as in blkdebug:rules:file, which only QEMU takes apart
            yield value.rpartition(":")[2]
        elif isinstance(value, dict):
            yield from _named(value)
