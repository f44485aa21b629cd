"""A rebuild by SQL, step by step, for tests of other sessions during a rebuild."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from orchestrator.core.database import Connection
from tests.support.changes import gate
from tests.support.sessions import value


def begin_rebuild(connection: Connection) -> int:
    run_id: int = value(connection, "SELECT connection_paths.create_run('rebuild', 20)")
    return run_id


def do_batches(connection: Connection, run_id: int, most: int | None = None) -> int:
    done = 0
    while most is None or done < most:
        claimed = connection.execute(
            "SELECT batch_id, attempt FROM connection_paths.claim_batch(%s)", (run_id,)
        ).fetchone()
        if claimed is None:
            break
        connection.execute("SELECT connection_paths.do_batch(%s, %s, %s)", (run_id, *claimed))
        done += 1
    return done


def swap(connection: Connection, run_id: int) -> None:
    while rows := connection.execute(
        "SELECT statement FROM connection_paths.missing_rebuild_indexes(%s)", (run_id,)
    ).fetchall():
        for (statement,) in rows:
            connection.execute(statement.encode())
    assert value(connection, "SELECT connection_paths.exchange_rebuild(%s)", run_id) is True


@contextmanager
def rebuilding(connection: Connection) -> Iterator[int]:
    """Begin a rebuild; at the end, put the trigger of the gate on the new edge table."""
    run_id = begin_rebuild(connection)
    try:
        yield run_id
    finally:
        connection.execute("SELECT connection_paths.cancel_run(%s)", (run_id,))
        gate(connection)


def rebuilt(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection, rebuilding(connection) as run_id:
        do_batches(connection, run_id)
        connection.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
        swap(connection, run_id)
        connection.execute("SELECT connection_paths.finish_run(%s)", (run_id,))
