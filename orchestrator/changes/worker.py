"""A worker of a sync: a thread that takes changes from the queue over a session of its own.

``connection_paths.sync_changes`` takes some changes and refreshes the edges of their contacts in one transaction. The
worker decides how many changes a call takes, and what happens after an error:

* after a call that took long, the next calls take fewer changes, so that transactions stay short;
* after a deadlock, a timeout or a lost session, the next calls take fewer changes, so that fewer rows are contended;
* after any other error, the next calls refresh contacts one by one, so that only the contact with the error fails;
* after several errors in a row, calls take a single change, so that an error which looks transient (the application's
  trigger may raise it for one contact every time) is recorded for its contact.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from datetime import datetime

import psycopg

from orchestrator.changes.queue import has_changes
from orchestrator.core.database import COMPUTING, TRANSIENT_ERRORS, Connection, lost
from orchestrator.core.errors import one_line
from orchestrator.core.reconnect import ReconnectingSession, Stopped

log = logging.getLogger(__name__)

#: Seconds until a worker looks again for changes that other sessions are refreshing now.
LOOK_AGAIN = 0.2
_MOST_LOST_SESSIONS = 10  # in a row: the work itself may be what ends them
_SINGLE_AFTER = 4  # transient errors, or lost sessions, in a row; then calls take a single change
_PATIENCE = 300.0  # seconds without a call that succeeds; then a transient error is raised
_LONG = 2.0  # seconds; after a call that took longer, the next call takes half as many changes
_ONE_BY_ONE = 50  # changes that a call takes at most while it refreshes contacts one by one


class SyncState:
    """What the workers of a sync and its calling thread share.

    ``began`` is the time by the server's clock when the sync began. When ``ended`` is set, the workers end. A worker
    that finds nothing to take clears ``has_work``. ``attention`` wakes the calling thread.
    """

    def __init__(self, began: datetime, workers: int, batch: int, *, follow: bool) -> None:
        self.began = began
        self.batch = batch
        self.follow = follow
        self.ended = threading.Event()
        self.has_work = threading.Event()
        self.attention = threading.Event()
        self.working = workers
        self.changes = self.contacts = self.edges_changed = 0
        self.error: BaseException | None = None
        self._lock = threading.Lock()

    def counts(self) -> tuple[int, int, int]:
        """Return the changes taken, the contacts refreshed and the edges changed so far."""
        with self._lock:
            return self.changes, self.contacts, self.edges_changed

    def add(self, changes: int, contacts: int, edges_changed: int) -> None:
        """Add the result of a call."""
        with self._lock:
            self.changes += changes
            self.contacts += contacts
            self.edges_changed += edges_changed

    def leave(self, error: BaseException | None) -> None:
        """Record the end of a worker; the calling thread raises *error*, if there is one."""
        with self._lock:
            self.working -= 1
        if error is not None and not self.ended.is_set():
            self.error = error
        self.attention.set()


class Worker(threading.Thread):
    """Takes changes until nothing is left to wait for, or until the sync ends."""

    def __init__(self, dsn: str, state: SyncState, stopping: threading.Event) -> None:
        super().__init__(daemon=True)
        self._state = state
        self._session = ReconnectingSession(dsn, COMPUTING, stopping=(state.ended, stopping))
        self._size = state.batch  # changes that the next call takes
        self._one_by_one = 0  # changes that are still to be taken one by one
        self._succeeded = time.monotonic()  # when a call last succeeded
        self._transient_errors = 0  # since then
        self._lost_sessions = 0  # since then
        self._looked = time.monotonic()

    def run(self) -> None:
        """Work until the end; an error is passed to the calling thread."""
        failure: BaseException | None = None
        try:
            while not self._state.ended.is_set() and self._take_and_look(self._session.connection()):
                pass
        except Stopped:
            pass
        except BaseException as error:
            failure = error
        finally:
            self._session.close()
            self._state.leave(failure)

    def cancel(self) -> None:
        """Cancel the call in progress, if there is one; its changes stay in the queue."""
        self._session.cancel()

    def _take_and_look(self, connection: Connection) -> bool:
        """Take some changes; return whether there are more to wait for."""
        try:
            taken = self._take(connection)
            return self._has_more(connection, taken)
        except (*TRANSIENT_ERRORS, psycopg.errors.QueryCanceled) as error:
            self._pause_after(error)
        except psycopg.Error as error:
            if lost(connection, error):
                self._lost_sessions += 1
                if self._lost_sessions == _MOST_LOST_SESSIONS:
                    raise
                log.info("%s", one_line(error))
                self._take_less(self._lost_sessions)
                self._session.close()
            elif self._one_by_one:
                raise
            else:
                log.info("%s; the next contacts are refreshed one by one", one_line(error))
                self._one_by_one = self._size
        return True

    def _take(self, connection: Connection) -> int:
        """Call sync_changes once; return how much it took: not only changes, but 0 when nothing is left."""
        size = min(self._size, _ONE_BY_ONE) if self._one_by_one else self._size
        started = time.monotonic()
        row = connection.execute(
            "SELECT taken, changes, contacts, edges_changed FROM connection_paths.sync_changes(%s, one_by_one => %s)",
            (size, self._one_by_one > 0),
        ).fetchone()
        assert row is not None
        taken = int(row[0])
        self._state.add(*row[1:])
        self._succeeded = time.monotonic()
        self._transient_errors = self._lost_sessions = 0
        self._one_by_one = max(0, self._one_by_one - int(row[1])) if taken else 0
        if self._succeeded - started > _LONG:
            self._size = max(1, self._size // 2)
        else:
            self._size = min(self._state.batch, self._size + 1 + self._size // 16)
        return taken

    def _has_more(self, connection: Connection, taken: int) -> bool:
        """Return whether there are more changes to take; with ``follow``, sleep while there are none."""
        state = self._state
        if state.follow:
            if taken == 0:
                state.has_work.clear()
                state.attention.set()
                # The calling thread sets ended before it sets has_work for the last time. So this thread sees one.
                if not state.ended.is_set():
                    state.has_work.wait()
            return True
        if taken and time.monotonic() - self._looked < LOOK_AGAIN:
            return True
        self._looked = time.monotonic()
        more = has_changes(connection, state.began)
        if more and taken == 0:  # other sessions have the rest
            state.ended.wait(LOOK_AGAIN)
        return more

    def _pause_after(self, error: psycopg.Error) -> None:
        """Take less after a transient *error*, and wait up to two seconds; raise it after five minutes of errors."""
        if self._state.ended.is_set():
            return
        if time.monotonic() - self._succeeded > _PATIENCE and not self._state.follow:
            raise error
        log.info("%s; it is tried again", one_line(error))
        self._transient_errors += 1
        self._take_less(self._transient_errors)
        self._state.ended.wait(random.uniform(0.5, 1.0) * min(2.0, 0.05 * 2 ** min(self._transient_errors, 6)))

    def _take_less(self, errors: int) -> None:
        """Take fewer changes after that many *errors* in a row, and finally a single one."""
        self._size = max(1, self._size // 4)
        if errors >= _SINGLE_AFTER:
            self._size = self._one_by_one = 1
