"""A mapped headcount that the application changes: sync applies it a day later, or at once when it is queued."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from orchestrator.changes.sync import sync
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.host import mapping_file
from orchestrator.install.installation import install
from tests.support import oracle
from tests.support.edges import edges, right_edges, stored
from tests.support.world import world_of

SIZES = "SELECT organization_id, people FROM connection_paths.organization_sizes ORDER BY 1"
MAPPING = '[organizations]\nheadcount = "employees"\n'


def sizes(connection: Connection) -> dict[int, int]:
    return dict(connection.execute(SIZES).fetchall())


def test_a_changed_headcount_changes_the_edges_only_with_the_class(new_database: Callable[[], str]) -> None:
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        connection.execute("ALTER TABLE public.organizations ADD employees integer")
        install(dsn, mapping=mapping_file.parse(MAPPING, "mapping.toml"))
        connection.execute("INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, 6) AS g")
        connection.execute("INSERT INTO public.organizations VALUES (1, '', 40), (2, '', 700), (3, '', NULL)")
        connection.execute(
            "INSERT INTO public.contact_work_experiences"
            " SELECT g, 1 + g / 2, 1 + g % 3, '', '2015-01-01', NULL FROM generate_series(0, 11) AS g"
        )
        sync(dsn)
        assert sizes(connection) == {1: 50, 2: 500, 3: oracle.size_class(4)}
        assert edges(connection) == right_edges(connection) != {}

        def change(headcounts: dict[int, int | None], *queued: int) -> None:
            """Change headcounts, let a day pass for the others, and sync."""
            for organization, employees in headcounts.items():
                connection.execute(
                    "UPDATE public.organizations SET employees = %s WHERE id = %s", (employees, organization)
                )
            assert connection.execute("SELECT FROM connection_paths.contact_changes").fetchall() == []
            if queued:
                connection.execute("SELECT connection_paths.queue_changes(organization_ids => %s)", ([*queued],))
            else:
                connection.execute(
                    "UPDATE connection_paths.organization_sizes SET counted_at = now() - interval '1 day'"
                )
            sync(dsn)
            assert edges(connection) == right_edges(connection)

        before: dict[Any, Any] = stored(connection)
        change({1: 60, 2: 650})  # the classes fit
        assert stored(connection) == before
        change({1: 5000, 2: 700})
        assert sizes(connection) == {1: 5000, 2: 500, 3: 5}
        after = stored(connection)
        assert {key for key in before if before[key] != after[key]} == {
            key for key in before if before[key][0].people == 50
        }
        change({2: 20}, 2)
        assert sizes(connection) == {1: 5000, 2: 20, 3: 5}
        change({1: None, 3: 9000})
        assert sizes(connection) == {1: oracle.size_class(4), 2: 20, 3: 10_000}
        assert world_of(connection).sizes == sizes(connection)
