"""What lies below a layer: the reference that an image states, what options add, and where both lead.

A name is joined to the directory of the image's file as it was given; symbolic links are not resolved, and
what starts with a protocol or a slash stays (docs/semantics.md, "Names and formats")::

    dir/top.qcow2 states base.qcow2              dir/base.qcow2
    dir/top.qcow2 states /base.qcow2, nbd:h:1    as stated
"""

from __future__ import annotations

from pathlib import Path

from blockstrata.errors import BackingLoopError, BadReferenceError
from blockstrata.facts.node import Driver
from blockstrata.graph.opening import Opener
from blockstrata.naming.named import Named
from blockstrata.naming.options import child, driver_option
from blockstrata.naming.parse import parse_reference
from blockstrata.naming.paths import has_protocol


def below(above: Opener, node: Driver, followed: set[tuple[object, ...]]) -> Opener | None:
    """Return what to open below a node that was opened as ``above``, or None at the end of the chain.

    Options for ``backing`` replace or complete what the image states; null ends the chain.  ``followed``: the
    references of this chain that were followed so far.  ``BadReferenceError`` if the reference makes no
    sense, ``BackingLoopError`` if it was followed before.
    """
    options = above.named.options
    if not node.supports_backing or options.get("backing", {}) in (None, ""):
        return None
    given = above.named.child("backing", node.name)
    if node.backing is None:
        if given is None and "backing" in options:
            raise BadReferenceError(
                node.name, "backing", "is neither null nor options, and the image names none"
            )
        return None if given is None else Opener(above.access, given, node.name)
    given = given or Named.by_image({})
    if "filename" in (child(given.options, "file", node.name) or {}):
        # the file is the options', the format the image's
        stated = {"driver": node.backing_format} if node.backing_format else {}
        return Opener(above.access, Named({**stated, **given.options}, given.given), node.name)
    if "filename" in given.options:
        raise BadReferenceError(node.name, "backing.filename", f"the image names its own, '{node.backing}'")
    name = _joined(node)
    # with other options for them, the layers below may be others this time
    step = (*node.file.identity, _directory(node.name), node.backing, repr(given.options))
    if step in followed:
        raise BackingLoopError(node.name, "", f"leads back to itself by '{name}'")
    followed.add(step)
    stated = parse_reference(name, driver_option(given.options) or node.backing_format)
    return Opener(above.access, above.named.completing("backing", stated, name), name, called=name)


def _joined(node: Driver) -> str:
    """Return the name of the layer below as QEMU opens it: relative to the directory of the image's file."""
    name = node.backing or ""
    if has_protocol(name) or name.startswith("/"):
        return name
    directory = node.file.directory
    if directory is None:
        what = "an NBD export" if node.file.host_driver == "nbd" else "what it is relative to"
        raise BadReferenceError(name, "", f"is relative, but {what} has no directory")
    return directory + name


def _directory(name: str) -> tuple[int, int] | None:
    """Return what tells the directory of a file from others, however it is named; None if there is none."""
    try:
        status = Path(name).parent.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
