"""What the server reports about its load, and how much of each thing is too much."""

from __future__ import annotations

import time
from dataclasses import dataclass

from psycopg.rows import dict_row

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.polling import Poll

#: Seconds after which an answer is too old to describe the present load.
STALE = 5.0


@dataclass(frozen=True)
class ThrottleLimits:
    """From where on a backfill works with fewer workers; None switches a signal off.

    ``slowdown`` and ``floor_milliseconds`` define a slow call of ``find_paths``: see :mod:`orchestrator.runs.canary`.
    ``waiting_locks`` is a number of sessions that wait for a lock.
    ``ignored_replicas`` are standbys that may fall behind, for example because they are delayed on purpose; their names
    are those of ``pg_stat_replication.application_name``.
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
    """One measured value and its limit.

    A signal without a unit is true when its value is not 0. ``fresh`` is false when the value is too old, or rests on
    too few calls. ``of`` is the name of the replica that the value belongs to.
    """

    name: str
    value: float
    limit: float
    unit: str
    fresh: bool = True
    of: str | None = None

    @property
    def load(self) -> float:
        """The value as a share of its limit; 1 and more is too much."""
        return self.value / self.limit

    def __str__(self) -> str:
        if not self.fresh:
            if self.name == "canary":
                return "still measuring the latency of find_paths"
            return f"there is no current value for: {self.name}"
        if not self.unit:
            return self.name if self.value else f"no {self.name}"
        name = self.name if self.of is None else f"{self.name} of {self.of}"
        return f"{name}: {self.value:.4g} {self.unit}, the limit is {self.limit:.4g}"


@dataclass(frozen=True)
class _ServerSignals:
    """A row of ``runs/server_signals.sql``, which explains the columns."""

    replica_lag_seconds: float | None
    slowest_replica: str | None
    replica_lag_bytes: float | None
    farthest_replica: str | None
    archive_backlog_files: int | None
    archiver_fails: bool
    waiting: int
    blocked_by_us: int
    wraparound_vacuums: int | None


class ServerLoad(Poll):
    """Asks the server once a second for replica lag, WAL backlog, waiting locks and wraparound vacuums."""

    def __init__(self, dsn: str, limits: ThrottleLimits) -> None:
        super().__init__(dsn, interval=1.0)
        self._limits = limits
        self._latest: tuple[float, _ServerSignals] | None = None

    def _ask(self, connection: Connection) -> None:
        with connection.cursor(row_factory=dict_row) as cursor:
            parameters = {"ignored_replicas": list(self._limits.ignored_replicas)}
            row = cursor.execute(sqlfiles.query("runs/server_signals"), parameters).fetchone()
        assert row is not None  # the query returns exactly one row
        self._latest = (time.monotonic(), _ServerSignals(**row))

    def signals(self) -> list[Signal]:
        """Return the signals that this role may see on this server; while it does not answer, one that is not fresh."""
        latest = self._latest
        if latest is None or time.monotonic() - latest[0] > STALE:
            return [Signal("server", 0, 1, "", fresh=False)]
        answer, limits = latest[1], self._limits
        lag, backlog = answer.replica_lag_bytes, answer.archive_backlog_files
        # No file was ever archived, and the archiver fails: the backlog is unknown and grows.
        is_blind = backlog is None and answer.archiver_fails
        found = [
            ("replica lag", answer.replica_lag_seconds, limits.replica_lag_seconds, "s"),
            ("replica backlog", None if lag is None else lag / 2**20, limits.replica_lag_megabytes, "MB"),
            ("WAL archive backlog", backlog, limits.wal_backlog_files, "files"),
            ("failing WAL archiver", 1 if is_blind else None, None if limits.wal_backlog_files is None else 1, ""),
            ("waiting locks", answer.waiting, limits.waiting_locks, "sessions"),
            # One session that waits for ours for a second is too many.
            ("blocked by us", answer.blocked_by_us, None if limits.waiting_locks is None else 1, "sessions"),
            # Half of the limit: the number of workers stays as it is.
            ("autovacuum against wraparound", answer.wraparound_vacuums and 1, 2, ""),
        ]
        replicas = {"replica lag": answer.slowest_replica, "replica backlog": answer.farthest_replica}
        return [
            Signal(name, value, limit, unit, of=replicas.get(name))
            for name, value, limit, unit in found
            if value is not None and limit is not None
        ]
