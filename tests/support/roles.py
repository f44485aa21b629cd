"""A database with the group roles of an installation, and a login role in each of them."""

from __future__ import annotations

import os
from typing import Any

from click.testing import CliRunner, Result
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.cli import main
from orchestrator.core.database import Connection

PREFIX = f"connection_paths_{os.getpid()}_test"
READER, OPERATOR, OWNER, STRANGER = "reader", "operator", "owner", "stranger"

WORLD = """
INSERT INTO contacts SELECT i, 'contact ' || i FROM generate_series(1, 5) AS i;
INSERT INTO organizations VALUES (1, 'Acme'), (2, 'Byte');
INSERT INTO contact_work_experiences VALUES
    (1, 1, 1, 'Acme', '2020-01-01', NULL), (2, 2, 1, 'Acme', '2020-01-01', '2022-01-01'),
    (3, 2, 2, 'Byte', '2022-01-01', NULL), (4, 3, 2, 'Byte', '2021-01-01', NULL), (5, 4, 1, 'Acme', '2019-01-01', NULL);
INSERT INTO user_contact_collections VALUES (7, 1, 1, 1), (8, 2, 1, 1), (7, 4, 1, 1), (7, 1, 2, 1), (8, 2, 2, 1);
"""

#: Calls of the public functions.
CALLS = [
    "SELECT connection_paths.find_paths(3, 1, 7) #- '{took}'",
    "SELECT connection_paths.find_paths(3, 1, 7, impl => 'v1', seed_scope => 'importer')",
    "SELECT connection_paths.find_paths(3, 1, 7, max_depth => 4, excluded_contact_ids => '{9}')",
    "SELECT * FROM connection_paths.deep_finder(3, 1, 7)",
    "SELECT * FROM connection_paths.legacy_finder(3, 1, 7)",
]


class Place:
    """A database with host tables, the package and its roles, and a login role in each of them."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def login(self, kind: str) -> str:
        """The name of the login role that is a member of this one alone."""
        return f"{PREFIX}_login_{kind}"

    def dsn_of(self, kind: str) -> str:
        return make_conninfo(self.dsn, user=self.login(kind))

    def run(self, kind: str, *command: str) -> Result:
        """Run a command as that role."""
        return CliRunner().invoke(main, ["--dsn", self.dsn_of(kind), *command])


def identifiers(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*(sql.Identifier(name) for name in names))


def answers(connection: Connection, calls: list[str]) -> list[Any]:
    return [connection.execute(call.encode()).fetchall() for call in calls]
