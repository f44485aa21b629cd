"""A thread that asks the server the same question again and again, over a session of its own."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod

import psycopg

from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.core.reconnect import ReconnectingSession

_log = logging.getLogger(__name__)

#: A question that is not answered within two seconds is an error, and so is a lock that is not free within one.
_SETTINGS = {"statement_timeout": "2s", "lock_timeout": "1s"}
_PAUSE = 1.0  # seconds after an error, at least


class Poll(ABC):
    """Calls :meth:`_ask` every ``interval`` seconds in a thread, from :meth:`start` to :meth:`stop`.

    ``problem`` is the error of the latest question as one line for people, or None when it was answered. After an
    error, a lost connection included, the question is asked again.
    """

    def __init__(self, dsn: str, interval: float) -> None:
        self.interval = interval
        self.problem: str | None = None
        self._session = ReconnectingSession(dsn, _SETTINGS, greet=self._greet)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def _ask(self, connection: Connection) -> None:
        """Ask once, and keep the answer."""

    def _greet(self, connection: Connection) -> None:  # noqa: B027 (most have nothing to prepare)
        """Prepare a new connection; nothing by default."""

    def _connected(self) -> Connection:
        """Return the connection, or a new one if it was lost."""
        return self._session.open()

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cancel the question under way, end the thread and close the connection. Never raises."""
        self._stopping.set()
        if self._thread is not None and self._thread.is_alive():
            self._session.cancel(timeout=2)
            self._thread.join(timeout=5)
        if self._thread is None or not self._thread.is_alive():
            self._session.close()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            pause = self.interval
            try:
                self._ask(self._connected())
                self.problem = None
            except (psycopg.Error, OrchestratorError) as error:
                if not self._stopping.is_set():
                    self._keep(error)
                pause = max(pause, _PAUSE)
            due = max(due + pause, time.monotonic())  # a question whose time has passed is not asked later

    def _keep(self, error: psycopg.Error | OrchestratorError) -> None:
        """Keep *error* as the problem, and log it unless it is the same as before."""
        problem = one_line(error)
        if problem != self.problem:
            _log.warning("%s: %s", type(self).__name__.lower(), problem)
        self.problem = problem
