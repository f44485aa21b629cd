"""One process's part in a backfill: it joins the run there is or makes one, works, and ends it when it is the last.

Any number of processes may do so at once, on any machines. None of them is in charge: what there is to do, who does it
and what is done is in the database, so each may be killed at any moment and started again.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
from psycopg.types.json import Jsonb

from orchestrator.core import sqlfiles
from orchestrator.core.database import COMPUTING, Connection, connect, lost, patiently, resolved
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.core.reconnect import reconnect
from orchestrator.install.installation import require_installed, require_unique_ids
from orchestrator.rebuild import rebuild
from orchestrator.runs import runs
from orchestrator.runs.throttle import Limits, Watch
from orchestrator.runs.workers import Workers

log = logging.getLogger(__name__)

# Its few commits wait for the disk and for standbys as the server has it. finish_run sees to it that they wait at least
# for the disk when a run succeeds, and all that workers have committed before is on disk with that.
_CONTROLLING = {name: value for name, value in COMPUTING.items() if name != "synchronous_commit"}
_TICK = 0.5  # seconds between looks at the run
_TELL_EVERY = 3.0  # seconds
_BASELINE = 2.0  # seconds of find_paths before the run, to compare with
_ATTEMPTS = 10  # at what ended with the session, nine times before

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Options:
    """How a process takes part.

    ``strategy``      'rebuild', 'in_place' or 'auto': rebuild where there are no edges yet, else in place.
    ``batch_edges``   edges of a batch, roughly; None: what ``create_run`` thinks right. Both are for a new run only.
    ``batch_timeout`` seconds after which a batch counts as failed.
    ``limits``        when to shed workers; None: never.
    """

    workers: int = 4
    strategy: str = "auto"
    batch_edges: int | None = None
    batch_timeout: float = 300.0
    limits: Limits | None = field(default_factory=Limits)


@dataclass(frozen=True)
class Progress:
    """What there is to show, a few times a second."""

    run: runs.Run
    seconds: float
    workers: int
    allowed: float
    busy: int
    doing: str
    reasons: tuple[str, ...] = ()
    building: tuple[dict[str, Any], ...] = ()
    set_aside: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How the run ended."""

    run: runs.Run
    seconds: float
    set_aside: list[dict[str, Any]]


def backfill(
    dsn: str,
    options: Options = Options(),
    *,
    report: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Take part in the database's backfill until it is over; returns how it ended.

    ``report`` is called a few times a second from the calling thread. Interrupted (KeyboardInterrupt), the batches
    under way are cancelled and given back; run again, it goes on with the same run. Survives the loss of any
    connection, a server that restarts, and a failover: what the new server does not have is done again.
    """
    with _Control(dsn) as control, ExitStack() as stack:
        control.again(require_installed)
        control.again(require_unique_ids)
        dsn = control.again(resolved)
        watch = None
        if options.limits is not None:
            watch = stack.enter_context(Watch(dsn, options.limits, options.workers, baseline_seconds=_BASELINE))
        while True:
            run = control.again(lambda connection: _join_or_create(connection, options))
            try:
                return _Part(dsn, control, run, options, watch, report).take()
            except runs.NoSuchRun:
                log.warning("run %s is not in the database any more (a failover?); beginning again", run.run_id)
            except psycopg.Error as error:
                if error.sqlstate != runs.REBUILD_LOST:
                    raise
                log.warning("%s; beginning again", one_line(error))
                control.again(lambda connection: runs.cancel(connection, run.run_id))  # noqa: B023


def _join_or_create(connection: Connection, options: Options) -> runs.Run:
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
            row = connection.execute(
                "SELECT EXISTS (SELECT FROM connection_paths.contact_connections WHERE kind = 'work_overlap')"
            ).fetchone()
            strategy = "in_place" if row == (True,) else "rebuild"
        log.info("planning")
        try:
            patiently(connection, lambda: _create(connection, strategy, options.batch_edges))  # noqa: B023
        except psycopg.Error as error:
            if error.sqlstate != runs.UNDER_WAY:
                raise
            # another process was faster


def _create(connection: Connection, strategy: str, batch_edges: int | None) -> None:
    connection.execute("SELECT connection_paths.create_run(%s, %s)", (strategy, batch_edges))


class _Control:
    """The connection by which a process makes, reads and ends a run. When it is lost, another takes its place."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection = connect(dsn, settings=_CONTROLLING)

    def __enter__(self) -> _Control:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def again(self, work: Callable[[Connection], _Result]) -> _Result:
        """Do something with the connection; when that is lost, open another and do it again.

        Lost ten times, it is given up: it may be what the server dies of.
        """
        attempts = 0
        while True:
            attempts += 1
            try:
                return work(self._connection)
            except psycopg.Error as error:
                if not lost(self._connection, error) or attempts == _ATTEMPTS:
                    raise
                log.info("%s", one_line(error))
                self._connection.close()
            connection = reconnect(self._dsn, _CONTROLLING)
            assert connection is not None  # nothing stops it
            self._connection = connection

    def once(self, work: Callable[[Connection], _Result]) -> None:
        """Do something that may as well be left undone."""
        with contextlib.suppress(psycopg.Error):
            work(self._connection)

    def cancel(self) -> None:
        """Cancel what the connection is doing, from another thread."""
        self._connection.cancel_safe(timeout=5)


class _Part:
    """A process's part in one run."""

    def __init__(
        self,
        dsn: str,
        control: _Control,
        run: runs.Run,
        options: Options,
        watch: Watch | None,
        report: Callable[[Progress], None],
    ) -> None:
        self._dsn = dsn
        self._control = control
        self._run = run
        self._options = options
        self._watch = watch
        self._report = report
        self._started = time.monotonic()
        self._doing = "filling"
        self._tell_at = 0.0
        self._set_aside: tuple[dict[str, Any], ...] = ()
        self._workers = Workers(dsn, run.run_id, options.workers, batch_timeout=options.batch_timeout)

    def take(self) -> Outcome:
        """Work until the run is over.

        A server that crashes, or another that takes its place, may have lost the latest commits. So what was seen is
        never relied upon: batches that were done may be open again, and then they are done again.
        """
        try:
            while self._is_to_be_ended():
                if self._run.active and self._run.batches_open:
                    self._fill()
                else:
                    self._end()
        finally:
            self._control.once(self._leave)
        return Outcome(self._run, time.monotonic() - self._started, list(self._set_aside))

    def _fill(self) -> None:
        """Do batches until none is open, or the run is over."""
        self._doing = "filling"
        self._workers.start()
        try:
            while self._run.active and self._run.batches_open:
                self._workers.raise_if_broken()
                self._look()
                time.sleep(_TICK)
                self._control.again(self._read)
                self._control.again(self._tell)
            self._workers.stop()
            self._workers.raise_if_broken()
        except BaseException:
            self._workers.stop(cancel=True)
            raise

    def _read(self, connection: Connection) -> None:
        self._run = runs.read(connection, self._run.run_id)
        if self._run.batches_set_aside != len(self._set_aside):
            self._set_aside = tuple(runs.set_aside(connection, self._run.run_id))

    def _tell(self, connection: Connection) -> None:
        """Record this process's state for ``runs show``."""
        if time.monotonic() < self._tell_at:
            return
        self._tell_at = time.monotonic() + _TELL_EVERY
        told = {
            "workers": self._options.workers,
            "allowed": min(self._allowed, self._options.workers),
            "reasons": list(self._reasons),
        }
        worker = connection.execute("SELECT connection_paths.register_worker()").fetchone()
        assert worker is not None
        parameters = {**self._me(), "worker": worker[0], "report": Jsonb(told)}
        if connection.execute(sqlfiles.query("runs/record_process"), parameters).rowcount == 0:
            self._tell_at = 0.0  # somebody has the row; soon again

    def _leave(self, connection: Connection) -> None:
        connection.execute(sqlfiles.query("runs/remove_process"), self._me())

    def _me(self) -> dict[str, Any]:
        return {"run_id": self._run.run_id, "process": f"{socket.gethostname()}:{os.getpid()}"}

    def _look(self, building: Sequence[dict[str, Any]] = ()) -> None:
        if self._watch is not None and self._is_throttled:
            self._workers.allowed = self._watch.tick(self._workers.busy)
        self._report(
            Progress(
                run=self._run,
                seconds=time.monotonic() - self._started,
                workers=self._options.workers,
                allowed=self._allowed,
                busy=self._workers.busy,
                doing=self._doing if self._run.status != "paused" else "paused",
                reasons=self._reasons,
                building=tuple(building),
                set_aside=self._set_aside,
            )
        )

    @property
    def _is_throttled(self) -> bool:
        """Whether batches are being filled: what comes after them is not throttled, nor reported as if it were."""
        return self._doing == "filling" and self._run.status == "running"

    @property
    def _allowed(self) -> float:
        """How many workers of this process may work now."""
        if self._run.status == "paused":
            return 0
        if not self._is_throttled:
            return self._options.workers
        most = math.inf if self._run.max_workers is None else self._run.max_workers
        return min(self._workers.allowed, most)

    @property
    def _reasons(self) -> tuple[str, ...]:
        """Why fewer workers may work than there are; empty when all may."""
        if self._run.status == "paused":
            return ("the run is paused",)
        if not self._is_throttled:
            return ()
        most = self._run.max_workers
        found = list(self._watch.reasons) if self._watch is not None else []
        if most is not None and most < self._options.workers:
            found.append(f"the run may have {most} workers, all processes together")
        return tuple(found)

    def _end(self) -> None:
        """Do what comes after the batches, by one process; another looks whether that is done."""
        self._control.again(self._end_if_first)
        self._control.again(self._read)
        self._look()
        if self._is_to_be_ended():
            time.sleep(_TICK)
            self._control.again(self._read)
            self._control.again(self._tell)

    def _is_to_be_ended(self) -> bool:
        return self._run.active or (self._run.status == "cancelled" and self._run.phase != "finished")

    def _end_if_first(self, connection: Connection) -> None:
        run_id = self._run.run_id
        is_mine = connection.execute("SELECT connection_paths.claim_finish(%s)", (run_id,)).fetchone() == (True,)
        self._read(connection)
        if not is_mine:
            self._doing = "waiting for the process that ends the run"
        elif self._run.status == "cancelled":
            patiently(connection, lambda: connection.execute("SELECT connection_paths.cancel_run(%s)", (run_id,)))
        elif self._run.status == "running":
            try:
                self._complete(connection)
            except psycopg.Error as error:
                if lost(connection, error):
                    raise
                self._read(connection)
                if self._run.status != "cancelled" and error.sqlstate not in (runs.NOT_READY, runs.UNKNOWN_RUN):
                    raise

    def _complete(self, connection: Connection) -> None:
        with _Meanwhile(self._dsn, self._look_at_index):
            if self._run.strategy == "rebuild":
                workers = self._options.workers
                if self._run.max_workers is not None:
                    workers = min(workers, max(1, self._run.max_workers))
                rebuild.complete(self._dsn, connection, self._run.run_id, workers=workers, step=self._step)
            elif self._run.edges_changed:
                # what the walk's index-only scans rest on: the visibility map, and statistics
                self._step("vacuuming and analysing")
                connection.execute("VACUUM (ANALYZE) connection_paths.contact_connections")
        receipt = self._watch.receipt() if self._watch is not None else None
        patiently(
            connection,
            lambda: connection.execute(
                "SELECT connection_paths.finish_run(%s, %s)",
                (self._run.run_id, None if receipt is None else Jsonb(receipt)),
            ),
        )

    def _step(self, doing: str) -> None:
        self._doing = doing
        log.info("%s", doing)

    def _look_at_index(self, connection: Connection) -> None:
        self._read(connection)
        self._look(runs.building(connection))
        if self._run.status == "cancelled":
            self._control.cancel()  # indexes may take long


class _Meanwhile:
    """Look at what another connection is doing, from a thread, for the length of a block."""

    def __init__(self, dsn: str, look: Callable[[Connection], None]) -> None:
        self._dsn = dsn
        self._look = look
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        try:
            with connect(self._dsn) as connection:
                while not self._ended.wait(_TICK):
                    self._look(connection)
        except (psycopg.Error, OrchestratorError) as error:
            log.info("progress is not shown: %s", error)
