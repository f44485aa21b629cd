"""The workers of a run: threads that claim batches and do them, each over a session of its own.

A worker that loses its connection opens another and continues. The batch that it had claimed is then free: the server
releases the lock of a session that has ended, and any worker may claim the batch again. Which batches are done is
recorded only in the database.
"""

from __future__ import annotations

import logging
import math
import threading
import time

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import COMPUTING, TRANSIENT_ERRORS, Connection, lost
from orchestrator.core.errors import one_line
from orchestrator.core.reconnect import ReconnectingSession, Stopped
from orchestrator.runs import runs

log = logging.getLogger(__name__)

_PAUSE = 0.25  # seconds before the next claim, when there was nothing to claim or the batch has to be retried

#: Errors after which the same batch may succeed.
_RETRIED = (*TRANSIENT_ERRORS, psycopg.errors.QueryCanceled)


class Workers:
    """Worker threads numbered from 0 to ``count - 1``, of which ``allowed`` work; the others wait between two batches.

    ``allowed`` may be changed at any time, and it may have a fraction: at 0.25 only the first worker works, and after
    each batch it rests for three times as long as the batch took. ``busy`` is how many have a batch now.
    """

    def __init__(self, dsn: str, run_id: int, count: int, *, batch_timeout: float) -> None:
        self.allowed: float = count
        self.busy = 0
        self._run_id = run_id
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        settings = {**COMPUTING, "statement_timeout": f"{int(batch_timeout * 1000)}ms"}
        self._sessions = [ReconnectingSession(dsn, settings, stopping=(self._stopping,)) for _ in range(count)]
        self._connected: set[int] = set()  # workers that have had a connection
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads, for the first time or after :meth:`stop`."""
        self._stopping.clear()
        self._threads = [
            threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(len(self._sessions))
        ]
        for thread in self._threads:
            thread.start()

    def raise_failure(self) -> None:
        """Raise the error that has ended a worker, if there is one."""
        if self._failure is not None:
            raise self._failure

    def stop(self, *, cancel: bool = False) -> None:
        """End the threads once their batches are done; with ``cancel``, cancel the batches."""
        self._stopping.set()
        for thread in self._threads:
            while thread.ident is not None and thread.is_alive():
                if cancel:
                    for session in self._sessions:
                        session.cancel()
                thread.join(timeout=0.5)

    def _work(self, number: int) -> None:
        try:
            self._do_batches(number)
        except Stopped:
            pass
        except BaseException as error:
            if not self._stopping.is_set():
                self._failure = error
        finally:
            self._sessions[number].close()

    def _do_batches(self, number: int) -> None:
        """Do one batch after another, and rest in between as ``allowed`` demands."""
        began = ended = 0.0  # of the latest batch
        while not self._stopping.is_set():
            rest = ended + self._rest(number, ended - began) - time.monotonic()
            if rest > 0:
                self._stopping.wait(min(rest, _PAUSE))
                continue
            connection = self._connect(number)
            began = time.monotonic()
            if not self._try_batch(number, connection):
                self._stopping.wait(_PAUSE)
            ended = time.monotonic()

    def _rest(self, number: int, worked: float) -> float:
        """Return how many seconds a worker rests after it has worked for some."""
        share = min(1.0, self.allowed - number)
        return worked * (1 / share - 1) if share > 0 else math.inf

    def _connect(self, number: int) -> Connection:
        """Return the connection of a worker.

        An error that prevents the first connection is raised at once. After that the server is waited for, because a
        server that was killed comes back.
        """
        session = self._sessions[number]
        if number in self._connected:
            return session.connection()
        connection = session.open()
        self._connected.add(number)
        return connection

    def _try_batch(self, number: int, connection: Connection) -> bool:
        """Claim a batch and do it; False when the worker should pause. Closes the session after a transient error."""
        try:
            return self._do_batch(connection)
        except psycopg.Error as error:
            is_retried = isinstance(error, _RETRIED)
            if not is_retried and not lost(connection, error):
                raise
            log.info("worker %s: %s", number, one_line(error))
            # The session may have a batch whose failure was not recorded. To close the session frees the batch.
            self._sessions[number].close()
            return not is_retried

    def _do_batch(self, connection: Connection) -> bool:
        """Claim a batch and do it; False when there is no batch to do now."""
        claimed = connection.execute(
            "SELECT batch_id, attempt FROM connection_paths.claim_batch(%s)", (self._run_id,)
        ).fetchone()
        if claimed is None:
            return False
        batch = (self._run_id, *claimed)
        with self._lock:
            self.busy += 1
        try:
            connection.execute("SELECT connection_paths.do_batch(%s, %s, %s)", batch)
        except psycopg.Error as error:
            if error.sqlstate == runs.CLAIM_LOST:
                return True  # another worker has the batch, or the run is over
            if lost(connection, error) or self._stopping.is_set() or error.sqlstate == runs.REBUILD_LOST:
                raise
            if isinstance(error, psycopg.errors.UndefinedTable):
                if not self._is_active(connection):
                    return False  # the run was cancelled, and the table of the rebuild dropped
                connection.execute("SELECT connection_paths.require_rebuild(%s)", (self._run_id,))  # REBUILD_LOST
            if self._would_fail_for_every_batch(connection, error):
                raise
            self._record_failure(connection, batch, error)
        finally:
            with self._lock:
                self.busy -= 1
        return True

    def _record_failure(self, connection: Connection, batch: tuple[int, int, int], error: psycopg.Error) -> None:
        try:
            outcome = connection.execute(
                "SELECT connection_paths.fail_batch(%s, %s, %s, %s, %s)",
                (*batch, one_line(error), isinstance(error, TRANSIENT_ERRORS)),
            ).fetchone()
        except psycopg.Error as failure:
            if failure.sqlstate != runs.CLAIM_LOST:
                raise
            return
        log.info("batch %s: %s: %s", batch[1], one_line(error), outcome[0] if outcome else None)

    def _would_fail_for_every_batch(self, connection: Connection, error: psycopg.Error) -> bool:
        """Whether no batch would succeed. To split this one would then end with every contact set aside.

        The error alone does not show it: a trigger of the application may raise any error for a single contact. So the
        same work is tried for no contact.
        """
        if isinstance(error, psycopg.errors.DiskFull):
            return True
        if isinstance(error, _RETRIED):
            return False
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(sqlfiles.query("runs/try_empty_batch"), {"run_id": self._run_id})
        except _RETRIED:
            return False
        except psycopg.Error as failure:
            if lost(connection, failure):
                raise
            return True
        return False

    def _is_active(self, connection: Connection) -> bool:
        row = connection.execute(
            "SELECT is_active FROM connection_paths.backfill_runs WHERE run_id = %s", (self._run_id,)
        ).fetchone()
        return row == (True,)
