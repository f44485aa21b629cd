"""A thread that asks the server one thing again and again, over a connection of its own, and reconnects."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress

import psycopg

from orchestrator.core.database import Connection, connect
from orchestrator.core.errors import OrchestratorError, one_line

_log = logging.getLogger(__name__)

#: So that no question hangs, and none waits in line for a lock for long.
_SETTINGS = {"statement_timeout": "2s", "lock_timeout": "1s"}
_RECONNECT = 1.0  # seconds between attempts


class Poll(ABC):
    """Calls :meth:`_ask` every ``interval`` seconds in a thread, from :meth:`start` to :meth:`stop`.

    A failure is kept in ``problem`` (one line, for people) and tried again; so is a lost connection.
    """

    def __init__(self, dsn: str, interval: float) -> None:
        self.interval = interval
        self.problem: str | None = None
        self._dsn = dsn
        self._connection: Connection | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def _ask(self, connection: Connection) -> None:
        """Ask once, and keep the answer."""

    def _connected(self) -> Connection:
        """Return the connection, a new one if it was lost."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._dsn, settings=_SETTINGS, reads_only=True)
            self._greet(self._connection)
        return self._connection

    def _greet(self, connection: Connection) -> None:  # noqa: B027 (most have nothing to prepare)
        """Prepare a new connection; nothing by default."""

    def start(self) -> None:
        """Begin to ask."""
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cancel the question under way, end the thread and close the connection. Never raises."""
        self._stopping.set()
        if self._thread is not None and self._thread.is_alive():
            if self._connection is not None:
                with suppress(psycopg.Error):
                    self._connection.cancel_safe(timeout=2)
            self._thread.join(timeout=5)
        if self._connection is not None and not (self._thread and self._thread.is_alive()):
            self._connection.close()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            pause = self.interval
            try:
                self._ask(self._connected())
                self.problem = None
            except (psycopg.Error, OrchestratorError) as error:
                if not self._stopping.is_set():
                    self._note(error)
                pause = max(pause, _RECONNECT)
            due = max(due + pause, time.monotonic())  # what was missed is not made up for

    def _note(self, error: psycopg.Error | OrchestratorError) -> None:
        problem = one_line(error) if isinstance(error, psycopg.Error) else str(error)
        if problem != self.problem:
            _log.warning("%s: %s", type(self).__name__.lower(), problem)
        self.problem = problem
