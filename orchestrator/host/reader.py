"""Runs queries over the application's tables, before the package is installed as well as afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import errors, sql

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.host.sources import SOURCES

#: The names under which queries read every row of a table, also those that a rule leaves out, and their binding views.
_EVERY_ROW = {
    "contacts": "live_contacts",
    "organizations": "live_organizations",
    "experiences": "work_experiences",
    "members": "collection_members",
}
_EXPERIENCES = ("contact_id", "organization_id", "company_name", "date_from", "date_to")

_VIEW = re.compile(r"\bAS\n(SELECT\b.*?);", re.DOTALL)
_BODY = re.compile(r"^BEGIN ATOMIC\n(.*?);\nEND;", re.DOTALL | re.MULTILINE)
_COMMENTS = re.compile(r"\A(?:--[^\n]*\n)*")
_OURS = re.compile(r"\bconnection_paths\.(\w+)(\(\))?")


@dataclass(frozen=True)
class SourceReader:
    """Runs queries over the binding views, and over CTEs with every row of a table.

    These are ``contacts``, ``organizations``, ``experiences`` and ``members``.

    Before an installation, each binding view in a query becomes a CTE with the definition in the view's file.
    """

    connection: Connection
    is_installed: bool
    tables: Mapping[str, tuple[str, str]]  # schema and name, by the name of the CTE
    ctes: Mapping[str, sql.Composable]

    def rows(
        self, query: str, parameters: Mapping[str, Any] | None = None, *, over: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows of ``sql/queries/QUERY.sql``. In it, *over* is the CTE that the query calls ``every_row``.

        Raises :class:`OrchestratorError` when a column of the application's table is missing or has another type.
        """
        text = sqlfiles.query(query)
        if over is not None:
            text = text.replace("FROM every_row ", f"FROM {over} ")
        used = _used(text, self.ctes)
        if not self.is_installed:
            text = _without_schema(text, self.ctes)
        parts = [
            sql.SQL("{} AS NOT MATERIALIZED (\n{}\n)").format(sql.Identifier(each), self.ctes[each]) for each in used
        ]
        whole: sql.SQL | sql.Composed = sql.SQL(text)
        if parts:
            text = _COMMENTS.sub("", text)
            rest = text.removeprefix("WITH ")
            whole = sql.SQL("WITH {}{}\n{}").format(
                sql.SQL(",\n").join(parts), sql.SQL("," if text.startswith("WITH ") else ""), sql.SQL(rest)
            )
        try:
            return self.connection.execute(whole, parameters or {}).fetchall()  # without any, "%%" would stay
        except (errors.UndefinedColumn, errors.UndefinedFunction) as error:
            names = " and ".join(".".join(self.tables[each]) for each in used if each in self.tables)
            raise OrchestratorError(f"the rows of {names or 'a table'} cannot be counted: {one_line(error)}") from error


def installed(connection: Connection) -> SourceReader:
    """Return a reader for a database in which the package is installed."""
    tables = {name: table_behind(connection, view) for name, view in _EVERY_ROW.items()}
    return SourceReader(connection, True, tables, _raw(connection, tables))


def before_installing(connection: Connection, host_schema: str) -> SourceReader:
    """Return a reader for tables in *host_schema*, for which the package need not be installed."""
    table_of = {view: table for table, view in SOURCES.items()}
    tables = {name: (host_schema, table_of[view]) for name, view in _EVERY_ROW.items()}
    ctes: dict[str, sql.Composable] = _raw(connection, tables)
    quoted = sql.Identifier(host_schema).as_string(connection)
    for path in sorted((sqlfiles.ROOT / "views").glob("*.sql")):
        ctes[path.stem] = sql.SQL(_found(_VIEW, sqlfiles.for_host(sqlfiles.read("views", path.name), quoted)))
    body = _without_schema(_found(_BODY, sqlfiles.function("overlaps_by_contact")), ctes)
    ctes["overlaps_by_contact"] = sql.SQL('SELECT * FROM ({}) AS o (contact_id, "overlaps")').format(sql.SQL(body))
    return SourceReader(connection, False, tables, ctes)


def table_behind(connection: Connection, view: str) -> tuple[str, str]:
    """Return the schema and the name of the table that a binding view reads."""
    table = connection.execute(sqlfiles.query("host/table_behind_view"), {"view": view}).fetchone()
    if table is None:
        raise OrchestratorError("a view of connection_paths is missing; run: orchestrator install")
    return table[0], table[1]


def _raw(connection: Connection, tables: Mapping[str, tuple[str, str]]) -> dict[str, sql.Composable]:
    """Return the CTEs with every row. A table without the column company_name has no names."""
    schema, table = tables["experiences"]
    asked = "SELECT count(*) > 0 FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'company_name'"
    name = sql.Identifier(schema, table)
    has_names = connection.execute(asked, (name.as_string(connection),)).fetchone() == (True,)
    columns = [
        sql.SQL("NULL::text AS company_name") if each == "company_name" and not has_names else sql.Identifier("t", each)
        for each in _EXPERIENCES
    ]
    return {
        **{
            each: sql.SQL("SELECT t.id FROM {} AS t").format(sql.Identifier(*tables[each]))
            for each in ("contacts", "organizations")
        },
        "experiences": sql.SQL("SELECT {} FROM {} AS t").format(sql.SQL(", ").join(columns), name),
        "members": sql.SQL("SELECT * FROM {} AS t").format(sql.Identifier(*tables["members"])),
    }


def _used(text: str, ctes: Mapping[str, sql.Composable]) -> list[str]:
    """Return the CTEs that a query reads, each after those that it reads itself."""
    needed: set[str] = set()
    new = _named(text) & ctes.keys()
    while new:
        needed |= new
        new = {name for each in new for name in _named(ctes[each].as_string(None))} & ctes.keys() - needed
    return [each for each in ctes if each in needed]


def _named(text: str) -> set[str]:
    return {*re.findall(r"\b(?:FROM|JOIN) (?:connection_paths\.)?(\w+)", text)}


def _without_schema(text: str, ctes: Mapping[str, sql.Composable]) -> LiteralString:
    """Return a query that reads CTEs in place of the package's views and functions of the same name."""

    def renamed(found: re.Match[str]) -> str:
        return found[1] if found[1] in ctes else found[0]

    plain: LiteralString = _OURS.sub(renamed, text)
    return plain


def _found(pattern: re.Pattern[str], text: LiteralString) -> LiteralString:
    found = pattern.search(text)
    assert found is not None, f"a file of the package has no definition like {pattern.pattern}"
    definition: LiteralString = found[1].replace("%", "%%")
    return definition
