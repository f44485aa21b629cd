"""Tens of thousands of random calls in worlds shaped like real ones: `make soak` runs them, `make test` does not.

The server compares the finders with soak.plain_finder, row for row, in both orders and with every filter. Each test
prints its calls and differences, and the sum of all tests so far. Settings from the environment:

``CONNECTION_PATHS_SOAK_CALLS``
    How many calls in all. Default: 20,000.
``CONNECTION_PATHS_SOAK_SEEDS``, ``CONNECTION_PATHS_SOAK_CONTACTS``
    The synthetic worlds (default ``1,2,3``) and how many contacts each has (default 20,000). Worlds with an even number
    have edges of two kinds.
``CONNECTION_PATHS_SOAK_WORLD=existing``
    Use the database of ``ORCHESTRATOR_DSN`` instead, with the functions that are installed there. The test only reads
    it, but creates the schema ``soak`` with one function.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
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


_FOLDER = Path(__file__).parent / "soak"


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
    order_by: str = "recency"
    min_strength: int | None = None
    ended_after: str | None = None
    via: Sequence[int] | None = None
    not_via: Sequence[int] | None = None
    openers: Sequence[int] | None = None
    per_introducer: int | None = None

    def plain(self) -> Call:
        """Return the same call by recency, without filters."""
        return Call(*[getattr(self, field.name) for field in fields(self)[:8]])


@dataclass(frozen=True)
class Collection:
    """A collection, and pools of viewers and targets that calls are drawn from."""

    id: int
    size: int
    viewers: Sequence[Sequence[int]]
    targets: Sequence[Sequence[int]]
    organizations: Sequence[int]


@pytest.fixture(scope="module", params=WORLDS)
def world(request: pytest.FixtureRequest) -> str:
    """The connection string of a database with all its edges."""
    if EXISTING:
        dsn = os.environ.get("ORCHESTRATOR_DSN", "")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(read("plain_finder").encode())
        return dsn
    new_database: Callable[[], str] = request.getfixturevalue("new_database")
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        seed.load(connection, "public", seed_synthetic.tables(CONTACTS, int(request.param)), replace=True)
        install(dsn)
        connection.execute(read("plain_finder").encode())
        connection.execute(read("fill").encode())
        if int(request.param) % 2 == 0:
            connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'friend'")
            connection.execute(read("other_kind").encode())
        connection.execute(read("do_not_ask").encode())
        connection.execute("VACUUM (ANALYZE)")
    return dsn


def reader(dsn: str) -> Connection:
    """A connection that cannot write."""
    connection = psycopg.connect(dsn, autocommit=True)
    connection.execute("SET default_transaction_read_only = on")
    return connection


def read(name: str) -> str:
    """The text of a query of the folder soak."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def column(connection: Connection, query: str, parameters: Any = None) -> list[int]:
    return [row[0] for row in connection.execute(query.encode(), parameters)]


def collections(connection: Connection) -> list[Collection]:
    """Some collections of every order of magnitude, and one that is empty."""
    degrees = connection.execute(read("degrees").encode()).fetchall()
    hubs = column(connection, read("hubs"))
    leaves = [contact for contact, degree in degrees if degree < 4]
    anybody = [contact for contact, _ in degrees]
    organizations = column(connection, read("organizations"))
    found = [Collection(NOBODY, 0, [[NOBODY]], [hubs], organizations)]
    for collection, size in connection.execute(read("collections").encode()).fetchall():
        users = column(connection, read("users"), [collection])
        members = column(connection, read("members"), [collection])
        near = column(connection, read("neighbours"), {"contacts": members[:20]})
        far = column(connection, read("neighbours"), {"contacts": near[:20]})
        pools = [hubs, leaves, anybody, members, near, near, far, far, [NOBODY]]
        some = [
            users[:1],
            users[-1:],
            users[len(users) // 2 :][:1],
            users,
            [NOBODY],
        ]  # many, few, some, any, no contacts
        found.append(Collection(collection, size, some, [pool for pool in pools if pool], organizations))
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
#: Depths and caps by the least size of a collection. The recursion would take too long for more.
UNBOUNDED: Sequence[tuple[int, Sequence[tuple[int, int | None]]]] = (
    (300, ((1, None), (2, None))),
    (30, ((1, None), (2, None), (3, None))),
    (0, ((2, None), (3, None), (4, None), (5, 15), (6, 15))),
)


def draw_calls(dice: random.Random, places: Sequence[Collection], count: int) -> Iterator[Call]:
    """Draw *count* calls: collections of each order of magnitude, then targets, viewers and limits of each sort."""
    by_magnitude: dict[int, list[Collection]] = {}
    for place in places:
        by_magnitude.setdefault(len(str(place.size)), []).append(place)
    for number in range(count):
        [magnitude] = dice.choices(list(by_magnitude), weights=list(by_magnitude))  # in small ones little is found
        place = dice.choice(by_magnitude[magnitude])
        unbounded = next(limits for size, limits in UNBOUNDED if place.size >= size)
        depth, cap = dice.choice(dice.choice((USUAL, USUAL, USUAL, CAPPED, CAPPED, unbounded)))
        some = [dice.sample(place.organizations, min(20, len(place.organizations))) for _ in range(2)]
        has_filters = dice.random() < 0.5
        yield Call(
            number=number,
            target=dice.choice(dice.choice(place.targets)),
            collection=place.id,
            viewer=dice.choice(dice.choice(place.viewers)),
            depth=depth,
            paths=dice.choice((1, 3, 10, 25, 25, 25, 100, 1000)),
            scope=dice.choice(("any", "any", "importer")),
            cap=cap,
            order_by=dice.choice(("recency", "strength")),
            min_strength=dice.choice((None, None, 0, 20, 40, 60)) if has_filters else None,
            ended_after=dice.choice((None, None, "-infinity", "2015-01-01", "2022-06-30")) if has_filters else None,
            via=dice.choice((None, None, None, some[0])) if has_filters else None,
            not_via=dice.choice((None, None, some[1])) if has_filters else None,
            openers=dice.choice((None, None, dice.choice(place.viewers)[:20])) if has_filters else None,
            per_introducer=dice.choice((None, None, None, 1, 2, 5)),
        )


def compare(world: str, query: str, calls: Sequence[Call]) -> list[tuple[int, int, bool | None]]:
    """Send the calls to the server over several connections, a batch in each statement."""

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


#: Calls and differences of all tests so far.
TOTAL: Counter[str] = Counter()


def print_summary(
    capsys: pytest.CaptureFixture[str], name: str, *, calls: int, compared: int, filled: int, different: int
) -> None:
    """Print what a test found, and the sum of all tests so far."""
    TOTAL.update(calls=calls, different=different)
    with capsys.disabled():
        print(
            f"\n{name}: {calls:,} calls, {compared:,} compared, {filled:,} with paths, {different:,} different;"
            f" so far {TOTAL['calls']:,} calls, {TOTAL['different']:,} different",
            flush=True,
        )


@pytest.mark.parametrize(("name", "share"), [("finders", 0.75), ("paths", 0.2), ("legacy", 0.05)])
def test_the_same_answers(world: str, name: str, share: float, capsys: pytest.CaptureFixture[str]) -> None:
    with reader(world) as connection:
        if name == "legacy" and not has_one_kind(connection):
            pytest.skip("legacy_finder finds edges of work experiences only")
        places = collections(connection)
    calls = list(draw_calls(random.Random(name), places, round(CALLS * share / len(WORLDS))))
    if name == "legacy":  # it has no order and no filters
        calls = [call.plain() for call in calls]
    answers = compare(world, read(name), calls)
    different = [calls[number] for number, _, same in answers if same is False]
    filled = sum(found > 0 for _, found, _ in answers)
    print_summary(
        capsys,
        name,
        calls=len(answers),
        compared=sum(same is not None for *_, same in answers),
        filled=filled,
        different=len(different),
    )
    assert len(answers) == len(calls)
    assert filled > len(calls) / 5, "too few calls find a path"
    assert not different[:SHOWN]


def has_one_kind(connection: Connection) -> bool:
    row = connection.execute("SELECT cardinality(enum_range(NULL::connection_paths.connection_kind)) = 1").fetchone()
    return row == (True,)


@pytest.mark.skipif(EXISTING, reason="it writes, and rolls back")
def test_excluding_contacts_is_the_same_as_do_not_ask(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    """find_paths with excluded contacts, compared with the same call where these contacts are in do_not_ask."""
    with reader(world) as connection:
        places = collections(connection)
    dice = random.Random(2)
    calls = [
        replace(call.plain(), depth=min(call.depth, 4))
        for call in draw_calls(dice, places, round(CALLS * 0.03 / len(WORLDS)))
    ]
    asked = (
        "SELECT connection_paths.find_paths(%s, %s, %s, %s, %s, %s, time_budget_ms => 3600000,"
        " excluded_contact_ids => %s::bigint[], max_edges_per_hop => %s) - 'why'"
    )
    different, filled = [], 0
    with psycopg.connect(world, autocommit=True) as connection:
        for call in calls:
            members = column(connection, read("members"), [call.collection])
            arguments = [call.target, call.collection, call.viewer, call.depth, call.paths, call.scope]
            first = connection.execute(asked.encode(), [*arguments, [], call.cap]).fetchone()
            assert first is not None
            met = [contact for path in first[0]["paths"] for contact in path["contact_ids"]]
            pool = [*met, *members, NOBODY]
            excluded = dice.sample(pool, min(len(pool), dice.choice((1, 3, 30))))
            shown = connection.execute(asked.encode(), [*arguments, excluded, call.cap]).fetchone()
            with connection.transaction(force_rollback=True):
                connection.execute(
                    "INSERT INTO connection_paths.do_not_ask SELECT %s, unnest(%s::bigint[]) ON CONFLICT DO NOTHING",
                    [call.collection, excluded],
                )
                rows = connection.execute(asked.encode(), [*arguments, [], call.cap]).fetchone()
                [[_, found, same]] = connection.execute(read("paths").encode(), [Jsonb([asdict(call)])]).fetchall()
            filled += found > 0
            if shown != rows or same is False:
                different.append((call, excluded))
    print_summary(
        capsys,
        "exclusions",
        calls=len(calls),
        compared=len(calls),
        filled=filled,
        different=len(different),
    )
    assert not different[:SHOWN]
