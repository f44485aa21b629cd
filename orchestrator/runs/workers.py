"""Workers of a run: threads with a connection each that claim batches and do them, through anything.

A worker that loses its connection opens another and goes on; what it had claimed is claimed again, by whoever comes
first, because its session is gone. Nothing here knows which batches are done: that is in the database.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import COMPUTING, TRANSIENT_ERRORS, Connection, connect, lost
from orchestrator.core.errors import one_line
from orchestrator.core.reconnect import reconnect
from orchestrator.runs import runs

log = logging.getLogger(__name__)

_LOOK_AGAIN = 0.25  # seconds, when there is nothing to claim or somebody else is to go first


class Workers:
    """Threads ``0 … count - 1``, of which ``allowed`` work; the others wait after the batch they are at.

    ``allowed`` may change at any time and be less than whole: at 0.25 the first rests after each batch, three times
    as long as the batch took.
    """

    def __init__(self, dsn: str, run_id: int, count: int, *, batch_timeout: float) -> None:
        self.allowed: float = count
        self.busy = 0
        self._dsn = dsn
        self._run_id = run_id
        self._settings = {
            **COMPUTING,
            "statement_timeout": f"{int(batch_timeout * 1000)}ms",
        }
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._broken: BaseException | None = None
        self._connections: dict[int, Connection] = {}
        self._count = count
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin, or begin again after :meth:`stop`."""
        self._stopping.clear()
        self._threads = [
            threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(self._count)
        ]
        for thread in self._threads:
            thread.start()

    def raise_if_broken(self) -> None:
        """Raise what made a worker give up, if one has."""
        if self._broken is not None:
            raise self._broken

    def stop(self, *, cancel: bool = False) -> None:
        """Let nobody begin another batch, and wait for the ends of those under way; or cancel them."""
        self._stopping.set()
        for thread in self._threads:
            while thread.ident is not None and thread.is_alive():
                if cancel:
                    self._cancel()
                thread.join(timeout=0.5)

    def _cancel(self) -> None:
        with self._lock:
            connections = list(self._connections.values())
        for connection in connections:
            with contextlib.suppress(psycopg.Error):  # gone already
                connection.cancel_safe(timeout=5)

    def _work(self, number: int) -> None:
        connection: Connection | None = None
        began = ended = 0.0  # the last batch
        try:
            while not self._stopping.is_set():
                rest = ended + self._rest(number, ended - began) - time.monotonic()
                if rest > 0:
                    self._stopping.wait(min(rest, _LOOK_AGAIN))
                    continue
                if connection is None or connection.broken or connection.closed:
                    connection = self._connect(number)
                    if connection is None:
                        return
                began = time.monotonic()
                try:
                    if not self._do_one(connection):
                        self._stopping.wait(_LOOK_AGAIN)
                except (*TRANSIENT_ERRORS, psycopg.errors.QueryCanceled) as error:
                    log.info("worker %s: %s", number, one_line(error))
                    connection.close()  # it may hold a claim of which it could not say that it failed
                    self._stopping.wait(_LOOK_AGAIN)
                except psycopg.Error as error:
                    if not lost(connection, error):
                        raise
                    log.info("worker %s: %s", number, one_line(error))
                    connection.close()
                ended = time.monotonic()
        except BaseException as error:
            if not self._stopping.is_set():
                self._broken = error
        finally:
            if connection is not None:
                connection.close()

    def _rest(self, number: int, worked: float) -> float:
        """Return for how many seconds a worker rests that has worked for some."""
        share = min(1.0, self.allowed - number)
        return worked * (1 / share - 1) if share > 0 else math.inf

    def _connect(self, number: int) -> Connection | None:
        """Open a connection; None when the worker is to stop.

        What keeps the first one from being opened is raised at once; later ones are tried for a while, for a server
        that was killed comes back.
        """
        if number in self._connections:
            connection = reconnect(self._dsn, self._settings, stopping=self._stopping)
        else:
            connection = connect(self._dsn, settings=self._settings)
        if connection is not None:
            with self._lock:
                self._connections[number] = connection
        return connection

    def _do_one(self, connection: Connection) -> bool:
        """Claim a batch and do it; False when there is none to do now."""
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
                return True  # somebody else has it by now, or the run is over
            if lost(connection, error) or self._stopping.is_set() or error.sqlstate == runs.REBUILD_LOST:
                raise
            if isinstance(error, psycopg.errors.UndefinedTable) and not self._is_active(connection):
                return False  # cancelled, and the rebuild's table dropped
            if self._is_hopeless(connection, error):
                raise
            self._fail(connection, batch, error)
        finally:
            with self._lock:
                self.busy -= 1
        return True

    def _fail(self, connection: Connection, batch: tuple[int, int, int], error: psycopg.Error) -> None:
        try:
            outcome = connection.execute(
                "SELECT connection_paths.fail_batch(%s, %s, %s, %s, %s)",
                (*batch, one_line(error), isinstance(error, TRANSIENT_ERRORS)),
            ).fetchone()
        except psycopg.Error as failure:
            if failure.sqlstate != runs.CLAIM_LOST:
                raise
            return
        log.info("batch %s: %s: %s", batch[1], one_line(error), outcome)

    def _is_hopeless(self, connection: Connection, error: psycopg.Error) -> bool:
        """Whether no batch would fare better, so that splitting this one would end with everybody set aside.

        The error itself does not tell: a trigger of the application's may raise any for one contact. So the same is
        tried for no contact at all.
        """
        if isinstance(error, psycopg.errors.DiskFull):
            return True
        if isinstance(error, (*TRANSIENT_ERRORS, psycopg.errors.QueryCanceled)):
            return False
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(sqlfiles.query("runs/batch_of_nobody"), {"run_id": self._run_id})
        except (*TRANSIENT_ERRORS, psycopg.errors.QueryCanceled):
            return False
        except psycopg.Error as failure:
            if lost(connection, failure):
                raise
            return True
        return False

    def _is_active(self, connection: Connection) -> bool:
        row = connection.execute(
            "SELECT status IN ('running', 'paused') FROM connection_paths.backfill_runs WHERE run_id = %s",
            (self._run_id,),
        ).fetchone()
        return row == (True,)
