"""Runs all checks one after another; a check that fails does not stop the others.

Each check is one READ ONLY transaction, and its settings hold for that transaction only. So doctor changes nothing, not
even the session of a pooler. ``orchestrator verify`` checks the edges themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psycopg

from orchestrator.core.database import lost, stateless, transaction
from orchestrator.core.errors import one_line
from orchestrator.doctor import (
    citus,
    index_use,
    names,
    organizations,
    plans,
    policies,
    roles,
    runs,
    settings,
    standbys,
    subscriptions,
    tables,
)
from orchestrator.inspection import indexes, versions
from orchestrator.inspection.finding import Finding
from orchestrator.inspection.subject import Subject, examine
from orchestrator.install import repair

#: Limits for each statement, so that a check neither runs for long nor blocks other sessions.
_LIMITS = {"statement_timeout": "5s", "lock_timeout": "1s"}

#: Missing rights, a timeout, or a conflict with recovery on a standby.
_CANNOT = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.QueryCanceled,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.SerializationFailure,
)
#: The class of SQLSTATE where another server does not answer: a worker of Citus, which is a separate finding.
_NO_ANSWER = "08"
#: Errors that a missing function, view or migration causes; that is a separate finding.
_MISSING = (psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)


@dataclass(frozen=True)
class _Check:
    """A check; ``on_standby`` and ``pooled`` are false if it cannot run on a standby or through a pooler."""

    name: str
    run: Callable[[Subject], Iterable[Finding]]
    on_standby: bool = True
    pooled: bool = True


_CHECKS = (
    _Check("migrations", versions.migrations),
    _Check("functions", versions.functions),
    _Check("views", versions.views),
    _Check("installation", repair.installation),
    _Check("indexes", indexes.definitions),
    _Check("invalid indexes", index_use.invalid),
    _Check("index sizes", index_use.sizes),
    _Check("index use", index_use.usage),
    _Check("plans", plans.plans, pooled=False),
    _Check("names", names.lookups),
    _Check("statistics", tables.statistics),
    _Check("visibility map", tables.visibility),
    _Check("triggers", tables.triggers),
    _Check("policies", policies.policies),
    _Check("roles", roles.rights),
    _Check("bindings", tables.bindings),
    _Check("mapping", tables.mapping),
    _Check("organizations", organizations.crowds),
    _Check("organization sizes", organizations.counts),
    _Check("queue", runs.queue, on_standby=False),
    _Check("runs", runs.runs, on_standby=False),
    _Check("rebuild leftovers", runs.leftovers),
    _Check("pooler", settings.pooler),
    _Check("connections", settings.connections),
    _Check("settings", settings.settings),
    _Check("standbys", standbys.standbys),
    _Check("citus", citus.citus),
    _Check("subscriptions", subscriptions.subscriptions, on_standby=False),
)
_OF_VERSION = ("migrations", "functions", "views")


@dataclass(frozen=True)
class Skipped:
    """A check that was not run or not finished, and why."""

    check: str
    why: str


@dataclass(frozen=True)
class Diagnosis:
    """The findings, the worst first, the checks that were run, and the checks that were skipped."""

    findings: list[Finding]
    checked: list[str]
    skipped: list[Skipped]
    standby: bool
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether there is no finding except advice."""
        return not any(finding.severity == "wrong" for finding in self.findings)


def diagnose(dsn: str, *, report: Callable[[str], None] = lambda _: None) -> Diagnosis:
    """Run every check that this role may run on this server; ``report`` is called with the name of each.

    Works on a standby, through a pooler, and with few rights: a check that cannot be made is skipped, with the reason.
    Raises :class:`OrchestratorError` when the server cannot be reached or the package is not installed.
    """
    started = time.monotonic()
    findings: list[Finding] = []
    checked: list[str] = []
    skipped: list[Skipped] = []
    with stateless(dsn) as connection:
        with transaction(connection, _LIMITS):
            subject = examine(connection)
        for check in _CHECKS:
            report(f"checking {check.name}")
            if subject.is_standby and not check.on_standby:
                skipped.append(Skipped(check.name, "this is a standby; run doctor on its primary for this check"))
                continue
            if subject.is_pooled and not check.pooled:
                skipped.append(Skipped(check.name, "a pooler would keep its session settings for the next client"))
                continue
            try:
                with transaction(connection, _LIMITS):
                    findings += check.run(subject)
                checked.append(check.name)
            except _CANNOT as error:
                skipped.append(Skipped(check.name, one_line(error)))
            except psycopg.Error as error:
                if lost(connection, error):
                    raise
                if (error.sqlstate or "").startswith(_NO_ANSWER) or (
                    isinstance(error, _MISSING) and any(each.check in _OF_VERSION for each in findings)
                ):
                    skipped.append(Skipped(check.name, one_line(error)))
                    continue
                what = f"{check.name}: the check failed: {one_line(error)}"
                findings.append(Finding(check.name, "wrong", what, None, check.name))
    findings.sort(key=lambda finding: finding.severity != "wrong")
    return Diagnosis(findings, checked, skipped, subject.is_standby, time.monotonic() - started)
