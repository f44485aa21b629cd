"""Installing, removing and describing the package inside a database."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import yoyo
from psycopg import sql
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri
from yoyo.migrations import default_migration_table

from orchestrator import roles as group_roles
from orchestrator import sqlfiles
from orchestrator.database import Connection, Place, connect, patiently, place, reading, resolved
from orchestrator.errors import OrchestratorError
from orchestrator.steps import (
    CAPTURED,
    HOST_SCHEMA,
    SCHEMA,
    TRIGGERS,
    WITHOUT_TRIGGERS,
    create_triggers,
    drop_triggers,
)

log = logging.getLogger(__name__)

LOCK_KEY = 0x636F6E6E70617468  # "connpath": one install or uninstall of a database at a time
OLDEST_SERVER = 15  # security_invoker views
_MIGRATIONS = sqlfiles.ROOT / "migrations"


@dataclass(frozen=True)
class IndexStatus:
    """One index the package needs; ``valid`` is None when it is missing."""

    name: str
    table: str | None
    valid: bool | None
    bytes: int | None


@dataclass(frozen=True)
class TriggerStatus:
    """Whether changes of a host table are captured: by how many of the triggers it takes, and enabled ones."""

    table: str
    enabled: int

    @property
    def state(self) -> str:
        """``captured``, ``left out`` or ``INCOMPLETE``."""
        return {0: "left out", len(TRIGGERS): "captured"}.get(self.enabled, "INCOMPLETE")


@dataclass(frozen=True)
class Status:
    """What of the package is in a database."""

    package: str
    server: str
    host_schema: str | None
    applied: list[str]
    pending: list[str]
    functions: dict[str, list[str]]
    indexes: list[IndexStatus]
    triggers: list[TriggerStatus]
    edges: int
    roles: group_roles.Roles | None = None

    @property
    def installed(self) -> bool:
        """Whether anything was applied and nothing is left to apply."""
        return bool(self.applied) and not self.pending

    @property
    def healthy(self) -> bool:
        """Whether it is installed, indexes valid, changes of all tables captured or none, roles as they should be."""
        states = {trigger.state for trigger in self.triggers}
        captured = len(states) == 1 and "INCOMPLETE" not in states
        granted = self.roles is None or not self.roles.problems
        return self.installed and all(index.valid for index in self.indexes) and captured and granted


def install(
    dsn: str,
    host_schema: str = "public",
    *,
    triggers: bool | None = None,
    roles: str | None = None,
    progress: Callable[[str], None] = log.info,
) -> list[str]:
    """Bring the database of *dsn* to this package's version; returns the migrations that were applied.

    ``triggers`` says whether changes of the host's tables are captured; None: on a first install yes, later as it
    is. ``roles`` is what the names of the group roles begin with; None: on a first install none are made, later those
    in use get what is theirs. Safe to run again, beside another install, and after one that was killed. Host tables
    keep taking writes: their indexes are built concurrently, and triggers do not wait long for writers. Raises
    :class:`OrchestratorError`, with nothing installed, when the server is too old, the host tables are not what the
    design asks for, or the roles take somebody else to make.
    """
    with connect(dsn) as connection:
        _check_server(connection)
        _check_no_extension(connection)
        _check_host(connection, host_schema)
        with _alone(connection, progress):
            _check_schema(connection, host_schema)
            prefix = group_roles.to_use(connection, roles)
            if prefix is not None:
                group_roles.make(connection, prefix, progress=progress)
            connection.execute(sqlfiles.read("script", "schema.sql"))
            with _migrations(connection, host_schema, triggers=triggers is not False) as (backend, migrations):
                todo = backend.to_apply(migrations)
                for migration in todo:
                    progress(f"applying {migration.id}")
                    backend.apply_one(migration)
            if triggers is not None:  # the migration asked nobody
                _set_triggers(connection, host_schema, wanted=triggers)
            if prefix is not None:
                group_roles.grant(connection, prefix)
            return [migration.id for migration in todo]


def uninstall(dsn: str, *, progress: Callable[[str], None] = log.info) -> list[str]:
    """Remove the package, edges included; returns the migrations that were rolled back.

    The host's tables are left as they were before ``install``. Objects of the application's own that use the
    package are never dropped: they are an error that names them, raised by the server.
    """
    with connect(dsn) as connection, _alone(connection, progress):
        _check_no_extension(connection)
        if not _schema_exists(connection):
            return []
        host_schema = bound_host_schema(connection) or "public"
        prefix = group_roles.in_use(connection)
        with _migrations(connection, host_schema) as (backend, migrations):
            _rehearse_uninstall(connection, host_schema)
            # Unmarked first: an install after a kill must not take for applied what is gone. And all of them, marked
            # or not: a kill may have left more than the marks tell, and to remove what is not there is no error.
            backend.unmark_migrations(backend.to_rollback(migrations))
            patiently(connection, lambda: _drop_own_triggers(connection))
            todo = sorted(migrations, key=lambda migration: str(migration.id), reverse=True)
            for migration in todo:
                progress(f"removing {migration.id}")
                backend.rollback_one(migration)
        with connection.transaction():
            _drop_schema(connection)
        if prefix is not None:
            progress(group_roles.left_behind(connection, prefix))
        return [migration.id for migration in todo]


def status(dsn: str) -> Status:
    """Describe what is installed; reads only."""
    with reading(dsn) as connection:
        known = [migration.id for migration in yoyo.read_migrations(str(_MIGRATIONS))]
        applied: list[str] = []
        if connection.execute("SELECT to_regclass('connection_paths._yoyo_migration')").fetchone() != (None,):
            rows = connection.execute("SELECT migration_id FROM connection_paths._yoyo_migration ORDER BY 1")
            applied = [row[0] for row in rows]
        host_schema = bound_host_schema(connection)
        names = sorted(path.stem for path in (sqlfiles.ROOT / "indexes").glob("*.sql"))
        indexes = connection.execute(
            sqlfiles.query("installed_indexes"), {"names": names, "host_schema": host_schema or ""}
        ).fetchall()
        functions = connection.execute(sqlfiles.query("installed_functions")).fetchall()
        triggers = connection.execute(
            sqlfiles.query("installed_triggers"),
            {"tables": CAPTURED, "names": list(TRIGGERS), "host_schema": host_schema or ""},
        ).fetchall()
        edges = connection.execute(
            "SELECT greatest(reltuples, 0)::bigint FROM pg_class"
            " WHERE oid = to_regclass('connection_paths.contact_connections_live')"
        ).fetchone()
        return Status(
            package=version("connection-paths"),
            server=connection.info.parameter_status("server_version") or "",
            host_schema=host_schema,
            applied=applied,
            pending=[name for name in known if name not in applied],
            functions={name: versions for name, versions in functions},
            indexes=[IndexStatus(*row) for row in indexes],
            triggers=[TriggerStatus(*row) for row in triggers],
            edges=edges[0] if edges else 0,
            roles=group_roles.describe(connection),
        )


def require_installed(connection: Connection) -> None:
    """Raise :class:`OrchestratorError` unless the package is in the database."""
    row = connection.execute(
        "SELECT to_regclass('connection_paths.contact_connections') IS NOT NULL"
        " AND to_regproc('connection_paths.find_paths') IS NOT NULL"
    ).fetchone()
    if row != (True,):
        raise OrchestratorError("connection_paths is not installed in this database; run: orchestrator install")


def bound_host_schema(connection: Connection) -> str | None:
    """Return the schema whose tables the installed views read."""
    row = connection.execute(sqlfiles.query("bound_host_schema")).fetchone()
    return None if row is None else str(row[0])


def _set_triggers(connection: Connection, host_schema: str, *, wanted: bool) -> None:
    connection.execute("SELECT set_config(%s, %s, false)", (HOST_SCHEMA, host_schema))
    for table in CAPTURED:
        (create_triggers if wanted else drop_triggers)(connection, table)


def _schema_exists(connection: Connection) -> bool:
    return connection.execute("SELECT to_regnamespace(%s)", (SCHEMA,)).fetchone() != (None,)


def _drop_schema(connection: Connection) -> None:
    for table in ("_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock"):
        connection.execute(f"DROP TABLE IF EXISTS {SCHEMA}.{table}")
    connection.execute(f"DROP SCHEMA {SCHEMA}")


def _drop_own_triggers(connection: Connection) -> None:
    """Remove the triggers on the package's tables, an unfinished rebuild's too: their functions go before those."""
    for statement in connection.execute(sqlfiles.query("drop_own_triggers")).fetchall():
        connection.execute(statement[0].encode())


def _rehearse_uninstall(connection: Connection, host_schema: str) -> None:
    """Drop all of it in a transaction that is rolled back, so that what cannot be dropped stops nothing halfway.

    Migrations are removed one by one, and the last ones to go are those that an application is likeliest to use.
    """
    names = [folder.name for folder in (sqlfiles.ROOT / "functions").iterdir()]
    quoted = sql.Identifier(host_schema).as_string(connection)
    functions = connection.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE p.pronamespace = to_regnamespace(%s)"
        " AND regexp_replace(p.proname, '_v[0-9]+$', '') = ANY (%s)",
        (SCHEMA, names),
    ).fetchall()
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL lock_timeout = '10s'")
        for table in CAPTURED:
            for trigger in TRIGGERS:
                connection.execute(f"DROP TRIGGER IF EXISTS {trigger} ON {quoted}.{table}".encode())
        _drop_own_triggers(connection)
        if functions:
            connection.execute(f"DROP FUNCTION {', '.join(row[0] for row in functions)}".encode())
        for path in sorted(_MIGRATIONS.glob("*.rollback.sql"), reverse=True):
            connection.execute(sqlfiles.read("migrations", path.name))
        for path in (sqlfiles.ROOT / "views").glob("*.sql"):
            connection.execute(f"DROP VIEW IF EXISTS {SCHEMA}.{path.stem}".encode())
        _drop_schema(connection)


def _check_server(connection: Connection) -> None:
    if connection.info.server_version < OLDEST_SERVER * 10_000:
        found = connection.info.parameter_status("server_version")
        raise OrchestratorError(f"the server is PostgreSQL {found}; {OLDEST_SERVER} or newer is needed")
    if connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
        raise OrchestratorError("the server is a standby; install on its primary")


def _check_no_extension(connection: Connection) -> None:
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'connection_paths'").fetchone()
    if row is not None:
        raise OrchestratorError(
            f"connection_paths {row[0]} is an extension here: ALTER EXTENSION connection_paths UPDATE upgrades"
            " it, DROP EXTENSION connection_paths removes it with every edge"
        )


def _check_host(connection: Connection, host_schema: str) -> None:
    rows = connection.execute(sqlfiles.query("host_problems"), {"host_schema": host_schema}).fetchall()
    problems = [row[0] for row in rows]
    may_create = "SELECT has_schema_privilege(n.oid, 'CREATE') FROM pg_namespace AS n WHERE n.nspname = %s"
    if connection.execute(may_create, (host_schema,)).fetchone() == (False,):
        problems.append(f"role {connection.info.user} may not create indexes in it (GRANT CREATE ON SCHEMA)")
    if problems:
        raise OrchestratorError(
            f"schema {host_schema!r} cannot be the host: {'; '.join(problems)}. Nothing was installed."
        )


def _check_schema(connection: Connection, host_schema: str) -> None:
    """Refuse a schema that is bound to other host tables, or that a stranger has made and may have filled."""
    tables = list(group_roles.HOST_TABLES)
    stranger = connection.execute(
        sqlfiles.query("foreign_schema_owner"), {"host_schema": host_schema, "tables": tables}
    ).fetchone()
    if stranger is not None:
        raise OrchestratorError(
            f"schema {SCHEMA} belongs to {stranger[0]}, who has nothing to do with the host's tables and could put code"
            " into it; drop it, or ALTER SCHEMA connection_paths OWNER TO whom you trust"
        )
    bound = bound_host_schema(connection)
    if bound is not None and bound != host_schema:
        raise OrchestratorError(
            f"already installed for host schema {bound!r}; uninstall first to change it to {host_schema!r}"
        )


@contextmanager
def _alone(connection: Connection, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the installation lock, which the server releases however this process ends.

    Polled, because a session that waits for a lock counts as a running transaction, and
    ``CREATE INDEX CONCURRENTLY`` waits for those: the two would wait for each other.
    """
    waiting = False
    while connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_KEY,)).fetchone() != (True,):
        if not waiting:
            progress("waiting for another install or uninstall")
            waiting = True
        time.sleep(0.1)
    try:
        yield
    finally:
        if not connection.closed and not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK_KEY,))


@contextmanager
def _migrations(
    connection: Connection, host_schema: str, *, triggers: bool = True
) -> Iterator[tuple[yoyo.backends.DatabaseBackend, yoyo.migrations.MigrationList]]:
    """Open yoyo on the database of *connection*, over a connection of its own; it keeps its tables in our schema."""
    settings = {"search_path": f"{SCHEMA}, pg_temp", HOST_SCHEMA: host_schema}
    if not triggers:
        settings[WITHOUT_TRIGGERS] = "on"
    backend = _backend(resolved(connection), settings, place(connection))
    try:
        backend.break_lock()  # ours alone while we hold the lock of installations: a row left by a kill
        migrations = yoyo.read_migrations(str(_MIGRATIONS))
        if not migrations:
            raise OrchestratorError(f"no migrations in {_MIGRATIONS}: the package is damaged")
        yield backend, migrations
    finally:
        backend.connection.close()


def _backend(dsn: str, settings: dict[str, str], at: Place) -> yoyo.backends.DatabaseBackend:
    """Return yoyo's backend with our way of connecting, which its ``copy()`` then has, too."""

    class Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]
        def connect(self, _: Any) -> Connection:
            return connect(dsn, settings=settings, at=at)

    backend = Backend(parse_uri("postgresql+psycopg:///"), default_migration_table)
    backend.init_database()
    return backend
