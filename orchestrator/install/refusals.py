"""Checks before an install or an uninstall. Each refusal says what to do."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError, SeveralProblemsError
from orchestrator.core.schema import all_named, schema_of
from orchestrator.host import rights, sources
from orchestrator.host.binding import Binding
from orchestrator.host.host_schemas import is_schema, similar, unknown
from orchestrator.host.installed import bound_host_schema, chosen_host_schema, schema_read_by_views
from orchestrator.host.mapping import DEFAULT, SourceMapping, placed
from orchestrator.host.mapping_values import failing, suspicious
from orchestrator.host.own_objects import HOST_INDEXES, TRIGGERS, wanted_indexes
from orchestrator.host.rights import Right
from orchestrator.install.steps import SCHEMA

if TYPE_CHECKING:
    import yoyo

OLDEST_SERVER = 15  # the first version with security_invoker views


def check_server(connection: Connection) -> None:
    """Refuse a server that is too old, and a standby."""
    if connection.info.server_version < OLDEST_SERVER * 10_000:
        found = connection.info.parameter_status("server_version")
        raise OrchestratorError(f"the server is PostgreSQL {found}; {OLDEST_SERVER} or newer is needed")
    if connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
        raise OrchestratorError("the server is a standby; install on its primary")


def check_no_extension(connection: Connection) -> None:
    """Refuse a database where the package is an extension: only ALTER and DROP EXTENSION may change it there."""
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'connection_paths'").fetchone()
    if row is not None:
        raise OrchestratorError(
            f"connection_paths {row[0]} is an extension here: ALTER EXTENSION connection_paths UPDATE upgrades it;"
            " DROP EXTENSION connection_paths removes it and every edge"
        )


def check_no_stranger(connection: Connection) -> None:
    """Refuse a schema that holds objects which the package did not create, and a name that needs quotes."""
    schema = schema_of(connection)
    if connection.execute("SELECT quote_ident(%s)", (schema,)).fetchone() != (schema,):
        raise OrchestratorError(f"schema {schema} would need quotes, because it is a keyword; choose another name")
    row = connection.execute(sqlfiles.query("install/strange_schema")).fetchone()
    if row is not None:
        raise OrchestratorError(
            f"schema {schema} exists and connection_paths did not create it: it contains {row[0]};"
            " rename the schema, or choose another for this installation (--schema)"
        )


def check_not_newer(connection: Connection, migrations: yoyo.migrations.MigrationList) -> None:
    """Refuse a database that has a migration which this package does not contain."""
    known = [str(migration.id) for migration in migrations]
    rows = connection.execute("SELECT m.migration_id FROM connection_paths._yoyo_migration AS m ORDER BY 1")
    newer = [row[0] for row in rows if row[0] not in known]
    if newer:
        raise OrchestratorError(
            f"the database has a newer version than this package, which does not contain {newer[0]};"
            " run: pip install --upgrade connection-paths"
        )


def check_no_partitions(connection: Connection) -> None:
    """Refuse to remove the package while a table of the application is a partition of one of the package's tables."""
    found = connection.execute(sqlfiles.query("install/foreign_partitions")).fetchall()
    if found:
        raise OrchestratorError(
            f"{', '.join(row[0] for row in found)} would be dropped with its rows, because it is a partition of a table"
            f" of connection_paths. Nothing was removed. To keep it: {' '.join(row[1] for row in found)}"
        )


def check_host(connection: Connection, binding: Binding) -> None:
    """Refuse tables that are not what the package reads, or that this role may not index."""
    host_schema, is_default = binding.host_schema, binding.mapping == DEFAULT
    problems = table_problems(connection, binding)
    missing = [problem for problem in problems if problem.endswith(" is missing")]
    if missing and is_default and not is_schema(connection, host_schema):
        meant = similar(connection, host_schema)
        advice = "" if meant is None else f" (did you mean {meant}?)"
        problems = [f"there is no such schema{advice}", *(each for each in problems if each not in missing)]
    if schema_of(connection) != SCHEMA and SCHEMA in {source.schema for source in binding.sources.values()}:
        raise OrchestratorError(f"no installation can read tables in a schema {SCHEMA}. Nothing was installed.")
    indexed = {HOST_INDEXES[name] for name in wanted_indexes(binding)}
    lacked = rights.missing(connection, [*_to_create(connection), *rights.to_index(binding, indexed)])
    lacking = [rights.refusal(rights.current_role(connection), lacked, "install")] if lacked else []
    if problems and is_default:
        bound = schema_read_by_views(connection)
        elsewhere = _OTHER_NAMES if bound is None else "" if bound == host_schema else _elsewhere(str(bound))
        raise OrchestratorError(
            f"schema {host_schema!r} cannot be the host: {'; '.join([*problems, *lacking])}. Nothing was"
            f" installed.{elsewhere}"
        )
    if not is_default:
        problems = mapping_problems(connection, binding)
    if problems:
        raise SeveralProblemsError([*problems, *lacking, "Nothing was installed."])
    if lacking:
        raise OrchestratorError(f"{lacking[0]} Nothing was installed.")


def mapping_problems(
    connection: Connection, binding: Binding, of_file: Sequence[tuple[int, str]] = (), *, slow_too: bool = False
) -> list[str]:
    """Return every problem of a mapping and of its tables, those of the file (*of_file*) included, in their order.

    ``slow_too``: also expressions that take long; a busy server may be the reason, so an installation is not refused.
    A problem hides others only in its own place of the file: an expression that the server refuses is not computed.
    """
    mapping, host_schema = binding.mapping, binding.host_schema
    in_host_schema = {name for name, source in mapping.sources.items() if source.schema is None}
    if in_host_schema and not is_schema(connection, host_schema):
        others = {name: source for name, source in mapping.sources.items() if name not in in_host_schema}
        elsewhere = {name: source for name, source in binding.sources.items() if name not in in_host_schema}
        rest = replace(binding, mapping=replace(mapping, sources=others), sources=elsewhere)
        return [unknown(connection, host_schema), *mapping_problems(connection, rest, of_file, slow_too=slow_too)]
    found = placed(connection, mapping, host_schema)
    wrong = {place for place, _ in found} | mapping.unread
    found += failing(connection, mapping, host_schema, wrong, slow_too=slow_too)
    without = {name for name, key in wrong if key in (None, "table")}
    present = replace(binding, sources={name: each for name, each in binding.sources.items() if name not in without})
    in_order = sorted(
        [*of_file, *((mapping.line(*place), problem) for place, problem in found)], key=lambda each: each[0]
    )
    return [*(problem for _, problem in in_order), *table_problems(connection, present, with_columns=False)]


def table_problems(connection: Connection, binding: Binding, *, with_columns: bool = True) -> list[str]:
    """Return why the package cannot be installed on these tables, apart from the rights of this role.

    ``with_columns``: also columns that are missing or have another type.
    """
    asked = {
        **sources.asked(binding, with_columns=with_columns),
        "triggers": all_named(connection, TRIGGERS),
        "indexes": all_named(connection, HOST_INDEXES),
    }
    return [row[0] for row in connection.execute(sqlfiles.query("host/host_problems"), asked)]


def check_values(connection: Connection, mapping: SourceMapping, host_schema: str) -> list[str]:
    """Refuse a mapping whose expressions raise errors for rows of the tables; return what else looks wrong."""
    problems = [problem for _, problem in failing(connection, mapping, host_schema)]
    if problems:
        raise SeveralProblemsError([*problems, "Nothing was installed."])
    return suspicious(connection, mapping, host_schema)


def _to_create(connection: Connection) -> list[Right]:
    """Return the right to create the package's schema, if it is missing."""
    return [] if is_schema(connection, schema_of(connection)) else [Right("database", "CREATE")]


#: For a first installation.
_OTHER_NAMES = " (If your tables have other names: orchestrator map --suggest --output map.toml)"


def _elsewhere(bound: str) -> str:
    command = shlex.join(["orchestrator", "install", "--host-schema", bound])
    return f" (The tables that the installed views read are in {bound!r}; if they have moved there: {command})"


def check_schema(connection: Connection, binding: Binding) -> None:
    """Refuse a schema ``connection_paths`` that reads other tables, or whose owner has no rights on these.

    Another mapping may name tables of another schema, so then nothing is compared.
    """
    schema, host_schema = schema_of(connection), binding.host_schema
    stranger = connection.execute(sqlfiles.query("install/foreign_schema_owner"), sources.asked(binding)).fetchone()
    if stranger is not None:
        raise OrchestratorError(
            f"schema {schema} belongs to {stranger[0]}, which owns none of the application's tables and could put code"
            f" into it; drop the schema, or run ALTER SCHEMA {schema} OWNER TO a role that you trust"
        )
    known = chosen_host_schema(connection, None)
    if known == host_schema or bound_host_schema(connection) is None:
        return
    before = sources.binding(connection, known)
    if before.mapping == binding.mapping and before.tables:  # if none is left, the tables were moved to another schema
        raise OrchestratorError(
            f"already installed for host schema {known!r}; uninstall first to change it to {host_schema!r}"
        )
