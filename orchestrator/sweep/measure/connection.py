"""A connection on which calls are timed: it goes straight to libpq and gives up on a server that stays silent.

psycopg's ``execute()`` takes as long as a short call does, so a timed call uses libpq's ``PQexecPrepared``. That call
blocks until an answer comes. A server that was stopped sends none, so a thread ends the connection after the timeout.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from orchestrator.core.database import Connection, connect
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.core.schema import with_values

#: The parameters of a call as text, in the order of deep_finder's first eight parameters. None is NULL.
Parameters = Sequence[bytes | None]

TYPES = (20, 20, 20, 23, 23, 25, 23, 25)  # oids of deep_finder's first parameter types: bigint, integer, text
ANSWERED, TIMED_OUT, FAILED = range(3)
GRACE = 1.0  # seconds that an answer may arrive later than the statement timeout
CANCELLED = b"57014"  # SQLSTATE of a statement that the statement timeout ended

#: Settings of a timed session. A role or a database may set others for its own statements; they must not be measured.
MEASURED = {"application_name": "orchestrator sweep", "plan_cache_mode": "auto"}

_CONNECT_TIMEOUT = 10  # seconds, unless the connection string has its own
_CHECK_EVERY = 0.25  # seconds between checks for an overdue answer


@dataclass(frozen=True)
class Statements:
    """SQL statements to prepare, with the oids of their parameter types."""

    texts: Sequence[str]
    types: Sequence[int] = TYPES


class Unanswered(Exception):
    """The server did not answer within the statement timeout and :data:`GRACE`."""


class TimedConnection:
    """A connection with prepared statements. It connects when it is first needed, and again after it was lost."""

    def __init__(self, dsn: str, timeout: float) -> None:
        """Remember where to connect; ``timeout`` is the statement timeout in seconds."""
        self._dsn = with_values(dsn, **{"connect_timeout": _CONNECT_TIMEOUT, **conninfo_to_dict(dsn)})
        self._settings = {**MEASURED, "statement_timeout": str(max(1, round(timeout * 1000)))}
        self._statements = Statements(())
        self._connection: Connection | None = None
        self._patience = timeout + GRACE
        self._silence: _SilenceWatch | None = None  # as long as there is a connection

    def prepare(self, statements: Statements) -> None:
        """Use these statements from now on; they are prepared on every new connection."""
        self.close()
        self._statements = statements

    def open(self) -> pq.abc.PGconn:
        """Return libpq's connection; connect and prepare the statements first when there is none."""
        if self._connection is None:
            self._connection = connect(self._dsn, settings=self._settings, reads_only=True)
            self._silence = _SilenceWatch(self._patience)
            for number, text in enumerate(self._statements.texts):
                result = self._connection.pgconn.prepare(_name(number), text.encode(), self._statements.types)
                if result.status != pq.ExecStatus.COMMAND_OK:
                    self.close()
                    raise psycopg.OperationalError(first_line(result))
        return self._connection.pgconn

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._silence is not None:
            self._silence.stop()
            self._silence = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, statement: int, parameters: Parameters) -> pq.abc.PGresult:
        """Call a prepared statement by its number; the result may be an error that the server reports.

        Raises :class:`Unanswered`, ``psycopg.OperationalError`` when the connection is lost, and
        :class:`OrchestratorError` when there is none and connecting fails.
        """
        pgconn = self.open()
        assert self._silence is not None
        self._silence.begin(pgconn.socket)
        result = pgconn.exec_prepared(_name(statement), parameters)  # type: ignore[arg-type]  # None is NULL
        if self._silence.end():
            self.close()
            raise Unanswered
        if pgconn.status != pq.ConnStatus.OK:
            self.close()
            raise psycopg.OperationalError(first_line(result))
        return result

    def request(self, statement: int, parameters: Parameters) -> tuple[int, str | None]:
        """Call a prepared statement; return ANSWERED, TIMED_OUT or FAILED, and the reason when it is not answered."""
        try:
            result = self.call(statement, parameters)
        except Unanswered:
            return TIMED_OUT, "no answer"
        except (psycopg.Error, OrchestratorError) as error:
            self.close()
            return FAILED, one_line(error)
        if result.status == pq.ExecStatus.TUPLES_OK:
            return ANSWERED, None
        if result.error_field(pq.DiagnosticField.SQLSTATE) == CANCELLED:
            return TIMED_OUT, "statement timeout"
        return FAILED, first_line(result)


def first_line(result: pq.abc.PGresult) -> str:
    """Return the first line of the error that the server reports."""
    return result.get_error_message().strip().partition("\n")[0]


def _name(number: int) -> bytes:
    return b"sweep%d" % number


class _SilenceWatch:
    """A thread that ends a connection whose answer takes longer than *patience* seconds, until :meth:`stop`."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._waiting: tuple[float, int] | None = None  # since when, on which socket
        self._has_ended = False
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def begin(self, descriptor: int) -> None:
        """Start to watch a call on the socket with that number."""
        self._waiting = time.monotonic(), descriptor

    def end(self) -> bool:
        """Stop watching; return whether the connection was ended."""
        with self._lock:
            self._waiting = None
            has_ended, self._has_ended = self._has_ended, False
        return has_ended

    def stop(self) -> None:
        """Let the thread end."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(_CHECK_EVERY):
            with self._lock:
                if self._waiting is not None and time.monotonic() - self._waiting[0] > self._patience:
                    descriptor = self._waiting[1]
                    self._waiting, self._has_ended = None, True
                    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as duplicate:
                        duplicate.shutdown(socket.SHUT_RDWR)
