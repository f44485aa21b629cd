"""Builds one SQL file of the whole package, for installations without Python, from the same files in the same order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from yoyo.migrations import get_migration_hash

from orchestrator.core import sqlfiles
from orchestrator.core.database import NEUTRAL
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.schema import DEFAULT, checked, lock_key, translated
from orchestrator.host.sources import TABLES
from orchestrator.install.installation import LOCK_KEY
from orchestrator.install.migration_files import migration_steps, migrations
from orchestrator.install.refusals import OLDEST_SERVER
from orchestrator.install.steps import HOST_INDEXES, NEW, TRIGGERS

EXTENSION = "connection_paths"


def psql(chosen: Sequence[Path] | None = None, *, schema: str = DEFAULT) -> str:
    """Return a script for ``psql -f`` that does what ``install`` does, for all migrations or some first ones.

    ``schema`` is that of the installation. Raises :class:`OrchestratorError` when it cannot be.
    """
    checked(schema)
    settings = {name: value for name, value in NEUTRAL.items() if name != "application_name"}
    settings["client_min_messages"] = "warning"
    parts = [
        _fill(
            "begin",
            check=_check(),
            settings=",\n".join(f"        ('{name}', '{value}')" for name, value in settings.items()),
            script_under_way=_query("install/script_under_way", key=str(LOCK_KEY)),
            remember=_query(
                "install/remember_installation",
                host_schema=":'host_schema'",
                has_triggers="COALESCE((SELECT k.has_triggers FROM connection_paths.installation AS k), :captures)",
                is_replicated="COALESCE((SELECT k.is_replicated FROM connection_paths.installation AS k), false)",
                version=f"'{version('connection-paths')}'",
            ),
            schema=sqlfiles.read("script", "schema.sql"),
            bookkeeping=sqlfiles.read("script", "bookkeeping.sql"),
        )
    ]
    for path in migrations() if chosen is None else chosen:
        pieces, is_alone = [], False
        for what, *names in migration_steps(path):
            if what == "host_index":  # built concurrently, so no step of this migration is in a transaction
                is_alone = True
                create, comment = sqlfiles.read("indexes", f"{names[0]}.sql").split(";\n\n")
                beside = create.replace(f"CONCURRENTLY {names[0]}", f"CONCURRENTLY {names[0]}{NEW}")
                pieces.append(_fill("host_index", name=names[0], new=NEW, create=beside, comment=comment))
            elif what == "host_triggers":
                is_alone = True
                pieces.append(_fill("host_triggers", create=_for_host(sqlfiles.read("triggers", f"{names[0]}.sql"))))
            else:
                pieces.append(_text(what, *names))
        body = "\n".join(pieces) if is_alone else "\n".join(["BEGIN;", *pieces])
        parts.append(_fill("migration", id=path.stem, hash=get_migration_hash(path.stem), body=body,
                           commit="" if is_alone else "COMMIT;"))  # fmt: skip
    text = translated("".join([*parts, _fill("end")]), schema)
    return text.replace(str(LOCK_KEY), str(lock_key(schema, LOCK_KEY)))


def extension(directory: Path) -> list[Path]:
    """Write the files that ``CREATE EXTENSION connection_paths`` needs into *directory*; returns them."""
    pieces: list[str] = []
    for path in migrations():
        pieces.append(f"-- {path.stem}")
        for what, *names in migration_steps(path):
            if what == "host_index":
                text = sqlfiles.read("indexes", f"{names[0]}.sql")
                depends = f"ALTER INDEX {sqlfiles.HOST_SCHEMA}.{names[0]} DEPENDS ON EXTENSION {EXTENSION};"
                text = text.replace("CREATE INDEX CONCURRENTLY", "CREATE INDEX IF NOT EXISTS")
                pieces.append(_executed(text, depends))
            elif what == "host_triggers":
                table = f"{sqlfiles.HOST_SCHEMA}.{names[0]}"
                depend = [f"ALTER TRIGGER {each} ON {table} DEPENDS ON EXTENSION {EXTENSION};" for each in TRIGGERS]
                pieces.append(_executed(sqlfiles.read("triggers", f"{names[0]}.sql"), *depend))
            elif what == "view":
                pieces.append(_executed(_text(what, *names)))
            else:
                pieces.append(_text(what, *names))
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
    )
    script = _fill(
        "extension",
        check=_check(),
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
    quoted = "quote_ident(current_setting('connection_paths.host_schema'))"
    return f"EXECUTE replace($create$\n{text}$create$, '{sqlfiles.HOST_SCHEMA}', {quoted});"


def _executed(*texts: str) -> str:
    """Return a statement that executes *texts* without psql, with the host schema filled in."""
    return _fill("executed", statement=_for_host("\n".join(texts)))


def _check() -> str:
    """Return the statement that raises where ``install`` would refuse."""
    values = {
        "host_schema": "current_setting('connection_paths.host_schema')",
        "tables": _array(TABLES),
        "triggers": _array(TRIGGERS),
        "indexes": _array(HOST_INDEXES),
    }
    rooms = {
        "host_problems": "host",
        "strange_schema": "install",
        "foreign_schema_owner": "install",
        "bound_host_schema": "install",
    }
    return _fill("check", **{name: _query(f"{room}/{name}", **values) for name, room in rooms.items()})


def _query(name: str, **values: str) -> str:
    """Return a query with SQL expressions for its parameters."""
    text = str(sqlfiles.query(name))
    if "%(" not in text:
        return text
    return re.sub(r"%\((\w+)\)s", lambda found: values[found[1]], text).replace("%%", "%")


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
