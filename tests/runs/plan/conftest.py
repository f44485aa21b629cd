"""A database for the tests of the plan of a backfill."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from orchestrator.core.database import Connection
from tests.support.plan import add_overlaps_by_contact


@pytest.fixture(scope="module")
def database(new_installed: Callable[[], str]) -> str:
    """The connection string of a database with empty host tables and the package."""
    dsn = new_installed()
    with psycopg.connect(dsn, autocommit=True) as connection:
        add_overlaps_by_contact(connection)
    return dsn


@pytest.fixture(scope="module")
def db(database: str) -> Iterator[Connection]:
    """A connection to that database, which may write."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection
