"""Installs the package in a database, brings it up to date, and removes it."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import psycopg
import yoyo
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri
from yoyo.migrations import default_migration_table

from orchestrator.access import roles as group_roles
from orchestrator.core import migration_files, sqlfiles
from orchestrator.core.database import Connection, Place, connect, place, resolved
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.schema import lock_key, named, schema_of
from orchestrator.host import sources
from orchestrator.host.binding import CAPTURED, Binding, bind
from orchestrator.host.installed import chosen_host_schema, chosen_mapping, is_distributed, repeated_ids
from orchestrator.host.mapping import DEFAULT, SourceMapping
from orchestrator.host.own_objects import REPLICATED_TRIGGER
from orchestrator.install import company_names, distribution, removal, repair
from orchestrator.install.columns import check_columns
from orchestrator.install.refusals import (
    check_host,
    check_no_extension,
    check_no_partitions,
    check_no_stranger,
    check_not_newer,
    check_schema,
    check_server,
    check_values,
)
from orchestrator.install.steps import (
    REPLICATED,
    SCHEMA,
    WITHOUT_TRIGGERS,
    create_triggers,
    drop_trigger,
    drop_triggers,
    own_triggers,
    set_binding,
)

log = logging.getLogger(__name__)
LOCK_KEY = 0x636F6E6E70617468  # "connpath": the advisory lock of an installation script, see sql/script
#: On a coordinator of Citus: an install creates nothing on the workers, except what :mod:`.distribution` creates there.
#: An uninstall drops everything everywhere. Other servers ignore these settings.
ON_THIS_SERVER = {"citus.enable_ddl_propagation": "off"}
ON_ALL_SERVERS = {"citus.enable_ddl_propagation": "on", "citus.multi_shard_modify_mode": "sequential"}
#: Errors of an install while another session creates or drops the same schema.
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
    """The result of an install: the migrations that it applied, and a sentence for each repair.

    ``costs`` says of each source without triggers or indexes of the package what that costs. ``for_superuser``: the
    statements that make the group roles, where this role may not; then the package is installed without them. ``notes``
    says which texts of the tables a new mapping cannot read. ``is_remapped``: the mapping is another than before.
    ``of_roles``: what an existing installation got with its first group roles, which is no repair.
    """

    applied: list[str]
    repaired: list[str]
    host_schema: str
    costs: list[str]
    for_superuser: list[str]
    notes: list[str]
    is_remapped: bool = False
    of_roles: list[str] = field(default_factory=list)


def install(
    dsn: str,
    host_schema: str | None = None,
    *,
    mapping: SourceMapping | None = None,
    triggers: bool | None = None,
    replicated: bool | None = None,
    names: bool | None = None,
    distributed: bool = False,
    roles: str | None = None,
    progress: Callable[[str], None] = log.info,
) -> Installed:
    """Bring the database of *dsn* to this package's version, and repair objects that are missing or read a wrong table.

    ``host_schema`` is the schema of the application's tables; None: that of the last install, or ``public``.
    ``mapping`` says which table, columns and rows each source is; None: that of the last install, or the default.
    ``triggers``: whether changes of the tables are captured; None: as before, and True in a first install.
    ``replicated``: whether changes that logical replication writes are captured too; None: as before, and False in a
    first install. ``names``: whether resolved company names make edges; None: as before, and False in a first install.
    ``distributed``: move the edges to the workers of Citus. Once they are there, every install leaves them there.
    ``roles`` is the prefix of the group roles; None: a first install creates none, and a later one
    repairs the rights of those in use.

    An install can run again, beside another one, and after one that was killed. The application can write meanwhile:
    indexes on its tables are built concurrently, and triggers do not wait long for writers. Raises
    :class:`OrchestratorError`, with nothing installed, when the server is too old, the application's tables do not fit,
    another object has a name of the package, or this role lacks a right; the message has the statements that grant it.
    """
    with connect(dsn, settings=ON_THIS_SERVER) as connection:
        check_server(connection)
        check_no_extension(connection)
        check_no_stranger(connection)
        check_columns(connection)
        distribution.check(connection, distributed)
        resolves = names if names is not None else company_names.is_on(connection)
        binding, notes = _checked(connection, host_schema, mapping, resolves=resolves)
        prefix = group_roles.to_use(connection, roles)
        for_superuser: list[str] = []
        joined: list[str] = []
        of_roles: list[str] = []
        are_first = group_roles.in_use(connection) is None
        with distribution.also_on_workers(connection, distributed):
            if prefix is not None:
                for_superuser = group_roles.make(connection, prefix, progress=progress, repaired=joined.append)
        if prefix is not None and not for_superuser:
            distribution.create_roles(connection, prefix, distributed)
        if for_superuser:
            if group_roles.in_use(connection) is not None:
                raise OrchestratorError(f"a superuser must run: {' '.join(for_superuser)} Nothing was installed.")
            prefix = None  # the roles are made by a later install
        with _alone(connection, progress) as guard:
            check_schema(connection, binding)  # again: another install may have finished meanwhile
            captured = _captured(connection, triggers)
            also = _replicated(connection, replicated)
            before = sources.remembered(connection)
            _remember(connection, binding, captured, also)
            applied = _apply(connection, binding, captured, also, progress)
            if triggers is not None or replicated is not None:  # a migration that was applied earlier chose otherwise
                _set_triggers(connection, binding, wanted=captured, replicated=also)
            if resolves and not company_names.is_on(connection):
                company_names.capture(connection, binding)
            repaired = repair.repair_installation(
                connection, binding, has_triggers=captured, is_replicated=also, progress=progress
            )
            repaired += company_names.switch(connection, binding, resolves, progress=progress)
            repaired += distribution.switch(connection, binding, distributed, progress=progress)
            if before is not None and ((captured and not before.has_triggers) or (also and not before.is_replicated)):
                connection.execute("INSERT INTO connection_paths.contact_changes (contact_id) VALUES (NULL)")
                repaired.append("earlier writes were not captured, so every contact is queued; run: orchestrator sync")
            if prefix is not None:
                with distribution.also_on_workers(connection, distributed):
                    granted = group_roles.grant(connection, guard, prefix)
                if are_first and not applied:
                    of_roles = [group_roles.first(prefix, granted)]
                elif not applied:
                    repaired += [f"repaired: {problem}" for problem in [*joined, *granted]]
            for sentence in repeated_ids(connection):
                progress(f"warning: {sentence}; no backfill can succeed")
            is_remapped = mapping is not None and before is not None and before.mapping != binding.mapping
            return Installed(
                applied, repaired, binding.host_schema, binding.costs(), for_superuser, notes, is_remapped, of_roles
            )


def _checked(
    connection: Connection, host_schema: str | None, mapping: SourceMapping | None, *, resolves: bool
) -> tuple[Binding, list[str]]:
    """Return the binding to install, and which texts of the tables a new mapping cannot read.

    Raises :class:`OrchestratorError` if the package cannot be installed so.
    """
    chosen = chosen_host_schema(connection, host_schema)
    wanted = chosen_mapping(connection, mapping)
    binding = bind(connection, company_names.mapped(connection, wanted, chosen) if resolves else wanted, chosen)
    check_host(connection, binding)
    notes = [] if mapping is None else check_values(connection, mapping, chosen)
    sources.refuse_citus(connection, binding)
    check_schema(connection, binding)
    return binding, notes


def _apply(
    connection: Connection, binding: Binding, captured: bool, replicated: bool, progress: Callable[[str], None]
) -> list[str]:
    """Apply the migrations that are missing, and return their names."""
    with _migrations(connection, binding, triggers=captured, replicated=replicated) as (backend, migrations):
        check_not_newer(connection, migrations)
        todo = backend.to_apply(migrations)
        for migration in todo:
            progress(f"applying {migration.id}")
            backend.apply_one(migration)
        return [migration.id for migration in todo]


def uninstall(dsn: str, *, progress: Callable[[str], None] = log.info) -> list[str]:
    """Remove the package, edges included; returns the migrations that were rolled back.

    The application's tables are left as they were before ``install``. Objects of the application are never dropped: if
    one uses the package, or is a partition of one of its tables, :class:`OrchestratorError` names it.
    """
    with connect(dsn, settings=ON_ALL_SERVERS) as connection:
        check_no_extension(connection)
        check_no_stranger(connection)
        if not _schema_exists(connection):
            return []
        with _alone(connection, progress, ON_ALL_SERVERS) as guard:
            binding = sources.binding(connection, chosen_host_schema(connection, None))
            prefix = group_roles.in_use(connection)
            with _migrations(connection, binding, where=ON_ALL_SERVERS) as (backend, migrations):
                check_no_partitions(connection)
                try:
                    removal.rehearse(guard, binding)
                except psycopg.errors.DependentObjectsStillExist as error:
                    check_columns(connection)  # functions of a version that was never released use those of this one
                    raise removal.still_used(error) from error
                # The records of migrations are deleted first. So after a kill there is no record of a migration whose
                # objects were dropped. All migrations are rolled back, recorded or not: a kill may have left objects
                # without a record, and dropping a missing object is no error.
                backend.unmark_migrations(backend.to_rollback(migrations))
                removal.drop_own_triggers(connection)
                if is_distributed(connection):
                    distribution.remove(connection)
                company_names.remove(connection, binding)
                todo = sorted(migrations, key=lambda migration: str(migration.id), reverse=True)
                for migration in todo:
                    progress(f"removing {migration.id}")
                    backend.rollback_one(migration)
            removal.drop_schema(guard)  # only the session that holds the lock can drop the locked table
            guard.commit()
        if prefix is not None:
            progress(group_roles.left_behind(connection, prefix))
        return [migration.id for migration in todo]


def _set_triggers(connection: Connection, binding: Binding, *, wanted: bool, replicated: bool) -> None:
    set_binding(connection, binding.mapping, binding.host_schema)
    setting, value = named(connection, REPLICATED), "on" if replicated else "off"
    connection.execute("SELECT set_config(%s, %s, false)", (setting, value))
    for trigger in own_triggers(connection):
        if trigger.name == named(connection, REPLICATED_TRIGGER) and not replicated:
            drop_trigger(connection, trigger)
    for table in CAPTURED:
        (create_triggers if wanted else drop_triggers)(connection, table)


def _schema_exists(connection: Connection) -> bool:
    return connection.execute("SELECT to_regnamespace(%s)", (schema_of(connection),)).fetchone() != (None,)


def _make_schema(connection: Connection) -> None:
    """Create the schema, and the table whose lock every install holds, unless they exist."""
    while connection.execute("SELECT to_regclass('connection_paths.installation')").fetchone() == (None,):
        try:
            connection.execute(sqlfiles.read("script", "schema.sql"))
        except _RACING as error:  # another session creates or drops it
            log.info("schema: %s; trying again", error)
            time.sleep(random.uniform(0.05, 0.2))


def _remember(connection: Connection, binding: Binding, captured: bool, replicated: bool) -> None:
    mapping = None if binding.mapping == DEFAULT else json.dumps(binding.mapping.as_json())
    known = {
        "host_schema": binding.host_schema,
        "mapping": mapping,
        "has_triggers": captured,
        "is_replicated": replicated,
        "version": version("connection-paths"),
    }
    connection.execute(sqlfiles.query("install/remember_installation"), known)


def _replicated(connection: Connection, wanted: bool | None) -> bool:
    """Whether to capture changes that replication writes: *wanted* if given, else as the last install chose."""
    if wanted is not None:
        return wanted
    known = sources.remembered(connection)
    if known is not None:
        return known.is_replicated
    name = named(connection, REPLICATED_TRIGGER)
    return any(trigger.name == name for trigger in own_triggers(connection))


def _captured(connection: Connection, wanted: bool | None) -> bool:
    """Whether to capture changes: *wanted* if given, else as the last install chose, else if there are triggers."""
    if wanted is not None:
        return wanted
    known = sources.remembered(connection)
    if known is not None:
        return known.has_triggers
    migrations = connection.execute("SELECT to_regproc('connection_paths.sync_changes')").fetchone()
    return migrations == (None,) or bool(own_triggers(connection))


@contextmanager
def _alone(
    connection: Connection, progress: Callable[[str], None], where: Mapping[str, str] = ON_THIS_SERVER
) -> Iterator[Connection]:
    """Hold the installation lock in a separate session, which ends with this process; yield that session.

    It is the lock of a table, so only a role with rights can take it. The transaction of the session has no snapshot
    and no id, so nothing waits for it, and VACUUM is not held up. No query may run in it while an index is built.

    The lock is polled. A session that waits for a lock has a snapshot, and ``CREATE INDEX CONCURRENTLY`` waits for that
    snapshot, so the two would wait for each other.
    """
    is_reported = False
    key = lock_key(schema_of(connection), LOCK_KEY)
    with connect(resolved(connection), autocommit=False, settings=where, at=place(connection)) as guard:
        while True:
            _make_schema(connection)
            try:
                guard.execute(f"LOCK TABLE {SCHEMA}.installation IN SHARE UPDATE EXCLUSIVE MODE NOWAIT")
                if connection.execute(sqlfiles.query("install/script_under_way"), {"key": key}).fetchone() is None:
                    break
            except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                pass  # another session holds the table, or has dropped it
            guard.rollback()
            if not is_reported:
                progress("waiting for another install or uninstall")
                is_reported = True
            time.sleep(0.1)
        yield guard
        guard.rollback()


@contextmanager
def _migrations(
    connection: Connection,
    binding: Binding,
    *,
    triggers: bool = True,
    replicated: bool = False,
    where: Mapping[str, str] = ON_THIS_SERVER,
) -> Iterator[tuple[yoyo.backends.DatabaseBackend, yoyo.migrations.MigrationList]]:
    """Open yoyo on the database of *connection*, over another connection; its tables are in the package's schema."""
    settings = {**where, "search_path": named(connection, f"{SCHEMA}, pg_temp")}
    chosen = {WITHOUT_TRIGGERS: not triggers, REPLICATED: replicated}
    settings |= {named(connection, setting): "on" for setting, is_chosen in chosen.items() if is_chosen}
    if connection.execute(sqlfiles.query("install/bookkeeping_is_there")).fetchone() == (False,):
        connection.execute(sqlfiles.read("script", "bookkeeping.sql"))  # yoyo would create them without revoking rights
    backend = _backend(resolved(connection), settings, place(connection), binding)
    try:
        backend.break_lock()  # a row that a killed install left; we hold the installation lock
        yield backend, migration_files.loaded()
    finally:
        backend.close()


def _backend(dsn: str, settings: dict[str, str], at: Place, binding: Binding) -> yoyo.backends.DatabaseBackend:
    """Return a backend of yoyo that connects with :func:`connect`.

    yoyo runs each migration with a ``copy()`` of the backend, in a session of its own. Here it is the backend itself,
    because to open a session takes as long as to create several functions. Its steps use the tables of *binding*.

    yoyo also sets a savepoint for each step of a migration, so that a step may fail and the migration goes on. No step
    here may fail: an error rolls back the whole migration. Without the hundreds of savepoints, and with one look at the
    version of yoyo's own tables, an installation takes less time.
    """

    class Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]
        _internal_schema_updated: bool = False

        def connect(self, _: Any) -> Connection:
            return connect(dsn, settings=settings, at=at)

        def copy(self) -> yoyo.backends.DatabaseBackend:
            return self

        def __exit__(self, *_: object) -> None:
            """Keep the session for the next migration."""

        def ensure_internal_schema_updated(self) -> None:
            if not self._internal_schema_updated:
                super().ensure_internal_schema_updated()
                self._internal_schema_updated = True

        def savepoint(self, _: str) -> None:
            """Set none: an error rolls back the transaction."""

        def savepoint_rollback(self, _: str) -> None:
            """Leave that to the end of the transaction."""

        def close(self) -> None:
            self.connection.close()

    backend = Backend(parse_uri("postgresql+psycopg:///"), default_migration_table)
    backend.init_database()
    set_binding(backend.connection, binding.mapping, binding.host_schema)
    return backend
