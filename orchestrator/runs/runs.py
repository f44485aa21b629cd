"""What an operator does with backfill runs: list, show, pause, resume, limit and cancel them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row, dict_row

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.host.installed import require_installed
from orchestrator.rebuild.standbys import Standbys

# SQLSTATEs. Those that begin with CP are the package's own, so no error of a batch can be confused with them.
CLAIM_LOST = "CP001"  #: the caller does not have the batch, or no longer
NOT_READY = "CP002"  #: the run has batches to do, is cancelled, or its tables are not exchanged
UNDER_WAY = "CP003"  #: another run is running or paused
REBUILD_LOST = "CP004"  #: the table that a rebuild fills does not exist
UNKNOWN_RUN = "02000"

#: The share of a rebuild's time that its batches take: docs/adr/0022-how-near-a-rebuild-is-to-its-floor.md.
_FILL_SHARE = 0.55


class NoSuchRun(OrchestratorError):
    """The run is not in the database."""


@dataclass(frozen=True)
class Run:
    """A row of ``connection_paths.backfill_progress``."""

    run_id: int
    strategy: str
    status: str
    is_active: bool  # running or paused
    phase: str
    max_workers: int | None
    created_at: datetime
    created_by: str
    finished_at: datetime | None
    batches: int
    batches_done: int
    batches_open: int
    batches_claimed: int
    batches_set_aside: int
    predicted_edges: int
    predicted_done: int
    edges_changed: int
    attempts: int
    failures: int
    seconds_filling: float | None
    recent_predicted: int
    recent_seconds: float | None
    processes: dict[str, dict[str, Any]]
    receipt: dict[str, Any] | None

    @property
    def share_done(self) -> float:
        """The share of the predicted work of all batches that is done, 0 to 1."""
        if self.batches_open == 0:
            return 1.0
        return self.predicted_done / max(1, self.predicted_edges)

    @property
    def expected_edges(self) -> float:
        """About how many edges there will be: the prediction, corrected by the edges of the batches that are done."""
        if self.strategy != "rebuild" or self.predicted_done == 0:
            return float(self.predicted_edges)
        return self.edges_changed + (self.predicted_edges - self.predicted_done) * (
            self.edges_changed / self.predicted_done
        )

    @property
    def rates(self) -> tuple[float, float]:
        """Predicted edges per second: the lower and the higher of two rates, of the last 30 s and of the whole run."""
        recent = self.recent_predicted / self.recent_seconds if self.recent_seconds else 0.0
        whole = self.predicted_done / self.seconds_filling if self.seconds_filling else recent
        return (min(recent, whole), max(recent, whole))

    @property
    def seconds_left(self) -> tuple[float, float] | None:
        """The least and the most that the rest of the run will take at these rates; None while they are unknown."""
        slow, fast = self.rates
        if not self.is_active or self.phase != "filling" or slow <= 0:
            return None
        rest = self.predicted_edges - self.predicted_done
        after = self.predicted_edges * (1 / _FILL_SHARE - 1) if self.strategy == "rebuild" else 0.0
        return ((rest + after) / fast, (rest + after) / slow)

    def as_json(self) -> dict[str, Any]:
        """Return the row, the shares and the rates, as JSON has them."""
        return {
            **vars(self),
            "share_done": round(self.share_done, 4),
            "expected_edges": round(self.expected_edges),
            "edges_per_second": [round(rate) for rate in self.rates],
            "seconds_left": None if self.seconds_left is None else [round(each, 1) for each in self.seconds_left],
        }


def listed(connection: Connection) -> list[Run]:
    """Return every run, the latest first."""
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute("SELECT * FROM connection_paths.backfill_progress ORDER BY run_id DESC").fetchall()


def read(connection: Connection, run_id: int) -> Run:
    """Return one run; raises :class:`NoSuchRun` when it does not exist."""
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        cursor.execute("SELECT * FROM connection_paths.backfill_progress WHERE run_id = %s", (run_id,))
        run = cursor.fetchone()
    if run is None:
        raise NoSuchRun(f"there is no run {run_id}; see: orchestrator runs list")
    return run


def active(connection: Connection) -> Run | None:
    """Return the run that is running or paused; None when there is none."""
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        cursor.execute("SELECT * FROM connection_paths.backfill_progress WHERE is_active LIMIT 1")
        return cursor.fetchone()


def show(connection: Connection, run_id: int | None) -> dict[str, Any]:
    """Return a run with its workers, the indexes that are built and the contacts that were set aside.

    Without a *run_id* it is the latest run. Processes whose worker does not live are left out.
    """
    require_installed(connection)
    if run_id is None:
        latest = connection.execute("SELECT max(run_id) FROM connection_paths.backfill_runs").fetchone()
        if latest is None or latest[0] is None:
            raise OrchestratorError("there are no runs; start one: orchestrator backfill")
        run_id = latest[0]
    run = read(connection, run_id)
    living = {row[0] for row in connection.execute("SELECT id FROM connection_paths.lock_holders('worker')")}
    alive = {name: report for name, report in run.processes.items() if report.get("worker") in living}
    return {
        "run": replace(run, processes=alive),
        "workers": workers(connection, run_id),
        "building": building(connection),
        "set_aside": set_aside(connection, run_id),
    }


def set_aside(connection: Connection, run_id: int) -> list[dict[str, Any]]:
    """Return the contacts that were set aside: contact_id and error."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sqlfiles.query("runs/contacts_set_aside"), {"run_id": run_id}).fetchall()


def workers(connection: Connection, run_id: int) -> list[dict[str, Any]]:
    """Return the living workers that have a batch: worker_id, pid, batch_id, predicted_edges and seconds."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sqlfiles.query("runs/busy_workers"), {"run_id": run_id}).fetchall()


def building(connection: Connection) -> list[dict[str, Any]]:
    """Return the indexes of a rebuild that are being built: name, phase and the share done (0 to 1)."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sqlfiles.query("rebuild/index_progress")).fetchall()


def pause(connection: Connection, run_id: int) -> Run:
    """Pause a run: no batch begins from now on; batches that are being done are finished."""
    return _steer(connection, "SELECT connection_paths.pause_run(%s)", run_id)


def resume(connection: Connection, run_id: int) -> Run:
    """Resume a paused run."""
    return _steer(connection, "SELECT connection_paths.resume_run(%s)", run_id)


def set_workers(connection: Connection, run_id: int, most: int | None) -> Run:
    """Limit how many workers of all processes and machines work on a run; None: no limit."""
    return _steer(connection, "SELECT connection_paths.set_max_workers(%s, %s)", run_id, most)


def cancel(connection: Connection, run_id: int) -> Run:
    """Cancel a run and drop the tables of a rebuild; edges that an in-place run has corrected stay.

    The run is cancelled at once. Dropping the tables waits for batches that are being done.
    """
    run = read(connection, run_id)
    if not run.is_active and run.status != "cancelled":
        raise OrchestratorError(f"run {run_id} is over: {run.status}; start another: orchestrator backfill")
    connection.execute("SELECT connection_paths.request_cancel(%s)", (run_id,))
    drop_cancelled(connection, run_id)
    return read(connection, run_id)


def drop_cancelled(connection: Connection, run_id: int) -> None:
    """Drop the tables of a cancelled rebuild. That needs an exclusive lock on the edge table, also on standbys."""
    with Standbys(connection) as standbys:
        retry_while_locked(
            connection,
            lambda: connection.execute("SELECT connection_paths.cancel_run(%s)", (run_id,)),
            ready=standbys.give_way,
        )


def _steer(connection: Connection, statement: LiteralString, run_id: int, *arguments: int | None) -> Run:
    """Call a function that changes a run; returns the run as it is then."""
    try:
        connection.execute(statement, (run_id, *arguments))
    except psycopg.errors.ObjectNotInPrerequisiteState as error:
        raise OrchestratorError(f"{error.diag.message_primary}; start another: orchestrator backfill") from error
    except psycopg.Error as error:
        if error.sqlstate != UNKNOWN_RUN:
            raise
        raise NoSuchRun(f"there is no run {run_id}; see: orchestrator runs list") from error
    return read(connection, run_id)
