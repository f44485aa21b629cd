"""Server time: what the server itself spends on some of a cell's calls, by EXPLAIN."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import pq

from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.measure.connection import Parameters, Statements, TimedConnection, Unanswered
from orchestrator.sweep.measure.matrix import Finder

_CALLS = 8  # of a cell


@dataclass(frozen=True)
class ServerTime:
    """Medians of some calls: the server's milliseconds and shared buffers. ``calls`` is how many were explained."""

    calls: int
    milliseconds: float
    buffers: float


def explain(connection: TimedConnection, finder: Finder, calls: Sequence[Parameters]) -> ServerTime | None:
    """Explain some of *calls*; None when the server does not answer or the connection is lost."""
    connection.prepare(Statements([f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {finder.statement}"]))
    times, buffers = [], []
    try:
        for parameters in calls[:: max(1, len(calls) // _CALLS)][:_CALLS]:
            result = connection.call(0, parameters)
            if result.status == pq.ExecStatus.TUPLES_OK:
                (plan,) = json.loads(result.get_value(0, 0) or b"")
                times.append(float(plan["Execution Time"]))
                buffers.append(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
    except (Unanswered, psycopg.Error, OrchestratorError):
        return None
    return ServerTime(len(times), statistics.median(times), statistics.median(buffers)) if times else None
