"""``table IMAGE``: where each row occurs, and that the scenarios named do show it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from blockstrata.formats.qcow2.author import Data, Image, ZeroPlain, write_image
from blockstrata.graph.chain import open_chain
from blockstrata.semantics import by_name
from blockstrata.semantics.historic import HISTORIC
from blockstrata.semantics.nbd import NBD_6_0
from blockstrata.semantics.proposed import PROPOSED
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.reports.tables import SHOWN_BY, tables
from blockstrata_viewer.scenarios import SCENARIOS

NAMED = sorted({name for rows in SHOWN_BY.values() for name in rows.values()})


def occurring(image):
    """Return (switch, is_protocol, letters) of the rows that occur."""
    with open_chain(image) as chain:
        return {
            (table.semantics.switch, table.is_protocol, entry.letters)
            for table in tables(chain, (HISTORIC, PROPOSED, NBD_6_0))
            for entry in table.entries
            if entry.place
        }


@pytest.mark.parametrize("name", NAMED)
def test_the_scenario_shows_the_row(tmp_path, name):
    found = set().union(*map(occurring, SCENARIOS[name].build(tmp_path)))
    for (switch, is_protocol), rows in SHOWN_BY.items():
        for letters, shown_by in rows.items():
            if shown_by == name:
                assert (switch, is_protocol, letters) in found


def test_every_row_named_is_a_row():
    for (name, is_protocol), shown in SHOWN_BY.items():
        semantics = by_name(name)
        rows = semantics.protocol_rows if is_protocol else semantics.format_rows
        assert set(shown) <= {semantics.letters(row.flags, is_protocol=is_protocol) for row in rows}


def test_where_and_how_much(tmp_path):
    write_image(tmp_path / "a.qcow2", Image(1 << 20), {1: Data(b"x"), 2: Data(b"x"), 5: ZeroPlain()})
    done = CliRunner().invoke(main, ["table", str(tmp_path / "a.qcow2")])
    assert done.exit_code == 0
    lines = done.stdout.splitlines()

    def under(letters):
        return [lines[at + 1] for at, line in enumerate(lines) if line.startswith(f"  {letters}  ")]

    assert under("L·AO") == ["        128 KiB, first at 0x10000 of a.qcow2; demo every-row"]
    assert under("LZ··") == ["        896 KiB, first at 0x0 of a.qcow2; demo every-row"]
    assert under("·ZA·") == ["        not here, and in no scenario"]
    assert under("··AO") == ["        not here; demo every-row shows it"]


def test_an_image_that_is_not_there():
    done = CliRunner().invoke(main, ["table", "nosuch.qcow2"])
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
