"""Settings of a role or a connection string do not change a sweep, and its files contain no secret."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.core.database import NEUTRAL, known
from orchestrator.sweep.measure.connection import MEASURED, Statements, TimedConnection
from orchestrator.sweep.measure.matrix import Matrix
from orchestrator.sweep.measure.sweep import sweep
from tests.support.properties import long
from tests.support.sweeps import QUICK

SET = {
    "statement_timeout": "500ms", "lock_timeout": "1ms", "idle_session_timeout": "500ms",
    "idle_in_transaction_session_timeout": "500ms", "transaction_timeout": "500ms", "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard", "bytea_output": "escape", "search_path": "nowhere",
    "default_transaction_read_only": "on", "default_transaction_isolation": "serializable",
    "quote_all_identifiers": "on", "jit": "on", "jit_above_cost": "0", "plan_cache_mode": "force_custom_plan",
    "app.secret": "MARKER",
}  # fmt: skip


@pytest.fixture(scope="module")
def sweeper(network: str) -> Iterator[str]:
    """The connection string of a superuser for whom everything is set otherwise."""
    with psycopg.connect(network, autocommit=True) as connection:
        connection.execute("CREATE ROLE sweeper LOGIN SUPERUSER")
        for name, value in known(SET, connection.info.server_version).items():
            connection.execute(f"ALTER ROLE sweeper SET {name} = '{value}'".encode())
        yield make_conninfo(network, user="sweeper")
        connection.execute("DROP ROLE sweeper")


def test_settings_of_a_role_and_a_connection_string_change_nothing(network: str, sweeper: str) -> None:
    given = make_conninfo(
        sweeper, application_name="mine", options=r"-c DateStyle=German -c app.name=two\ words -c statement_timeout=700"
    )
    matrix = Matrix(finders=("deep_finder", "find_paths"), depths=(2,), collections=(1,), targets=6)
    plain, odd = (sweep(dsn, matrix, QUICK) for dsn in (network, given))
    assert [cell.errors + cell.timeouts for cell in odd.cells] == [0, 0]
    assert list(odd.parity.values()) == list(plain.parity.values())
    names = [relation["relation"] for relation in odd.environment["relations"]]
    assert names == [relation["relation"] for relation in plain.environment["relations"]]

    expected = {**NEUTRAL, **MEASURED, "statement_timeout": "1500ms", "app.name": "two words"}
    with psycopg.connect(network) as connection:
        expected = known(expected, connection.info.server_version)
    columns = ", ".join(f"current_setting('{name}')" for name in expected)
    with closing(TimedConnection(given, 1.5)) as connection:
        connection.prepare(Statements([f"SELECT {columns}"], types=()))
        result = connection.call(0, ())
    found = dict(zip(expected, (result.get_value(0, column) for column in range(result.nfields)), strict=True))
    assert found == {name: value.encode() for name, value in expected.items()}


@pytest.fixture(scope="module")
def secretive(network: str) -> Iterator[None]:
    """A server with secrets in its settings, all of which a superuser may read."""
    with psycopg.connect(network, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET primary_conninfo = 'host=elsewhere password=MARKER'")
        connection.execute("ALTER SYSTEM SET restore_command = 'fetch --password MARKER'")
        connection.execute("SELECT pg_reload_conf()")
        yield
        connection.execute("ALTER SYSTEM RESET primary_conninfo")
        connection.execute("ALTER SYSTEM RESET restore_command")
        connection.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    ("place", "fails"),
    [
        long("connection string", False),
        ("service file", False),
        long("environment", True),
        long("service file", True),
    ],
)
def test_no_secret_appears(sweeper: str, secretive: None, tmp_path: Path, place: str, fails: bool) -> None:
    given = {name: str(value) for name, value in conninfo_to_dict(sweeper).items()}
    secrets = {"password": "MARKER % 1", "sslpassword": "MARKER", "options": "-c app.secret=MARKER"}
    if fails:
        secrets["options"] = "-c statement_timeout=MARKER"
    environment = {**os.environ, "PGPASSFILE": str(tmp_path / "passwords"), "ORCHESTRATOR_DSN": sweeper}
    (tmp_path / "passwords").write_text("*:*:*:*:MARKER\n")
    (tmp_path / "passwords").chmod(0o600)
    if place == "connection string":
        environment["ORCHESTRATOR_DSN"] = make_conninfo(sweeper, **secrets)
    elif place == "environment":
        environment |= {"PGPASSWORD": secrets["password"], "PGOPTIONS": secrets["options"]}
    else:
        lines = (f"{name}={value}" for name, value in {**given, **secrets}.items())
        (tmp_path / "services").write_text("\n".join(["[here]", *lines, ""]))
        environment |= {"ORCHESTRATOR_DSN": "service=here", "PGSERVICEFILE": str(tmp_path / "services")}
    command = [sys.executable, "-m", "orchestrator", "sweep", "--depth", "2", "--collection", "1", "--targets", "3",
               "--seconds", "0.3", "--blocks", "1", "--connections", "2", "--warmup", "0",
               "--output", str(tmp_path / "out")]  # fmt: skip
    titles = set()
    before = set(Path("/proc").glob("[0-9]*"))
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        while process.poll() is None:
            for started in set(Path("/proc").glob("[0-9]*")) - before:
                with suppress(OSError):
                    titles.add((started / "cmdline").read_bytes())
            time.sleep(0.05)
        assert process.stdout is not None
        printed = process.stdout.read()
    assert process.returncode == (1 if fails else 0), printed
    assert "MARKER" not in printed
    assert not any(b"MARKER" in title for title in titles)
    assert fails or any(b"multiprocessing.forkserver" in title for title in titles)  # the clients were seen
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert bool(written) is not fails
    assert not [path for path in written if b"MARKER" in path.read_bytes()]
