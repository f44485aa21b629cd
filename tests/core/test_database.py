"""Connections: the database that they lead to, the settings of their sessions, and the messages when they fail."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.core import database as opening
from orchestrator.core.database import connect, place, reading, resolved, stateless, transaction
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.schema import with_schema

MARK = "s3cr3t"


def refused(dsn: str) -> str:
    """Return the message about a connection string that cannot be used."""
    with pytest.raises(OrchestratorError) as caught:
        stateless(dsn)
    assert caught.value.__cause__ is None  # a traceback would show libpq's own words
    return str(caught.value)


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://u:%zz{MARK}@127.0.0.1:1/db", f"postgresql://u:a@{MARK}@127.0.0.1:1/db",
        f"postgresql://u:a/{MARK}@127.0.0.1:1/db", f"postgresql://u:a:{MARK}@127.0.0.1:1/db",
        f"postgresql://u:{MARK}/x@127.0.0.1:1/db", f"postgresql://u:a#{MARK}@127.0.0.1:1/db",
        f"postgresql://u:a?{MARK}@127.0.0.1:1/db", f"postgresql://u:a b{MARK}@127.0.0.1:1/db",
        f"host=127.0.0.1 port=1 password=a {MARK}", f"host=127.0.0.1 port=1 password=a {MARK}=x",
        f"host=127.0.0.1 port=1 password='a{MARK}", f"host=127.0.0.1 port=1 password={MARK}",
        f"host=127.0.0.1 port=1 sslpassword={MARK} sslkey=/nowhere", f"password={MARK}\\' host=127.0.0.1 port=1",
        f"port={MARK} host=127.0.0.1", f"{MARK}", f"postgresql://{MARK}%", f"postgresql://[{MARK}/db",
    ],
)  # fmt: skip
def test_messages_repeat_no_part_of_a_connection_string_that_may_be_a_password(dsn: str) -> None:
    assert MARK not in refused(dsn)


def test_messages_do_not_repeat_a_password_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", MARK)
    assert MARK not in refused(f"host=127.0.0.1 port=1 dbname={MARK}")


@contextmanager
def asking_for_a_password() -> Iterator[int]:
    """A server that asks every client for a password; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(1024)  # a request for TLS
                client.sendall(b"N")
                client.recv(1024)  # the startup packet
                client.sendall(b"R\0\0\0\x08\0\0\0\x03")  # cleartext password
                client.recv(1024)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def test_the_message_about_a_missing_password_says_where_to_put_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    with asking_for_a_password() as port:
        said = refused(f"host=127.0.0.1 port={port} user=u dbname=d gssencmode=disable")
    assert ".pgpass" in said
    assert "PGPASSWORD" in said


def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


@pytest.fixture
def ways(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, tuple[str, dict[str, str]]]:
    """Ways to name one database: connection string and environment. Another database has the name of the user."""
    without_variables(monkeypatch)
    given = {name: str(value) for name, value in conninfo_to_dict(new_database()).items()}
    service = tmp_path / "services"
    service.write_text("[app]\n" + "\n".join(f"{name}={value}" for name, value in given.items()) + "\n")
    variables = {f"PG{'DATABASE' if name == 'dbname' else name.upper()}": value for name, value in given.items()}
    files = {"PGSERVICEFILE": str(service)}
    without_name = {name: value for name, value in given.items() if name != "dbname"}
    return {
        "string": (make_conninfo(**given), {}),
        "variables": ("", variables),
        "name by variable": (make_conninfo(**without_name), {"PGDATABASE": given["dbname"]}),
        "service in the string": ("service=app", files),
        "service by variable": ("", {**files, "PGSERVICE": "app"}),
        "service and name": (f"service=app dbname={given['dbname']}", files),
        "hosts": (make_conninfo(**{**given, "host": f"/nowhere,{given['host']}"}), {}),
    }


def test_a_resolved_string_leads_to_the_same_database_in_any_environment(
    ways: dict[str, tuple[str, dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = None
    for way, (dsn, environment) in ways.items():
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            with connect(dsn) as connection:
                wanted = wanted or place(connection)
                assert place(connection) == wanted, way
                elsewhere = resolved(connection)
        with connect(elsewhere, at=wanted) as connection:  # the environment has changed since
            assert place(connection) == wanted, way


def test_a_second_connection_to_another_database_is_refused(new_database: Callable[[], str]) -> None:
    with connect(new_database()) as connection:
        here = place(connection)
    with pytest.raises(OrchestratorError, match="nothing was done"):
        connect(new_database(), at=here)


HABITS = (
    "-c search_path=public -c statement_timeout=1234 -c DateStyle=German -c default_transaction_read_only=on"
    " -c default_transaction_isolation=serializable -c quote_all_identifiers=on -c lock_timeout=5"
    " -c IntervalStyle=iso_8601 -c jit=on"
)  # fmt: skip
TOLD = "SELECT name, setting FROM pg_settings WHERE name = ANY (%s) ORDER BY name"


def test_settings_of_a_role_do_not_reach_a_session(database: str) -> None:
    names = [name for name in database_settings() if name != "transaction_timeout"]
    with psycopg.connect(database) as plain:
        defaults: dict[str, str] = dict(plain.execute(TOLD, (names,)).fetchall())
    with connect(make_conninfo(database, options=HABITS)) as connection:
        found: dict[str, str] = dict(connection.execute(TOLD, (names,)).fetchall())
    changed = {name for name in found if found[name] != defaults[name]}
    assert changed - {"jit"} == {"search_path", "application_name"}
    assert found["jit"] == "off"


def database_settings() -> list[str]:
    return list(opening.NEUTRAL)


def test_settings_of_a_role_do_not_reach_a_transaction_and_stay_in_the_session(database: str) -> None:
    dsn = make_conninfo(database, options=HABITS)
    names = list(database_settings())
    with stateless(dsn) as connection:
        before = connection.execute(TOLD, (names,)).fetchall()
        with transaction(connection, {"statement_timeout": "7s"}):
            inside: dict[str, str] = dict(connection.execute(TOLD, (names,)).fetchall())
        assert connection.execute(TOLD, (names,)).fetchall() == before
    assert (inside["statement_timeout"], inside["search_path"]) == ("7000", "pg_catalog, pg_temp")
    assert (inside["DateStyle"], inside["quote_all_identifiers"], inside["jit"]) == ("ISO, MDY", "off", "off")
    with reading(dsn) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("CREATE TABLE public.t ()")


@pytest.mark.parametrize("schema", ["connection_paths", "cp_other"])
@pytest.mark.parametrize("open_connection", [connect, stateless])
def test_a_commit_that_is_cancelled_leaves_no_transaction_open(
    database: str, monkeypatch: pytest.MonkeyPatch, open_connection: Callable[[str], psycopg.Connection], schema: str
) -> None:
    real = psycopg.Connection._exec_command

    def cancelled(connection: psycopg.Connection, command: bytes, *rest: Any) -> Any:
        text = b"SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(9)" if command == b"COMMIT" else command
        return real(connection, text, *rest)

    with open_connection(with_schema(database, schema)) as connection:
        for block in (lambda: transaction(connection), connection.transaction):
            with monkeypatch.context() as during:
                during.setattr(psycopg.Connection, "_exec_command", cancelled)
                with pytest.raises(psycopg.errors.QueryCanceled), block():
                    pass
            with block():
                assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_first_statement_of_a_session_has_the_closed_search_path(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("CREATE FUNCTION public.pg_backend_pid() RETURNS integer LANGUAGE sql AS 'SELECT 1/0'")
        owner.execute(
            "CREATE FUNCTION public.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT 1/0'"
        )
    dsn = make_conninfo(database, options="-c search_path=public,pg_catalog")
    connect(dsn).close()
    with reading(dsn) as connection:
        assert connection.execute("SELECT current_setting('search_path')").fetchone() == ("pg_catalog, pg_temp",)
