"""Several installations in one database, each in a schema of its own: none of them sees or touches another."""

from __future__ import annotations

import json
import pickle
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from orchestrator.changes.sync import sync
from orchestrator.core import database, schema, sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.schema import original, translated, with_schema
from orchestrator.core.session import Session
from orchestrator.detaching import detaching
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.finders.paths import find_paths
from orchestrator.finders.question import Question
from orchestrator.host import own_objects
from orchestrator.host.sources import TABLES
from orchestrator.install import script, steps
from orchestrator.install.installation import install, uninstall
from orchestrator.install.status import status
from orchestrator.playground import answer
from orchestrator.playground.database import Database
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.sweep.measure.matrix import resolve
from orchestrator.verify.verification import verify
from tests.support import oracle, psql
from tests.support.catalog import describe, difference
from tests.support.command_line import check_failed, run
from tests.support.edges import edges_of
from tests.support.properties import first_of, repeatable
from tests.support.sessions import connect, refused, value
from tests.support.world import Membership, World, load_hosts, office, worlds

#: The schema of each installation, and that of its tables. Two share all tables, and one name begins with another.
TENANTS = {"cp_t": "one", "cp_t1": "two", schema.DEFAULT: "two"}
SCHEMAS = sorted(TENANTS)


@pytest.fixture(scope="module")
def tenants(new_database: Callable[[], str]) -> dict[str, str]:
    """The connection string of each installation, by its schema."""
    dsn = new_database()
    with connect(dsn) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        for name in sorted({*TENANTS.values()}):
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
            connection.execute(sqlfiles.demo_tables(name))
    found = {each: with_schema(dsn, each) for each in TENANTS}
    for each, itself in found.items():
        install(itself, TENANTS[each])
    return found


def fill(connection: Connection, host: str, world: World) -> None:
    """Load a world into the tables in the schema *host*."""
    with connection.transaction():
        load_hosts(connection, world)
        for table in TABLES:
            name = sql.Identifier(host, table)
            connection.execute(sql.SQL("TRUNCATE {}").format(name))
            connection.execute(sql.SQL("INSERT INTO {} SELECT * FROM {}").format(name, sql.Identifier("public", table)))


def objects(dsn: str, name: str) -> list[str]:
    """Describe the installation in a schema as if it were the default one for tables in ``host``; without checksums."""
    prefix = "" if name == schema.DEFAULT else f"{name}_"
    host = TENANTS[name]
    on_host = (f"trigger {name}_", f"index {host}.{prefix}idx_")
    lines = [*describe(dsn, name), *(line for line in describe(dsn, host) if line.startswith(on_host))]
    return sorted(re.sub(rf"\b{host}\.|[0-9a-f]{{32}}", "", original(line, name)) for line in lines)


# Names.


@pytest.mark.parametrize(
    "name",
    [
        *("", "1a", "Cp", "cp-t1", "a b", 'a"b', "ä", "pg_paths", "public", "information_schema", "x" * 28, "cp_t1\n"),
        *("my_connection_paths", "select", "contacts", "edge"),  # words of the package's own SQL
    ],
)
def test_a_name_that_cannot_be_a_schema_is_one_error(name: str) -> None:
    with pytest.raises(OrchestratorError, match="cannot be the schema of an installation"):
        with_schema("", name)


def test_every_sql_file_is_translated_whole_and_back() -> None:
    for path in sorted(sqlfiles.ROOT.rglob("*")):
        if path.suffix in (".sql", ".template", ".py"):
            text = path.read_text()
            assert translated(text, schema.DEFAULT) is text
            for name in ("cp_t1", "cp"):
                there = translated(text, name)
                assert schema.DEFAULT not in there, path
                assert original(there, name) == text, path


def test_no_name_is_longer_than_postgresql_allows() -> None:
    longest = schema.checked("cp_" + "x" * (schema.LONGEST - 3))
    names = [
        *own_objects.TRIGGERS,
        own_objects.REPLICATED_TRIGGER,
        *(f"{each}{steps.NEW}" for each in own_objects.HOST_INDEXES),
    ]
    assert max(len(translated(name, longest)) for name in names) == 63
    assert {translated(f"{each}{steps.NEW}", "cp_t1") for each in own_objects.HOST_INDEXES} == {
        f"cp_t1_{each}_new" for each in own_objects.HOST_INDEXES
    }


@pytest.mark.parametrize(
    "text",
    [
        "SELECT FROM connection_paths_app.contacts",
        "SELECT FROM my_connection_paths.x",
        'SELECT FROM "connection_paths"."deep_finder"()',
        "SELECT FROM a.idx_members_by_collection_of_the_application",
        "SELECT 25441",
    ],
)
def test_names_of_the_application_stay(text: str) -> None:
    assert translated(text, "cp_t1") == text


def test_a_connection_string_keeps_its_schema(tenants: dict[str, str]) -> None:
    given = tenants["cp_t1"]
    assert schema.schema_of(pickle.loads(pickle.dumps(given))) == "cp_t1"
    with closing(database.connect(given)) as connection:
        assert schema.schema_of(database.resolved(connection)) == "cp_t1"
    with closing(database.connect(tenants[schema.DEFAULT])) as connection:
        assert type(connection) is Session
        assert type(database.resolved(connection)) is str


def test_every_kind_of_statement_goes_to_the_schema(tenants: dict[str, str]) -> None:
    query = "SELECT 'connection_paths', %s::text"
    with closing(database.connect(tenants["cp_t1"])) as connection, connection.cursor() as cursor:
        expected = ("cp_t1", schema.DEFAULT)
        for text in (query, query.encode(), sql.SQL(query), sql.SQL("{}").format(sql.SQL(query))):
            assert connection.execute(text, (schema.DEFAULT,)).fetchone() == expected
            assert list(cursor.stream(text, (schema.DEFAULT,))) == [expected]
        cursor.executemany(query, [(schema.DEFAULT,)], returning=True)
        assert cursor.fetchone() == expected
        with cursor.copy("COPY (SELECT 'connection_paths') TO STDOUT") as copy:
            assert list(copy.rows()) == [("cp_t1",)]
        with refused("22023", 'role "connection_paths" does not exist'):
            connection.execute(schema.Verbatim(b"SET ROLE connection_paths"))


# What each installation is, and does.


@pytest.mark.parametrize("name", ["cp_t", "cp_t1"])
def test_an_installation_elsewhere_has_the_same_objects(tenants: dict[str, str], name: str) -> None:
    dsn = str(tenants[name])
    assert difference(objects(dsn, schema.DEFAULT), objects(dsn, name)) == ""


def test_each_is_whole_by_itself(tenants: dict[str, str]) -> None:
    for name, dsn in tenants.items():
        assert (install(dsn).applied, install(dsn).repaired) == ([], [])
        found = status(dsn)
        assert (found.healthy, found.problems, found.schema) == (True, [], name)
        assert found.others == sorted({*SCHEMAS} - {name})
        assert found.host_schema == TENANTS[name]
        assert [each.what for each in diagnose(dsn).findings if each.severity == "wrong"] == []


@given(one=worlds(max_contacts=6), two=worlds(max_contacts=6))
@repeatable(3)
def test_the_same_ids_with_other_data_make_other_edges(tenants: dict[str, str], one: World, two: World) -> None:
    one, two = (replace(each, policies={}, resolved_names={}) for each in (one, two))
    with connect(tenants[schema.DEFAULT]) as connection:
        fill(connection, "one", one)
        fill(connection, "two", two)
        today = value(connection, "SELECT CURRENT_DATE")
    expected = {"one": oracle.edges(one, today), "two": oracle.edges(two, today)}
    for name, dsn in tenants.items():
        sync(dsn, workers=1)
        assert edges_of(dsn) == expected[TENANTS[name]]
    # a change of one tenant is in the queues of those who read its tables
    with connect(tenants[schema.DEFAULT]) as connection:
        connection.execute("DELETE FROM two.contact_work_experiences WHERE id % 2 = 0")
        waiting = {name: value(connection, f"SELECT count(*) > 0 FROM {name}.contact_changes") for name in tenants}
        assert waiting["cp_t"] is False
        assert waiting["cp_t1"] == waiting[schema.DEFAULT]


@pytest.mark.parametrize("strategy", first_of(2, ["rebuild", "in_place"]))
def test_backfills_run_side_by_side(tenants: dict[str, str], strategy: str) -> None:
    one, two = office(30), office(40, organization=8)
    with connect(tenants[schema.DEFAULT]) as connection:
        fill(connection, "one", one)
        fill(connection, "two", two)
    together = threading.Barrier(len(tenants), timeout=60)

    def fill_edges(dsn: str) -> str:
        together.wait()
        options = BackfillOptions(strategy=strategy, workers=2, batch_edges=100, limits=None)
        return backfill(dsn, options).run.status

    with ThreadPoolExecutor(len(tenants)) as pool:
        assert {*pool.map(fill_edges, tenants.values())} == {"succeeded"}
    for name, dsn in tenants.items():
        assert edges_of(dsn) == oracle.edges({"one": one, "two": two}[TENANTS[name]])
        sync(dsn)
        assert verify(dsn).ok


def test_locks_and_notifications_are_separate(tenants: dict[str, str]) -> None:
    with closing(database.connect(tenants["cp_t1"])) as worker:
        worker.execute("SELECT connection_paths.register_worker()")
        for name, dsn in tenants.items():
            with closing(database.connect(dsn)) as other:
                holders = other.execute("SELECT count(*) FROM connection_paths.lock_holders('worker')").fetchone()
                assert holders == (int(name == "cp_t1"),)
        # a sleeping listener of one installation hears of changes in its own tables only
        worker.execute("LISTEN connection_paths_changes")
        worker.execute("SELECT pg_advisory_lock(connection_paths.advisory_key('listener', 0))")
        for host, heard in (("one", 0), ("two", 1)):
            with connect(str(tenants["cp_t1"])) as writer:
                writer.execute(f"INSERT INTO {host}.contacts (id, name) VALUES (99, 'x')".encode())
            found = [each.channel for each in worker.notifies(timeout=1 if heard else 0.1, stop_after=1)]
            assert found == ["cp_t1_changes"] * heard
    assert len({schema.lock_key(name, 5) for name in SCHEMAS}) == len(SCHEMAS)


def test_paths_are_found_in_the_own_installation(tenants: dict[str, str]) -> None:
    members = (Membership(7, 1, 9, 1),)
    with connect(tenants[schema.DEFAULT]) as connection:
        for host, size in (("one", 2), ("two", 3)):
            world = office(size)
            fill(connection, host, World(world.contacts, world.organizations, world.experiences, members))
    for name, dsn in tenants.items():
        sync(dsn)
        with closing(database.connect(dsn)) as connection:
            found = find_paths(connection, Question(3, 9, 7))["paths"]
            assert [path["contact_ids"] for path in found] == ([[1, 3]] if TENANTS[name] == "two" else [])
            for finder in ("find_paths", "deep_finder", "legacy_finder"):
                assert (
                    resolve(connection, finder).statement.replace('"', "").startswith(f"SELECT * FROM {name}.{finder}(")
                )


def test_a_detached_table_is_detached_for_one(tenants: dict[str, str]) -> None:
    assert detaching.detach(tenants["cp_t1"], ["contacts"]) == ["contacts"]
    with closing(database.connect(tenants["cp_t1"])) as connection, refused("CP010"):
        connection.execute("SELECT count(*) FROM connection_paths.live_contacts")
    with closing(database.connect(tenants[schema.DEFAULT])) as connection:
        connection.execute("SELECT count(*) FROM connection_paths.live_contacts")
    assert not status(tenants["cp_t1"]).healthy
    assert status(tenants[schema.DEFAULT]).healthy
    assert detaching.attach(tenants["cp_t1"]) == ["contacts"]
    assert status(tenants["cp_t1"]).healthy


def test_what_was_lost_is_repaired_where_it_was_lost(tenants: dict[str, str]) -> None:
    before = describe(str(tenants["cp_t1"]), *SCHEMAS, "one", "two")
    with connect(str(tenants["cp_t1"])) as dba:
        dba.execute("DROP INDEX two.cp_t1_idx_members_by_collection")
        dba.execute("DROP TRIGGER cp_t1_deleted ON two.contacts")
        dba.execute("DROP FUNCTION cp_t1.find_paths")
        dba.execute("DROP VIEW cp_t1.collection_members CASCADE")
        dba.execute("DROP INDEX cp_t1.idx_cc_walk_a")
    assert not status(tenants["cp_t1"]).healthy
    assert status(tenants[schema.DEFAULT]).healthy
    assert any(each.severity == "wrong" for each in diagnose(tenants["cp_t1"]).findings)
    assert install(tenants[schema.DEFAULT]).repaired == []
    assert install(tenants["cp_t1"]).repaired != []
    assert status(tenants["cp_t1"]).healthy
    after = describe(str(tenants["cp_t1"]), *SCHEMAS, "one", "two")
    old, new = (sorted(re.sub(r"_r\d+\b", "", line) for line in lines) for lines in (before, after))
    assert difference(old, new) == ""


def test_an_uninstall_leaves_the_others_as_they_are(tenants: dict[str, str], server: str) -> None:
    def others() -> list[str]:
        every = describe(str(tenants["cp_t1"]), *SCHEMAS, "one", "two")
        return [line for line in every if "cp_t1" not in line]

    before, kept = others(), {name: edges_of(tenants[name]) for name in ("cp_t", schema.DEFAULT)}
    assert uninstall(tenants["cp_t1"]) != []
    assert difference(before, describe(str(tenants["cp_t1"]), *SCHEMAS, "one", "two")) == ""
    for name, rows in kept.items():
        assert status(tenants[name]).healthy
        assert edges_of(tenants[name]) == rows
    assert uninstall(tenants["cp_t1"]) == []
    assert not status(tenants["cp_t1"]).installed
    with pytest.raises(OrchestratorError, match="not installed in schema cp_t1"):
        verify(tenants["cp_t1"])
    install(tenants["cp_t1"], "two")


# The command line and the script.


def ask_everything(dsn: str) -> None:
    """Ask what the playground asks."""
    with closing(Database(dsn)) as playground:
        question = Question(2, 9, 7)
        assert playground.answer(question).document["total"] == 1
        assert answer.call(question, playground.schema).startswith("SELECT jsonb_pretty(cp_t1.find_paths(")
        assert playground.contacts("contact 1") != []
        assert [each.collection_id for each in playground.collections()] == [9]
        assert [each.user_id for each in playground.users(9)] == [7]
        assert playground.examples() != []
        assert playground.plan(question).why_not_nested is None


@pytest.mark.long
def test_no_statement_names_the_default_schema(host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every command runs in a database without the default schema, and what it sends is recorded."""
    sent: list[str] = []

    def recorded(name: str) -> Callable[..., Any]:
        original_method = getattr(psycopg.Cursor, name)

        def method(cursor: Any, query: Any, parameters: Any = None, *rest: Any, **options: Any) -> Any:
            sent.append(f"{query!r} {parameters!r}")
            return original_method(cursor, query, parameters, *rest, **options)

        return method

    monkeypatch.setenv("ORCHESTRATOR_DSN", host)
    monkeypatch.setenv("ORCHESTRATOR_SCHEMA", "cp_t1")
    with connect(host) as connection:
        load_hosts(connection, office(40))
        connection.execute(
            "INSERT INTO user_contact_collections (user_id, contact_id, collection_id, source) VALUES (7, 1, 9, 1)"
        )
    for name in ("execute", "executemany", "stream", "copy"):
        monkeypatch.setattr(psycopg.Cursor, name, recorded(name))
    backfill_now = ("backfill", "--batch-edges", "100", "--workers", "1")
    for command in (
        ("map", "--suggest"), ("plan",),
        ("install", "--replicated", "--roles=cp_t1_roles"), ("install", "--triggers", "--no-replicated"),
        ("status",), ("plan",), (*backfill_now, "--strategy", "rebuild"), (*backfill_now, "--strategy", "in_place"),
        ("runs", "list"), ("runs", "show"), ("sync",), ("verify",), ("doctor",),
        ("organizations", "list"), ("organizations", "exclude", "7"), ("organizations", "allow", "7"),
        ("resolve", "propose"), ("resolve", "review"), ("sync",), ("verify",),
        ("paths", "2", "--collection", "9", "--viewer", "7"), ("detach",), ("attach",), ("uninstall", "--yes"),
    ):  # fmt: skip
        if command == ("detach",):
            ask_everything(with_schema(host, "cp_t1"))
        done = run("--json", *command)
        assert done.exit_code == 0, (command, done.output, done.exception)
    name = str(conninfo_to_dict(host)["dbname"])
    assert [each for each in sent if schema.DEFAULT in each.replace(name, "")] == []
    assert len(sent) > 500
    with connect(host) as connection:
        for role in ("reader", "operator", "owner"):
            connection.execute(f"DROP ROLE cp_t1_roles_{role}".encode())


def test_the_option_is_in_every_hint(host: str) -> None:
    assert "orchestrator --schema cp_t1 install" in run("--dsn", host, "status", "--schema", "cp_t1").stdout
    check_failed(run("--schema", "cp_t1", "--dsn", host, "sync"), "schema cp_t1", "orchestrator --schema cp_t1 install")
    wrong = run("--schema", "Public", "--dsn", host, "status")
    assert (wrong.exit_code, "cannot be the schema" in wrong.stderr) == (2, True)
    install(with_schema(host, "cp_t1"))
    assert json.loads(run("--json", "--dsn", host, "status").stdout)["others"] == ["cp_t1"]
    assert "other installations in this database: cp_t1" in run("--dsn", host, "status").stdout
    for command in ("doctor", "sync"):
        check_failed(run("--dsn", host, command), "other installations in this database: cp_t1")


@pytest.mark.long
def test_psql_makes_what_install_makes(host: str, tmp_path: Path) -> None:
    printed = run("script", "--schema", "cp_t1")
    assert printed.exit_code == 0
    assert run("script").stdout == script.psql()
    done = psql.run(host, printed.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert install(with_schema(host, "cp_t1")).applied == []
    by_script = describe(host, "cp_t1", "public")
    assert status(with_schema(host, "cp_t1")).healthy
    uninstall(with_schema(host, "cp_t1"))
    assert not any("cp_t1" in line for line in describe(host, "cp_t1", "public"))
    install(with_schema(host, "cp_t1"))
    assert difference(by_script, describe(host, "cp_t1", "public")) == ""
    refused = run("--schema", "cp_t1", "script", "--extension", str(tmp_path))
    assert (refused.exit_code, "leave out --schema" in refused.stderr) == (2, True)


def test_a_schema_of_the_application_is_refused(host: str) -> None:
    with connect(host) as connection:
        connection.execute("CREATE SCHEMA cp_t1")
        connection.execute("CREATE TABLE cp_t1.x ()")
        connection.execute("CREATE SCHEMA connection_paths")
        connection.execute(sqlfiles.demo_tables("connection_paths"))
    with pytest.raises(OrchestratorError, match="schema cp_t1 exists and connection_paths did not create it"):
        install(with_schema(host, "cp_t1"))
    with pytest.raises(OrchestratorError, match="keyword"):
        install(with_schema(host, "analyse"))
    with pytest.raises(OrchestratorError, match="no installation can read tables in a schema connection_paths"):
        install(with_schema(host, "cp_t2"), "connection_paths")


def test_no_module_makes_a_connection_string_that_loses_the_schema() -> None:
    """Strings that are only shown need none."""
    allowed = {"core/schema.py", "core/database.py", "core/text.py", "doctor/settings.py"}
    package = Path(schema.__file__).parents[1]
    files = {str(path.relative_to(package)): path.read_text() for path in package.rglob("*.py")}
    assert {name for name, text in files.items() if "make_conninfo" in text} == allowed
