"""A thread that takes changes from the queue and refreshes the edges of their contacts, over a session of its own.

``connection_paths.sync_changes`` takes a number of changes in one transaction. After an error, the thread decides
whether to try again, and with how many changes: with fewer, fewer rows are locked at once; with one, the contact at
fault is found, and ``sync_changes`` records its error.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import COMPUTING, TRANSIENT_ERRORS, Connection, lost
from orchestrator.core.errors import one_line
from orchestrator.core.reconnect import ReconnectingSession, Stopped

log = logging.getLogger(__name__)

PAUSE = 0.2  # seconds before the queue is read again, while other sessions work on the remaining changes
_PATIENCE = 300.0  # seconds without a success, of transient errors only
_MOST_LOST = 10  # connections lost without a success: the work may be what the server crashes of
_ALONE_AFTER = 4  # transient errors, or lost connections, without a success: then one contact at a time
_ONE_BY_ONE = 50  # changes of a call, at most, that treats each contact separately


@dataclass
class Work:
    """What the threads of one ``sync`` share. Use the counts only while holding ``lock``.

    ``began``    the start of this sync, by the clock of the server.
    ``ended``    set when the threads are to end.
    ``awake``    cleared by a thread that finds no change; set when there may be one.
    ``news``     set when the coordinating thread has something to look at.
    ``running``  how many threads have not ended.
    ``failure``  the error that has ended a thread.
    """

    began: datetime
    follow: bool
    batch: int
    stopping: threading.Event
    running: int
    ended: threading.Event = field(default_factory=threading.Event)
    awake: threading.Event = field(default_factory=threading.Event)
    news: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    changes: int = 0
    contacts: int = 0
    edges_changed: int = 0
    failure: BaseException | None = None

    def session(self, dsn: str, greet: Callable[[Connection], None] = lambda _: None) -> ReconnectingSession:
        """Return a session that stops waiting for the server when the work ends; *greet* gets each new connection."""
        return ReconnectingSession(dsn, COMPUTING, greet=greet, stopping=(self.ended, self.stopping))


def left(connection: Connection, until: datetime | None = None) -> bool:
    """Whether the queue has a change from before *until* (None: any), apart from those that have failed three times."""
    row = connection.execute(sqlfiles.query("changes/changes_left"), {"until": until}).fetchone()
    return row == (True,)


class Refresher(threading.Thread):
    """Takes changes until the queue is empty; with ``follow``, until the work ends."""

    def __init__(self, dsn: str, work: Work) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._session = work.session(dsn)
        self._size = work.batch  # changes of the next call
        self._separately = 0  # changes that are still to be taken contact by contact
        self._succeeded_at = time.monotonic()
        self._transient = 0  # errors since then
        self._lost = 0  # connections since then
        self._looked_at = time.monotonic()

    def run(self) -> None:
        """Take changes; an error that ends the thread is kept for the coordinating thread."""
        work = self._work
        failure: BaseException | None = None
        try:
            while not work.ended.is_set() and self._step(self._session.connection()):
                pass
        except Stopped:
            pass
        except BaseException as error:
            failure = error
        finally:
            self._session.close()
            with work.lock:
                work.running -= 1
            if failure is not None and not work.ended.is_set():
                work.failure = failure
            work.news.set()

    def cancel(self) -> None:
        """Cancel the call under way, if there is one."""
        self._session.cancel()

    def _step(self, connection: Connection) -> bool:
        """Take some changes; False when there are no more to wait for."""
        try:
            taken = self._take(connection)
            return self._is_more(connection, taken)
        except (*TRANSIENT_ERRORS, psycopg.errors.QueryCanceled) as error:
            self._retry_later(error)
        except psycopg.Error as error:
            if lost(connection, error):
                self._lost += 1
                if self._lost == _MOST_LOST:
                    raise
                log.info("%s", one_line(error))
                self._take_fewer(self._lost)
                self._session.close()
            elif self._separately:
                raise
            else:
                log.info("%s; continuing contact by contact", one_line(error))
                self._separately = self._size
        return True

    def _take(self, connection: Connection) -> int:
        size = min(self._size, _ONE_BY_ONE) if self._separately else self._size
        row = connection.execute(
            "SELECT taken, contacts, edges_changed FROM connection_paths.sync_changes(%s, one_by_one => %s)",
            (size, self._separately > 0),
        ).fetchone()
        assert row is not None  # the function returns one row
        taken, contacts, edges_changed = row
        with self._work.lock:
            self._work.changes += taken
            self._work.contacts += contacts
            self._work.edges_changed += edges_changed
        self._succeeded_at = time.monotonic()
        self._transient = self._lost = 0
        self._separately = max(0, self._separately - taken) if taken else 0
        self._size = min(self._work.batch, self._size + 1 + self._size // 16)  # errors have made it smaller
        return int(taken)

    def _is_more(self, connection: Connection, taken: int) -> bool:
        """Whether to take changes again; waits before that where there is a reason to."""
        work = self._work
        if work.follow:
            if taken == 0:
                work.awake.clear()
                work.news.set()
                if not work.ended.is_set():  # the coordinating thread sets ``ended`` before it sets ``awake``
                    work.awake.wait()
            return True
        if taken and time.monotonic() - self._looked_at < PAUSE:
            return True
        self._looked_at = time.monotonic()
        more = left(connection, work.began)
        if more and taken == 0:
            work.ended.wait(PAUSE)
        return more

    def _retry_later(self, error: psycopg.Error) -> None:
        """Wait a little, then take fewer changes. Raises *error* after five minutes of nothing else."""
        if self._work.ended.is_set():
            return
        if time.monotonic() - self._succeeded_at > _PATIENCE and not self._work.follow:
            raise error
        log.info("%s; trying again", one_line(error))
        self._transient += 1
        self._take_fewer(self._transient)
        self._work.ended.wait(random.uniform(0.5, 1.0) * min(2.0, 0.05 * 2 ** min(self._transient, 6)))

    def _take_fewer(self, failed: int) -> None:
        """Reduce the size of the next call after *failed* calls in a row.

        A trigger of the application may raise what looks like a deadlock, or end the session, for one contact each
        time. So after some calls each contact is taken alone.
        """
        self._size = max(1, self._size // 4)
        if failed >= _ALONE_AFTER:
            self._size = self._separately = 1
