"""After a sync the edges are right, for any writes to the host tables and any concurrent events.

Right edges are those that the oracle computes from the present rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from orchestrator.changes.queue import has_changes
from orchestrator.changes.sync import sync
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from tests.support import oracle
from tests.support.changes import EXPERIENCES, HOSTS, STATEMENTS, drain, fill, new_role, pair_up, queue_length
from tests.support.edges import edges, right_edges
from tests.support.properties import repeatable
from tests.support.rebuilds import rebuilt
from tests.support.sessions import value
from tests.support.world import (
    CONTACT_IDS,
    DAYS,
    ORGANIZATION_IDS,
    ORPHAN_ORGANIZATION_ID,
    World,
    load_hosts,
    load_policies,
    world_of,
    worlds,
)

POLICY = "connection_paths.organization_policy"

# What is queued.


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_queues_few_rows_and_sync_corrects_the_edges(db: Connection, dsn: str, name: str) -> None:
    statement, queued = STATEMENTS[name]
    fill(db)
    with db.transaction(force_rollback=True):
        db.execute(statement.encode())
    assert queue_length(db) == 0
    db.execute(statement.encode())
    assert queue_length(db) == queued
    if queued == 0:
        assert edges(db) == right_edges(db)
    done = sync(dsn)
    assert done.changes >= queued
    assert done.failed == queue_length(db) == 0
    assert edges(db) == right_edges(db)


def test_deleted_organizations_and_contacts_that_are_inserted_again(db: Connection, dsn: str) -> None:
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


def test_a_copy_of_many_rows_queues_each_contact_once(db: Connection, dsn: str) -> None:
    fill(db)
    with db.cursor() as cursor, cursor.copy("COPY public.contact_work_experiences FROM STDIN") as copy:
        for number in range(100_000):
            contact, organization = number % 1000, number if number > 40 else 1 + number % 3
            copy.write_row((1000 + number, contact, organization, "", "2012-01-01", None))
    assert queue_length(db) == 1000
    done = sync(dsn, workers=2)
    assert done.contacts >= 1000
    assert edges(db) == right_edges(db)


def test_deletes_and_nulls_by_foreign_keys_of_the_host_are_queued(installed_host: str) -> None:
    with psycopg.connect(installed_host, autocommit=True) as connection:
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
            assert queue_length(connection) > 0
            sync(installed_host)
            assert edges(connection) == right_edges(connection)
        assert edges(connection) == {}


def test_a_writer_needs_no_rights_in_the_schema(db: Connection, dsn: str) -> None:
    fill(db)
    with (
        new_role(db, f"INSERT, UPDATE, DELETE, SELECT, TRUNCATE ON {HOSTS}") as role,
        psycopg.connect(dsn, autocommit=True, options=f"-c role={role} -c search_path=pg_temp") as other,
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute("SELECT FROM connection_paths.contact_changes")
        for name, (statement, queued) in STATEMENTS.items():
            with db.transaction(force_rollback=True):
                db.execute(f"SET LOCAL ROLE {role}".encode())
                db.execute(statement.encode())
                db.execute("RESET ROLE")
                assert queue_length(db) == queued, name
        other.execute(f"DELETE FROM {EXPERIENCES} WHERE contact_id < 4".encode())
        assert queue_length(db) == 3
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
                    f"INSERT INTO {POLICY} VALUES (%(organization)s, 'none') ON CONFLICT (organization_id)"
                    " DO UPDATE SET rule = 'none', min_overlap_days = NULL",
                    f"INSERT INTO {POLICY} VALUES (%(organization)s, 'long_overlaps', %(days)s)"
                    " ON CONFLICT (organization_id) DO UPDATE SET rule = 'long_overlaps', min_overlap_days = %(days)s",
                    f"UPDATE {POLICY} SET organization_id = %(organization)s WHERE organization_id = 1 AND NOT EXISTS"
                    f" (SELECT FROM {POLICY} WHERE organization_id = %(organization)s)",
                    f"DELETE FROM {POLICY} WHERE organization_id = %(organization)s",
                    "ROLLBACK",
                )
            ),
            st.fixed_dictionaries(
                {
                    "id": number,
                    "contact": contact,
                    "organization": organization,
                    "start": day,
                    "end": day,
                    "days": st.sampled_from((1, 2, 3, 700, 1001, 1301)),
                }
            ),
        ),
        st.sampled_from(
            (f"TRUNCATE {table}", "TRUNCATE public.organizations", "TRUNCATE public.contacts", f"TRUNCATE {POLICY}")
        ).map(lambda statement: (statement, {})),
    )
    return draw(st.lists(one, min_size=1, max_size=6))


@repeatable(30)
@given(world=worlds(), rounds=st.lists(changes(), min_size=1, max_size=3), most=st.sampled_from((1, 3, 200)))
def test_random_changes_of_random_worlds(
    dsn: str, world: World, rounds: list[list[tuple[str, dict[str, Any]]]], most: int
) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        load_hosts(connection, world)
        load_policies(connection, world)
        drain(connection)
        assert edges(connection) == right_edges(connection)
        for statements in rounds:
            with connection.transaction() as transaction:
                for statement, parameters in statements:
                    if statement == "ROLLBACK":
                        raise psycopg.Rollback(transaction)
                    connection.execute(statement.encode(), parameters)
            while value(connection, "SELECT taken FROM connection_paths.sync_changes(%s)", most):
                pass
            assert edges(connection) == right_edges(connection)


# Overlaps in the future. A day passes when a session changes between two time zones that never have the same date.


YESTERDAY, TODAY = "-c timezone=Etc/GMT+12", "-c timezone=Etc/GMT-14"


def run(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


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
        assert queue_length(db) == 0
        with psycopg.connect(yesterday) as connection:
            assert connection.execute(sqlfiles.query("changes/queued_changes")).fetchone() == (0, None, 0)
            assert not has_changes(connection)
        due = db.execute("SELECT contact_id, due_on FROM connection_paths.due_changes ORDER BY 1").fetchall()
        assert due == [(2, day), (3, day)]
    with psycopg.connect(today) as connection:
        assert connection.execute(sqlfiles.query("changes/queued_changes")).fetchone()[0] == 2  # type: ignore[index]
        assert has_changes(connection)
    sync(today)
    assert edges(db) == oracle.edges(world_of_dates(db), day)
    assert len(edges(db)) == 3
    assert queue_length(db) == 0
    assert value(db, "SELECT array_agg(contact_id) FROM connection_paths.due_changes") == [3]  # in 2999 again


def world_of_dates(connection: Connection) -> World:
    """Read the rows of the host tables whose dates Python can represent."""
    with connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM public.contact_work_experiences WHERE date_from = 'infinity'")
        return world_of(connection)


# Requests for introductions go with the contact. An opt-out stays.


def test_an_opt_out_stays_when_its_contact_goes_and_the_requests_are_deleted(db: Connection, dsn: str) -> None:
    def requested() -> list[int]:
        """Return the contacts of the requests, which are the same as introducers and as targets."""
        introducers, targets = (
            [row[0] for row in db.execute(f"SELECT {columns} ORDER BY 1".encode())]
            for columns in (
                "introducer_contact_id FROM connection_paths.introduction_requests WHERE target_contact_id = 9",
                "target_contact_id FROM connection_paths.introduction_requests WHERE introducer_contact_id IS NULL",
            )
        )
        assert introducers == targets
        return introducers

    fill(db)
    db.execute("TRUNCATE connection_paths.do_not_ask, connection_paths.introduction_requests")
    db.execute(
        "INSERT INTO connection_paths.do_not_ask"
        " SELECT CASE WHEN g %% 2 = 0 THEN 1 END, g FROM generate_series(1, 12) AS g",
        (),
    )
    opted_out = db.execute("SELECT * FROM connection_paths.do_not_ask ORDER BY contact_id").fetchall()
    db.execute(
        "INSERT INTO connection_paths.introduction_requests"
        " (collection_id, asking_user_id, asked_user_id, introducer_contact_id, target_contact_id)"
        " SELECT 1, 1, 2, CASE WHEN t.target = 9 THEN g END, COALESCE(t.target, g)"
        " FROM generate_series(1, 8) AS g, (VALUES (9), (NULL)) AS t (target)"
    )
    db.execute("DELETE FROM public.contacts WHERE id IN (1, 2)")
    db.execute("SELECT connection_paths.sync_changes(1, true)")
    sync(dsn)
    assert requested() == [3, 4, 5, 6, 7, 8]
    db.execute("ALTER TABLE public.contacts DISABLE TRIGGER USER")
    db.execute("DELETE FROM public.contacts WHERE id = 3")
    db.execute("ALTER TABLE public.contacts ENABLE TRIGGER USER")
    db.execute("INSERT INTO connection_paths.contact_changes (contact_id) VALUES (NULL)")
    sync(dsn)
    assert requested() == [4, 5, 6, 7, 8]
    db.execute("INSERT INTO public.contacts VALUES (2, 'restored'), (12, 'new')")
    sync(dsn)
    db.execute("TRUNCATE public.contacts")  # the application reloads its contacts: the requests stay
    sync(dsn)
    assert requested() == [4, 5, 6, 7, 8]
    assert db.execute("SELECT * FROM connection_paths.do_not_ask ORDER BY contact_id").fetchall() == opted_out
    db.execute("TRUNCATE connection_paths.do_not_ask, connection_paths.introduction_requests")
