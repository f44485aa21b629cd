"""The plain backfill: ``backfill_contact`` for every contact, over several connections."""

from __future__ import annotations

import queue
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from orchestrator import sqlfiles
from orchestrator.database import Connection, connect
from orchestrator.errors import one_line
from orchestrator.installation import require_installed

_ATTEMPTS = 5  # of one contact, after a deadlock or a lock timeout
_QUEUE_AHEAD = 64  # contacts handed out and not yet begun, per worker
_CHUNK = 10_000  # ids fetched at a time
_TRANSIENT = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
)
_VACUUM_SHARE = 0.05  # of the edges changed, from which on waiting for autovacuum is a pity


@dataclass
class Progress:
    """Counters of a backfill, as they stand."""

    contacts: int
    started: float = field(default_factory=time.monotonic)
    done: int = 0
    changed: int = 0
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started


def backfill(dsn: str, workers: int, *, report: Callable[[Progress], None] = lambda _: None) -> Progress:
    """Run ``connection_paths.backfill_contact`` for every contact that has experiences or edges.

    ``workers`` connections share the contacts; each call is a transaction of its own. A contact whose call
    fails is set aside with the server's message in ``Progress.failed``, the others go on. ``report`` is called
    a few times a second from the calling thread. Interrupted (KeyboardInterrupt), the calls under way are
    cancelled and nothing is half done; run again, it finds less to change.
    """
    with connect(dsn) as connection:
        require_installed(connection)
        ids = _contacts(connection)
        progress = Progress(contacts=len(ids))
        pool = _Pool(dsn, workers, progress)
        try:
            for contact_id in ids:
                pool.put(contact_id, lambda: report(progress))
            pool.finish(lambda: report(progress))
        except BaseException:
            pool.cancel()
            raise
        report(progress)
        _prepare_for_walks(connection, progress)
    return progress


def _contacts(connection: Connection) -> array[int]:
    """Fetch the ids, eight bytes each, before the work begins: no snapshot is held that vacuum waits for."""
    ids = array("q")
    with connection.transaction(), connection.cursor("contacts_to_backfill") as cursor:
        cursor.execute(sqlfiles.query("contacts_to_backfill"))
        while chunk := cursor.fetchmany(_CHUNK):
            ids.extend(row[0] for row in chunk)
    return ids


class _Pool:
    """Worker threads, a connection each, fed through a bounded queue."""

    def __init__(self, dsn: str, workers: int, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._queue: queue.Queue[int | None] = queue.Queue(_QUEUE_AHEAD * workers)
        self._broken: BaseException | None = None
        # A commit lost to a crash is work to do again and nothing worse, so no commit waits for the disk.
        settings = {"synchronous_commit": "off"}
        self._connections: list[Connection] = []
        try:
            for _ in range(workers):
                self._connections.append(connect(dsn, settings=settings))
        except BaseException:
            self._close()
            raise
        self._threads = [
            threading.Thread(target=self._work, args=(connection,), daemon=True) for connection in self._connections
        ]
        for thread in self._threads:
            thread.start()

    def put(self, contact_id: int | None, while_waiting: Callable[[], None]) -> None:
        """Hand out a contact (None: no more), waiting for room; raises what broke a worker."""
        while True:
            self._raise_if_broken()
            try:
                return self._queue.put(contact_id, timeout=0.2)
            except queue.Full:
                while_waiting()

    def finish(self, while_waiting: Callable[[], None]) -> None:
        """Wait until all that was handed out is done."""
        for _ in self._threads:
            self.put(None, while_waiting)
        for thread in self._threads:
            while thread.is_alive():
                thread.join(timeout=0.2)
                while_waiting()
        self._raise_if_broken()
        self._close()

    def cancel(self) -> None:
        """Cancel the calls under way and wait for their ends."""
        self._stopping.set()
        for connection in self._connections:
            try:
                connection.cancel_safe(timeout=5)
            except psycopg.Error:
                continue  # gone already
        for thread in self._threads:
            thread.join(timeout=10)
        self._close()

    def _close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _raise_if_broken(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _work(self, connection: Connection) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    contact_id = self._queue.get(timeout=0.5)
                except queue.Empty:
                    continue
                if contact_id is None:
                    return
                self._backfill_one(connection, contact_id)
        except BaseException as error:
            if not self._stopping.is_set():
                self._broken = error

    def _backfill_one(self, connection: Connection, contact_id: int) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                row = connection.execute("SELECT connection_paths.backfill_contact(%s)", (contact_id,)).fetchone()
            except _TRANSIENT as error:
                failure = one_line(error)
                time.sleep(0.01 * 2**attempt)
            except psycopg.Error as error:
                if connection.broken or isinstance(error, psycopg.errors.InsufficientPrivilege):
                    raise
                failure = one_line(error)
                break
            else:
                with self._lock:
                    self._progress.done += 1
                    self._progress.changed += row[0] if row else 0
                return
        with self._lock:
            self._progress.failed[contact_id] = failure


def _prepare_for_walks(connection: Connection, progress: Progress) -> None:
    """After many changes, set the visibility map and statistics, on which the walk's index-only scans rest."""
    row = connection.execute(
        "SELECT greatest(c.reltuples, 0) FROM pg_class AS c"
        " WHERE c.oid = 'connection_paths.contact_connections'::regclass"
    ).fetchone()
    if progress.changed > _VACUUM_SHARE * (row[0] if row else 0):
        connection.execute("VACUUM (ANALYZE) connection_paths.contact_connections")
