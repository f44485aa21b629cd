"""Databases of the tests of doctor."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from orchestrator.core.database import Connection
from tests.support.doctor import make


@pytest.fixture(scope="session")
def worlds() -> list[str]:
    return []


@pytest.fixture
def dsn(request: pytest.FixtureRequest, new_database: Callable[[], str], worlds: list[str]) -> Iterator[str]:
    """A database without findings. Tests repair what they break, so it is used again unless a test failed."""
    if not worlds:
        worlds.append(make(new_database()))
    failed = request.session.testsfailed
    yield worlds[0]
    if request.session.testsfailed > failed:
        worlds.clear()


@pytest.fixture
def db(dsn: str) -> Iterator[Connection]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection
