"""Findings about ids that no index finds: of users and teams, whose names people read, and of contacts."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from orchestrator.core import sqlfiles
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.host.mapping_file import parse
from orchestrator.install.installation import install
from tests.support.doctor import repair
from tests.support.properties import long

ROWS = "SELECT {id} AS key, 'Name ' || n AS name FROM generate_series(1, 20000) AS n"
#: Ids that no index finds, and whether the table is partitioned.
IDS = {
    "integer": ("n::integer", "key", False),
    "text": ("n::text", "connection_paths.to_id(key)", False),
    "without a key": ("n::bigint", "key", False),
    "partitioned": ("n::integer", "key", True),
}


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("collections", "partitioned"),
        *(
            long(source, kind)
            for source in ("users", "collections")
            for kind in IDS
            if (source, kind) != ("collections", "partitioned")
        ),
        ("contacts", "without a key"),  # install builds the index of other ids
    ],
)
def test_ids_that_no_index_finds(new_database: Callable[[], str], source: str, kind: str) -> None:
    """The index that doctor proposes is one that the planner uses."""
    dsn = new_database()
    value, expression, is_partitioned = IDS[kind]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        connection.execute(f'CREATE TABLE public."The {source}" AS {ROWS.format(id=value)}'.encode())
        if is_partitioned:
            connection.execute(f'ALTER TABLE public."The {source}" RENAME TO part'.encode())
            connection.execute(f'CREATE TABLE public."The {source}" (LIKE part) PARTITION BY LIST (key)'.encode())
            connection.execute(f'ALTER TABLE public."The {source}" ATTACH PARTITION part DEFAULT'.encode())
        mapping = parse(f"""[{source}]\ntable = '"The {source}"'\nid = '{expression}'""", "map.toml")
        install(dsn, mapping=mapping)
        connection.execute("VACUUM (ANALYZE)")
        (finding,) = [each for each in diagnose(dsn).findings if f"The {source}" in each.what]
        assert finding.severity == ("wrong" if source == "contacts" else "advice")
        repair(dsn, finding)
        assert [each for each in diagnose(dsn).findings if f"The {source}" in each.what] == []
