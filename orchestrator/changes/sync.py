"""``sync``: brings edges up to date with what the application wrote, once or continuously.

``connection_paths.sync_changes`` takes changes from the queue and refreshes the edges of their contacts in one
transaction, so a change is never lost: what a process that ends had taken is in the queue again. Any number of
processes may sync at once. Here, threads call that function (``refresher``), and the calling thread coordinates them:
it reports progress, and with ``follow`` it waits for the application to write.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from orchestrator.changes.refresher import PAUSE, Refresher, Work, left
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, connect, resolved
from orchestrator.core.reconnect import Stopped
from orchestrator.install.installation import require_installed

log = logging.getLogger(__name__)

_TICK = 0.5  # seconds between reports
_SLEEP = 5.0  # seconds without a notification after which the queue is read anyway


@dataclass(frozen=True)
class Progress:
    """The progress of a sync, reported about twice a second.

    ``changes`` were taken from the queue, and ``waiting`` are in it, the oldest for ``oldest`` seconds (None when the
    queue is empty). ``failed`` contacts have failed three times and are not tried again.
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
class Synced:
    """The result of a sync: ``changes`` taken, ``contacts`` refreshed, ``edges_changed`` rows written.

    ``failed`` contacts stay in the queue with their errors, because they have failed three times.
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
    report: Callable[[Progress], None] = lambda _: None,
    stopping: threading.Event | None = None,
) -> Synced:
    """Refresh the contacts whose rows changed before this call; with *follow*, continue until *stopping* is set.

    Later changes are taken, too, while earlier ones remain, but the call does not wait for them: so it ends even when
    the application never stops writing. It does wait for changes that other sessions have taken.

    ``workers`` threads take up to ``batch`` changes at once. With ``retry_failed``, contacts that have failed three
    times are tried three more times. ``report`` is called from the calling thread.

    A KeyboardInterrupt cancels the calls under way; their changes stay in the queue. Lost connections and a server that
    restarts are waited for. Raises an error that would come again.
    """
    with connect(dsn) as connection:
        require_installed(connection)
        if retry_failed:
            connection.execute("UPDATE connection_paths.contact_changes SET failures = 0 WHERE failures >= 3")
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        dsn = resolved(connection)
    work = Work(row[0], follow, batch, stopping or threading.Event(), running=workers)
    return _Coordinator(dsn, work, report).run()


def failed_changes(connection: Connection) -> list[dict[str, Any]]:
    """Return the contacts that have failed three times: contact_id and error."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sqlfiles.query("changes/failed_changes")).fetchall()


class _Coordinator:
    """The calling thread of one :func:`sync`: starts the refreshers, reports, and waits for changes with ``follow``."""

    def __init__(self, dsn: str, work: Work, report: Callable[[Progress], None]) -> None:
        self._work = work
        self._report = report
        self._started = time.monotonic()
        self._reported = 0.0
        self._queue: tuple[int, float | None, int] = (0, None, 0)  # waiting, oldest, failed
        self._session = work.session(dsn, _listen if work.follow else lambda _: None)
        self._threads = [Refresher(dsn, work) for _ in range(work.running)]

    def run(self) -> Synced:
        work = self._work
        work.awake.set()
        for thread in self._threads:
            thread.start()
        try:
            with suppress(Stopped):
                self._watch()
            self._end()
            self._raise_failure()
            if not work.stopping.is_set():
                with suppress(Stopped):
                    self._session.run(self._show)
        finally:
            self._end()
            self._session.close()
        seconds = time.monotonic() - self._started
        return Synced(work.changes, work.contacts, work.edges_changed, self._queue[2], seconds)

    def _watch(self) -> None:
        """Report until every refresher has ended, or the sync is to stop."""
        work = self._work
        while work.running and not work.stopping.is_set():
            work.news.wait(PAUSE)
            work.news.clear()
            self._raise_failure()
            if time.monotonic() - self._reported >= _TICK:
                self._session.run(self._show)
            if work.follow and not work.awake.is_set() and self._session.run(self._sleep):
                work.awake.set()

    def _raise_failure(self) -> None:
        if self._work.failure is not None:
            raise self._work.failure

    def _end(self) -> None:
        """End the refreshers. The calls under way are cancelled, and their changes stay in the queue."""
        self._work.ended.set()
        self._work.awake.set()
        for thread in self._threads:
            while thread.is_alive():
                thread.cancel()
                thread.join(timeout=0.5)

    def _show(self, connection: Connection) -> None:
        self._reported = time.monotonic()
        row = connection.execute(sqlfiles.query("changes/queued_changes")).fetchone()
        assert row is not None  # it counts, so it returns one row
        self._queue = row
        with self._work.lock:
            done = (self._work.changes, self._work.contacts, self._work.edges_changed)
        sleeping = not self._work.awake.is_set()
        self._report(Progress(*done, *self._queue, sleeping, self._reported - self._started))

    def _sleep(self, connection: Connection) -> bool:
        """Sleep until the application may have written; True when there may be a change to take.

        A writer notifies only while another session holds this lock, and the writer holds it shared until it commits.
        So whoever gets the lock sees every change of which it was not notified. See ``connection_paths.wake_listener``.
        """
        stopping = self._work.stopping
        key = "connection_paths.advisory_key('listener', 0)"
        if connection.execute(f"SELECT pg_try_advisory_lock({key})".encode()).fetchone() != (True,):
            stopping.wait(PAUSE)  # a writer has the lock, or another process that follows
            return left(connection)
        found = left(connection)
        deadline = time.monotonic() + _SLEEP
        woken = False
        while not (found or woken or stopping.is_set()) and time.monotonic() < deadline:
            woken = any(True for _ in connection.notifies(timeout=_TICK, stop_after=1))
        connection.execute(f"SELECT pg_advisory_unlock({key})".encode())
        if found:
            stopping.wait(PAUSE)  # another session may have taken the change
        return found or woken


def _listen(connection: Connection) -> None:
    connection.execute("LISTEN connection_paths_changes")
