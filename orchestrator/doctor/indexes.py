"""Checks the package's indexes: they exist, are valid, match their files, are not bloated, and are used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.formats import size
from orchestrator.core.schema import all_named, plain
from orchestrator.doctor import versions
from orchestrator.doctor.finding import Finding
from orchestrator.doctor.subject import EDGES, SMALL, Subject, Table
from orchestrator.host import sources

#: The smallest size in bytes of a bloated index, and how many times the size of its entries it has at least.
BLOATED = (64 * 2**20, 2.0)
#: An index is unused when no statement has used it for this long.
UNUSED = timedelta(days=7)

_FRESH = 90.0  # percent of a leaf that a new index fills
_FORM = re.compile(
    r" ON (?::\"host_schema\"\.)?(?P<table>\S+) \((?P<keys>.*?)\)(?: INCLUDE \((?P<included>.*?)\))?(?: WHERE .*)?$"
)
_RULE = re.compile(r"\bFROM (?P<table>.+?) WHERE (?P<rule>.*);$")


@dataclass(frozen=True)
class Wanted:
    """An index as its file defines it; ``view`` is the binding view of its table, or the table of edges."""

    name: str
    view: str
    keys: str
    included: str | None

    @property
    def of_edges(self) -> bool:
        """Whether it is an index of the package's own table."""
        return self.view == EDGES

    @property
    def form(self) -> str:
        """Its columns, as CREATE INDEX takes them."""
        return f"({self.keys})" + (f" INCLUDE ({self.included})" if self.included else "")


@cache
def wanted_indexes() -> dict[str, Wanted]:
    """Return the indexes of ``sql/indexes``, by name."""
    views = {table: view for view, table in versions.view_tables().items()}
    found = {}
    for path in sorted((sqlfiles.ROOT / "indexes").glob("*.sql")):
        lines = (line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("--"))
        form = _FORM.search(" ".join(" ".join(lines).split(";")[0].split()))
        assert form is not None, path
        view = views.get(form["table"], EDGES)
        found[path.stem] = Wanted(path.stem, view, form["keys"], form["included"])
    return found


def definitions(subject: Subject) -> Iterator[Finding]:
    """Find indexes that are missing, invalid, or different from their files or from the rule of their view.

    An index that has the name but not the comment of the package belongs to the application. Then ours is missing.
    """
    for finding, _ in _defined(subject):
        yield finding


def unusable(subject: Subject) -> Iterator[Finding]:
    """Find indexes that are missing or invalid, so that statements read the whole table instead."""
    for finding, serves in _defined(subject):
        if not serves:
            yield finding


def _defined(subject: Subject) -> Iterator[tuple[Finding, bool]]:
    """Yield the problem of each index, and whether statements can still use the index."""
    rules = _rules(subject)
    repair = versions.install_command(subject)
    for index, table, row in _present(subject):
        rule = rules.get(index.view)
        described = f"({row.keys})" + (f" INCLUDE ({row.included})" if row.included else "") if row.keys else ""
        if row.is_there is None:
            yield _wrong(index, f"{index.name} is missing on {table.name}", repair), False
        elif not index.of_edges and not row.is_marked:
            name = f"{subject.quoted(table.schema)}.{index.name}"
            what = f"{index.name} is missing on {table.name}: connection_paths did not create the index of that name"
            rename = f"ALTER INDEX {name} RENAME TO {index.name}_of_the_application;"
            yield _wrong(index, what, f"{rename}\n{repair}"), False
        elif not row.is_valid:
            what = f"{index.name} is not valid: every write updates it, and no query uses it"
            if row.is_held:
                what += "; perhaps another session is building it now, because one holds the lock for that"
            yield _wrong(index, what, repair), False
        elif not row.is_there or row.method != "btree" or _plain(described) != _plain(index.form):
            what = f"{index.name} is {row.method} {described}, not {index.form} on {table.name}"
            yield _wrong(index, what, repair), True
        elif " ".join((row.rule or "").split()) != (rule or ""):
            what = (
                f"{index.name} holds rows WHERE {row.rule or 'true'}, view {index.view} shows those WHERE"
                f" {rule or 'true'}: the planner cannot use the index for the view, or reads rows that are not needed"
            )
            yield _wrong(index, what, repair), True


def broken(subject: Subject) -> set[str]:
    """Return the names of the indexes that :func:`definitions` reports."""
    return {finding.object for finding in definitions(subject)}


def invalid(subject: Subject) -> Iterator[Finding]:
    """Find indexes of the same tables that are not valid and not the package's."""
    parameters = {
        "tables": [table.oid for table in subject.leaves],
        "names": all_named(subject.connection, wanted_indexes()),
    }
    for row in subject.query("invalid_indexes", parameters):
        what = f"index {row.name} is not valid: every write updates its {size(row.bytes)}, and no query uses it"
        yield Finding("invalid indexes", "wrong", what, f"DROP INDEX CONCURRENTLY {row.name};", row.name)


def sizes(subject: Subject) -> Iterator[Finding]:
    """Find bloated indexes by an estimate; if pgstattuple is installed, it checks the estimate."""
    least_bytes, least_factor = BLOATED
    parameters = {
        "tables": [table.oid for table in subject.leaves],
        "names": all_named(subject.connection, wanted_indexes()),
        "least_bytes": least_bytes,
        "least_factor": least_factor,
    }
    for row in subject.query("index_sizes", parameters):
        needed, how = float(row.needed), "estimated from the catalog"
        density = _density(subject, row.oid)
        if density is not None:
            needed, how = row.bytes * density / _FRESH, f"its leaves are {density:.0f} % full"
            if row.bytes < least_factor * needed:
                continue
        what = f"index {row.name} has {size(row.bytes)} and needs only {size(needed)} ({how})"
        yield Finding("index sizes", "wrong", what, f"REINDEX INDEX CONCURRENTLY {row.name};", row.name)


def usage(subject: Subject) -> Iterator[Finding]:
    """Find indexes of larger tables that no statement has used for a week."""
    parameters = {
        "tables": [table.oid for table in subject.leaves],
        "names": all_named(subject.connection, wanted_indexes()),
        "pages": SMALL,
        "seconds": UNUSED.total_seconds(),
    }
    for row in subject.query("unused_indexes", parameters):
        what = (
            f"{row.name} ({size(row.bytes)}) has not been used since {row.began:%Y-%m-%d %H:%M} on this server. Either"
            " find_paths is not called here, or the planner does not choose the index."
            " `orchestrator verify` calls find_paths."
        )
        yield Finding("index use", "advice", what, "orchestrator verify", row.name)


def _present(subject: Subject) -> Iterator[tuple[Wanted, Table, Any]]:
    """Yield each index whose table exists: its definition in the file, its table, and its state in the database."""
    renamed = sources.renamed_views(subject.connection)  # the check of bindings reports these
    wanted = [each for each in wanted_indexes().values() if each.view in subject.tables and each.view not in renamed]
    rows = subject.query(
        "indexes",
        {
            "names": all_named(subject.connection, (index.name for index in wanted)),
            "tables": [subject.tables[index.view].oid for index in wanted],
        },
    )
    for row in rows:
        index = replace(wanted_indexes()[plain(row.name)], name=row.name)
        yield index, subject.tables[index.view], row


def _rules(subject: Subject) -> dict[str, str]:
    """Return the rule of each view that has one. As in an index, its columns are without the alias of the table."""
    rules = {}
    for name, text in subject.connection.execute(sqlfiles.query("doctor/view_rules")):
        found = _RULE.search(" ".join(text.split()))
        if found is not None:
            alias = re.split(r"[. ]", found["table"])[-1]
            rules[name] = re.sub(rf"(?<![\w.\"']){re.escape(alias)}\.", "", found["rule"])
    return rules


def _density(subject: Subject, oid: int) -> float | None:
    """Return how full the leaf pages are, in percent; None if this is not known, or reading it takes too long."""
    found = subject.query("pgstatindex")
    if not found:
        return None
    try:
        with subject.connection.transaction():
            row = subject.connection.execute(
                f"SELECT s.avg_leaf_density FROM {found[0][0]}(%s::regclass) AS s".encode(), (oid,)
            ).fetchone()
    except psycopg.errors.QueryCanceled:
        return None
    return float(row[0]) if row is not None and row[0] == row[0] else None  # NaN: no leaves


def _wrong(index: Wanted, what: str, repair: str) -> Finding:
    return Finding("indexes", "wrong", what, repair, index.name)


def _plain(form: str) -> str:
    """Remove spaces and parentheses: a file has parentheses around an expression, the server does not."""
    return re.sub(r"[\s()]", "", form).lower()
