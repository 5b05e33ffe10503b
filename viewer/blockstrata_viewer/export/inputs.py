"""The files that are shown, which no picture may be written over."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from blockstrata.errors import BlockstrataError
from blockstrata.graph.chain import Chain
from blockstrata.naming.parse import parse_reference
from blockstrata.protocols.file import FileNode


def inputs_of(chains: Collection[Chain], names: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield device and inode of all files of some chains, and of those that go by some names."""
    layers = [layer for chain in chains for layer in chain.layers]
    nodes = [node for layer in layers for node in (layer.node.host, layer.node.file)]
    for node in nodes:
        if isinstance(node, FileNode):  # whatever its name is by now
            match node.identity:
                case _, int(device), int(inode), _:
                    yield device, inode
    stated = [*names, *(layer.name for layer in layers)]
    paths = {path for name in stated for path in _referred(name)}
    # those that could not be opened, too
    paths.update(node.name for node in nodes)
    paths.update(name for layer in layers for name in getattr(layer.node, "extent_names", ()))
    for path in paths:
        # what has no name of its own in the file system cannot be overwritten by one
        with suppress(OSError, ValueError):
            status = Path(path).stat()
            yield status.st_dev, status.st_ino


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
