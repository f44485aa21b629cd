"""Drives one run from one process: keeps its workers busy, and does what comes after the last batch."""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from orchestrator.core import formats, sqlfiles
from orchestrator.core.database import Connection, connect, lost
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.core.reconnect import ReconnectingSession
from orchestrator.rebuild import rebuild
from orchestrator.runs import runs
from orchestrator.runs.throttle import Throttle
from orchestrator.runs.workers import Workers

log = logging.getLogger(__name__)

_TICK = 0.5  # seconds between two looks at the run
_RECORD_EVERY = 3.0  # seconds between two records of this process in the run


@dataclass(frozen=True)
class BackfillProgress:
    """The state of a run and of this process, to be shown a few times a second.

    ``seconds``   since this process began.
    ``workers``   how many workers this process has, ``allowed`` how many of them may work, ``busy`` how many do.
    ``doing``     the step in words.
    ``reasons``   why fewer workers are allowed than there are.
    ``building``  the indexes that are being built: name, phase and share done.
    ``set_aside`` the contacts that were set aside: contact_id and error.
    """

    run: runs.Run
    seconds: float
    workers: int
    allowed: float
    busy: int
    doing: str
    reasons: tuple[str, ...] = ()
    building: tuple[dict[str, Any], ...] = ()
    set_aside: tuple[dict[str, Any], ...] = ()


class RunDriver:
    """Works on one run from this process, beside any other processes that do.

    ``run`` is the run as it was read last. ``session`` is used to read and finish the run; workers have their own.
    """

    def __init__(
        self,
        dsn: str,
        session: ReconnectingSession,
        run: runs.Run,
        workers: int,
        *,
        batch_timeout: float,
        throttle: Throttle | None,
        report: Callable[[BackfillProgress], None],
    ) -> None:
        self.run = run
        self.set_aside: tuple[dict[str, Any], ...] = ()
        self._dsn = dsn
        self._session = session
        self._worker_count = workers
        self._throttle = throttle
        self._report = report
        self._started = time.monotonic()
        self._doing = "filling"
        self._record_at = 0.0
        self._workers = Workers(dsn, run.run_id, workers, batch_timeout=batch_timeout)

    @property
    def seconds(self) -> float:
        """How long this process has worked on the run."""
        return time.monotonic() - self._started

    def drive(self) -> None:
        """Work until the run is over.

        A server that has crashed, or a standby that has taken its place, may have lost the latest commits. So the state
        of the run is always read again: batches that were done may be pending again, and then they are done again.
        """
        try:
            while self._is_unfinished():
                if self.run.is_active and self.run.batches_open:
                    self._fill()
                else:
                    self._finish()
        finally:
            with suppress(psycopg.Error, OrchestratorError):
                self._remove_process(self._session.open())

    def _is_unfinished(self) -> bool:
        return self.run.is_active or (self.run.status == "cancelled" and self.run.phase != "finished")

    # Batches

    def _fill(self) -> None:
        """Let workers do batches until none is open, or the run is over."""
        self._doing = "filling"
        self._workers.start()
        try:
            while self.run.is_active and self.run.batches_open:
                self._workers.raise_failure()
                self._show()
                time.sleep(_TICK)
                self._session.run(self._read)
                self._session.run(self._record_process)
            self._workers.stop()
            self._workers.raise_failure()
        except BaseException:
            self._workers.stop(cancel=True)
            raise

    # After the last batch

    def _finish(self) -> None:
        """Let one process do what comes after the last batch. The others look whether that is done."""
        self._session.run(self._finish_if_first)
        self._session.run(self._read)
        self._show()
        if self._is_unfinished():
            time.sleep(_TICK)
            self._session.run(self._read)
            self._session.run(self._record_process)

    def _finish_if_first(self, connection: Connection) -> None:
        run_id = self.run.run_id
        claimed = connection.execute("SELECT connection_paths.claim_finish(%s)", (run_id,)).fetchone()
        self._read(connection)
        if claimed != (True,):
            self._doing = "waiting for the process that finishes the run"
        elif self.run.status == "cancelled":
            runs.drop_cancelled(connection, run_id)
        elif self.run.status == "running":
            try:
                self._complete(connection)
            except psycopg.Error as error:
                if lost(connection, error):
                    raise
                self._read(connection)
                if self.run.status != "cancelled" and error.sqlstate not in (runs.NOT_READY, runs.UNKNOWN_RUN):
                    raise

    def _complete(self, connection: Connection) -> None:
        with _ProgressThread(self._dsn, self._show_index_builds):
            if self.run.strategy == "rebuild":
                workers = self._worker_count
                if self.run.max_workers is not None:
                    workers = min(workers, max(1, self.run.max_workers))
                rebuild.complete(self._dsn, connection, self.run.run_id, workers=workers, step=self._begin_step)
            elif self.run.edges_changed:
                # VACUUM sets the visibility map, which index-only scans of the search need; ANALYZE renews statistics.
                self._begin_step("vacuuming and analysing")
                connection.execute("VACUUM (ANALYZE) connection_paths.contact_connections")
        receipt = None if self._throttle is None else Jsonb(self._throttle.receipt())
        retry_while_locked(
            connection,
            lambda: connection.execute("SELECT connection_paths.finish_run(%s, %s)", (self.run.run_id, receipt)),
        )

    def _begin_step(self, doing: str) -> None:
        self._doing = doing
        log.info("%s", doing)

    def _show_index_builds(self, connection: Connection) -> None:
        self._read(connection)
        self._show(runs.building(connection))
        if self.run.status == "cancelled":
            self._session.cancel()  # an index build may take long

    # What is read, recorded and shown

    def _read(self, connection: Connection) -> None:
        self.run = runs.read(connection, self.run.run_id)
        if self.run.batches_set_aside != len(self.set_aside):
            self.set_aside = tuple(runs.set_aside(connection, self.run.run_id))

    def _record_process(self, connection: Connection) -> None:
        """Record the state of this process in the run, every few seconds, for ``runs show``."""
        if time.monotonic() < self._record_at:
            return
        self._record_at = time.monotonic() + _RECORD_EVERY
        report = {
            "workers": self._worker_count,
            "allowed": min(self._allowed, self._worker_count),
            "reasons": list(self._reasons),
        }
        worker = connection.execute("SELECT connection_paths.register_worker()").fetchone()
        assert worker is not None
        parameters = {**self._process(), "worker": worker[0], "report": Jsonb(report)}
        if connection.execute(sqlfiles.query("runs/record_process"), parameters).rowcount == 0:
            self._record_at = 0.0  # another session has the row locked; try again at the next tick

    def _remove_process(self, connection: Connection) -> None:
        connection.execute(sqlfiles.query("runs/remove_process"), self._process())

    def _process(self) -> dict[str, Any]:
        return {"run_id": self.run.run_id, "process": f"{socket.gethostname()}:{os.getpid()}"}

    def _show(self, building: Sequence[dict[str, Any]] = ()) -> None:
        if self._throttle is not None and self._is_throttled:
            self._workers.allowed = self._throttle.tick(self._workers.busy)
        self._report(
            BackfillProgress(
                run=self.run,
                seconds=self.seconds,
                workers=self._worker_count,
                allowed=self._allowed,
                busy=self._workers.busy,
                doing=self._doing if self.run.status != "paused" else "paused",
                reasons=self._reasons,
                building=tuple(building),
                set_aside=self.set_aside,
            )
        )

    @property
    def _is_throttled(self) -> bool:
        """Whether batches are being done. The steps after the last batch are not throttled."""
        return self._doing == "filling" and self.run.status == "running"

    @property
    def _allowed(self) -> float:
        """How many workers of this process may work now."""
        if self.run.status == "paused":
            return 0
        if not self._is_throttled:
            return self._worker_count
        most = math.inf if self.run.max_workers is None else self.run.max_workers
        return min(self._workers.allowed, most)

    @property
    def _reasons(self) -> tuple[str, ...]:
        """Why fewer workers may work than this process has; empty when all may."""
        if self.run.status == "paused":
            return ("the run is paused",)
        if not self._is_throttled:
            return ()
        most = self.run.max_workers
        found = [] if self._throttle is None else list(self._throttle.reasons)
        if most is not None and most < self._worker_count:
            found.append(f"the run is limited to {formats.counted(most, 'worker')} in all processes together")
        return tuple(found)


class _ProgressThread:
    """Calls a function every half second from a thread, with a connection of its own, for the length of a block."""

    def __init__(self, dsn: str, look: Callable[[Connection], None]) -> None:
        self._dsn = dsn
        self._look = look
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._repeat, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _repeat(self) -> None:
        try:
            with connect(self._dsn) as connection:
                while not self._ended.wait(_TICK):
                    self._look(connection)
        except (psycopg.Error, OrchestratorError) as error:
            log.info("Progress is no longer shown: %s", error)
