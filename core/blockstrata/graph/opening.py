"""Options to open nodes: which driver, on what, and is the format one that we read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blockstrata.access import Access, Consent
from blockstrata.errors import BadReferenceError, BlockstrataError, ConsentError, UnsupportedError
from blockstrata.facts.codes import MAX_LENGTH
from blockstrata.formats.luks import LuksNode
from blockstrata.formats.probe import probe_format
from blockstrata.formats.qcow2.header import read_header
from blockstrata.formats.qcow2.header_node import HeaderNode
from blockstrata.formats.qcow2.node import open_qcow2
from blockstrata.formats.qcow2.options import check_for_image
from blockstrata.formats.qemu.node import ForeignNode, open_foreign, open_graph
from blockstrata.formats.qemu.process import require_qemu
from blockstrata.formats.qemu.vmdk import remote_names
from blockstrata.formats.raw import RawNode
from blockstrata.naming.checks import COMMON_KEYS, check_options
from blockstrata.naming.drivers import (
    FILE_DRIVERS,
    FOREIGN_FORMATS,
    NULL_DRIVERS,
    PROTOCOL_DRIVERS,
    RECORDED,
    REMOTE_DRIVERS,
    needs_qemu,
)
from blockstrata.naming.named import Named
from blockstrata.naming.options import (
    Options,
    bool_option,
    driver_option,
    inherited,
    size_option,
    text_option,
)
from blockstrata.naming.parse import export_options
from blockstrata.naming.paths import is_stored
from blockstrata.protocols.file import open_file
from blockstrata.protocols.nbd.address import address_of
from blockstrata.protocols.null import DEFAULT_SIZE, NullNode
from blockstrata.protocols.recorded import open_recorded

if TYPE_CHECKING:
    from blockstrata.facts.node import Driver, HostNode
    from blockstrata.formats.qcow2.header import Header
    from blockstrata.formats.qcow2.node import Qcow2Node
    from blockstrata.protocols.nbd.address import Address
    from blockstrata.protocols.nbd.node import NbdNode

_NAME_OTHERS: Final = ("qcow2", "vmdk", "blkverify")
"""Drivers that open more than options say: data files, extents, and what blkverify probes."""


def open_node(named: Named, name: str, access: Access, *, called: str = "") -> Driver:
    """Open what options describe: a format node on its file, or a protocol node alone.

    ``name`` is how messages call it, ``called`` the name that the options come from, empty if they come from
    none.  The format is probed where no driver is given, as QEMU does.
    What an image, not the user, names and is remote or a device needs consent (``ConsentError``).
    """
    driver = driver_option(named.options)
    if needs_qemu(named.options):
        return _open_graph(named, name, access)
    if driver in PROTOCOL_DRIVERS:
        return _open_protocol(driver, named, name, access)
    below = named.child("file", name)
    if below is None:
        what = "names neither a driver nor a file" if driver is None else f"driver '{driver}' needs a file"
        raise BadReferenceError(name, "file", what)
    file = _open_host(below, name, access)
    try:
        driver = probe_format(file, called) if driver is None else driver
        return _open_format(driver, file, named, access)
    except BlockstrataError:
        file.close()
        raise


def open_export(image: str, access: Access, contexts: tuple[str, ...]) -> NbdNode:
    """Open the NBD export that a user names, whatever it holds, to be asked in some contexts."""
    options = export_options(image)
    if options is None:
        raise BadReferenceError(image, "", "is not the name of an NBD export")
    check_options(options, "nbd", image)
    return _open_nbd(address_of(options, image), access, contexts)


def _open_nbd(address: Address, access: Access, contexts: tuple[str, ...] = ()) -> NbdNode:
    # sockets and TLS are loaded when needed, so that files are open at once
    from blockstrata.protocols.nbd.node import open_nbd  # noqa: PLC0415

    return open_nbd(address, access, contexts)


def _open_format(driver: str, file: HostNode, named: Named, access: Access) -> Driver:
    options = named.options
    if driver == "raw":
        return _open_raw(file, options)
    if driver == "qcow2":
        check_options(options, "qcow2", file.name)
        try:
            return _open_qcow2(file, named, access)
        except BlockstrataError as error:
            # a mistake in what the user says is no fault of the image
            if isinstance(error, BadReferenceError) or not access.shows_headers:
                raise
            return HeaderNode(file, error)
    if driver == "luks":
        check_options(options, "luks", file.name)
        return LuksNode(file)
    if driver in FOREIGN_FORMATS:
        return _open_foreign(driver, file, named, access)
    raise UnsupportedError(
        file.name, "", f"format '{driver}' is known neither here (qcow2, raw, luks) nor to qemu-img"
    )


def _open_qcow2(file: HostNode, named: Named, access: Access) -> Qcow2Node:
    header = read_header(file)
    check_for_image(named.options, header, file.name)
    data_file = _open_data_file(named, header, file.name, access)
    try:
        return open_qcow2(file, header, data_file)
    except BlockstrataError:
        if data_file:
            data_file.close()
        raise


def _open_foreign(driver: str, file: HostNode, named: Named, access: Access) -> ForeignNode:
    """Have qemu-img map an image, if it may, and may open what the image names.

    Of an image's options only those are handed on that can name nothing.
    """
    require_qemu(access, file.name, f"format '{driver}'")
    further = sorted(set(named.options) - {"file", "backing", *COMMON_KEYS})
    if named.is_stated and further:
        what = f"option '{further[0]}' of driver '{driver}' is one that an image gives and only QEMU reads"
        _require(access, Consent.FOLLOW_REMOTE, file.name, what)
    if driver == "vmdk":
        for name in remote_names(file):
            _require(access, Consent.FOLLOW_REMOTE, name, f"is a device or remote, and {file.name} names it")
    return open_foreign(driver, file, named.options, access)


def _open_graph(named: Named, name: str, access: Access) -> ForeignNode:
    """Have QEMU open a node and all below it, if it may."""
    options = named.options
    below = options.get("file")
    nodes = [options, *([below] if isinstance(below, dict) else [])]
    drivers = [str(node["driver"]) for node in nodes if node.get("driver")]
    remote = [driver for driver in drivers if driver in REMOTE_DRIVERS]
    what = (
        f"protocol '{remote[0]}'" if remote else "driver " + " on ".join(f"'{driver}'" for driver in drivers)
    )
    require_qemu(access, name, what)
    if named.is_stated or _may_name_files(options):
        _require(
            access, Consent.FOLLOW_REMOTE, name, "is opened by QEMU with all that it names, remote or not"
        )
    return open_graph(options, name, access)


def _may_name_files(value: object) -> bool:
    """Say whether a node in a graph may hold an image that names other files, which nobody here looks at.

    A file name without a driver, below another node, is a protocol's and never probed.
    """
    if not isinstance(value, dict):
        return False
    driver = driver_option(value)
    if driver in _NAME_OTHERS or (driver is None and "file" in value):
        return True
    # a backing layer is cut off, and looked at where it is opened
    return any(_may_name_files(inner) for key, inner in value.items() if key != "backing")


def _open_raw(file: HostNode, options: Options) -> RawNode:
    check_options(options, "raw", file.name)
    offset = size_option(options, "offset", file.name) or 0
    return RawNode(file, offset, size_option(options, "size", file.name))


def _open_data_file(named: Named, header: Header, name: str, access: Access) -> HostNode | None:
    """Open the external data file: the option's, or the header's.

    The header's is the name of a file, whatever it looks like, and not joined to the image's: QEMU takes no
    protocol and no ``json:`` there, so that an image cannot name more than a file.
    """
    given = named.child("data-file", name)
    if given is not None:
        return _open_host(given, name, access)
    if header.data_file is None or not header.has_data_file:
        return None
    # a file's name and nothing else, whatever it looks like
    below = {**inherited(named.options, "data-file"), "filename": header.data_file}
    return _open_host(Named.by_image(below), header.data_file, access)


def _open_host(named: Named, name: str, access: Access) -> HostNode:
    driver = driver_option(named.options)
    if driver is None or driver in PROTOCOL_DRIVERS:
        return _open_protocol(driver, named, name, access)
    if driver == "raw":
        below = named.child("file", name)
        if below is None:
            raise BadReferenceError(name, "file", "driver 'raw' needs a file")
        return _open_raw(_open_host(below, name, access), named.options)
    raise UnsupportedError(name, "driver", f"'{driver}' is not one that another format can stand on here")


def _open_protocol(driver: str | None, named: Named, name: str, access: Access) -> HostNode:
    options = named.options
    check_options(options, driver or "file", name)
    if driver in NULL_DRIVERS:
        size = size_option(options, "size", name)
        if size is not None and size > MAX_LENGTH:
            raise UnsupportedError(name, "size", f"{size} bytes are 8 EiB or more")
        read_zeroes = bool_option(options, "read-zeroes", name)
        return NullNode(
            f"{driver}://", driver, DEFAULT_SIZE if size is None else size, read_zeroes=read_zeroes
        )
    if driver == "nbd":
        address = address_of(options, name)
        if named.is_stated:
            _require(access, Consent.FOLLOW_REMOTE, address.name, "is a server that an image names")
        return _open_nbd(address, access)
    filename = text_option(options, "filename", name)
    if driver == RECORDED:
        if named.is_stated:
            raise UnsupportedError(name, "driver", f"'{RECORDED}' is for users to name, no image may")
        return open_recorded(filename, text_option(options, "storage", name), access.probe)
    assert driver is None or driver in FILE_DRIVERS  # noqa: S101
    if named.is_stated and not is_stored(filename):
        _require(access, Consent.FOLLOW_REMOTE, filename, "is a device that an image names")
    direct = bool_option(options.get("cache") or {}, "direct", name)
    return open_file(filename, driver, access.probe, direct=direct)


def _require(access: Access, consent: Consent, name: str, what: str) -> None:
    """``ConsentError`` unless the user consents."""
    if not access.allows(consent):
        raise ConsentError(name, "", f"{what}; consent with {consent.value}", consent)
