"""All connections of a command lead to the same database, whatever way it was named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.core import sqlfiles
from tests.support.command_line import run
from tests.support.properties import first_of
from tests.support.sessions import connect


class Servers(NamedTuple):
    """Two databases of one server. ``other`` has the name of the role, which is what libpq takes when none is given."""

    host: str
    port: str
    user: str
    app: str
    other: str
    service_file: str


@pytest.fixture(scope="module")
def servers(
    server: str, new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Servers]:
    given = conninfo_to_dict(server)
    user = f"connection_paths_places_{os.getpid()}"
    with connect(server) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN SUPERUSER").format(sql.Identifier(user)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(user)))
        host, port = connection.info.host, str(connection.info.port)
    app = str(conninfo_to_dict(new_database())["dbname"])
    for name in (app, user):
        with connect(make_conninfo(server, dbname=name)) as connection:
            connection.execute(sqlfiles.query("install/demo_tables"))
    file = tmp_path_factory.mktemp("service") / "pg_service.conf"
    password = f"password={given['password']}\n" if given.get("password") else ""
    file.write_text(f"[app]\nhost={host}\nport={port}\nuser={user}\ndbname={app}\n{password}")
    yield Servers(host, port, user, app, user, str(file))
    with connect(server) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(user)))
        connection.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(sql.Identifier(user), sql.Identifier(user)))


def ways(s: Servers) -> dict[str, tuple[str, dict[str, str], str]]:
    """Return the ways to name a database: the connection string, the environment, and the expected database."""
    at = f"host={s.host} port={s.port}"
    env = {"PGHOST": s.host, "PGPORT": s.port}
    return {
        "PGUSER and PGDATABASE": ("", {**env, "PGUSER": s.user, "PGDATABASE": s.app}, s.app),
        "PGDATABASE alone, and PGOPTIONS": (
            f"{at} user={s.user}",
            {
                "PGDATABASE": s.app,
                "PGOPTIONS": "-c search_path=pg_temp -c default_transaction_read_only=on -c datestyle=german",
            },
            s.app,
        ),
        "PGSERVICE": ("", {"PGSERVICEFILE": s.service_file, "PGSERVICE": "app"}, s.app),
        "a service, and another PGDATABASE": (
            "service=app",
            {"PGSERVICEFILE": s.service_file, "PGDATABASE": s.other},
            s.app,
        ),
        "no database": (f"{at} user={s.user}", {}, s.other),
        "a URI with several hosts": (
            f"postgresql://{s.user}@/{s.app}?host=/nowhere,{quote(s.host, safe='')}&port={s.port},{s.port}"
            "&target_session_attrs=read-write",
            {},
            s.app,
        ),
    }


WAYS = tuple(ways(Servers("", "", "", "", "", "")))


def left(server: str, name: str) -> tuple[bool, int]:
    """Return whether a database has the package, and how many tables of yoyo are in other schemas."""
    with connect(make_conninfo(server, dbname=name)) as connection:
        row = connection.execute(
            "SELECT to_regclass('connection_paths.contact_connections') IS NOT NULL,"
            " (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname LIKE '%yoyo%')"
        ).fetchone()
    assert row is not None
    return (row[0], row[1])


@pytest.mark.parametrize("way", first_of(len(WAYS), WAYS))
def test_every_command_acts_in_the_same_database(
    server: str, servers: Servers, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn, environment, meant = ways(servers)[way]
    (elsewhere,) = {servers.app, servers.other} - {meant}
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def do(*words: str, status: int = 0) -> None:
        result = run("--dsn", dsn, *words)
        assert result.exit_code == status, result.output

    do("install")
    with psycopg.connect(dsn) as connection:
        assert connection.info.dbname == meant
    if "service" in dsn or "://" in dsn:  # it names the database, so the environment does not matter
        monkeypatch.setenv("PGDATABASE", elsewhere)
    assert (left(server, meant), left(server, elsewhere)) == ((True, 0), (False, 0))
    do("status")
    do("backfill", "--no-throttle")
    do("sync")
    do("plan")
    do("doctor")
    do("install")
    assert (left(server, meant), left(server, elsewhere)) == ((True, 0), (False, 0))
    do("uninstall", "--yes")
    assert (left(server, meant), left(server, elsewhere)) == ((False, 0), (False, 0))


def test_another_installation_is_left_alone(server: str, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both databases have the package, and uninstall must remove it from one of them only."""
    for name, value in ways(servers)["PGUSER and PGDATABASE"][1].items():
        monkeypatch.setenv(name, value)
    other = make_conninfo(server, dbname=servers.other)
    assert run("--dsn", other, "install").exit_code == 0
    assert run("--dsn", "", "install").exit_code == 0
    assert run("--dsn", "", "uninstall", "--yes").exit_code == 0
    assert left(server, servers.app) == (False, 0)
    assert left(server, servers.other) == (True, 0)
    assert run("--dsn", other, "uninstall", "--yes").exit_code == 0
