"""Runs survive kills of processes, sessions and the server, beside writers, readers and sync.

``make test`` runs the short form. ``CONNECTION_PATHS_SOAK_KILLS=600`` makes ten minutes of the chaos, and
``CONNECTION_PATHS_SOAK_SEED`` repeats its choices, though not their timing.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.core import embedded
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.install.installation import install
from orchestrator.runs import runs
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic
from tests.support import oracle
from tests.support.command_line import finish, start
from tests.support.sessions import connect, value
from tests.support.waiting import until
from tests.support.world import Edge, Experience, Pair, World

SOAK = os.environ.get("CONNECTION_PATHS_SOAK_KILLS")
SECONDS = float(SOAK or "10")
SEED = int(os.environ.get("CONNECTION_PATHS_SOAK_SEED", str(random.randrange(10**6))))
CONTACTS = 3000 if SOAK else 1500  # about 114,000 and 65,000 edges
LARGE = (1, 128, 255, 256, 511)  # organizations of hundreds; in between, others
SMALL = range(130, 240)
ALL = range(1, 520)
SETTINGS = {**embedded.SETTINGS, "shared_buffers": "128MB"}
STRATEGIES = ("in_place", "rebuild")
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES)
#: The wrong edges, each with its fault, by a self-join that uses no function of the package.
WRONG = """
WITH usable AS (
    SELECT e.contact_id, e.organization_id, e.date_from, COALESCE(e.date_to, 'infinity') AS date_to
    FROM public.contact_work_experiences AS e
    WHERE e.date_from <= COALESCE(e.date_to, 'infinity')
        AND e.contact_id IN (SELECT id FROM public.contacts)
        AND e.organization_id IN (SELECT id FROM public.organizations)
),
right_edges AS (
    SELECT DISTINCT ON (a.contact_id, b.contact_id)
        a.contact_id AS a_id, b.contact_id AS b_id, a.organization_id,
        GREATEST(a.date_from, b.date_from) AS date_from, LEAST(a.date_to, b.date_to) AS date_to
    FROM usable AS a
    JOIN usable AS b ON b.organization_id = a.organization_id AND b.contact_id > a.contact_id
        AND a.date_from <= b.date_to AND b.date_from <= a.date_to
    ORDER BY a_id, b_id, 5 DESC, 4, 3
),
edges AS (
    SELECT contact_a_id, contact_b_id, organization_id, date_from, COALESCE(date_to, 'infinity')
    FROM connection_paths.contact_connections WHERE kind = 'work_overlap'
)
(SELECT 'missing', * FROM (TABLE right_edges EXCEPT ALL TABLE edges) AS m LIMIT 5)
UNION ALL
(SELECT 'surplus', * FROM (TABLE edges EXCEPT ALL TABLE right_edges) AS s LIMIT 5)
"""
FRIENDS = """
(
    SELECT 'lost', f.a_id, f.b_id FROM public.app_friends AS f
    EXCEPT ALL
    SELECT 'lost', contact_a_id, contact_b_id FROM connection_paths.contact_connections WHERE kind = 'friend'
)
UNION ALL
(
    SELECT 'risen', contact_a_id, contact_b_id FROM connection_paths.contact_connections WHERE kind = 'friend'
    EXCEPT ALL
    SELECT 'risen', f.a_id, f.b_id FROM public.app_friends AS f
)
LIMIT 5
"""
LEFT_BEHIND = """
SELECT c.oid::regclass::text FROM pg_class AS c
WHERE c.relname IN ('contact_connections_next', 'contact_connections_old')
UNION ALL
SELECT t.tgname FROM pg_trigger AS t
WHERE t.tgrelid = 'connection_paths.contact_connections_live'::regclass AND NOT t.tgisinternal
UNION ALL
SELECT 'an index that is not attached: ' || i.indexrelid::regclass
FROM pg_index AS i
WHERE i.indrelid = 'connection_paths.contact_connections_live'::regclass
    AND (NOT i.indisvalid OR NOT EXISTS (SELECT FROM pg_inherits AS h WHERE h.inhrelid = i.indexrelid))
UNION ALL
SELECT 'a partition: ' || i.inhrelid::regclass FROM pg_inherits AS i
WHERE i.inhparent = 'connection_paths.contact_connections'::regclass
    AND i.inhrelid <> 'connection_paths.contact_connections_live'::regclass
"""
LOCKS = """
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
BATCHES = """
SELECT above_contact_id, upto_contact_id, status, attempts, failures, worker_id, edges_changed, error, batch_id
FROM connection_paths.backfill_batches WHERE run_id = %s ORDER BY above_contact_id NULLS FIRST
"""
ROWS = "SELECT count(*) FROM connection_paths.contact_connections WHERE kind = 'work_overlap'"
DONE = "SELECT count(*) FROM connection_paths.backfill_batches AS b WHERE b.status = 'done'"


class Server:
    """A private server that can be killed, and started again."""

    def __init__(self, directory: Path, dsn: str, binaries: Path | None, stack: ExitStack) -> None:
        self.dsn = dsn
        self._directory = directory
        self._binaries = binaries
        self._stack = stack
        self._numbers = count(1)

    def database(self, template: str) -> str:
        """Return the connection string of a new copy of a database."""
        name = f"copy_{next(self._numbers)}"
        with connect(self.dsn) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return make_conninfo(self.dsn, dbname=name)

    def kill(self) -> None:
        """SIGKILL the postmaster, and those children that still run after a while; then start it again."""
        postmaster = int((self._directory / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
        children = {pid for pid, parent in _processes() if parent == postmaster}
        os.kill(postmaster, signal.SIGKILL)
        deadline = time.monotonic() + 3
        while left := children & {pid for pid, _ in _processes()}:
            if time.monotonic() > deadline:
                for pid in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        embedded.stop(self._directory)  # the process that watches the server ends with it
        self._stack.enter_context(embedded.serve(self._directory, binaries=self._binaries, settings=SETTINGS))

    def crash(self, dsn: str) -> None:
        """SIGKILL one session of a database: the postmaster ends all the others and recovers."""
        with psycopg.connect(dsn, autocommit=True) as connection:  # so that no session is in the middle of a commit
            row = connection.execute(
                "SELECT pid FROM pg_stat_activity"
                " WHERE datname = current_database() AND backend_type = 'client backend'"
                " ORDER BY application_name = 'orchestrator' DESC, random() LIMIT 1"
            ).fetchone()
            assert row is not None
            with suppress(ProcessLookupError):  # the process has just ended
                os.kill(row[0], signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        """Wait until the server takes connections."""

        def answers() -> bool:
            try:
                psycopg.connect(self.dsn, connect_timeout=5).close()
            except psycopg.OperationalError:
                return False
            return True

        until(answers, 60)


def _processes() -> Iterator[tuple[int, int]]:
    """Return every process that has not ended, with its parent."""
    shown = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    for line in shown.splitlines():
        pid, parent, state = line.split(None, 2)
        if not state.startswith("Z"):
            yield int(pid), int(parent)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for this file alone, with a database ``seeded`` that tests copy."""
    given = os.environ.get("ORCHESTRATOR_TEST_PG_BIN")
    binaries = Path(given) if given else None
    with embedded.serve_temporarily(binaries=binaries, settings=SETTINGS) as (directory, dsn), ExitStack() as stack:
        with connect(dsn) as connection:
            connection.execute("CREATE DATABASE seeded")
        template = make_conninfo(dsn, dbname="seeded")
        with connect(template) as connection:
            seed.load(connection, "public", seed_synthetic.tables(CONTACTS, 1), replace=False)
            install(template)
            connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'friend'")
            connection.execute("CREATE TABLE public.app_friends (a_id bigint, b_id bigint, PRIMARY KEY (a_id, b_id))")
            connection.execute("VACUUM ANALYZE")
        yield Server(directory, dsn, binaries, stack)


@pytest.fixture
def world(server: Server) -> str:
    """The connection string of a database with a few thousand contacts, the package, and no edges."""
    return server.database("seeded")


BEGUN: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _none_left() -> Iterator[None]:
    """End the processes that a failed test has left running."""
    yield
    while BEGUN:
        BEGUN.pop().kill()


def begin(dsn: str, *words: str, workers: int = 2) -> subprocess.Popen[str]:
    """Start a process that takes part in a backfill."""
    BEGUN.append(start("--dsn", dsn, "--json", "backfill", "--no-throttle", "--workers", str(workers), *words))
    return BEGUN[-1]


def check_succeeds(process: subprocess.Popen[str], timeout: float = 60) -> dict[str, Any]:
    code, out, err = finish(process, timeout)
    assert code == 0, err or out
    printed: dict[str, Any] = json.loads(out)
    assert printed["status"] == "succeeded"
    return printed


def until_filling(dsn: str, share: float, process: subprocess.Popen[str]) -> None:
    """Wait until a share of the batches is done."""
    with connect(dsn) as connection:
        until(lambda: _share_done(connection) >= share or process.poll() is not None, 30)
    assert process.poll() is None, finish(process)


def _share_done(connection: Connection) -> float:
    run = runs.active(connection)
    return 0.0 if run is None else run.batches_done / run.batches


def check_run(connection: Connection, run_id: int, lost_claims: int = 0) -> None:
    """Check that each batch of a run was done once, and that not more claims were lost than kills explain."""
    run = runs.read(connection, run_id)
    rows = connection.execute(BATCHES, (run_id,)).fetchall()
    assert (run.status, run.phase) == ("succeeded", "finished")
    assert {row[2] for row in rows} == {"done"}
    assert rows[0][0] is None
    assert rows[-1][1] is None
    assert all(one[1] is not None and one[1] == following[0] for one, following in pairwise(rows))
    assert run.edges_changed == sum(row[6] for row in rows)
    # The half that was split off has a greater number than later batches; the other half keeps its attempts.
    splits = sum(one[8] > following[8] for one, following in pairwise(rows))
    in_vain = run.attempts - run.batches - run.failures
    assert in_vain <= lost_claims + 10 * splits, f"{in_vain} claims in vain"


def check_edges(connection: Connection) -> None:
    """Check every edge by a join and a sample by the oracle, and that no table of a run is left."""
    assert connection.execute(WRONG.encode()).fetchall() == []
    assert connection.execute(FRIENDS.encode()).fetchall() == []
    assert connection.execute(LEFT_BEHIND.encode()).fetchall() == []
    until(lambda: value(connection, LOCKS) == 0, 5)
    check_sample(connection)


def check_sample(connection: Connection) -> None:
    """Compare the edges between some contacts with those of the oracle."""
    sample = [row[0] for row in connection.execute("SELECT id FROM public.contacts ORDER BY hashint8(id) LIMIT 150")]
    jobs = connection.execute(
        "SELECT id, contact_id, organization_id, date_from, date_to FROM public.contact_work_experiences"
        " WHERE contact_id = ANY (%s)",
        (sample,),
    ).fetchall()
    known = frozenset(row[0] for row in connection.execute("SELECT id FROM public.organizations"))
    rows = connection.execute(
        "SELECT contact_a_id, contact_b_id, kind::text, organization_id, date_from, date_to"
        " FROM connection_paths.contact_connections"
        " WHERE kind = 'work_overlap' AND contact_a_id = ANY (%(ids)s) AND contact_b_id = ANY (%(ids)s)",
        {"ids": sample},
    ).fetchall()
    stored: dict[Pair, Edge] = {(a, b): Edge(*rest) for a, b, *rest in rows}
    assert stored == oracle.edges(World(frozenset(sample), known, tuple(Experience(*job) for job in jobs)))
    assert stored


def drain(connection: Connection) -> None:
    """Process every change in the queue."""
    while value(connection, "SELECT taken FROM connection_paths.sync_changes(500)"):
        pass
    assert value(connection, "SELECT count(*) FROM connection_paths.contact_changes") == 0


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


# Processes


@each_strategy
def test_three_processes_share_a_run(world: str, strategy: str) -> None:
    ours = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'orchestrator' AND pid <> pg_backend_pid()"
    )
    with connect(world) as connection:
        connection.execute("SELECT connection_paths.create_run(%s, 100)", (strategy,))
        connection.execute(
            "SELECT connection_paths.pause_run(run_id) FROM connection_paths.backfill_runs WHERE status = 'running'"
        )
        processes = [begin(world, workers=workers) for workers in (1, 2, 3)]
        until(lambda: value(connection, ours) == 3 + 6, 30)
        connection.execute(
            "SELECT connection_paths.resume_run(run_id) FROM connection_paths.backfill_runs WHERE status = 'paused'"
        )
        printed = [check_succeeds(process) for process in processes]
        assert {each["run_id"] for each in printed} == {1}
        check_run(connection, 1)
        assert len({row[5] for row in connection.execute(BATCHES, (1,))}) > 3  # workers of at least two processes
        assert runs.read(connection, 1).failures == 0
        assert value(connection, ROWS) == runs.read(connection, 1).edges_changed
        check_edges(connection)


@each_strategy
def test_a_killed_process_loses_only_its_open_batches(world: str, strategy: str) -> None:
    rng = random.Random(SEED)
    words = ("--strategy", strategy, "--batch-edges", "30")
    shares = sorted(rng.uniform(0.0, 0.8) for _ in range(3))
    for share in shares:
        process = begin(world, *words, workers=3)
        until_filling(world, share, process)
        process.kill()
        process.communicate()
    assert check_succeeds(begin(world, *words, workers=3))["run_id"] == 1, f"seed {SEED}"
    with connect(world) as connection:
        check_run(connection, 1, lost_claims=3 * 3)
        assert value(connection, ROWS) == runs.read(connection, 1).edges_changed
        check_edges(connection)


@pytest.mark.parametrize("phase", ["carried", "indexing", "indexed", "swapped"])
def test_a_process_killed_near_the_end_of_a_rebuild(world: str, phase: str) -> None:
    """Each step after the last batch is done once, by the next process that comes."""
    with connect(world) as connection:
        # An index that waits at each row makes this step slow enough to kill the process in it.
        connection.execute(
            "DELETE FROM public.contacts WHERE id > 100;"
            "CREATE FUNCTION public.slowly(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS"
            " 'BEGIN IF n % 3 = 0 THEN PERFORM pg_sleep(0.002); END IF; RETURN n; END';"
            "CREATE INDEX app_slow ON connection_paths.contact_connections (public.slowly(contact_a_id))"
        )
        holder = connect(world)
        if phase == "swapped":
            pass  # killed as soon as the tables are exchanged
        elif phase == "indexed":  # a reader prevents the exchange
            holder.execute("BEGIN; SELECT FROM connection_paths.contact_connections LIMIT 1")
        process = begin(world, "--strategy", "rebuild")
        reached = {
            "carried": "SELECT count(*) FROM connection_paths.backfill_runs WHERE phase = 'indexing'",
            "indexing": "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
            " AND command = 'CREATE INDEX'",
            "indexed": "SELECT count(*) FROM pg_locks AS l WHERE NOT granted AND mode = 'AccessExclusiveLock'",
            "swapped": "SELECT count(*) FROM connection_paths.backfill_runs WHERE phase = 'exchanged'",
        }[phase]
        until(lambda: value(connection, reached) > 0 or process.poll() is not None, 30)
        process.kill()
        process.communicate()
        holder.close()
        assert check_succeeds(begin(world))["run_id"] == 1 or phase == "swapped"
        check_run(connection, 1)
        connection.execute("DROP INDEX connection_paths.app_slow")
        check_edges(connection)


# The server


@pytest.mark.parametrize(("strategy", "death"), [("in_place", "postmaster"), ("rebuild", "crash")])
def test_a_process_outlives_its_server(server: Server, world: str, strategy: str, death: str) -> None:
    process = begin(world, "--strategy", strategy, "--batch-edges", "30", workers=2)
    until_filling(world, 0.2, process)
    if death == "postmaster":
        server.kill()
    else:
        server.crash(world)
    assert check_succeeds(process)["run_id"] == 1
    with connect(world) as connection:
        check_run(connection, 1, lost_claims=2)
        assert value(connection, ROWS) == runs.read(connection, 1).edges_changed
        check_edges(connection)


def test_a_process_outlives_its_server_while_it_builds_indexes(server: Server, world: str) -> None:
    with connect(world) as connection:
        connection.execute(
            "DELETE FROM public.contacts WHERE id > 100;"
            "CREATE FUNCTION public.slowly(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS"
            " 'BEGIN PERFORM pg_sleep(0.002); RETURN n; END';"
            "CREATE INDEX app_slow ON connection_paths.contact_connections (public.slowly(contact_a_id))"
        )
        process = begin(world, "--strategy", "rebuild")
        building = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
        until(lambda: value(connection, building) > 0)
    server.kill()
    assert check_succeeds(process)["run_id"] == 1
    with connect(world) as connection:
        check_run(connection, 1)
        connection.execute("DROP INDEX connection_paths.app_slow")
        check_edges(connection)


@each_strategy
def test_a_run_reported_as_succeeded_survives_a_crash(server: Server, world: str, strategy: str) -> None:
    """Batches are committed without waiting for the disk. The success of a run waits for it."""
    with connect(world) as connection:
        connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.5)
    done = backfill(world, BackfillOptions(2, strategy, limits=None))
    server.kill()
    with connect(world) as connection:
        connection.execute("ALTER SYSTEM RESET ALL")
        connection.execute("SELECT pg_reload_conf()")
        check_run(connection, done.run.run_id)
        assert value(connection, ROWS) == done.run.edges_changed
        check_edges(connection)


@each_strategy
def test_batches_lost_in_a_crash_are_done_again(server: Server, world: str, strategy: str) -> None:
    """Workers do not wait for the disk, so batches that were done may be pending again after a crash."""
    with connect(world) as connection:
        connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        connection.execute("ALTER SYSTEM SET wal_writer_flush_after = '1GB'")
        connection.execute("SELECT pg_reload_conf()")
        open_batches = "SELECT count(*) FROM connection_paths.backfill_batches WHERE status <> 'done'"
        process = begin(world, "--strategy", strategy, "--batch-edges", "2000", workers=2)
        until(lambda: runs.active(connection) is not None, 30)
        while value(connection, open_batches) > 0 and process.poll() is None:
            time.sleep(0.002)
    server.kill()
    with connect(world) as connection:
        print(value(connection, open_batches), "batches were lost")
    assert check_succeeds(process)["run_id"] == 1
    with connect(world) as connection:
        connection.execute("ALTER SYSTEM RESET ALL")
        connection.execute("SELECT pg_reload_conf()")
        check_run(connection, 1, lost_claims=1000)
        assert value(connection, ROWS) == runs.read(connection, 1).edges_changed
        check_edges(connection)


# Readers and writers


def test_readers_and_writers_do_not_notice_a_rebuild(world: str) -> None:
    backfill(world, BackfillOptions(2, "rebuild", limits=None))
    with connect(world) as connection:
        connection.execute(
            "CREATE FUNCTION public.edges_there() RETURNS bigint LANGUAGE plpgsql STABLE AS"
            " 'BEGIN RETURN (SELECT count(*) FROM connection_paths.contact_connections WHERE kind = ''work_overlap'');"
            " END'"
        )
        least = value(connection, ROWS) * 3 // 4  # writers delete some edges
        drain(connection)
        with beside(world) as threads:
            for number in range(2):
                threads.go(read, number, lock_timeout="2s")
            threads.go(lambda connection, _: count_edges(connection, least), 2, lock_timeout="2s")
            for number in range(2):
                threads.go(write_little, SEED + number)
            threads.go(befriend, SEED)
            threads.go(sync, 0)
            for number in (2, 3) if SOAK else (2,):
                printed = check_succeeds(begin(world, "--strategy", "rebuild", "--batch-edges", "200"))
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
                " WHERE run_id = %s AND status IN ('running', 'paused')",
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
SELECT n, n + 10000, 'work_overlap', 1, '2001-01-01' FROM generate_series(1, 300) AS n;
"""


def test_runs_survive_random_disturbances(server: Server, world: str) -> None:
    """After random disturbances, a finished run and a sync make every edge right, and edges stay right."""
    rng = random.Random(SEED)
    chaos = Chaos(server, world, rng)
    print(f"CONNECTION_PATHS_SOAK_SEED={SEED}")  # shown when it fails
    backfill(world, BackfillOptions(2, "rebuild", limits=None))
    with connect(world) as connection:
        drain(connection)
        connection.execute(SPOIL)
    with beside(world, survive=True) as threads:
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
                server.wait()
            time.sleep(rng.uniform(0.0, 0.5))
        with connect(world) as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(connection.info.dbname)))
            connection.execute(
                "SELECT connection_paths.resume_run(run_id) FROM connection_paths.backfill_runs WHERE status = 'paused'"
            )
            chaos.end()
            if runs.active(connection) or not any(
                run.status == "succeeded" and run.run_id > 1 for run in runs.listed(connection)
            ):
                check_succeeds(begin(world))
    with connect(world) as connection:
        drain(connection)
        ended = runs.listed(connection)
        print(chaos.did, threads.passed, threads.done, [(run.strategy, run.status) for run in ended])
        for run in ended:
            if run.status != "cancelled":
                check_run(connection, run.run_id, chaos.lost_claims.get(run.run_id, 0))
            elif run.phase != "finished":  # cancelled by an operator, and no process cleaned up
                runs.cancel(connection, run.run_id)
        check_edges(connection)
