"""A database with a network to sweep, a plain database, and clients of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from orchestrator.install.installation import install
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic
from orchestrator.sweep.measure.load_generator import LoadGenerator, load_generator
from tests.support.sessions import connect

#: Functions with deep_finder's parameters that are measured beside it.
FUNCTIONS = {
    "slow": "SELECT d.* FROM connection_paths.deep_finder($1, $2, $3, $4, $5, $6, $7) AS d, pg_sleep(0.05)",
    "wrong": "SELECT * FROM connection_paths.deep_finder($1, $2, $3, $4, $5, $6, $7) OFFSET 1",
    "failing": "SELECT * FROM connection_paths.deep_finder($1, $2, $3, 0, $5, $6, $7)",
}


@pytest.fixture(scope="session")
def network(new_database: Callable[[], str]) -> str:
    """A database with a synthetic network and its edges, which no test changes."""
    dsn = new_database()
    with connect(dsn) as connection:
        seed.load(connection, "public", seed_synthetic.tables(1000, 1), replace=False)
        install(dsn)
        backfill(dsn, BackfillOptions(workers=2, limits=None))
        connection.execute("VACUUM (ANALYZE)")
        for name, body in FUNCTIONS.items():
            connection.execute(
                f"CREATE FUNCTION public.{name}(bigint, bigint, bigint, integer, integer, text, integer)"
                " RETURNS TABLE (depth integer, user_id bigint, contact_ids bigint[], organization_ids bigint[],"
                " date_froms date[], date_tos date[], recency date, strength smallint) LANGUAGE sql STABLE"
                f" AS $body${body}$body$".encode()
            )
    return dsn


@pytest.fixture(scope="session")
def plain(new_database: Callable[[], str]) -> str:
    """A database with a sequence, and a table to lock."""
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE SEQUENCE calls")
        connection.execute("CREATE TABLE stalled (id integer)")
    return dsn


@pytest.fixture(scope="module")
def clients(plain: str) -> Iterator[LoadGenerator]:
    """Four clients of the plain database."""
    with load_generator(plain, 4, timeout=3.0) as started:
        yield started
