"""The edges on the workers of Citus, the rest on its coordinator: the objects in ``sql/distributed``.

``contact_connections`` becomes a distributed table, with one shard for each worker. The functions that read or write it
are replaced by others of the same names, and three more are created. :func:`switch` does all this in one transaction,
because the functions of one server would find no edges in a distributed table, without an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.core.schema import named
from orchestrator.host.binding import Binding
from orchestrator.host.installed import is_distributed
from orchestrator.install import steps

#: The functions of ``sql/distributed`` that exist only while the edges are distributed.
ADDED = ("shard_edges", "stored_edges", "stored_pairs")
#: The function that workers execute.
ON_WORKERS = "shard_edges"


@dataclass(frozen=True)
class Cluster:
    """A Citus cluster, and how the edges are stored in it.

    ``is_coordinator``: this server is its coordinator. ``workers``: how many other servers take shards. ``shards``: of
    the edges; 0 while they are not distributed. ``keys_are_right``: ``edge_shards`` has one row for each shard.
    """

    is_coordinator: bool
    workers: int
    shards: int
    keys_are_right: bool


def cluster(connection: Connection) -> Cluster | None:
    """Describe the cluster that the server belongs to; None where the extension is not installed."""
    row = connection.execute("SELECT to_regclass('pg_catalog.pg_dist_node') IS NOT NULL").fetchone()
    if row != (True,):
        return None
    found = connection.execute(sqlfiles.query("install/citus_cluster")).fetchone()
    assert found is not None
    is_coordinator, workers = found
    shards, keys = 0, 0
    if is_distributed(connection):
        row = connection.execute(sqlfiles.query("install/edge_shards")).fetchone()
        assert row is not None
        shards, keys = row
    return Cluster(is_coordinator, workers, shards, keys == shards)


def check(connection: Connection, wanted: bool) -> None:
    """Raise :class:`OrchestratorError` when the edges cannot be distributed as *wanted*."""
    if not wanted or is_distributed(connection):
        return
    found = cluster(connection)
    if found is None:
        raise OrchestratorError("--distributed needs the extension citus in this database. Nothing was installed.")
    if not found.is_coordinator:
        raise OrchestratorError(
            "--distributed needs the coordinator of a Citus cluster; this server is a worker. Nothing was installed."
        )
    if found.workers == 0:
        raise OrchestratorError(
            "--distributed needs workers that take shards; add one: SELECT citus_add_node('...', 5432). Nothing was"
            " installed."
        )


@contextmanager
def also_on_workers(connection: Connection, wanted: bool) -> Iterator[None]:
    """Let statements about roles and rights take effect on the workers, too, if these have the edges or will."""
    if not wanted and not is_distributed(connection):
        yield
        return
    _propagate(connection, "on")
    try:
        yield
    finally:
        _propagate(connection, "off")


def create_roles(connection: Connection, prefix: str, wanted: bool) -> None:
    """Create the group roles on the workers where they are missing, if these have the edges or will."""
    if not wanted and not is_distributed(connection):
        return
    for worker, error in connection.execute(sqlfiles.query("install/create_roles_on_workers"), {"prefix": prefix}):
        raise OrchestratorError(f"the group roles could not be created on worker {worker}: {error}")


def _propagate(connection: Connection, value: str) -> None:
    settings = (("citus.enable_ddl_propagation", value), ("citus.multi_shard_modify_mode", "sequential"))
    for setting in settings:
        connection.execute("SELECT set_config(%s, %s, false)", setting)


def switch(connection: Connection, binding: Binding, wanted: bool, *, progress: Callable[[str], None]) -> list[str]:
    """Distribute the edges if *wanted*, and repair what searches of them need; return a sentence for each change.

    The caller holds the installation lock, and every migration has been applied.
    """
    steps.set_binding(connection, binding.mapping, binding.host_schema)
    found = cluster(connection)
    if not is_distributed(connection):
        if not wanted or found is None:
            return []
        _refuse_during_run(connection)
        progress("copying the edges to the workers")
        retry_while_locked(connection, partial(_distribute, connection, found.workers))
        connection.execute(sqlfiles.query("install/forget_local_edges"))
        return ["the edges are distributed from now on"]
    repaired = []
    if found is not None and not found.keys_are_right:
        retry_while_locked(connection, partial(_fill_keys, connection))
        repaired.append("repaired: edge_shards has one row for each shard again")
    if found is not None and any(
        row[2] is False for row in connection.execute(sqlfiles.query("install/worker_functions"))
    ):
        with also_on_workers(connection, wanted):
            connection.execute(sqlfiles.read("distributed", "functions", f"{ON_WORKERS}.sql"))
        repaired.append(f"repaired: function {ON_WORKERS} differs on a worker")
    return repaired


def remove(connection: Connection) -> None:
    """Drop the objects that exist only while the edges are distributed; the edges themselves are dropped elsewhere."""
    connection.execute(sqlfiles.read("distributed", "off.sql"))


def functions() -> list[str]:
    """Return the functions of ``sql/distributed``, in the order in which they are created."""
    return sorted(sqlfiles.distributed_functions(), key=lambda name: name not in ADDED)


def _distribute(connection: Connection, shards: int) -> None:
    _lock(connection)
    connection.execute(sqlfiles.read("distributed", "edge_shards.sql"))
    for name in functions():
        connection.execute(sqlfiles.read("distributed", "functions", f"{name}.sql"))
    connection.execute("SET LOCAL citus.enable_ddl_propagation = on")
    connection.execute("SET LOCAL citus.multi_shard_modify_mode = 'sequential'")
    connection.execute("SET LOCAL client_min_messages = warning")
    connection.execute(sqlfiles.query("install/distribute"), {"shards": shards, **_names(connection)})
    connection.execute(sqlfiles.query("install/distribute_function"), _names(connection))
    connection.execute(sqlfiles.read("distributed", "functions", f"{ON_WORKERS}.sql"))  # revokes the rights there, too
    _fill_keys(connection)


def _fill_keys(connection: Connection) -> None:
    connection.execute("DELETE FROM connection_paths.edge_shards")
    connection.execute(sqlfiles.query("install/insert_edge_shards"))


def _lock(connection: Connection) -> None:
    """Lock the edges first: otherwise a search that runs meanwhile could call one function of each kind."""
    connection.execute("LOCK TABLE connection_paths.contact_connections IN ACCESS EXCLUSIVE MODE")


def _names(connection: Connection) -> dict[str, str]:
    return {"schema": named(connection, steps.SCHEMA)}


def _refuse_during_run(connection: Connection) -> None:
    row = connection.execute("SELECT run_id FROM connection_paths.backfill_runs WHERE is_active").fetchone()
    if row is not None:
        raise OrchestratorError(
            f"run {row[0]} is running or paused, so the edges were not moved to the workers. When it has ended, install"
            f" again. To end it: orchestrator runs cancel {row[0]}"
        )
