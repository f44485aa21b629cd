"""What an uninstall deletes: described for the person who confirms it, tried before, and dropped."""

from __future__ import annotations

from functools import partial

import psycopg
from psycopg import sql

from orchestrator.core import migration_files, sqlfiles
from orchestrator.core.database import Connection, reading
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.core.schema import schema_of
from orchestrator.host.binding import Binding
from orchestrator.host.installed import distributed_size, is_distributed
from orchestrator.host.mapping import DEFAULT
from orchestrator.host.own_objects import HOST_INDEXES, NAME_INDEXES
from orchestrator.install.steps import SCHEMA, drop_trigger, own_indexes, own_triggers, set_binding

_TABLES = (
    ("do_not_ask", "rows of do_not_ask"),
    ("do_not_ask_users", "rows of do_not_ask_users"),
    ("introduction_requests", "requests for introductions"),
    ("introduction_limits", "rows of introduction_limits"),
    ("finder_rollout", "rows of finder_rollout"),
    ("organization_policy", "policies of organizations"),
    ("backfill_runs", "runs"),
)
_OWN_KINDS = "SELECT count(*) FROM connection_paths.contact_connections AS c WHERE c.kind::text <> 'work_overlap'"


def question(dsn: str) -> str | None:
    """Return a sentence about what an uninstall of the database of *dsn* removes; None if nothing is installed."""
    with reading(dsn, of_primary=True) as connection:
        row = connection.execute(
            "SELECT current_database(), to_regnamespace('connection_paths') IS NOT NULL"
        ).fetchone()
        if row is None or not row[1]:
            return None
        parts = [_edges(connection)] if _exists(connection, "contact_connections") else []
        for table, words in _TABLES:
            if _exists(connection, table) and (rows := _count(connection, table)):
                parts.append(f"{rows:,} {words}")
    where = f"{schema_of(dsn)} from database {row[0]}"
    return f"This removes {where}: {'; '.join([*parts, 'its functions and views'])}."


def _edges(connection: Connection) -> str:
    row = connection.execute(
        "SELECT greatest(t.reltuples, 0)::bigint FROM pg_catalog.pg_class AS t"
        " WHERE t.oid = pg_catalog.to_regclass('connection_paths.contact_connections_live')"
    ).fetchone()
    if is_distributed(connection):
        row = distributed_size(connection)
    about = f"about {row[0] if row else 0:,} edges"
    kinds = connection.execute("SELECT enum_range(NULL::connection_paths.connection_kind)::text[]").fetchone()
    if kinds is None or len(kinds[0]) < 2:
        return about  # no other kind of edge exists, so the edges need not be counted
    own = connection.execute(_OWN_KINDS).fetchone()
    if own is None or own == (0,):
        return about
    return f"{about}, among them {own[0]:,} of the application's own kinds, which no backfill creates again"


def _exists(connection: Connection, table: str) -> bool:
    name = f"{schema_of(connection)}.{table}"
    return connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() != (None,)


def _count(connection: Connection, table: str) -> int:
    counted = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema_of(connection), table))
    row = connection.execute(counted).fetchone()
    return row[0] if row else 0


def rehearse(connection: Connection, binding: Binding) -> None:
    """Drop everything in a transaction that is rolled back, so that an uninstall does not stop halfway.

    Migrations are rolled back one by one, and the first ones create the objects that an application most likely uses.
    The session is the one that holds the installation lock.
    """
    folders = sqlfiles.function_folders()
    last = (
        "raise_detached",
        "may_be_asked_again",
        *(name for name, path in folders.items() if "expressions" in path.parts),
    )
    names = [name for name in folders if name not in last]
    set_binding(connection, binding.mapping, binding.host_schema)
    indexes = [] if binding.mapping == DEFAULT else own_indexes(connection, *HOST_INDEXES, *NAME_INDEXES)

    def drop_all() -> None:
        with connection.transaction(force_rollback=True):
            for trigger in own_triggers(connection):
                connection.execute(f"DROP TRIGGER {trigger.name} ON {trigger.identity}".encode())
            for (statement,) in connection.execute(sqlfiles.query("install/drop_own_triggers")).fetchall():
                connection.execute(statement.encode())
            functions = connection.execute(
                "SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE p.pronamespace = to_regnamespace(%s)"
                " AND p.proname = ANY (%s)",
                (schema_of(connection), names),
            ).fetchall()
            if functions:
                connection.execute(f"DROP FUNCTION {', '.join(row[0] for row in functions)}".encode())
            connection.execute(sqlfiles.read("names", "off.sql"))
            connection.execute(sqlfiles.read("distributed", "off.sql"))
            for path in sorted(migration_files.FOLDER.glob("*.rollback.sql"), reverse=True):
                connection.execute(sqlfiles.read("migrations", path.name))
            for path in (sqlfiles.ROOT / "views").glob("*.sql"):
                connection.execute(f"DROP VIEW IF EXISTS {SCHEMA}.{path.stem}".encode())
            for index in indexes:  # they may call a function of the package
                if not index.is_taken:
                    connection.execute(f"DROP INDEX IF EXISTS {index.identity}".encode())
            for name in last:  # views and indexes call them
                connection.execute(f"DROP FUNCTION IF EXISTS {SCHEMA}.{name}".encode())
            drop_schema(connection)

    retry_while_locked(connection, drop_all)


def still_used(error: psycopg.errors.DependentObjectsStillExist) -> OrchestratorError:
    """Return the refusal of an uninstall; PostgreSQL's hint to drop the application's objects, too, is left out."""
    uses = "; ".join((error.diag.message_detail or error.diag.message_primary or "").splitlines())
    return OrchestratorError(
        f"objects of the application use connection_paths: {uses}. Nothing was removed. Drop or change these objects,"
        " then run uninstall again"
    )


def drop_own_triggers(connection: Connection) -> None:
    """Drop the package's triggers in all schemas, also those of an unfinished rebuild."""
    for trigger in own_triggers(connection):
        drop_trigger(connection, trigger)
    for (statement,) in connection.execute(sqlfiles.query("install/drop_own_triggers")).fetchall():
        retry_while_locked(connection, partial(connection.execute, statement.encode()))


def drop_schema(connection: Connection) -> None:
    """Drop the schema of the package, which holds only the tables of yoyo and of the installation."""
    for table in ("_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock", "installation"):
        connection.execute(f"DROP TABLE IF EXISTS {SCHEMA}.{table}")
    connection.execute(f"DROP SCHEMA {SCHEMA}")
