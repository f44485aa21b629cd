"""A synthetic world for the tests of the throttle."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from orchestrator.install.installation import install
from orchestrator.runs.signals import ThrottleLimits
from orchestrator.runs.throttle import Throttle
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic
from tests.support.sessions import connect


@pytest.fixture(scope="module")
def small(new_database: Callable[[], str]) -> str:
    """The connection string of a database with a synthetic world and the package, without edges."""
    dsn = new_database()
    with connect(dsn) as connection:
        seed.load(connection, "public", seed_synthetic.tables(300, 1), replace=True)
    install(dsn)
    return dsn


@pytest.fixture
def throttled(small: str) -> Iterator[Throttle]:
    #: A shared machine may be slow for some milliseconds; the delays that these tests cause last a second.
    with Throttle(small, ThrottleLimits(floor_milliseconds=500), 4, baseline_seconds=0.3) as throttle:
        yield throttle
