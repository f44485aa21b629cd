"""The package never calls an object that another role has put into ``public`` or into its own schema.

A role that may only create objects creates every operator, function, cast, type and view that a statement of the
package could find instead of the right one. PostgreSQL counts the calls. Then all commands and functions run, as a
superuser and as an application, and no call may have been counted.
"""

from __future__ import annotations

import os
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from orchestrator.cli import main
from orchestrator.core import sqlfiles
from orchestrator.core.database import SEARCH_PATH, Connection
from orchestrator.host.sources import TABLES
from orchestrator.install import script
from orchestrator.sweep.measure.connection import TimedConnection
from tests.support import psql
from tests.support.playground import playground
from tests.support.sessions import connect

ATTACKER, WRITER = (f"connection_paths_{os.getpid()}_{name}" for name in ("attacker", "writer"))
ROLES = f"connection_paths_{os.getpid()}_shield"
HOST = "crm"
#: Search paths of a caller. The server searches pg_catalog first if it is not named.
PATHS = ('"$user", public', "public", "public, pg_temp, pg_catalog")
OURS = (
    *("collection_members", "contact_changes", "contact_connections", "contact_connections_live", "do_not_ask"),
    *("backfill_runs", "backfill_batches", "live_contacts", "known_organizations", "work_experiences"),
)
CATALOGS = ("pg_class", "pg_proc", "pg_index", "pg_locks", "pg_namespace", "pg_extension", "pg_stat_activity")
RELATIONS = (*OURS, *CATALOGS, *TABLES)

#: Values for the parameters of the package's functions, by type.
VALUES = {
    "bigint": "1", "integer": "2", "text": "any", "boolean": "true", "bigint[]": "{1,2,3}", "integer[]": "{1,2}",
    "date": "2020-01-01", "jsonb": "{}", "timestamp with time zone": "infinity", "xid8": "1", "text[]": "{a}",
    "interval": "1 s", "double precision": "1", "oid": "0", "date[]": "{2020-01-01}",
    "connection_paths.edge_details[]": "{}", "timestamp with time zone[]": "{2020-01-01}",
    "smallint": "1", "smallint[]": "{1,2}", "connection_paths.connection_kind": "work_overlap",
    "connection_paths.connection_kind[]": "{work_overlap}", "real": "0.5",
    "uuid": "00000000-0000-0000-0000-000000000001",
    "connection_paths.ranked_chain[]": "{}",
}  # fmt: skip
#: A value of search_request; the fields that are not named are NULL.
REQUEST = """
SELECT pg_catalog.jsonb_populate_record(NULL::connection_paths.search_request, '{
    "target_contact_id": 1, "collection_id": 1,
    "viewer_user_id": 1, "max_depth": 2, "max_found": 25, "nobody_is_excluded": false, "has_limits": false,
    "by_chain": false, "is_filtered": false, "max_edges_per_hop": 15, "order_by": "recency", "seed_scope": "any",
    "excluded_contact_ids": [], "deadline": "infinity"}'::pg_catalog.jsonb)::pg_catalog.text
"""


@dataclass(frozen=True)
class World:
    """A database with all planted objects."""

    dsn: str

    def dsn_of(self, role: str) -> str:
        return make_conninfo(self.dsn, user=role)


def identifiers(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*(sql.Identifier(name) for name in names))


def said_functions() -> list[str]:
    """Every name before a parenthesis in the package's SQL and Python."""
    package = Path(sqlfiles.__file__).parents[1]
    files = [*sqlfiles.ROOT.rglob("*.sql"), *sqlfiles.ROOT.rglob("*.template"), *package.rglob("*.py")]
    return sorted({name for path in files for name in re.findall(r"\b([a-z_]\w*)\(", path.read_text())})


def plant(connection: Connection) -> None:
    text = (Path(__file__).parent / "planted.sql").read_text()
    text = text.replace("{NAMES}", ",".join(said_functions())).replace("{RELATIONS}", ",".join(RELATIONS))
    with connection.transaction():
        connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        connection.execute(text.replace("{SCHEMA}", "public").encode())


@pytest.fixture(scope="module")
def world(server: str, new_database: Callable[[], str]) -> Iterator[World]:
    dsn = new_database()
    with connect(dsn) as superuser:
        for role in (ATTACKER, WRITER):
            superuser.execute(identifiers("CREATE ROLE {} LOGIN", role))
        database = superuser.info.dbname
        superuser.execute(identifiers("ALTER DATABASE {} SET track_functions = 'pl'", database))
        superuser.execute(identifiers("GRANT CREATE ON SCHEMA public TO {}", ATTACKER))
    found = World(dsn)
    try:
        with connect(found.dsn_of(ATTACKER)) as attacker:
            plant(attacker)
        yield found
    finally:
        with connect(server) as superuser:  # dropping the objects one by one would take long
            superuser.execute(identifiers("DROP DATABASE {} WITH (FORCE)", database))
            ours = "SELECT rolname FROM pg_roles WHERE rolname ~ %s"
            for (role,) in superuser.execute(ours, (f"_{os.getpid()}_(attacker|writer|shield)",)).fetchall():
                superuser.execute(identifiers("DROP ROLE {}", role))


def caught(world: World) -> dict[str, int]:
    """The number of calls of planted objects since the last time; waits until every session has reported."""
    with connect(world.dsn, settings={"search_path": "pg_catalog"}) as connection:
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        deadline = time.monotonic() + 10
        while connection.execute(others + " AND backend_type = 'client backend'").fetchone() != (0,):
            assert time.monotonic() < deadline, "a session was left open"
            time.sleep(0.01)
        counted = "SELECT funcname, calls FROM pg_stat_user_functions WHERE schemaname = 'public' AND calls > 0"
        rows = connection.execute(counted).fetchall()
        connection.execute("SELECT pg_stat_reset()")
        return dict(rows)


def run(world: World, *command: str, allowed: tuple[int, ...] = (0,), role: str | None = None) -> None:
    dsn = world.dsn if role is None else world.dsn_of(role)
    done = CliRunner().invoke(main, ["--dsn", dsn, *command])
    assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exception)
    assert done.exit_code in allowed, (command, done.output, done.stderr)


def live(world: World, host_schema: str) -> None:
    """Run the commands of an installation's life, as a superuser."""
    run(world, "seed", "synthetic", "--contacts", "60", "--host-schema", host_schema)
    run(world, "install", "--host-schema", host_schema, f"--roles={ROLES}")
    run(world, "install", "--host-schema", host_schema)
    run(world, "plan", allowed=(0, 3))
    run(world, "backfill", "--no-throttle", "--workers", "1", "--strategy", "in_place")
    run(world, "backfill", "--no-throttle", "--workers", "2", "--strategy", "rebuild")
    with connect(world.dsn) as connection:
        connection.execute(identifiers("UPDATE {}.contact_work_experiences SET date_to = NULL", host_schema))
    run(world, "sync")
    run(world, "verify", "--sample", "10", allowed=(0, 3))
    run(world, "doctor", allowed=(0, 3))
    run(world, "status", allowed=(0, 1))


def look(world: World, output: Path) -> None:
    """Run the commands that only read or measure."""
    run(world, "runs", "list")
    run(world, "runs", "show", "1")
    for more in (("--depth", "2"), ("--depth", "4"), ("--impl", "v1")):
        run(world, "paths", "1", "--collection", "1", "--viewer", "1", *more)
    run(world, "backfill", "--workers", "1")  # throttled, with its canary
    quick = ("--targets", "2", "--seconds", "0.1", "--blocks", "2", "--warmup", "0", "--connections", "1")
    run(world, "sweep", "--depth", "2", "--collection", "1", *quick, "--output", str(output))
    with playground(world.dsn) as url:
        for page in ("/", "/?target=1&collection=1&viewer=1", "/plan?target=1&collection=1&viewer=1",
                     "/find/contacts?q=a", "/find/users?q=1&collection=1"):  # fmt: skip
            assert urllib.request.urlopen(url + page, timeout=20).status == 200


def test_the_trap_catches_an_unqualified_call(world: World) -> None:
    """Planted objects are called by a statement without schemas, by their names or because their types fit better."""
    with connect(world.dsn) as superuser:
        superuser.execute("SELECT array_remove('{1}'::bigint[], 1::bigint)")
        superuser.execute("SELECT 'pg_class'::pg_catalog.regclass = oid FROM pg_catalog.pg_class LIMIT 1")
        superuser.execute("SELECT contact_id FROM contact_changes")
        superuser.execute("SELECT 1::bigint + now()")
    assert caught(world).keys() >= {"array_remove", "regclass and oid", "looked", "bigint and timestamptz"}


def test_commands_of_a_superuser_call_no_planted_object(world: World, tmp_path: Path) -> None:
    live(world, HOST)
    look(world, tmp_path / "sweep")
    assert caught(world) == {}
    run(world, "uninstall", "--yes")
    assert caught(world) == {}


def test_the_application_works_beside_planted_objects(world: World) -> None:
    with connect(world.dsn_of(ATTACKER)) as attacker:
        for table in TABLES:
            attacker.execute(identifiers("DROP VIEW public.{}", table))
        attacker.execute("CREATE TABLE public.organizations (id int8 DEFAULT public.looked(), name pg_catalog.text)")
        run(world, "seed", "synthetic", "--contacts", "60", allowed=(1,))
        attacker.execute("DROP TABLE public.organizations")
    live(world, "public")
    run(world, "uninstall", "--yes")
    assert caught(world) == {}


def test_a_script_for_psql_calls_no_planted_object(world: World) -> None:
    done = psql.run(world.dsn, script.psql(), "-v", f"host_schema={HOST}")
    assert done.returncode == 0, done.stderr
    assert caught(world) == {}


def calls(connection: Connection) -> list[str]:
    """A call of every function of the package except trigger functions."""
    rows = connection.execute(
        "SELECT p.proname, ARRAY(SELECT pg_catalog.format_type(t.kind, NULL)"
        " FROM pg_catalog.unnest(p.proargtypes) WITH ORDINALITY AS t (kind, number) ORDER BY t.number)"
        " FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = 'connection_paths'::pg_catalog.regnamespace"
        " AND p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype ORDER BY 1"
    ).fetchall()
    ((request,),) = connection.execute(REQUEST)
    values = VALUES | {"connection_paths.search_request": request}
    return [
        "SELECT * FROM connection_paths.{}({})".format(name, ", ".join(f"'{values[kind]}'" for kind in kinds))
        for name, kinds in rows
    ]


def called(connection: Connection, statements: list[str]) -> list[object]:
    """Call all functions and roll back; return their results, or the errors that they raise."""
    answers: list[object] = []
    for statement in statements:
        try:
            with connection.transaction(force_rollback=True):
                answers.append(connection.execute(statement.encode()).fetchall())
        except psycopg.Error as error:
            answers.append(error.sqlstate)
    return answers


@pytest.fixture(scope="module")
def filled(world: World) -> World:
    """The world with the package in it, and edges."""
    run(world, "seed", "synthetic", "--contacts", "60", "--host-schema", HOST, "--replace", "--yes")
    run(world, "install", "--host-schema", HOST, f"--roles={ROLES}")
    run(world, "backfill", "--no-throttle", "--workers", "1")
    return world


ANSWERS = (
    "SELECT pg_catalog.jsonb_set(connection_paths.find_paths(1, 1, 1), '{took}', '0')",
    "SELECT * FROM connection_paths.deep_finder(1, 1, 1, max_depth => 4)",
    "SELECT * FROM connection_paths.legacy_finder(1, 1, 1)",
    "SELECT * FROM connection_paths.work_overlaps(1)",
    "SELECT connection_paths.backfill_contact(1)",
)


def shadow(connection: Connection) -> None:
    """Create temporary tables, types and functions with the names of the package's and the server's objects."""
    for name in (*RELATIONS, "old_rows", "new_rows"):
        connection.execute(identifiers("CREATE TEMPORARY TABLE {} (contact_id bigint, id bigint)", name))
    for name in ("connection_kind", "text", "date", "int8", "bool"):
        connection.execute(identifiers("CREATE TYPE pg_temp.{} AS ENUM ('work_overlap')", name))
    for name in ("unnest", "cardinality", "array_agg"):
        function = "CREATE FUNCTION pg_temp.{}(pg_catalog.int8[]) RETURNS pg_catalog.int8 LANGUAGE sql AS 'SELECT 1/0'"
        connection.execute(identifiers(function, name))


def test_functions_call_no_planted_object_of_a_caller(filled: World) -> None:
    """The search path and the temporary schema of the caller do not matter."""
    with connect(filled.dsn, settings={"search_path": SEARCH_PATH}) as superuser:
        statements = calls(superuser)
        assert len(statements) > 40
        expected = called(superuser, [*ANSWERS])
        assert not any(isinstance(answer, str) for answer in expected)
        errors = [answer for answer in called(superuser, statements) if isinstance(answer, str)]
    for path in PATHS:
        with connect(filled.dsn) as superuser:
            shadow(superuser)
            superuser.execute("SELECT pg_catalog.set_config('search_path', %s, false)", (path,))
            assert called(superuser, [*ANSWERS]) == expected, path
            answers = called(superuser, statements)
            assert [answer for answer in answers if isinstance(answer, str)] == errors, path
        assert caught(filled) == {}, path


def test_a_function_whose_body_is_text_would_be_caught(filled: World) -> None:
    """For a body that is text, the planted ``width_bucket`` fits the arguments better than PostgreSQL's own."""
    made = sqlfiles.function("user_opens")
    unbound = made.replace("BEGIN ATOMIC\n", "AS $function$\n").replace(";\nEND;", "\n$function$;")
    with connect(filled.dsn, settings={"search_path": SEARCH_PATH}) as owner, connect(filled.dsn) as superuser:
        owner.execute(unbound.encode())
        (call,) = [call for call in calls(superuser) if ".user_opens(" in call]
        with pytest.raises(errors.DatatypeMismatch, match="subscript"):
            superuser.execute(call.encode())
        owner.execute(made)


WRITES = (
    "INSERT INTO crm.contacts VALUES (99, 'x')",
    "INSERT INTO crm.contact_work_experiences VALUES (99999, 1, 1, 'x', '2020-01-01')",
    "UPDATE crm.contact_work_experiences SET organization_id = '2'",
    "DELETE FROM crm.contact_work_experiences",
    "TRUNCATE crm.organizations",
)


@pytest.mark.parametrize("path", PATHS)
def test_triggers_call_no_planted_object_of_a_writer(filled: World, path: str) -> None:
    """Triggers run with the rights of their owner, in the session of any writer."""
    noted = "SELECT pg_catalog.count(*) FROM {}.contact_changes"
    with connect(filled.dsn) as superuser:
        superuser.execute(identifiers("GRANT USAGE ON SCHEMA crm TO {}", WRITER))
        superuser.execute(identifiers("GRANT ALL ON ALL TABLES IN SCHEMA crm TO {}", WRITER))
        before = superuser.execute(identifiers(noted, "connection_paths")).fetchone()
    with connect(filled.dsn_of(WRITER)) as writer:
        shadow(writer)
        writer.execute("SELECT pg_catalog.set_config('search_path', %s, false)", (path,))
        for statement in WRITES:
            with writer.transaction(force_rollback=True):
                writer.execute(statement.encode())
        assert writer.execute(identifiers(noted, "pg_temp")).fetchone() == (0,)
        writer.execute("INSERT INTO crm.contacts VALUES (%s, 'x')", (1000 + PATHS.index(path),))
    with connect(filled.dsn) as superuser:
        assert superuser.execute(identifiers(noted, "connection_paths")).fetchone() != before
    assert caught(filled) == {}


def test_the_load_client_has_a_closed_path(server: str) -> None:
    """The connection string cannot change the search path of the load client."""
    with closing(TimedConnection(f"{server} options='-c search_path=public -c jit=off'", 1.0)) as connection:
        found = connection.open().exec_(b"SELECT pg_catalog.current_setting('search_path')")
        assert found.get_value(0, 0) == SEARCH_PATH.encode()
