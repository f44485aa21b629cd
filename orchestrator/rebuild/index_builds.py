"""Builds several indexes of one table at the same time.

Only one process does the last step of a parallel build, the merge. So several builds at the same time, each with fewer
parallel workers, keep more processes busy.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import COMPUTING, Connection, connect, lost
from orchestrator.core.errors import OrchestratorError, one_line

log = logging.getLogger(__name__)

_SETTINGS = {
    **COMPUTING,
    # A session that a dead process left behind may be building an index of the same name. Wait for it.
    "lock_timeout": "0",
}
_WAIT = "SELECT pg_sleep(0.1)"  # a statement can be cancelled, and it fails when the session is lost


def build(dsn: str, connection: Connection, statements: Mapping[str, str], *, workers: int) -> set[str]:
    """Execute CREATE INDEX *statements*, by name, each in a session of its own; return the names that were taken.

    At most *workers* builds run at the same time; together they have that many processes, and the memory of one build.
    *connection* waits for them. When its statement is cancelled, when it is lost, or when a build fails, the other
    builds are cancelled, no build is started, and the error is raised.

    A name is taken when another session has created an index of that name. This is no error, and neither is the loss of
    a session: the caller looks again for missing indexes.
    """
    builders = min(workers, len(statements))
    sessions: list[Connection] = []

    def one(name: str, statement: str) -> bool:
        with connect(dsn, settings=_SETTINGS) as session:
            sessions.append(session)
            try:
                session.execute(
                    sqlfiles.query("rebuild/index_builder_share"), {"workers": workers, "builders": builders}
                )
                session.execute(statement.encode())
            except (psycopg.errors.DuplicateTable, psycopg.errors.UniqueViolation):
                # Otherwise the error comes from the data: duplicate rows, or a function that the index uses.
                if not _exists(session, name):
                    raise
                return True
            except psycopg.Error as error:
                if not lost(session, error):
                    raise
                log.info("%s", one_line(error))
        return False

    with ThreadPoolExecutor(builders) as pool:
        builds = {name: pool.submit(one, name, statement) for name, statement in statements.items()}
        try:
            while not all(each.done() for each in builds.values()):
                connection.execute(_WAIT)
                for each in builds.values():
                    if each.done() and isinstance(each.exception(), OrchestratorError):
                        connection.execute(_WAIT)  # the server may be down; then this session is lost, too
                    if each.done():
                        each.result()
            return {name for name, each in builds.items() if each.result()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _cancel(sessions, builds.values())
            raise


def _exists(connection: Connection, name: str) -> bool:
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_class AS c"
        " WHERE c.relnamespace = 'connection_paths'::regnamespace AND c.relname = %s)",
        (name,),
    ).fetchone()
    return row == (True,)


def _cancel(sessions: list[Connection], builds: Collection[Future[bool]]) -> None:
    """Cancel the statements of the sessions, repeatedly until all have ended: a session may be about to start one."""
    while left := [each for each in builds if not each.done()]:
        for session in sessions.copy():
            with contextlib.suppress(psycopg.Error):  # the session has ended
                session.cancel_safe(timeout=5)
        wait(left, timeout=0.5)
