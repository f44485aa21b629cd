"""Runs survive random disturbances beside writers, readers and sync, which do not notice a rebuild."""

from __future__ import annotations

import json
import random
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg
import pytest
from psycopg import sql

from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.runs import runs
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.command_line import finish
from tests.support.kills import (
    ROWS,
    SEED,
    SOAK,
    Server,
    begin,
    check_edges,
    check_run,
    check_succeeds,
    drain,
)
from tests.support.sessions import connect, value

SECONDS = float(SOAK or "6")
CONTACTS = 3000 if SOAK else 1500  # about 114,000 and 65,000 edges
LARGE = (1, 128, 255, 256, 511)  # organizations of hundreds; in between, others
SMALL = range(130, 240)
ALL = range(1, 520)


@pytest.fixture(scope="module")
def world_size() -> int:
    return CONTACTS


# Beside a run


class Beside:
    """Threads, each of which repeats one action over a connection of its own."""

    def __init__(self, dsn: str, *, survive: bool) -> None:
        self.done = 0
        self.errors: list[str] = []
        self.passed: dict[str, int] = {}
        self._dsn = dsn
        self._survive = survive
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def go(self, each: Callable[[Connection, random.Random], None], number: int, **settings: str) -> None:
        """Start another thread; *number* is the seed of its choices."""
        thread = threading.Thread(target=self._loop, args=(each, random.Random(number), settings), daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _loop(
        self, each: Callable[[Connection, random.Random], None], rng: random.Random, settings: dict[str, str]
    ) -> None:
        connection: Connection | None = None
        while not self._ended.is_set():
            try:
                if connection is None:
                    connection = connect(self._dsn, settings=settings)
                each(connection, rng)
                self.done += 1
            except (psycopg.Error, OrchestratorError, AssertionError) as error:
                self._note(error)
                if connection is not None:
                    connection.close()
                connection = None
                self._ended.wait(0.1)
        if connection is not None:
            connection.close()

    def _note(self, error: Exception) -> None:
        # Deadlocks happen between the application and sync. The other errors are those that a client sees in a crash.
        passing = (psycopg.OperationalError, OrchestratorError) if self._survive else psycopg.errors.DeadlockDetected
        if isinstance(error, passing):
            self.passed[type(error).__name__] = self.passed.get(type(error).__name__, 0) + 1
        else:
            self.errors.append(f"{type(error).__name__}: {error}")


@contextmanager
def beside(dsn: str, *, survive: bool = False) -> Iterator[Beside]:
    """Threads for the length of a block; fails when one of them had an error."""
    threads = Beside(dsn, survive=survive)
    try:
        yield threads
    finally:
        threads.stop()
    assert threads.errors == []
    assert threads.done > 0


ANY_EXPERIENCE = "(SELECT id FROM public.contact_work_experiences WHERE id >= %(n)s ORDER BY id LIMIT 1)"
EDITS = (
    f"UPDATE public.contact_work_experiences SET date_to = date_from + %(days)s WHERE id = {ANY_EXPERIENCE}",
    f"UPDATE public.contact_work_experiences SET date_to = NULL WHERE id = {ANY_EXPERIENCE}",
    f"UPDATE public.contact_work_experiences SET organization_id = %(o)s WHERE id = {ANY_EXPERIENCE}",
    f"UPDATE public.contact_work_experiences SET contact_id = %(c)s WHERE id = {ANY_EXPERIENCE}",
    f"DELETE FROM public.contact_work_experiences WHERE id = {ANY_EXPERIENCE}",
    "INSERT INTO public.contact_work_experiences"
    " SELECT max(id) + 1, %(c)s, %(o)s, '', DATE '2015-01-01' + %(days)s, NULL FROM public.contact_work_experiences",
    "DELETE FROM public.contacts WHERE id = %(c)s",
    "INSERT INTO public.contacts VALUES (%(c)s, 'come back') ON CONFLICT DO NOTHING",
    "DELETE FROM public.organizations WHERE id = %(o)s",
    "INSERT INTO public.organizations VALUES (%(o)s, 'come back') ON CONFLICT DO NOTHING",
    "INSERT INTO public.organizations VALUES (%(o)s, 'come back') ON CONFLICT DO NOTHING",
)


def write(connection: Connection, rng: random.Random, organizations: Sequence[int] = (*LARGE * 20, *ALL)) -> None:
    """Change the host tables one to four times in a transaction, which may be slow or rolled back."""
    with suppress(psycopg.errors.UniqueViolation), connection.transaction(force_rollback=rng.random() < 0.1):
        for _ in range(rng.choice((1, 1, 2, 4))):
            edit = rng.choice(EDITS)
            connection.execute(
                edit.encode(),
                {
                    "n": rng.randrange(1, 8 * CONTACTS),
                    "c": rng.randrange(1, CONTACTS + 50),
                    "o": rng.choice(organizations),
                    "days": rng.randrange(2000),
                },
            )
            time.sleep(rng.choice((0, 0, 0.005, 0.03)))
    time.sleep(rng.uniform(0, 0.02))


def write_little(connection: Connection, rng: random.Random) -> None:
    """Do the same without adding or removing large organizations."""
    write(connection, rng, SMALL)


def befriend(connection: Connection, rng: random.Random) -> None:
    """Write an edge of the application's own kind, and a copy into a table to compare with."""
    pair = {"a": rng.randrange(1, 60), "b": rng.randrange(60, 120)}
    with connection.transaction():
        if rng.random() < 0.4:
            connection.execute("DELETE FROM public.app_friends WHERE a_id = %(a)s AND b_id = %(b)s", pair)
            connection.execute(
                "DELETE FROM connection_paths.contact_connections"
                " WHERE contact_a_id = %(a)s AND contact_b_id = %(b)s AND kind = 'friend'",
                pair,
            )
        else:
            connection.execute("INSERT INTO public.app_friends VALUES (%(a)s, %(b)s) ON CONFLICT DO NOTHING", pair)
            connection.execute(
                "INSERT INTO connection_paths.contact_connections AS c (contact_a_id, contact_b_id, kind)"
                " VALUES (%(a)s, %(b)s, 'friend')"
                " ON CONFLICT (contact_a_id, contact_b_id, kind) DO UPDATE SET computed_at = clock_timestamp()",
                pair,
            )
    time.sleep(rng.uniform(0, 0.02))


def sync(connection: Connection, rng: random.Random) -> None:
    connection.execute("SELECT * FROM connection_paths.sync_changes(50)")
    time.sleep(rng.uniform(0, 0.02))


def read(connection: Connection, rng: random.Random) -> None:
    """Call find_paths as the application does."""
    connection.execute(
        "SELECT connection_paths.find_paths(%s, 1, 1001, max_depth => 3)", (rng.randrange(1, CONTACTS + 1),)
    )
    time.sleep(rng.uniform(0, 0.02))


def count_edges(connection: Connection, least: int) -> None:
    """Count the edges with a snapshot that is taken under the lock, or with one that may be older than the lock."""
    for query in (ROWS, "SELECT public.edges_there()"):
        found = value(connection, query)
        assert found >= least, f"{found} edges instead of {least} at least"


# Readers and writers


@pytest.mark.long
def test_readers_and_writers_do_not_notice_a_rebuild(private_world: str) -> None:
    backfill(private_world, BackfillOptions(2, "rebuild", limits=None))
    with connect(private_world) as connection:
        connection.execute(
            "CREATE FUNCTION public.edges_there() RETURNS bigint LANGUAGE plpgsql STABLE AS"
            " 'BEGIN RETURN (SELECT count(*) FROM connection_paths.contact_connections WHERE kind = ''work_overlap'');"
            " END'"
        )
        least = value(connection, ROWS) * 3 // 4  # writers delete some edges
        drain(connection)
        with beside(private_world) as threads:
            for number in range(2):
                threads.go(read, number, lock_timeout="2s")
            threads.go(lambda connection, _: count_edges(connection, least), 2, lock_timeout="2s")
            for number in range(2):
                threads.go(write_little, SEED + number)
            threads.go(befriend, SEED)
            threads.go(sync, 0)
            for number in (2, 3) if SOAK else (2,):
                printed = check_succeeds(begin(private_world, "--strategy", "rebuild", "--batch-edges", "200"))
                assert printed["run_id"] == number
        drain(connection)
        check_run(connection, printed["run_id"])
        check_edges(connection)


# Everything at once


#: Errors of a process that was not killed: the run did not exist yet, or was over.
MAY_SAY = re.compile(
    "cannot connect|is under way|cancelled"
    # before the run is created, a lost connection is an error
    "|the connection is lost|server closed the connection|terminating connection|consuming input failed"
)


class Chaos:
    """Kills and other disturbances, chosen at random."""

    def __init__(self, server: Server, dsn: str, rng: random.Random) -> None:
        self.lost_claims: dict[int, int] = {}
        self.did: dict[str, int] = {}
        self.processes: list[tuple[subprocess.Popen[str], int]] = []
        self._server = server
        self._dsn = dsn
        self._rng = rng

    def act(self) -> None:
        """Make sure that a process works, then disturb it."""
        self._reap()
        if len(self.processes) < self._rng.choice((1, 2, 3)):
            self._start()
        name, harm = self._rng.choice(
            (
                ("kill", self._kill),
                ("kill", self._kill),
                ("terminate", self._terminate),
                ("terminate", self._terminate),
                ("lock edges", self._lock_edges),
                ("lock batches", self._lock_batches),
                ("hinder", self._hinder),
                ("pause", self._pause),
                ("cancel", self._cancel),
                ("crash", self._crash),
                ("postmaster", self._postmaster),
            )
        )
        harm()
        self.did[name] = self.did.get(name, 0) + 1

    def end(self) -> None:
        """Wait until all processes have ended."""
        while self.processes:
            process, _ = self.processes.pop()
            self._check(*finish(process, 120))

    def _check(self, code: int, out: str, err: str) -> None:
        assert "Traceback" not in err, err
        if code == 0:
            assert json.loads(out)["status"] == "succeeded"
        elif code > 0:
            assert MAY_SAY.search(err + out), (code, out, err)

    def _reap(self) -> None:
        for each in [each for each in self.processes if each[0].poll() is not None]:
            self.processes.remove(each)
            self._check(*finish(each[0]))

    def _start(self) -> None:
        workers = self._rng.choice((1, 2, 4))
        with connect(self._dsn) as connection:
            run = runs.active(connection)
        strategy = run.strategy if run else self._rng.choice(("in_place", "in_place", "rebuild"))
        batch_edges = str(self._rng.choice((30, 100, 300)))
        process = begin(self._dsn, "--strategy", strategy, "--batch-edges", batch_edges, workers=workers)
        self.processes.append((process, workers))

    def _lose(self, claims: int) -> None:
        """Remember that the active run may have lost claims."""
        with connect(self._dsn) as connection:
            run = runs.active(connection)
        if run is not None:
            self.lost_claims[run.run_id] = self.lost_claims.get(run.run_id, 0) + claims

    def _everybody(self) -> int:
        return sum(workers for _, workers in self.processes)

    def _kill(self) -> None:
        if self.processes:
            process, workers = self.processes.pop(self._rng.randrange(len(self.processes)))
            process.kill()
            process.communicate()
            self._lose(workers)

    def _terminate(self) -> None:
        self._lose(1)
        with connect(self._dsn) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'orchestrator' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
            )

    def _crash(self) -> None:
        self._lose(self._everybody())
        self._server.crash(self._dsn)
        self._lose(self._everybody())  # of a run that has begun since

    def _postmaster(self) -> None:
        self._lose(self._everybody())
        self._server.kill()
        self._lose(self._everybody())

    def _lock_edges(self) -> None:
        with connect(self._dsn) as connection, connection.transaction():
            connection.execute("LOCK TABLE connection_paths.contact_connections IN SHARE MODE")
            time.sleep(0.3)

    def _lock_batches(self) -> None:
        with connect(self._dsn) as connection, connection.transaction():
            connection.execute("SELECT FROM connection_paths.backfill_batches ORDER BY random() LIMIT 20 FOR UPDATE")
            time.sleep(0.3)

    def _hinder(self) -> None:
        setting, to = self._rng.choice((("lock_timeout", "10ms"), ("statement_timeout", "1s")))
        with connect(self._dsn) as connection:
            name = sql.Identifier(connection.info.dbname)
            setting_to = sql.SQL("{} = {}").format(sql.Identifier(setting), sql.Literal(to))
            connection.execute(sql.SQL("ALTER DATABASE {} SET {}").format(name, setting_to))
            time.sleep(self._rng.uniform(0.2, 0.6))
            connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(name))

    def _pause(self) -> None:
        with connect(self._dsn) as connection:
            for function, status in (("pause_run", "running"), ("resume_run", "paused")):
                connection.execute(
                    f"SELECT connection_paths.{function}(run_id) FROM connection_paths.backfill_runs"
                    f" WHERE status = '{status}'".encode()
                )
                time.sleep(0.2)

    def _cancel(self) -> None:
        with connect(self._dsn) as connection:
            run = runs.active(connection)
            if run is None or self._rng.random() < 0.5:
                return
            connection.execute(
                "SELECT connection_paths.request_cancel(run_id) FROM connection_paths.backfill_runs"
                " WHERE run_id = %s AND is_active",
                (run.run_id,),
            )
            if self._rng.random() < 0.5:
                retry_while_locked(
                    connection, lambda: connection.execute("SELECT connection_paths.cancel_run(%s)", (run.run_id,))
                )


#: The edges at the beginning: a third is missing and a third is wrong.
SPOIL = """
DELETE FROM connection_paths.contact_connections WHERE (contact_a_id + contact_b_id) % 3 = 0;
UPDATE connection_paths.contact_connections SET date_to = '2001-01-01', organization_id = 1
WHERE (contact_a_id + contact_b_id) % 3 = 1;
INSERT INTO connection_paths.contact_connections
SELECT n, n + 10000, 'work_overlap', 5, 1, 1, '2001-01-01', '2001-01-01', 0, 2 FROM generate_series(1, 300) AS n;
"""


@pytest.mark.long
def test_runs_survive_random_disturbances(private_server: Server, private_world: str) -> None:
    """After random disturbances, a finished run and a sync make every edge right, and edges stay right."""
    rng = random.Random(SEED)
    chaos = Chaos(private_server, private_world, rng)
    print(f"CONNECTION_PATHS_SOAK_SEED={SEED}")  # shown when it fails
    backfill(private_world, BackfillOptions(2, "rebuild", limits=None))
    with connect(private_world) as connection:
        drain(connection)
        connection.execute(SPOIL)
    with beside(private_world, survive=True) as threads:
        for number in range(2):
            threads.go(write, SEED + number)
        threads.go(befriend, SEED + 2)
        threads.go(sync, SEED + 3)
        threads.go(read, SEED + 4, lock_timeout="2s")
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            try:
                chaos.act()
            except (psycopg.OperationalError, OrchestratorError):  # the disturbance has hit this connection
                private_server.wait()
            time.sleep(rng.uniform(0.0, 0.5))
        with connect(private_world) as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(connection.info.dbname)))
            connection.execute(
                "SELECT connection_paths.resume_run(run_id) FROM connection_paths.backfill_runs WHERE status = 'paused'"
            )
            chaos.end()
            if runs.active(connection) or not any(
                run.status == "succeeded" and run.run_id > 1 for run in runs.listed(connection)
            ):
                check_succeeds(begin(private_world))
    with connect(private_world) as connection:
        drain(connection)
        ended = runs.listed(connection)
        print(chaos.did, threads.passed, threads.done, [(run.strategy, run.status) for run in ended])
        for run in ended:
            if run.status != "cancelled":
                check_run(connection, run.run_id, chaos.lost_claims.get(run.run_id, 0))
            elif run.phase != "finished":  # cancelled by an operator, and no process cleaned up
                runs.cancel(connection, run.run_id)
        check_edges(connection)
