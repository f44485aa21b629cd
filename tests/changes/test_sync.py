"""Whatever is written to the host's tables, and whatever happens meanwhile: after a sync the edges are right.

Right is what the oracle makes of the rows that are there.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from orchestrator.changes import sync as module
from orchestrator.changes.sync import Progress, Synced, failed_changes, sync
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.install.installation import install
from tests.support import oracle
from tests.support.world import (
    CONTACT_IDS,
    DAYS,
    ORGANIZATION_IDS,
    ORPHAN_ORGANIZATION_ID,
    Edge,
    Experience,
    Pair,
    World,
    load_hosts,
    worlds,
)

PATIENCE = 20.0  # seconds for what should happen soon; nothing here waits that long unless it fails
GATE = 99  # the advisory lock that a session stops at when its setting test.gate is on
HOSTS = "public.contacts, public.organizations, public.contact_work_experiences, public.user_contact_collections"


@pytest.fixture(scope="module")
def dsn(new_database: Callable[[], str]) -> str:
    """A database with the package and a gate: sessions may be stopped between computing edges and writing them."""
    given = new_database()
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(given)
        connection.execute(
            f"""
            CREATE FUNCTION public.stop_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF current_setting('test.gate', true) = 'on' THEN
                    PERFORM pg_advisory_xact_lock({GATE});
                END IF;
                RETURN COALESCE(NEW, OLD);
            END
            $$
            """
        )
        gate(connection)
    return given


def gate(connection: Connection) -> None:
    connection.execute(
        "CREATE OR REPLACE TRIGGER gate BEFORE INSERT OR UPDATE OR DELETE"
        " ON connection_paths.contact_connections_live FOR EACH ROW EXECUTE FUNCTION public.stop_at_gate()"
    )


@pytest.fixture
def db(dsn: str) -> Iterator[Connection]:
    """A connection to it; everything is empty."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {HOSTS}, connection_paths.contact_connections")
        connection.execute("TRUNCATE connection_paths.contact_changes, connection_paths.due_changes")
        yield connection


def world_of(connection: Connection) -> World:
    """What the host's tables hold."""
    return World(
        contacts=frozenset(row[0] for row in connection.execute("SELECT id FROM public.contacts")),
        organizations=frozenset(row[0] for row in connection.execute("SELECT id FROM public.organizations")),
        experiences=tuple(
            Experience(*row)
            for row in connection.execute(
                "SELECT id, contact_id, organization_id, date_from, date_to FROM public.contact_work_experiences"
            )
        ),
    )


def edges(connection: Connection) -> dict[Pair, Edge]:
    rows = connection.execute(
        "SELECT contact_a_id, contact_b_id, kind::text, organization_id, date_from, date_to"
        " FROM connection_paths.contact_connections WHERE kind = 'work_overlap'"
    )
    return {(row[0], row[1]): Edge(*row[2:]) for row in rows}


def right_edges(connection: Connection) -> dict[Pair, Edge]:
    return oracle.edges(world_of(connection))


def notes(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM connection_paths.contact_changes"))


def value(connection: Connection, query: str, *parameters: Any) -> Any:
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0]


def drain(connection: Connection) -> None:
    """Sync in plain SQL."""
    while value(connection, "SELECT taken FROM connection_paths.sync_changes()"):
        pass


def fill(connection: Connection) -> None:
    """Eight contacts at three organizations, two jobs each, and their edges."""
    jobs = [
        (
            number,
            1 + number % 8,
            1 + number * number % 3,
            f"20{10 + number % 5}-01-01",
            None if number % 3 else "2016-01-01",
        )
        for number in range(16)
    ]
    connection.execute("INSERT INTO public.contacts SELECT g, 'contact ' || g FROM generate_series(1, 8) AS g")
    connection.execute(
        "INSERT INTO public.organizations SELECT g, 'organization ' || g FROM generate_series(1, 3) AS g"
    )
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO public.contact_work_experiences VALUES (%s, %s, %s, 'company', %s, %s)", jobs)
    drain(connection)
    assert len(right_edges(connection)) > 10
    assert edges(connection) == right_edges(connection)


def pair_up(connection: Connection) -> None:
    """Two colleagues whose edge is not there yet, and nothing in the queue that would say so."""
    connection.execute("INSERT INTO public.contacts VALUES (1, 'one'), (2, 'two')")
    connection.execute("INSERT INTO public.organizations VALUES (1, 'organization')")
    connection.execute(
        "INSERT INTO public.contact_work_experiences VALUES (1, 1, 1, '', '2020-01-01'), (2, 2, 1, '', '2020-01-01')"
    )
    connection.execute("TRUNCATE connection_paths.contact_changes")


@contextmanager
def closed_gate(dsn: str) -> Iterator[Callable[[], None]]:
    """Close the gate for the length of the block; yields what opens it."""
    with psycopg.connect(dsn, autocommit=True) as keeper:
        keeper.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        yield keeper.close


def gated(dsn: str) -> str:
    """The connection string of sessions that stop at the gate."""
    return make_conninfo(dsn, options="-c test.gate=on")


def eventually(connection: Connection, query: str, *parameters: Any) -> None:
    """Wait for a query to say true."""
    deadline = time.monotonic() + PATIENCE
    while value(connection, query, *parameters) is not True:
        assert time.monotonic() < deadline, query
        time.sleep(0.01)


def wait_for_gate(connection: Connection) -> None:
    """Wait until somebody stands at the gate."""
    eventually(connection, f"SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND objid = {GATE})")


class InThread(threading.Thread):
    """Does something in a thread; ``result`` waits for it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:
            self._error = error

    def result(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive()
        if self._error is not None:
            raise self._error
        return self._result


def executed(dsn: str, *statements: str) -> InThread:
    """Execute statements in one transaction of another session."""

    def work() -> None:
        with psycopg.connect(dsn) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    return InThread(work)


# What is noted.

EXPERIENCES = "public.contact_work_experiences"
STATEMENTS = {
    "insert one": (f"INSERT INTO {EXPERIENCES} VALUES (100, 1, 2, '', '2012-01-01')", 1),
    "insert many": (
        f"INSERT INTO {EXPERIENCES} SELECT 100 + g, 1 + g % 4, 3, '', '2012-01-01' FROM generate_series(1, 99) AS g",
        4,
    ),
    "insert none": (f"INSERT INTO {EXPERIENCES} SELECT 100, 1, 1, '', now() WHERE false", 0),
    "insert of no contact": (f"INSERT INTO {EXPERIENCES} VALUES (100, 77, 2, '', '2012-01-01')", 1),
    "update of a date": (f"UPDATE {EXPERIENCES} SET date_from = '2015-06-01' WHERE contact_id = 3", 1),
    "update of an end": (f"UPDATE {EXPERIENCES} SET date_to = '2014-01-01' WHERE contact_id <= 4", 4),
    "update to unusable": (f"UPDATE {EXPERIENCES} SET date_from = NULL WHERE contact_id = 3", 1),
    "update of the organization": (f"UPDATE {EXPERIENCES} SET organization_id = 3 WHERE contact_id = 5", 1),
    "update of the contact": (f"UPDATE {EXPERIENCES} SET contact_id = 6 WHERE contact_id = 5", 2),
    "update that swaps contacts": (
        f"UPDATE {EXPERIENCES} SET contact_id = 3 - contact_id WHERE contact_id IN (1, 2)",
        2,
    ),
    "update of the name only": (f"UPDATE {EXPERIENCES} SET company_name = 'another'", 0),
    "update of the key only": (f"UPDATE {EXPERIENCES} SET id = id + 1000", 0),
    "update to the same": (f"UPDATE {EXPERIENCES} SET date_from = date_from, date_to = date_to", 0),
    "update of nothing": (f"UPDATE {EXPERIENCES} SET date_from = NULL WHERE false", 0),
    "delete one": (f"DELETE FROM {EXPERIENCES} WHERE id = 3", 1),
    "delete all": (f"DELETE FROM {EXPERIENCES}", 8),
    "truncate": (f"TRUNCATE {EXPERIENCES}", 1),
    "insert or update": (
        f"INSERT INTO {EXPERIENCES} SELECT g, 1, 2, '', '2012-01-01' FROM generate_series(14, 18) AS g"
        " ON CONFLICT (id) DO UPDATE SET date_from = '2015-01-01'",
        3,  # the inserting half notes contact 1, the updating half 7 and 8
    ),
    "insert or nothing": (f"INSERT INTO {EXPERIENCES} VALUES (3, 1, 2, '', '2012-01-01') ON CONFLICT DO NOTHING", 0),
    "merge": (
        f"MERGE INTO {EXPERIENCES} AS e USING generate_series(13, 18) AS g ON e.id = g"
        " WHEN MATCHED AND g = 13 THEN DELETE"
        " WHEN MATCHED THEN UPDATE SET date_to = '2013-01-01'"
        " WHEN NOT MATCHED THEN INSERT VALUES (g, 1, 2, '', '2012-01-01', NULL)",
        4,  # 6 deleted, 7 and 8 updated, 1 inserted
    ),
    "writing common table expressions": (
        f"WITH gone AS (DELETE FROM {EXPERIENCES} WHERE contact_id = 1 RETURNING *)"
        f" INSERT INTO {EXPERIENCES} SELECT id + 100, 2, organization_id, '', date_from, date_to FROM gone",
        2,
    ),
    "delete a contact": ("DELETE FROM public.contacts WHERE id = 4", 1),
    "delete contacts": ("DELETE FROM public.contacts WHERE id > 4", 4),
    "a contact's name": ("UPDATE public.contacts SET name = 'another'", 0),
    "a contact's id": ("UPDATE public.contacts SET id = 80 WHERE id = 4", 2),
    "truncate contacts": ("TRUNCATE public.contacts", 1),
    "delete an organization": ("DELETE FROM public.organizations WHERE id = 2", 1),
    "an organization's name": ("UPDATE public.organizations SET name = 'another'", 0),
    "an organization's id": ("UPDATE public.organizations SET id = 80 WHERE id = 2", 2),
    "organizations' ids in a circle": ("UPDATE public.organizations SET id = id + 10", 6),
    "truncate organizations": ("TRUNCATE public.organizations", 1),
    "truncate all": (f"TRUNCATE {HOSTS}", 3),
}  # fmt: skip


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_notes_few_rows_and_sync_makes_the_edges_right(db: Connection, dsn: str, name: str) -> None:
    statement, noted = STATEMENTS[name]
    fill(db)
    with db.transaction(force_rollback=True):
        db.execute(statement.encode())
    assert notes(db) == 0
    db.execute(statement.encode())
    assert notes(db) == noted
    if noted == 0:
        assert edges(db) == right_edges(db)
    done = sync(dsn)
    assert done.changes >= noted
    assert done.failed == notes(db) == 0
    assert edges(db) == right_edges(db)


def test_organizations_and_contacts_that_come_back(db: Connection, dsn: str) -> None:
    fill(db)
    before = edges(db)
    for table in ("organizations", "contacts"):
        db.execute(f"CREATE TEMPORARY TABLE kept AS SELECT * FROM public.{table}".encode())
        for condition in ("id = 2", "true"):
            db.execute(f"DELETE FROM public.{table} WHERE {condition}".encode())
            sync(dsn)
            assert edges(db) == right_edges(db) != before
        db.execute(f"INSERT INTO public.{table} SELECT * FROM kept".encode())
        sync(dsn)
        assert edges(db) == before
        db.execute("DROP TABLE kept")


def test_a_copy_of_many_rows_notes_each_contact_once(db: Connection, dsn: str) -> None:
    fill(db)
    with db.cursor() as cursor, cursor.copy("COPY public.contact_work_experiences FROM STDIN") as copy:
        for number in range(100_000):
            contact, organization = number % 1000, number if number > 40 else 1 + number % 3
            copy.write_row((1000 + number, contact, organization, "", "2012-01-01", None))
    assert notes(db) == 1000
    done = sync(dsn, workers=2)
    assert done.contacts >= 1000
    assert edges(db) == right_edges(db)


def test_foreign_keys_of_the_host_that_delete_and_clear(host: str) -> None:
    install(host)
    with psycopg.connect(host, autocommit=True) as connection:
        fill(connection)
        connection.execute(
            "ALTER TABLE public.contact_work_experiences"
            " ADD FOREIGN KEY (contact_id) REFERENCES public.contacts ON DELETE CASCADE ON UPDATE CASCADE,"
            " ADD FOREIGN KEY (organization_id) REFERENCES public.organizations ON DELETE SET NULL ON UPDATE CASCADE"
        )
        for statement in (
            "DELETE FROM public.contacts WHERE id IN (2, 3)",
            "DELETE FROM public.organizations WHERE id = 2",
            "UPDATE public.contacts SET id = 70 WHERE id = 4",
            "UPDATE public.organizations SET id = 70 WHERE id = 1",
            "TRUNCATE public.contacts CASCADE",
        ):
            connection.execute(statement.encode())
            assert notes(connection) > 0
            sync(host)
            assert edges(connection) == right_edges(connection)
        assert edges(connection) == {}


@contextmanager
def new_role(connection: Connection, *grants: str) -> Iterator[str]:
    """A role with these rights, for the length of the block."""
    role = f"connection_paths_test_{os.getpid()}"
    connection.execute(f"CREATE ROLE {role}".encode())
    try:
        for granted in grants:
            connection.execute(f"GRANT {granted} TO {role}".encode())
        yield role
    finally:
        connection.execute(f"DROP OWNED BY {role}".encode())
        connection.execute(f"DROP ROLE {role}".encode())


def test_who_writes_needs_no_rights_here(db: Connection, dsn: str) -> None:
    fill(db)
    with (
        new_role(db, f"INSERT, UPDATE, DELETE, SELECT, TRUNCATE ON {HOSTS}") as role,
        psycopg.connect(dsn, autocommit=True, options=f"-c role={role} -c search_path=pg_temp") as other,
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute("SELECT FROM connection_paths.contact_changes")
        for name, (statement, noted) in STATEMENTS.items():
            with db.transaction(force_rollback=True):
                db.execute(f"SET LOCAL ROLE {role}".encode())
                db.execute(statement.encode())
                db.execute("RESET ROLE")
                assert notes(db) == noted, name
        other.execute(f"DELETE FROM {EXPERIENCES} WHERE contact_id < 4".encode())
        assert notes(db) == 3
    sync(dsn)
    assert edges(db) == right_edges(db)


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[str, dict[str, Any]]]:
    """Random statements, one of which may be a ROLLBACK of those before it."""
    contact, organization = (
        st.sampled_from((*CONTACT_IDS, 50)),
        st.sampled_from((*ORGANIZATION_IDS, ORPHAN_ORGANIZATION_ID)),
    )
    number, day = st.integers(1, 60), st.sampled_from((*DAYS, None))
    table = "public.contact_work_experiences"
    one: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.one_of(
        st.tuples(
            st.sampled_from(
                (
                    f"INSERT INTO {table} VALUES (%(id)s, %(contact)s, %(organization)s, '', %(start)s, %(end)s)"
                    " ON CONFLICT (id) DO UPDATE SET contact_id = excluded.contact_id, date_to = excluded.date_to",
                    f"UPDATE {table} SET date_from = %(start)s WHERE contact_id = %(contact)s",
                    f"UPDATE {table} SET date_to = %(end)s WHERE organization_id = %(organization)s",
                    f"UPDATE {table} SET organization_id = %(organization)s WHERE id %% 7 = %(id)s %% 7",
                    f"UPDATE {table} SET contact_id = %(contact)s WHERE id = %(id)s",
                    f"DELETE FROM {table} WHERE contact_id = %(contact)s",
                    f"DELETE FROM {table} WHERE organization_id = %(organization)s AND date_from > %(start)s",
                    f"DELETE FROM {table} WHERE id %% 5 = %(id)s %% 5",
                    "DELETE FROM public.contacts WHERE id = %(contact)s",
                    "INSERT INTO public.contacts VALUES (%(contact)s, '') ON CONFLICT DO NOTHING",
                    "UPDATE public.contacts SET id = 51 WHERE id = %(contact)s"
                    " AND NOT EXISTS (SELECT FROM public.contacts WHERE id = 51)",
                    "DELETE FROM public.organizations WHERE id = %(organization)s",
                    "INSERT INTO public.organizations VALUES (%(organization)s, '') ON CONFLICT DO NOTHING",
                    "ROLLBACK",
                )
            ),
            st.fixed_dictionaries(
                {"id": number, "contact": contact, "organization": organization, "start": day, "end": day}
            ),
        ),
        st.sampled_from((f"TRUNCATE {table}", "TRUNCATE public.organizations", "TRUNCATE public.contacts")).map(
            lambda statement: (statement, {})
        ),
    )
    return draw(st.lists(one, min_size=1, max_size=6))


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(world=worlds(), rounds=st.lists(changes(), min_size=1, max_size=3), most=st.sampled_from((1, 3, 200)))
def test_any_changes_of_any_world(
    dsn: str, world: World, rounds: list[list[tuple[str, dict[str, Any]]]], most: int
) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        load_hosts(connection, world)
        drain(connection)
        assert edges(connection) == oracle.edges(world)
        for statements in rounds:
            with connection.transaction() as transaction:
                for statement, parameters in statements:
                    if statement == "ROLLBACK":
                        raise psycopg.Rollback(transaction)
                    connection.execute(statement.encode(), parameters)
            while value(connection, "SELECT taken FROM connection_paths.sync_changes(%s)", most):
                pass
            assert edges(connection) == right_edges(connection)


# Who is waited for.

RECOMPUTATIONS = {
    "backfill_contact": "SELECT connection_paths.backfill_contact(1)",
    "a batch in place": "SELECT connection_paths.refresh_range(NULL, NULL)",
    "another sync": "SELECT connection_paths.sync_changes()",
}


@pytest.mark.parametrize("name", RECOMPUTATIONS)
@pytest.mark.parametrize("change", [f"DELETE FROM {EXPERIENCES} WHERE id = 2", "DELETE FROM public.organizations"])
def test_an_edge_computed_before_a_change_does_not_outlive_it(db: Connection, dsn: str, name: str, change: str) -> None:
    pair_up(db)
    if name == "another sync":
        db.execute("INSERT INTO connection_paths.contact_changes (contact_id) VALUES (1)")
    with closed_gate(dsn) as open_gate:
        stale = executed(gated(dsn), RECOMPUTATIONS[name])
        wait_for_gate(db)  # it has computed the edge, and is about to write it
        db.execute(change.encode())
        done = InThread(lambda: sync(dsn))
        eventually(
            db,
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database())"
            " OR NOT EXISTS (SELECT FROM connection_paths.contact_changes)",
        )
        assert done.is_alive()
        assert edges(db) == {}
        open_gate()
        stale.result()
        done.result()
    assert edges(db) == right_edges(db) == {}
    assert notes(db) == 0


def test_one_that_ends_badly_is_waited_for_no_longer(db: Connection, dsn: str) -> None:
    pair_up(db)
    with closed_gate(dsn):
        stale = executed(gated(dsn), RECOMPUTATIONS["backfill_contact"])
        wait_for_gate(db)
        db.execute("UPDATE public.contact_work_experiences SET date_from = '2021-01-01' WHERE id = 2")
        done = InThread(lambda: sync(dsn))
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND objid = %s", (GATE,))
        done.result()
        with pytest.raises(psycopg.OperationalError):
            stale.result()
    assert edges(db) == right_edges(db) != {}


def test_those_that_begin_later_are_not_waited_for_beside_an_old_writer(db: Connection, dsn: str) -> None:
    pair_up(db)
    with (
        psycopg.connect(dsn) as writer,
        psycopg.connect(dsn) as first,
        psycopg.connect(dsn) as later,
    ):
        writer.execute("SELECT pg_current_xact_id()")  # until it ends, nobody can be sure to have seen it
        first.execute("SELECT connection_paths.begin_refresh()")
        db.execute("DELETE FROM public.contact_work_experiences WHERE id = 2")
        done = executed(dsn, "SELECT connection_paths.sync_changes()")
        eventually(db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')")
        later.execute("SELECT connection_paths.begin_refresh()")
        first.rollback()
        done.result()  # without the end of the later one, or of the writer
    assert notes(db) == 0


@pytest.mark.parametrize("level", [psycopg.IsolationLevel.REPEATABLE_READ, psycopg.IsolationLevel.SERIALIZABLE])
@pytest.mark.parametrize("name", RECOMPUTATIONS)
def test_a_transaction_that_may_see_the_past_is_refused(
    db: Connection, dsn: str, name: str, level: psycopg.IsolationLevel
) -> None:
    pair_up(db)
    db.execute("INSERT INTO connection_paths.contact_changes (contact_id) VALUES (1)")
    with psycopg.connect(dsn) as other:
        other.isolation_level = level
        with pytest.raises(psycopg.errors.ActiveSqlTransaction) as refused:
            other.execute(RECOMPUTATIONS[name].encode())
        assert refused.value.sqlstate == "25001"
    sync(make_conninfo(dsn, options="-c default_transaction_isolation=serializable"))  # a role's habit is no hindrance
    assert edges(db) == right_edges(db) != {}


def test_an_intruder_holds_no_recomputation_up(db: Connection, dsn: str) -> None:
    """Any role can take any advisory lock: it makes others announce themselves under an older transaction."""
    pair_up(db)
    with psycopg.connect(dsn) as intruder, psycopg.connect(dsn) as other:
        intruder.execute(
            "SELECT pg_advisory_lock(connection_paths.advisory_key('refresh', g))"
            " FROM pg_snapshot_xmin(pg_current_snapshot()) AS x, LATERAL generate_series("
            " x::text::bigint - 100, x::text::bigint + 100) AS g"
        )
        other.execute("SET lock_timeout = '1ms'")
        assert value(other, "SELECT connection_paths.backfill_contact(1)") == 1
        mine = "SELECT min(h.id) FROM connection_paths.lock_holders('refresh') AS h WHERE h.pid = pg_backend_pid()"
        assert value(other, mine) < value(intruder, "SELECT pg_current_xact_id()::text::bigint")
        other.commit()
    assert edges(db) == right_edges(db) != {}


# What the detector of deadlocks cannot see: a wait by looking again and again.

NEEDS_THE_TABLE = {
    "truncate": f"TRUNCATE {EXPERIENCES}",
    "alter": f"ALTER TABLE {EXPERIENCES} ALTER COLUMN company_name SET DEFAULT ''",
    "lock": f"LOCK TABLE {EXPERIENCES}, public.contacts, public.organizations",
}


@pytest.mark.parametrize(
    ("name", "also_organization", "one_by_one"),
    [("truncate", False, False), ("truncate", True, True), ("alter", True, False), ("lock", False, True)],
)
def test_nobody_waits_in_a_circle_with_a_sync(
    db: Connection, dsn: str, name: str, also_organization: bool, one_by_one: bool
) -> None:
    """An application's transaction has recomputed, a sync waits for it, and then it needs the whole of a table."""
    fill(db)
    with psycopg.connect(dsn) as application, psycopg.connect(dsn) as syncing:
        application.execute("SELECT connection_paths.backfill_contact(2)")
        db.execute(f"UPDATE {EXPERIENCES} SET date_to = '2014-06-01' WHERE contact_id = 3".encode())
        if also_organization:
            db.execute("DELETE FROM public.organizations WHERE id = 2")
        # before it waits, it has read the tables in this very transaction
        syncing.execute(f"SELECT FROM {EXPERIENCES}, public.contacts, public.organizations LIMIT 1".encode())
        waits = InThread(lambda: value(syncing, "SELECT taken FROM connection_paths.sync_changes(200, %s)", one_by_one))
        eventually(db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')")
        application.execute(NEEDS_THE_TABLE[name].encode())  # waits for the other's locks, until it gives up
        with pytest.raises(psycopg.errors.LockNotAvailable, match="another session waits for this transaction"):
            waits.result()
        syncing.rollback()
        application.commit()
    sync(dsn)
    assert edges(db) == right_edges(db)
    assert notes(db) == 0


def test_a_sync_that_waits_has_locked_no_table_of_the_hosts(db: Connection, dsn: str) -> None:
    fill(db)
    with psycopg.connect(dsn) as application:
        application.execute("SELECT connection_paths.backfill_contact(2)")
        db.execute(f"UPDATE {EXPERIENCES} SET date_to = '2014-06-01' WHERE contact_id = 3".encode())
        db.execute("DELETE FROM public.organizations WHERE id = 2")
        db.execute("INSERT INTO connection_paths.contact_changes (contact_id) VALUES (NULL)")
        done = InThread(lambda: sync(dsn))
        eventually(db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')")
        application.execute("SET lock_timeout = '1ms'")
        application.execute(f"TRUNCATE {EXPERIENCES}".encode())
        assert done.is_alive()
        application.commit()
        done.result()
    assert edges(db) == right_edges(db) == {}


def test_two_that_have_recomputed_do_not_wait_for_each_other(db: Connection, dsn: str) -> None:
    fill(db)
    with psycopg.connect(dsn) as one, psycopg.connect(dsn) as other:
        for connection in (one, other):
            connection.execute("SELECT connection_paths.begin_refresh()")
        db.execute(f"UPDATE {EXPERIENCES} SET date_to = '2014-07-01' WHERE contact_id IN (1, 2)".encode())

        def again(connection: Connection) -> None:
            with suppress(psycopg.errors.LockNotAvailable):
                connection.execute("SELECT connection_paths.sync_changes(1)")
            connection.rollback()

        for thread in [InThread(lambda c=c: again(c)) for c in (one, other)]:  # type: ignore[misc]
            thread.result()
    sync(dsn)
    assert edges(db) == right_edges(db)


# What is not due yet. The day is the session's: two time zones that are never on the same one make it pass.

YESTERDAY, TODAY = "-c timezone=Etc/GMT+12", "-c timezone=Etc/GMT-14"


def run(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def rebuilt(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection, rebuilding(connection) as run_id:
        do_batches(connection, run_id)
        connection.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
        swap(connection, run_id)
        connection.execute("SELECT connection_paths.finish_run(%s)", (run_id,))


MAKING_EDGES: dict[str, Callable[[str], Any]] = {
    "sync": sync,
    "one by one": lambda dsn: run(dsn, "SELECT connection_paths.sync_changes(one_by_one => true)"),
    "backfill_contact": lambda dsn: run(dsn, "SELECT connection_paths.backfill_contact(id) FROM public.contacts"),
    "in place": lambda dsn: run(dsn, "SELECT connection_paths.refresh_range(NULL, NULL)"),
    "rebuild": rebuilt,
}


@pytest.mark.parametrize("name", MAKING_EDGES)
def test_an_edge_begins_on_its_day_without_a_writer(db: Connection, dsn: str, name: str) -> None:
    yesterday, today = make_conninfo(dsn, options=YESTERDAY), make_conninfo(dsn, options=TODAY)
    with psycopg.connect(yesterday) as before, psycopg.connect(today) as now:
        before_day, day = value(before, "SELECT current_date"), value(now, "SELECT current_date")
    assert before_day < day
    pair_up(db)  # contacts 1 and 2, since 2020
    db.execute("INSERT INTO public.contacts VALUES (3, 'three')")
    db.execute(
        "INSERT INTO public.contact_work_experiences VALUES (3, 3, 1, '', %(day)s, NULL), (4, 2, 1, '', %(day)s, NULL),"
        " (5, 3, 1, '', '2999-01-01', NULL), (6, 3, 1, '', 'infinity', NULL)",
        {"day": day},
    )
    db.execute(f"UPDATE {EXPERIENCES} SET date_to = '2021-01-01' WHERE id = 2".encode())
    if name not in ("sync", "one by one"):
        db.execute("TRUNCATE connection_paths.contact_changes")
    for _ in range(2):
        MAKING_EDGES[name](yesterday)
        sync(yesterday)
        assert edges(db) == oracle.edges(world_of_dates(db), before_day)
        assert len(edges(db)) == 1
        assert notes(db) == 0
        with psycopg.connect(yesterday) as connection:
            assert connection.execute(sqlfiles.query("changes/queued_changes")).fetchone() == (0, None, 0)
            assert not module.left(connection)
        due = db.execute("SELECT contact_id, due_on FROM connection_paths.due_changes ORDER BY 1").fetchall()
        assert due == [(2, day), (3, day)]
    with psycopg.connect(today) as connection:
        assert connection.execute(sqlfiles.query("changes/queued_changes")).fetchone()[0] == 2  # type: ignore[index]
        assert module.left(connection)
    sync(today)
    assert edges(db) == oracle.edges(world_of_dates(db), day)
    assert len(edges(db)) == 3
    assert notes(db) == 0
    assert value(db, "SELECT array_agg(contact_id) FROM connection_paths.due_changes") == [3]  # in 2999 again


def world_of_dates(connection: Connection) -> World:
    """What the host's tables hold that Python's dates can hold."""
    with connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM public.contact_work_experiences WHERE date_from = 'infinity'")
        return world_of(connection)


# Whom nobody is to ask.


def test_who_is_gone_is_not_in_do_not_ask_any_more(db: Connection, dsn: str) -> None:
    def asked() -> list[int]:
        return [row[0] for row in db.execute("SELECT contact_id FROM connection_paths.do_not_ask ORDER BY 1")]

    fill(db)
    db.execute("TRUNCATE connection_paths.do_not_ask")
    db.execute("INSERT INTO connection_paths.do_not_ask SELECT 1, g FROM generate_series(1, 8) AS g")
    db.execute("DELETE FROM public.contacts WHERE id IN (1, 2)")
    db.execute("SELECT connection_paths.sync_changes(1, true)")
    sync(dsn)
    assert asked() == [3, 4, 5, 6, 7, 8]
    db.execute("ALTER TABLE public.contacts DISABLE TRIGGER USER")
    db.execute("DELETE FROM public.contacts WHERE id = 3")
    db.execute("ALTER TABLE public.contacts ENABLE TRIGGER USER")
    db.execute("INSERT INTO connection_paths.contact_changes (contact_id) VALUES (NULL)")
    sync(dsn)
    assert asked() == [4, 5, 6, 7, 8]
    db.execute("TRUNCATE public.contacts")  # to be loaded anew: what people said stays
    sync(dsn)
    assert asked() == [4, 5, 6, 7, 8]
    db.execute("TRUNCATE connection_paths.do_not_ask")


# Errors, deaths and interruptions.


@contextmanager
def poison(connection: Connection, contact: int) -> Iterator[None]:
    """Let no edge of a contact be written."""
    connection.execute(
        "ALTER TABLE connection_paths.contact_connections_live"
        f" ADD CONSTRAINT poison CHECK ({contact} NOT IN (contact_a_id, contact_b_id)) NOT VALID".encode()
    )
    try:
        yield
    finally:
        connection.execute("ALTER TABLE connection_paths.contact_connections_live DROP CONSTRAINT poison")


def test_a_contact_that_cannot_be_recomputed_keeps_nobody_else(db: Connection, dsn: str) -> None:
    fill(db)
    before = edges(db)
    with poison(db, 3):
        db.execute("UPDATE public.contact_work_experiences SET date_to = '2014-06-01' WHERE contact_id = 3")
        db.execute("UPDATE public.contact_work_experiences SET date_to = '2015-06-01' WHERE contact_id IN (1, 2)")
        db.execute("DELETE FROM public.contacts WHERE id = 8")
        db.execute("DELETE FROM public.contact_work_experiences WHERE contact_id = 1 AND organization_id = 3")
        others_right = {pair: edge for pair, edge in right_edges(db).items() if 3 not in pair}
        done = sync(dsn)
        assert done.failed > 0
        assert {pair: edge for pair, edge in edges(db).items() if 3 not in pair} != before
        left = {each["contact_id"]: each["error"] for each in failed_changes(db)}
        assert 3 in left
        assert "poison" in left[3]
        assert left.keys() <= {1, 2, 3}  # 1 and 2 have edges with 3 to write
        assert value(db, "SELECT min(failures) FROM connection_paths.contact_changes") == 3
        unhindered = {pair: edge for pair, edge in others_right.items() if not {*pair} & left.keys()}
        assert unhindered
        assert unhindered.items() <= edges(db).items()
        nothing = sync(dsn)
        assert nothing == Synced(0, 0, 0, done.failed, nothing.seconds)
        again = sync(dsn, retry_failed=True)
        assert again.failed == done.failed
    done = sync(dsn, retry_failed=True)
    assert (done.failed, notes(db)) == (0, 0)
    assert edges(db) == right_edges(db)


COMPLAINTS = {
    "a row trigger": "CREATE TRIGGER complain AFTER INSERT OR UPDATE OR DELETE ON connection_paths.contact_connections"
    " FOR EACH ROW EXECUTE FUNCTION public.complain()",
    "a deferred trigger": "CREATE CONSTRAINT TRIGGER complain AFTER INSERT OR UPDATE OR DELETE"
    " ON connection_paths.contact_connections DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION public.complain()",
}
# One of each kind that is treated in its own way, and some that nobody thinks of.
STATES = ("P0001", "23514", "40P01", "55P03", "40001", "57014", "57P01", "42501", "42883", "25006", "53100", "P0004",
          "55000", "25001", "0A000", "XX000")  # fmt: skip


@contextmanager
def complaint(connection: Connection, how: str, contact: int, state: str) -> Iterator[None]:
    """Let the application refuse each edge of a contact."""
    connection.execute(
        f"""
        CREATE OR REPLACE FUNCTION public.complain() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            edge record := COALESCE(NEW, OLD);
        BEGIN
            IF {contact} IN (edge.contact_a_id, edge.contact_b_id) THEN
                RAISE EXCEPTION 'not this one' USING ERRCODE = '{state}';
            END IF;
            RETURN NULL;
        END
        $$
        """.encode()
    )
    connection.execute(COMPLAINTS[how].encode())
    try:
        yield
    finally:
        connection.execute("DROP FUNCTION public.complain() CASCADE")


@pytest.mark.parametrize(
    ("how", "state"),
    [*(("a row trigger", state) for state in STATES), *(("a deferred trigger", state) for state in STATES[:4])],
)
def test_any_error_is_of_the_contact_that_raises_it(
    db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, how: str, state: str
) -> None:
    monkeypatch.setattr(module, "_ALONE_AFTER", 2)
    fill(db)
    with complaint(db, how, 3, state):
        db.execute(f"DELETE FROM {EXPERIENCES} WHERE contact_id = 3".encode())
        db.execute("INSERT INTO public.contacts VALUES (20, ''), (21, '')")
        db.execute("INSERT INTO public.organizations VALUES (9, '')")
        db.execute(
            f"INSERT INTO {EXPERIENCES} SELECT g, g, 9, '', '2020-01-01' FROM generate_series(20, 21) g".encode()
        )
        done = InThread(lambda: sync(dsn)).result()
        assert done.failed == 1
        assert failed_changes(db) == [{"contact_id": 3, "error": "not this one"}]
        assert (20, 21) in edges(db)
    sync(dsn, retry_failed=True)
    assert edges(db) == right_edges(db)
    assert notes(db) == 0


def test_a_deferred_foreign_key_of_the_applications_keeps_nobody_else(db: Connection, dsn: str) -> None:
    fill(db)
    db.execute("CREATE TABLE public.people (id bigint PRIMARY KEY)")
    db.execute("INSERT INTO public.people SELECT g FROM generate_series(1, 8) AS g WHERE g <> 3")
    db.execute(
        "ALTER TABLE connection_paths.contact_connections ADD CONSTRAINT known FOREIGN KEY (contact_a_id)"
        " REFERENCES public.people DEFERRABLE INITIALLY DEFERRED NOT VALID"
        if db.info.server_version >= 180_000
        else "ALTER TABLE connection_paths.contact_connections_live ADD CONSTRAINT known FOREIGN KEY (contact_a_id)"
        " REFERENCES public.people DEFERRABLE INITIALLY DEFERRED NOT VALID"
    )
    try:
        db.execute("TRUNCATE connection_paths.contact_connections")
        db.execute("INSERT INTO connection_paths.contact_changes (contact_id) SELECT generate_series(1, 8)")
        sync(dsn)
        assert {each["contact_id"] for each in failed_changes(db)} >= {3}
        assert edges(db)
        assert {pair for pair in right_edges(db) if pair[0] != 3} >= edges(db).keys()
    finally:
        db.execute("DROP TABLE public.people CASCADE")
    sync(dsn, retry_failed=True)
    assert edges(db) == right_edges(db)


def test_failures_are_each_contacts_own(db: Connection) -> None:
    fill(db)
    with poison(db, 3):
        db.execute("UPDATE public.contact_work_experiences SET date_to = '2014-06-01' WHERE contact_id = 3")
        for failures in (1, 2):
            db.execute("SELECT connection_paths.sync_changes(one_by_one => true)")
            rows = db.execute("SELECT contact_id, failures FROM connection_paths.contact_changes").fetchall()
            assert rows == [(3, failures)]
        db.execute("UPDATE public.contact_work_experiences SET date_to = '2014-06-01' WHERE contact_id = 4")
        db.execute("ALTER TABLE connection_paths.contact_connections_live DROP CONSTRAINT poison")
        db.execute(
            "ALTER TABLE connection_paths.contact_connections_live"
            " ADD CONSTRAINT poison CHECK (NOT (contact_a_id IN (3, 4) OR contact_b_id IN (3, 4))) NOT VALID"
        )
        db.execute("SELECT connection_paths.sync_changes(one_by_one => true)")
        rows = db.execute("SELECT contact_id, failures FROM connection_paths.contact_changes ORDER BY 1").fetchall()
        assert rows == [(3, 3), (4, 1)]


def test_what_no_other_change_would_fare_better_with_is_blamed_on_nobody(db: Connection, dsn: str) -> None:
    fill(db)
    db.execute(f"UPDATE {EXPERIENCES} SET date_to = '2014-06-01' WHERE contact_id = 3".encode())
    with (
        new_role(
            db,
            "USAGE ON SCHEMA connection_paths",
            "EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths",
            "SELECT ON ALL TABLES IN SCHEMA connection_paths, public",
            "INSERT, UPDATE, DELETE ON connection_paths.contact_changes",
        ) as role,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        sync(make_conninfo(dsn, options=f"-c role={role}"))
    assert value(db, "SELECT array_agg(failures) FROM connection_paths.contact_changes") == [0]
    sync(make_conninfo(dsn, options="-c default_transaction_read_only=on"))  # a role's habit is no hindrance
    assert edges(db) == right_edges(db)


def test_a_session_that_is_ended_in_the_middle_loses_nothing(db: Connection, dsn: str) -> None:
    pair_up(db)
    db.execute("UPDATE public.contact_work_experiences SET date_from = '2021-01-01'")
    with closed_gate(dsn) as open_gate:
        done = InThread(lambda: sync(gated(dsn)))
        wait_for_gate(db)
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND objid = %s", (GATE,))
        wait_for_gate(db)  # it has come back for the same changes
        assert notes(db) == 2
        open_gate()
        assert done.result().failed == 0
    assert edges(db) == right_edges(db) != {}
    assert notes(db) == 0


def test_a_process_that_is_killed_in_the_middle_loses_nothing(db: Connection, dsn: str) -> None:
    pair_up(db)
    db.execute("UPDATE public.contact_work_experiences SET date_from = '2021-01-01'")
    with closed_gate(dsn):
        code = f"from orchestrator.sync import sync; sync({gated(dsn)!r})"
        with subprocess.Popen([sys.executable, "-c", code]) as process:
            wait_for_gate(db)
            process.send_signal(signal.SIGKILL)
        eventually(  # the server notices, though the session waits for a lock
            db, f"SELECT NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND objid = {GATE})"
        )
    assert notes(db) == 2
    assert edges(db) == {}
    sync(dsn)
    assert edges(db) == right_edges(db) != {}


@pytest.mark.parametrize("follow", [False, True])
def test_an_interruption_leaves_the_changes_in_the_queue(db: Connection, dsn: str, follow: bool) -> None:
    pair_up(db)
    db.execute("UPDATE public.contact_work_experiences SET date_from = '2021-01-01'")

    def interrupt(_: Progress) -> None:
        wait_for_gate(db)
        raise KeyboardInterrupt

    with closed_gate(dsn):
        with pytest.raises(KeyboardInterrupt):
            sync(gated(dsn), follow=follow, report=interrupt)
        assert value(db, f"SELECT count(*) FROM pg_locks WHERE NOT granted AND objid = {GATE}") == 0
        stopping = threading.Event()
        done = InThread(lambda: sync(gated(dsn), follow=follow, stopping=stopping))
        wait_for_gate(db)
        stopping.set()
        assert done.result().contacts == 0
    assert notes(db) == 2
    assert edges(db) == {}
    sync(dsn)
    assert edges(db) == right_edges(db) != {}


def test_changes_that_never_end_do_not_keep_a_sync(db: Connection, dsn: str) -> None:
    fill(db)
    db.execute("DELETE FROM public.organizations WHERE id = 2")  # what comes of it is waited for
    ended = threading.Event()
    statement = f"UPDATE {EXPERIENCES} SET date_from = date_from + 1 WHERE id % 2 = "
    writers = [InThread(lambda half=half: repeat(dsn, f"{statement} {half}", ended)) for half in (0, 1)]  # type: ignore[misc]
    try:
        InThread(lambda: sync(dsn, batch=2)).result()  # slower than they are
        assert notes(db) > 0
    finally:
        ended.set()
    for thread in writers:
        thread.result()
    sync(dsn)
    assert edges(db) == right_edges(db)


def test_what_another_session_has_in_hand_is_waited_for(db: Connection, dsn: str) -> None:
    pair_up(db)
    db.execute("UPDATE public.contact_work_experiences SET date_from = '2021-01-01'")
    with psycopg.connect(dsn) as other:
        other.execute("SELECT connection_paths.sync_changes()")
        done = InThread(lambda: sync(dsn))
        done.join(3 * module._LOOK_AGAIN)
        assert done.is_alive()
        other.rollback()
        assert done.result().contacts == 2
    assert edges(db) == right_edges(db) != {}


# Following.

SLEEPS = (
    "SELECT EXISTS (SELECT FROM connection_paths.lock_holders('listener') AS h"
    " JOIN pg_locks AS l ON l.pid = h.pid AND l.locktype = 'advisory' AND l.mode = 'ExclusiveLock')"
)


def heard(connection: Connection) -> int:
    connection.execute("SELECT 1")
    return sum(1 for _ in connection.notifies(timeout=0.05))


def test_writers_notify_only_while_somebody_sleeps(db: Connection, dsn: str) -> None:
    fill(db)
    if value(db, "SHOW max_prepared_transactions") != "0":
        pytest.skip("prepared transactions may not notify, so nobody does where they are in use")
    with psycopg.connect(dsn, autocommit=True) as listener, psycopg.connect(dsn, autocommit=True) as sleeper:
        listener.execute("LISTEN connection_paths_changes")
        key = "connection_paths.advisory_key('listener', 0)"
        names = ("insert many", "update of a date", "delete a contact", "delete an organization", "truncate")
        for number, name in enumerate(names):
            statement = STATEMENTS[name][0].encode()
            with db.transaction(force_rollback=True):
                db.execute(statement)
                assert not value(sleeper, f"SELECT pg_try_advisory_lock({key})")  # nobody falls asleep meanwhile
            db.execute(statement)
            assert heard(listener) == 0
            assert value(sleeper, f"SELECT pg_try_advisory_lock({key})")
            db.execute("UPDATE public.contact_work_experiences SET company_name = 'another'")
            assert heard(listener) == 0
            db.execute(
                "INSERT INTO public.contact_work_experiences VALUES (%s, 1, 1, '', '2011-01-01')", (500 + number,)
            )
            assert heard(listener) == 1
            sleeper.execute(f"SELECT pg_advisory_unlock({key})".encode())


@contextmanager
def following(dsn: str, count: int) -> Iterator[list[InThread]]:
    """So many followers, until the end of the block."""
    stopping = threading.Event()
    threads = [InThread(lambda: sync(dsn, follow=True, stopping=stopping)) for _ in range(count)]
    try:
        yield threads
    finally:
        stopping.set()
    for thread in threads:
        thread.result()


@pytest.mark.parametrize("count", [1, 3])
def test_followers_sleep_until_a_writer_wakes_them(
    db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(module, "_SLEEP", 1000.0)  # they are woken, or the test fails
    fill(db)
    with following(dsn, count):
        for name in ("insert many", "update of a date", "delete an organization", "delete a contact", "truncate"):
            eventually(db, SLEEPS)
            db.execute(STATEMENTS[name][0].encode())
            eventually(db, "SELECT NOT EXISTS (SELECT FROM connection_paths.contact_changes)")
            assert edges(db) == right_edges(db)


def test_a_follower_that_loses_its_connections_goes_on(db: Connection, dsn: str) -> None:
    fill(db)
    with following(dsn, 1) as threads:
        for state in (SLEEPS, "SELECT true"):
            eventually(db, state)
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'orchestrator'"
            )
            db.execute("UPDATE public.contact_work_experiences SET date_from = date_from + 100 WHERE contact_id < 4")
            eventually(db, "SELECT NOT EXISTS (SELECT FROM connection_paths.contact_changes)")
            assert edges(db) == right_edges(db)
        assert all(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("lock", ["pg_advisory_lock", "pg_advisory_lock_shared"])
def test_a_follower_works_whoever_holds_its_lock(
    db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    monkeypatch.setattr(module, "_SLEEP", 1000.0)
    fill(db)
    with psycopg.connect(dsn) as intruder, following(dsn, 2):
        intruder.execute(f"SELECT {lock}(connection_paths.advisory_key('listener', 0))".encode())
        for name in ("insert many", "update of a date", "delete a contact"):
            db.execute(STATEMENTS[name][0].encode())
            eventually(db, "SELECT NOT EXISTS (SELECT FROM connection_paths.contact_changes)")
            assert edges(db) == right_edges(db)


# All at once.


def scribble(dsn: str, seed: int, ended: threading.Event) -> None:
    """Write at random, sometimes several statements in a transaction, sometimes for nothing."""
    chance = random.Random(seed)
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not ended.is_set():
            try:
                with connection.transaction() as transaction:
                    for _ in range(chance.choice((1, 1, 1, 4))):
                        connection.execute(scribbled(chance).encode())
                    if chance.random() < 0.2:
                        raise psycopg.Rollback(transaction)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.UniqueViolation):
                pass


def scribbled(chance: random.Random) -> str:
    contact, organization, start = chance.randint(1, 30), chance.randint(1, 6), chance.randint(0, 900)
    table = "public.contact_work_experiences"
    return chance.choice(
        (
            f"INSERT INTO {table} SELECT max(id) + 1, {contact}, {organization}, '', date '2020-01-01' + {start},"
            f" date '2020-01-01' + {start + chance.randint(0, 300)} FROM {table} HAVING count(*) < 200",
            f"UPDATE {table} SET date_from = date '2020-01-01' + {start} WHERE contact_id = {contact}",
            f"UPDATE {table} SET contact_id = {contact} WHERE id = {start}",
            f"UPDATE {table} SET organization_id = {organization} WHERE contact_id = {contact}",
            f"DELETE FROM {table} WHERE contact_id = {contact}",
            f"DELETE FROM public.contacts WHERE id = {contact}",
            "INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, 30) AS g ON CONFLICT DO NOTHING",
            f"DELETE FROM public.organizations WHERE id = {organization}",
            "INSERT INTO public.organizations SELECT g, '' FROM generate_series(1, 6) AS g ON CONFLICT DO NOTHING",
        )
    )


def fill_at_random(connection: Connection, seed: int) -> None:
    connection.execute("INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, 30) AS g")
    connection.execute("INSERT INTO public.organizations SELECT g, '' FROM generate_series(1, 6) AS g")
    connection.execute(
        "INSERT INTO public.contact_work_experiences SELECT g, 1 + g %% 30, 1 + (g * g + %s) %% 6, '',"
        " date '2020-01-01' + g * 37 %% 900, date '2020-01-01' + g * 37 %% 900 + 200 FROM generate_series(1, 90) AS g",
        (seed,),
    )


def repeat(dsn: str, statement: str, ended: threading.Event) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not ended.is_set():
            with suppress(psycopg.errors.DeadlockDetected, psycopg.errors.UniqueViolation):
                connection.execute(statement.encode())


def test_everybody_at_once(db: Connection, dsn: str) -> None:
    """Writers, followers with several workers, single recomputations and batches in place."""
    fill_at_random(db, 1)
    ended, stopping = threading.Event(), threading.Event()
    others = [InThread(lambda seed=seed: scribble(dsn, seed, ended)) for seed in range(3)]  # type: ignore[misc]
    others += [
        InThread(lambda: repeat(dsn, "SELECT connection_paths.backfill_contact(1 + floor(random() * 30)::int)", ended)),
        InThread(lambda: repeat(dsn, "SELECT connection_paths.refresh_range(5, 20)", ended)),
    ]
    followers = [InThread(lambda: sync(dsn, follow=True, workers=2, batch=20, stopping=stopping)) for _ in range(2)]
    time.sleep(6)
    ended.set()
    for thread in others:
        thread.result()
    sync(dsn, workers=2)
    assert edges(db) == right_edges(db)
    stopping.set()
    for thread in followers:
        assert thread.result().failed == 0
    assert notes(db) == 0


# Beside a rebuild.


def begin_rebuild(connection: Connection) -> int:
    run_id: int = value(connection, "SELECT connection_paths.create_run('rebuild', 20)")
    return run_id


def do_batches(connection: Connection, run_id: int, most: int | None = None) -> int:
    done = 0
    while most is None or done < most:
        claimed = connection.execute(
            "SELECT batch_id, attempt FROM connection_paths.claim_batch(%s)", (run_id,)
        ).fetchone()
        if claimed is None:
            break
        connection.execute("SELECT connection_paths.do_batch(%s, %s, %s)", (run_id, *claimed))
        done += 1
    return done


def swap(connection: Connection, run_id: int) -> None:
    while rows := connection.execute(
        "SELECT statement FROM connection_paths.missing_rebuild_indexes(%s)", (run_id,)
    ).fetchall():
        for (statement,) in rows:
            connection.execute(statement.encode())
    assert value(connection, "SELECT connection_paths.exchange_rebuild(%s)", run_id) is True


@contextmanager
def rebuilding(connection: Connection) -> Iterator[int]:
    """Begin a rebuild, and give the gate back to the edges that it leaves."""
    run_id = begin_rebuild(connection)
    try:
        yield run_id
    finally:
        connection.execute("SELECT connection_paths.cancel_run(%s)", (run_id,))
        gate(connection)


@pytest.mark.parametrize("seed", range(4))
def test_changes_while_a_rebuild_is_under_way(db: Connection, dsn: str, seed: int) -> None:
    chance = random.Random(seed)
    fill_at_random(db, seed)
    drain(db)
    assert edges(db) == right_edges(db)

    def write(synced: bool) -> None:
        for _ in range(8):
            db.execute(scribbled(chance).encode())
        if synced:
            sync(dsn)
            assert edges(db) == right_edges(db)

    with rebuilding(db) as run_id:
        write(synced=True)
        assert do_batches(db, run_id, 2) == 2
        write(synced=chance.random() < 0.5)
        do_batches(db, run_id)
        write(synced=True)
        db.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
        write(synced=chance.random() < 0.5)
        swap(db, run_id)
        write(synced=chance.random() < 0.5)
        db.execute("SELECT connection_paths.finish_run(%s)", (run_id,))
    sync(dsn)
    assert edges(db) == right_edges(db)
    assert notes(db) == 0


def test_a_rebuild_keeps_when_a_row_last_changed(db: Connection, dsn: str) -> None:
    fill_at_random(db, 4)
    drain(db)
    db.execute("UPDATE connection_paths.contact_connections SET computed_at = '2020-01-01'")
    db.execute(f"UPDATE {EXPERIENCES} SET date_to = date_from + 300 WHERE contact_id = 7".encode())
    db.execute("INSERT INTO public.contact_work_experiences VALUES (991, 30, 1, '', '2018-01-01', NULL)")
    before = edges(db)
    rebuilt(dsn)
    sync(dsn)
    after = edges(db)
    assert after == right_edges(db) != before
    kept = {
        (a, b)
        for a, b in db.execute(
            "SELECT contact_a_id, contact_b_id FROM connection_paths.contact_connections"
            " WHERE computed_at = '2020-01-01'"
        )
    }
    assert kept == {pair for pair in after if after[pair] == before.get(pair)} != set()
    assert value(db, "SELECT max(computed_at) > now() - interval '1 minute' FROM connection_paths.contact_connections")


def test_everybody_at_once_beside_a_rebuild(db: Connection, dsn: str) -> None:
    fill_at_random(db, 2)
    ended, stopping = threading.Event(), threading.Event()
    with rebuilding(db) as run_id, ExitStack() as stack:
        stack.callback(stopping.set)
        stack.callback(ended.set)
        writers = [InThread(lambda seed=seed: scribble(dsn, seed, ended)) for seed in range(2)]  # type: ignore[misc]
        follower = InThread(lambda: sync(dsn, follow=True, batch=20, stopping=stopping))
        while do_batches(db, run_id, 1):
            time.sleep(0.2)
        db.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
        time.sleep(0.5)
        swap(db, run_id)
        time.sleep(0.5)
        ended.set()
        for thread in writers:
            thread.result()
        db.execute("SELECT connection_paths.finish_run(%s)", (run_id,))
        sync(dsn)
        stopping.set()
        follower.result()
    assert edges(db) == right_edges(db)
    assert notes(db) == 0


@pytest.mark.parametrize(
    "table",
    [
        "contact_work_experiences",
        "contacts",
        "organizations",
    ],
)
def test_a_table_truncated_while_the_first_edges_are_being_made(db: Connection, dsn: str, table: str) -> None:
    fill_at_random(db, 3)
    db.execute("TRUNCATE connection_paths.contact_changes")
    with rebuilding(db) as run_id:
        do_batches(db, run_id)
        db.execute(f"TRUNCATE public.{table}".encode())
        sync(dsn)
        db.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
        swap(db, run_id)
        db.execute("SELECT connection_paths.finish_run(%s)", (run_id,))
    sync(dsn)
    assert edges(db) == right_edges(db) == {}


def test_a_follower_that_is_ended_while_it_goes_to_sleep_does_not_sleep() -> None:
    owner = SimpleNamespace(follow=True, awake=threading.Event(), look=threading.Event(), ended=threading.Event())
    owner.ended.set()
    owner.awake.set()  # and before the worker clears it
    worker = object.__new__(module._Worker)
    worker._owner = owner  # type: ignore[assignment]
    asleep = threading.Thread(target=worker._is_more, args=(None, 0), daemon=True)
    asleep.start()
    asleep.join(timeout=5)
    assert not asleep.is_alive()
