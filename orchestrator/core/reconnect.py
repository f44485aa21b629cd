"""Connecting again when a session was lost: to the server that comes back, or to the one that takes its place."""

from __future__ import annotations

import threading
import time

import psycopg

from orchestrator.core.database import Connection, connect
from orchestrator.core.errors import OrchestratorError

_PATIENCE = 300.0  # seconds of a server that cannot be reached
_PAUSE = 1.0  # seconds between attempts


def reconnect(dsn: str, settings: dict[str, str], *, stopping: threading.Event | None = None) -> Connection | None:
    """Open a connection to a server that takes writes, trying again for five minutes.

    A server that is being killed, starts up, or is a standby that is about to be promoted is waited for. Returns None
    once *stopping* is set. Raises what was wrong last when the five minutes are over.
    """
    stopping = stopping or threading.Event()
    deadline = time.monotonic() + _PATIENCE
    while not stopping.is_set():
        try:
            return connect(dsn, settings=settings)
        except (OrchestratorError, psycopg.OperationalError):
            if time.monotonic() > deadline:
                raise
            stopping.wait(_PAUSE)
    return None
