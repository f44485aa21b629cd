"""Finds objects of an installation that are missing or read the wrong table, and repairs them without losing edges.

PostgreSQL binds views, triggers and indexes to a table and not to its name. When an administrator renames a table and
creates another in its place, the package's objects stay with the old one. Each problem names the step of a migration
that creates the object. Every step can run again.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import LiteralString

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.core.migration_files import migration_steps, migrations
from orchestrator.core.schema import all_named, named, plain, schema_of
from orchestrator.host import own_objects
from orchestrator.host.binding import REQUIRED, VIEW_OF, Binding, unbound
from orchestrator.host.sources import asked
from orchestrator.inspection import indexes, versions
from orchestrator.inspection.finding import Finding
from orchestrator.inspection.subject import Subject, examine
from orchestrator.install import columns, company_names, partitions, steps

log = logging.getLogger(__name__)

#: Objects that decide which edges exist, or that hold queued changes. If one of these was missing or different, edges
#: may be wrong or changes may not have been captured.
_DECIDES_EDGES = frozenset(
    {
        *("live_contacts", "live_organizations", "known_organizations", "work_experiences", "employments"),
        *("own_stints", "possible_overlaps", "work_overlaps", "queue_decided_names", "name_decisions"),
        *("edge_strength", "overlap_days", "size_class", "known_people", "organization_sizes", "count_organizations"),
        *("organization_policy", "queue_policy_changes"),
        *("policy_inserted", "policy_updated", "policy_deleted", "policy_truncated"),
        *(
            "queue_added_or_removed",
            "queue_changed_experiences",
            "queue_replicated_row",
            "record_capture_failure",
            "wake_listener",
        ),
        *("contact_connections", "contact_connections_live", "contact_changes", "due_changes", "capture_failures"),
        "rebuild_replays",
    }
)
_OBJECT = re.compile(
    r"^\s*CREATE (?:OR REPLACE |UNIQUE )?(?P<kind>TABLE|VIEW|SEQUENCE|TYPE|INDEX|TRIGGER)(?: IF NOT EXISTS)?"
    r" (?:connection_paths\.)?(?P<name>\w+)(?:\s+(?:BEFORE|AFTER) \w+ ON connection_paths\.(?P<table>\w+))?",
    re.MULTILINE,
)
_ATTACH = (
    "ALTER TABLE connection_paths.contact_connections"
    " ATTACH PARTITION connection_paths.contact_connections_live DEFAULT"
)
#: A repair queues every contact in its own transaction, so that a kill cannot come between the two.
_QUEUE_EVERYONE = "INSERT INTO connection_paths.contact_changes (contact_id) VALUES (NULL)"
#: The step of a migration that repairs each kind of problem.
_STEPS = {"object": "migration", "view": "view", "index": "host_index", "triggers": "host_triggers"}


@dataclass(frozen=True)
class Problem:
    """A difference from what ``install`` creates: the step that repairs it, its argument, and a sentence.

    ``object`` is its name in the database where that is another than the step's argument.
    """

    step: str
    name: str
    what: str
    object: str | None = None


def problems(
    connection: Connection, binding: Binding, *, has_triggers: bool, is_replicated: bool = False
) -> list[Problem]:
    """Find everything that an install would repair, except grants; writes nothing."""
    triggers = _triggers(has_triggers, is_replicated)
    found = [*_of_catalogs(connection, binding, triggers), *_of_functions(connection, binding)]
    broken = {problem.name for problem in found}
    looked = [
        *_of_rules(connection), *_of_forms(connection), *_of_partitions(connection, binding),
        *_of_names(connection, binding),
    ]  # fmt: skip
    return found + [problem for problem in looked if problem.name not in broken]


def repair_installation(
    connection: Connection,
    binding: Binding,
    *,
    has_triggers: bool,
    is_replicated: bool = False,
    progress: Callable[[str], None] = log.info,
) -> list[str]:
    """Create again what is missing or reads the wrong table; returns a sentence for each repair.

    The caller holds the installation lock, and every migration has been applied. Waits at most half a second at a time
    for a lock for which the application's writers would have to wait. Queues every contact for ``sync`` if edges may be
    wrong because of what was repaired.
    """
    steps.set_binding(connection, binding.mapping, binding.host_schema)
    setting, value = named(connection, steps.REPLICATED), "on" if is_replicated else "off"
    connection.execute("SELECT set_config(%s, %s, false)", (setting, value))
    triggers = _triggers(has_triggers, is_replicated)
    sentences: list[str] = []
    dropped: list[str] = []

    def of_catalogs(_: Connection) -> list[Problem]:
        return [*_of_catalogs(connection, binding, triggers), *_of_functions(connection, binding)]

    def of_partitions(_: Connection) -> list[Problem]:
        return _of_partitions(connection, binding)

    # in this order: a rule is checked on a view that exists, and the rule of an index is that of its view
    for look in (of_catalogs, _of_rules, _of_forms, of_partitions):
        found = look(connection)
        if any(problem.object == "backfill_runs" for problem in found):
            # batches without their runs are useless, and have lost their foreign key
            connection.execute("DROP TABLE IF EXISTS connection_paths.backfill_batches CASCADE")
        for problem in _in_order(found):
            progress(f"repairing: {problem.what}")
            _repair(connection, problem, binding)
        sentences += [f"repaired: {problem.what}" for problem in found]
        dropped += [problem.name for problem in found if problem.step == "partitions"]
        if any(_changes_edges(problem) for problem in found):
            connection.execute(_QUEUE_EVERYONE)
            sentences.append("every contact is queued for refresh; run: orchestrator sync")
    partitions.remember(connection, binding, dropped)
    return list(dict.fromkeys(sentences))


def installation(subject: Subject) -> Iterator[Finding]:
    """Find objects of the package that are missing, indexes that are left over, and tables in another schema.

    Other checks report views, triggers, functions and the indexes on the tables.
    """
    for what in columns.missing(subject.connection):
        yield Finding("installation", "wrong", what, columns.repair(subject.connection), what.split()[0])
    found = [
        *_of_catalogs(subject.connection, subject.binding, ()),
        *_of_partitions(subject.connection, subject.binding),
        *_of_names(subject.connection, subject.binding),
    ]
    for problem in found:
        if problem.step in ("migration", "partition", "stray index", "schema", "partitions", "names"):
            yield Finding("installation", "wrong", problem.what, versions.install_command(subject), problem.name)


def _of_catalogs(connection: Connection, binding: Binding, triggers: tuple[str, ...]) -> list[Problem]:
    if not any(name in binding.tables for name in REQUIRED):
        return [_moved(connection, binding)]
    rows = connection.execute(
        sqlfiles.query("install/installation_problems"),
        {
            **asked(binding),
            "objects": json.dumps(_objects()),
            "empty_views": [view for name, view in VIEW_OF.items() if name not in binding.sources],
            "indexes": all_named(connection, own_objects.HOST_INDEXES),
            "index_sources": list(own_objects.HOST_INDEXES.values()),
            "wanted_indexes": all_named(connection, own_objects.wanted_indexes(binding)),
            "triggers": all_named(connection, triggers),
            "new": named(connection, steps.NEW),
            "old": named(connection, steps.OLD),
            "parts": [steps.part_prefix(schema_of(connection), name) for name in own_objects.HOST_INDEXES],
        },
    ).fetchall()
    return [
        Problem("index" if name in _walk_indexes() else _STEPS.get(str(kind), str(kind)), plain(str(name)), what, found)
        for kind, name, what, found in rows
    ]


def _triggers(has_triggers: bool, is_replicated: bool) -> tuple[str, ...]:
    """Return the names of the triggers that each captured table should have."""
    return (*own_objects.TRIGGERS, *[own_objects.REPLICATED_TRIGGER] * is_replicated) if has_triggers else ()


def _moved(connection: Connection, binding: Binding) -> Problem:
    what = f"schema {binding.host_schema!r} has none of the application's tables"
    rows = connection.execute(sqlfiles.query("host/bound_host_schema")).fetchall()
    for (bound,) in rows:
        what += f"; those that the views read are in {bound!r}"
    return Problem("schema", binding.host_schema, what)


def _of_functions(connection: Connection, binding: Binding) -> list[Problem]:
    return [
        Problem(
            "function", name, f"function {name} {'differs from' if is_there else 'is missing; it is in'} this package"
        )
        for name, (_, is_there) in versions.wrong_functions(connection, binding).items()
    ]


def _of_partitions(connection: Connection, binding: Binding) -> list[Problem]:
    what = "{} is no longer a partition of a table of the application; edges of its rows may remain"
    return [Problem("partitions", name, what.format(name)) for name in partitions.gone(connection, binding)]


def _of_names(connection: Connection, binding: Binding) -> list[Problem]:
    """Return the problems of the objects for company names, which an install repairs last."""
    return [Problem("names", name, what) for name, what in company_names.problems(connection, binding).items()]


def _of_rules(connection: Connection) -> list[Problem]:
    return [
        Problem("view", finding.object.removeprefix(f"{schema_of(connection)}."), finding.what)
        for finding in _findings(connection, versions.views)
    ]


def _of_forms(connection: Connection) -> list[Problem]:
    return [
        Problem("host_index" if name in own_objects.HOST_INDEXES else "index", name, finding.what)
        for finding in _findings(connection, indexes.definitions)
        for name in [plain(finding.object)]
    ]


def _findings(connection: Connection, check: Callable[[Subject], Iterator[Finding]]) -> list[Finding]:
    """Return the findings of a check of doctor; none if this role may not run it, or the package is missing."""
    try:
        with connection.transaction():
            return list(check(examine(connection)))
    except (
        OrchestratorError,
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedColumn,  # another check reports renamed columns
    ):
        return []


def _in_order(found: list[Problem]) -> Iterator[Problem]:
    """Return the problems in the order of the migrations, each once; leftovers are last."""
    by_line = {(problem.step, problem.name): problem for problem in found}
    for path in migrations():
        for step, *names in migration_steps(path):
            name = {"migration": path.stem, "function": versions.made_by(*names)}.get(step) or names[0]
            problem = by_line.pop((step, name), None)
            if problem is not None:
                yield problem
    yield from by_line.values()


def _repair(connection: Connection, problem: Problem, binding: Binding) -> None:
    name = problem.name
    if problem.step == "migration":
        file = next((path.name for path in migrations() if path.stem == name), None)
        text = sqlfiles.read("script", "schema.sql") if file is None else sqlfiles.read("migrations", file)
        retry_while_locked(connection, lambda: connection.execute(text))
    elif problem.step == "view":
        retry_while_locked(connection, lambda: _replace_view(connection, problem))
    elif problem.step == "partition":
        retry_while_locked(connection, lambda: connection.execute(_ATTACH))
    elif problem.step == "function":
        retry_while_locked(connection, lambda: _create_function(connection, problem, binding))
    elif problem.step == "index":
        _build_walk_index(connection, name)
    elif problem.step == "host_index":
        steps.build_index(connection, name, anew=True)
    elif problem.step == "host_triggers":
        steps.create_triggers(connection, name, also=_QUEUE_EVERYONE if _has_queue(connection) else "")
    elif problem.step == "partitions":
        _queue(connection, problem)
    elif problem.step == "stray index":
        steps.drop_strays(connection, name)
    elif problem.step == "stray trigger":
        for trigger in steps.own_triggers(connection):
            if trigger.identity == name:
                _queue(connection, problem)
                steps.drop_trigger(connection, trigger)


def _queue(connection: Connection, problem: Problem) -> None:
    """Queue every contact if a repair changes edges, unless the queue itself is still missing."""
    if _changes_edges(problem) and _has_queue(connection):
        connection.execute(_QUEUE_EVERYONE)


def _has_queue(connection: Connection) -> bool:
    return connection.execute("SELECT to_regclass('connection_paths.contact_changes')").fetchone() != (None,)


def _replace_view(connection: Connection, problem: Problem) -> None:
    steps.create_view(connection, problem.name)
    _queue(connection, problem)


def _create_function(connection: Connection, problem: Problem, binding: Binding) -> None:
    """Run the file of a function; drop a function of another signature first. It is an error if something needs it."""
    _queue(connection, problem)
    name = problem.name
    path = versions.expected_files(connection)[name]
    text = binding.fill(sqlfiles.read(*path.relative_to(sqlfiles.ROOT).parts))
    try:
        with connection.transaction():
            connection.execute(text)
    except psycopg.errors.InvalidFunctionDefinition:
        connection.execute(f"DROP FUNCTION {steps.SCHEMA}.{name}".encode())
        connection.execute(text)


def _build_walk_index(connection: Connection, name: str) -> None:
    """Build an index of the edges: concurrently on the partition first, which the partitioned index then includes."""
    text = sqlfiles.read("indexes", f"{name}.sql")
    wanted = indexes.wanted_indexes(unbound())[name]
    options = f" WITH ({wanted.options})" if wanted.options else ""
    form = wanted.form + options + (f" WHERE {wanted.rule}" if wanted.rule else "")
    new = f"{steps.SCHEMA}.{name}{steps.NEW}"
    connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {new}".encode())
    connection.execute(
        f"CREATE INDEX CONCURRENTLY {name}{steps.NEW} ON {steps.SCHEMA}.contact_connections_live {form}".encode()
    )

    def exchange() -> None:
        connection.execute(f"DROP INDEX IF EXISTS {steps.SCHEMA}.{name}".encode())
        connection.execute(text)
        connection.execute(f"ALTER INDEX {new} RENAME TO {name}_r0".encode())

    retry_while_locked(connection, exchange)


def _changes_edges(problem: Problem) -> bool:
    """Whether edges may be wrong: changes were not captured, or edges were computed from other rows.

    A table that is no longer read may be a partition that was detached with its rows.
    """
    return (
        problem.step in ("host_triggers", "stray trigger", "partitions")
        or (problem.object or problem.name) in _DECIDES_EDGES
    )


@cache
def _walk_indexes() -> frozenset[str]:
    return frozenset(name for name in indexes.wanted_indexes(unbound()) if name not in own_objects.HOST_INDEXES)


@cache
def _objects() -> list[dict[str, str | None]]:
    """Return the package's own tables, views, sequences, types, indexes and triggers, and the step that creates each.

    A trigger has a table, too, because two triggers may have the same name.
    """
    files: list[tuple[str, LiteralString]] = [("schema", sqlfiles.read("script", "schema.sql"))]
    files += [(path.stem, sqlfiles.read("migrations", path.name)) for path in migrations() if path.suffix == ".sql"]
    files += [(name, sqlfiles.read("indexes", f"{name}.sql")) for name in sorted(_walk_indexes())]
    return [
        {"kind": found["kind"].lower(), "name": found["name"], "table_name": found["table"], "step": step}
        for step, text in files
        for found in _OBJECT.finditer(text)
    ]
