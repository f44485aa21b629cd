"""Checks the server: harmful settings, too few free sessions, a pooler in the connection."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from psycopg.conninfo import make_conninfo

from orchestrator.inspection.finding import Finding, Severity
from orchestrator.inspection.subject import Subject

_BACKFILL_NEEDS = 8  # sessions: four workers, and those of the driver
_LOW = 0.1  # a smaller share of free sessions is reported


@dataclass(frozen=True)
class _Setting:
    """A setting, which values are harmful, a better value, and the reason."""

    name: str
    hurts: Callable[[str], bool]
    better: str
    why: str
    severity: Severity = "advice"
    of_server: bool = False  # true if it cannot be set for one database


def _is_off(value: str) -> bool:
    return value == "off"


_SETTINGS = (
    _Setting("autovacuum", _is_off, "on", "statistics and visibility map go stale", "wrong", of_server=True),
    _Setting("track_counts", _is_off, "on", "autovacuum cannot see which tables changed", "wrong", of_server=True),
    _Setting("enable_indexscan", _is_off, "on", "finders need index scans", "wrong"),
    _Setting("enable_indexonlyscan", _is_off, "on", "finders need index-only scans", "wrong"),
    _Setting("enable_nestloop", _is_off, "on", "a refresh looks contacts up one by one", "wrong"),
    _Setting(
        "session_replication_role",
        lambda value: value != "origin",
        "origin",
        "triggers that capture changes do not fire",
        "wrong",
    ),
    _Setting(
        "jit",
        lambda value: value == "on",
        "off",
        "finders switch it off, but compiling your own statements that call finders may take longer than running them",
    ),
    _Setting(
        "random_page_cost",
        lambda value: float(value) > 2,
        "1.1",
        "at this value, the planner prefers sequential scans to indexes even on SSDs",
    ),
    _Setting(
        "work_mem",
        lambda value: int(value) < 4096,  # kB
        "4MB",
        "less than PostgreSQL's default; sorts and hash tables of a search are written to disk",
    ),
    _Setting(
        "client_connection_check_interval",
        lambda value: value == "0",
        "10s",
        "a statement whose client has disconnected runs to its end and keeps its locks",
    ),
)


def settings(subject: Subject) -> Iterator[Finding]:
    """Find harmful settings, as a new session of this role gets them."""
    known = {setting.name: setting for setting in _SETTINGS}
    with subject.connection.transaction(force_rollback=True):
        subject.connection.execute("SET LOCAL jit TO DEFAULT")  # our own setting would be shown as the source
        rows = subject.query("doctor/settings", {"names": list(known)})
    for row in rows:
        setting = known[row.name]
        if row.source != "client" and setting.hurts(row.reset_val):  # "client": of this connection only
            what = f"{row.name} is {row.shown}: {setting.why}"
            yield Finding("settings", setting.severity, what, _set(subject, setting, row.source), row.name)


def connections(subject: Subject) -> Iterator[Finding]:
    """Find a server that has few free sessions."""
    (row,) = subject.query("doctor/connections")
    if row.free < max(_BACKFILL_NEEDS, _LOW * row.most):
        severity: Severity = "wrong" if row.free < _BACKFILL_NEEDS else "advice"
        what = (
            f"only {row.free} of {row.most} sessions are free; a backfill with four workers needs {_BACKFILL_NEEDS};"
            " a change of max_connections needs a restart"
        )
        repair = f"ALTER SYSTEM SET max_connections = {2 * row.total};"
        yield Finding("connections", severity, what, repair, "max_connections")


def pooler(subject: Subject) -> Iterator[Finding]:
    """Find a pooler between this program and the server."""
    if subject.is_pooled:
        (row,) = subject.query("doctor/server_address")
        info = subject.connection.info
        direct = make_conninfo("", host=row.host, port=row.port, dbname=info.dbname, user=info.user)
        what = (
            "this connection goes through a pooler: backfill and sync refuse it, because a lock of its session shows"
            " that a worker is alive; finders may use it"
        )
        yield Finding("pooler", "wrong", what, f"export ORCHESTRATOR_DSN={shlex.quote(direct)}", "connection")


def _set(subject: Subject, setting: _Setting, source: str) -> str:
    change = f"SET {setting.name} = '{setting.better}'"
    if setting.of_server:
        return f"ALTER SYSTEM {change};\nSELECT pg_reload_conf();"
    database = subject.quoted(subject.connection.info.dbname)
    role = subject.quoted(subject.connection.info.user)
    # a setting of a role overrides that of the database
    where = {"user": f"ROLE {role}", "database user": f"ROLE {role} IN DATABASE {database}"}
    return f"ALTER {where.get(source, f'DATABASE {database}')} {change};"
