"""Waiting for the lock of a table without blocking the application."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from orchestrator.core.database import Connection
from orchestrator.core.errors import one_line

_Result = TypeVar("_Result")

_LOCK_TIMEOUT = "500ms"  # of each attempt
_LONGEST_RETRY = 300.0  # seconds of all attempts together


def retry_while_locked(
    connection: Connection,
    work: Callable[[], _Result],
    *,
    waiting: Callable[[str], None] = lambda _: None,
    ready: Callable[[], None] = lambda: None,
) -> _Result:
    """Return the result of *work*, which runs in a transaction that waits at most half a second for each lock.

    For statements that lock a table which the application uses: while such a statement waits for its lock, every later
    statement on the table waits behind it. When a lock is not free in time, the transaction is rolled back, and tried
    again after a random pause. ``waiting`` is called with the server's message after each failed attempt. ``ready`` is
    called before each attempt, and may wait for a good moment. The error is raised when five minutes have passed, apart
    from the time in ``ready``.
    """
    deadline = time.monotonic() + _LONGEST_RETRY
    while True:
        begun = time.monotonic()
        ready()
        deadline += time.monotonic() - begun
        try:
            with connection.transaction():
                connection.execute("SELECT pg_catalog.set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
                return work()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            if time.monotonic() > deadline:
                raise
            waiting(one_line(error))
            time.sleep(random.uniform(0.2, 1.0))
