"""``--embedded``: its directory, and the private server, which ends with its last command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from orchestrator.core import embedded
from tests.support.command_line import finish, processes_of, run, start
from tests.support.sessions import connect
from tests.support.waiting import until


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("--embedded status --json", None),
        ("--embedded --json status", None),
        ("status --json --embedded", None),
        ("status --embedded --json", None),
        ("--embedded seed synthetic --contacts 1 --replace --yes --json", None),
        ("seed --embedded synthetic --contacts 1 --replace --yes --json", None),
        ("--embedded=/x/y status --json", "/x/y"),
        ("--embedded /x/y status --json", "/x/y"),
        ("status --embedded=/x/y --json", "/x/y"),
    ],
)
def test_embedded_without_a_directory_takes_no_other_word(
    host: str, monkeypatch: pytest.MonkeyPatch, words: str, given: str | None
) -> None:
    asked: list[Path] = []

    @contextmanager
    def serve(directory: Path) -> Iterator[str]:
        asked.append(directory)
        yield host

    monkeypatch.setattr(embedded, "serve", serve)
    result = run(*words.split())
    assert asked == [Path(given) if given else embedded.default_directory()], result.stderr
    assert json.loads(result.stdout)


def test_a_server_that_does_not_stop_fast_is_stopped_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It simulates PostgreSQL 18, which may wait for its checkpointer for ever when it is stopped during recovery."""
    deaf = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        " signal.signal(signal.SIGQUIT, signal.SIG_DFL);"  # a shell makes background jobs ignore it
        " print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        monkeypatch.setattr(embedded, "_start_server", lambda *_: server)
        monkeypatch.setattr(embedded, "_STOP_TIMEOUT", 0.2)
        embedded._keep(tmp_path, tmp_path, None, {})
        assert server.returncode == -signal.SIGQUIT


def test_an_embedded_server_lasts_as_long_as_its_command(directory: Path) -> None:
    option = f"--embedded={directory}"
    code, out, err = finish(start(option, "status"))
    assert (code, "not installed" in out) == (1, True), err
    until(lambda: not processes_of(directory))
    for command in (("seed", "synthetic", "--contacts", "10"), ("install",), ("status",)):
        code, _, err = finish(start(option, *command))
        assert code == 0, err


def test_an_embedded_server_stops_when_its_command_is_killed(directory: Path) -> None:
    process = start(f"--embedded={directory}", "seed", "synthetic", "--contacts", "500000")

    def seeding() -> bool:
        try:
            with psycopg.connect(f"host={directory / 'run'} user=postgres") as connection:
                query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%'"
                return connection.execute(query).fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    until(seeding, 30)
    server = int((directory / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
    process.kill()
    process.communicate()
    until(lambda: not Path(f"/proc/{server}").exists() and not processes_of(directory))
    code, _, err = finish(start(f"--embedded={directory}", "seed", "synthetic", "--contacts", "10"))
    assert code == 0, err


def test_a_server_whose_keeper_was_killed_is_replaced(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")  # ps must not shorten its lines to the width of a terminal
    with embedded.serve(directory):
        orphan = (directory / "data" / "postmaster.pid").read_text()
        os.kill(int((directory / "keeper.pid").read_text()), signal.SIGKILL)
        embedded.stop(directory)  # returns when the killed keeper no longer holds its lock
    assert processes_of(directory)
    with embedded.serve(directory) as dsn, connect(dsn) as connection:
        assert (directory / "data" / "postmaster.pid").read_text() != orphan
        assert connection.execute("SELECT 1").fetchone() == (1,)


MARKER = "s3cretMarker"


def test_a_private_server_inherits_no_secret(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPASSWORD": MARKER, "ORCHESTRATOR_DSN": f"password={MARKER}", "PGPORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with embedded.serve(directory) as dsn, connect(dsn) as connection:
        server = int((directory / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
        pids = [server, int((directory / "keeper.pid").read_text()), connection.info.backend_pid]
        for pid in pids:
            for file in ("environ", "cmdline"):
                assert MARKER.encode() not in Path(f"/proc/{pid}/{file}").read_bytes()
