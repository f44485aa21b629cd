"""A synthetic world to measure in: made on a private server, or reused where a connection string says."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from orchestrator import seed as loading
from orchestrator import seed_synthetic
from orchestrator.database import Connection, connect
from orchestrator.embedded import serve_temporarily
from orchestrator.installation import install

_SETTINGS = (
    "shared_buffers",
    "work_mem",
    "maintenance_work_mem",
    "effective_cache_size",
    "random_page_cost",
    "max_parallel_workers_per_gather",
    "fsync",
    "jit",
)


@dataclass(frozen=True)
class Counts:
    """How large the world is, as the package sees it."""

    contacts: int
    organizations: int
    experiences: int


@contextmanager
def world(contacts: int, seed: int, dsn: str | None = None) -> Iterator[str]:
    """Yield the connection string of a database with a world and the package installed.

    Without *dsn* a private server is started and removed at the end. With it, the world that is there is
    measured as it is; one is loaded where there is none.
    """
    if dsn is None:
        with serve_temporarily() as (_, private):
            with connect(private) as connection:
                loading.load(connection, "public", seed_synthetic.tables(contacts, seed), replace=False)
            install(private)
            yield private
        return
    with connect(dsn) as connection:
        if one(connection, "SELECT to_regclass('contacts') IS NULL"):
            loading.load(connection, "public", seed_synthetic.tables(contacts, seed), replace=False)
    install(dsn)
    yield dsn


def one(connection: Connection, query: str, parameters: tuple[object, ...] = ()) -> Any:
    """Return the first column of the first row of *query*."""
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0]


def counts(connection: Connection) -> Counts:
    """Count the world's rows."""
    return Counts(
        contacts=one(connection, "SELECT count(*) FROM connection_paths.live_contacts"),
        organizations=one(connection, "SELECT count(*) FROM connection_paths.live_organizations"),
        experiences=one(connection, "SELECT count(*) FROM connection_paths.work_experiences"),
    )


def environment(connection: Connection) -> dict[str, str]:
    """Return what a number depends on besides the code: versions, cores, settings."""
    settings = {name: str(one(connection, "SELECT current_setting(%s)", (name,))) for name in _SETTINGS}
    return {
        "PostgreSQL": str(one(connection, "SELECT current_setting('server_version')")),
        "cores": str(os.cpu_count()),
        "machine": f"{platform.system()} {platform.machine()}",
        **settings,
    }
