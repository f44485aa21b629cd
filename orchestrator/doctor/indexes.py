"""Checks the package's indexes: they exist, are valid, match their files, are not bloated, and are used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.formats import size
from orchestrator.core.schema import all_named, plain
from orchestrator.doctor import versions
from orchestrator.doctor.finding import Finding
from orchestrator.doctor.subject import EDGES, SMALL, Subject, Table
from orchestrator.host import sources
from orchestrator.host.binding import VIEW_OF, Binding
from orchestrator.install import steps

#: The smallest size in bytes of a bloated index, and how many times the size of its entries it has at least.
BLOATED = (64 * 2**20, 2.0)
#: An index is unused when no statement has used it for this long.
UNUSED = timedelta(days=7)

_FRESH = 90.0  # percent of a leaf that a new index fills
_FORM = re.compile(
    r" ON (?P<table>.+?) \((?P<keys>.*?)\)(?: INCLUDE \((?P<included>[^()]*?)\))?(?: WHERE (?P<rule>.*))?$"
)
_RULE = re.compile(r"\bFROM (?P<table>.+?) WHERE (?P<rule>.*);$")


@dataclass(frozen=True)
class Wanted:
    """An index as its file defines it; ``view`` is the binding view of its table, or the table of edges."""

    name: str
    view: str
    keys: str
    included: str | None
    rule: str | None  # its WHERE, for an index of the table of edges; other indexes have the rule of their view

    @property
    def of_edges(self) -> bool:
        """Whether it is an index of the package's own table."""
        return self.view == EDGES

    @property
    def form(self) -> str:
        """Its columns, as CREATE INDEX takes them, with quotes only where they are needed."""
        text = f"({self.keys})" + (f" INCLUDE ({self.included})" if self.included else "")
        return re.sub(r'"([a-z_][a-z0-9_]*)"', r"\1", text)


def wanted_indexes(binding: Binding) -> dict[str, Wanted]:
    """Return the indexes of ``sql/indexes`` that the tables need, by name."""
    wanted = steps.wanted_indexes(binding)
    found = {}
    for path in sorted((sqlfiles.ROOT / "indexes").glob("*.sql")):
        source = steps.HOST_INDEXES.get(path.stem)
        if source is not None and path.stem not in wanted:
            continue
        lines = (line for line in sqlfiles.read("indexes", path.name).splitlines() if not line.startswith("--"))
        form = _FORM.search(binding.fill(" ".join(" ".join(lines).split(";")[0].split())))
        assert form is not None, path
        view = EDGES if source is None else VIEW_OF[source]
        rule = form["rule"] if source is None else None
        found[path.stem] = Wanted(path.stem, view, form["keys"].strip(), form["included"], rule)
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
        rule = f"({index.rule})" if index.rule else rules.get(index.view)
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
        elif not row.is_there or row.method != "btree" or not _is_form(subject, index, table, row):
            what = f"{index.name} is {row.method} {described}, not {index.form} on {table.name}"
            yield _wrong(index, what, repair), True
        elif not _is_rule(subject, table, row.rule, rule):
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
    parameters = {"tables": [table.oid for table in subject.leaves], "names": _names(subject)}
    for row in subject.query("invalid_indexes", parameters):
        what = f"index {row.name} is not valid: every write updates its {size(row.bytes)}, and no query uses it"
        yield Finding("invalid indexes", "wrong", what, f"DROP INDEX CONCURRENTLY {row.name};", row.name)


def sizes(subject: Subject) -> Iterator[Finding]:
    """Find bloated indexes by an estimate; if pgstattuple is installed, it checks the estimate."""
    least_bytes, least_factor = BLOATED
    parameters = {
        "tables": [table.oid for table in subject.leaves],
        "names": _names(subject),
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
    """Find indexes of larger tables that no statement has used for a week.

    The indexes of strong edges are left out: only calls with ``order_by => 'strength'`` use them.
    """
    expected = (name for name, index in wanted_indexes(subject.binding).items() if index.rule is None)
    parameters = {
        "tables": [table.oid for table in subject.leaves],
        "names": all_named(subject.connection, expected),
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


def _names(subject: Subject) -> list[str]:
    """Return the names of the indexes in the database."""
    return all_named(subject.connection, wanted_indexes(subject.binding))


def _present(subject: Subject) -> Iterator[tuple[Wanted, Table, Any]]:
    """Yield each index whose table exists: its definition in the file, its table, and its state in the database."""
    renamed = sources.renamed_views(subject.connection, subject.binding)  # the check of bindings reports these
    known = wanted_indexes(subject.binding)
    wanted = [each for each in known.values() if each.view in subject.tables and each.view not in renamed]
    rows = subject.query(
        "indexes",
        {
            "names": all_named(subject.connection, (index.name for index in wanted)),
            "tables": [subject.tables[index.view].oid for index in wanted],
        },
    )
    for row in rows:
        index = replace(known[plain(row.name)], name=row.name)
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


def _is_form(subject: Subject, index: Wanted, table: Table, row: Any) -> bool:
    """Whether an index has the wanted columns. Expressions that differ as text may still be equal for the server."""
    if _plain(row.included or "") != _plain(index.included or ""):
        return False
    if _plain(row.keys or "") == _plain(index.keys):
        return True
    return not index.of_edges and _alike(
        subject, *(f"SELECT {keys} FROM {table.name} AS t" for keys in (row.keys, index.keys))
    )


def _is_rule(subject: Subject, table: Table, found: str | None, rule: str | None) -> bool:
    """Whether an index holds the rows that its view shows."""
    if " ".join((found or "").split()) == (rule or ""):
        return True
    return _alike(subject, *(f"SELECT FROM {table.name} AS t WHERE {each or 'true'}" for each in (found, rule)))


def _alike(subject: Subject, query: str, other: str) -> bool:
    """Whether the server plans two queries of one table in the same way; False when it cannot plan one of them."""
    try:
        with subject.connection.transaction():
            return versions.plan_of(subject, query) == versions.plan_of(subject, other)
    except (psycopg.errors.SyntaxError, psycopg.errors.UndefinedColumn, psycopg.errors.DatatypeMismatch):
        return False


def _plain(form: str) -> str:
    """Remove spaces, quotes and parentheses, which a file and the server write in different ways."""
    return re.sub(r"[\s()\"]", "", form).lower()
