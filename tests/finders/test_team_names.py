"""Users and collections have names where a table of them is mapped, for roles that may read it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.cli.commands import main
from orchestrator.host.mapping import load
from orchestrator.install.installation import install
from tests.support.playground import get, playground
from tests.support.sessions import connect

FILE = Path(__file__).parents[1] / "host" / "schemas" / "rails.toml"


@pytest.fixture(scope="module")
def dsn(new_database: Callable[[], str]) -> str:
    """A database with the tables of a Rails application, the package and the edges."""
    made = new_database()
    with connect(made) as connection:
        connection.execute(FILE.with_suffix(".sql").read_bytes())
        install(made, mapping=load(FILE))
        connection.execute("SELECT connection_paths.backfill_contact(p.id) FROM people AS p")
    return made


@pytest.fixture(scope="module")
def stranger(dsn: str) -> Iterator[str]:
    """The same database as a role that may read everything except the names of users."""
    name = f"team_names_{os.getpid()}"
    role = sql.Identifier(name)
    with connect(dsn) as connection:
        connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        for right in (
            "USAGE ON SCHEMA connection_paths",
            "SELECT ON ALL TABLES IN SCHEMA public",
            "SELECT ON ALL TABLES IN SCHEMA connection_paths",
            "EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths",
        ):
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(right), role))
        connection.execute(sql.SQL("REVOKE SELECT ON users FROM {}").format(role))
        yield make_conninfo(dsn, options=f"-c role={name}")
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def paths(dsn: str, *more: str) -> Result:
    done = CliRunner().invoke(main, ["--dsn", dsn, "paths", "3", "--collection", "1", "--viewer", "7", *more])
    assert done.exit_code == 0, done.output
    return done


def named(dsn: str, table: str, number: int) -> str:
    column = "first_name || ' ' || last_name" if table == "users" else "name"
    with connect(dsn) as connection:
        row = connection.execute(f"SELECT {column} FROM {table} WHERE id = %s".encode(), (number,)).fetchone()
    assert row is not None
    return str(row[0])


def test_the_command_line_names_users_and_collections(dsn: str) -> None:
    user, collection = named(dsn, "users", 8), named(dsn, "teams", 1)
    assert f"{user} (user 8) → " in paths(dsn).output
    found = json.loads(paths(dsn, "--json").stdout)
    assert found["user_names"] == {"7": named(dsn, "users", 7), "8": user}
    assert found["collection_names"] == {"1": collection}
    told = (
        CliRunner()
        .invoke(main, ["--dsn", dsn, "paths", "3", "--collection", "1", "--viewer", "8", "--depth", "1"])
        .output
    )
    assert f"collection 1 ({collection})" in told


def test_names_that_the_role_may_not_read_are_left_out(stranger: str) -> None:
    assert "user 8 → " in paths(stranger).output
    assert "user_names" not in json.loads(paths(stranger, "--json").stdout)


def test_the_playground_names_users_and_collections(dsn: str, stranger: str) -> None:
    user, collection = named(dsn, "users", 8), named(dsn, "teams", 1)
    asked = "/?target=3&collection=1&viewer=7"
    with playground(dsn) as url:
        page = get(url, asked)
        assert f"{user} (user 8)" in page.words
        assert f">{collection}, " in page.text  # in the list to choose from
        found = json.loads(get(url, "/find/users?collection=1").text)["found"]
        assert {"value": "8", "name": "8", "note": user} in found
    with playground(stranger) as url:
        page = get(url, asked)
        assert user not in page.text
        assert "User 8 " in page.words
