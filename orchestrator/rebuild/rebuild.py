"""The steps of a rebuild after its batches: indexes, statistics, a check, the exchange.

Each step may be repeated after a crash.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.core.schema import all_named
from orchestrator.host.own_objects import TRIGGERS
from orchestrator.rebuild import index_builds
from orchestrator.rebuild.standbys import Standbys

log = logging.getLogger(__name__)

_CHECKED = 200  # contacts whose edges are compared before the exchange
_ATTEMPTS = 10  # to build one index while its session is lost each time


def complete(
    dsn: str, connection: Connection, run_id: int, *, workers: int, step: Callable[[str], None] = log.info
) -> None:
    """Finish a rebuild whose batches are done, and exchange the tables; steps that are done are not repeated.

    As many indexes as *workers* are built at the same time. ``step`` is called with the name of each step. Raises
    :class:`OrchestratorError` when the new table has wrong edges; the run then stays as it is.
    """
    connection.execute("SELECT connection_paths.require_rebuild(%s)", (run_id,))
    phase = _phase(connection, run_id)
    if phase == "filling":
        step("copying edges of other kinds")
        retry_while_locked(
            connection, lambda: connection.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
        )
        phase = _phase(connection, run_id)  # unchanged when the run was cancelled
    if phase == "indexing":
        _build_indexes(dsn, connection, run_id, workers, step)
        step("vacuuming and analysing")
        connection.execute("VACUUM (ANALYZE) connection_paths.contact_connections_next")
        step("checking")
        _check(connection, run_id)
        _exchange(connection, run_id, step)
    step("analysing")
    connection.execute("ANALYZE connection_paths.contact_connections")


def _exchange(connection: Connection, run_id: int, step: Callable[[str], None]) -> None:
    """Exchange the tables at a moment when neither the primary nor a standby has to wait long for its lock."""
    what = "waiting for the lock to exchange the tables"
    step(what)
    with Standbys(connection) as standbys:
        retry_while_locked(
            connection,
            lambda: connection.execute("SELECT connection_paths.exchange_rebuild(%s)", (run_id,)),
            waiting=lambda message: step(f"{what} ({message})"),
            ready=lambda: standbys.prepare(lambda reason: step(f"{what} ({reason})")),
        )


def _phase(connection: Connection, run_id: int) -> str:
    row = connection.execute("SELECT phase FROM connection_paths.backfill_runs WHERE run_id = %s", (run_id,)).fetchone()
    return str(row[0]) if row else ""


def _build_indexes(dsn: str, connection: Connection, run_id: int, workers: int, step: Callable[[str], None]) -> None:
    """Build the missing indexes at the same time, then add the constraints that use them, until nothing is missing."""
    taken: set[str] = set()
    begun: Counter[str] = Counter()
    while missing := connection.execute(
        "SELECT name, statement FROM connection_paths.missing_rebuild_indexes(%s)", (run_id,)
    ).fetchall():
        to_build = {name: statement for name, statement in missing if statement.startswith("CREATE ")}
        for name in taken & to_build.keys():  # another relation has this name
            raise OrchestratorError(f"another relation of connection_paths has the name {name}; rename or drop it")
        begun.update(to_build.keys())
        for name in [name for name in to_build if begun[name] > _ATTEMPTS]:
            raise OrchestratorError(f"the session that builds {name} is lost each time; see the log of the server")
        if to_build:
            step(f"building {len(to_build)} indexes" if len(to_build) > 1 else "building 1 index")
            taken = index_builds.build(dsn, connection, to_build, workers=workers)
            continue
        for name, statement in missing:
            step(f"building {name}")
            connection.execute(statement.encode())


def _check(connection: Connection, run_id: int) -> None:
    """Compare the number of edges with that of the batches, and the edges of some contacts with computed ones.

    Where triggers do not capture changes, it is unknown which edges may differ by now, so no edges are compared.
    """
    captured = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = ANY (%s) AND tgenabled IN ('O', 'A'))",
        (all_named(connection, TRIGGERS),),
    ).fetchone()
    found = connection.execute(sqlfiles.query("rebuild/edges_made")).fetchone()
    assert found is not None
    asked = {"run_id": run_id, "sample": _CHECKED if captured == (True,) else 0, "rows_found": found[0]}
    for problem in connection.execute(sqlfiles.query("rebuild/rebuild_problems"), asked).fetchall():
        raise OrchestratorError(f"the rebuild has wrong edges, and the tables were not exchanged: {problem[0]}")
