"""Takes part in a backfill: finds the active run or creates one, works on it, and reports how it ended.

Any number of processes on any machines may do so at the same time, and none of them is in charge. The batches, who
has them and which are done are recorded in the database. So each process may be killed at any moment and started again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import COMPUTING, Connection, resolved
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.core.locks import retry_while_locked
from orchestrator.core.reconnect import ReconnectingSession
from orchestrator.host.installed import require_installed, require_unique_ids
from orchestrator.runs import runs
from orchestrator.runs.driver import BackfillProgress, RunDriver
from orchestrator.runs.throttle import Throttle, ThrottleLimits

__all__ = ["BackfillOptions", "BackfillOutcome", "BackfillProgress", "backfill"]

log = logging.getLogger(__name__)

# The few commits of this session wait for the disk and for standbys as the server is configured. The commits of workers
# do not wait; finish_run waits for the disk, and that includes all commits before it.
_SETTINGS = {name: value for name, value in COMPUTING.items() if name != "synchronous_commit"}
_BASELINE_SECONDS = 2.0  # of find_paths calls before the run, to compare with


@dataclass(frozen=True)
class BackfillOptions:
    """How this process takes part in a backfill.

    ``workers``       connections that do batches.
    ``strategy``      'rebuild', 'in_place' or 'auto': a rebuild where there are no edges yet, else in place.
    ``batch_edges``   about how many edges a batch has; None: ``create_run`` decides. Only for a new run.
    ``batch_timeout`` seconds after which a batch fails.
    ``limits``        when to work with fewer workers; None: never.
    """

    workers: int = 4
    strategy: str = "auto"
    batch_edges: int | None = None
    batch_timeout: float = 300.0
    limits: ThrottleLimits | None = field(default_factory=ThrottleLimits)


@dataclass(frozen=True)
class BackfillOutcome:
    """How a run ended, after how many seconds of this process, and the contacts that were set aside."""

    run: runs.Run
    seconds: float
    set_aside: list[dict[str, Any]]


def backfill(
    dsn: str,
    options: BackfillOptions = BackfillOptions(),
    *,
    report: Callable[[BackfillProgress], None] = lambda _: None,
) -> BackfillOutcome:
    """Work on the active run, or on a new one, until it is over; returns how it ended.

    ``report`` is called a few times a second. On KeyboardInterrupt, the batches that are being done are cancelled and
    can be claimed again, and another call continues the run. The loss of a connection, a restart of the server and a
    failover are survived: work that was lost with them is done again.
    """
    with ReconnectingSession(dsn, _SETTINGS) as session, ExitStack() as stack:
        session.open()  # a server that cannot be reached is an error at once
        session.run(require_installed)
        session.run(require_unique_ids)
        dsn = session.run(resolved)
        throttle = None
        if options.limits is not None:
            throttle = stack.enter_context(
                Throttle(dsn, options.limits, options.workers, baseline_seconds=_BASELINE_SECONDS)
            )
        while True:
            run = session.run(lambda connection: _find_or_create_run(connection, options))
            driver = RunDriver(
                dsn, session, run, options.workers, batch_timeout=options.batch_timeout, throttle=throttle,
                report=report,
            )  # fmt: skip
            try:
                driver.drive()
                return BackfillOutcome(driver.run, driver.seconds, list(driver.set_aside))
            except runs.NoSuchRun:
                log.warning("Run %s is no longer in the database, perhaps after a failover. Starting over.", run.run_id)
            except psycopg.Error as error:
                if error.sqlstate != runs.REBUILD_LOST:
                    raise
                log.warning("%s. Cancelling that run and starting over.", one_line(error))
                session.run(lambda connection: runs.cancel(connection, run.run_id))  # noqa: B023


def _find_or_create_run(connection: Connection, options: BackfillOptions) -> runs.Run:
    """Return the active run, or a new one; raises :class:`OrchestratorError` if the active one has another strategy."""
    while True:
        run = runs.active(connection)
        if run is not None:
            if options.strategy not in ("auto", run.strategy):
                raise OrchestratorError(
                    f"run {run.run_id} is under way and its strategy is {run.strategy};"
                    f" join it without --strategy, or cancel it: orchestrator runs cancel {run.run_id}"
                )
            return run
        strategy = options.strategy
        if strategy == "auto":
            row = connection.execute(sqlfiles.query("edges/has_work_overlaps")).fetchone()
            strategy = "in_place" if row == (True,) else "rebuild"
        log.info("planning")
        # in a transaction of its own: a sync may wait for the rows, and create_run may wait for the sync
        retry_while_locked(connection, lambda: connection.execute("SELECT connection_paths.count_organizations()"))
        try:
            retry_while_locked(connection, lambda: _create_run(connection, strategy, options.batch_edges))  # noqa: B023
        except psycopg.Error as error:
            if error.sqlstate != runs.UNDER_WAY:
                raise
            # Another process has created a run in the meantime: join that.


def _create_run(connection: Connection, strategy: str, batch_edges: int | None) -> None:
    connection.execute("SELECT connection_paths.create_run(%s, %s)", (strategy, batch_edges))
