"""Builds one SQL file of the whole package, for installations without Python, from the same files in the same order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from yoyo.migrations import get_migration_hash

from orchestrator.core import sqlfiles
from orchestrator.core.database import NEUTRAL
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.migration_files import migration_steps, migrations
from orchestrator.core.schema import DEFAULT as SCHEMA
from orchestrator.core.schema import checked, lock_key, translated
from orchestrator.host.binding import LATER, Binding, default, unbound, unquoted
from orchestrator.host.mapping import DEFAULT, SourceMapping
from orchestrator.host.own_objects import HOST_INDEXES, NAME_INDEXES, TRIGGERS, wanted_indexes
from orchestrator.host.sources import asked
from orchestrator.install import company_names
from orchestrator.install.installation import LOCK_KEY
from orchestrator.install.refusals import OLDEST_SERVER
from orchestrator.install.steps import NEW, part_prefix

EXTENSION = "connection_paths"
#: Markers in the text of a script, replaced last: the mapping, and the mapping without the column of company names.
_MAPPING, _WITHOUT_NAMES = "<mapping>", "<mapping without names>"
#: An expression that gives the quoted name of the host schema while a script runs.
_HOST_SCHEMA = "quote_ident(current_setting('connection_paths.host_schema'))"


def psql(
    chosen: Sequence[Path] | None = None,
    mapping: SourceMapping = DEFAULT,
    *,
    schema: str = SCHEMA,
    names: bool = False,
) -> str:
    """Return a script for ``psql -f`` that does what ``install`` does, for all migrations or some first ones.

    ``schema`` is that of the installation. ``names``: resolved company names make edges; a mapping that does not name
    their column then reads the column ``company_name``. Raises :class:`OrchestratorError` when the schema has no
    possible name.
    """
    checked(schema)
    before = mapping
    if names:
        mapping = company_names.with_column(mapping)
    binding = unbound(mapping)
    settings = {name: value for name, value in NEUTRAL.items() if name != "application_name"}
    settings["client_min_messages"] = "warning"
    parts = [
        _fill(
            "begin",
            check=_check(binding),
            settings=",\n".join(f"        ('{name}', '{value}')" for name, value in settings.items()),
            script_under_way=_query("install/script_under_way", key=str(LOCK_KEY)),
            mappings=f"ARRAY[{_WITHOUT_NAMES}, {_MAPPING}]::jsonb[]",
            remember=_query(
                "install/remember_installation",
                host_schema=":'host_schema'",
                has_triggers="COALESCE((SELECT k.has_triggers FROM connection_paths.installation AS k), :captures)",
                is_replicated="COALESCE((SELECT k.is_replicated FROM connection_paths.installation AS k), false)",
                version=f"'{version('connection-paths')}'",
                mapping=_MAPPING,
            ),
            schema=sqlfiles.read("script", "schema.sql"),
            bookkeeping=sqlfiles.read("script", "bookkeeping.sql"),
        )
    ]
    for path in migrations() if chosen is None else chosen:
        pieces, is_alone = [], False
        for what, *words in migration_steps(path):
            if what == "host_index":  # built concurrently, so no step of this migration is in a transaction
                is_alone = True
                pieces.append(_host_index(binding, words[0], schema))
            elif what == "host_triggers":
                is_alone = True
                create = sqlfiles.read("triggers", f"{words[0]}.sql").replace(f":{words[0]}.table", "@@table")
                pieces.append(_fill("host_triggers", create=create, table=_oid(binding, words[0])))
            else:
                pieces.append(binding.fill(_text(what, *words)))
        body = "\n".join(pieces) if is_alone else "\n".join(["BEGIN;", *pieces])
        parts.append(_fill("migration", id=path.stem, hash=get_migration_hash(path.stem), body=body,
                           commit="" if is_alone else "COMMIT;"))  # fmt: skip
    if names:
        parts.append(_names(binding, schema))
    text = translated("".join([*parts, _fill("end")]), schema)
    text = text.replace(str(LOCK_KEY), str(lock_key(schema, LOCK_KEY)))
    for marker, each in ((_MAPPING, mapping), (_WITHOUT_NAMES, before)):  # as they are in every schema
        text = text.replace(marker, "NULL" if each == DEFAULT else _literal(json.dumps(each.as_json())))
    return text


def _host_index(binding: Binding, name: str, schema: str) -> str:
    """Return the statements that build an index on a table of the application, unless it is there or not needed."""
    is_of_names = name in NAME_INDEXES
    source = NAME_INDEXES[name] if is_of_names else HOST_INDEXES[name]
    create, comment = sqlfiles.read("names" if is_of_names else "indexes", f"{name}.sql").split(";\n\n")
    include = f":{source}.include_names" if is_of_names else f":{source}.include"
    for word, marker in ((include, "INCLUDE (@@included)"), (f":{source}.table", "@@table")):
        create = create.replace(word, marker)
    keys = binding.key_types(source, create)
    return _fill(
        "host_index",
        name=name,
        new=NEW,
        part=part_prefix(schema, name),
        create=binding.fill(create.replace(f"CONCURRENTLY {name}", "CONCURRENTLY @@index")),
        comment=binding.fill(comment),
        schema=binding.fill(f":{source}.schema"),
        table=_oid(binding, source),
        included_columns=_query(
            "host/included_columns",
            table_oid=_oid(binding, source),
            columns=_texts(unquoted(each) for each in binding.indexed(source, of_names=is_of_names)),
            keys=_texts(keys),
            types=_texts(keys.values()),
        ),
    )


def _names(binding: Binding, schema: str) -> str:
    """Return the statements that let resolved company names make edges, unless they do."""
    return _fill(
        "names",
        functions="\n".join(binding.fill(sqlfiles.function(name, "v1")) for name in company_names.CAPTURING),
        indexes="\n".join(_host_index(binding, name, schema) for name in NAME_INDEXES),
        views="\n".join(binding.fill(sqlfiles.read("names", f"{name}.sql")) for name in company_names.VIEWS),
        queue=_query("names/queue_accepted_names"),
    )


def _oid(binding: Binding, source: str) -> str:
    """Return an expression that gives the oid of a source's table, or NULL."""
    bound = binding.sources[source]
    schema = _HOST_SCHEMA if bound.schema == LATER else f"quote_ident({_literal(bound.schema)})"
    return f"to_regclass({schema} || '.' || quote_ident({_literal(bound.table)}))"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _texts(names: Iterable[str]) -> str:
    return f"ARRAY[{', '.join(map(_literal, names))}]"


def extension(directory: Path) -> list[Path]:
    """Write the files that ``CREATE EXTENSION connection_paths`` needs into *directory*; returns them."""
    pieces: list[str] = []
    binding = default()
    for path in migrations():
        pieces.append(f"-- {path.stem}")
        for what, *names in migration_steps(path):
            if what == "host_index" and names[0] not in wanted_indexes(binding):
                continue  # the tables of an extension have ids of the type bigint
            if what == "host_index":
                text = sqlfiles.read("indexes", f"{names[0]}.sql")
                depends = f"ALTER INDEX {LATER}.{names[0]} DEPENDS ON EXTENSION {EXTENSION};"
                text = text.replace("CREATE INDEX CONCURRENTLY", "CREATE INDEX IF NOT EXISTS")
                pieces.append(_executed(binding.fill(text), depends))
            elif what == "host_triggers":
                table = binding.table(names[0])
                depend = [f"ALTER TRIGGER {each} ON {table} DEPENDS ON EXTENSION {EXTENSION};" for each in TRIGGERS]
                pieces.append(_executed(binding.fill(sqlfiles.read("triggers", f"{names[0]}.sql")), *depend))
            elif what == "view":
                pieces.append(_executed(binding.fill(_text(what, *names))))
            else:
                pieces.append(binding.fill(_text(what, *names)))
        pieces.append(
            "INSERT INTO connection_paths._yoyo_migration (migration_hash, migration_id, applied_at_utc)\n"
            f"VALUES ('{get_migration_hash(path.stem)}', '{path.stem}', now() AT TIME ZONE 'UTC');"
        )
    bookkeeping = sqlfiles.read("script", "bookkeeping.sql")
    schema = re.sub(
        r"CREATE SCHEMA .*?;\n", "", sqlfiles.read("script", "schema.sql")
    )  # CREATE EXTENSION creates the schema
    remember = _query(
        "install/remember_installation",
        host_schema="current_setting('connection_paths.host_schema')",
        has_triggers="true",
        is_replicated="false",
        version=f"'{version('connection-paths')}'",
        mapping="NULL",
    )
    script = _fill(
        "extension",
        check=_check(binding),
        schema=schema,
        remember=remember,
        bookkeeping=bookkeeping,
        migrations="\n".join(pieces),
    )
    files = {
        directory / f"{EXTENSION}.control": _fill("control"),
        directory / f"{EXTENSION}--{version('connection-paths')}.sql": script,
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OrchestratorError(f"cannot write into {directory}: {error.strerror}") from error
    return list(files)


def _text(what: str, *names: str) -> str:
    if what == "migration":
        return sqlfiles.read("migrations", *names)
    if what == "view":
        return sqlfiles.read("views", f"{names[0]}.sql")
    if what == "function":
        return sqlfiles.function(*names)
    if what == "index":
        return sqlfiles.read("indexes", f"{names[0]}.sql")
    raise OrchestratorError(f"a migration has a step {what}, which a script does not support")


def _for_host(text: str) -> str:
    """Return a PL/pgSQL statement that executes *text* for the schema that the session's setting names."""
    return f"EXECUTE replace($create$\n{text}$create$, '{LATER}', {_HOST_SCHEMA});"


def _executed(*texts: str) -> str:
    """Return a statement that executes *texts* without psql, with the host schema filled in."""
    return _fill("executed", statement=_for_host("\n".join(texts)))


def _check(binding: Binding) -> str:
    """Return the statement that raises where ``install`` would refuse."""
    values = {
        "host_schema": "current_setting('connection_paths.host_schema')",
        "sources": _literal(asked(binding)["sources"]),
        "triggers": _array(TRIGGERS),
        "indexes": _array(HOST_INDEXES),
    }
    is_default = binding.mapping == DEFAULT
    rooms = {
        "host_problems": "host",
        "strange_schema": "install",
        "foreign_schema_owner": "install",
        "bound_host_schema": "host",
    }
    queries = {name: _query(f"{room}/{name}", **values) for name, room in rooms.items()}
    if not is_default:  # the views of another mapping may read other schemas
        queries["bound_host_schema"] = "SELECT NULL AS nspname"
    return _fill("check", **queries)


def _query(name: str, **values: str) -> str:
    """Return a query with SQL expressions for its parameters."""
    text = str(sqlfiles.query(name))
    if "%(" not in text:
        return text
    return re.sub(r"%\((\w+)\)s", lambda found: values[found[1]], text.replace("%%", "%"))


def _array(names: Iterable[str]) -> str:
    return "'{" + ",".join(names) + "}'"


def _fill(template: str, **values: str) -> str:
    """Return a file of ``script/`` with values for the words between at signs."""
    known = {
        "version": version("connection-paths"),
        "lock_key": str(LOCK_KEY),
        "oldest_server": str(OLDEST_SERVER),
        **values,
    }
    text = sqlfiles.read("script", f"{template}.template")
    return re.sub(r"@(\w+)@", lambda found: known[found[1]].rstrip("\n"), text)
