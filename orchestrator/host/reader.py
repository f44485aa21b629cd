"""Runs queries over the application's tables, before and after the package is installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, LiteralString

from psycopg import errors

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.host.binding import VIEW_OF, Binding, unbound
from orchestrator.host.mapping import SourceMapping
from orchestrator.host.mapping_expressions import quoted
from orchestrator.host.sources import binding

#: CTEs with every row of a table, also those that a rule leaves out: ``queries/host/every_NAME.sql``.
_EVERY_ROW = {"experiences": "contact_work_experiences", "members": "user_contact_collections"}

#: What the relations of policies and of resolved company names are before an installation.
_WITHOUT_DECISIONS: dict[str, LiteralString] = {
    "live_organizations": "SELECT o.id, o.name FROM known_organizations AS o",
    "organization_policy": (
        "SELECT NULL::bigint AS organization_id, NULL::text AS rule, NULL::integer AS min_overlap_days WHERE false"
    ),
    "employments": "SELECT e.contact_id, e.organization_id, e.date_from, e.date_to FROM work_experiences AS e",
    "name_decisions": "SELECT NULL::text AS company_name, NULL::bigint AS organization_id WHERE false",
}

#: The functions that queries call before an installation, each after those that it calls, with the columns it returns.
_CALLED: dict[str, LiteralString] = {
    "counted_overlaps": '(organization_id, contact_id, "overlaps")',
    "overlaps_by_contact": '(contact_id, "overlaps")',
}

_VIEW = re.compile(r"\bAS\n(SELECT\b.*?);", re.DOTALL)
_BODY = re.compile(r"^BEGIN ATOMIC\n(.*?);\nEND;", re.DOTALL | re.MULTILINE)
_COMMENTS = re.compile(r"\A(?:--[^\n]*\n)*")
_OURS = re.compile(r"\bconnection_paths\.(\w+)(\(\))?")
_FUNCTION = re.compile(r"\bconnection_paths\.(?=\w+\()")


@dataclass(frozen=True)
class SourceReader:
    """Runs queries that read the CTEs ``experiences`` and ``members``, with every row, and the binding views.

    Before an installation, each binding view in a query becomes a CTE with the definition in the view's file. The CTEs
    in ``materialized`` are computed once in each query.
    """

    connection: Connection
    is_installed: bool
    bound: Binding
    ctes: Mapping[str, LiteralString]
    materialized: frozenset[str] = frozenset()

    def rows(
        self, query: str, parameters: Mapping[str, Any] | None = None, *, over: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows of ``sql/queries/QUERY.sql``. The name ``every_row`` in the query stands for the view *over*.

        Raises :class:`OrchestratorError` when the application has renamed a column, because the CTEs read the tables.
        The views can still be read then.
        """
        text = _COMMENTS.sub("", sqlfiles.query(query))
        if over is not None:
            text = text.replace("FROM every_row ", f"FROM connection_paths.{over} ")
        used = _used(text, self.ctes)
        if not self.is_installed:
            text = _without_schema(text, self.ctes)
        if used:
            ctes = ",\n".join(
                f"{each} AS {'' if each in self.materialized else 'NOT '}MATERIALIZED (\n{self.ctes[each]}\n)"
                for each in used
            )
            more = "," if text.startswith("WITH ") else ""
            text = f"WITH {ctes}{more}\n{text.removeprefix('WITH ')}"
        try:
            return self.connection.execute(text.encode(), parameters or {}).fetchall()  # without any, "%%" would stay
        except (errors.UndefinedColumn, errors.UndefinedFunction, errors.UndefinedTable) as error:
            names = " and ".join(self.bound.shown(_EVERY_ROW[each]) for each in used if each in _EVERY_ROW)
            raise OrchestratorError(
                f"the rows of {names or 'the tables'} cannot be counted: {one_line(error)}"
            ) from error


def installed(connection: Connection) -> SourceReader:
    """Return a reader for a database in which the package is installed."""
    bound = binding(connection)
    return SourceReader(connection, True, bound, _every_row(bound))


def before_installing(connection: Connection, bound: Binding) -> SourceReader:
    """Return a reader for the tables of a mapping, for which the package need not be installed.

    If :func:`needs_functions`, then the caller has created them as temporary functions in the same transaction.
    """
    ctes = _every_row(bound)
    for view in VIEW_OF.values():
        ctes[view] = _doubled(bound.fill(_found(_VIEW, sqlfiles.read("views", f"{view}.sql"))))
    ctes |= _WITHOUT_DECISIONS
    for function, columns in _CALLED.items():
        body = _without_schema(_found(_BODY, sqlfiles.function(function)), ctes)
        ctes[function] = f"SELECT * FROM ({_doubled(body)}) AS o {columns}"
    here: dict[str, LiteralString] = {name: _FUNCTION.sub("pg_temp.", text) for name, text in ctes.items()}
    # The functions that read dates from text take microseconds. A join would call them again for each pair.
    computed = frozenset({"employments"} if "pg_temp." in here["work_experiences"] else ())
    return SourceReader(connection, False, bound, here, computed)


def needs_functions(mapping: SourceMapping) -> bool:
    """Whether expressions of a mapping call functions of the package, such as ``to_day``."""
    sources = unbound(mapping).sources.values()
    return any(_FUNCTION.search(text) for source in sources for text in (*source.columns.values(), source.where or ""))


def _every_row(bound: Binding) -> dict[str, LiteralString]:
    """Return the CTEs with every row."""
    bound = _with_company_names(bound)
    return {name: _doubled(bound.fill(sqlfiles.query(f"host/every_{name}"))) for name in _EVERY_ROW}


def _with_company_names(bound: Binding) -> Binding:
    """Return a binding that reads ``company_name`` where the table has it, even if the mapping does not name it."""
    name, column = "contact_work_experiences", "company_name"
    source = bound.sources[name]
    if column in source.columns or name not in bound.tables or column not in bound.tables[name].types:
        return bound
    read = replace(source, columns={**source.columns, column: f"{quoted(column)}::text"})
    return replace(bound, sources={**bound.sources, name: read})


def _used(text: str, ctes: Mapping[str, str]) -> list[str]:
    """Return the CTEs that a query reads, each after those that it reads itself."""
    needed: set[str] = set()
    new = _named(text) & ctes.keys()
    while new:
        needed |= new
        new = {name for each in new for name in _named(ctes[each])} & ctes.keys() - needed
    return [each for each in ctes if each in needed]


def _named(text: str) -> set[str]:
    return {*re.findall(r"\b(?:FROM|JOIN) (?:connection_paths\.)?(\w+)", text)}


def _without_schema(text: LiteralString, ctes: Mapping[str, str]) -> LiteralString:
    """Return a query that reads CTEs in place of the package's views and functions of the same name."""

    def renamed(found: re.Match[str]) -> str:
        return found[1] if found[1] in ctes else found[0]

    plain: LiteralString = _OURS.sub(renamed, text)
    return plain


def _found(pattern: re.Pattern[str], text: LiteralString) -> LiteralString:
    found = pattern.search(text)
    assert found is not None, f"a file of the package has no definition like {pattern.pattern}"
    definition: LiteralString = found[1]
    return definition


def _doubled(text: LiteralString) -> LiteralString:
    """Return a text in which psycopg finds no placeholder."""
    return text.replace("%", "%%")
