"""Statements whose index builds are slow or were interrupted."""

from __future__ import annotations

from typing import LiteralString

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.host import binding


def slow_to_index(connection: Connection, milliseconds: int, *names: str) -> None:
    """Have the application make indexes that take their time for each row."""
    slower(connection, milliseconds)
    for name in names or ("app_slow",):
        connection.execute(
            f"CREATE INDEX {name} ON connection_paths.contact_connections (public.slowly(contact_a_id))".encode()
        )


def slower(connection: Connection, milliseconds: int) -> None:
    connection.execute(
        f"CREATE OR REPLACE FUNCTION public.slowly(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS"
        f" 'BEGIN PERFORM pg_sleep({milliseconds / 1000}); RETURN n; END'".encode()
    )


def interrupted_build() -> LiteralString:
    """The statement that builds a host index of ``public``, under the name that it has until it is there."""
    name = "idx_members_by_collection"
    create = binding.default("public").fill(sqlfiles.read("indexes", f"{name}.sql")).split(";")[0]
    return create.replace(f"CONCURRENTLY {name}", f"CONCURRENTLY {name}_connection_paths_new")
