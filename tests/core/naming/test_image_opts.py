"""Lists of options in place of a name."""

from __future__ import annotations

import pytest

from blockstrata.errors import BadReferenceError
from blockstrata.graph.chain import open_chain
from blockstrata.naming.parse import parse_image_opts


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("driver=raw,file.filename=a", {"driver": "raw", "file": {"filename": "a"}}),
        ("driver=raw,", {"driver": "raw"}),
        ("a=b,,c,d=e", {"a": "b,c", "d": "e"}),
        ("a=,,,b=c", {"a": ",", "b": "c"}),
        ("a=b,,", {"a": "b,"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
        ("a=b,c,nod", {"a": "b", "c": "on", "d": "off"}),
        ("a=b,no", {"a": "b", "": "off"}),
        ("a=b,=", {"a": "b", "": ""}),
        ("a=b,x,,y", {"a": "b", "x": "on", "": "on", "y": "on"}),
        ("a=1,a=2,b=3", {"a": "2", "b": "3"}),
        ("a.b.c=1,a.d=2", {"a": {"b": {"c": "1"}, "d": "2"}}),
        ("a=1\n2,b= x ", {"a": "1\n2", "b": " x "}),
        ("top.qcow2", {"file": "top.qcow2"}),
        ("a,,b,c=d", {"file": "a,b", "c": "d"}),
        (",c=d", {"file": "", "c": "d"}),
    ],
)
def test_what_a_list_means(text, options):
    assert parse_image_opts(text) == options


@pytest.mark.parametrize("text", ["file,file.filename=a", "backing=x,backing.driver=raw", "a." * 200 + "a=1"])
def test_what_makes_no_sense(text):
    with pytest.raises(BadReferenceError) as caught:
        parse_image_opts(text)
    assert len(str(caught.value)) < 200


def test_a_chain_named_by_options(tmp_path):
    (tmp_path / "a,b.raw").write_bytes(b"x" * 1024)
    name = f"{tmp_path}/a,,b.raw"
    with open_chain(f"driver=raw,offset=512,file.filename={name}", image_opts=True) as chain:
        assert (chain.size, chain.layers[0].node.driver) == (512, "raw")
    with pytest.raises(BadReferenceError, match="names a node"):
        open_chain(name, image_opts=True)
