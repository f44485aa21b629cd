"""A rebuild's indexes: built at the same time with the memory of one build, cancelled together, each made once."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg import errors

from orchestrator.cli import run_lines
from orchestrator.core import database, sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.rebuild import rebuild
from orchestrator.runs import runs
from orchestrator.runs.backfill import BackfillOptions, BackfillProgress, backfill
from tests.support import oracle
from tests.support.command_line import check_failed, finish, run, start
from tests.support.copies import copied
from tests.support.edges import edges
from tests.support.index_builds import slow_to_index, slower
from tests.support.properties import first_of
from tests.support.runs import INDEXES, LEFT_THERE, WAITING, begin, create, work
from tests.support.sessions import connect, dsn_of, set_for_database, value
from tests.support.waiting import in_the_background, until
from tests.support.world import office

WORLD = office(8)  # 28 edges
BUILDING = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
NAMES = "SELECT array_agg(indexrelid::regclass::text) FROM pg_index WHERE indrelid = %s::regclass"
NEXT = "connection_paths.contact_connections_next"
#: The sessions of a process that builds indexes: one for each build, and one that waits for them.
BUILDER = f"SELECT pid FROM pg_stat_progress_create_index WHERE relid = '{NEXT}'::regclass LIMIT 1"
WAITER = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(0.1)'"
#: An index that records each session that builds, vacuums or analyses it, with its settings.
SPY = """
CREATE TABLE public.app_seen (command text, memory text, helpers text, lock_timeout text);
CREATE FUNCTION public.note() RETURNS void LANGUAGE sql VOLATILE AS
    'INSERT INTO public.app_seen SELECT split_part(current_query(), '' '', 1),
        current_setting(''maintenance_work_mem''), current_setting(''max_parallel_maintenance_workers''),
        current_setting(''lock_timeout'')';
CREATE FUNCTION public.spied(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM public.note(); RETURN n; END';
CREATE INDEX app_spy ON connection_paths.contact_connections (public.spied(contact_a_id));
"""


@pytest.fixture(scope="module")
def original(new_installed: Callable[[], str]) -> str:
    """An installed database with the world in it, to copy."""
    made = new_installed()
    with connect(made) as connection:
        begin(connection, WORLD)
    return made


@pytest.fixture
def own(server: str, original: str) -> Iterator[Connection]:
    with copied(server, original) as copy, connect(copy) as connection:
        yield connection


def start_rebuild(connection: Connection, workers: int) -> subprocess.Popen[str]:
    words = ("backfill", "--strategy", "rebuild", "--no-throttle", "--workers", str(workers))
    return start("--dsn", dsn_of(connection), *words)


def filled(connection: Connection) -> int:
    """Begin a rebuild and take it to the phase indexing."""
    run_id = create(connection, "rebuild")
    work(connection, run_id)
    connection.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
    return run_id


def complete(connection: Connection, run_id: int, workers: int = 2) -> None:
    """Finish the rebuild in another session."""
    with database.connect(dsn_of(connection)) as control:
        rebuild.complete(dsn_of(connection), control, run_id, workers=workers)


#: The primary key, and the other indexes of the table of edges.
OWN_INDEXES = ("pkey", *(path.stem for path in sorted((sqlfiles.ROOT / "indexes").glob("idx_cc_*.sql"))))


def check_whole(connection: Connection, of_application: int = 0) -> None:
    """Check that the indexes of the package and so many of the application are there and valid, and the edges right."""
    found: dict[str, bool] = dict(connection.execute(INDEXES).fetchall())
    assert len(found) == len(OWN_INDEXES) + of_application
    assert all(found.values()), found
    assert edges(connection) == oracle.edges(WORLD)
    assert connection.execute("SELECT to_regclass(%s)", (NEXT,)).fetchone() == (None,)


def missing(connection: Connection, run_id: int) -> dict[str, str]:
    return dict(connection.execute("SELECT * FROM connection_paths.missing_rebuild_indexes(%s)", (run_id,)).fetchall())


@pytest.mark.parametrize("workers", first_of(2, [2, 1]))
def test_as_many_indexes_as_workers_are_built_at_once_and_shown(own: Connection, workers: int) -> None:
    slow_to_index(own, 30, "app_slow", '"app ""slower"""')
    process = start_rebuild(own, workers)
    until(lambda: sum("slow" in each["name"] for each in runs.building(own)) == workers)
    shown = run("--dsn", dsn_of(own), "runs", "show").stdout
    assert shown.count("\nbuilding ") == workers
    assert "building app_slow_r1: building index" in shown or workers == 1
    most: list[dict[str, Any]] = []
    while process.poll() is None:
        most = max(most, runs.building(own), key=len)
        time.sleep(0.01)
    code, out, err = finish(process)
    assert (code, "succeeded" in out) == (0, True), err
    assert len(most) == workers
    assert json.loads(run("--dsn", dsn_of(own), "--json", "runs", "show").stdout)["building"] == []
    names = {each["name"] for each in most}
    assert names == {'"app ""slower""_r1"', "app_slow_r1"} if workers == 2 else len(names) == 1
    check_whole(own, 2)


def test_the_screen_names_what_is_built_and_shows_one_bar(own: Connection) -> None:
    building = ({"name": "one", "phase": "sorting", "share": 0.2}, {"name": "two", "phase": "sorting", "share": 0.6})
    progress = BackfillProgress(
        runs.read(own, filled(own)), 1.0, workers=2, allowed=2, busy=0, doing="building 3 indexes", building=building
    )
    heading, bar, *lines = run_lines.display(progress)
    assert str(heading) == "run 1, rebuild: building 3 indexes"
    assert bar.completed == pytest.approx(0.4)
    assert "one, two" in lines


@pytest.mark.parametrize(
    ("workers", "most", "memory", "helpers"),
    [
        (1, None, "96MB", "0"),
        (2, None, "48MB", "0"),
        (4, None, "24MB", "0"),
        (9, None, "16MB", "1"),
        (9, 2, "48MB", "0"),
    ],
)
def test_index_builds_share_memory_and_workers(
    own: Connection, workers: int, most: int | None, memory: str, helpers: str
) -> None:
    set_for_database(own, "maintenance_work_mem", "96MB")
    own.execute(SPY)
    create(own, "rebuild")
    own.execute("SELECT connection_paths.set_max_workers(run_id, %s) FROM connection_paths.backfill_runs", (most,))
    assert backfill(dsn_of(own), BackfillOptions(workers, "rebuild", limits=None)).run.status == "succeeded"
    usual = ("96MB", value(own, "SHOW max_parallel_maintenance_workers"), "30s")
    assert own.execute("SELECT DISTINCT * FROM public.app_seen ORDER BY 1").fetchall() == [
        ("ANALYZE", *usual),
        ("CREATE", memory, helpers, "0"),  # it waits for the session that builds the same index
        ("VACUUM", *usual),
    ]


def test_no_build_has_less_memory_than_the_server_allows(own: Connection) -> None:
    least = value(own, "SELECT min_val || unit FROM pg_settings WHERE name = 'maintenance_work_mem'")
    own.execute("SELECT set_config('maintenance_work_mem', %s, false)", (least,))
    before = value(own, "SHOW maintenance_work_mem")
    own.execute(sqlfiles.query("rebuild/index_builder_share"), {"workers": 4, "builders": 4})
    assert value(own, "SHOW maintenance_work_mem") == before


def test_a_run_that_is_cancelled_ends_every_build(own: Connection) -> None:
    slow_to_index(own, 2000, "app_slow", "app_slower")
    there = own.execute(LEFT_THERE).fetchall()
    process = start_rebuild(own, 2)
    until(lambda: value(own, BUILDING) == 2)
    own.execute("SELECT connection_paths.request_cancel(run_id) FROM connection_paths.backfill_runs")
    code, out, err = finish(process, 20)
    assert (code, "Run 1 cancelled" in out) == (1, True), err
    assert "Error" not in err
    assert own.execute(LEFT_THERE).fetchall() == there


def test_ctrl_c_ends_every_build(own: Connection) -> None:
    slow_to_index(own, 2000, "app_slow", "app_slower")
    process = start_rebuild(own, 2)
    until(lambda: value(own, BUILDING) == 2)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process, 20)
    assert (code, "Traceback" in err) == (1, False), err
    assert value(own, BUILDING) == 0
    slower(own, 0)
    code, _, err = finish(start_rebuild(own, 2))
    assert code == 0, err
    check_whole(own, 2)


def test_a_failed_build_ends_the_others_and_its_error_is_raised(own: Connection) -> None:
    slow_to_index(own, 2000)
    run_id = filled(own)
    own.execute(f"INSERT INTO {NEXT} SELECT * FROM {NEXT} LIMIT 1".encode())
    with pytest.raises(errors.UniqueViolation) as failed:
        complete(own, run_id)
    assert failed.value.diag.table_name == "contact_connections_next"
    assert value(own, BUILDING) == 0
    assert "connection_paths.app_slow_r1" not in (value(own, NAMES, NEXT) or [])
    assert runs.read(own, run_id).is_active
    check_failed(run("--dsn", dsn_of(own), "backfill", "--no-throttle", "--workers", "2"), "23505", "is duplicated")


@pytest.mark.parametrize("unique", first_of(2, [True, False]))
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_build_waits_for_a_session_that_builds_the_same_index(own: Connection, unique: bool, end: str) -> None:
    """A build continues for a moment after its process was killed; the next process waits for it."""
    run_id = filled(own)
    statement = next(text for text in missing(own, run_id).values() if text.startswith("CREATE UNIQUE") is unique)
    with connect(dsn_of(own)) as orphan:
        orphan.execute("BEGIN")
        orphan.execute(statement.encode())
        with in_the_background(lambda: complete(own, run_id)) as completing:
            until(lambda: value(own, WAITING) == 1 or completing.done())
            orphan.execute(end.encode())
            completing.result()
    assert value(own, "SELECT connection_paths.finish_run(%s)", run_id) == "succeeded"
    check_whole(own)


def test_another_relation_with_the_name_of_an_index_is_reported(own: Connection) -> None:
    run_id = filled(own)
    name = next(iter(missing(own, run_id)))
    own.execute(f'CREATE TABLE connection_paths."{name}" ()'.encode())
    with pytest.raises(OrchestratorError, match=f"another relation of connection_paths has the name {name}"):
        complete(own, run_id)
    own.execute(f'DROP TABLE connection_paths."{name}"'.encode())
    complete(own, run_id)


@pytest.mark.parametrize("whose", first_of(2, [BUILDER, WAITER]))
def test_a_session_that_is_lost_while_indexes_are_built(own: Connection, whose: str) -> None:
    slow_to_index(own, 100, "app_slow", "app_slower")
    process = start_rebuild(own, 2)
    until(lambda: value(own, BUILDING) == 2)
    assert value(own, f"SELECT pg_terminate_backend(({whose}), 5000)") is True
    if whose == BUILDER:
        time.sleep(0.5)
        assert value(own, BUILDING) == 1  # the other goes on; what was lost is built again after it
    slower(own, 0)
    code, out, err = finish(process)
    assert (code, "Run 1 succeeded" in out) == (0, True), err
    check_whole(own, 2)


def test_a_build_that_loses_its_session_every_time_fails(own: Connection) -> None:
    own.execute("CREATE SEQUENCE public.app_tries")
    own.execute(
        "CREATE FUNCTION public.deadly(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS 'BEGIN"
        " PERFORM nextval(''public.app_tries''), pg_terminate_backend(pg_backend_pid()); RETURN n; END'"
    )
    own.execute("CREATE INDEX app_deadly ON connection_paths.contact_connections (public.deadly(contact_a_id))")
    run_id = filled(own)
    with pytest.raises(OrchestratorError, match="the session that builds app_deadly_r1 is lost each time"):
        complete(own, run_id)
    assert value(own, "SELECT last_value FROM public.app_tries") == 10
    own.execute(
        "CREATE OR REPLACE FUNCTION public.deadly(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT n'"
    )
    complete(own, run_id)
    check_whole(own, 1)
