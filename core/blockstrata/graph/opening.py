"""Options to open nodes: which driver, on what, and is the format one that we read.

::

    open ─┬─ a driver that only QEMU has ── qemu-img, on all below
          ├─ a protocol                  ── file, null-co, nbd, recorded
          └─ a format, stated or probed  ── raw, qcow2 (and its data file), luks, or qemu-img
                └─ on ``file``: a protocol, or raw on one
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from blockstrata.access import Access, Consent
from blockstrata.errors import BadReferenceError, BlockstrataError, ConsentError, UnsupportedError
from blockstrata.facts.codes import MAX_LENGTH
from blockstrata.facts.node import Driver, HostNode
from blockstrata.formats.luks import LuksNode
from blockstrata.formats.probe import probe_format
from blockstrata.formats.qcow2.header import Header, read_header
from blockstrata.formats.qcow2.node import HeaderNode, Qcow2Node, check_for_image, open_qcow2
from blockstrata.formats.qemu.node import ForeignNode, open_foreign, open_graph
from blockstrata.formats.qemu.process import require_qemu
from blockstrata.formats.qemu.vmdk import remote_names
from blockstrata.formats.raw import RawNode
from blockstrata.naming.checks import COMMON_KEYS, check_options
from blockstrata.naming.drivers import (
    FOREIGN_FORMATS,
    NULL_DRIVERS,
    PROTOCOL_DRIVERS,
    RECORDED,
    REMOTE_DRIVERS,
    needs_qemu,
)
from blockstrata.naming.named import Named
from blockstrata.naming.nbd import Address, address_of
from blockstrata.naming.options import driver_option, inherited, size_option, switch_of, text_option
from blockstrata.naming.parse import export_options
from blockstrata.naming.paths import is_stored
from blockstrata.protocols.file import open_file
from blockstrata.protocols.null import DEFAULT_SIZE, NullNode
from blockstrata.protocols.recorded import open_recorded

if TYPE_CHECKING:
    from blockstrata.protocols.nbd.node import NbdNode

_NAME_OTHERS: Final = ("qcow2", "vmdk", "blkverify")
"""Drivers that open more than options say: data files, extents, and what blkverify probes."""


@dataclass(frozen=True, slots=True)
class Opener:
    """A node to open: its options, and ``name``, by which messages call it.

    ``called`` is the name that the options come from, empty if they come from none.  What an image, not the
    user, names and is remote or a device needs consent (``ConsentError``).
    """

    access: Access
    named: Named
    name: str
    called: str = ""

    def open(self) -> Driver:
        """Open what the options describe: a format node on its file, or a protocol node alone.

        The format is probed where no driver is given, as QEMU does.
        """
        driver = driver_option(self.named.options)
        if needs_qemu(self.named.options):
            return self._graph()
        if driver in PROTOCOL_DRIVERS:
            return self._protocol()
        file = self._file(driver)
        with _closed_on_error(file):
            return self._format(probe_format(file, self.called) if driver is None else driver, file)

    def _file(self, driver: str | None) -> HostNode:
        below = self._child("file", self.name)
        if below is None:
            what = (
                "names neither a driver nor a file" if driver is None else f"driver '{driver}' needs a file"
            )
            raise BadReferenceError(self.name, "file", what)
        return below._host()

    def _child(self, key: str, name: str) -> Opener | None:
        named = self.named.child(key, name)
        return None if named is None else Opener(self.access, named, name)

    def _format(self, driver: str, file: HostNode) -> Driver:
        if driver == "raw":
            return self._raw(file)
        if driver == "qcow2":
            check_options(self.named.options, "qcow2", file.name)
            try:
                return self._qcow2(file)
            except BlockstrataError as error:
                # a mistake in what the user says is no fault of the image
                if isinstance(error, BadReferenceError) or not self.access.shows_headers:
                    raise
                return HeaderNode(file, error)
        if driver == "luks":
            check_options(self.named.options, "luks", file.name)
            return LuksNode(file)
        if driver in FOREIGN_FORMATS:
            return self._foreign(driver, file)
        raise UnsupportedError(
            file.name, "", f"format '{driver}' is known neither here (qcow2, raw, luks) nor to qemu-img"
        )

    def _raw(self, file: HostNode) -> RawNode:
        options = self.named.options
        check_options(options, "raw", file.name)
        offset = size_option(options, "offset", file.name) or 0
        return RawNode(file, offset, size_option(options, "size", file.name))

    def _qcow2(self, file: HostNode) -> Qcow2Node:
        header = read_header(file)
        check_for_image(self.named.options, header, file.name)
        data_file = self._data_file(header, file.name)
        with _closed_on_error(data_file):
            return open_qcow2(file, header, data_file)

    def _data_file(self, header: Header, name: str) -> HostNode | None:
        """Open the external data file: the option's, or the header's.

        The header's is the name of a file, whatever it looks like, and not joined to the image's: QEMU takes
        no protocol and no ``json:`` there, so that an image cannot name more than a file.  An error says that
        it is this image's data file.
        """
        try:
            return self._open_data_file(header, name)
        except BlockstrataError as error:
            raise error.part_of(name, "data file") from None

    def _open_data_file(self, header: Header, name: str) -> HostNode | None:
        given = self._child("data-file", name)
        if given is not None:
            return given._host()
        if header.data_file is None or not header.has_data_file:
            return None
        options = {**inherited(self.named.options, "data-file"), "filename": header.data_file}
        return Opener(self.access, Named.by_image(options), header.data_file)._host()

    def _foreign(self, driver: str, file: HostNode) -> ForeignNode:
        """Have qemu-img map an image, if it may, and may open what the image names.

        Of an image's options only those are handed on that can name nothing.
        """
        require_qemu(self.access, file.name, f"format '{driver}'")
        further = sorted(set(self.named.options) - {"file", "backing", *COMMON_KEYS})
        if self.named.is_stated and further:
            what = (
                f"option '{further[0]}' of driver '{driver}' is one that an image gives and only QEMU reads"
            )
            self._require_consent(file.name, what)
        if driver == "vmdk":
            for name in remote_names(file):
                what = f"is remote, a device, or in /proc or /sys, and {file.name} names it"
                self._require_consent(name, what)
        return open_foreign(driver, file, self.named.options, self.access)

    def _graph(self) -> ForeignNode:
        """Have QEMU open a node and all below it, if it may."""
        options = self.named.options
        below = options.get("file")
        nodes = [options, *([below] if isinstance(below, dict) else [])]
        drivers = [str(node["driver"]) for node in nodes if node.get("driver")]
        remote = [driver for driver in drivers if driver in REMOTE_DRIVERS]
        what = "driver " + " on ".join(f"'{driver}'" for driver in drivers)
        require_qemu(self.access, self.name, f"protocol '{remote[0]}'" if remote else what)
        if self.named.is_stated or _may_name_files(options):
            self._require_consent(self.name, "is opened by QEMU with all that it names, remote or not")
        return open_graph(options, self.name, self.access)

    def _host(self) -> HostNode:
        """Open what a format can stand on: a protocol node, or raw on one."""
        driver = driver_option(self.named.options)
        if driver is None or driver in PROTOCOL_DRIVERS:
            return self._protocol()
        if driver != "raw":
            what = f"'{driver}' is not one that another format can stand on here"
            raise UnsupportedError(self.name, "driver", what)
        file = self._file(driver)
        with _closed_on_error(file):
            return self._raw(file)

    def _protocol(self) -> HostNode:
        options, name = self.named.options, self.name
        driver = driver_option(options)
        check_options(options, driver or "file", name)
        if driver in NULL_DRIVERS:
            size = size_option(options, "size", name)
            if size is not None and size > MAX_LENGTH:
                raise UnsupportedError(name, "size", f"{size} bytes are 8 EiB or more")
            read_zeroes = bool(switch_of(options, "read-zeroes"))
            return NullNode(
                f"{driver}://", driver, DEFAULT_SIZE if size is None else size, read_zeroes=read_zeroes
            )
        if driver == "nbd":
            address = address_of(options, name)
            if self.named.is_stated:
                self._require_consent(address.name, "is a server that an image names")
            return _open_nbd(address, self.access)
        filename = text_option(options, "filename", name)
        if driver == RECORDED:
            if self.named.is_stated:
                raise UnsupportedError(
                    name, "driver", f"'{RECORDED}' may be named by a user, not by an image"
                )
            return open_recorded(filename, text_option(options, "storage", name), self.access.probe)
        if self.named.is_stated and not is_stored(filename):
            self._require_consent(filename, "is a device, or in /proc or /sys, and an image names it")
        direct = bool(switch_of(options.get("cache") or {}, "direct"))
        return open_file(filename, driver, self.access.probe, direct=direct)

    def _require_consent(self, name: str, what: str) -> None:
        """``ConsentError`` unless the user consents to what is remote or a device."""
        consent = Consent.FOLLOW_REMOTE
        if not self.access.allows(consent):
            raise ConsentError(name, "", f"{what}; consent with {consent.value}", consent)


def open_export(image: str, access: Access, contexts: tuple[str, ...]) -> NbdNode:
    """Open the NBD export that a user names, whatever it holds, to be asked in some contexts."""
    options = export_options(image)
    if options is None:
        raise BadReferenceError(image, "", "is not the name of an NBD export")
    check_options(options, "nbd", image)
    return _open_nbd(address_of(options, image), access, contexts)


def _open_nbd(address: Address, access: Access, contexts: tuple[str, ...] = ()) -> NbdNode:
    # sockets and TLS would add a sixth to what it takes until a file is open
    from blockstrata.protocols.nbd.node import open_nbd  # noqa: PLC0415  see above

    return open_nbd(address, access, contexts)


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


@contextmanager
def _closed_on_error(node: HostNode | None) -> Iterator[None]:
    """Close a node if what is to stand on it cannot be opened."""
    try:
        yield
    except BlockstrataError:
        if node:
            node.close()
        raise
