"""Call one version of deep_finder and time it, as a statement that the server prepared."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import conninfo, pq

from bench import generations
from bench.world import one
from orchestrator.core.database import Connection, connect

#: Parameters of a call, in the order of deep_finder's first six, as text.
Arguments = Sequence[bytes]

#: Gives seconds since some moment.
Clock = Callable[[], float]

#: The finder of the package that is installed.
INSTALLED = "deep_finder"

#: The installed finder with one more argument. The filters leave no edge out, so that they show what filtering costs.
STRENGTH = "strength"
VARIANTS = {
    STRENGTH: "order_by => 'strength'",
    "kinds": "kinds => '{work_overlap}'",
    "min_strength": "min_strength => 0",
    "ended_after": "ended_after => '-infinity'",
    "not_via": "not_via_organization_ids => '{-1}'",
}

_TYPES = (20, 20, 20, 23, 23, 25)  # oids of bigint, integer and text
_CANCELLED = b"57014"


@dataclass(frozen=True)
class CallResult:
    """The result of one call; ``rows`` is None when the statement timeout stopped it."""

    milliseconds: float
    rows: tuple[tuple[bytes | None, ...], ...] | None


@dataclass
class Samples:
    """Milliseconds of calls by target. A call that was stopped counts with the time it had taken by then."""

    by_target: dict[int, list[float]] = field(default_factory=dict)
    stopped: int = 0

    def add(self, target: int, answer: CallResult) -> None:
        """Add a call."""
        self.by_target.setdefault(target, []).append(answer.milliseconds)
        self.stopped += answer.rows is None

    @property
    def milliseconds(self) -> list[float]:
        """All calls."""
        return [milliseconds for calls in self.by_target.values() for milliseconds in calls]

    @property
    def p50(self) -> float:
        """The median of all calls."""
        return statistics.median(self.milliseconds)

    @property
    def p95(self) -> float:
        """The 95th percentile of all calls."""
        return _p95(self.milliseconds)

    @property
    def calm_p95(self) -> float:
        """The 95th percentile of the targets' median calls: it shows slow targets and hides disturbed calls."""
        return _p95([statistics.median(calls) for calls in self.by_target.values()])

    @property
    def longest(self) -> float:
        """The maximum."""
        return max(self.milliseconds)


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def function_of(version: str) -> str:
    """Return the function that *version* names.

    It is ``v3`` of the generations, ``deep_finder``, one of its variants, or ``SCHEMA.FUNCTION``.
    """
    if version in VARIANTS:
        return f"connection_paths.{INSTALLED}"
    if version in generations.FINDERS:
        return f"{generations.SCHEMA}.deep_finder_{version}"
    return version if "." in version else f"connection_paths.{version}"


def text_of(version: str, arguments: Sequence[object] = ("$1", "$2", "$3", "$4", "$5", "$6")) -> str:
    """Return the query that calls *version* with *arguments*, by default the parameters of a prepared statement."""
    also = f", {VARIANTS[version]}" if version in VARIANTS else ""
    return f"SELECT * FROM {function_of(version)}({', '.join(map(str, arguments))}{also})"


def require(connection: Connection, versions: Sequence[str]) -> None:
    """Install the generations, and end the program unless every one of *versions* is there."""
    generations.install(connection)
    for version in versions:
        name = function_of(version)
        if one(connection, "SELECT to_regproc(%s) IS NULL", (name,)):
            raise SystemExit(f"there is no {name} in this database")


def open_session(dsn: str, versions: Sequence[str], timeout: int) -> Connection:
    """Open a connection where each of *versions* is prepared under its name; *timeout* in seconds."""
    connection = connect(dsn, settings={"statement_timeout": f"{timeout}s"})
    for version in versions:
        prepare(connection, version)
    return connection


def open_blank_session(dsn: str, timeout: int) -> Connection:
    """Open a connection on which nothing has run yet, not even a SET; *timeout* in seconds."""
    options = str(conninfo.conninfo_to_dict(dsn).get("options") or "")
    return psycopg.connect(dsn, autocommit=True, options=f"{options} -c statement_timeout={timeout}s".strip())


def clock_of(connection: Connection, *, cpu: bool) -> Clock:
    """Return the clock for calls on *connection*: the wall clock, or the processor time of its server process.

    Processor time needs Linux and a server on the same machine.
    """
    if not cpu:
        return time.perf_counter
    file = Path(f"/proc/{connection.info.backend_pid}/schedstat")
    if not file.exists():
        raise SystemExit(f"There is no {file}. Processor time needs Linux and a server on this machine.")
    return lambda: int(file.read_text().split()[0]) / 1e9


def prepare(connection: Connection, version: str) -> None:
    """Prepare *version* under its name."""
    result = connection.pgconn.prepare(version.encode(), text_of(version).encode(), _TYPES)
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise SystemExit(result.get_error_message())


# The functions below call libpq directly: psycopg's execute() would add as much time to a call as depth 1 takes.


def call(connection: Connection, version: str, arguments: Arguments, clock: Clock = time.perf_counter) -> CallResult:
    """Call *version*, which is prepared."""
    started = clock()
    result = connection.pgconn.exec_prepared(version.encode(), arguments)
    return _answer(clock() - started, result)


def call_unprepared(
    connection: Connection, version: str, arguments: Arguments, clock: Clock = time.perf_counter
) -> CallResult:
    """Call *version* by a statement that has the arguments in it."""
    *numbers, scope = (argument.decode() for argument in arguments)
    query = text_of(version, (*numbers, f"'{scope}'")).encode()
    started = clock()
    result = connection.pgconn.exec_(query)
    return _answer(clock() - started, result)


def round_trip(connection: Connection, calls: int = 200) -> float:
    """Return the median milliseconds of a prepared query that does nothing."""
    connection.pgconn.prepare(b"nothing", b"SELECT 1")
    elapsed = []
    for _ in range(calls):
        started = time.perf_counter()
        connection.pgconn.exec_prepared(b"nothing", [])
        elapsed.append((time.perf_counter() - started) * 1000)
    return statistics.median(elapsed)


def _answer(seconds: float, result: pq.abc.PGresult) -> CallResult:
    milliseconds = 1000 * seconds
    if result.status != pq.ExecStatus.TUPLES_OK:
        if result.error_field(pq.DiagnosticField.SQLSTATE) == _CANCELLED:
            return CallResult(milliseconds, None)
        raise SystemExit(result.get_error_message())
    columns = range(result.nfields)
    rows = tuple(tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples))
    return CallResult(milliseconds, rows)
