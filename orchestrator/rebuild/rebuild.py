"""The end of a rebuild: indexes, statistics, a check, the swap. Each step may be done again after any death."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, patiently
from orchestrator.core.errors import OrchestratorError
from orchestrator.install.steps import TRIGGERS
from orchestrator.rebuild import index_builds

log = logging.getLogger(__name__)

_CHECKED = 200  # contacts whose edges are computed again before the swap
_ATTEMPTS = 10  # at an index whose builder was lost


def complete(
    dsn: str, connection: Connection, run_id: int, *, workers: int, step: Callable[[str], None] = log.info
) -> None:
    """Take a rebuild whose batches are through to its place; does nothing that has been done before.

    As many indexes as *workers* are built at once. ``step`` is told what is being done. Raises
    :class:`OrchestratorError` when the new table is not what the books and the host's tables say, and leaves the run as
    it is then.
    """
    connection.execute("SELECT connection_paths.require_rebuild(%s)", (run_id,))
    phase = _phase(connection, run_id)
    if phase == "filling":
        step("carrying over edges of other kinds")
        patiently(connection, lambda: connection.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,)))
        phase = _phase(connection, run_id)  # as it was, if the run is cancelled
    if phase == "indexing":
        _build_indexes(dsn, connection, run_id, workers, step)
        step("vacuuming and analysing")
        connection.execute("VACUUM (ANALYZE) connection_paths.contact_connections_next")
        step("checking")
        _check(connection, run_id)
        step("waiting for a moment to swap")
        patiently(
            connection,
            lambda: connection.execute("SELECT connection_paths.exchange_rebuild(%s)", (run_id,)),
            waiting=lambda message: step(f"waiting for a moment to swap ({message})"),
        )
    step("analysing")
    connection.execute("ANALYZE connection_paths.contact_connections")


def _phase(connection: Connection, run_id: int) -> str:
    row = connection.execute("SELECT phase FROM connection_paths.backfill_runs WHERE run_id = %s", (run_id,)).fetchone()
    return str(row[0]) if row else ""


def _build_indexes(dsn: str, connection: Connection, run_id: int, workers: int, step: Callable[[str], None]) -> None:
    """Build what is missing side by side, then add the constraints that want an index; ask again until nothing is."""
    taken: set[str] = set()
    begun: Counter[str] = Counter()
    while missing := connection.execute(
        "SELECT name, statement FROM connection_paths.missing_rebuild_indexes(%s)", (run_id,)
    ).fetchall():
        to_build = {name: statement for name, statement in missing if statement.startswith("CREATE ")}
        for name in taken & to_build.keys():  # but not by an index of this table
            raise OrchestratorError(f"there is another {name} in schema connection_paths; rename or drop it")
        begun.update(to_build.keys())
        for name in [name for name in to_build if begun[name] > _ATTEMPTS]:
            raise OrchestratorError(f"whoever builds {name} is lost each time; the server's log should say why")
        if to_build:
            step(f"building {len(to_build)} indexes" if len(to_build) > 1 else "building 1 index")
            taken = index_builds.build(dsn, connection, to_build, workers=workers)
            continue
        for name, statement in missing:
            step(f"building {name}")
            connection.execute(statement.encode())


def _check(connection: Connection, run_id: int) -> None:
    """Compare with the books, and a sample with what its edges should be.

    Where changes are not captured nobody knows which edges may differ by now, and there is no sample.
    """
    captured = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = ANY (%s) AND tgenabled IN ('O', 'A'))", (list(TRIGGERS),)
    ).fetchone()
    for problem in connection.execute(
        sqlfiles.query("rebuild/rebuild_problems"), {"run_id": run_id, "sample": _CHECKED if captured == (True,) else 0}
    ).fetchall():
        raise OrchestratorError(f"the rebuild is not what it should be, and was not put in place: {problem[0]}")
