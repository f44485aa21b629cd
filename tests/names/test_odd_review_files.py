"""Files of decisions that no spreadsheet writes: each is refused with its line, and nothing is imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.database import Connection
from orchestrator.names.propose import propose
from tests.support.command_line import run
from tests.support.names import accepted, ask

HEADING = "company_name,decision,organization_id\n"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "has no column company_name and no column decision"),
        (HEADING + '"Acme,accept,1\nBeta,accept,2\n', ":2: is not CSV (unexpected end of data); check the quotes"),
        (HEADING + 'Acme,accept,1\nBeta,"accept"x,2\n', ":3: is not CSV"),
        # the csv module refuses such a long field, unless another test of this process has raised its limit
        (HEADING + "Acme,accept,1\n" + "x" * 200_000 + ",accept,2\n", ":3: "),
        (HEADING + "Acme,accept,1\nAc\0me,accept,2\n", ":3: the company name has a zero byte"),
        (HEADING + "Acme,accept,1\0\n", ":2: '1\\x00' is not the id of an organization"),
        (HEADING + "Acme,accept,9223372036854775808\n", ":2: '9223372036854775808' is not the id"),
        (HEADING + "Acme,accept,--1\n", ":2: '--1' is not the id"),
        (HEADING + "Acme,accept,1\nacme ,accept\n", ":3: accept needs an id"),
        (HEADING + "Acme,accept,00000000-0000-4000-8000-000000000001\n", ":2: 00000000-0000-4000-8000-000000000001 is"),
    ],
)  # fmt: skip
def test_a_file_that_is_refused(db: Connection, dsn: str, tmp_path: Path, content: str, part: str) -> None:
    ask(db, ["Acme", "Beta", "acme "], {1: "Acme", 2: "Beta"})
    propose(dsn, accept_unique=False)
    (tmp_path / "names.csv").write_text(content)
    done = run("resolve", "import", str(tmp_path / "names.csv"), "--dsn", dsn)
    assert (done.exit_code, done.stdout) == (1, ""), done.output
    assert part in done.stderr
    assert done.stderr.endswith("Nothing was imported.\n")
    assert accepted(db) == {}


def test_rows_with_too_few_and_too_many_cells(db: Connection, dsn: str, tmp_path: Path) -> None:
    ask(db, ["Acme", "Beta"], {1: "Acme", 2: "Beta"})
    propose(dsn, accept_unique=False)
    (tmp_path / "names.csv").write_text(HEADING + "Beta\n\nAcme,accept,1,,,,,,,,,,,,,,,,,,,,,,,\n")
    done = run("resolve", "import", str(tmp_path / "names.csv"), "--dsn", dsn)
    assert done.exit_code == 0, done.output
    assert accepted(db) == {"Acme": 1}
