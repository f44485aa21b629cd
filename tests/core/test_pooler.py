"""Through pgbouncer in transaction mode: reading commands leave nothing in its session, others refuse at once.

The pool has one session, so the application gets every setting that a command leaves in it.
"""

from __future__ import annotations

import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator import cli
from orchestrator.core import embedded, sqlfiles
from orchestrator.core.database import Connection
from orchestrator.install.installation import install

pytestmark = pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="pgbouncer is not installed")

READING = (
    ("status",), ("plan",), ("verify", "--sample", "10"), ("doctor",), ("runs", "list"), ("runs", "show"),
    ("paths", "2", "--collection", "1", "--viewer", "1"),
)  # fmt: skip
REFUSING = (
    ("install",), ("uninstall", "--yes"), ("backfill", "--no-throttle"), ("sync",), ("runs", "cancel", "1"),
    ("runs", "set", "1", "--workers", "1"), ("seed", "synthetic", "--contacts", "5"), ("sweep", "--seconds", "0.1"),
)  # fmt: skip
LEFT = """
SELECT s.name, s.setting FROM pg_catalog.pg_settings AS s WHERE s.source = 'session'
UNION ALL SELECT 'prepared', p.name FROM pg_catalog.pg_prepared_statements AS p
UNION ALL SELECT 'listening', c FROM pg_catalog.pg_listening_channels() AS c
UNION ALL SELECT 'locked', l.locktype FROM pg_catalog.pg_locks AS l
    WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'advisory'
ORDER BY 1, 2
"""


@contextmanager
def pgbouncer(dsn: str) -> Iterator[str]:
    """Run one in front of the server of *dsn*, on a socket of its own; yields the connection string through it."""
    given = {key: str(value) for key, value in conninfo_to_dict(dsn).items()}
    account = embedded.server_account()
    with tempfile.TemporaryDirectory(prefix="cp-", ignore_cleanup_errors=True) as directory:
        folder = Path(directory)
        upstream = f"host={given['host']} port={given.get('port', 5432)}"
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = {upstream}\n[pgbouncer]\nunix_socket_dir = {folder}\nlisten_port = 6432\n"
            f"auth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = 1\n"
            f"logfile = {folder}/log\npidfile = {folder}/pid\nignore_startup_parameters = extra_float_digits\n"
        )
        (folder / "users").write_text(f'"{given.get("user", "postgres")}" ""\n')
        if account is not None:
            for path in (folder, folder / "pgbouncer.ini", folder / "users"):
                shutil.chown(path, account, pwd.getpwnam(account).pw_gid)
        process = subprocess.Popen(
            ["pgbouncer", "-q", str(folder / "pgbouncer.ini")], user=account, cwd="/", stderr=subprocess.DEVNULL
        )
        try:
            pooled = make_conninfo(dsn, host=directory, port=6432)
            _await(pooled)
            yield pooled
        finally:
            process.terminate()
            process.wait()


def _await(pooled: str) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            psycopg.connect(pooled).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "pgbouncer did not start"
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="module")
def pooled(new_database: Callable[[], str]) -> Iterator[str]:
    """A database with the package and a finished run, behind a pool of one session."""
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        connection.execute("INSERT INTO public.contacts SELECT i, 'contact ' || i FROM generate_series(1, 9) AS i")
        connection.execute("INSERT INTO public.organizations VALUES (1, 'one')")
        connection.execute(
            "INSERT INTO public.contact_work_experiences (id, contact_id, organization_id, date_from)"
            " SELECT i, i, 1, '2020-01-01' FROM generate_series(1, 9) AS i"
        )
        connection.execute("INSERT INTO public.user_contact_collections VALUES (1, 1, 1, 0)")
    install(dsn)
    assert run(dsn, "backfill", "--no-throttle").exit_code == 0
    with pgbouncer(dsn) as through:
        yield through


def run(dsn: str, *command: str) -> Result:
    return CliRunner().invoke(cli.main, command, env={"ORCHESTRATOR_DSN": dsn})


@contextmanager
def application(pooled: str) -> Iterator[Connection]:
    with psycopg.connect(pooled, autocommit=True) as connection:
        connection.prepare_threshold = None
        yield connection


def left(pooled: str) -> list[tuple[Any, ...]]:
    """Return what a client of the pool finds in the session that it is given."""
    with application(pooled) as connection:
        return connection.execute(LEFT).fetchall()


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_reading_command_works_and_leaves_nothing(pooled: str, command: tuple[str, ...]) -> None:
    before = left(pooled)
    result = run(pooled, *command)
    assert result.exit_code in ((0, 3) if command == ("doctor",) else (0,)), result.output
    assert left(pooled) == before
    with application(pooled) as connection:  # it writes, and finds its tables without a schema
        connection.execute("UPDATE contacts SET name = name WHERE id = 1")


@pytest.mark.parametrize("command", REFUSING, ids=" ".join)
def test_a_command_that_needs_a_session_refuses_and_leaves_nothing(pooled: str, command: tuple[str, ...]) -> None:
    before = left(pooled)
    result = run(pooled, *command)
    assert result.exit_code == 1
    assert "goes through a pooler" in result.output
    assert result.output.count("\n") == 1
    assert left(pooled) == before
