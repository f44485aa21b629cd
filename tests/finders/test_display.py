"""Answers with names and with ids as text: with_names and ids_as_text of find_paths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from psycopg import Connection, sql

from orchestrator.host.mapping import load
from orchestrator.install.installation import install
from tests.support.finder_calls import enter
from tests.support.properties import repeatable
from tests.support.random_calls import Situation, situations
from tests.support.sessions import connect

RAILS = Path(__file__).parents[1] / "host" / "schemas" / "rails.toml"
FIND = (
    "SELECT connection_paths.find_paths(%s, %s, %s, max_depth => %s, max_paths => %s, seed_scope => %s, impl => %s,"
    " time_budget_ms => 60000, with_names => %s, ids_as_text => %s)"
)


def text(number: int | None) -> str | None:
    return None if number is None else str(number)


def displayed(
    answer: dict[str, Any],
    contact: Callable[[int], str | None],
    organization: Callable[[int], str | None],
    user: Callable[[int], str | None],
    *,
    with_names: bool,
    ids_as_text: bool,
) -> dict[str, Any]:
    """Return an answer as it should be with names, or with ids as text."""
    paths = []
    for path in answer["paths"]:
        hops = []
        for hop in path["hops"]:
            at = hop["organization_id"]
            names = {
                "from_name": contact(hop["from"]),
                "to_name": contact(hop["to"]),
                "organization_name": None if at is None else organization(at),
            }
            ids = {"from": text(hop["from"]), "to": text(hop["to"]), "organization_id": text(at)}
            hops.append({**hop, **(names if with_names else {}), **(ids if ids_as_text else {})})
        names_of_path = {
            "user_names": [user(each) for each in path["user_ids"]],
            "contact_names": [contact(each) for each in path["contact_ids"]],
        }
        ids_of_path = {key: [str(each) for each in path[key]] for key in ("user_ids", "contact_ids")}
        paths.append(
            {**path, **(names_of_path if with_names else {}), **(ids_of_path if ids_as_text else {}), "hops": hops}
        )
    return {**answer, "paths": paths}


@repeatable(13)
@given(situation=situations(8))
def test_names_and_ids_as_text_are_added_and_nothing_else_changes(
    installed: Connection[Any], situation: Situation
) -> None:
    world, calls = situation
    enter(installed, world)
    for call in calls:
        plain = call.target, call.collection, call.viewer, min(call.max_depth, 3), call.max_paths, call.seed_scope
        for impl in ("v1", "v2"):
            answer, *others = (
                installed.execute(FIND, [*plain, impl, *shown]).fetchall()[0][0]
                for shown in ((False, False), (True, False), (False, True), (True, True))
            )
            for (with_names, ids_as_text), other in zip(
                ((True, False), (False, True), (True, True)), others, strict=True
            ):
                assert other == displayed(
                    answer,
                    {each: f"contact {each}" for each in world.contacts}.get,
                    {each: f"organization {each}" for each in world.organizations}.get,
                    dict[int, str]().get,  # no table of users is mapped
                    with_names=with_names,
                    ids_as_text=ids_as_text,
                )


@pytest.fixture(scope="module")
def rails(new_database: Callable[[], str]) -> str:
    """A database with the tables of a Rails application, whose users have names."""
    dsn = new_database()
    with connect(dsn) as connection:
        connection.execute(RAILS.with_suffix(".sql").read_bytes())
        install(dsn, mapping=load(RAILS))
        connection.execute("SELECT connection_paths.backfill_contact(p.id) FROM people AS p")
    return dsn


def test_users_have_names_where_a_table_of_users_is_mapped(rails: str) -> None:
    with connect(rails) as connection:
        tables: dict[str, dict[int, str]] = {
            table: dict(connection.execute(f"SELECT id, name FROM connection_paths.{table}".encode()).fetchall())
            for table in ("live_users", "live_contacts", "known_organizations")
        }
        assert tables["live_users"]
        plain, shown = (
            connection.execute(FIND, (3, 1, 7, 3, 25, "any", "v2", *display)).fetchall()[0][0]
            for display in ((False, False), (True, False))
        )
    users, contacts, organizations = tables.values()
    assert plain["paths"]
    assert shown == displayed(plain, contacts.get, organizations.get, users.get, with_names=True, ids_as_text=False)


def test_rows_that_policies_hide_have_no_name(rails: str) -> None:
    """And a role that may not read the users can still ask for paths without names."""
    role = sql.Identifier("display_reader")
    with connect(rails) as connection:
        connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        try:
            for right in (
                "USAGE ON SCHEMA connection_paths",
                "SELECT ON ALL TABLES IN SCHEMA public",
                "SELECT ON ALL TABLES IN SCHEMA connection_paths",
                "EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths",
            ):
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(right), role))
            with connection.transaction(force_rollback=True):
                connection.execute("ALTER TABLE users ENABLE ROW LEVEL SECURITY")
                connection.execute("CREATE POLICY seven ON users USING (id = 7)")
                connection.execute(sql.SQL("SET LOCAL ROLE {}").format(role))
                found = connection.execute(FIND, (3, 1, 7, 3, 25, "any", "v2", True, False)).fetchall()[0][0]
                named = {
                    user: name
                    for path in found["paths"]
                    for user, name in zip(path["user_ids"], path["user_names"], strict=True)
                }
                assert len(named) > 1
                assert [user for user, name in named.items() if name is not None] == [7]
            connection.execute(sql.SQL("REVOKE SELECT ON users FROM {}").format(role))
            with connection.transaction(force_rollback=True):
                connection.execute(sql.SQL("SET LOCAL ROLE {}").format(role))
                assert connection.execute(FIND, (3, 1, 7, 3, 25, "any", "v2", False, True)).fetchall()[0][0]["paths"]
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))
