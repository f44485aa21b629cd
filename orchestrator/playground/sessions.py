"""The playground's connections to the database: few, read-only, each statement with a time limit.

psycopg's pool connects in the background, and a request waits while it tries. Here, the request that needs a connection
makes it: it fails at once with the reason, and succeeds as soon as the server is back.

Every setting is made for one read-only transaction. A setting of a session would reach the application through a pooler
that shares sessions.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import BoundedSemaphore

import psycopg
from psycopg.conninfo import conninfo_to_dict

from orchestrator.core.database import Connection, stateless, transaction
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.schema import with_values
from orchestrator.playground import trouble

#: The application_name of a transaction.
NAME = "orchestrator playground"

#: The server ends a transaction that the playground left open for so long.
_ABANDONED = "10s"
_GRACE = 0.5  # seconds that a question waits for its turn
_CONNECT_TIMEOUT = 5  # seconds


class Turns:
    """Limits how many questions run at once; a question that gets no turn is refused."""

    def __init__(self, number: int) -> None:
        self._free = BoundedSemaphore(number)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Take a turn for the length of the block; raises :class:`~trouble.Trouble` when all are taken."""
        if not self._free.acquire(timeout=_GRACE):
            raise trouble.busy()
        try:
            yield
        finally:
            self._free.release()


class Sessions:
    """Connections to the database of *dsn*, kept for the next question."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._idle: deque[Connection] = deque()

    @contextmanager
    def open(self, turns: Turns, milliseconds: int) -> Iterator[tuple[Connection, bool]]:
        """Begin a read-only transaction whose statements may take so many *milliseconds* each.

        Yields the connection, and whether it is a new one, whose first question is slower. Raises
        :class:`~trouble.Trouble`, whatever goes wrong with the database inside the block.
        """
        with turns.turn(), _as_trouble(milliseconds):
            connection, is_new = self._taken()
            try:
                with transaction(connection, _limits(milliseconds)):
                    yield connection, is_new
            finally:
                if connection.closed:
                    connection.close()
                else:
                    self._idle.append(connection)

    @contextmanager
    def apart(self, turns: Turns, milliseconds: int) -> Iterator[Connection]:
        """Do the same on a connection of its own, and undo all settings at the end."""
        limits = _limits(milliseconds)
        with (
            turns.turn(),
            _as_trouble(milliseconds),
            self._new() as connection,
            transaction(connection, limits, undo=True),
        ):
            yield connection

    def close(self) -> None:
        """Close the idle connections."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _taken(self) -> tuple[Connection, bool]:
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                try:
                    connection.execute("")  # fails when the server has closed the connection
                except psycopg.Error:
                    connection.close()
                else:
                    return connection, False
        return self._new(), True

    def _new(self) -> Connection:
        dsn = self._dsn
        with suppress(psycopg.ProgrammingError):  # stateless() reports what is wrong with it
            if "PGCONNECT_TIMEOUT" not in os.environ and "connect_timeout" not in conninfo_to_dict(dsn):
                dsn = with_values(dsn, connect_timeout=_CONNECT_TIMEOUT)
        return stateless(dsn)


def _limits(milliseconds: int) -> dict[str, str]:
    return {
        "application_name": NAME,
        "statement_timeout": str(milliseconds),
        "idle_in_transaction_session_timeout": _ABANDONED,
    }


@contextmanager
def _as_trouble(milliseconds: int) -> Iterator[None]:
    try:
        yield
    except (psycopg.Error, OrchestratorError) as error:
        raise trouble.of(error, milliseconds) from error
