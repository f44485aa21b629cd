"""Indexes of one table, built side by side.

A parallel build's last step, the merge, is its leader's alone. So several builds at once, each with fewer helpers, keep
more processes busy.
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
    # Who builds an index of the same name already, left behind by a process that died, is waited for.
    "lock_timeout": "0",
}
_WAIT = "SELECT pg_sleep(0.1)"  # as a statement it can be cancelled, and tells when the session is lost


def build(dsn: str, connection: Connection, statements: Mapping[str, str], *, workers: int) -> set[str]:
    """Execute CREATE INDEX *statements*, by name, in sessions of their own; returns the names that were taken.

    As many as *workers* are under way at once; together they have that many processes, and the memory of one build.
    *connection* waits meanwhile and stands for them all: when its statement is cancelled, or it is lost, or one of them
    fails, the others are cancelled, no more begin, and the error is raised.

    A name is taken when somebody else has built that index by now. That, and the loss of a session, is no error: ask
    what is missing again.
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
                # else a function of the index raised it, or there are rows that the index is to keep unique and are not
                if not _is_there(session, name):
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
                        connection.execute(_WAIT)  # where nobody can connect, this session may be lost, too
                    if each.done():
                        each.result()
            return {name for name, each in builds.items() if each.result()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _cancel(sessions, builds.values())
            raise


def _is_there(connection: Connection, name: str) -> bool:
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_class AS c"
        " WHERE c.relnamespace = 'connection_paths'::regnamespace AND c.relname = %s)",
        (name,),
    ).fetchone()
    return row == (True,)


def _cancel(sessions: list[Connection], builds: Collection[Future[bool]]) -> None:
    """Cancel what the sessions do, again until all have ended: one may have been about to begin."""
    while left := [each for each in builds if not each.done()]:
        for session in sessions.copy():
            with contextlib.suppress(psycopg.Error):  # gone already
                session.cancel_safe(timeout=5)
        wait(left, timeout=0.5)
