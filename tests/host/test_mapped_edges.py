"""Edges of mapped tables, with a policy and with writers: those of the oracle, however they were computed.

Every application of ``tests/support/mapped.py`` has its own traits: integer ids, text dates, soft deletes, partitions.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import psycopg

from orchestrator.changes.sync import sync
from orchestrator.core.database import Connection
from orchestrator.install.installation import install
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.changes import drain
from tests.support.edges import edges
from tests.support.mapped import ORGANIZATIONS, RESERVED, Application, each_application
from tests.support.sessions import connect
from tests.support.waiting import InThread

POLICY = "connection_paths.organization_policy"
WRITES = 25
#: Errors that the application meets without the package, too.
PASSING = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.UniqueViolation)
#: How edges are computed while the writers go on.
WAYS: dict[str, Callable[[str], object]] = {
    "sync": sync,
    "in place": partial(backfill, options=BackfillOptions(workers=2, strategy="in_place", limits=None)),
    "rebuild": partial(backfill, options=BackfillOptions(workers=2, strategy="rebuild", limits=None)),
}


def set_policy(connection: Connection, chance: random.Random) -> None:
    """Exclude an organization, limit it to long overlaps, or allow it."""
    organization = chance.randint(1, ORGANIZATIONS)
    connection.execute(f"DELETE FROM {POLICY} WHERE organization_id = %s".encode(), (organization,))
    rule, days = chance.choice((("none", None), ("long_overlaps", 400), ("", None)))
    if rule:
        insert = f"INSERT INTO {POLICY} (organization_id, rule, min_overlap_days) VALUES (%s, %s, %s)"
        connection.execute(insert.encode(), (organization, rule, days))


@contextmanager
def writing(dsn: str, application: Application, seed: int) -> Iterator[None]:
    """Write rows of the application and policies in two other sessions, for the length of the block."""

    def write(number: int) -> None:
        chance = random.Random(100 * seed + number)
        with connect(dsn) as connection:
            for job in range(WRITES):
                with suppress(*PASSING), connection.transaction():
                    application.write(connection, chance, chance.choice(application.actions))
                    for another in range(2):
                        application.write(connection, chance, "job", 1000 * (number + 1) + 2 * job + another)
                    if chance.random() < 0.1:
                        set_policy(connection, chance)
                time.sleep(0.01)

    threads = [InThread(partial(write, number)) for number in range(2)]
    try:
        yield
    finally:
        for thread in threads:
            thread.result()


@each_application(RESERVED)
def test_edges_are_those_of_the_oracle_however_they_are_computed(
    new_database: Callable[[], str], application: Application
) -> None:
    dsn, chance = new_database(), random.Random(7)
    with psycopg.connect(dsn, autocommit=True) as connection:
        application.create(connection)
        install(dsn, mapping=application.mapping)
        seen = 0
        for seed, (way, compute) in enumerate(WAYS.items()):
            application.empty(connection)
            application.fill(connection, chance)
            set_policy(connection, chance)
            with writing(dsn, application, seed):
                compute(dsn)
            drain(connection)
            right = application.edges(connection)
            assert edges(connection) == right, way
            seen += len(right)
        assert seen > 15
