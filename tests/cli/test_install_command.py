"""What install and uninstall print about group roles and about objects that depend on the package."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.install.installation import install
from tests.support.command_line import run
from tests.support.sessions import connect

PREFIX = f"connection_paths_{os.getpid()}_command"
ROLES = tuple(f"{PREFIX}_{suffix}" for suffix in ("reader", "operator", "owner"))


@pytest.fixture
def database(new_database: Callable[[], str]) -> Iterator[Connection]:
    """An installation without group roles."""
    dsn = new_database()
    with connect(dsn) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(dsn)
        yield connection
        for role in ROLES:
            if connection.execute("SELECT to_regrole(%s)", (role,)).fetchone() != (None,):
                connection.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}".encode())


def test_the_first_group_roles_are_no_repair(database: Connection) -> None:
    dsn = database.info.dsn
    first, second, *_ = run("--dsn", dsn, "install", f"--roles={PREFIX}").stdout.splitlines()
    assert first == "Already installed; it has group roles now."
    assert second.startswith(f"the group roles {ROLES[0]}, {ROLES[1]} and {ROLES[2]} are ready: ")
    assert second.endswith(" owners and rights in schema connection_paths were set")
    assert run("--dsn", dsn, "install").stdout == "Already installed; nothing to do.\n"


def test_a_membership_between_group_roles_is_a_repair(database: Connection) -> None:
    dsn = database.info.dsn
    install(dsn, roles=PREFIX)
    database.execute(f"REVOKE {ROLES[0]} FROM {ROLES[1]}".encode())
    assert run("--dsn", dsn, "install").stdout.splitlines() == [
        "Already installed; repaired what was wrong.",
        f"repaired: {ROLES[1]} is not a member of {ROLES[0]}",
    ]
    assert run("--dsn", dsn, "install").stdout == "Already installed; nothing to do.\n"


def test_a_refused_uninstall_names_what_depends_and_does_not_recommend_cascade(database: Connection) -> None:
    dsn = database.info.dsn
    database.execute("CREATE VIEW public.theirs AS SELECT connection_paths.find_paths(1, 1, 1) AS answer")
    refused = run("--dsn", dsn, "uninstall", "--yes")
    assert refused.exit_code == 1
    assert "objects of the application use connection_paths: view public.theirs depends on function" in refused.stderr
    assert "Nothing was removed." in refused.stderr
    assert "CASCADE" not in refused.output
    database.execute("DROP VIEW public.theirs")
    assert run("--dsn", dsn, "uninstall", "--yes").exit_code == 0
