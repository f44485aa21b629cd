"""Tens of thousands of random calls in worlds shaped like real ones: `make soak`, not part of `make test`.

The finders are compared with each other on the server, row for row, and find_paths with the rows grouped. Told by
the environment:

``CONNECTION_PATHS_SOAK_CALLS``
    How many calls in all, 20,000 unless told.
``CONNECTION_PATHS_SOAK_SEEDS``, ``CONNECTION_PATHS_SOAK_CONTACTS``
    The synthetic worlds, ``1,2,3``, and how large each is, 20,000 contacts. Even ones have edges of two kinds.
``CONNECTION_PATHS_SOAK_WORLD=existing``
    No synthetic worlds, but the one of ``ORCHESTRATOR_DSN``, with the functions installed there. It is only read.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.install.installation import install
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic

CALLS = int(os.environ.get("CONNECTION_PATHS_SOAK_CALLS", "20000"))
CONTACTS = int(os.environ.get("CONNECTION_PATHS_SOAK_CONTACTS", "20000"))
EXISTING = os.environ.get("CONNECTION_PATHS_SOAK_WORLD") == "existing"
WORLDS = ["existing"] if EXISTING else os.environ.get("CONNECTION_PATHS_SOAK_SEEDS", "1,2,3").split(",")

CONNECTIONS = 2
BATCH = 25  # calls a statement
SHOWN = 10  # differences in a failure's text

NOBODY = 2**62  # a contact, user and collection that no world has

FILL = """
INSERT INTO connection_paths.contact_connections
    (contact_a_id, contact_b_id, kind, organization_id, date_from, date_to)
SELECT c.id, o.neighbour_id, 'work_overlap', o.organization_id, o.date_from, o.date_to
FROM connection_paths.live_contacts AS c
CROSS JOIN LATERAL connection_paths.work_overlaps(c.id) AS o
WHERE o.neighbour_id > c.id
"""

#: Edges of another kind: beside every third one more recent, as recent or less; between others one that goes on or
#: ends in the future.
OTHER_KIND = """
INSERT INTO connection_paths.contact_connections (contact_a_id, contact_b_id, kind, date_to)
SELECT
    c.contact_a_id,
    c.contact_b_id,
    'friend'::connection_paths.connection_kind,
    c.date_to + (c.organization_id % 3 - 1)::integer * 100
FROM connection_paths.contact_connections AS c
WHERE hashint8extended(c.contact_a_id + c.contact_b_id, 4) % 3 = 0
UNION ALL
SELECT c.id, c.id + 7, 'friend', CASE WHEN c.id % 2 = 0 THEN current_date + (c.id % 30)::integer END
FROM connection_paths.live_contacts AS c
WHERE c.id % 5 = 0
ON CONFLICT DO NOTHING
"""

#: In a third of the collections a tenth of the members is not to be asked, in another third most are not.
DO_NOT_ASK = """
INSERT INTO connection_paths.do_not_ask (collection_id, contact_id)
SELECT DISTINCT m.collection_id, m.contact_id
FROM connection_paths.collection_members AS m
WHERE m.collection_id % 3 = 0 AND abs(hashint8extended(m.contact_id, 5) % 10) = 0
    OR m.collection_id % 3 = 1 AND abs(hashint8extended(m.contact_id, 5) % 3) > 0
"""

# Samples. Ordered by a hash, so that the same world gives the same calls.

#: Contacts with the most edges, as a sample of about a million edges tells.
HUBS = """
WITH sample AS (
    SELECT c.contact_a_id, c.contact_b_id
    FROM connection_paths.contact_connections AS c TABLESAMPLE SYSTEM ((
        SELECT LEAST(100, 100 * 1e6 / GREATEST(t.reltuples, 1))
        FROM pg_catalog.pg_class AS t
        WHERE t.oid = 'connection_paths.contact_connections'::regclass
    )) REPEATABLE (1)
)
SELECT e.contact_id
FROM (SELECT s.contact_a_id FROM sample AS s UNION ALL SELECT s.contact_b_id FROM sample AS s) AS e (contact_id)
GROUP BY e.contact_id
ORDER BY count(*) DESC, e.contact_id
LIMIT 100
"""

#: Random contacts, each with its number of edges, 10 at most.
DEGREES = """
SELECT c.id, (
    SELECT count(*)
    FROM (
        (SELECT FROM connection_paths.contact_connections AS e WHERE e.contact_a_id = c.id LIMIT 10)
        UNION ALL
        (SELECT FROM connection_paths.contact_connections AS e WHERE e.contact_b_id = c.id LIMIT 10)
        LIMIT 10
    ) AS few
)
FROM (
    SELECT l.id FROM connection_paths.live_contacts AS l ORDER BY hashint8extended(l.id, 1), l.id LIMIT 3000
) AS c
"""

#: Collections with their sizes: of every order of magnitude some.
COLLECTIONS = """
SELECT s.collection_id, s.size
FROM (
    SELECT
        c.collection_id,
        c.size,
        row_number() OVER (
            PARTITION BY length(c.size::text) ORDER BY hashint8extended(c.collection_id, 1), c.collection_id
        ) AS place
    FROM (
        SELECT m.collection_id, count(DISTINCT m.contact_id) AS size
        FROM connection_paths.collection_members AS m
        GROUP BY m.collection_id
    ) AS c
) AS s
WHERE s.place <= 12
ORDER BY s.collection_id
"""

USERS = """
SELECT m.user_id
FROM connection_paths.collection_members AS m
WHERE m.collection_id = %s
GROUP BY m.user_id
ORDER BY count(DISTINCT m.contact_id) DESC, m.user_id
"""

MEMBERS = """
SELECT m.contact_id
FROM connection_paths.collection_members AS m
WHERE m.collection_id = %s
GROUP BY m.contact_id
ORDER BY hashint8extended(m.contact_id, 2), m.contact_id
LIMIT 100
"""

NEIGHBOURS = """
SELECT e.contact_id
FROM (
    SELECT c.contact_b_id FROM connection_paths.contact_connections AS c WHERE c.contact_a_id = ANY (%(contacts)s)
    UNION
    SELECT c.contact_a_id FROM connection_paths.contact_connections AS c WHERE c.contact_b_id = ANY (%(contacts)s)
) AS e (contact_id)
ORDER BY hashint8extended(e.contact_id, 3), e.contact_id
LIMIT 100
"""

# Comparisons. A row per call: its number, rows or paths found, whether the two sides are the same (NULL: cannot say).

FINDERS = """
SELECT q.number, COALESCE(cardinality(one.found), 0), one.found IS NOT DISTINCT FROM other.found
FROM jsonb_to_recordset(%s) AS q (
    number integer, target bigint, collection bigint, viewer bigint, depth integer, paths integer, scope text,
    cap integer
)
CROSS JOIN LATERAL (
    SELECT array_agg(f::text ORDER BY f.ordinality) AS found
    FROM connection_paths.deep_finder_v2(q.target, q.collection, q.viewer, q.depth, q.paths, q.scope, q.cap)
        WITH ORDINALITY AS f
) AS one
CROSS JOIN LATERAL (
    SELECT array_agg(f::text ORDER BY f.ordinality) AS found
    FROM connection_paths.deep_finder_v3(q.target, q.collection, q.viewer, q.depth, q.paths, q.scope, q.cap)
        WITH ORDINALITY AS f
) AS other
"""

#: The rows of deep_finder_v2 grouped by chain. Where there are 1000 of them the deepest level may lack some: then
#: it is left out, and nothing can be said of a call that asks for more than the rest.
PATHS = """
SELECT
    q.number,
    (answer.document ->> 'total')::integer,
    CASE WHEN answer.document ->> 'impl' <> 'v1' AND (list.is_whole OR list.chains >= q.paths) THEN
        (answer.document ->> 'total')::integer = LEAST(list.chains, q.paths)
        AND (answer.document ->> 'truncated')::boolean = (list.chains > q.paths OR NOT list.is_whole)
        AND (answer.document ->> 'complete')::boolean
        AND answer.paths IS NOT DISTINCT FROM list.paths
    END
FROM jsonb_to_recordset(%s) AS q (
    number integer, target bigint, collection bigint, viewer bigint, depth integer, paths integer, scope text
)
CROSS JOIN LATERAL (
    SELECT
        COALESCE(max(c.is_whole::integer), 1) = 1 AS is_whole,
        count(*) FILTER (WHERE c.counts) AS chains,
        jsonb_agg(c.path ORDER BY c.place) FILTER (WHERE c.counts AND c.place <= q.paths) AS paths
    FROM (
        SELECT
            g.is_whole,
            g.is_whole OR g.depth < g.deepest AS counts,
            row_number() OVER (
                ORDER BY g.depth, g.recency DESC, g.user_ids[1] = q.viewer DESC, g.contact_ids
            ) AS place,
            jsonb_build_object(
                'depth', g.depth, 'user_ids', g.user_ids, 'contact_ids', g.contact_ids, 'recency', g.recency,
                'hops', (
                    SELECT COALESCE(jsonb_agg(
                        jsonb_build_object(
                            'from', g.contact_ids[h.hop], 'to', g.contact_ids[h.hop + 1],
                            'organization_id', g.organization_ids[h.hop],
                            'date_from', g.date_froms[h.hop], 'date_to', g.date_tos[h.hop]
                        )
                        ORDER BY h.hop
                    ), '[]')
                    FROM generate_series(1, g.depth - 1) AS h (hop)
                )
            ) AS path
        FROM (
            SELECT
                f.depth, f.contact_ids, f.recency, f.organization_ids, f.date_froms, f.date_tos,
                array_agg(f.user_id ORDER BY f.user_id <> q.viewer, f.user_id) AS user_ids,
                sum(count(*)) OVER () < 1000 AS is_whole,
                max(f.depth) OVER () AS deepest
            FROM connection_paths.deep_finder_v2(q.target, q.collection, q.viewer, q.depth, 1000, q.scope, 15) AS f
            GROUP BY 1, 2, 3, 4, 5, 6
        ) AS g
    ) AS c
) AS list
CROSS JOIN LATERAL (
    SELECT d.document, (
        SELECT jsonb_agg(
            p.path || jsonb_build_object('hops', (
                SELECT COALESCE(jsonb_agg(h.hop - 'kind' ORDER BY h.place), '[]')
                FROM jsonb_array_elements(p.path -> 'hops') WITH ORDINALITY AS h (hop, place)
            ))
            ORDER BY p.place
        )
        FROM jsonb_array_elements(d.document -> 'paths') WITH ORDINALITY AS p (path, place)
    ) AS paths
    FROM (
        SELECT connection_paths.find_paths(
            q.target, q.collection, q.viewer, q.depth, q.paths, q.scope, time_budget_ms => 3600000
        )
        OFFSET 0  -- a fence: asked once
    ) AS d (document)
) AS answer
"""


@dataclass(frozen=True)
class Call:
    """Arguments of a finder."""

    number: int
    target: int
    collection: int
    viewer: int
    depth: int
    paths: int
    scope: str
    cap: int | None


@dataclass(frozen=True)
class Collection:
    """Where a call may be asked, and about whom: pools to draw viewers and targets from."""

    id: int
    size: int
    viewers: Sequence[Sequence[int]]
    targets: Sequence[Sequence[int]]


@pytest.fixture(scope="module", params=WORLDS)
def world(request: pytest.FixtureRequest) -> str:
    """The connection string of a database with all its edges."""
    if EXISTING:
        return os.environ.get("ORCHESTRATOR_DSN", "")
    new_database: Callable[[], str] = request.getfixturevalue("new_database")
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        seed.load(connection, "public", seed_synthetic.tables(CONTACTS, int(request.param)), replace=True)
        install(dsn)
        connection.execute(FILL.encode())
        if int(request.param) % 2 == 0:
            connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'friend'")
            connection.execute(OTHER_KIND.encode())
        connection.execute(DO_NOT_ASK.encode())
        connection.execute("VACUUM (ANALYZE)")
    return dsn


def reader(dsn: str) -> Connection:
    """A connection that cannot write."""
    connection = psycopg.connect(dsn, autocommit=True)
    connection.execute("SET default_transaction_read_only = on")
    return connection


def column(connection: Connection, query: str, parameters: Any = None) -> list[int]:
    return [row[0] for row in connection.execute(query.encode(), parameters)]


def collections(connection: Connection) -> list[Collection]:
    """Of every order of magnitude some, and one that is empty."""
    degrees = connection.execute(DEGREES.encode()).fetchall()
    hubs = column(connection, HUBS)
    leaves = [contact for contact, degree in degrees if degree < 4]
    anybody = [contact for contact, _ in degrees]
    found = [Collection(NOBODY, 0, [[NOBODY]], [hubs])]
    for collection, size in connection.execute(COLLECTIONS.encode()).fetchall():
        users = column(connection, USERS, [collection])
        members = column(connection, MEMBERS, [collection])
        near = column(connection, NEIGHBOURS, {"contacts": members[:20]})
        far = column(connection, NEIGHBOURS, {"contacts": near[:20]})
        pools = [hubs, leaves, anybody, members, near, near, far, far, [NOBODY]]
        some = [
            users[:1],
            users[-1:],
            users[len(users) // 2 :][:1],
            users,
            [NOBODY],
        ]  # many, few, some, any, no contacts
        found.append(Collection(collection, size, some, [pool for pool in pools if pool]))
    return found


#: Depths and caps.
USUAL = ((2, 15), (2, 15), (3, 15), (3, 15), (4, 15))
CAPPED = (
    *((2, cap) for cap in (1, 3, 14, 16, 17, 50, 200)),
    *((3, cap) for cap in (1, 2, 5, 14, 16, 30)),
    *((4, cap) for cap in (1, 2, 3, 5, 10)),
    *((5, cap) for cap in (1, 2, 3, 4)),
    *((6, cap) for cap in (1, 2, 3)),
)
#: The same by the least size of a collection; more would take the recursive walk too long.
UNBOUNDED: Sequence[tuple[int, Sequence[tuple[int, int | None]]]] = (
    (300, ((1, None), (2, None))),
    (30, ((1, None), (2, None), (3, None))),
    (0, ((2, None), (3, None), (4, None), (5, 15), (6, 15))),
)


def draw_calls(dice: random.Random, places: Sequence[Collection], count: int) -> Iterator[Call]:
    """So many calls: collections of each order of magnitude alike, then targets, viewers and limits of each sort."""
    by_magnitude: dict[int, list[Collection]] = {}
    for place in places:
        by_magnitude.setdefault(len(str(place.size)), []).append(place)
    for number in range(count):
        [magnitude] = dice.choices(list(by_magnitude), weights=list(by_magnitude))  # in small ones little is found
        place = dice.choice(by_magnitude[magnitude])
        unbounded = next(limits for size, limits in UNBOUNDED if place.size >= size)
        depth, cap = dice.choice(dice.choice((USUAL, USUAL, USUAL, CAPPED, CAPPED, unbounded)))
        yield Call(
            number=number,
            target=dice.choice(dice.choice(place.targets)),
            collection=place.id,
            viewer=dice.choice(dice.choice(place.viewers)),
            depth=depth,
            paths=dice.choice((1, 3, 10, 25, 25, 25, 100, 1000)),
            scope=dice.choice(("any", "any", "importer")),
            cap=cap,
        )


def compare(world: str, query: str, calls: Sequence[Call]) -> list[tuple[int, int, bool | None]]:
    """Put the calls to the server over several connections, a batch a statement."""

    def work(mine: Sequence[Call]) -> list[tuple[int, int, bool | None]]:
        answers: list[tuple[int, int, bool | None]] = []
        with reader(world) as connection:
            for start in range(0, len(mine), BATCH):
                batch = Jsonb([asdict(call) for call in mine[start : start + BATCH]])
                answers += connection.execute(query.encode(), [batch]).fetchall()
        return answers

    with ThreadPoolExecutor(CONNECTIONS) as workers:
        return [
            answer for part in workers.map(work, [calls[k::CONNECTIONS] for k in range(CONNECTIONS)]) for answer in part
        ]


@pytest.mark.parametrize(
    ("query", "share"),
    [pytest.param(FINDERS, 0.8, id="v2 and v3"), pytest.param(PATHS, 0.2, id="v2 and find_paths")],
)
def test_the_same_answers(world: str, query: str, share: float, capsys: pytest.CaptureFixture[str]) -> None:
    with reader(world) as connection:
        places = collections(connection)
    count = round(CALLS * share / len(WORLDS))
    calls = list(draw_calls(random.Random(1), places, count))
    if query is PATHS:  # it has the usual cap only, and takes its time beyond four contacts
        calls = [replace(call, depth=min(call.depth, 4)) for call in calls]
    started = time.monotonic()
    answers = compare(world, query, calls)
    seconds = time.monotonic() - started
    different = [calls[number] for number, _, same in answers if same is False]
    compared = sum(same is not None for *_, same in answers)
    filled = sum(found > 0 for _, found, _ in answers)
    with capsys.disabled():
        print(
            f"\n{len(answers):,} calls in {seconds:.0f} s, {compared:,} compared, {filled:,} with paths,"
            f" {len(different):,} different"
        )
    assert len(answers) == len(calls)
    assert filled > len(calls) / 5, "too few calls find anything to say something"
    assert not different[:SHOWN]


@pytest.mark.skipif(EXISTING, reason="it writes, though it leaves nothing behind")
def test_whom_a_call_excludes_might_as_well_be_in_do_not_ask(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    """find_paths told whom not to ask, against find_paths and deep_finder_v2 where rows say so."""
    with reader(world) as connection:
        places = collections(connection)
    dice = random.Random(2)
    calls = [
        replace(call, depth=min(call.depth, 4)) for call in draw_calls(dice, places, round(CALLS * 0.05 / len(WORLDS)))
    ]
    asked = (
        "SELECT connection_paths.find_paths(%s, %s, %s, %s, %s, %s, time_budget_ms => 3600000,"
        " excluded_contact_ids => %s::bigint[]) - 'why'"
    )
    different, filled = [], 0
    with psycopg.connect(world, autocommit=True) as connection:
        for call in calls:
            members = column(connection, MEMBERS, [call.collection])
            arguments = [call.target, call.collection, call.viewer, call.depth, call.paths, call.scope]
            first = connection.execute(asked.encode(), [*arguments, []]).fetchone()
            assert first is not None
            met = [contact for path in first[0]["paths"] for contact in path["contact_ids"]]
            pool = [*met, *members, NOBODY]
            excluded = dice.sample(pool, min(len(pool), dice.choice((1, 3, 30))))
            told = connection.execute(asked.encode(), [*arguments, excluded]).fetchone()
            with connection.transaction(force_rollback=True):
                connection.execute(
                    "INSERT INTO connection_paths.do_not_ask SELECT %s, unnest(%s::bigint[]) ON CONFLICT DO NOTHING",
                    [call.collection, excluded],
                )
                rows = connection.execute(asked.encode(), [*arguments, []]).fetchone()
                [[_, found, same]] = connection.execute(PATHS.encode(), [Jsonb([asdict(call)])]).fetchall()
            filled += found > 0
            if told != rows or same is False:
                different.append((call, excluded))
    with capsys.disabled():
        print(f"\n{len(calls):,} calls with exclusions, {filled:,} with paths, {len(different):,} different")
    assert not different[:SHOWN]
