"""A full disk behind standard output, a session that ends: one line says so, and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import finish, start
from tests.support.sessions import connect, value
from tests.support.waiting import eventually


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", ["status", "status --json", "plan", "script", "--help", "runs list"])
def test_output_to_a_full_disk(small: str, command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", *command.split()],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, env={**os.environ, "ORCHESTRATOR_DSN": small},
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "Error: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("command", ["sync", "status", "install", "organizations list"])
def test_a_session_that_is_ended(small: str, command: str) -> None:
    """It waits for a lock when an administrator ends it."""
    others = "a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.wait_event_type = 'Lock'"
    with connect(small) as connection, connection.transaction():
        connection.execute("LOCK TABLE connection_paths.installation")
        process = start("--dsn", small, *command.split())
        try:
            eventually(connection, "SELECT EXISTS (SELECT pg_stat_clear_snapshot() FROM pg_locks WHERE NOT granted)")
            assert (
                value(
                    connection, f"SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity AS a WHERE {others}"
                )
                > 0
            )
        finally:
            code, _, err = finish(process)
    assert code == 1
    assert err.endswith(". Finished work is kept. Run the same command again.\n"), err
    assert "error ignored" not in err
    assert "Traceback" not in err
