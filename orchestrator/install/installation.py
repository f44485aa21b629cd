"""Installs the package in a database, brings it up to date, and removes it."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import psycopg
import yoyo
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri
from yoyo.migrations import default_migration_table

from orchestrator.access import roles as group_roles
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, Place, connect, patiently, place, resolved
from orchestrator.core.errors import OrchestratorError
from orchestrator.host import sources
from orchestrator.install import migration_files, repair
from orchestrator.install.installed import chosen_host_schema, repeated_ids
from orchestrator.install.refusals import (
    check_host,
    check_no_extension,
    check_no_partitions,
    check_no_stranger,
    check_not_newer,
    check_schema,
    check_server,
)
from orchestrator.install.steps import (
    CAPTURED,
    HOST_SCHEMA,
    REPLICATED,
    REPLICATED_TRIGGER,
    SCHEMA,
    WITHOUT_TRIGGERS,
    create_triggers,
    drop_trigger,
    drop_triggers,
    own_triggers,
)

log = logging.getLogger(__name__)
LOCK_KEY = 0x636F6E6E70617468  # "connpath": the advisory lock of an installation script, see sql/script
_RACING = (
    psycopg.errors.DuplicateSchema,
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateObject,
    psycopg.errors.UniqueViolation,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedTable,
    psycopg.errors.InternalError_,  # "tuple concurrently updated"
)


@dataclass(frozen=True)
class Installed:
    """What an install did: the migrations that it applied, a sentence for each thing that it mended."""

    applied: list[str]
    mended: list[str]
    host_schema: str


def install(
    dsn: str,
    host_schema: str | None = None,
    *,
    triggers: bool | None = None,
    replicated: bool | None = None,
    roles: str | None = None,
    progress: Callable[[str], None] = log.info,
) -> Installed:
    """Bring the database of *dsn* to this package's version, and mend what is missing or bound to the wrong thing.

    ``host_schema`` is the schema of the application's tables; None: that of the last install, on a first one
    ``public``. ``triggers`` says whether changes of the tables are captured; None: as it is, on a first install yes.
    ``replicated``: whether they also capture what logical replication writes; None: as it is, on a first install no.
    ``roles`` is what the names of the group roles begin with; None: on a first install none are made, later those in
    use get what is theirs. Safe to run again, beside another install, and after one that was killed. Host tables
    keep taking writes: their indexes are built concurrently, and triggers do not wait long for writers. Raises
    :class:`OrchestratorError`, with nothing installed, when the server is too old, the host tables are not what the
    design asks for, something else has a name of the package's, or the roles take somebody else to make.
    """
    with connect(dsn) as connection:
        check_server(connection)
        check_no_extension(connection)
        check_no_stranger(connection)
        chosen = chosen_host_schema(connection, host_schema)
        check_host(connection, chosen)
        sources.refuse_citus(connection, chosen)
        check_schema(connection, chosen)
        prefix = group_roles.to_use(connection, roles)
        if prefix is not None:
            group_roles.make(connection, prefix, progress=progress)
        with _alone(connection, progress) as guard:
            check_schema(connection, chosen)  # another install may have been faster
            captured = _captured(connection, triggers)
            also = _replicated(connection, replicated)
            before = sources.remembered(connection)
            _remember(connection, chosen, captured, also)
            with _migrations(connection, chosen, triggers=captured, replicated=also) as (backend, migrations):
                check_not_newer(connection, migrations)
                todo = backend.to_apply(migrations)
                for migration in todo:
                    progress(f"applying {migration.id}")
                    backend.apply_one(migration)
            if triggers is not None:  # the migration asked nobody
                _set_triggers(connection, chosen, wanted=triggers, replicated=also)
            elif replicated is not None:
                _set_triggers(connection, chosen, wanted=captured, replicated=also)
            mended = repair.mend(connection, chosen, has_triggers=captured, is_replicated=also, progress=progress)
            if before is not None and ((captured and not before.has_triggers) or (also and not before.is_replicated)):
                connection.execute("INSERT INTO connection_paths.contact_changes (contact_id) VALUES (NULL)")
                mended.append(
                    "earlier writes were not captured, so every contact is queued for a refresh; run: orchestrator sync"
                )
            if prefix is not None:
                granted = group_roles.grant(connection, guard, prefix)
                mended += [] if todo else [f"repaired: {problem}" for problem in granted]
            for sentence in repeated_ids(connection):
                progress(f"warning: {sentence}; no backfill can succeed")
            return Installed([migration.id for migration in todo], mended, chosen)


def uninstall(dsn: str, *, progress: Callable[[str], None] = log.info) -> list[str]:
    """Remove the package, edges included; returns the migrations that were rolled back.

    The host's tables are left as they were before ``install``. Objects of the application's own that use the
    package, and tables of its own that are partitions of the package's, are never dropped: they are an error that
    names them.
    """
    with connect(dsn) as connection:
        check_no_extension(connection)
        check_no_stranger(connection)
        if not _schema_exists(connection):
            return []
        with _alone(connection, progress) as guard:
            host_schema = chosen_host_schema(connection, None)
            prefix = group_roles.in_use(connection)
            with _migrations(connection, host_schema) as (backend, migrations):
                check_no_partitions(connection)
                _rehearse_uninstall(guard)
                # Unmarked first: an install after a kill must not take for applied what is gone. And all of them,
                # marked or not: a kill may have left more than the marks tell, and to remove what is not there is no
                # error.
                backend.unmark_migrations(backend.to_rollback(migrations))
                _drop_triggers(connection)
                todo = sorted(migrations, key=lambda migration: str(migration.id), reverse=True)
                for migration in todo:
                    progress(f"removing {migration.id}")
                    backend.rollback_one(migration)
            _drop_schema(guard)  # by the session that holds the lock, for it is the lock of a table in it
            guard.commit()
        if prefix is not None:
            progress(group_roles.left_behind(connection, prefix))
        return [migration.id for migration in todo]


def _set_triggers(connection: Connection, host_schema: str, *, wanted: bool, replicated: bool) -> None:
    connection.execute("SELECT set_config(%s, %s, false)", (HOST_SCHEMA, host_schema))
    connection.execute("SELECT set_config(%s, %s, false)", (REPLICATED, "on" if replicated else "off"))
    for trigger in own_triggers(connection):
        if trigger.name == REPLICATED_TRIGGER and not replicated:
            drop_trigger(connection, trigger)
    for table in CAPTURED:
        (create_triggers if wanted else drop_triggers)(connection, table)


def _schema_exists(connection: Connection) -> bool:
    return connection.execute("SELECT to_regnamespace(%s)", (SCHEMA,)).fetchone() != (None,)


def _make_schema(connection: Connection) -> None:
    """Make the schema, and the table whose lock lets one install in at a time, where they are missing."""
    while connection.execute("SELECT to_regclass('connection_paths.installation')").fetchone() == (None,):
        try:
            connection.execute(sqlfiles.read("script", "schema.sql"))
        except _RACING as error:  # others make it, too, or drop it
            log.info("schema: %s; trying again", error)
            time.sleep(random.uniform(0.05, 0.2))


def _drop_schema(connection: Connection) -> None:
    for table in ("_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock", "installation"):
        connection.execute(f"DROP TABLE IF EXISTS {SCHEMA}.{table}")
    connection.execute(f"DROP SCHEMA {SCHEMA}")


def _drop_triggers(connection: Connection) -> None:
    """Remove the package's triggers, an unfinished rebuild's too, wherever their tables are."""
    for trigger in own_triggers(connection):
        drop_trigger(connection, trigger)
    for (statement,) in connection.execute(sqlfiles.query("install/drop_own_triggers")).fetchall():
        patiently(connection, partial(connection.execute, statement.encode()))


def _rehearse_uninstall(connection: Connection) -> None:
    """Drop all of it in a transaction that is rolled back, so that what cannot be dropped stops nothing halfway.

    Migrations are removed one by one, and the last ones to go are those that an application is likeliest to use.
    The session is the one that holds the lock of installations.
    """
    names = [name for name in sqlfiles.function_folders() if name != "raise_detached"]

    def drop_all() -> None:
        with connection.transaction(force_rollback=True):
            for trigger in own_triggers(connection):
                connection.execute(f"DROP TRIGGER {trigger.name} ON {trigger.identity}".encode())
            for (statement,) in connection.execute(sqlfiles.query("install/drop_own_triggers")).fetchall():
                connection.execute(statement.encode())
            functions = connection.execute(
                "SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE p.pronamespace = to_regnamespace(%s)"
                " AND regexp_replace(p.proname, '_v[0-9]+$', '') = ANY (%s)",
                (SCHEMA, names),
            ).fetchall()
            if functions:
                connection.execute(f"DROP FUNCTION {', '.join(row[0] for row in functions)}".encode())
            for path in sorted(migration_files.FOLDER.glob("*.rollback.sql"), reverse=True):
                connection.execute(sqlfiles.read("migrations", path.name))
            for path in (sqlfiles.ROOT / "views").glob("*.sql"):
                connection.execute(f"DROP VIEW IF EXISTS {SCHEMA}.{path.stem}".encode())
            connection.execute(
                f"DROP FUNCTION IF EXISTS {SCHEMA}.raise_detached".encode()
            )  # what a detached view reads
            _drop_schema(connection)

    patiently(connection, drop_all)


def _remember(connection: Connection, host_schema: str, captured: bool, replicated: bool) -> None:
    known = {
        "host_schema": host_schema,
        "has_triggers": captured,
        "is_replicated": replicated,
        "version": version("connection-paths"),
    }
    connection.execute(sqlfiles.query("install/remember_installation"), known)


def _replicated(connection: Connection, wanted: bool | None) -> bool:
    """Whether changes that replication writes are to be captured: as wanted, else as they were."""
    if wanted is not None:
        return wanted
    known = sources.remembered(connection)
    if known is not None:
        return known.is_replicated
    return any(trigger.name == REPLICATED_TRIGGER for trigger in own_triggers(connection))


def _captured(connection: Connection, wanted: bool | None) -> bool:
    """Whether changes are to be captured: as wanted, as the last install had it, else as triggers tell."""
    if wanted is not None:
        return wanted
    known = sources.remembered(connection)
    if known is not None:
        return known.has_triggers
    migrations = connection.execute("SELECT to_regproc('connection_paths.sync_changes')").fetchone()
    return migrations == (None,) or bool(own_triggers(connection))


@contextmanager
def _alone(connection: Connection, progress: Callable[[str], None]) -> Iterator[Connection]:
    """Hold the lock of installations in a session of its own, which ends when this process ends; yields the session.

    It is the lock of a table, so that only a role with rights can take it. The session's transaction has neither a
    snapshot nor an id, so nothing waits for it and VACUUM goes on; no query may run in it while an index is built.
    Polled, because a session that waits for a lock has a snapshot, for which ``CREATE INDEX CONCURRENTLY`` would wait:
    the two would wait for each other.
    """
    is_told = False
    with connect(resolved(connection), autocommit=False, at=place(connection)) as guard:
        while True:
            _make_schema(connection)
            try:
                guard.execute(f"LOCK TABLE {SCHEMA}.installation IN SHARE UPDATE EXCLUSIVE MODE NOWAIT")
                if connection.execute(sqlfiles.query("install/script_under_way"), {"key": LOCK_KEY}).fetchone() is None:
                    break
            except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                pass  # held by another, or dropped by it
            guard.rollback()
            if not is_told:
                progress("waiting for another install or uninstall")
                is_told = True
            time.sleep(0.1)
        yield guard
        guard.rollback()


@contextmanager
def _migrations(
    connection: Connection, host_schema: str, *, triggers: bool = True, replicated: bool = False
) -> Iterator[tuple[yoyo.backends.DatabaseBackend, yoyo.migrations.MigrationList]]:
    """Open yoyo on the database of *connection*, over a connection of its own; it keeps its tables in our schema."""
    settings = {"search_path": f"{SCHEMA}, pg_temp", HOST_SCHEMA: host_schema}
    if not triggers:
        settings[WITHOUT_TRIGGERS] = "on"
    if replicated:
        settings[REPLICATED] = "on"
    if connection.execute(sqlfiles.query("install/bookkeeping_is_there")).fetchone() == (False,):
        connection.execute(sqlfiles.read("script", "bookkeeping.sql"))  # before yoyo does, which revokes nothing
    backend = _backend(resolved(connection), settings, place(connection))
    try:
        backend.break_lock()  # ours alone while we hold the lock of installations: a row left by a kill
        migrations = yoyo.read_migrations(str(migration_files.FOLDER))
        if not migrations:
            raise OrchestratorError(f"no migrations in {migration_files.FOLDER}: the package is damaged")
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
