"""A served playground of a small team."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.playground import fill, playground


@pytest.fixture(scope="session")
def world(new_installed: Callable[[], str]) -> str:
    """A small team: Ana and Ben of Acme, and two paths to Cleo, whose employer has a name with markup."""
    dsn = new_installed()
    fill(dsn)
    return dsn


@pytest.fixture(scope="session")
def url(world: str) -> Iterator[str]:
    with playground(world) as address:
        yield address
