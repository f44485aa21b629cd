"""Data given by its edges, built to break a finder.

Edges are loaded as they are. They are not computed from work experiences.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import psycopg
from psycopg import Connection, sql

from tests.support.finder_calls import Loaded
from tests.support.finder_options import Call
from tests.support.oracle_paths import Row
from tests.support.world import (
    WORK_OVERLAP,
    Edge,
    Membership,
    Pair,
    World,
    load_consent,
    load_edges,
    load_hosts,
    load_policies,
    with_evidence,
)

Ends = Callable[[int], date | None]  # when the n-th edge of a world ends
Layer = dict[Pair, Edge]  # edges of one kind

START = date(2001, 1, 1)
SOME_DAY = date(2015, 6, 1)
CAPS = (1, 2, 14, 15, 16, None)

# without statistics a large collection looks small, and plans that suit a small one take a hundred times as long
STATISTICS = "ANALYZE public.user_contact_collections"


def database_that_knows(dsn: str, *kinds: str) -> Iterator[Connection[Any]]:
    """A connection to a database with the package, which then knows *kinds* besides work_overlap."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for kind in kinds:
            add = sql.SQL("ALTER TYPE connection_paths.connection_kind ADD VALUE {}")
            connection.execute(add.format(sql.Literal(kind)))
        yield connection


def layer(pairs: Iterable[Pair], ends: Ends, kind: str = WORK_OVERLAP) -> Layer:
    """An edge for each pair, each with an organization of its own, ending as *ends* says."""
    evidence = (1, 0, 1) if kind == WORK_OVERLAP else ()
    distinct = dict.fromkeys((min(pair), max(pair)) for pair in pairs)
    return {
        pair: Edge(kind, 1000 + number, START + timedelta(number % 700), ends(number), 50, *evidence)
        for number, pair in enumerate(distinct)
    }


def brought(contacts: Iterable[int], user: int = 1, collection: int = 1) -> tuple[Membership, ...]:
    return tuple(Membership(user, contact, collection, 0) for contact in contacts)


def random_pairs(seed: int, contacts: Sequence[int], count: int) -> list[Pair]:
    draw = random.Random(seed)
    return [(min(pair), max(pair)) for pair in (draw.sample(contacts, 2) for _ in range(count))]


def any_day(seed: int) -> Ends:
    """Ends of edges: open, past and future, from few different days, so that ties occur."""
    draw = random.Random(seed)
    days = [None, None, *(SOME_DAY + timedelta(days) for days in (-900, -1, 0, 1, 20_000, 20_001))]
    return lambda _: draw.choice(days)


def enter_layers(
    connection: Connection[Any],
    memberships: Iterable[Membership],
    *layers: Layer,
    do_not_ask: Iterable[tuple[int, int]] = (),
) -> Loaded:
    """Load edges of several kinds, in the order of the enum.

    Of equally recent edges of a pair, the kind declared first counts.
    """
    memberships = tuple(memberships)
    pairs = {pair for each in layers for pair in each}
    contacts = {contact for pair in pairs for contact in pair} | {row.contact_id for row in memberships}
    world = World(contacts=frozenset(contacts), memberships=memberships, do_not_ask=frozenset(do_not_ask))
    connection.execute("TRUNCATE connection_paths.contact_connections")
    load_hosts(connection, world)
    load_consent(connection, world)
    load_policies(connection, world)
    for each in layers:
        load_edges(connection, each)
    connection.execute(STATISTICS)
    every_edge = {pair: [with_evidence(each[pair]) for each in layers if pair in each] for pair in pairs}
    return Loaded(connection, world, {}, every_edge, _today(connection))


def _today(connection: Connection[Any]) -> date:
    row = connection.execute("SELECT current_date").fetchone()
    assert row is not None
    today: date = row[0]
    return today


def agree(loaded: Loaded, *calls: Call) -> list[Row]:
    """Compare deep_finder and find_paths with the oracle in each call; return the rows of the last call."""
    expected: list[Row] = []
    for call in calls:
        expected = loaded.expect(call)
        assert loaded.find("deep_finder", call) == expected, call
        assert loaded.agrees(call, None, "v2"), call
    return expected


def chains(rows: Iterable[Row]) -> list[tuple[int, ...]]:
    return [tuple(row[2]) for row in rows]
