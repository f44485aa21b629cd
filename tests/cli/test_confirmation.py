"""A command that destroys something asks first."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from tests.support.command_line import IN_PLACE, check_failed, finish, run
from tests.support.sessions import connect


def ask_on_a_terminal(answer: str, *arguments: str) -> tuple[int, str, str]:
    """Run a command whose standard input is a terminal with the answer *answer*."""
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


def test_nothing_is_removed_without_a_confirmation(small: str) -> None:
    for arguments in (("uninstall",), ("seed", "synthetic", "--contacts", "10", "--replace")):
        for options in ((), ("--json",)):
            result = run("--dsn", small, *arguments, *options)
            assert (result.exit_code, "--yes" in result.output) == (2, True)
    with connect(small) as connection:
        assert connection.execute("SELECT count(*) FROM contacts").fetchone() == (4,)
    assert run("--dsn", small, "status").exit_code == 0


def test_an_uninstall_lists_what_else_is_removed(small: str) -> None:
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
    nothing = "connection_paths is not installed here; nothing was removed.\n"
    assert ask_on_a_terminal("", "--dsn", small, "uninstall")[:2] == (0, nothing)


def test_replacing_asks_only_when_tables_hold_rows(database: str) -> None:
    seeding = ("--dsn", database, "seed", "synthetic", "--contacts", "10", "--replace")
    assert run(*seeding).exit_code == 0  # there are no rows to delete
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
