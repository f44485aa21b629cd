"""A database for the tests of capture, with colleagues and their edges."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from orchestrator.core.database import Connection
from orchestrator.host import sources
from tests.support.changes import fill
from tests.support.sessions import connect, value


@pytest.fixture(scope="module")
def dsn(new_installed: Callable[[], str]) -> str:
    given = new_installed()
    with connect(given) as connection:
        fill(connection)
        while value(connection, "SELECT taken FROM connection_paths.sync_changes()"):
            pass
    return given


@pytest.fixture
def db(dsn: str) -> Iterator[Connection]:
    """A connection to it. A test that breaks something rolls it back or repairs it."""
    with connect(dsn) as connection:
        yield connection
        assert sources.problems(connection, "public") == [], "a test has left something broken"
