"""Compares the package's indexes in the database with their files: they exist, are valid, and have the same form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.schema import all_named, plain
from orchestrator.host import own_objects, sources
from orchestrator.host.binding import VIEW_OF, Binding
from orchestrator.inspection import versions
from orchestrator.inspection.finding import Finding
from orchestrator.inspection.subject import EDGES, Subject, Table

_FORM = re.compile(
    r" ON (?P<table>.+?) \((?P<keys>.*?)\)(?: INCLUDE \((?P<included>[^()]*?)\))?"
    r"(?: WITH \((?P<options>[^()]*?)\))?(?: WHERE (?P<rule>.*))?$"
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
    options: str | None  # its storage parameters, which a DBA may change

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
    wanted = own_objects.wanted_indexes(binding)
    found = {}
    for path in sorted((sqlfiles.ROOT / "indexes").glob("*.sql")):
        source = own_objects.HOST_INDEXES.get(path.stem)
        if source is not None and path.stem not in wanted:
            continue
        lines = (line for line in sqlfiles.read("indexes", path.name).splitlines() if not line.startswith("--"))
        form = _FORM.search(binding.fill(" ".join(" ".join(lines).split(";")[0].split())))
        assert form is not None, path
        view = EDGES if source is None else VIEW_OF[source]
        rule = form["rule"] if source is None else None
        found[path.stem] = Wanted(path.stem, view, form["keys"].strip(), form["included"], rule, form["options"])
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


def _present(subject: Subject) -> Iterator[tuple[Wanted, Table, Any]]:
    """Yield each index whose table exists: its definition in the file, its table, and its state in the database."""
    renamed = sources.renamed_views(subject.connection, subject.binding)  # the check of bindings reports these
    known = wanted_indexes(subject.binding)
    wanted = [each for each in known.values() if each.view in subject.tables and each.view not in renamed]
    rows = subject.query(
        "inspection/indexes",
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
    for name, text in subject.connection.execute(sqlfiles.query("inspection/view_rules")):
        found = _RULE.search(" ".join(text.split()))
        if found is not None:
            alias = re.split(r"[. ]", found["table"])[-1]
            rules[name] = re.sub(rf"(?<![\w.\"']){re.escape(alias)}\.", "", found["rule"])
    return rules


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
