"""The command line: exit statuses, one line for each failure, JSON, Ctrl-C, and no server left behind."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator import cli
from orchestrator.cli import demo, runs
from orchestrator.cli import seed as seed_command
from orchestrator.cli.screen import SafeTable, Screen
from orchestrator.core import embedded, text
from orchestrator.finders import paths
from orchestrator.install import installation
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic
from tests.support.command_line import check_error, check_failed, finish, run, start
from tests.support.datasets import BASEBALL, needs_baseball
from tests.support.sessions import connect
from tests.support.waiting import until

COMMANDS = (
    *("install", "uninstall", "status", "seed", "seed csv", "seed synthetic", "backfill", "paths", "demo"),
    *("plan", "sync", "verify", "doctor", "runs", "runs list", "runs show", "runs pause", "runs resume"),
    *("runs cancel", "runs set", "sweep", "compare", "serve", "script", "detach", "attach"),
)
IN_PLACE = ("backfill", "--strategy", "in_place", "--no-throttle", "--batch-edges", "500")
NEED_INSTALL = (
    ("plan",),
    ("sync",),
    ("verify",),
    ("runs", "list"),
    ("runs", "show"),
    ("runs", "pause", "1"),
    ("sweep",),
)
ASK = ("paths", "2", "--collection", "9", "--viewer", "7")
EDGES = """
SELECT contact_a_id, contact_b_id, kind, organization_id, date_from, date_to
FROM connection_paths.contact_connections ORDER BY 1, 2, 3
"""
NewDatabase = Callable[[], str]


def processes_of(directory: Path) -> list[str]:
    """Return the command lines that mention a directory: its keeper and its server."""
    shown = subprocess.run(["ps", "-ww", "-eo", "command="], capture_output=True, text=True, check=True).stdout
    return [line for line in shown.splitlines() if str(directory) in line]


def edges(dsn: str) -> list[tuple[Any, ...]]:
    with connect(dsn) as connection:
        return connection.execute(EDGES).fetchall()


def sessions(connection: psycopg.Connection[Any]) -> int:
    """Count the sessions of commands in the database."""
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND application_name = 'orchestrator'"
    ).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def synthetic(dsn: str, contacts: int) -> Iterator[psycopg.Connection[Any]]:
    """Fill the host tables and install; yields a connection."""
    with connect(dsn) as connection:
        seed.load(connection, "public", seed_synthetic.tables(contacts, 1), replace=True)
        installation.install(dsn)
        yield connection


@pytest.fixture
def small(installed_host: str) -> str:
    """The connection string of a database with a small world, installed: two pairs of colleagues."""
    with connect(installed_host) as connection:
        connection.execute("INSERT INTO contacts VALUES (1, 'Ana [bold]'), (2, 'Ben'), (3, 'Cid'), (4, 'Dot')")
        connection.execute("INSERT INTO organizations VALUES (1, 'Acme'), (2, 'Bolt')")
        connection.execute(
            "INSERT INTO contact_work_experiences VALUES"
            " (1, 1, 1, '', '2019-03-01'), (2, 2, 1, '', '2018-01-01'),"
            " (3, 3, 2, '', '2018-01-01'), (4, 4, 2, '', '2018-01-01')"
        )
        connection.execute("INSERT INTO user_contact_collections VALUES (7, 1, 9, 1), (8, 1, 9, 1)")
    return installed_host


@pytest.fixture
def directory() -> Iterator[Path]:
    """A temporary directory that the server's account can reach, by a short path."""
    made = Path(tempfile.mkdtemp(prefix="cp-"))
    made.chmod(0o777)
    yield made
    until(lambda: not processes_of(made))
    shutil.rmtree(made)


@pytest.fixture
def stranger(server: str) -> Iterator[str]:
    """A role that may log in and no more."""
    name = f"connection_paths_stranger_{os.getpid()}"
    with connect(server) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.mark.parametrize("group", ["", "runs", "seed", "--json", "--embedded", "runs --json", "seed --embedded"])
def test_a_group_alone_shows_its_help(group: str) -> None:
    result = run(*group.split())
    assert (result.exit_code, result.exception.__class__) in ((0, type(None)), (2, SystemExit))
    assert "Usage: " in result.output or "usage" in result.output
    if not group.endswith(("json", "embedded")):
        assert "Commands:" in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        ("", "", ["backfill", "runs", "status"]),
        ("", "ru", ["runs"]),
        ("--json", "st", ["status"]),
        ("--embedded", "st", ["status"]),
        ("--embedded=/x", "ins", ["install"]),
        ("--dsn x", "unin", ["uninstall"]),
        ("runs", "", ["list", "show", "pause", "resume", "cancel", "set"]),
        ("runs --json", "sh", ["show"]),
        ("seed", "", ["csv", "synthetic"]),
        ("seed csv", "--rep", ["--replace"]),
        ("paths 1", "--de", ["--depth"]),
        ("paths 1 --scope", "", ["any", "importer"]),
        ("backfill --strategy", "in", ["in_place"]),
        ("runs set 1", "--any", ["--any-workers"]),
        ("status", "--em", ["--embedded"]),
    ],
)
def test_a_shell_completes(shell: str, words: str, incomplete: str, expected: list[str]) -> None:
    typed = ["orchestrator", *words.split(), incomplete]
    position = incomplete if shell == "fish" else str(len(typed) - 1)
    asked = {"_ORCHESTRATOR_COMPLETE": f"{shell}_complete", "COMP_WORDS": " ".join(typed), "COMP_CWORD": position}
    result = CliRunner().invoke(cli.main, [], env=asked, prog_name="orchestrator")
    assert (result.exit_code, result.stderr) == (0, "")
    offered = re.split(r"[\n,\t]", result.stdout)
    assert set(expected) <= set(offered)
    assert not {name for name in cli.main.commands if not name.startswith(incomplete)} & set(offered)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    asked = {"_ORCHESTRATOR_COMPLETE": f"{shell}_source"}
    result = CliRunner().invoke(cli.main, [], env=asked, prog_name="orchestrator")
    assert (result.exit_code, "_orchestrator_completion" in result.stdout) == (0, True)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(command: str) -> None:
    for option in ("--help", "-h"):
        result = run(*command.split(), option)
        assert result.exit_code == 0
        assert all(shared in result.stdout for shared in ("--dsn", "--embedded", "--json"))


def test_the_list_of_commands_here_is_whole() -> None:
    nested = [f"seed {name}" for name in seed_command.command.commands]
    nested += [f"runs {name}" for name in runs.command.commands]
    assert sorted([*cli.main.commands, *nested]) == sorted(COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        "--nonsense",
        "nonsense",
        "status --nonsense",
        "status surplus",
        "--dsn x --embedded status",
        "--dsn x status --embedded",
        "--embedded=x status --dsn x",
        "status --dsn",
        "seed csv",
        "seed csv /nonexistent",
        "seed synthetic",
        "seed synthetic --contacts many",
        "seed synthetic --contacts -1",
        "backfill --workers 0",
        "paths",
        "paths 1",
        "paths one --collection 1 --viewer 1",
        "paths 1 --collection 1",
        "demo --contacts 10",
        "backfill --batch-timeout nan",
        "backfill --slowdown inf",
        "verify --objective nan",
        "plan --seed 9223372036854775808",
        "runs show 0",
        "runs cancel 9223372036854775808",
        "paths 9223372036854775808 --collection 1 --viewer 1",
        *(
            f"paths 1 --collection 1 --viewer 1 {wrong}"
            for wrong in (
                "--depth 0",
                "--depth 9",
                "--max-paths 0",
                "--max-paths 1001",
                "--scope team",
                "--impl v3",
                "--time-budget 0",
                "--time-budget 2147483648",
                "--exclude x",
                "--max-edges 0",
                "--viewer 9223372036854775808",
            )
        ),
    ],
)
def test_usage_errors_are_status_2(arguments: str) -> None:
    result = run(*arguments.split())
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert "Traceback" not in result.stderr


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


def test_a_backfill_survives_the_loss_of_its_connections(host: str) -> None:
    with synthetic(host, 1500) as connection:
        process = start("--dsn", host, *IN_PLACE)
        until(lambda: connection.execute(EDGES).rowcount > 0)
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    code, out, err = finish(process)
    assert (code, "succeeded" in out) == (0, True), err


@pytest.mark.parametrize("command", [("backfill",), ("doctor",), *NEED_INSTALL, ASK])
def test_what_needs_an_install_says_so(host: str, command: tuple[str, ...]) -> None:
    check_failed(run("--dsn", host, *command), "orchestrator install")


@pytest.mark.parametrize("before", [True, False])
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
    assert ask("install") == {"applied": [], "mended": []}
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


def test_json_may_stand_between_a_group_and_its_command(database: str) -> None:
    result = run("seed", "--json", "synthetic", "--contacts", "10", "--dsn", database)
    assert json.loads(result.stdout)["contacts"] == 10


def test_status_fails_unless_all_is_there_and_valid(host: str) -> None:
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


def test_ctrl_c_ends_a_backfill_that_running_again_completes(host: str) -> None:
    with synthetic(host, 1500) as connection:
        backfill(host, BackfillOptions(workers=2, limits=None))
        whole = edges(host)
        connection.execute("TRUNCATE connection_paths.contact_connections")
        process = start("--dsn", host, *IN_PLACE)
        until(lambda: connection.execute(EDGES).rowcount > 0)
        process.send_signal(signal.SIGINT)
        check_error(*finish(process, 10), "Stopped. Finished work is kept.")
        until(lambda: sessions(connection) == 0, 5)
        assert 0 < len(edges(host)) < len(whole)
        again = run("--dsn", host, "backfill", "--no-throttle")
        assert again.exit_code == 0
        assert "Run 2 succeeded" in again.stdout  # the same run goes on
        assert edges(host) == whole


def test_ctrl_c_cancels_the_calls_under_way(small: str) -> None:
    with psycopg.connect(small, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(120); RETURN NEW; END $$;"
            "CREATE TRIGGER dawdle BEFORE INSERT ON connection_paths.contact_connections"
            " FOR EACH ROW EXECUTE FUNCTION dawdle()"
        )
        process = start("--dsn", small, *IN_PLACE)
        sleeping = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        until(lambda: connection.execute(sleeping).rowcount > 0)
        process.send_signal(signal.SIGINT)
        check_error(*finish(process, 10), "Stopped. Finished work is kept.")
        until(lambda: sessions(connection) == 0, 5)
        process = start("--dsn", small, "--json", *IN_PLACE)
        until(lambda: connection.execute(sleeping).rowcount > 0)
        process.send_signal(signal.SIGINT)
        code, out, err = finish(process, 10)
        assert (code, json.loads(out)["error"]["kind"], err) == (1, "interrupted", "")


def test_a_failing_contact_is_told_and_the_others_are_done(small: str) -> None:
    with connect(small) as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'not this one'; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON connection_paths.contact_connections"
            " FOR EACH ROW WHEN (NEW.contact_a_id = 1) EXECUTE FUNCTION refuse()"
        )
    told = run("--dsn", small, *IN_PLACE)
    assert told.exit_code == 1
    assert "Run 1 succeeded with exceptions" in told.stdout
    assert "contact 1: not this one" in told.stdout
    assert "Traceback" not in told.stderr
    assert [row[:2] for row in edges(small)] == [(3, 4)]
    result = run("--dsn", small, "--json", *IN_PLACE)
    shown = json.loads(result.stdout)
    assert (result.exit_code, [row["contact_id"] for row in shown["set_aside"]]) == (1, [1])


def test_two_backfills_at_once_end_as_one(host: str) -> None:
    with synthetic(host, 1500) as connection:
        backfill(host, BackfillOptions(workers=2, limits=None))
        whole = edges(host)
        connection.execute("TRUNCATE connection_paths.contact_connections")
        ends = [finish(process) for process in [start("--dsn", host, "backfill", "--no-throttle") for _ in range(2)]]
        assert [code for code, _, _ in ends] == [0, 0], ends
        assert edges(host) == whole


def test_paths_names_people_and_says_how_they_know_each_other(small: str) -> None:
    assert "No path to Ben" in run("--dsn", small, *ASK).stdout
    run("--dsn", small, "backfill", "--no-throttle")
    told = run("--dsn", small, *ASK).stdout
    assert "1. you, user 8 → Ana [bold] → Ben\n" in told
    assert "Ana [bold] knows Ben: both worked at Acme, since 2019-03\n" in told


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
def test_a_bare_embedded_swallows_no_word(
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
    """In place of one that waits for its checkpointer for ever: PostgreSQL 18 does, told to stop during recovery."""
    deaf = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        " signal.signal(signal.SIGQUIT, signal.SIG_DFL);"  # in the background of a script a shell has it ignored
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
    monkeypatch.setenv("COLUMNS", "80")  # a terminal's width must not shorten what ps says of a process
    with embedded.serve(directory):
        orphan = (directory / "data" / "postmaster.pid").read_text()
        os.kill(int((directory / "keeper.pid").read_text()), signal.SIGKILL)
        embedded.stop(directory)  # returns when the keeper, killed, has let go of its lock
    assert processes_of(directory)
    with embedded.serve(directory) as dsn, connect(dsn) as connection:
        assert (directory / "data" / "postmaster.pid").read_text() != orphan
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_demo_leaves_only_its_report_behind(directory: Path) -> None:
    code, out, err = finish(start("demo", "--contacts", "1000", TMPDIR=str(directory)), 120)
    assert code == 0, err
    assert "→" in out
    assert [path.name for path in directory.rglob("*.html")] == ["report.html"]
    assert f"Report: {next(directory.rglob('*.html'))}" in out
    assert len(list(directory.iterdir())) == 1
    assert processes_of(directory) == []


@pytest.mark.slow
@needs_baseball
def test_baseball_has_exactly_its_edges(database: str) -> None:
    def ask(*command: str) -> Any:
        code, out, err = finish(start("--dsn", database, "--json", *command), 300)
        assert code == 0, err
        return json.loads(out)

    ask("seed", "csv", str(BASEBALL))
    ask("install")
    ask("backfill", "--no-throttle")
    with connect(database) as connection:
        count = connection.execute("SELECT count(*) FROM connection_paths.contact_connections").fetchone()
        degree = connection.execute(
            "SELECT max(degree) FROM (SELECT count(*) AS degree FROM connection_paths.contact_connections"
            " CROSS JOIN LATERAL (VALUES (contact_a_id), (contact_b_id)) AS ends (contact_id)"
            " GROUP BY ends.contact_id) AS degrees"
        ).fetchone()
    assert (count, degree) == ((1_468_551,), (903,))
    assert ask("backfill", "--no-throttle")["edges_changed"] == 0
    assert [each["run_id"] for each in ask("runs", "list")] == [2, 1]
    assert ask("runs", "show")["run"]["status"] == "succeeded"


def test_what_a_database_holds_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    name = "Acme [in liquidation] [/x] :rocket:"
    table = SafeTable("name")
    table.add_row(name)
    Screen().say(name, table)
    Screen(as_json=True).result({"name": name})
    assert capsys.readouterr().out.count(name) == 3


# What destroys asks.


def ask_on_a_terminal(answer: str, *arguments: str) -> tuple[int, str, str]:
    """Run a command whose standard input is a terminal on which somebody types *answer*."""
    typing, terminal = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *arguments],
            stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        os.write(typing, f"{answer}\n".encode())
        return finish(process)
    finally:
        os.close(typing)
        os.close(terminal)


def test_nothing_is_removed_unasked(small: str) -> None:
    for arguments in (("uninstall",), ("seed", "synthetic", "--contacts", "10", "--replace")):
        for options in ((), ("--json",)):
            result = run("--dsn", small, *arguments, *options)
            assert (result.exit_code, "--yes" in result.output) == (2, True)
    with connect(small) as connection:
        assert connection.execute("SELECT count(*) FROM contacts").fetchone() == (4,)
    assert run("--dsn", small, "status").exit_code == 0


def test_an_uninstall_says_what_else_goes(small: str) -> None:
    with connect(small) as connection:
        connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'friend'")
        connection.execute("INSERT INTO connection_paths.contact_connections VALUES (1, 2, 'friend'), (1, 3, 'friend')")
        connection.execute("INSERT INTO connection_paths.do_not_ask VALUES (9, 1)")
        connection.execute("INSERT INTO connection_paths.finder_rollout VALUES (9, 'v1')")
    assert run("--dsn", small, *IN_PLACE).exit_code == 0
    code, out, err = ask_on_a_terminal("n", "--dsn", small, "uninstall")
    assert (code, out) == (1, "")
    for part in ("2 of the application's own kinds", "1 rows of do_not_ask", "1 rows of finder_rollout", "1 runs"):
        assert part in err
    assert run("--dsn", small, "status").exit_code == 0
    code, out, err = ask_on_a_terminal("y", "--dsn", small, "uninstall")
    assert (code, out) == (0, "Removed.\n"), err
    assert ask_on_a_terminal("", "--dsn", small, "uninstall")[:2] == (0, "It was not installed.\n")


def test_replacing_asks_only_where_there_is_something(database: str) -> None:
    seeding = ("--dsn", database, "seed", "synthetic", "--contacts", "10", "--replace")
    assert run(*seeding).exit_code == 0  # nothing to destroy
    refused = run(*seeding)
    assert (refused.exit_code, "contacts (10 rows)" in refused.stderr) == (2, True)
    assert run(*seeding, "--yes").exit_code == 0
    assert ask_on_a_terminal("n", *seeding)[0] == 1
    assert ask_on_a_terminal("y", *seeding)[0] == 0


def test_a_foreign_key_that_forbids_replacing_is_named(host: str) -> None:
    replace = ("--dsn", host, "seed", "synthetic", "--contacts", "10", "--replace", "--yes")
    with connect(host) as connection:
        connection.execute("CREATE SCHEMA app")
        connection.execute("ALTER TABLE contact_work_experiences ADD FOREIGN KEY (contact_id) REFERENCES contacts")
        for table, target in (
            ("public.notes", "contacts"),
            ('app."Odd name"', "organizations"),
            ("app.contacts", "contact_work_experiences"),
        ):
            connection.execute(f"CREATE TABLE {table} (its bigint REFERENCES public.{target} (id))".encode())
            check_failed(run(*replace), "foreign keys", table.replace('"', ""), f"(to {target})")
            connection.execute(f"DROP TABLE {table}".encode())
    assert run(*replace).exit_code == 0


# What a terminal gets.


#: Names that forge lines, colour and hide what stands beside them, turn it round; and harmless ones of many scripts.
HOSTILE = (
    "\x1b[2J\x1b[31mred",
    "two\nWRONG: lines",
    "a\r\tb",
    "\x9b8mhidden",
    "\u202egnihton",
    "\u2066x\u2028y\x7f",
    "\x07",
)
SCRIPTS = ("Ødegård → Škoda", "Ελένη", "Владимир", "山田太郎", "مريم", "שרה", "हिन्दी", "👩‍💻", "Zoë…")
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|^WRONG: lines|^forged", re.MULTILINE)


def name_everything(dsn: str, names: Sequence[str]) -> None:
    """Give every contact, organization and what else has a name one of *names*, and make one contact fail so."""
    with connect(dsn) as connection:
        for number, name in enumerate(names, 100):
            connection.execute("INSERT INTO contacts VALUES (%s, %s)", (number, name))
            connection.execute("INSERT INTO organizations VALUES (%s, %s)", (number, name))
            connection.execute(
                "INSERT INTO contact_work_experiences SELECT %(n)s * 10 + i, CASE i WHEN 1 THEN 2 ELSE %(n)s END,"
                " %(n)s, '', '2019-01-01' FROM generate_series(1, 2) AS i",
                {"n": number},
            )
            connection.execute("INSERT INTO user_contact_collections VALUES (7, %s, 9, 1)", (number,))
        quoted = sql.Identifier(f"odd{names[0]}")
        connection.execute(sql.SQL("CREATE INDEX {} ON contact_work_experiences (company_name)").format(quoted))
        connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE IF NOT EXISTS 'friend'")
        refusal = sql.SQL("$f$ BEGIN RAISE EXCEPTION {} USING DETAIL = {}; END $f$").format(
            sql.Literal("refused"), sql.Literal(f"{names[1]}\nforged {names[0]}")
        )
        connection.execute(sql.SQL("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS ") + refusal)
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON connection_paths.contact_connections"
            " FOR EACH ROW WHEN (NEW.contact_a_id = 1 OR NEW.contact_b_id = 4) EXECUTE FUNCTION refuse()"
        )


def shown_by_every_command(dsn: str, tmp_path: Path, *options: str) -> Iterator[tuple[tuple[str, ...], Result]]:
    """Run whatever prints a name, a value or an error."""
    for table, columns in seed.TABLES.items():
        (tmp_path / f"{table}.csv").write_text(",".join(column.name for column in columns) + "\n")
    (tmp_path / "contacts.csv").write_text(f'id,name\n"{HOSTILE[0]}{HOSTILE[1]}",x\n', encoding="utf-8")
    for arguments in (
        IN_PLACE, ("runs", "list"), ("runs", "show"), ("plan",), ("verify",), ("doctor",), ("status",), ("sync",),
        (*ASK, "--depth", "3"), ("paths", "106", *ASK[2:]), ("paths", "1", *ASK[2:]),
        ("install", "--host-schema", HOSTILE[0]), ("seed", "synthetic", "--contacts", "1"),
        ("seed", "csv", str(tmp_path), "--host-schema", "elsewhere"), (HOSTILE[0],), ("status", f"--{HOSTILE[4]}"),
        ("--dsn", f"host={HOSTILE[0]} user={HOSTILE[4]}", "status"),
    ):  # fmt: skip
        yield arguments, run("--dsn", dsn, *arguments, *options)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_no_name_reaches_the_terminal_raw(small: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    name_everything(small, HOSTILE)
    told = ""
    for arguments, result in shown_by_every_command(small, tmp_path, *options):
        assert result.exception is None or isinstance(result.exception, SystemExit), (arguments, result.exc_info)
        assert UNSAFE.search(result.output) is None, (arguments, result.output)
        told += result.output
    assert "u202egnihton" in told
    assert "x1b[2J" in told.replace("u001b", "x1b")


def test_every_name_can_be_printed_in_every_locale(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name_everything(small, SCRIPTS)
    asked = (IN_PLACE, ("plan",), ("doctor",), ASK, ("paths", "106", *ASK[2:]), ("runs", "show"), ("nonsense→",))
    for encoding in ("ascii", "iso-8859-1", "ascii:surrogateescape", "shift_jis"):
        charset, _, errors = encoding.partition(":")
        for options in ((), ("--json",)) if encoding == "ascii" else ((),):
            written = [io.BytesIO(), io.BytesIO()]
            for name, stream in zip(("stdout", "stderr"), written, strict=True):
                monkeypatch.setattr(
                    sys, name, io.TextIOWrapper(stream, charset, errors or "strict", write_through=True)
                )
            before = 0
            for arguments in asked:
                with pytest.raises(SystemExit) as ended:
                    cli.main(["--dsn", small, *arguments, *options])
                assert ended.value.code in (0, 1, 2, 3), arguments
                after = sum(len(stream.getvalue()) for stream in written)
                assert after > before, arguments
                before = after
            told = written[0].getvalue().decode(charset)
            assert options or ("->" in told) == (charset != "shift_jis")


@pytest.mark.parametrize("locale", [{"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_a_backfill_succeeds_in_a_poor_locale(small: str, locale: dict[str, str]) -> None:
    name_everything(small, SCRIPTS)
    with connect(small) as connection:
        connection.execute("DROP TRIGGER refuse ON connection_paths.contact_connections")
    code, out, err = finish(start("--dsn", small, "backfill", "--no-throttle", **locale))
    assert (code, "succeeded" in out, "Traceback" in err) == (0, True, False), err


def test_every_date_has_its_month(small: str) -> None:
    for day, shown in (
        ("2019-03-31", ", since 2019-03"),
        ("0900-03-31", ", since 900-03"),
        ("0044-03-15 BC", ", since 44-03 BC"),
        ("12019-03-01", None),  # it has not begun
        ("-infinity", ""),
        ("4713-11-24 BC", ", since 4713-11 BC"),
    ):
        with connect(small) as connection:
            assert connection.execute("SELECT to_jsonb(%s::date)", (day,)).fetchone() == (day,)
            connection.execute("UPDATE contact_work_experiences SET date_from = %s, date_to = 'infinity'", (day,))
            connection.execute("SELECT connection_paths.backfill_contact(1)")
        if shown is not None:
            assert f"both worked at Acme{shown}\n" in run("--dsn", small, *ASK).stdout
            assert json.loads(run("--dsn", small, "--json", *ASK).stdout)["paths"][0]["hops"][0]["date_from"] == day


# Secrets.


MARKER = "s3cretMarker"


@pytest.mark.parametrize(
    "dsn",
    [
        f"host=h password={MARKER} dbname=d",
        f"host=h password='{MARKER} and more' sslpassword={MARKER}",
        f"postgresql://u:{MARKER}@h/d",
        f"postgresql://u:{MARKER}%40x@h,i/d?application_name=it's",
        f"postgresql://u:{MARKER}%zz@h/d",
        f"password={MARKER} nonsense",
    ],
)
def test_a_connection_string_is_shown_without_its_secrets(dsn: str) -> None:
    assert MARKER not in text.without_secrets(dsn)


@pytest.mark.parametrize("form", ["words", "uri"])
def test_the_demo_tells_how_to_go_on_but_no_password(server: str, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    given = {name: str(value) for name, value in conninfo_to_dict(server).items()}
    monkeypatch.setattr(demo, "run", lambda *_, **__: paths.Question(1, 2, 3))
    with connect(server) as connection:
        before = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        dsn = make_conninfo(server, password=MARKER, application_name="it's")
        if form == "uri":
            server_of_it = f"host={given['host']}&port={given['port']}"
            dsn = f"postgresql://{given.get('user', 'postgres')}:{MARKER}@/postgres?{server_of_it}"
        result = run("--dsn", dsn, "demo", "--keep")
        made = {row[0] for row in connection.execute("SELECT datname FROM pg_database")} - before
        for name in made:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
    assert (result.exit_code, MARKER in result.output, len(made)) == (0, False, 1), result.output
    (line,) = (line for line in result.stdout.splitlines() if line.endswith(" status"))
    words = shlex.split(line)
    assert words[0] == "orchestrator"
    assert conninfo_to_dict(words[1].removeprefix("--dsn="))["dbname"] in made


def test_a_private_server_inherits_no_secret(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPASSWORD": MARKER, "ORCHESTRATOR_DSN": f"password={MARKER}", "PGPORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with embedded.serve(directory) as dsn, connect(dsn) as connection:
        server = int((directory / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
        pids = [server, int((directory / "keeper.pid").read_text()), connection.info.backend_pid]
        for pid in pids:
            for file in ("environ", "cmdline"):
                assert MARKER.encode() not in Path(f"/proc/{pid}/{file}").read_bytes()
