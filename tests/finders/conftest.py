"""Databases for the tests of the finders, by how many kinds of edges they know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg import Connection

from bench import generations
from tests.support.finder_worlds import database_that_knows
from tests.support.properties import first_of
from tests.support.world import FRIEND


@pytest.fixture(scope="module")
def one_kind(new_installed: Callable[[], str]) -> Iterator[Connection[Any]]:
    """A database that knows work_overlap only."""
    yield from database_that_knows(new_installed())


@pytest.fixture(scope="module")
def three_kinds(new_installed: Callable[[], str]) -> Iterator[Connection[Any]]:
    """A database that knows two more kinds."""
    yield from database_that_knows(new_installed(), FRIEND, "family")


@pytest.fixture(scope="module")
def with_generations(new_installed: Callable[[], str]) -> Iterator[Connection[Any]]:
    """A database that knows another kind, with the earlier generations of the finders beside today's."""
    for connection in database_that_knows(new_installed(), FRIEND):
        generations.install(connection)
        yield connection


@pytest.fixture(scope="module", params=first_of(2, ["three_kinds", "one_kind"]))
def database_of_kinds(request: pytest.FixtureRequest) -> Connection[Any]:
    """Both databases. The first knows two kinds more than most worlds use."""
    connection: Connection[Any] = request.getfixturevalue(request.param)
    return connection
