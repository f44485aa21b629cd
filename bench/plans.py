"""What the statements inside a function did: ``auto_explain``'s plans, collected as notices and read as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg.errors import Diagnostic

from orchestrator.core.database import Connection

_NODE = re.compile(r"\(actual (?:time=\S+ )?rows=([\d.]+) loops=(\d+)\)")  # of a node that was run
_ROWS_READ = re.compile(r"(?:Seq|Index|Index Only|Bitmap Heap) Scan\b.* on ")
_REMOVED = re.compile(r"Rows Removed by .*: (\d+)")
_SHARED = re.compile(r"Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?")


@dataclass(frozen=True)
class Work:
    """What a plan did, from its text: rows out of table and index scans, out of all nodes, shared buffers."""

    plan: str
    rows_read: int
    rows_all: int
    buffers: int


@contextmanager
def nested_plans(connection: Connection) -> Iterator[list[str]]:
    """Collect ``auto_explain``'s message for each statement of the block, those inside functions included.

    Needs a superuser. Row counts and buffers are in the messages, times are not: the clock would cost more than
    the rows.
    """
    messages: list[str] = []

    def collect(diagnostic: Diagnostic) -> None:
        if "plan:" in (text := diagnostic.message_primary or ""):
            messages.append(text)

    connection.execute("LOAD 'auto_explain'")
    settings = {
        "log_min_duration": "0",
        "log_analyze": "on",
        "log_buffers": "on",
        "log_timing": "off",
        "log_nested_statements": "on",
        "log_level": "notice",
    }
    for name, value in settings.items():
        connection.execute("SELECT set_config(%s, %s, false)", (f"auto_explain.{name}", value))
    connection.add_notice_handler(collect)
    try:
        yield messages
    finally:
        connection.remove_notice_handler(collect)
        connection.execute("SET auto_explain.log_min_duration = -1")


def plan_of(message: str) -> str:
    """Return the plan in *message*: what follows the query's own text."""
    lines = message.splitlines()
    first = next(number for number, line in enumerate(lines) if _NODE.search(line))
    return "\n".join(lines[first:])


def read_plan(message: str) -> Work:
    """Sum up the plan in *message*."""
    plan = plan_of(message)
    read = total = 0.0
    loops, scanning = 1, False
    for line in plan.splitlines():
        if node := _NODE.search(line):
            loops, scanning = int(node[2]), bool(_ROWS_READ.search(line)) and "CTE Scan" not in line
            rows = float(node[1]) * loops
            total += rows
            read += rows if scanning else 0
        elif scanning and (removed := _REMOVED.search(line)):
            read += int(removed[1]) * loops
    shared = next((match for line in plan.splitlines() if (match := _SHARED.search(line))), None)
    buffers = sum(int(group or 0) for group in shared.groups()) if shared else 0
    return Work(plan, round(read), round(total), buffers)
