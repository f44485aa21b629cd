"""write_edges makes the edges of a set of contacts equal to the oracle's, and waits for other sessions in key order."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Connection

from tests.support import oracle
from tests.support.edges import EVERYBODY, changes, edges, stored, work_edges, wrong_edges
from tests.support.properties import repeatable
from tests.support.sessions import dsn_of, value
from tests.support.waiting import InThread, until
from tests.support.world import WORK_OVERLAP, Edge, World, colleagues, load, load_edges, sized_worlds

ROWS = "connection_paths.contact_connections"
WAITS = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"

WAITS_FOR = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND locktype = ANY (%s) AND NOT granted)"


def write(connection: Connection[Any], contacts: list[int | None], smaller_ends_only: bool = False) -> int:
    changed: int = value(connection, "SELECT connection_paths.write_edges(%s, %s)", contacts, smaller_ends_only)
    return changed


@pytest.mark.parametrize("smaller_ends_only", [False, True])
@repeatable(30)
@given(
    world=sized_worlds(),
    wrong=wrong_edges(),
    contacts=st.lists(st.one_of(st.none(), st.sampled_from(EVERYBODY)), max_size=12),
)
def test_the_chosen_contacts_get_exactly_their_edges(
    installed: Connection[Any],
    smaller_ends_only: bool,
    world: World,
    wrong: dict[tuple[int, int], Edge],
    contacts: list[int | None],
) -> None:
    load(installed, world)
    load_edges(installed, wrong)
    before = stored(installed)
    returned = write(installed, contacts, smaller_ends_only)
    after = stored(installed)

    def is_chosen(pair: tuple[int, int]) -> bool:
        return pair[0] in contacts or (pair[1] in contacts and not smaller_ends_only)

    expected = {pair: edge for pair, edge in oracle.edges(world).items() if is_chosen(pair)}
    assert {pair: edge for pair, edge in work_edges(after).items() if is_chosen(pair)} == expected
    changed = changes(before, after)
    assert returned == len(changed)
    assert all(is_chosen((a, b)) and kind == WORK_OVERLAP for a, b, kind in changed)
    assert not any(before[key][0] == after[key][0] for key in changed if key in before and key in after)
    assert write(installed, contacts, smaller_ends_only) == 0
    assert stored(installed) == after


@pytest.mark.parametrize("smaller_ends_only", [False, True])
@pytest.mark.parametrize(
    "other",
    [
        f"UPDATE {ROWS} SET date_to = '2030-01-01' WHERE contact_a_id = 1",
        f"DELETE FROM {ROWS} WHERE contact_a_id = 1 AND contact_b_id = 2",
        f"DELETE FROM {ROWS} WHERE contact_a_id = 1 AND contact_b_id = 3",
    ],
)
def test_stale_edges_that_another_session_writes_are_deleted_once(
    installed: Connection[Any], other: str, smaller_ends_only: bool
) -> None:
    """The rows to delete are locked first, and deleted by the place of their newest version."""
    world = colleagues(*((contact, 5, "2010-01-01", None) for contact in (1, 2, 3)))
    load(installed, world)
    load_edges(installed, oracle.edges(world))
    installed.execute("DELETE FROM public.contact_work_experiences WHERE contact_id = 1")
    with psycopg.connect(dsn_of(installed)) as session:
        rows = session.execute(other.encode()).rowcount
        deleted = rows if other.startswith("DELETE") else 0
        writer = InThread(lambda: write_in_a_session(dsn_of(installed), smaller_ends_only))
        until(lambda: value(installed, WAITS))
        session.commit()
    assert writer.result() == 2 - deleted
    assert set(edges(installed)) == {(2, 3)}


@pytest.mark.parametrize("smaller_ends_only", [False, True])
@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("is_wrong", [True, False])
@pytest.mark.parametrize("missing", [{(1, 2)}, {(1, 3)}, {(1, 2), (1, 3), (1, 4)}])
def test_edges_that_another_session_inserts_are_not_inserted_twice(
    installed: Connection[Any], missing: set[tuple[int, int]], is_wrong: bool, commits: bool, smaller_ends_only: bool
) -> None:
    """A session for each missing edge inserts it. The first try fails at the first edge, and the second one updates."""
    world = colleagues(*((contact, 5, "2010-01-01", None) for contact in (1, 2, 3, 4)))
    load(installed, world)
    wanted = oracle.edges(world)
    load_edges(installed, {pair: edge for pair, edge in wanted.items() if pair not in missing})
    installed.execute(f"UPDATE {ROWS} SET people = 500 WHERE contact_a_id = 1".encode())
    with ExitStack() as stack:
        sessions = [stack.enter_context(psycopg.connect(dsn_of(installed))) for _ in missing]
        for session, pair in zip(sessions, sorted(missing), strict=True):
            load_edges(session, {pair: wanted[pair]._replace(strength=5 if is_wrong else wanted[pair].strength)})
        writer = InThread(lambda: write_in_a_session(dsn_of(installed), smaller_ends_only))
        for session in sessions:
            until(lambda: value(installed, WAITS))
            (session.commit if commits else session.rollback)()
    assert writer.result() == (3 if is_wrong or not commits else 3 - len(missing))
    assert work_edges(stored(installed)) == wanted


@pytest.mark.parametrize(("conflict", "missing", "wrong"), [*permutations((2, 3, 4))])
def test_a_second_try_does_not_deadlock_with_a_first_one(
    installed: Connection[Any], conflict: int, missing: int, wrong: int
) -> None:
    """Two sessions update one edge and insert two. A third one inserts one of these, so the first one tries again.

    A trigger stops the second try until the second session has the lock of the edge to update, and stops the second
    session there until the second try has gone as far as it can.
    """
    world = colleagues(*((contact, 5, "2010-01-01", None) for contact in (1, 2, 3, 4)))
    world = replace(world, sizes={5: 2})  # without it, the first session would count, and the second wait for that
    load(installed, world)
    wanted = oracle.edges(world)
    load_edges(installed, {pair: edge for pair, edge in wanted.items() if pair not in ((1, conflict), (1, missing))})
    installed.execute(f"UPDATE {ROWS} SET people = 500 WHERE contact_a_id = 1 AND contact_b_id = {wrong}".encode())
    installed.execute(
        "CREATE OR REPLACE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN"
        " PERFORM pg_advisory_lock(n), pg_advisory_unlock(n)"
        " FROM CAST(current_setting('test.lock', true) AS integer) AS n;"
        " RETURN NEW; END $f$"
    )
    installed.execute(
        f"CREATE OR REPLACE TRIGGER wait BEFORE INSERT ON {ROWS} FOR EACH ROW WHEN (NEW.contact_a_id = 1 AND"
        f" NEW.contact_b_id = {missing}) EXECUTE FUNCTION wait_for_test()".encode()
    )
    with (
        psycopg.connect(dsn_of(installed)) as third,
        psycopg.connect(dsn_of(installed), autocommit=True) as first,
        psycopg.connect(dsn_of(installed), autocommit=True) as second,
    ):
        load_edges(third, {(1, conflict): wanted[1, conflict]})
        writers = []
        for lock, session in enumerate((first, second)):
            session.execute(f"SET test.lock = {lock}".encode())
            writers.append(InThread(partial(write, session, [1])))
            until(partial(value, installed, WAITS_FOR, session.info.backend_pid, ["transactionid"]))
            installed.execute("SELECT pg_advisory_lock(%s)", (lock,))
        third.commit()
        until(partial(value, installed, WAITS_FOR, first.info.backend_pid, ["advisory", "transactionid"]))
        for lock, session in ((0, second), (1, first)):
            until(partial(has_stopped, installed, writers[1 - lock], session))
            installed.execute("SELECT pg_advisory_unlock(%s)", (lock,))
        assert sum(writer.result() for writer in writers) == 2
    installed.execute(f"DROP TRIGGER wait ON {ROWS}; DROP FUNCTION wait_for_test".encode())
    assert work_edges(stored(installed)) == wanted


def has_stopped(connection: Connection[Any], writer: InThread, session: Connection[Any]) -> bool:
    """Whether a writer has ended, or its session waits for a lock."""
    pid = session.info.backend_pid
    return not writer.is_alive() or value(connection, WAITS_FOR, pid, ["advisory", "transactionid"]) is True


def write_in_a_session(dsn: str, smaller_ends_only: bool) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return write(connection, [1], smaller_ends_only)


def test_a_plan_made_for_an_empty_table_still_finds_edges_by_index(installed: Connection[Any]) -> None:
    """A session keeps its generic plan. It may have made it before the first edge was written."""
    load(installed, World(contacts=frozenset(range(1, 400)), organizations=frozenset({1})))
    installed.execute("VACUUM (ANALYZE) connection_paths.contact_connections")
    with psycopg.connect(dsn_of(installed), autocommit=True) as session:
        for _ in range(6):
            assert write(session, [1]) == 0
        session.execute(
            "INSERT INTO public.contact_work_experiences"
            " SELECT g, g, 1, '', '2010-01-01', NULL FROM generate_series(1, 399) AS g"
        )
        write(session, list(range(1, 400)))
        session.execute("DELETE FROM public.contact_work_experiences WHERE contact_id = 7")
        session.execute("SET statement_timeout = '5s'")
        assert write(session, [7]) == 398
