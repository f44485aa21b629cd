"""``orchestrator sync``: takes changes from the queue until it is empty, or until it is stopped.

``connection_paths.sync_changes`` decides what a change means and when a refresh is safe. Each call of it is one
transaction, so a process that dies loses nothing, and any number of processes may sync at the same time. This module
starts the workers that make these calls, and looks after them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from orchestrator.changes.queue import QueueState, has_changes, queue_state, retry_failed_changes
from orchestrator.changes.worker import LOOK_AGAIN, SyncState, Worker
from orchestrator.core.database import COMPUTING, Connection, connect, resolved
from orchestrator.core.reconnect import ReconnectingSession, Stopped
from orchestrator.host.installed import require_installed

_TICK = 0.5  # seconds between reports
_SLEEP = 5.0  # seconds without a notification after which a listener looks at the queue


@dataclass(frozen=True)
class SyncProgress:
    """The state of a sync, reported about twice a second.

    ``changes`` were taken from the queue; ``waiting`` are in it, the oldest for ``oldest`` seconds (None: none waits).
    ``failed`` contacts have failed three times and are not tried again.
    """

    changes: int
    contacts: int
    edges_changed: int
    waiting: int
    oldest: float | None
    failed: int
    sleeping: bool
    seconds: float


@dataclass(frozen=True)
class SyncOutcome:
    """The result of a sync: ``changes`` taken, ``contacts`` refreshed, ``edges_changed`` rows written.

    ``failed`` contacts stay in the queue, each with its error: they have failed three times.
    """

    changes: int
    contacts: int
    edges_changed: int
    failed: int
    seconds: float


def sync(
    dsn: str,
    *,
    workers: int = 1,
    follow: bool = False,
    retry_failed: bool = False,
    batch: int = 200,
    report: Callable[[SyncProgress], None] = lambda _: None,
    stopping: threading.Event | None = None,
) -> SyncOutcome:
    """Refresh the contacts that changed before this call; with *follow*, continue until *stopping* is set.

    Later changes are taken too while older ones are left, but the call does not wait for them: it ends even when the
    queue is filled without end. It waits for the changes that other sessions are refreshing.

    ``workers`` connections take up to ``batch`` changes at a time. ``retry_failed`` gives contacts that have failed
    three times three more attempts. ``report`` is called from the calling thread. When the call is interrupted
    (KeyboardInterrupt), calls in progress are cancelled, and their changes stay in the queue. The call survives lost
    connections and a server that restarts. It raises the errors that another attempt would meet again.
    """
    with connect(dsn) as connection:
        require_installed(connection)
        if retry_failed:
            retry_failed_changes(connection)
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        began: datetime = row[0]
        dsn = resolved(connection)
    state = SyncState(began, workers, batch, follow=follow)
    return _Supervisor(dsn, state, workers, report, stopping or threading.Event()).run()


class _Supervisor:
    """The calling thread of a sync: it reports progress, wakes and ends the workers, and raises their errors."""

    def __init__(
        self,
        dsn: str,
        state: SyncState,
        workers: int,
        report: Callable[[SyncProgress], None],
        stopping: threading.Event,
    ) -> None:
        self._state = state
        self._report = report
        self._stopping = stopping
        self._started = time.monotonic()
        self._reported = 0.0
        self._queue = QueueState(0, None, 0)
        self._session = ReconnectingSession(dsn, COMPUTING, greet=self._listen, stopping=(stopping,))
        self._workers = [Worker(dsn, state, stopping) for _ in range(workers)]

    def run(self) -> SyncOutcome:
        """Supervise the workers until they have ended."""
        self._state.has_work.set()
        for worker in self._workers:
            worker.start()
        try:
            with suppress(Stopped):
                self._supervise()
            self._end_workers()
            self._raise_error()
            with suppress(Stopped):
                self._session.run(self._report_progress)
        finally:
            self._end_workers()
            self._session.close()
        return SyncOutcome(*self._state.counts(), self._queue.failed, time.monotonic() - self._started)

    def _supervise(self) -> None:
        """Report, and sleep when there is nothing to do, until no worker is left or the sync is stopped."""
        state = self._state
        while state.working and not self._stopping.is_set():
            state.attention.wait(LOOK_AGAIN)
            state.attention.clear()
            self._raise_error()
            if time.monotonic() - self._reported >= _TICK:
                self._session.run(self._report_progress)
            if state.follow and not state.has_work.is_set() and self._session.run(self._sleep):
                state.has_work.set()

    def _raise_error(self) -> None:
        if self._state.error is not None:
            raise self._state.error

    def _end_workers(self) -> None:
        """End the workers; calls in progress are cancelled, and their changes stay in the queue."""
        self._state.ended.set()
        self._state.has_work.set()
        for worker in self._workers:
            while worker.is_alive():
                worker.cancel()
                worker.join(timeout=0.5)

    def _listen(self, connection: Connection) -> None:
        if self._state.follow:
            connection.execute("LISTEN connection_paths_changes")

    def _report_progress(self, connection: Connection) -> None:
        self._reported = time.monotonic()
        self._queue = queue = queue_state(connection)
        seconds = self._reported - self._started
        sleeping = not self._state.has_work.is_set()
        self._report(SyncProgress(*self._state.counts(), queue.waiting, queue.oldest, queue.failed, sleeping, seconds))

    def _sleep(self, connection: Connection) -> bool:
        """Sleep until there may be changes; return whether there are.

        A writer notifies only while a session holds this lock. The writer shares the lock until it has committed. So a
        session that gets the lock sees every change that was written without a notification. See
        ``connection_paths.wake_listener``.
        """
        key = "connection_paths.advisory_key('listener', 0)"
        if connection.execute(f"SELECT pg_try_advisory_lock({key})".encode()).fetchone() != (True,):
            self._stopping.wait(LOOK_AGAIN)  # writers share the lock, or another listener sleeps
            return has_changes(connection)
        found = has_changes(connection)
        deadline = time.monotonic() + _SLEEP
        notified = False
        while not (found or notified or self._stopping.is_set()) and time.monotonic() < deadline:
            notified = any(True for _ in connection.notifies(timeout=_TICK, stop_after=1))
        connection.execute(f"SELECT pg_advisory_unlock({key})".encode())
        if found:
            self._stopping.wait(LOOK_AGAIN)  # another session may be refreshing these changes
        return found or notified
