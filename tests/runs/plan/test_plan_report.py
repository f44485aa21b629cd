"""A plan is printed within a hundred columns, as JSON, and with a report of duplicate ids."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.host.left_out import Details
from orchestrator.install.installation import install
from orchestrator.runs.plan import plan
from tests.support.plan import printed
from tests.support.sessions import connect
from tests.support.world import colleagues, load


def test_a_plan_is_json_and_fits_a_hundred_columns(database: str, db: Connection) -> None:
    world = colleagues(*((contact, 5, "2010-01-01", None) for contact in range(1, 6)))
    load(db, world)
    db.execute("UPDATE public.organizations SET name = repeat('Very Long Name ', 10)")
    found = plan(database)
    assert json.loads(json.dumps(asdict(found)))["edges"]["estimate"] == 10
    text = printed(replace(found, connections_free=3))
    assert max(map(len, text.splitlines())) <= 100
    assert "not installed" not in text
    told = printed(
        replace(found, is_installed=False, future_pairs=1234, details=Details(331_952, 4, 182_016, 125_471, 7, 8, 9, 3))
    )
    assert max(map(len, told.splitlines())) <= 100
    for part in (
        "after an installation for these tables",
        "organizations that do not exist: 331,952.",
        "contacts that do not exist: 4.",
        "only a company name: 182,016; different names: 125,471.",
        "dates of another row: 8.",
        "start after today: 7; overlapping pairs that make an edge later: 1,234.",
        "Memberships of contacts that do not exist: 9; different contacts: 3.",
    ):
        assert part in told.replace("\n", " ")
    for part in (
        "5 contacts",
        "Overlapping pairs: 10",
        "Edges: about 10",
        "Very Long Name",
        "more than the connections",
    ):
        assert part in text


@pytest.mark.parametrize("table", ["contacts", "organizations"])
def test_duplicate_ids_are_reported(new_database: Callable[[], str], table: str) -> None:
    dsn = new_database()
    with connect(dsn) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey".encode())
        install(dsn)
        assert plan(dsn).duplicates == ()
        connection.execute(f"INSERT INTO {table} VALUES (3), (5), (5), (5), (7), (7), (8)".encode())
        assert [asdict(each) for each in plan(dsn).duplicates] == [{"table": f"public.{table}", "ids": 2, "example": 5}]
        assert f"2 ids are more than once in public.{table}, 5 for instance" in printed(plan(dsn))
        connection.execute(f"CREATE INDEX ON {table} (id)".encode())
        connection.execute(f"CREATE UNIQUE INDEX ON {table} (id, name)".encode())
        connection.execute(f"CREATE UNIQUE INDEX ON {table} (id) WHERE id < 4".encode())
        assert len(plan(dsn).duplicates) == 1  # none of these indexes prevents a duplicate id
