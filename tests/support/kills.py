"""Kills of processes, sessions and the server during a run, and what must be true of the run and its edges after it.

``make long`` makes some seconds of random disturbances, ``CONNECTION_PATHS_SOAK_KILLS=600`` ten minutes, and
``CONNECTION_PATHS_SOAK_SEED`` repeats their choices, though not their timing.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.core import embedded
from orchestrator.core.database import Connection
from orchestrator.install.installation import install
from orchestrator.runs import runs
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic
from tests.support import oracle
from tests.support.command_line import finish, start
from tests.support.sessions import connect, value
from tests.support.waiting import until
from tests.support.world import EDGE_COLUMNS, Edge, Experience, Pair, World

SOAK = os.environ.get("CONNECTION_PATHS_SOAK_KILLS")
SEED = int(os.environ.get("CONNECTION_PATHS_SOAK_SEED", str(random.randrange(10**6))))
SETTINGS = {**embedded.SETTINGS, "shared_buffers": "128MB"}
STRATEGIES = ("in_place", "rebuild")
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
            time.sleep(0.1)
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
def world_size() -> int:
    """How many contacts the world of a file has; a file may have a fixture of its own."""
    return 700


@pytest.fixture(scope="module")
def private_server(world_size: int) -> Iterator[Server]:
    """A server for this file alone, with a database ``seeded`` that tests copy."""
    given = os.environ.get("ORCHESTRATOR_TEST_PG_BIN")
    binaries = Path(given) if given else None
    with embedded.serve_temporarily(binaries=binaries, settings=SETTINGS) as (directory, dsn), ExitStack() as stack:
        with connect(dsn) as connection:
            connection.execute("CREATE DATABASE seeded")
        template = make_conninfo(dsn, dbname="seeded")
        with connect(template) as connection:
            seed.load(connection, "public", seed_synthetic.tables(world_size, 1), replace=False)
            install(template)
            connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'friend'")
            connection.execute("CREATE TABLE public.app_friends (a_id bigint, b_id bigint, PRIMARY KEY (a_id, b_id))")
            connection.execute("VACUUM ANALYZE")
        yield Server(directory, dsn, binaries, stack)


@pytest.fixture
def private_world(private_server: Server, none_left: None) -> str:
    """The connection string of a database with a few thousand contacts, the package, and no edges."""
    return private_server.database("seeded")


BEGUN: list[subprocess.Popen[str]] = []


@pytest.fixture
def none_left() -> Iterator[None]:
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
        f"SELECT contact_a_id, contact_b_id, {EDGE_COLUMNS}"
        " FROM connection_paths.contact_connections"
        " WHERE kind = 'work_overlap' AND contact_a_id = ANY (%(ids)s) AND contact_b_id = ANY (%(ids)s)",
        {"ids": sample},
    ).fetchall()
    stored: dict[Pair, Edge] = {(a, b): Edge(*rest) for a, b, *rest in rows}
    sizes = connection.execute(
        "SELECT o.id, COALESCE(s.people, connection_paths.size_class(connection_paths.known_people(o.id)))"
        " FROM public.organizations AS o LEFT JOIN connection_paths.organization_sizes AS s ON s.organization_id = o.id"
    )
    experiences = tuple(Experience(*job) for job in jobs)
    assert stored == oracle.edges(World(frozenset(sample), known, experiences, sizes=dict(sizes.fetchall())))
    assert stored


def drain(connection: Connection) -> None:
    """Process every change in the queue."""
    while value(connection, "SELECT taken FROM connection_paths.sync_changes(500)"):
        pass
    assert value(connection, "SELECT count(*) FROM connection_paths.contact_changes") == 0
