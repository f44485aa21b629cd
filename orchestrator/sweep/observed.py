"""What the server says about the same requests: its own time and buffers, what was in its cache, its plans."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.errors import Diagnostic

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, lost
from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.client import Parameters
from orchestrator.sweep.matrix import Version

_Result = TypeVar("_Result")

_EXPLAINED = 8  # requests whose execution is looked at, where pg_stat_statements is not there
_CASTS = ("bigint", "bigint", "bigint", "integer", "integer", "text", "integer")


@dataclass(frozen=True)
class Counters:
    """Sums since some moment: buffers found in and read into the server's cache, rows looked up in tables."""

    hits: int = 0
    reads: int = 0
    heap_fetches: int = 0

    def __sub__(self, other: Counters) -> Counters:
        return Counters(self.hits - other.hits, self.reads - other.reads, self.heap_fetches - other.heap_fetches)

    def __add__(self, other: Counters) -> Counters:
        return Counters(self.hits + other.hits, self.reads + other.reads, self.heap_fetches + other.heap_fetches)

    @property
    def hit_ratio(self) -> float | None:
        """Which share of the buffers was in the cache."""
        total = self.hits + self.reads
        return self.hits / total if total else None


@dataclass(frozen=True)
class Executions:
    """What the server took for calls of one statement: how many, and per call milliseconds and shared buffers.

    ``source`` is ``pg_stat_statements``, whose mean is of every call, or ``explain``, a sample's median.
    """

    source: str
    calls: int
    milliseconds: float
    buffers: float


@dataclass(frozen=True)
class _Counted:
    calls: int
    milliseconds: float
    hits: int
    reads: int


class Observer:
    """Asks the server, on a connection of its own; ``connect`` opens another when that is lost.

    What it has to say is missing where neither answers: the samples are the clients', and none is lost with it.
    """

    def __init__(self, connection: Connection, connect: Callable[[], Connection]) -> None:
        self._connection = connection
        self._connect = connect
        self.tables: list[int] = [row[0] for row in connection.execute(sqlfiles.query("sweep/tables"))]
        self._identifiers: dict[Version, int | None] = {}
        self._statement = self._of_extension("sweep/statement", "pg_stat_statements")
        self._has_statements = self._can_read(self._statement, {"identifier": 0})

    def _of_extension(self, query: str, extension: str) -> bytes | None:
        """Return a query with the name that it shares with *extension* qualified; None where that is not installed.

        The sessions' ``search_path`` finds nothing in the schema of an extension.
        """
        parameters = {"extension": extension}
        row = self._connection.execute(sqlfiles.query("sweep/extension"), parameters).fetchone()
        if row is None:
            return None
        code = "\n".join(line for line in sqlfiles.query(query).splitlines() if not line.startswith("--"))
        return code.replace(extension, f"{row[0]}.{extension}").encode()

    def _can_read(self, query: bytes | None, parameters: dict[str, Any]) -> bool:
        if query is None:
            return False
        try:
            self._connection.execute(query, parameters)
        except psycopg.Error:
            return False
        return True

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _asked(self, work: Callable[[], _Result]) -> _Result | None:
        """Return what *work* finds, on another connection if this one is lost; None if the server is gone."""
        try:
            return work()
        except psycopg.OperationalError as error:
            if not lost(self._connection, error):
                raise
        try:
            self._connection = self._connect()
            return work()
        except (psycopg.OperationalError, OrchestratorError):
            return None

    def counters(self) -> Counters | None:
        """Return what the server has counted until now."""
        return self._asked(self._counters)

    def _counters(self) -> Counters:
        row = self._connection.execute(sqlfiles.query("sweep/counters"), {"tables": self.tables}).fetchone()
        assert row is not None
        return Counters(*row)

    def counted(self, version: Version) -> _Counted | None:
        """Return what ``pg_stat_statements`` has counted for *version*, None where it is not there."""
        return self._asked(lambda: self._counted(version)) if self._has_statements else None

    def _counted(self, version: Version) -> _Counted:
        if version not in self._identifiers:
            self._identifiers[version] = self._identifier(version)
        parameters = {"identifier": self._identifiers[version]}
        assert self._statement is not None  # or it would not be counted
        row = self._connection.execute(self._statement, parameters).fetchone()
        assert row is not None
        return _Counted(*row)

    def _identifier(self, version: Version) -> int | None:
        """Return the server's number of the statement, whose text another client may have written differently."""
        self._connection.execute(f"PREPARE sweep ({', '.join(_CASTS)}) AS {version.statement}".encode())
        try:
            row = self._connection.execute(
                f"EXPLAIN (VERBOSE, FORMAT json) EXECUTE sweep ({', '.join(['NULL'] * len(_CASTS))})".encode()
            ).fetchone()
        finally:
            self._connection.execute("DEALLOCATE sweep")
        assert row is not None
        found: int | None = row[0][0].get("Query Identifier")
        return found

    def executions(self, version: Version, before: _Counted | None, asked: Sequence[Parameters]) -> Executions | None:
        """Return what was counted since *before*; else of a sample of what was *asked*, run again."""
        after = self.counted(version)
        if before is not None and after is not None and after.calls > before.calls:
            calls = after.calls - before.calls
            buffers = after.hits - before.hits + after.reads - before.reads
            return Executions(
                "pg_stat_statements", calls, (after.milliseconds - before.milliseconds) / calls, buffers / calls
            )
        return self._asked(lambda: self._explained(version, asked[:: max(1, len(asked) // _EXPLAINED)][:_EXPLAINED]))

    def _explained(self, version: Version, asked: Sequence[Parameters]) -> Executions | None:
        found = []
        for parameters in asked:
            try:
                row = self._connection.execute(
                    f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {_literally(version, parameters)}".encode()
                ).fetchone()
            except psycopg.errors.QueryCanceled:
                continue
            assert row is not None
            plan: dict[str, Any] = row[0][0]
            node = plan["Plan"]
            found.append((plan["Execution Time"], node["Shared Hit Blocks"] + node["Shared Read Blocks"]))
        if not found:
            return None
        times, buffers = zip(*found, strict=True)
        return Executions("explain", len(found), statistics.median(times), statistics.median(buffers))

    def prewarm(self) -> bool:
        """Read the tables and their indexes into the server's cache; False where ``pg_prewarm`` is not there."""
        return self._can_read(self._of_extension("sweep/prewarm", "pg_prewarm"), {"tables": self.tables})

    def plan(self, version: Version, parameters: Parameters) -> str:
        """Return the plan of one call as text, with those of the statements inside where the role may see them."""
        inside: list[str] = []

        def collect(diagnostic: Diagnostic) -> None:
            if "plan:" in (message := diagnostic.message_primary or ""):
                inside.append(message)

        try:
            with self._connection.transaction():
                self._connection.execute(sqlfiles.query("sweep/nested_plans"))
        except psycopg.Error as error:
            inside.append(f"(the statements inside are not shown: {error.diag.message_primary})")
        self._connection.add_notice_handler(collect)
        try:
            rows = self._connection.execute(
                f"EXPLAIN (ANALYZE, BUFFERS, SETTINGS) {_literally(version, parameters)}".encode()
            ).fetchall()
        except psycopg.errors.QueryCanceled:
            rows = [("(stopped by the statement timeout)",)]
        finally:
            self._connection.remove_notice_handler(collect)
        return "\n\n".join(["\n".join(row[0] for row in rows), *inside]) + "\n"


def _literally(version: Version, parameters: Parameters) -> str:
    """Return the call with its arguments in it: numbers and a scope, which the sweep made itself."""
    text = version.statement
    for number, (value, kind) in enumerate(zip(parameters, _CASTS, strict=True), 1):
        text = text.replace(f"${number}", "NULL" if value is None else f"'{value.decode()}'::{kind}")
    return text
