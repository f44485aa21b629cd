"""The server around it: settings that hurt, sessions that are left, a pooler in between."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from psycopg.conninfo import make_conninfo

from orchestrator.doctor.finding import Finding, Severity
from orchestrator.doctor.subject import Subject

_BACKFILL_NEEDS = 8  # sessions: four workers, and who looks after them
_LOW = 0.1  # the share of sessions left that is worth saying


@dataclass(frozen=True)
class _Setting:
    """A setting, in which values it hurts, and what to set instead."""

    name: str
    hurts: Callable[[str], bool]
    better: str
    why: str
    severity: Severity = "advice"
    of_server: bool = False  # it cannot be set for a database


def _is_off(value: str) -> bool:
    return value == "off"


_SETTINGS = (
    _Setting("autovacuum", _is_off, "on", "statistics and visibility map go stale", "wrong", of_server=True),
    _Setting("track_counts", _is_off, "on", "autovacuum does not know what to do", "wrong", of_server=True),
    _Setting("enable_indexscan", _is_off, "on", "finders live by indexes", "wrong"),
    _Setting("enable_indexonlyscan", _is_off, "on", "finders live by indexes", "wrong"),
    _Setting("enable_nestloop", _is_off, "on", "finders look members up one by one", "wrong"),
    _Setting(
        "session_replication_role",
        lambda value: value != "origin",
        "origin",
        "the triggers that queue changes do not fire",
        "wrong",
    ),
    _Setting(
        "jit",
        lambda value: value == "on",
        "off",
        "the finders switch it off, but compiling your own statements that call them may take longer than running them",
    ),
    _Setting(
        "random_page_cost",
        lambda value: float(value) > 2,
        "1.1",
        "this value is for spinning disks; on SSDs it makes the planner prefer sequential scans to indexes",
    ),
    _Setting(
        "work_mem",
        lambda value: int(value) < 4096,  # kB
        "4MB",
        "this is less than PostgreSQL's default, so sorts and hashes of a search are written to disk",
    ),
    _Setting(
        "client_connection_check_interval",
        lambda value: value == "0",
        "10s",
        "when a client disconnects, its statement runs to its end and keeps its locks",
    ),
)


def settings(subject: Subject) -> Iterator[Finding]:
    """Find settings that hurt, as a new session of this role gets them."""
    known = {setting.name: setting for setting in _SETTINGS}
    for row in subject.ask("settings", {"names": list(known)}):
        setting = known[row.name]
        if row.source != "client" and setting.hurts(row.reset_val):  # "client": of this connection only
            what = f"{row.name} is {row.shown}: {setting.why}"
            yield Finding("settings", setting.severity, what, _set(subject, setting, row.source), row.name)


def connections(subject: Subject) -> Iterator[Finding]:
    """Find a server that has few sessions left."""
    (row,) = subject.ask("connections")
    if row.free < max(_BACKFILL_NEEDS, _LOW * row.most):
        severity: Severity = "wrong" if row.free < _BACKFILL_NEEDS else "advice"
        what = (
            f"{row.free} of {row.most} sessions are left, a backfill with four workers takes {_BACKFILL_NEEDS};"
            " a change of max_connections takes a restart"
        )
        mend = f"ALTER SYSTEM SET max_connections = {2 * row.total};"
        yield Finding("connections", severity, what, mend, "max_connections")


def pooler(subject: Subject) -> Iterator[Finding]:
    """Find a pooler between this program and the server."""
    if subject.is_pooled:
        (row,) = subject.ask("server_address")
        info = subject.connection.info
        direct = make_conninfo("", host=row.host, port=row.port, dbname=info.dbname, user=info.user)
        what = (
            "this connection goes through a pooler: backfill and sync refuse it, for what tells a living worker from a"
            " dead one is a lock of its session; finders may go through it"
        )
        yield Finding("pooler", "wrong", what, f"export ORCHESTRATOR_DSN={shlex.quote(direct)}", "connection")


def _set(subject: Subject, setting: _Setting, source: str) -> str:
    change = f"SET {setting.name} = '{setting.better}'"
    if setting.of_server:
        return f"ALTER SYSTEM {change};\nSELECT pg_reload_conf();"
    database = subject.quoted(subject.connection.info.dbname)
    role = subject.quoted(subject.connection.info.user)
    # what is set for a role outdoes what is set for the database
    where = {"user": f"ROLE {role}", "database user": f"ROLE {role} IN DATABASE {database}"}
    return f"ALTER {where.get(source, f'DATABASE {database}')} {change};"
