"""Options to open nodes: which driver, on what, and is the format one that we read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockstrata.access import Access, Consent
from blockstrata.errors import BadReferenceError, BlockstrataError, ConsentError, UnsupportedError
from blockstrata.facts import MAX_LENGTH
from blockstrata.formats.probe import PROBE_BYTES, probe_format
from blockstrata.formats.qcow2.header import read_header
from blockstrata.formats.qcow2.node import open_qcow2
from blockstrata.formats.raw import RawNode
from blockstrata.protocols.file import is_device, open_file
from blockstrata.protocols.null import DEFAULT_SIZE, NullNode
from blockstrata.reference import (
    FILE_DRIVERS,
    NULL_DRIVERS,
    PROTOCOL_DRIVERS,
    Options,
    bool_option,
    check_options,
    child,
    size_option,
    text_option,
)

if TYPE_CHECKING:
    from blockstrata.driver import Driver, HostNode
    from blockstrata.formats.qcow2.header import Header


def open_node(options: Options, name: str, access: Access, *, stated: bool = False) -> Driver:
    """Open what options describe: a format node on its file, or a protocol node alone.

    ``name`` is how messages call it.  The format is probed where no driver is given, as QEMU does.
    ``stated``: an image, not the user, names it; what is then remote needs consent (``ConsentError``).
    """
    driver = options.get("driver")
    if driver in PROTOCOL_DRIVERS:
        return _open_protocol(driver, options, name, access, stated=stated)
    file_options = child(options, "file", name)
    if file_options is None:
        what = f"driver '{driver}' needs a file" if driver else "names neither a driver nor a file"
        raise BadReferenceError(name, "file", what)
    file = _open_host(file_options, name, access, stated=stated)
    try:
        return _open_format(driver, file, options, access, stated=stated)
    except BlockstrataError:
        file.close()
        raise


def _open_format(driver: object, file: HostNode, options: Options, access: Access, *, stated: bool) -> Driver:
    if driver is None:
        driver = probe_format(file.read(0, PROBE_BYTES), file.name)
    if driver == "raw":
        return _open_raw(file, options)
    if driver == "qcow2":
        check_options(options, "qcow2", file.name)
        header = read_header(file)
        data_file = _open_data_file(options, header, file.name, access, stated=stated)
        try:
            return open_qcow2(file, header, data_file)
        except BlockstrataError:
            if data_file:
                data_file.close()
            raise
    raise UnsupportedError(file.name, "", f"format '{driver}' is not one that blockstrata reads (qcow2, raw)")


def _open_raw(file: HostNode, options: Options) -> RawNode:
    check_options(options, "raw", file.name)
    offset = size_option(options, "offset", file.name) or 0
    return RawNode(file, offset, size_option(options, "size", file.name))


def _open_data_file(
    options: Options, header: Header, name: str, access: Access, *, stated: bool
) -> HostNode | None:
    """Open the external data file: the option's, or the header's.

    The header's is the name of a file, whatever it looks like, and not joined to the image's: QEMU takes no
    protocol and no ``json:`` there, so that an image cannot name more than a file.
    """
    given = child(options, "data-file", name)
    if given is not None:
        return _open_host(given, name, access, stated=stated)
    if header.data_file is None or not header.has_data_file:
        return None
    return _open_host({"filename": header.data_file}, header.data_file, access, stated=True)


def _open_host(options: Options, name: str, access: Access, *, stated: bool) -> HostNode:
    driver = options.get("driver")
    if driver is None or driver in PROTOCOL_DRIVERS:
        return _open_protocol(driver, options, name, access, stated=stated)
    if driver == "raw":
        below = child(options, "file", name)
        if below is None:
            raise BadReferenceError(name, "file", "driver 'raw' needs a file")
        return _open_raw(_open_host(below, name, access, stated=stated), options)
    raise UnsupportedError(name, "driver", f"'{driver}' is not one that another format can stand on here")


def _open_protocol(
    driver: str | None, options: Options, name: str, access: Access, *, stated: bool
) -> HostNode:
    check_options(options, driver or "file", name)
    if driver in NULL_DRIVERS:
        size = size_option(options, "size", name)
        if size is not None and size > MAX_LENGTH:
            raise UnsupportedError(name, "size", f"{size} bytes are 8 EiB or more")
        read_zeroes = bool_option(options, "read-zeroes", name)
        return NullNode(
            f"{driver}://", driver, DEFAULT_SIZE if size is None else size, read_zeroes=read_zeroes
        )
    assert driver is None or driver in FILE_DRIVERS  # noqa: S101
    filename = text_option(options, "filename", name)
    if stated and is_device(filename):
        _require(access, Consent.FOLLOW_REMOTE, filename, "is a device that an image names")
    return open_file(filename, driver, access.probe)


def _require(access: Access, consent: Consent, name: str, what: str) -> None:
    """``ConsentError`` unless the user consents."""
    if not access.allows(consent):
        raise ConsentError(name, "", f"{what}; consent with {consent.value}", consent)
