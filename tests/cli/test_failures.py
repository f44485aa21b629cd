"""A command that fails: one line, or JSON, and the exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.core import embedded
from orchestrator.install import installation
from tests.support.command_line import ASK, check_failed, run
from tests.support.properties import first_of
from tests.support.sessions import connect
from tests.support.waiting import until

NEED_INSTALL = (
    ("plan",),
    ("sync",),
    ("verify",),
    ("runs", "list"),
    ("runs", "show"),
    ("runs", "pause", "1"),
    ("sweep",),
)


@pytest.mark.parametrize(
    "command",
    [
        ("install",),
        ("uninstall", "--yes"),
        ("status",),
        ("seed", "synthetic", "--contacts", "1"),
        ("backfill",),
        ("doctor",),
        *NEED_INSTALL,
        ASK,
    ],
)
@pytest.mark.parametrize(
    ("dsn", "part"),
    [
        ("host=/nonexistent", "cannot connect"),
        ("host=127.0.0.1 port=1", "cannot connect"),
        ("host=nowhere.invalid", "cannot connect"),
        ("utter nonsense", "not a connection string"),
        ("postgresql://[", "not a connection string"),
        ("port=many", ""),
    ],
)
def test_no_server_is_one_line(command: tuple[str, ...], dsn: str, part: str) -> None:
    check_failed(run("--dsn", dsn, *command), part)


def test_a_wrong_password_is_one_line() -> None:
    with embedded.serve_temporarily() as (directory, dsn):
        with connect(dsn) as connection:
            connection.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
            rules = directory / "data" / "pg_hba.conf"
            rules.write_text("local all locked scram-sha-256\n" + rules.read_text())
            connection.execute("SELECT pg_reload_conf()")
        locked = make_conninfo(dsn, user="locked")
        until(lambda: "password" in run("--dsn", locked, "status").stderr)
        check_failed(run("--dsn", make_conninfo(locked, password="wrong"), "status"), "password")
        check_failed(run("--dsn", locked, "backfill"), "password")
        assert "not installed" in run("--dsn", make_conninfo(locked, password="right"), "status").stdout


@pytest.mark.parametrize(
    "command",
    [
        ("install",),
        ("uninstall", "--yes"),
        ("status",),
        ("seed", "synthetic", "--contacts", "1"),
        ("backfill",),
        *NEED_INSTALL,
        ASK,
    ],
)
def test_lacking_rights_is_one_line(small: str, stranger: str, command: tuple[str, ...]) -> None:
    check_failed(run("--dsn", make_conninfo(small, user=stranger), *command))


# plan works before an installation
@pytest.mark.parametrize("command", [("backfill",), ("doctor",), *NEED_INSTALL[1:], ASK])
def test_a_command_that_needs_an_install_says_so(host: str, command: tuple[str, ...]) -> None:
    check_failed(run("--dsn", host, *command), "orchestrator install")


@pytest.mark.parametrize("before", first_of(2, [True, False]))
def test_json_is_all_of_standard_output(database: str, tmp_path: Path, before: bool) -> None:
    def ask(*command: str) -> Any:
        words = ("--json", *command) if before else (*command, "--json")
        result = run("--dsn", database, *words)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    for table, header in {
        "contacts": "id,name",
        "organizations": "id,name",
        "contact_work_experiences": "id,contact_id,organization_id,company_name,date_from,date_to",
        "user_contact_collections": "user_id,contact_id,collection_id,source",
    }.items():
        (tmp_path / f"{table}.csv").write_text(f"{header}\n")
    assert set(ask("seed", "csv", str(tmp_path)).values()) == {0}
    assert ask("seed", "synthetic", "--contacts", "200")["contacts"] == 200
    assert len(ask("install")["applied"]) > 0
    assert ask("install") == {"applied": [], "repaired": [], "costs": [], "notes": []}
    assert ask("status")["healthy"] is True
    done = ask("backfill", "--no-throttle")
    assert done["edges_changed"] > 0
    assert (done["status"], done["set_aside"]) == ("succeeded", [])
    assert ask("backfill", "--no-throttle")["edges_changed"] == 0
    assert [each["run_id"] for each in ask("runs", "list")] == [2, 1]
    assert ask("runs", "show")["run"]["status"] == "succeeded"
    assert set(ask(*ASK)) >= {"impl", "total", "truncated", "complete", "paths"}
    assert len(ask("uninstall", "--yes")["removed"]) > 0


def test_with_json_a_failure_is_json(small: str, stranger: str) -> None:
    for command, kind, status in (
        ("paths 1 --collection 1 --viewer 1 --depth 9", "usage", 2),
        ("paths one", "usage", 2),
        ("runs", "usage", 2),
        ("nonsense", "usage", 2),
        ("status --nonsense", "usage", 2),
        ("uninstall", "usage", 2),
        ("install --host-schema nowhere", "failed", 1),
        ("--dsn host=/nonexistent status", "failed", 1),
        ("serve --host nowhere.invalid", "failed", 1),
        ("runs show 7", "failed", 1),
        ("plan", "server", 1),
    ):
        dsn = make_conninfo(small, user=stranger) if kind == "server" else small
        for words in (["--json", *command.split()], [*command.split(), "--json"]):
            result = run("--dsn", dsn, *words)
            told = json.loads(result.stdout)["error"]
            assert (result.stderr, result.exit_code) == ("", status)
            assert (told["kind"], told["exit_status"], "sqlstate" in told) == (kind, status, kind == "server")
            assert told["message"]


def test_status_fails_when_an_object_is_missing_or_not_valid(host: str) -> None:
    absent = run("--dsn", host, "status")
    assert (absent.exit_code, "orchestrator install" in absent.stdout) == (1, True)
    installation.install(host)
    assert run("--dsn", host, "status").exit_code == 0
    with connect(host) as connection:
        name = "idx_members_by_collection"
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", (name,))
        invalid = run("--dsn", host, "status")
        assert (invalid.exit_code, "INVALID" in invalid.stdout) == (1, True)
        connection.execute("DROP INDEX idx_members_by_collection")
    missing = run("--dsn", host, "--json", "status")
    found = json.loads(missing.stdout)
    assert (missing.exit_code, found["healthy"]) == (1, False)
    assert [index["name"] for index in found["indexes"] if index["valid"] is None] == [name]


@pytest.mark.parametrize(
    "words", [("--kind", b"\xff"), ("--kind", b"caf\xe9"), ("--schema", b"\xfe"), ("--dsn", b"dbname=\xff")]
)
@pytest.mark.parametrize("as_json", first_of(2, [False, True]))
def test_an_argument_that_is_no_text_is_one_line(small: str, words: tuple[str, bytes], as_json: bool) -> None:
    command: list[str | bytes] = [*ASK, "--dsn", small, *words, *["--json"] * as_json]
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", *map(os.fsencode, command)], capture_output=True, text=True, check=False
    )
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    if as_json:
        assert json.loads(done.stdout)["error"]["message"]
    else:
        assert done.stderr.count("\n") <= 4
