"""Bringing edges up to date: changes are taken off the queue until it is empty, or for ever.

What a change means, and when it is safe to recompute, is decided by ``connection_paths.sync_changes``; a call of it is
one transaction, so whoever dies, nothing is lost. Any number of processes may do this at once. Here is decided when to
call it, how much at once, and what comes after an error.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from orchestrator.core import sqlfiles
from orchestrator.core.database import COMPUTING, TRANSIENT_ERRORS, Connection, connect, lost, resolved
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.install.installed import require_installed

log = logging.getLogger(__name__)

_TICK = 0.5  # seconds between reports
_LOOK_AGAIN = 0.2  # seconds, while others have in hand what is left
_SLEEP = 5.0  # seconds without a notification after which a follower looks by itself
_LOST_AT_MOST = 10  # sessions in a row: what they do may be what ends them
_ALONE_AFTER = 4  # errors in a row that should pass, or sessions lost: then a contact alone is tried, and blamed
_PATIENCE = 300.0  # seconds of a server that cannot be reached, or of nothing but deadlocks
_ONE_BY_ONE = 50  # changes at once while looking for the contact at fault
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Progress:
    """What there is to show, about twice a second.

    ``changes`` were taken off the queue, ``waiting`` are in it, the oldest for ``oldest`` seconds (None: none waits).
    ``failed`` contacts have failed three times and are left alone.
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
    """What was done: ``changes`` taken, ``contacts`` recomputed, ``edges_changed`` rows written.

    ``failed`` contacts are left in the queue, each with its error: they have failed three times.
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
    """Recompute what changed before this call; with *follow*, go on with what changes until *stopping* is set.

    Changes that come later are taken too as long as older ones are left, but they are not waited for: a queue that
    is filled without end does not keep this for ever. What other sessions have in hand is waited for.

    ``workers`` connections take up to ``batch`` changes at once. ``retry_failed`` gives contacts that have failed three
    times three more attempts. ``report`` is called from the calling thread. Interrupted (KeyboardInterrupt), calls
    under way are cancelled, and their changes stay in the queue. Survives the loss of any connection, and a server
    that restarts. Raises what no other attempt would mend.
    """
    with connect(dsn) as connection:
        require_installed(connection)
        if retry_failed:
            connection.execute("UPDATE connection_paths.contact_changes SET failures = 0 WHERE failures >= 3")
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        dsn = resolved(connection)
    return _Sync(dsn, row[0], workers, follow, batch, report, stopping or threading.Event()).run()


def failed_changes(connection: Connection) -> list[dict[str, Any]]:
    """Return the contacts that were left after three failures: contact_id and error."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sqlfiles.query("changes/failed_changes")).fetchall()


class _Sync:
    """One call of :func:`sync`: threads that take changes, and the calling thread, which looks after them."""

    def __init__(
        self,
        dsn: str,
        began: datetime,
        workers: int,
        follow: bool,
        batch: int,
        report: Callable[[Progress], None],
        stopping: threading.Event,
    ) -> None:
        self.began = began  # by the server's clock
        self.follow = follow
        self.batch = batch
        self.ended = threading.Event()
        self.awake = threading.Event()  # cleared by a thread that finds nothing to take
        self.look = threading.Event()  # a thread has something to tell
        self._dsn = dsn
        self._report = report
        self._stopping = stopping
        self._started = time.monotonic()
        self._reported = 0.0
        self._lock = threading.Lock()
        self._working = workers
        self._changes = self._contacts = self._edges_changed = 0
        self._queue: tuple[int, float | None, int] = (0, None, 0)  # waiting, oldest, failed
        self._broken: BaseException | None = None
        self._connection: Connection | None = None
        self._listening = False
        self._threads = [_Worker(self) for _ in range(workers)]

    def run(self) -> Synced:
        self.awake.set()
        for thread in self._threads:
            thread.start()
        try:
            while self._working and not self._stopping.is_set():
                self.look.wait(_LOOK_AGAIN)
                self.look.clear()
                self._raise_if_broken()
                if time.monotonic() - self._reported >= _TICK:
                    self._again(self._tell)
                if self.follow and not self.awake.is_set() and self._again(self._sleep):
                    self.awake.set()
            self._end()
            self._raise_if_broken()
            if not self._stopping.is_set():
                self._again(self._tell)
        finally:
            self._end()
            if self._connection is not None:
                self._connection.close()
        seconds = time.monotonic() - self._started
        return Synced(self._changes, self._contacts, self._edges_changed, self._queue[2], seconds)

    def connected(self) -> Connection | None:
        """Open a connection, for a while again and again: a server that was killed comes back. None: too late."""
        deadline = time.monotonic() + _PATIENCE
        while not self.ended.is_set() and not self._stopping.is_set():
            try:
                return connect(self._dsn, settings=COMPUTING)
            except (OrchestratorError, psycopg.OperationalError) as error:
                if time.monotonic() > deadline:
                    raise
                log.info("%s", error)
                self.ended.wait(1.0)
        return None

    def add(self, changes: int, contacts: int, edges_changed: int) -> None:
        """Count what a call has done."""
        with self._lock:
            self._changes += changes
            self._contacts += contacts
            self._edges_changed += edges_changed

    def leave(self, error: BaseException | None) -> None:
        """Be told that a thread ends: its work is done, or the calling thread is to raise *error*."""
        with self._lock:
            self._working -= 1
        if error is not None and not self.ended.is_set():
            self._broken = error
        self.look.set()

    def _raise_if_broken(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _end(self) -> None:
        """End the threads; what they are at is cancelled and left in the queue."""
        self.ended.set()
        self.awake.set()
        for thread in self._threads:
            while thread.is_alive():
                thread.cancel()
                thread.join(timeout=0.5)

    def _again(self, work: Callable[[Connection], _Result]) -> _Result | None:
        """Do something with the calling thread's connection; when that is lost, open another and do it again."""
        while True:
            if self._connection is None:
                self._connection = self.connected()
                if self._connection is None:
                    return None
                self._listening = False
            try:
                if self.follow and not self._listening:
                    self._connection.execute("LISTEN connection_paths_changes")
                    self._listening = True
                return work(self._connection)
            except psycopg.OperationalError as error:
                if not lost(self._connection, error):
                    raise
                log.info("%s", one_line(error))
                self._connection.close()
                self._connection = None

    def _tell(self, connection: Connection) -> None:
        self._reported = time.monotonic()
        row = connection.execute(sqlfiles.query("changes/queued_changes")).fetchone()
        assert row is not None
        self._queue = row
        with self._lock:
            done = (self._changes, self._contacts, self._edges_changed)
        self._report(Progress(*done, *self._queue, not self.awake.is_set(), self._reported - self._started))

    def _sleep(self, connection: Connection) -> bool:
        """Sleep until something may have changed; True when there may be something to take.

        Writers notify only while somebody holds this lock, and hold it shared until they have committed: who gets it
        sees all that was written without a notification. See ``connection_paths.wake_listener``.
        """
        key = "connection_paths.advisory_key('listener', 0)"
        if connection.execute(f"SELECT pg_try_advisory_lock({key})".encode()).fetchone() != (True,):
            self._stopping.wait(_LOOK_AGAIN)  # writers are at it, or another follower sleeps
            return left(connection)
        found = left(connection)
        deadline = time.monotonic() + _SLEEP
        woken = False
        while not (found or woken or self._stopping.is_set()) and time.monotonic() < deadline:
            woken = any(True for _ in connection.notifies(timeout=_TICK, stop_after=1))
        connection.execute(f"SELECT pg_advisory_unlock({key})".encode())
        if found:
            self._stopping.wait(_LOOK_AGAIN)  # it may be what another session has in hand
        return found or woken


def left(connection: Connection, until: datetime | None = None) -> bool:
    """Whether something waits that changed *until* some time; what has failed three times does not count."""
    row = connection.execute(sqlfiles.query("changes/changes_left"), {"until": until}).fetchone()
    return row == (True,)


class _Worker(threading.Thread):
    """Takes changes, over a connection of its own."""

    def __init__(self, owner: _Sync) -> None:
        super().__init__(daemon=True)
        self._owner = owner
        self._connection: Connection | None = None
        self._size = owner.batch
        self._careful = 0  # changes still to take one by one
        self._well = time.monotonic()  # when a call last succeeded
        self._passed = 0  # errors since then
        self._lost = 0  # sessions since then
        self._looked = time.monotonic()

    def run(self) -> None:
        failure: BaseException | None = None
        try:
            while not self._owner.ended.is_set():
                if self._connection is None:
                    self._connection = self._owner.connected()
                if self._connection is None or not self._go_on(self._connection):
                    break
        except BaseException as error:
            failure = error
        finally:
            if self._connection is not None:
                self._connection.close()
            self._owner.leave(failure)

    def cancel(self) -> None:
        """Cancel the call under way, if there is one."""
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(psycopg.Error):  # gone already
                connection.cancel_safe(timeout=5)

    def _go_on(self, connection: Connection) -> bool:
        """Take some changes; False when there are no more to wait for."""
        try:
            taken = self._take(connection)
            return self._is_more(connection, taken)
        except (*TRANSIENT_ERRORS, psycopg.errors.QueryCanceled) as error:
            self._pass(error)
        except psycopg.Error as error:
            if lost(connection, error):
                self._lost += 1
                if self._lost == _LOST_AT_MOST:
                    raise
                log.info("%s", one_line(error))
                self._shrink(self._lost)
                connection.close()
                self._connection = None
            elif self._careful:
                raise
            else:
                log.info("%s; one by one", one_line(error))
                self._careful = self._size
        return True

    def _take(self, connection: Connection) -> int:
        size = min(self._size, _ONE_BY_ONE) if self._careful else self._size
        row = connection.execute(
            "SELECT taken, contacts, edges_changed FROM connection_paths.sync_changes(%s, one_by_one => %s)",
            (size, self._careful > 0),
        ).fetchone()
        assert row is not None
        taken = int(row[0])
        self._owner.add(*row)
        self._well = time.monotonic()
        self._passed = self._lost = 0
        self._careful = max(0, self._careful - taken) if taken else 0
        self._size = min(self._owner.batch, self._size + 1 + self._size // 16)  # after a deadlock it was less
        return taken

    def _is_more(self, connection: Connection, taken: int) -> bool:
        owner = self._owner
        if owner.follow:
            if taken == 0:
                owner.awake.clear()
                owner.look.set()
                if not owner.ended.is_set():  # set before everybody is woken for the last time, so one of them is seen
                    owner.awake.wait()
            return True
        if taken and time.monotonic() - self._looked < _LOOK_AGAIN:
            return True
        self._looked = time.monotonic()
        more = left(connection, owner.began)
        if more and taken == 0:
            owner.ended.wait(_LOOK_AGAIN)
        return more

    def _pass(self, error: psycopg.Error) -> None:
        """Wait a little after an error that will not come again, and take less: fewer rows are fought over."""
        if self._owner.ended.is_set():
            return
        if time.monotonic() - self._well > _PATIENCE and not self._owner.follow:
            raise error
        log.info("%s; again", one_line(error))
        self._passed += 1
        self._shrink(self._passed)
        self._owner.ended.wait(random.uniform(0.5, 1.0) * min(2.0, 0.05 * 2 ** min(self._passed, 6)))

    def _shrink(self, failed: int) -> None:
        """Take less after *failed* calls in a row: fewer rows are fought over, and the one at fault is found.

        An application's trigger may raise what looks like a deadlock or a lost session each time, for one contact.
        """
        self._size = max(1, self._size // 4)
        if failed >= _ALONE_AFTER:
            self._size = self._careful = 1
