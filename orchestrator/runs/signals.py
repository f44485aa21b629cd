"""What the server says about its load, and how much of each thing is too much."""

from __future__ import annotations

import time
from dataclasses import dataclass

from psycopg.rows import dict_row

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.polling import Poll

#: Seconds after which an answer says nothing about now.
STALE = 5.0


@dataclass(frozen=True)
class Limits:
    """From where on work must give way; None leaves a signal out.

    ``ignored_replicas``: names of standbys, as ``pg_stat_replication.application_name`` has them, that may fall behind:
    one that is delayed on purpose, for instance.
    ``slowdown`` and ``floor_milliseconds`` say when a call is slow, see :mod:`orchestrator.runs.canary`.
    """

    slowdown: float = 1.5
    floor_milliseconds: float = 1.0
    replica_lag_seconds: float | None = 10.0
    replica_lag_megabytes: float | None = 1024.0
    wal_backlog_files: float | None = 64
    waiting_locks: float | None = 2
    ignored_replicas: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signal:
    """One thing that was looked at: how much there is of it, and how much is too much.

    Without a unit it is there (the value is not 0) or not. Not ``fresh``: the value is old, or says too little yet.
    ``of``: the name of the replica that it is about.
    """

    name: str
    value: float
    limit: float
    unit: str
    fresh: bool = True
    of: str | None = None

    @property
    def load(self) -> float:
        """The share of the limit: 1 and more is too much."""
        return self.value / self.limit

    def __str__(self) -> str:
        if not self.fresh:
            if self.name == "canary":
                return "still measuring the latency of find_paths"
            return f"no current value for {self.name}"
        if not self.unit:
            return self.name if self.value else f"no {self.name}"
        name = self.name if self.of is None else f"{self.name} of {self.of}"
        return f"{name} {self.value:.4g} {self.unit} against a limit of {self.limit:.4g} {self.unit}"


@dataclass(frozen=True)
class _Answer:
    """The columns of ``server_signals.sql``, which explains them."""

    replica_lag_seconds: float | None
    slowest_replica: str | None
    replica_lag_bytes: float | None
    farthest_replica: str | None
    archive_backlog_files: int | None
    archiver_fails: bool
    waiting: int
    blocked_by_us: int
    wraparound_vacuums: int | None


class Server(Poll):
    """Asks once a second for replica lag, WAL backlog, waiting locks and wraparound vacuums."""

    def __init__(self, dsn: str, limits: Limits) -> None:
        super().__init__(dsn, interval=1.0)
        self._limits = limits
        self._latest: tuple[float, _Answer] | None = None

    def _ask(self, connection: Connection) -> None:
        with connection.cursor(row_factory=dict_row) as cursor:
            parameters = {"ignored_replicas": list(self._limits.ignored_replicas)}
            row = cursor.execute(sqlfiles.query("runs/server_signals"), parameters).fetchone()
        assert row is not None  # the query gives one row, whatever there is
        self._latest = (time.monotonic(), _Answer(**row))

    def signals(self) -> list[Signal]:
        """Return the signals that this server gives this role; one that is not fresh while it does not answer."""
        latest = self._latest
        if latest is None or time.monotonic() - latest[0] > STALE:
            return [Signal("server", 0, 1, "", fresh=False)]
        answer, limits = latest[1], self._limits
        lag, backlog = answer.replica_lag_bytes, answer.archive_backlog_files
        # nothing was ever archived, so the backlog is not known, and grows
        blind = 1 if backlog is None and answer.archiver_fails else None
        found = [
            ("replica lag", answer.replica_lag_seconds, limits.replica_lag_seconds, "s"),
            ("replica backlog", None if lag is None else lag / 2**20, limits.replica_lag_megabytes, "MB"),
            ("WAL archive backlog", backlog, limits.wal_backlog_files, "files"),
            ("failing WAL archiver", blind, None if limits.wal_backlog_files is None else 1, ""),
            ("waiting locks", answer.waiting, limits.waiting_locks, "sessions"),
            # whoever waits for us for a second is one too many
            ("blocked by us", answer.blocked_by_us, None if limits.waiting_locks is None else 1, "sessions"),
            # half the limit: no more workers than now, and no fewer
            ("autovacuum against wraparound", answer.wraparound_vacuums and 1, 2, ""),
        ]
        replicas = {"replica lag": answer.slowest_replica, "replica backlog": answer.farthest_replica}
        return [
            Signal(name, value, limit, unit, of=replicas.get(name))
            for name, value, limit, unit in found
            if value is not None and limit is not None
        ]
