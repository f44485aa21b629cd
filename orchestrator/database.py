"""Connections: how they are opened, and what is said when they cannot be."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from orchestrator.errors import OrchestratorError, one_line

Connection = psycopg.Connection[tuple[Any, ...]]
_Result = TypeVar("_Result")

#: Errors that another attempt may not meet.
PASSING = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
)
#: Errors that no other batch or contact would fare better with.
HOPELESS = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.DiskFull,
)

#: Settings of a session that computes edges.
COMPUTING = {
    # A commit lost to a crash is work to do again and nothing worse: edges and books are lost together.
    "synchronous_commit": "off",
    # The server notices within a second that we have died, and lets go of what we held.
    "client_connection_check_interval": "1s",
    # Under another level, what a transaction computes may be older than the lock that says so.
    "default_transaction_isolation": "read committed",
    "statement_timeout": "0",  # whatever the role's: what it takes, it takes
    "transaction_timeout": "0",  # of 17 and later
    "lock_timeout": "30s",
    # A machine that has lost its power or its network holds nothing for longer than a minute.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "60s",
}

#: A network that has gone silent is noticed within a minute, on either side; and one that drops idle connections is
#: given no reason to.
KEEPALIVES = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds; nobody asks whether the other is alive while something is on its way
}

#: What no wait for a lock may exceed where others would queue up behind it.
LOCK_TIMEOUT = "500ms"
_PATIENCE = 300.0  # seconds


def connect(dsn: str, *, autocommit: bool = True, settings: dict[str, str] | None = None) -> Connection:
    """Open a connection to *dsn* (a libpq string or URI; empty means libpq's own environment).

    ``settings`` are applied to the session; :data:`KEEPALIVES` hold unless *dsn* has its own. Raises
    :class:`OrchestratorError` when the server cannot be reached or refuses.
    """
    try:
        given = conninfo_to_dict(dsn)
        alive: dict[str, Any] = {name: value for name, value in KEEPALIVES.items() if name not in given}
        connection = psycopg.connect(dsn, autocommit=autocommit, application_name="orchestrator", **alive)
    except psycopg.ProgrammingError as error:  # a connection string that does not parse
        raise OrchestratorError(f"not a connection string: {one_line(error)}") from error
    except psycopg.OperationalError as error:
        raise OrchestratorError(f"cannot connect: {one_line(error)}") from error
    try:
        for name, value in (settings or {}).items():
            if name != "transaction_timeout" or connection.info.server_version >= 170_000:
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    except psycopg.OperationalError as error:  # gone already
        raise OrchestratorError(f"cannot connect: {one_line(error)}") from error
    return connection


def lost(connection: Connection, error: psycopg.Error) -> bool:
    """Whether *error* means that the session is gone, and with it all that it held."""
    ended = (
        psycopg.errors.AdminShutdown,
        psycopg.errors.CrashShutdown,
        psycopg.errors.IdleSessionTimeout,
        psycopg.errors.TransactionTimeout,
    )
    return connection.broken or connection.closed or isinstance(error, ended)


def require_direct(connection: Connection) -> None:
    """Raise :class:`OrchestratorError` when a pooler stands in between.

    Session locks tell the living from the dead, and a pooler hands sessions round. It gives itself away by the process
    id it tells its clients, which is not the server's.
    """
    if connection.execute("SELECT pg_backend_pid()").fetchone() != (connection.info.backend_pid,):
        raise OrchestratorError("this connection goes through a pooler; connect to the server directly")


def patiently(
    connection: Connection,
    work: Callable[[], _Result],
    *,
    waiting: Callable[[str], None] = lambda _: None,
    lock_timeout: str = LOCK_TIMEOUT,
    patience: float = _PATIENCE,
) -> _Result:
    """Do *work* in a transaction that waits at most *lock_timeout* for each lock, again until it gets them all.

    For statements whose lock everybody else would queue behind: better to come back than to stand in the door. Between
    attempts the others have their way. ``waiting`` is told the server's message when an attempt fails; after *patience*
    seconds the error is raised.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (lock_timeout,))
                return work()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            if time.monotonic() > deadline:
                raise
            waiting(one_line(error))
            time.sleep(random.uniform(0.2, 1.0))
