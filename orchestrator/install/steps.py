"""The steps of migrations: create a function, a view, an index, or triggers on a table of the application.

Each call adds one yoyo step. A file is sent to the server as a whole, because splitting it into statements could split
a function body.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from functools import partial
from typing import Any, LiteralString
from weakref import WeakKeyDictionary
from zlib import crc32

import psycopg
from psycopg import sql

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.core.schema import DEFAULT as DEFAULT_SCHEMA
from orchestrator.core.schema import all_named, named, schema_of
from orchestrator.host.binding import Binding, bind, has_placeholders
from orchestrator.host.installed import is_distributed
from orchestrator.host.mapping import SourceMapping
from orchestrator.host.own_objects import HOST_INDEXES, NAME_INDEXES, wanted_indexes

_ATTEMPTS = 5
log = logging.getLogger(__name__)

# The names below are the names in the SQL files; core/schema.py replaces them for an installation in another schema.
SCHEMA = DEFAULT_SCHEMA

_EVERY_INDEX = HOST_INDEXES | NAME_INDEXES
#: The suffix of an index that is being built, and of one that was replaced.
NEW, OLD = "_connection_paths_new", "_connection_paths_old"
#: The name of an index of a partition: that of the whole index, this, a checksum and the oid of the partition.
PART = "_part_"
#: Settings of the session that migrates: whether triggers are left out, and whether they also capture what logical
#: replication writes.
WITHOUT_TRIGGERS = "connection_paths.without_triggers"
REPLICATED = "connection_paths.replicated"

#: The binding from which the steps fill their files, by the session that runs them.
_bindings: WeakKeyDictionary[Connection, Binding] = WeakKeyDictionary()


@dataclass(frozen=True)
class OwnTrigger:
    """A trigger of the package on a table in another schema; ``identity`` is the table's name, quoted for SQL."""

    schema: str
    table: str
    name: str
    identity: str


@dataclass(frozen=True)
class Partition:
    """A partition of a table of the application; ``is_leaf``: it holds rows, and is not partitioned itself."""

    oid: int
    schema: str
    name: str
    is_leaf: bool


@dataclass(frozen=True)
class OwnIndex:
    """An index with a name of the package. ``known_as`` is the name of its file; ``identity`` is quoted for SQL.

    ``is_taken``: it has the name, in the host schema, but not the package's comment, so the package did not create it.
    ``is_in_place``: it has the name, and is on the current table of the application. ``is_partitioned``: it consists of
    the indexes of partitions.
    """

    known_as: str
    schema: str
    relname: str
    table: str
    identity: str
    is_taken: bool
    is_in_place: bool
    is_valid: bool
    is_partitioned: bool

    @property
    def is_right(self) -> bool:
        """Whether the index needs no repair."""
        return self.is_in_place and self.is_valid and not self.is_taken


def _step(apply: Any, rollback: Any = None) -> None:
    """Add a step to the migration that calls a function of this module."""
    from yoyo import step  # noqa: PLC0415  most commands that import this module run no migration

    step(apply, rollback)


def view(name: str) -> None:
    """Create the binding view ``sql/views/NAME.sql`` on a table of the application."""
    _step(lambda connection: create_view(connection, name), f"DROP VIEW IF EXISTS {SCHEMA}.{name}")


def function(name: str, version: str) -> None:
    """Create the function in ``sql/functions/ROOM/NAME/VERSION.sql``; the rollback drops it."""
    _step(lambda connection: create_function(connection, name, version), f"DROP FUNCTION IF EXISTS {SCHEMA}.{name}")


def index(name: str) -> None:
    """Create the index in ``sql/indexes/NAME.sql`` on a table of the package; it is dropped with its table."""
    _step(sqlfiles.read("indexes", f"{name}.sql"))


def host_index(name: str) -> None:
    """Build the index in ``sql/indexes/NAME.sql`` on a table of the application; see :func:`build_index`."""
    _step(lambda connection: build_index(connection, name), lambda connection: drop_index(connection, name))


def host_triggers(source: str) -> None:
    """Create the triggers in ``sql/triggers/SOURCE.sql``, which capture changes, unless triggers are left out."""

    def create(connection: Connection) -> None:
        setting = named(connection, WITHOUT_TRIGGERS)
        left_out = connection.execute("SELECT current_setting(%s, true)", (setting,)).fetchone()
        if left_out != ("on",):
            create_triggers(connection, source)

    _step(create, lambda connection: drop_triggers(connection, source))


def create_view(connection: Connection, name: str) -> None:
    """Create a binding view, or replace it so that it reads the table that now has the name."""
    connection.execute(_for_host(connection, "views", f"{name}.sql"))


def create_function(connection: Connection, name: str, version: str) -> None:
    """Create a function, or replace its body; where the edges are distributed, it is the one for that."""
    if name in sqlfiles.distributed_functions() and is_distributed(connection):
        connection.execute(sqlfiles.read("distributed", "functions", f"{name}.sql"))
        return
    text = sqlfiles.function(name, version)
    connection.execute(binding_of(connection).fill(text) if has_placeholders(text) else text)


def create_triggers(connection: Connection, source: str, also: str = "") -> None:
    """Create the triggers on the table of a source, and wait at most half a second at a time for its lock.

    A view or a foreign table gets none. Each partition gets its own, because a statement that writes to a partition
    directly does not fire the triggers of the partitioned table. ``also`` is a statement for the same transaction.
    """
    if not binding_of(connection).takes_objects(source):
        return
    setting = named(connection, REPLICATED)
    replicated = connection.execute("SELECT current_setting(%s, true)", (setting,)).fetchone() == ("on",)

    binding = binding_of(connection)
    parts = [binding.at(source, each.schema, each.name) for each in partitions(connection, binding, source)]
    for bound in (binding, *parts):
        text = bound.fill(sqlfiles.read("triggers", f"{source}.sql"))
        if replicated:
            replica = bound.fill(sqlfiles.read("triggers", "replicated", f"{source}.sql"))
            # PostgreSQL copies the row trigger to the partitions, so only the last statement is for these, too.
            text += replica if bound is binding else replica.rstrip().split("\n")[-1]
        retry_while_locked(
            connection,
            partial(connection.execute, f"{text}\n{also}".encode()),
            waiting=partial(log.info, "triggers on %s: %s; trying again", bound.shown(source)),
        )


def drop_triggers(connection: Connection, source: str) -> None:
    """Drop the triggers of the package on the table of a source and on its partitions."""
    binding = binding_of(connection)
    tables = {(binding.sources[source].schema, binding.sources[source].table)}
    tables |= {(each.schema, each.name) for each in partitions(connection, binding, source)}
    for trigger in own_triggers(connection):
        if (trigger.schema, trigger.table) in tables:
            drop_trigger(connection, trigger)


def partitions(connection: Connection, binding: Binding, source: str) -> list[Partition]:
    """Return the partitions of a source's table at every level; none where it is not partitioned."""
    if not binding.is_partitioned(source):
        return []
    asked = {"schema": binding.sources[source].schema, "table": binding.sources[source].table}
    return [Partition(*row) for row in connection.execute(sqlfiles.query("host/partitions"), asked)]


def own_triggers(connection: Connection) -> list[OwnTrigger]:
    """Return the package's triggers on tables of other schemas."""
    return [OwnTrigger(*row) for row in connection.execute(sqlfiles.query("install/own_triggers"))]


def drop_trigger(connection: Connection, trigger: OwnTrigger) -> None:
    """Drop a trigger; wait at most half a second at a time for the lock of the table."""
    statement = sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(
        sql.Identifier(trigger.name), sql.Identifier(trigger.schema, trigger.table)
    )
    retry_while_locked(connection, lambda: connection.execute(statement))


def own_indexes(connection: Connection, *names: str) -> list[OwnIndex]:
    """Return the package's indexes on the application's tables, in any schema, and indexes with the same names."""
    sources = binding_of(connection).sources
    found = connection.execute(
        sqlfiles.query("install/own_indexes"),
        {
            "names": all_named(connection, names),
            "schemas": [sources[_EVERY_INDEX[name]].schema for name in names],
            "tables": [sources[_EVERY_INDEX[name]].table for name in names],
            "new": named(connection, NEW),
            "old": named(connection, OLD),
            "parts": [part_prefix(schema_of(connection), name) for name in names],
        },
    )
    return [OwnIndex(*row) for row in found]


def build_index(connection: Connection, name: str, *, anew: bool = False) -> None:
    """Build an index on a table of the application without blocking writers, unless it exists; *anew*: also then.

    It is built under another name. Then one transaction gives it its name and its comment, which marks it as the
    package's. An index that had the name before is dropped afterwards. So the next install recognizes what a killed one
    has left, and it drops and builds again an index that is not valid.

    Raises :class:`OrchestratorError` if an index that the package did not create has the name.
    """
    found = own_indexes(connection, name)
    if name not in (*wanted_indexes(binding_of(connection)), *NAME_INDEXES):
        drop_index(connection, name)
        return
    for index in found:
        if index.is_taken:
            raise OrchestratorError(taken(connection, index.identity))
    if anew or not any(index.is_right for index in found):
        log.info("building %s; writers continue, but the build waits for transactions that are open now", name)
        if binding_of(connection).is_partitioned(_EVERY_INDEX[name]):
            _build_on_partitions(connection, name)
        else:
            _build_beside(connection, name)
            retry_while_locked(connection, lambda: _exchange_index(connection, name))
        _analyse(connection, name)
    drop_strays(connection, name)


def part_prefix(schema: str, name: str) -> str:
    """Return how the names of the indexes of partitions begin; a checksum of the definition and an oid follow.

    In another schema than the default, a checksum stands for the name of the index: PostgreSQL cuts names after 63
    bytes.
    """
    return f"{name}{PART}" if schema == SCHEMA else f"{schema}_{crc32(name.encode()):08x}{PART}"


def drop_strays(connection: Connection, name: str) -> None:
    """Drop the package's indexes of this name, except the valid one on the current table of the application."""
    for index in own_indexes(connection, name):
        if not index.is_taken and not index.is_right:
            _drop(connection, index)


def drop_index(connection: Connection, name: str) -> None:
    """Drop the package's indexes of this name, also those of a build that was interrupted."""
    for index in own_indexes(connection, name):
        if not index.is_taken:
            _drop(connection, index)


def _drop(connection: Connection, index: OwnIndex) -> None:
    """Drop an index. PostgreSQL cannot drop a partitioned index concurrently, so that waits for its lock in turns."""
    if index.is_partitioned:
        retry_while_locked(connection, lambda: connection.execute(f"DROP INDEX IF EXISTS {index.identity}".encode()))
    else:
        connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index.identity}".encode())


def taken(connection: Connection, index: str) -> str:
    """Return the message about an index that has a name of the package but not its comment."""
    return (
        f"connection_paths did not create the index {index}; rename it. (If it is the index of connection_paths,"
        f" restored without its comment: COMMENT ON INDEX {index} IS '{schema_of(connection)}: restored')"
    )


def _build_beside(connection: Connection, name: str) -> None:
    create, _ = _index_statements(connection, name)
    statement = create.replace(f"CREATE INDEX CONCURRENTLY {name}", f"CREATE INDEX CONCURRENTLY {name}{NEW}")
    for attempt in range(_ATTEMPTS, 0, -1):
        try:
            for index in own_indexes(connection, name):
                if index.relname != named(connection, name):
                    connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index.identity}".encode())
            connection.execute(statement.encode())
        except psycopg.errors.DeadlockDetected:  # with a build that a killed install has left
            if attempt == 1:
                raise
        else:
            return


def _build_on_partitions(connection: Connection, name: str) -> None:
    """Build an index on a partitioned table: concurrently on each partition, then one that consists of these.

    The name of the index of a partition has a checksum of its definition. So after a kill the next install continues
    with the partitions that have none. PostgreSQL takes them as parts when it creates the index of the whole table,
    because they have the same definition.
    """
    source = _EVERY_INDEX[name]
    binding = binding_of(connection)
    create = _index_text(name).split(";\n\n")[0]
    begin = f"CREATE INDEX CONCURRENTLY {name}"
    checksum = hashlib.md5(binding.fill(create).encode(), usedforsecurity=False).hexdigest()[:8]
    for part in partitions(connection, binding, source):
        if not part.is_leaf:
            continue
        bound = binding.at(source, part.schema, part.name)
        own = f"{part_prefix(schema_of(connection), name)}{checksum}_{part.oid}"
        place = f"{bound.fill(f':{source}.schema')}.{own}"
        is_valid = "SELECT i.indisvalid FROM pg_index AS i WHERE i.indexrelid = to_regclass(%s)"
        found = connection.execute(is_valid, (place,)).fetchone()
        if found == (True,):
            continue
        if found is not None:
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {place}".encode())
        connection.execute(bound.fill(create).replace(begin, f"CREATE INDEX CONCURRENTLY {own}").encode())

    def exchange() -> None:
        schema = binding.fill(f":{source}.schema")
        connection.execute(f"ALTER INDEX IF EXISTS {schema}.{name} RENAME TO {name}{OLD}".encode())
        connection.execute(binding.fill(create).replace("CREATE INDEX CONCURRENTLY", "CREATE INDEX", 1).encode())
        connection.execute(_index_statements(connection, name)[1])

    retry_while_locked(connection, exchange)


def _analyse(connection: Connection, name: str) -> None:
    """Compute the planner's statistics of expressions in an index; columns have statistics of their own."""
    source = _EVERY_INDEX[name]
    binding = binding_of(connection)
    keys = binding.key_types(source, _index_text(name))
    if not all(f'"{key}"' in binding.sources[source].columns.values() for key in keys) or not keys:
        connection.execute(f"ANALYZE {binding.table(source)}".encode())


def _exchange_index(connection: Connection, name: str) -> None:
    schema = binding_of(connection).fill(f":{_EVERY_INDEX[name]}.schema")
    connection.execute(f"ALTER INDEX IF EXISTS {schema}.{name} RENAME TO {name}{OLD}".encode())
    connection.execute(f"ALTER INDEX {schema}.{name}{NEW} RENAME TO {name}".encode())
    connection.execute(_index_statements(connection, name)[1])


def _index_statements(connection: Connection, name: str) -> tuple[LiteralString, LiteralString]:
    """Return the CREATE INDEX and the COMMENT of an index."""
    create, comment = binding_of(connection).fill(_index_text(name)).split(";\n\n")
    return create, comment


def _index_text(name: str) -> LiteralString:
    return sqlfiles.read("names" if name in NAME_INDEXES else "indexes", f"{name}.sql")


def set_binding(connection: Connection, mapping: SourceMapping, host_schema: str) -> None:
    """Bind the mapping to the tables of the database; all later steps in this session use that binding."""
    _bindings[connection] = bind(connection, mapping, host_schema)


def binding_of(connection: Connection) -> Binding:
    """Return the binding that :func:`set_binding` made in the session."""
    return _bindings[connection]


def _for_host(connection: Connection, *parts: str) -> LiteralString:
    return binding_of(connection).fill(sqlfiles.read(*parts))
