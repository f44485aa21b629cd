"""A command goes on after its primary has been killed and the standby promoted, by the same connection string."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count

import pytest

from orchestrator.core.database import Connection
from orchestrator.finders.question import Question
from orchestrator.playground.database import Database
from orchestrator.runs import runs
from tests.support.command_line import finish, run, start
from tests.support.kills import DONE, WRONG, check_edges, check_sample, check_succeeds, drain
from tests.support.properties import first_of, long
from tests.support.sessions import connect, value
from tests.support.standbys import Pair, books_of, pair, seed_world
from tests.support.waiting import until

CONTACTS = 150
NUMBERS = count(1)
LEFT = "SELECT count(*) FROM connection_paths.backfill_batches AS b WHERE b.status <> 'done'"


@pytest.fixture(scope="module")
def made() -> Iterator[Pair]:
    with pair() as servers:
        seed_world(servers.primary.dsn, "seeded", CONTACTS)
        with_edges = servers.copy("seeded", "with_edges")
        assert run("--dsn", with_edges, "backfill", "--no-throttle").exit_code == 0
        yield servers


@pytest.fixture
def servers(made: Pair) -> Pair:
    """A primary and a standby; after a failover, the next test gets another standby."""
    made.mend()
    return made


@pytest.fixture
def dsn(servers: Pair, request: pytest.FixtureRequest) -> str:
    """The connection string of a database on the primary; it has edges for tests of ``filled``."""
    template = "with_edges" if "filled" in request.fixturenames else "seeded"
    return servers.copy(template, f"world_{next(NUMBERS)}")


@pytest.fixture
def filled(dsn: str) -> str:
    """The connection string of a database with edges, on the primary."""
    return dsn


@pytest.fixture
def begin(servers: Pair, dsn: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command with both servers as hosts; it is ended with the test."""
    begun: list[subprocess.Popen[str]] = []

    def one(*words: str) -> subprocess.Popen[str]:
        begun.append(start("--dsn", servers.hosts(dsn, standby_first=True), "--json", *words))
        return begun[-1]

    yield one
    for process in begun:
        process.kill()
        process.communicate()


def lose_later_commits(servers: Pair, dsn: str) -> None:
    """Cut the standby off, and wait until the primary has done five batches more than the standby, or all batches."""
    servers.cut_off()
    with connect(dsn) as primary, connect(servers.on_standby(dsn)) as standby:
        kept = value(standby, DONE)
        until(lambda: value(primary, DONE) >= kept + 5 or not value(primary, LEFT))


BACKFILL = ("backfill", "--no-throttle", "--workers", "2", "--batch-edges", "30")


@pytest.mark.parametrize("strategy", first_of(2, ["rebuild", "in_place"]))
def test_a_backfill_goes_on(
    servers: Pair, dsn: str, begin: Callable[..., subprocess.Popen[str]], strategy: str
) -> None:
    process = begin(*BACKFILL, "--strategy", strategy)
    with connect(servers.on_standby(dsn)) as standby:
        until(lambda: value(standby, DONE) >= 10)
        lose_later_commits(servers, dsn)
        # edges and the record of them are lost together
        table = "contact_connections" if strategy == "in_place" else "contact_connections_next"
        recorded, stored = books_of(standby, table)
        assert recorded == stored > 0
    servers.fail_over()
    assert check_succeeds(process)["run_id"] == 1
    with connect(servers.on_standby(dsn)) as promoted:
        assert runs.read(promoted, 1).edges_changed == books_of(promoted, "contact_connections")[1]
        check_edges(promoted)


@pytest.mark.long
def test_a_run_that_is_lost_begins_again(servers: Pair, dsn: str, begin: Callable[..., subprocess.Popen[str]]) -> None:
    """The standby does not know the run."""
    servers.cut_off()
    process = begin(*BACKFILL, "--strategy", "rebuild")
    with connect(dsn) as primary:
        until(lambda: value(primary, DONE) >= 5)
    servers.fail_over()
    check_succeeds(process)
    with connect(servers.on_standby(dsn)) as promoted:
        check_edges(promoted)


@pytest.mark.long
def test_the_exchange_of_a_rebuild_is_done_by_the_new_primary(
    servers: Pair, dsn: str, begin: Callable[..., subprocess.Popen[str]]
) -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(0.1)' AND EXISTS ("
        " SELECT FROM pg_stat_user_tables WHERE relname = 'contact_connections_next' AND vacuum_count > 0)"
    )
    with closing(connect(dsn)) as reader, connect(dsn) as primary:
        reader.execute("BEGIN; SELECT FROM connection_paths.contact_connections LIMIT 1")  # prevents the exchange
        process = begin(*BACKFILL[:-2], "--strategy", "rebuild")
        until(lambda: value(primary, waiting) > 0, 30)
        servers.fail_over()
    check_succeeds(process)
    with connect(servers.on_standby(dsn)) as promoted:
        check_edges(promoted)


@pytest.mark.long
def test_an_exchange_that_is_lost_is_done_again(
    servers: Pair, dsn: str, begin: Callable[..., subprocess.Popen[str]]
) -> None:
    """The primary reports the run as finished; the standby has not received the exchange."""
    process = begin(*BACKFILL[:-2], "--strategy", "rebuild")
    with connect(dsn) as primary:
        until(lambda: value(primary, DONE) > 0)
        servers.cut_off()
    check_succeeds(process)
    servers.fail_over()
    check_succeeds(begin(*BACKFILL[:-2]))
    with connect(servers.on_standby(dsn)) as promoted:
        check_edges(promoted)


def change_everything(connection: Connection) -> None:
    connection.execute("UPDATE public.contact_work_experiences SET date_to = date_from + 700 WHERE id % 3 = 0")


@pytest.mark.parametrize("loss", first_of(2, [True, False], lambda loss: "commits lost" if loss else "nothing lost"))
def test_a_sync_goes_on(servers: Pair, filled: str, begin: Callable[..., subprocess.Popen[str]], loss: bool) -> None:
    waiting = "SELECT count(*) FROM connection_paths.contact_changes"
    with connect(filled) as primary, closing(connect(filled)) as holder:
        change_everything(primary)
        servers.catch_up()
        before = value(primary, waiting)
        holder.execute("BEGIN; SELECT FROM connection_paths.contact_changes LIMIT 1 FOR UPDATE")  # sync waits for it
        if loss:
            servers.cut_off()
        process = begin("sync")
        until(lambda: 0 < value(primary, waiting) < before)
        servers.fail_over()
    code, out, err = finish(process)
    assert code == 0, err or out
    with connect(servers.on_standby(filled)) as promoted:
        assert value(promoted, waiting) == 0
        check_edges(promoted)


def test_changes_that_are_lost_take_their_edges_with_them(servers: Pair, filled: str) -> None:
    with connect(filled) as primary:
        servers.cut_off()
        change_everything(primary)
        drain(primary)
        right = value(primary, "SELECT sum(date_to - date_from) FROM connection_paths.contact_connections")
    servers.fail_over()
    with connect(servers.on_standby(filled)) as promoted:
        assert promoted.execute(WRONG.encode()).fetchall() == []
        check_sample(promoted)
        assert right != value(promoted, "SELECT sum(date_to - date_from) FROM connection_paths.contact_connections")
        change_everything(promoted)
        assert run("--dsn", servers.hosts(filled), "sync").exit_code == 0
        check_edges(promoted)


def test_the_playground_goes_on(servers: Pair, filled: str) -> None:
    pages = Database(servers.hosts(filled))
    question = Question(1, 1, 1, 2, 5)
    try:
        before = pages.answer(question).document
        assert not pages.answer(question).is_new_connection
        servers.fail_over()
        after = pages.answer(question)
        assert after.is_new_connection
        assert after.document["paths"] == before["paths"]
        assert pages.collections()
    finally:
        pages.close()


@pytest.mark.parametrize(
    ("command", "table"),
    [
        (("organizations", "exclude", "1", "2"), "organization_policy"),
        long(("resolve", "propose"), "name_decisions"),
    ],
)
def test_a_short_command_fails_in_one_line_and_can_be_repeated(
    servers: Pair, filled: str, begin: Callable[..., subprocess.Popen[str]], command: tuple[str, ...], table: str
) -> None:
    with closing(connect(filled)) as holder:
        holder.execute(f"BEGIN; LOCK TABLE connection_paths.{table}".encode())
        process = begin(*command)
        with connect(filled) as primary:
            until(lambda: value(primary, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
        servers.fail_over()
    code, out, err = finish(process)
    assert code == 1
    assert "server closed the connection" in str(json.loads(out)), out + err
    again = run("--dsn", servers.hosts(filled, standby_first=True), *command)
    assert again.exit_code == 0, again.output
    with connect(servers.on_standby(filled)) as promoted:
        assert value(promoted, "SELECT count(*) FROM connection_paths.contact_changes") == 0
        if table == "organization_policy":
            assert value(promoted, "SELECT count(*) FROM connection_paths.organization_policy") == 2
        else:
            assert promoted.execute(WRONG.encode()).fetchall() == []
