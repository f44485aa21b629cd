"""The queue of changes in a test: fill the host tables, empty the queue, stop a refresh in the middle."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg.conninfo import make_conninfo

from orchestrator.core.database import Connection
from tests.support.edges import edges, right_edges
from tests.support.sessions import value
from tests.support.waiting import InThread, eventually

GATE = 99  # the advisory lock that a session stops at when its setting test.gate is on
HOSTS = "public.contacts, public.organizations, public.contact_work_experiences, public.user_contact_collections"


def gate(connection: Connection) -> None:
    connection.execute(
        "CREATE OR REPLACE TRIGGER gate BEFORE INSERT OR UPDATE OR DELETE"
        " ON connection_paths.contact_connections_live FOR EACH ROW EXECUTE FUNCTION public.stop_at_gate()"
    )


def queue_length(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM connection_paths.contact_changes"))


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
    """Two colleagues without an edge, and an empty queue."""
    connection.execute("INSERT INTO public.contacts VALUES (1, 'one'), (2, 'two')")
    connection.execute("INSERT INTO public.organizations VALUES (1, 'organization')")
    connection.execute(
        "INSERT INTO public.contact_work_experiences VALUES (1, 1, 1, '', '2020-01-01'), (2, 2, 1, '', '2020-01-01')"
    )
    connection.execute("TRUNCATE connection_paths.contact_changes")


@contextmanager
def closed_gate(dsn: str) -> Iterator[Callable[[], None]]:
    """Close the gate for the length of the block; yields a function that opens it."""
    with psycopg.connect(dsn, autocommit=True) as keeper:
        keeper.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        yield keeper.close


def gated(dsn: str) -> str:
    """The connection string of sessions that stop at the gate."""
    return make_conninfo(dsn, options="-c test.gate=on")


def wait_for_gate(connection: Connection) -> None:
    """Wait until a session waits at the gate."""
    eventually(connection, f"SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND objid = {GATE})")


def end_sessions_at_gate(connection: Connection) -> None:
    """End the sessions that wait at the gate, and wait until they are gone."""
    waiting = f"FROM pg_locks AS l WHERE NOT l.granted AND l.objid = {GATE}"
    connection.execute(f"SELECT pg_terminate_backend(l.pid) {waiting}".encode())
    eventually(connection, f"SELECT NOT EXISTS (SELECT {waiting})")


def executed(dsn: str, *statements: str) -> InThread:
    """Execute statements in one transaction of another session."""

    def work() -> None:
        with psycopg.connect(dsn) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    return InThread(work)


EXPERIENCES = "public.contact_work_experiences"


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


def repeat(dsn: str, statement: str, ended: threading.Event) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not ended.is_set():
            with suppress(psycopg.errors.DeadlockDetected, psycopg.errors.UniqueViolation):
                connection.execute(statement.encode())


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
        3,  # the INSERT queues contact 1, the UPDATE queues 7 and 8
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
