"""A session that survives the loss of its connection. Only this module connects again and repeats lost work.

A server may be restarted, killed, or replaced by a standby. Workers, the control of a run, `sync` and the threads that
poll the server all use :class:`ReconnectingSession` for that. What they do with an error that is not the loss of a
connection is their own decision; see :data:`orchestrator.core.database.TRANSIENT_ERRORS`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

import psycopg

from orchestrator.core.database import Connection, connect, lost
from orchestrator.core.errors import OrchestratorError, one_line

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")

_PATIENCE = 300.0  # seconds of a server that cannot be reached
_PAUSE = 1.0  # seconds between two attempts to connect
_MOST_ATTEMPTS = 10  # at work that loses its connection each time: the work itself may crash the server


class Stopped(Exception):
    """The session was asked to stop while it waited for the server."""


class ReconnectingSession:
    """A connection that is opened when it is first needed, and opened again after it was lost.

    ``settings`` are those of :func:`~orchestrator.core.database.connect`. ``greet`` is called with each new connection.
    Of several hosts, the primary is used; after a failover, this is another host. When one of the events in
    ``stopping`` is set, waiting for the server ends with :class:`Stopped`.

    One thread uses the session; :meth:`cancel` may be called from any other.
    """

    def __init__(
        self,
        dsn: str,
        settings: Mapping[str, str] | None = None,
        *,
        greet: Callable[[Connection], object] = lambda _: None,
        stopping: tuple[threading.Event, ...] = (),
    ) -> None:
        self._dsn = dsn
        self._settings = settings
        self._greet = greet
        self._stopping = stopping
        self._pause = stopping[0] if stopping else threading.Event()
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> Connection:
        """Return the connection; when there is none, or it was lost, try once to open one.

        Raises :class:`OrchestratorError` when the server cannot be reached. A command opens its first
        connection with this, so that a wrong connection string is an error at once.
        """
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self._connection = connect(self._dsn, settings=self._settings)
        try:
            self._greet(self._connection)
        except BaseException:
            self.close()
            raise
        return self._connection

    def connection(self) -> Connection:
        """Return the connection; when there is none, or it was lost, try to open one for five minutes.

        A server that starts up, or a standby that is about to be promoted, is waited for. Raises the last error when
        the five minutes are over, and :class:`Stopped`.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            is_open = self._connection is not None and not self._connection.closed
            if not is_open and any(event.is_set() for event in self._stopping):
                raise Stopped
            try:
                return self.open()
            except (OrchestratorError, psycopg.OperationalError) as error:
                self.close()
                if time.monotonic() > deadline:
                    raise
                _log.info("%s", one_line(error))
                self._pause.wait(_PAUSE)

    def run(self, work: Callable[[Connection], _Result]) -> _Result:
        """Return the result of *work*; when *work* loses its connection, call it again with a new one.

        *work* is called ten times at most. An error of *work* is raised unless it is the loss of the connection, and
        the tenth loss is raised as well. Also raises what :meth:`connection` raises.
        """
        attempts = 0
        while True:
            connection = self.connection()
            attempts += 1
            try:
                return work(connection)
            except psycopg.Error as error:
                if not lost(connection, error) or attempts == _MOST_ATTEMPTS:
                    raise
                _log.info("%s", one_line(error))
                self.close()

    def cancel(self, timeout: float = 5.0) -> None:
        """Cancel the statement under way, if there is one; *timeout* in seconds. Never raises a database error."""
        connection = self._connection
        if connection is not None:
            with suppress(psycopg.Error):  # the connection may be lost
                connection.cancel_safe(timeout=timeout)

    def close(self) -> None:
        """Close the connection. The next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
