"""What of the package is in a database: migrations, indexes, triggers, roles and problems."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from orchestrator.access import roles as group_roles
from orchestrator.core import migration_files, sqlfiles
from orchestrator.core.database import Connection, reading
from orchestrator.core.schema import all_named, schema_of
from orchestrator.host import sources
from orchestrator.host.binding import Binding
from orchestrator.host.installed import bound_host_schema, distributed_size, is_distributed, workers_away
from orchestrator.host.mapping import DEFAULT
from orchestrator.host.own_objects import HOST_INDEXES, NAME_INDEXES, TRIGGERS
from orchestrator.host.subscriptions import Subscription, subscriptions
from orchestrator.inspection import indexes
from orchestrator.install import columns, company_names, repair
from orchestrator.install.steps import SCHEMA


@dataclass(frozen=True)
class IndexStatus:
    """One index that the package needs; ``valid`` is None when it is missing."""

    name: str
    table: str | None
    valid: bool | None
    bytes: int | None


@dataclass(frozen=True)
class TriggerStatus:
    """How many of the triggers that capture changes of one table of the application exist and are enabled."""

    table: str
    enabled: int

    @property
    def state(self) -> str:
        """``captured``, ``left out`` or ``INCOMPLETE``."""
        return {0: "left out", len(TRIGGERS): "captured"}.get(self.enabled, "INCOMPLETE")


@dataclass(frozen=True)
class Status:
    """The state of the package in a database.

    ``schema`` is that of the installation, and ``others`` are the schemas of other installations in the database.
    ``edges`` is None while a worker of Citus does not answer. ``subscriptions`` are those of logical replication that
    write to the application's tables. ``problems`` are sentences, most of them with the command that helps. ``public``
    are the rights that every role (PUBLIC) has on the package's objects. ``mapping`` is empty for the default one;
    ``costs`` are sentences about sources that are no tables.
    """

    package: str
    server: str
    host_schema: str | None
    applied: list[str]
    pending: list[str]
    indexes: list[IndexStatus]
    triggers: list[TriggerStatus]
    edges: int | None
    schema: str = SCHEMA
    others: list[str] = field(default_factory=list)
    mapping: dict[str, Any] = field(default_factory=dict)
    costs: list[str] = field(default_factory=list)
    roles: group_roles.Roles | None = None
    subscriptions: list[Subscription] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    public: list[str] = field(default_factory=list)

    @property
    def installed(self) -> bool:
        """Whether every migration of this package is applied."""
        return bool(self.applied) and not self.pending

    @property
    def healthy(self) -> bool:
        """Whether all migrations are applied, indexes are valid, triggers are complete, and there is no problem."""
        states = {trigger.state for trigger in self.triggers}
        captured = len(states) == 1 and "INCOMPLETE" not in states
        granted = self.roles is None or not self.roles.problems
        return (
            self.installed and all(index.valid for index in self.indexes) and captured and granted and not self.problems
        )


def status(dsn: str) -> Status:
    """Describe what is installed in the database of *dsn*; writes nothing."""
    with reading(dsn) as connection:
        known = [migration.id for migration in migration_files.loaded()]
        applied: list[str] = []
        if connection.execute("SELECT to_regclass('connection_paths._yoyo_migration')").fetchone() != (None,):
            rows = connection.execute("SELECT migration_id FROM connection_paths._yoyo_migration ORDER BY 1")
            applied = [row[0] for row in rows]
        host_schema = bound_host_schema(connection)
        binding = sources.binding(connection, host_schema)
        found = connection.execute(
            sqlfiles.query("install/installed_indexes"), _indexes(connection, binding)
        ).fetchall()
        triggers = connection.execute(
            sqlfiles.query("install/installed_triggers"),
            {**sources.asked(binding), "names": all_named(connection, TRIGGERS)},
        ).fetchall()
        pending = [name for name in known if name not in applied]
        edges = connection.execute(
            "SELECT greatest(reltuples, 0)::bigint FROM pg_class"
            " WHERE oid = to_regclass('connection_paths.contact_connections_live')"
        ).fetchone()
        away = workers_away(connection)
        if is_distributed(connection):
            edges = (None,) if away else distributed_size(connection)
        return Status(
            package=version("connection-paths"),
            server=connection.info.parameter_status("server_version") or "",
            host_schema=host_schema,
            applied=applied,
            pending=pending,
            indexes=[IndexStatus(*row) for row in found],
            triggers=[TriggerStatus(*row) for row in triggers],
            edges=edges[0] if edges else 0,
            schema=schema_of(connection),
            others=[row[0] for row in connection.execute(sqlfiles.query("host/other_installations"))],
            mapping={} if binding.mapping == DEFAULT else binding.mapping.as_json(),
            costs=binding.costs(),
            roles=group_roles.describe(connection),
            subscriptions=subscriptions(connection, binding),
            problems=[*away, *(_problems(connection, binding, triggers) if applied and not pending else [])],
            public=[row[0] for row in connection.execute(sqlfiles.query("install/public_rights"))],
        )


def _indexes(connection: Connection, binding: Binding) -> dict[str, list[str]]:
    of_names = NAME_INDEXES if company_names.is_on(connection) else {}
    names = sorted([*indexes.wanted_indexes(binding), *of_names])
    own, sources_of = schema_of(connection), HOST_INDEXES | of_names
    schemas = [binding.sources[sources_of[name]].schema if name in sources_of else own for name in names]
    return {"names": all_named(connection, names), "schemas": schemas}


def _problems(connection: Connection, binding: Binding, triggers: list[tuple[str, int]]) -> list[str]:
    """Return a sentence for each problem, with the command that helps; what an install repairs comes first."""
    known = sources.remembered(connection)
    captured = known.has_triggers if known else any(enabled for _, enabled in triggers)
    replicated = known is not None and known.is_replicated
    found = repair.problems(connection, binding, has_triggers=captured, is_replicated=replicated)
    others = [each for each in sources.problems(connection, binding.host_schema) if each.kind not in sources.REPAIRED]
    before = {
        "table": "put it back, then run",
        "schema": "put them back, then run",
    }  # install cannot repair these alone
    return [
        *(f"{what}; orchestrator install says what to do" for what in columns.missing(connection)),
        *(f"{each.what}; {before.get(each.step, 'run')}: orchestrator install" for each in found),
        *(each.sentence for each in others),
    ]
