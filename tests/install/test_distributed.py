"""Edges on the workers of Citus: the same answers and the same edges as on one server."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from psycopg import Connection
from psycopg.conninfo import make_conninfo

from orchestrator.core import sqlfiles
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.schema import with_schema
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.install import distribution, script
from orchestrator.install.installation import install
from tests.support import psql, runs
from tests.support.changes import drain
from tests.support.citus import (
    a_world,
    distributed_database,
    imitate,
    needs_citus,
)
from tests.support.command_line import run
from tests.support.edges import edges, right_edges
from tests.support.finder_calls import enter
from tests.support.properties import repeatable
from tests.support.random_calls import Situation, crowds, situations
from tests.support.sessions import connect, refused
from tests.support.world import FRIEND, Edge, load, load_edges, office

EDGES = "connection_paths.contact_connections"
FILES = sqlfiles.distributed_functions()
CALLS = (
    "SELECT connection_paths.find_paths(1, 1, 1) #- '{took}'",
    "SELECT * FROM connection_paths.deep_finder(1, 1, 1)",
    "SELECT connection_paths.find_paths(1, 1, 1, impl => 'v1')",
)
#: Functions that name the edge table and work on a distributed one as they are.
SAME = {
    *("begin_refresh", "copy_remaining_edges", "copy_storage_parameters", "drop_rebuild", "exchange_rebuild"),
    *("missing_rebuild_indexes", "next_overlaps", "prepare_rebuild", "rebuild_range", "require_exchangeable"),
    *("require_rebuild", "require_sources", "do_batch", "lock_holders", "redirect_searches"),
}


@pytest.fixture(
    scope="module",
    params=["imitated", pytest.param("citus", marks=needs_citus)],
)
def distributed(request: pytest.FixtureRequest, new_installed: Callable[[], str]) -> Iterator[Connection[Any]]:
    """A database with distributed edges, in an imitation of Citus and in Citus itself."""
    if request.param == "imitated":
        with psycopg.connect(new_installed(), autocommit=True) as connection:
            imitate(connection)
            yield connection
        return
    with distributed_database() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@repeatable(8)
@given(situation=situations(20))
def test_finders_equal_the_oracle(distributed: Connection[Any], situation: Situation) -> None:
    world, drawn = situation
    loaded = enter(distributed, world)
    for call in drawn:
        assert loaded.find("deep_finder", call) == loaded.expect(call), call
        assert loaded.agrees(call, "v2"), call


@repeatable(3)
@given(situation=crowds(8))
def test_finders_equal_the_oracle_beyond_the_cap(distributed: Connection[Any], situation: Situation) -> None:
    world, drawn = situation
    loaded = enter(distributed, world)
    for call in drawn:
        assert loaded.find("deep_finder", call) == loaded.expect(call), call
        assert loaded.agrees(call, "v2"), call
        assert loaded.find_legacy(call.plain()) == loaded.expect_legacy(call.plain()), call


def test_an_answer_without_a_shard_is_an_error(distributed: Connection[Any]) -> None:
    load(distributed, office(4))
    drain(distributed)
    keys = sorted(row[0] for row in distributed.execute("SELECT shard_key FROM connection_paths.edge_shards"))
    too_many = [*keys, keys[0] + 1000, keys[1] + 1000]
    for wrong in ([keys[0]], [keys[1]], [], too_many, _of_first_shard(distributed, keys)):
        with distributed.transaction(force_rollback=True):
            distributed.execute("DELETE FROM connection_paths.edge_shards WHERE true")
            for key in wrong:
                distributed.execute("INSERT INTO connection_paths.edge_shards VALUES (%s)", (key,))
            with refused("CP013", "edge_shards has not one row for each shard"):
                distributed.execute("SELECT connection_paths.find_paths(1, 1, 1)")


def _of_first_shard(connection: Connection[Any], keys: list[int]) -> list[int]:
    """Return two keys that belong to the same shard."""
    shard = "SELECT get_shard_id_for_distribution_column('connection_paths.contact_connections', %s::bigint)"
    first = connection.execute(shard, (keys[0],)).fetchone()
    others = (each for each in range(5000, 6000) if connection.execute(shard, (each,)).fetchone() == first)
    return [keys[0], next(others)]


def change(connection: Connection[Any], number: int) -> None:
    """Write to the host tables as an application does."""
    chosen = random.Random(number)
    organization = chosen.randrange(1, 4)
    connection.execute("DELETE FROM contact_work_experiences WHERE id %% 7 = %s", (number % 7,))
    connection.execute(
        "UPDATE contact_work_experiences SET date_to = date_from + 90 * (id %% 30)::integer WHERE id %% 5 = %s",
        (number % 5,),
    )
    connection.execute(
        "INSERT INTO contact_work_experiences SELECT 1000 + 50 * %(number)s + g, 1 + g, %(organization)s, '',"
        " '2015-01-01'::date + 100 * g, NULL FROM generate_series(0, 9) AS g",
        {"number": number, "organization": organization},
    )
    connection.execute("DELETE FROM contacts WHERE id = %s", (chosen.randrange(1, 12),))
    connection.execute(
        "INSERT INTO connection_paths.organization_policy (organization_id, rule, min_overlap_days)"
        " VALUES (%s, 'long_overlaps', 60) ON CONFLICT DO NOTHING",
        (organization,),
    )


def test_sync_equals_the_oracle(distributed: Connection[Any]) -> None:
    load(distributed, a_world())
    for number in range(6):
        change(distributed, number)
        drain(distributed)
        assert edges(distributed) == right_edges(distributed)
    assert edges(distributed)


@pytest.mark.parametrize("strategy", ["in_place", "rebuild"])
def test_a_backfill_equals_the_oracle(distributed: Connection[Any], strategy: str) -> None:
    load(distributed, a_world())
    friends = runs.friends(distributed)
    for number in range(2):  # with no edges of the package before, and with some
        run_id = runs.create(distributed, strategy, 20)
        assert runs.work(distributed, run_id) > 0
        if strategy == "rebuild":  # written while the run goes on
            load_edges(distributed, {(5, 7 + number): Edge(FRIEND, None, None, None, 20)})
            friends = runs.friends(distributed)
        assert runs.end(distributed, run_id, strategy) == "succeeded"
        assert edges(distributed) == right_edges(distributed) != {}
        assert runs.friends(distributed) == friends
        change(distributed, number)
    drain(distributed)
    assert edges(distributed) == right_edges(distributed)


def test_policies_and_company_names_equal_the_oracle(distributed: Connection[Any]) -> None:
    """The commands that change which edges are right, each with its own refresh or the sync after it."""
    load(distributed, replace(a_world(), extra_edges={}))
    drain(distributed)
    distributed.execute("UPDATE organizations SET name = ('{Acme,Byte,Cobol}'::text[])[id]")
    distributed.execute(
        "UPDATE contact_work_experiences SET organization_id = NULL, company_name = 'Cobol' WHERE id = 205"
    )
    dsn = make_conninfo(distributed.info.dsn)
    with distributed.transaction(force_rollback=True):
        distributed.execute("UPDATE contact_work_experiences SET organization_id = 3 WHERE id = 205")
        resolved = right_edges(distributed)
    assert resolved != right_edges(distributed)
    words: tuple[str, ...]
    for words in (("resolve", "propose"), ("sync",)):
        assert run("--dsn", dsn, *words).exit_code == 0, words
    assert edges(distributed) == resolved
    for words in (("resolve", "undo", "Cobol"), ("sync",)):
        assert run("--dsn", dsn, *words).exit_code == 0, words
    seen = [edges(distributed)]
    assert seen[0] == right_edges(distributed)
    for words in (("exclude", "1", "--reason", "no employer"), ("limit", "2", "--min-days", "2000"), ("allow", "1")):
        assert run("--dsn", dsn, "organizations", *words).exit_code == 0, words
        assert edges(distributed) == right_edges(distributed) != seen[-1]
        seen.append(edges(distributed))
    distributed.execute("DELETE FROM connection_paths.organization_policy")
    distributed.execute("DELETE FROM connection_paths.name_decisions")
    assert run("--dsn", dsn, "install", "--no-names").exit_code == 0
    drain(distributed)


# Without Citus.


def searched(connection: Connection[Any]) -> list[Any]:
    return [connection.execute(call.encode()).fetchall() for call in CALLS]


def test_another_schema(host: str) -> None:
    """The functions read the edges of their own installation, not those of the other one."""
    dsn = with_schema(host, "cp_acme")
    install(host)
    install(dsn)
    with connect(host) as one, connect(dsn) as other:
        load(one, replace(a_world(), extra_edges={}))
        one.execute("INSERT INTO user_contact_collections VALUES (1, 2, 1, 1), (2, 3, 1, 1)")
        drain(one)
        imitate(other)
        assert run("--schema", "cp_acme", "--dsn", host, "sync").exit_code == 0
        assert searched(other) == searched(one)
        assert len(searched(one)[1]) > 1


def test_a_reader_searches_the_shards(host: str) -> None:
    prefix, login = f"cp_{os.getpid()}", f"cp_{os.getpid()}_login"
    install(host, roles=prefix)
    with psycopg.connect(host, autocommit=True) as connection:
        try:
            load(connection, replace(a_world(), extra_edges={}))
            connection.execute("INSERT INTO user_contact_collections VALUES (1, 2, 1, 1), (2, 3, 1, 1)")
            drain(connection)
            imitate(connection)
            assert install(host).repaired != []  # the functions that were created after the roles
            for statement in (
                f"CREATE ROLE {login} LOGIN; GRANT {prefix}_reader TO {login}",
                f"GRANT USAGE ON SCHEMA public TO {login}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {login}",
                # Citus grants the rights on a table on its shards, too
                f"GRANT SELECT ON connection_paths.contact_connections_1 TO {login}",
                f"GRANT SELECT ON connection_paths.contact_connections_2 TO {login}",
            ):
                connection.execute(statement.encode())
            with psycopg.connect(make_conninfo(host, user=login), autocommit=True) as reader:
                assert searched(reader) == searched(connection)
                assert len(searched(reader)[1]) > 1
        finally:
            for role in (login, f"{prefix}_owner", f"{prefix}_operator", f"{prefix}_reader"):
                connection.execute(
                    f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}".encode()
                )


def test_status_and_doctor_name_a_worker_that_is_away(installed_host: str) -> None:
    with psycopg.connect(installed_host, autocommit=True) as connection:
        imitate(connection)
        connection.execute("SET allow_system_table_mods = on")
        connection.execute(
            "CREATE OR REPLACE FUNCTION pg_catalog.run_command_on_workers(text, OUT nodename text,"
            " OUT nodeport integer, OUT success boolean, OUT result text) RETURNS SETOF record LANGUAGE sql"
            " AS $$SELECT 'w2.example', 5432, false, 'failed to connect'$$"
        )
        connection.execute(
            "CREATE OR REPLACE FUNCTION pg_catalog.citus_total_relation_size(regclass) RETURNS bigint LANGUAGE plpgsql"
            " AS $$BEGIN RAISE 'connection to the remote node w2.example:5432 failed' USING ERRCODE = '08006'; END$$"
        )
    found = diagnose(installed_host)
    (what,) = [each.what for each in found.findings if each.severity == "wrong"]
    assert "worker w2.example:5432 does not answer" in what
    assert [each.check for each in found.skipped if "remote node w2.example:5432" in each.why] == ["organizations"]
    result = run("--dsn", installed_host, "status")
    assert result.exit_code == 1
    assert "edges: unknown" in result.output
    assert "worker w2.example:5432 does not answer" in " ".join(result.output.split())


def test_a_script_is_refused_where_the_edges_are_distributed(installed_host: str) -> None:
    with psycopg.connect(installed_host, autocommit=True) as connection:
        imitate(connection)
    done = psql.run(installed_host, script.psql())
    assert (done.returncode, "are on Citus workers" in done.stderr) == (3, True)


def test_every_function_that_names_the_edge_table_has_another_for_citus() -> None:
    named = {
        name
        for name, folder in sqlfiles.function_folders().items()
        for path in folder.glob("v*.sql")
        if re.search(r"connection_paths\.contact_connections(_live|_next)?\b", _code(path))
    }
    assert {name for name in named - SAME if not _only_replaced_call(name)} <= set(FILES) - set(distribution.ADDED)
    assert set(FILES) >= set(distribution.ADDED)
    dropped = re.findall(r"DROP FUNCTION IF EXISTS connection_paths\.(\w+)", sqlfiles.read("distributed", "off.sql"))
    assert sorted(dropped) == sorted(distribution.ADDED)


def _only_replaced_call(name: str) -> bool:
    """Whether a function has callers, and each is a function that another one replaces where Citus has the edges."""
    called = re.compile(rf"connection_paths\.{name}\b")
    files = (*sqlfiles.ROOT.rglob("*.sql"), *sqlfiles.ROOT.parent.glob("orchestrator/**/*.py"))
    callers = {path.parent.name for path in files if path.parent.name != name and called.search(_code(path))}
    return bool(callers) and callers <= set(FILES)


def test_whether_there_are_edges_is_asked_with_a_limit() -> None:
    """Citus copies all rows of a subquery to the coordinator, also those that EXISTS does not need."""
    files = (*sqlfiles.ROOT.rglob("*.sql"), *sqlfiles.ROOT.parent.glob("orchestrator/**/*.py"))
    asked = [
        (path.name, subquery)
        for path in files
        if path.parent.name not in FILES  # another function takes its place
        for subquery in re.findall(r"EXISTS \((?:[^()]|\([^()]*\))*\)", _code(path))
        if re.search(r"FROM connection_paths\.contact_connections", subquery)
    ]
    assert len(asked) >= 3
    assert [each for each in asked if "LIMIT 1" not in each[1]] == []


@pytest.mark.parametrize("name", sorted(set(FILES) - set(distribution.ADDED)))
def test_it_takes_the_place_of_the_other(name: str) -> None:
    """Same parameters and columns; no parsed body, which would read an empty table without an error."""
    text, other = FILES[name].read_text(), sqlfiles.function(name)
    for part in (r"CREATE OR REPLACE FUNCTION .*?\nLANGUAGE", r"\nCOMMENT ON FUNCTION [^;]+ IS", r"-- Returns\n"):
        one, two = (re.search(part, each, re.DOTALL) for each in (text, other))
        assert one
        assert two
        assert one[0] == two[0]
    assert "\nLANGUAGE plpgsql\n" in text


def _code(path: Path) -> str:
    return re.sub(r"--[^\n]*|^(?:COMMENT|REVOKE).*?;", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_distributed_needs_citus(host: str) -> None:
    with pytest.raises(OrchestratorError, match="needs the extension citus in this database"):
        install(host, distributed=True)
