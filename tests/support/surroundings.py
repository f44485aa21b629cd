"""Environments of the package: settings, encodings, publications, variables. A test installs in each of them.

A :class:`Surrounding` is data. ``make`` builds a database with the application's tables in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.core import sqlfiles

_NUMBERS = count(1)


@dataclass(frozen=True)
class Surrounding:
    """One environment.

    ``encoding``     of the database
    ``settings``     of the database, for everybody who connects
    ``dsn``          parameters of the connection string
    ``environment``  variables of the process
    ``before``       SQL that a DBA runs before the installation
    ``after``        SQL that a DBA runs right after the installation
    ``doctor``       the exit status of ``doctor``: 3 where it is right to complain
    ``since``        the first version of PostgreSQL that has the setting
    """

    name: str
    encoding: str = "UTF8"
    settings: Mapping[str, str] = field(default_factory=dict)
    dsn: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    before: str = ""
    after: str = ""
    doctor: tuple[int, ...] = (0,)
    since: int = 15

    def __str__(self) -> str:
        return self.name


#: Settings whose meanings do not exclude each other.
ODD: Mapping[str, str] = {
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "quote_all_identifiers": "on",
    "extra_float_digits": "-15",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "TimeZone": "Pacific/Kiritimati",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "statement_timeout": "300ms",
    "lock_timeout": "1ms",
    "idle_session_timeout": "100ms",
    "idle_in_transaction_session_timeout": "100ms",
    "search_path": "nowhere",
    "client_encoding": "LATIN1",
    "client_min_messages": "debug1",
    "application_name": "somebody else",
    "plpgsql.variable_conflict": "error",
    "plpgsql.extra_errors": "shadowed_variables",
    "check_function_bodies": "off",
    "work_mem": "64kB",
    "synchronous_commit": "off",
    "jit": "on",
}

PUBLICATION = "CREATE PUBLICATION everything FOR ALL TABLES"

#: A few environments that cover every sort of setting; `make soak` uses all of :func:`everything`.
SHORT = (
    Surrounding("plain"),
    Surrounding("every odd setting", settings=ODD),
    Surrounding("LATIN1, published after", encoding="LATIN1", after=PUBLICATION),
    Surrounding("SQL_ASCII, published before", encoding="SQL_ASCII", before=PUBLICATION),
    Surrounding(
        "environment and connection string",
        dsn={"application_name": "an application", "options": "-c statement_timeout=200 -c DateStyle=SQL,DMY"},
        environment={"PGCLIENTENCODING": "LATIN9", "PGDATESTYLE": "Postgres, DMY", "PGTZ": "Asia/Tokyo"},
    ),
)


def everything() -> list[Surrounding]:
    """Return every environment; one for each unusual setting is among them."""
    return [
        *SHORT,
        *(Surrounding(f"{name} = {value}", settings={name: value}) for name, value in ODD.items()),
        *(Surrounding(f"isolation {level}", settings={"default_transaction_isolation": level})
          for level in ("repeatable read", "read uncommitted")),
        *(Surrounding(f"encoding {name}", encoding=name) for name in ("LATIN9", "EUC_JP", "WIN1252")),
        Surrounding("transaction_timeout", settings={"transaction_timeout": "300ms"}, since=17),
        *(Surrounding(f"DateStyle {style}", settings={"DateStyle": style})
          for style in ("SQL, DMY", "Postgres, MDY", "ISO, YMD")),
        *(Surrounding(f"search_path {path}", settings={"search_path": path}) for path in ("''", "public", "pg_temp")),
        *(Surrounding(f"{name} off", settings={name: "off"}, doctor=(0, 3))
          for name in ("enable_indexscan", "enable_indexonlyscan", "enable_nestloop", "enable_hashjoin")),
        *(Surrounding(f"plan_cache_mode {mode}", settings={"plan_cache_mode": mode})
          for mode in ("force_generic_plan", "force_custom_plan")),
        Surrounding("jit for everything", settings={"jit": "on", "jit_above_cost": "0"}),
        Surrounding("row_security off", settings={"row_security": "off"}),
        Surrounding("old strings", settings={"standard_conforming_strings": "off", "escape_string_warning": "off"}),
        Surrounding("published by schema", after="CREATE PUBLICATION ours FOR TABLES IN SCHEMA connection_paths"),
        Surrounding("PGOPTIONS", environment={"PGOPTIONS": "-c DateStyle=German -c search_path=nowhere"}),
        Surrounding("everything to everybody", before="ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC"),
    ]  # fmt: skip


def make(server: str, surrounding: Surrounding) -> tuple[str, str]:
    """Make a database of the surrounding with empty host tables.

    Returns two connection strings: the administrator's, and the one to give to commands.
    """
    name = f"surrounding_{next(_NUMBERS)}_{psycopg.connect(server).info.backend_pid}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'").format(
                sql.Identifier(name), sql.Literal(surrounding.encoding)
            )
        )
    plain = make_conninfo(server, dbname=name)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        if surrounding.before:
            connection.execute(surrounding.before.encode())
        for setting, value in surrounding.settings.items():
            literal = sql.SQL(value) if setting == "search_path" else sql.Literal(value)
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(sql.Identifier(name), sql.SQL(setting), literal)
            )
    # the administrator has the default settings
    undone = " ".join(f"-c {setting}={_CALM[setting]}" for setting in surrounding.settings if setting in _CALM)
    return make_conninfo(plain, options=undone), make_conninfo(plain, **surrounding.dsn)


_CALM = {
    "default_transaction_read_only": "off",
    "default_transaction_isolation": r"read\ committed",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "search_path": "public",
    "client_encoding": "UTF8",
    "DateStyle": "ISO",
}
