"""Compares the migrations, functions and views in the database with those of this package."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from hashlib import md5
from pathlib import Path
from typing import Any

from psycopg.rows import namedtuple_row

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.migration_files import loaded, migration_steps
from orchestrator.core.migration_files import migrations as migration_files
from orchestrator.core.schema import named, original, schema_of
from orchestrator.host import sources
from orchestrator.host.binding import VIEW_OF, Binding
from orchestrator.host.installed import is_distributed
from orchestrator.host.mapping import DEFAULT
from orchestrator.inspection.finding import Finding
from orchestrator.inspection.subject import Subject

_SHOWN = 5  # names of a list
_NEXT = "contact_connections_next"
_WRITTEN_ALIKE = range(15, 19)  # major versions of PostgreSQL

_FUNCTION = re.compile(
    r"FUNCTION connection_paths\.(?P<name>\w+)\(.*?^(?:AS (?P<quote>\$\w*\$)(?P<source>.*?)(?P=quote)|BEGIN ATOMIC$)",
    re.DOTALL | re.MULTILINE,
)
_SETTING = re.compile(r"^SET (\w+) = (.*?)(?: *--.*)?$", re.MULTILINE)
#: The query of a view, in its file.
_VIEW = re.compile(r"^CREATE OR REPLACE VIEW connection_paths\.\w+ .*? AS\n(?P<query>.*?);$", re.DOTALL | re.MULTILINE)


def install_command(subject: Subject, *options: str) -> str:
    """Return the command that brings this database to the package's version."""
    if subject.binding.mapping != DEFAULT:
        return shlex.join(["orchestrator", "install", *options])
    schemas = {table.schema for known_as, table in subject.tables.items() if known_as in sources.VIEWS}
    known = "public" if subject.remembered is None else subject.remembered.host_schema
    elsewhere = ("--host-schema", *schemas) if len(schemas - {known}) == 1 == len(schemas) else ()
    return shlex.join(["orchestrator", "install", *options, *elsewhere])


def settings_of(function: str) -> dict[str, str]:
    """Return the settings (SET clauses) of the latest version of a function."""
    latest = max(sqlfiles.function_folders()[function].glob("v*.sql"), key=lambda path: int(path.stem[1:]))
    return _settings(latest.read_text(encoding="utf-8"))


def _settings(text: str) -> dict[str, str]:
    return dict(_SETTING.findall(re.split(r"\n(?:AS \$|BEGIN ATOMIC)", text, maxsplit=1)[0]))


@cache
def bodies() -> dict[str, str]:
    """Return the fingerprint of each SQL-standard body (BEGIN ATOMIC), by function.

    The server does not store the source of such a body, only the parsed form. It writes the parsed form as text, equal
    in every version that :data:`_WRITTEN_ALIKE` names. ``make golden`` writes the file of fingerprints.
    """
    return dict(line.split() for line in sqlfiles.read("BODIES").splitlines())


def fingerprint(body: str | None, schema: str) -> str | None:
    """Return the fingerprint of a function's body, which the server wrote for the installation in *schema*."""
    return None if body is None else md5(original(body, schema).encode(), usedforsecurity=False).hexdigest()


def _has_its_body(row: Any, path: Path, connection: Connection) -> bool:
    expected = None if _described(path)["quote"] else bodies().get(row.proname)
    if connection.info.server_version // 10_000 in _WRITTEN_ALIKE:
        return fingerprint(row.body, schema_of(connection)) == expected
    return (row.body is None) == (expected is None)


def migrations(subject: Subject) -> Iterator[Finding]:
    """Find migrations that are not applied, and applied ones that this package does not know."""
    applied = [] if _may_read_migrations(subject) is None else _applied(subject)
    known = _known()
    pending = [name for name in known if name not in applied]
    strange = sorted(set(applied) - set(known))
    if pending:
        what = f"{len(pending)} of {len(known)} migrations are not applied: {_list(pending)}"
        yield Finding("migrations", "wrong", what, install_command(subject), pending[0])
    if strange:
        what = f"the database has a newer version than this package, which does not contain {_list(strange)}"
        yield Finding("migrations", "wrong", what, "pip install --upgrade connection-paths", strange[0])


def functions(subject: Subject) -> Iterator[Finding]:
    """Find functions that are missing, have another body, or have lost a setting.

    While migrations are pending, or unknown ones are applied, functions differ for that reason and are not reported.
    """
    if _may_read_migrations(subject) and set(_applied(subject)) != set(_known()):
        return
    wrong = wrong_functions(subject.connection, subject.binding)
    redirected = {row.proname for row in _installed(subject.connection) if _NEXT in (row.body or "")} & wrong.keys()
    if redirected:
        what = (
            f"searches read the table of a rebuild ({_list(sorted(redirected))}) and do not see what sync writes. This"
            " lasts less than a minute, unless the process of the rebuild was killed; then continue the rebuild"
        )
        yield Finding("functions", "wrong", what, "orchestrator backfill", _NEXT)
    wrong = {name: each for name, each in wrong.items() if name not in redirected}
    if wrong:
        missing = [name for name, (_, is_there) in wrong.items() if not is_there]
        other = [name for name, (_, is_there) in wrong.items() if is_there]
        parts = [f"missing: {_list(missing)}"] if missing else []
        parts += [f"different from this package: {_list(other)}"] if other else []
        what = f"functions of {schema_of(subject.connection)} are wrong; {'; '.join(parts)}"
        yield Finding("functions", "wrong", what, install_command(subject), next(iter(wrong)))


def wrong_functions(connection: Connection, binding: Binding) -> dict[str, tuple[Path, bool]]:
    """Return the functions that differ from this package: the file of each, and whether one of its name exists.

    A function may have settings in addition to those in its file, for example those of a DBA.
    """
    installed: dict[str, list[Any]] = {}
    for row in _installed(connection):
        installed.setdefault(row.proname, []).append(row)
    return {
        name: (path, name in installed)
        for name, path in expected_files(connection).items()
        if not any(_is_as_in(row, path, connection, binding) for row in installed.get(name, []))
    }


def _installed(connection: Connection) -> list[Any]:
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(sqlfiles.query("inspection/functions")).fetchall()


def expected_files(connection: Connection) -> dict[str, Path]:
    """Return the file of each function that this database should have, by its name in the database."""
    return function_files() | (sqlfiles.distributed_functions() if is_distributed(connection) else {})


@cache
def function_files() -> dict[str, Path]:
    """Return the file of each function, by its name in the database, in the order in which they are created."""
    found = {}
    for migration in migration_files():
        for what, *names in migration_steps(migration):
            if what == "function":
                path = sqlfiles.function_folders()[names[0]] / f"{names[1]}.sql"
                found[_described(path)["name"]] = path
    return found


def made_by(folder: str, stem: str = "") -> str | None:
    """Return the name of the function that a file of ``sql/functions`` creates; None if there is no such file."""
    found = sqlfiles.function_folders().get(folder)
    path = found / f"{stem}.sql" if found else None
    return str(_described(path)["name"]) if path and path.is_file() else None


def _is_as_in(row: Any, path: Path, connection: Connection, binding: Binding) -> bool:
    found = _described(path)
    head = found[0]
    return (
        row.prosrc == named(connection, binding.fill(found["source"] or ""))
        and _has_its_body(row, path, connection)
        and {f"{name}={value}" for name, value in _settings(head).items()} <= set(row.settings)
        and all(word in head for word in (f"LANGUAGE {row.language}", row.volatility, row.parallel, row.security))
    )


@cache
def _described(path: Path) -> re.Match[str]:
    found = _FUNCTION.search(path.read_text(encoding="utf-8"))
    assert found is not None, path
    return found


def views(subject: Subject) -> Iterator[Finding]:
    """Find views that are missing, or that give other columns or rows than the mapping says.

    The plan of a view is compared with that of the query in its file, because the planner writes both in the same way.
    """
    reported_elsewhere = sources.detached_views(subject.connection) | sources.renamed_views(
        subject.connection, subject.binding
    )
    for source, view in VIEW_OF.items():
        if view in reported_elsewhere:  # the check of bindings reports these
            continue
        name = f"{schema_of(subject.connection)}.{view}"
        if subject.connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() == (None,):
            yield Finding("views", "wrong", f"view {name} is missing", install_command(subject), name)
            continue
        found = _VIEW.search(sqlfiles.read("views", f"{view}.sql"))
        assert found is not None, view
        query = _as_bound(subject, source).fill(found["query"])
        wanted, actual = (plan_of(subject, f"SELECT * FROM {each}") for each in (f"({query}) AS v", name))
        if wanted != actual:
            what = f"view {name} has the rule {_rule(actual)}; by the mapping and this package it is {_rule(wanted)}"
            if _rule(actual) == _rule(wanted):
                what = f"the columns of view {name} are not those that the mapping and this package require"
            yield Finding("views", "wrong", what, install_command(subject), name)


def _as_bound(subject: Subject, source: str) -> Binding:
    """Return the binding with the table that the view of a source reads; another check reports a wrong table."""
    table = subject.tables.get(VIEW_OF[source])
    if table is None or source not in subject.binding.sources:
        return subject.binding
    return subject.binding.at(source, table.schema, table.relname)


def _applied(subject: Subject) -> list[str]:
    rows = subject.connection.execute("SELECT m.migration_id FROM connection_paths._yoyo_migration AS m ORDER BY 1")
    return [row[0] for row in rows]


def _known() -> list[str]:
    return sorted(str(migration.id) for migration in loaded())


def _may_read_migrations(subject: Subject) -> bool | None:
    """Whether this role may read the applied migrations; None if their table does not exist."""
    rows = subject.query("inspection/migrations")
    return rows[0].is_readable if rows else None


def plan_of(subject: Subject, query: str) -> dict[str, Any]:
    """Return the plan of *query* without its costs; it reads tables as a whole."""
    with subject.connection.transaction(force_rollback=True):  # the settings hold for this plan only
        subject.connection.execute(
            "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off;"
            " SET LOCAL max_parallel_workers_per_gather = 0"
        )
        row = subject.connection.execute(f"EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) {query}".encode()).fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    return plan


def _rule(plan: dict[str, Any]) -> str:
    return str(plan.get("Filter") or plan.get("One-Time Filter") or "none")


def _list(names: list[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
