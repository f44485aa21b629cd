"""Several sessions that propose at the same time miss no pair of a name and an organization, and do not deadlock."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import psycopg
import pytest

from orchestrator.changes import worker
from orchestrator.changes.queue import has_changes
from orchestrator.changes.sync import sync
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.names import propose as proposing
from orchestrator.names.decisions import Decision
from orchestrator.names.decisions import decide as decide_names
from orchestrator.names.propose import propose
from tests.support.changes import EXPERIENCES, drain
from tests.support.edges import edges
from tests.support.names import Proposals, accepted, ask, proposals, right_edges
from tests.support.properties import first_of
from tests.support.sessions import connect, value
from tests.support.waiting import InThread, until

SYNC = "SELECT connection_paths.sync_changes()"
READ_ORGANIZATIONS = "SELECT connection_paths.refresh_organization_names(NULL, 100)"
READ_NAMES = "SELECT connection_paths.refresh_company_names(NULL, 100)"
COMPARE = "SELECT connection_paths.propose_names(100, 0.5, true, NULL)"

#: What reads a new organization, and what compares a new name: by ``resolve propose`` or by ``sync``.
READERS = {"propose": [READ_ORGANIZATIONS], "sync": [SYNC]}
COMPARERS = {"propose": [READ_NAMES, COMPARE], "sync": [SYNC]}


def begin(db: Connection, dsn: str) -> None:
    db.execute("INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, 9) AS g")
    ask(db, ["Acme"], {1: "Acme Inc."})
    drain(db)
    propose(dsn)
    drain(db)


def hire(db: Connection, contact: int, name: str) -> None:
    db.execute(
        f"INSERT INTO {EXPERIENCES} SELECT max(id) + 1, %s, NULL, %s, '2020-01-01' FROM {EXPERIENCES}".encode(),
        (contact, name),
    )


def finish(db: Connection) -> None:
    """Let a sync and the later batches of a propose do what is left."""
    while has_changes(db):
        db.execute(SYNC)
    db.execute(COMPARE)


@pytest.mark.parametrize("compared_by", COMPARERS)
@pytest.mark.parametrize("read_by", READERS)
@pytest.mark.parametrize("first", ["organization", "name"])
def test_a_name_and_its_organization_in_two_open_transactions(
    db: Connection, dsn: str, first: str, read_by: str, compared_by: str
) -> None:
    """One session has read the organization, another has compared the name, and neither sees what the other writes."""
    begin(db, dsn)

    def read() -> None:
        db.execute("INSERT INTO public.organizations VALUES (7, 'Beta GmbH')")

    def come() -> None:
        hire(db, 3, "Beta")

    steps: dict[str, tuple[Callable[[], None], list[str]]] = {
        "organization": (read, READERS[read_by]), "name": (come, COMPARERS[compared_by]),
    }  # fmt: skip
    second = "name" if first == "organization" else "organization"
    with connect(dsn, autocommit=False) as one, connect(dsn) as two:
        write, calls = steps[first]
        write()
        for call in calls:
            one.execute(call.encode())  # not committed yet
        write, calls = steps[second]
        write()

        def all_calls() -> None:
            for call in calls:
                two.execute(call.encode())

        other = InThread(all_calls)
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid = %s)"
        until(lambda: value(db, waits, two.info.backend_pid) or not other.is_alive())
        one.commit()
        other.result()
    finish(db)
    assert proposals(db).get("Beta") == [(7, "other legal form")]
    assert accepted(db) == {"Acme": 1, "Beta": 7}


def test_sessions_that_compare_do_not_wait_for_each_other(db: Connection, dsn: str) -> None:
    begin(db, dsn)
    for name in ("Beta", "Gamma"):
        hire(db, 3, name)
    db.execute(READ_NAMES)
    with connect(dsn, autocommit=False) as one, connect(dsn, settings={"lock_timeout": "1s"}) as two:
        one.execute("SELECT connection_paths.propose_names(1, 0.5, true, NULL)")
        two.execute("SELECT connection_paths.propose_names(1, 0.5, true, NULL)")
        one.commit()
    assert value(db, "SELECT count(*) FROM connection_paths.company_names WHERE proposed_at IS NULL") == 0


def test_a_reader_of_organizations_gets_its_turn(db: Connection, dsn: str) -> None:
    """Names are compared without end, and an organization is read all the same."""
    begin(db, dsn)
    ended = threading.Event()

    def compare() -> None:
        with connect(dsn) as connection:
            while not ended.is_set():
                with connection.transaction():
                    connection.execute(COMPARE.encode())
                    connection.execute("SELECT pg_sleep(0.05)")

    others = [InThread(compare) for _ in range(2)]
    try:
        with connect(dsn, settings={"lock_timeout": "5s"}) as reader:
            for _ in range(5):
                reader.execute(READ_ORGANIZATIONS)
    finally:
        ended.set()
    for each in others:
        each.result()


def test_what_comes_during_the_first_propose_is_compared(
    db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync proposes nothing before the first propose is complete, so propose reads what the sync has seen."""
    db.execute("INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, 9) AS g")
    ask(db, ["Acme"], {1: "Acme Inc."})
    drain(db)
    real = sqlfiles.query

    def query(name: str) -> Any:
        if name == "names/remember_settings" and not value(db, "SELECT count(*) FROM organizations WHERE id = 7"):
            db.execute("INSERT INTO public.organizations VALUES (7, 'Beta GmbH')")
            hire(db, 3, "Beta")
            hire(db, 4, "acme")
            drain(db)
        return real(name)

    monkeypatch.setattr(sqlfiles, "query", query)
    done = propose(dsn)
    assert accepted(db) == {"Acme": 1, "Beta": 7, "acme": 1}
    assert (done.organizations, done.changed, done.names, done.added, done.accepted) == (1, 2, 3, 3, 3)
    drain(db)
    assert edges(db) == right_edges(db)


def same_names(found: Proposals) -> Proposals:
    """Leave out similar names: they are looked for when a name is new, and not when an organization is."""
    return {name: each for name, each in found.items() if each[0][1] != "similar"}


def test_a_renamed_organization_is_no_candidate_of_its_old_name(db: Connection, dsn: str) -> None:
    begin(db, dsn)
    db.execute("UPDATE public.organizations SET name = 'Beta AG' WHERE id = 1")
    propose(dsn)
    assert proposals(db) == {}
    assert accepted(db) == {"Acme": 1}  # a decision stays


NAMES = [f"{word}{form}" for word in ("Beta", "Gamma", "Delta", "Rho", "Tau") for form in ("", " Inc", " GmbH", " AG")]


def scribble(dsn: str, seed: int, ended: threading.Event) -> None:
    """Hire by name, and add, rename and remove organizations, at random."""
    chance = random.Random(seed)
    with connect(dsn) as connection:
        while not ended.is_set():
            id, name = chance.randint(1, 12), chance.choice(NAMES)
            statement = chance.choice(
                [
                    f"INSERT INTO {EXPERIENCES} SELECT (random() * 1e15)::bigint, {chance.randint(1, 9)}, NULL,"
                    f" '{name}', '2020-01-01' FROM {EXPERIENCES} HAVING count(*) < 100",
                    f"DELETE FROM {EXPERIENCES} WHERE company_name = '{name}'",
                    f"INSERT INTO public.organizations VALUES ({id}, '{name}') ON CONFLICT DO NOTHING",
                    f"DELETE FROM public.organizations WHERE id = {id}",
                    f"UPDATE public.organizations SET name = '{name}' WHERE id = {id}",
                ]
            )
            with suppress(psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):  # of the writers
                connection.execute(statement.encode())
            time.sleep(0.002)


def review(dsn: str, seed: int, ended: threading.Event) -> None:
    """Reject some names, several at once, as an import of decisions does."""
    chance = random.Random(seed)
    with connect(dsn) as connection:
        while not ended.is_set():
            chosen = chance.sample(NAMES, 8)
            with connection.transaction(force_rollback=True):  # so that the names stay open
                decide_names(connection, [Decision(name, None) for name in chosen])
            time.sleep(0.01)


@pytest.mark.parametrize("seconds", first_of(2, [3, 15]))
def test_proposers_beside_syncs_and_writers(
    db: Connection, dsn: str, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proposer meets a deadlock, and in the end the proposals are those of a new start."""
    monkeypatch.setattr(worker, "LOOK_AGAIN", 0.01)
    monkeypatch.setattr(proposing, "_NAMES", 3)
    monkeypatch.setattr(proposing, "_ROWS", 4)
    begin(db, dsn)
    ended = threading.Event()

    def propose_again_and_again(again: bool) -> None:
        while not ended.is_set():
            propose(dsn, again=again)

    def sync_again_and_again(pause: float) -> None:
        with connect(dsn, settings={"lock_timeout": "10s"}) as connection:
            while not ended.is_set():
                try:
                    with connection.transaction():
                        connection.execute(SYNC.encode())
                        connection.execute("SELECT pg_sleep(%s)", (pause,))
                except psycopg.errors.DeadlockDetected as error:
                    if re.search("propose|company_names|organization_names", error.diag.context or ""):
                        raise  # syncs that write the same edges may meet another one

    works: list[Callable[[], Any]] = [partial(scribble, dsn, seed, ended) for seed in range(2)]
    works += [partial(propose_again_and_again, again) for again in (False, True)]
    works += [partial(sync_again_and_again, pause) for pause in (0, 0, 0.02)]
    works.append(partial(review, dsn, 1, ended))
    with ExitStack() as stack:
        stack.callback(ended.set)
        threads = [InThread(work) for work in works]
        time.sleep(seconds)
        ended.set()
        for thread in threads:
            thread.result()
    propose(dsn)  # reads the new names of renamed organizations
    sync(dsn)
    came = proposals(db)
    db.execute("UPDATE connection_paths.company_names SET proposed_at = NULL")
    propose(dsn)
    assert same_names(proposals(db)) == same_names(came)
    sync(dsn)
    assert edges(db) == right_edges(db)
