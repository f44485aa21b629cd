"""The rows of contact_connections as values, the right edges by the oracle, and wrong edges to start a test with."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from hypothesis import strategies as st

from orchestrator.core import database
from orchestrator.core.database import Connection
from tests.support import oracle
from tests.support.world import (
    CONTACT_IDS,
    DAYS,
    EDGE_COLUMNS,
    GHOST_CONTACT_IDS,
    ORGANIZATION_IDS,
    WORK_OVERLAP,
    Edge,
    Pair,
    world_of,
)

EVERYBODY = (*CONTACT_IDS, *GHOST_CONTACT_IDS)
Stored = dict[tuple[int, int, str], tuple[Any, ...]]


def stored(connection: Connection) -> Stored:
    """Every row of contact_connections by its key: the edge, when and where it was written."""
    rows = connection.execute(
        f"SELECT contact_a_id, contact_b_id, {EDGE_COLUMNS}, computed_at, xmin::text, ctid::text"
        " FROM connection_paths.contact_connections"
    )
    return {row[:3]: (Edge(*row[2:-3]), *row[-3:]) for row in rows}


def work_edges(rows: Stored) -> dict[Pair, Edge]:
    return {(a, b): row[0] for (a, b, kind), row in rows.items() if kind == WORK_OVERLAP}


def changes(before: Stored, after: Stored) -> set[tuple[int, int, str]]:
    """The keys of rows that were inserted, updated or deleted."""
    return {key for key in {*before, *after} if before.get(key) != after.get(key)}


@st.composite
def wrong_edges(draw: st.DrawFn) -> dict[Pair, Edge]:
    """Wrong rows of kind work_overlap: without any overlap, or with slightly wrong values."""
    pairs = st.tuples(st.sampled_from(EVERYBODY), st.sampled_from(EVERYBODY))
    edge = st.builds(
        Edge,
        st.just(WORK_OVERLAP),
        st.sampled_from(ORGANIZATION_IDS),
        st.sampled_from(DAYS[:3]),
        st.sampled_from((*DAYS[3:], None)),
        strength=st.sampled_from((0, 5, 40, 70)),
        shared_organizations=st.sampled_from((1, 2)),
        earlier_days=st.sampled_from((0, 1, 300)),
        people=st.sampled_from((1, 2, 10)),
    )
    return draw(st.dictionaries(pairs.filter(lambda pair: pair[0] < pair[1]), edge, max_size=12))


def edges(connection: Connection) -> dict[Pair, Edge]:
    rows = connection.execute(
        f"SELECT contact_a_id, contact_b_id, {EDGE_COLUMNS}"
        " FROM connection_paths.contact_connections WHERE kind = 'work_overlap'"
    )
    return {(row[0], row[1]): Edge(*row[2:]) for row in rows}


def right_edges(connection: Connection) -> dict[Pair, Edge]:
    return oracle.edges(world_of(connection))


def edges_of(dsn: str) -> dict[Pair, Edge]:
    """Return the edges of an installation, whose schema the connection string may name."""
    with closing(database.connect(dsn)) as connection:
        return edges(connection)
