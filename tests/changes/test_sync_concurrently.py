"""Writers, syncs, backfills and rebuilds at the same time: afterwards the edges are right."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack

import psycopg
import pytest

from orchestrator.changes.sync import sync
from orchestrator.core.database import Connection
from tests.support.changes import EXPERIENCES, drain, queue_length, repeat
from tests.support.edges import edges, right_edges
from tests.support.properties import first_of
from tests.support.rebuilds import do_batches, rebuilding, rebuilt, swap
from tests.support.sessions import value
from tests.support.waiting import InThread


def scribble(dsn: str, seed: int, ended: threading.Event) -> None:
    """Write at random: sometimes several statements in a transaction, sometimes with a rollback."""
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
    table, policy = "public.contact_work_experiences", "connection_paths.organization_policy"
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
            f"INSERT INTO {policy} VALUES ({organization}, 'none') ON CONFLICT DO NOTHING",
            f"INSERT INTO {policy} VALUES ({organization}, 'long_overlaps', {1 + start}) ON CONFLICT (organization_id)"
            f" DO UPDATE SET rule = 'long_overlaps', min_overlap_days = {1 + start}",
            f"DELETE FROM {policy} WHERE organization_id IN ({organization}, {1 + organization % 6})",
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


@pytest.mark.parametrize("seconds", first_of(2, [2, 6]))
def test_writers_syncs_and_backfills_at_the_same_time(db: Connection, dsn: str, seconds: int) -> None:
    """Writers, followers with several workers, single refreshes and batches in place."""
    fill_at_random(db, 1)
    ended, stopping = threading.Event(), threading.Event()
    others = [InThread(lambda seed=seed: scribble(dsn, seed, ended)) for seed in range(3)]  # type: ignore[misc]
    others += [
        InThread(lambda: repeat(dsn, "SELECT connection_paths.backfill_contact(1 + floor(random() * 30)::int)", ended)),
        InThread(lambda: repeat(dsn, "SELECT connection_paths.refresh_range(5, 20)", ended)),
    ]
    followers = [InThread(lambda: sync(dsn, follow=True, workers=2, batch=20, stopping=stopping)) for _ in range(2)]
    time.sleep(seconds)
    ended.set()
    for thread in others:
        thread.result()
    sync(dsn, workers=2)
    assert edges(db) == right_edges(db)
    stopping.set()
    for thread in followers:
        assert thread.result().failed == 0
    assert queue_length(db) == 0


# Beside a rebuild.


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
    assert queue_length(db) == 0


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


def test_writers_and_syncs_beside_a_rebuild(db: Connection, dsn: str) -> None:
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
    assert queue_length(db) == 0


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
