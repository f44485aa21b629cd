"""A small world, a directory for a private server, and a role without rights."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from tests.support.command_line import processes_of
from tests.support.sessions import connect
from tests.support.waiting import until


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
