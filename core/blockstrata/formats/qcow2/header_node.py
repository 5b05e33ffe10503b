"""A qcow2 image of which only the header can be shown, and what a header shows."""

from __future__ import annotations

from collections.abc import Mapping as Dict

from blockstrata.errors import BlockstrataError
from blockstrata.facts.codes import Mapping, fact
from blockstrata.facts.extents import Extents, uniform
from blockstrata.facts.node import Driver, HostNode
from blockstrata.formats.qcow2.header import MAX_REFCOUNT_ORDER, Header, read_header


class HeaderNode(Driver):
    """An image that cannot be opened, for one who wants to know what its header says: nothing maps it.

    ``refusal`` is why not.  ``is_sound``: the header is not to blame, but what it names (a data file).
    """

    driver = "qcow2"
    supports_backing = True

    def __init__(self, file: HostNode, refusal: BlockstrataError) -> None:
        """``refusal`` is raised if there is no header to show."""
        super().__init__(file)
        try:
            self.header = read_header(file)
            self.is_sound = True
        except BlockstrataError:
            try:
                self.header = read_header(file, lenient=True)
            except BlockstrataError:
                raise refusal from None
            self.is_sound = False
        self.length = self.header.size
        self.backing = self.header.backing
        self.backing_format = self.header.backing_format
        self.refusal = refusal

    def find_refusal(self) -> BlockstrataError:
        """Return why the image cannot be opened."""
        return self.refusal

    def extents(self, start: int, length: int) -> Extents:
        """Return one INVALID run."""
        return uniform(start, start + length, fact(Mapping.INVALID))

    def fault_at(self, offset: int) -> str:  # noqa: ARG002
        """Return why the image cannot be opened."""
        return str(self.refusal)

    def features(self) -> Dict[str, object]:
        """Return what the header says."""
        return features_of(self.header)


def features_of(header: Header) -> Dict[str, object]:
    """Return the header's facts that change how the image is read or that users ask for."""
    order = header.refcount_order
    features: dict[str, object] = {
        "compat": "1.1" if header.version == 3 else "0.10",
        "cluster-size": header.cluster_size,
        "extended-l2": header.extended_l2,
        "compression-type": header.compression,
        "lazy-refcounts": header.lazy_refcounts,
        "refcount-bits": 1 << order if order <= MAX_REFCOUNT_ORDER else "unknown",
        "dirty": header.is_dirty,
        "corrupt": header.is_corrupt,
    }
    if header.has_data_file:
        features["data-file-raw"] = header.data_file_is_raw
    if header.encryption:
        features["encryption"] = header.encryption.name.lower()
    return features
