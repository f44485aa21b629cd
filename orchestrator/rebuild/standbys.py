"""Chooses the moment of an exchange, so that readers of a standby do not wait for it.

The exchange of a rebuild holds an exclusive lock on the edge table for some milliseconds. A standby takes the same lock
when it replays the exchange. It cannot give up and try again later, as the primary does: while a statement there reads
edges, replay waits for it, up to ``max_standby_streaming_delay``, and every later call of ``find_paths`` waits behind
replay. When that time is over, PostgreSQL cancels the statement, and other statements with it.

So, where there are standbys, an exchange is prepared in three steps:

1. It gives way. On the hosts of the connection string, this module reads which transactions have locked the edge table.
   Of other standbys, the primary knows only what ``hot_standby_feedback`` reports, every ten seconds by default: that
   some statement there is old. The patience is limited.
2. Searches are redirected: they read the new table directly (``redirect_searches``). From then on, a long statement
   that reads ``contact_connections`` on a standby delays no search.
3. The lock of the exchange is taken once and released. A standby that replays it waits for the long statements of other
   readers now, and has its whole ``max_standby_streaming_delay`` again for the exchange itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import conninfo_to_dict

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, hosts, place, resolved, stateless, transaction
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.core.schema import with_values

log = logging.getLogger(__name__)

#: Seconds that the exchange gives way to statements on standbys. After that it is done all the same.
PATIENCE = 300.0
#: Seconds. A transaction that has locked the edge table for longer is no ordinary call of a finder.
LONG = 0.5

#: Seconds that standbys may take for step 3: a little more than the default of max_standby_streaming_delay.
#: In this time, searches do not see what ``sync`` writes.
_DRAIN = 35.0
_PROMPT = 2.0  # seconds in which a standby that is not delayed on purpose replays what has just been written
_LIMITS = {"statement_timeout": "2s", "lock_timeout": "1s"}
_CONNECT_TIMEOUT = 5  # seconds
_PAUSE = "SELECT pg_sleep(0.1)"  # a statement can be cancelled, and it fails when the session is lost
_DELAYED = "SELECT current_setting('recovery_min_apply_delay') <> '0'"


class Standbys:
    """The standbys of a primary, for the length of a block."""

    def __init__(self, connection: Connection, *, patience: float | None = None) -> None:
        """Connect to those hosts of *connection*, a session on the primary, that are its standbys."""
        self._primary = connection
        self._deadline = time.monotonic() + (PATIENCE if patience is None else patience)
        self._reached: dict[str, Connection] = {}
        self._since = ""
        self._redirected = False
        self._has_standbys = bool(self._listed())
        if not self._has_standbys:
            return
        here = place(connection)
        for each in hosts(resolved(connection)):
            name = str(conninfo_to_dict(each).get("host") or "")
            try:
                standby = stateless(with_values(each, connect_timeout=_CONNECT_TIMEOUT))
            except OrchestratorError as error:
                log.info("standby %s: %s", name, one_line(error))
                continue
            if self._is_standby(standby) and place(standby) == here:
                self._reached[name] = standby
            else:
                standby.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._redirected:
            with suppress(psycopg.Error):  # otherwise the next process does it, or drop_rebuild
                self._restore()
        for each in self._reached.values():
            each.close()

    def prepare(self, waiting: Callable[[str], None] = lambda _: None) -> None:
        """Make it unlikely that an exchange, which must follow at once, delays readers of a standby.

        ``waiting`` is called with each new reason to wait.
        """
        if not self._has_standbys:
            return
        self._restore()  # an attempt to exchange the tables has failed, or another process was killed
        while True:
            self.give_way(waiting)
            self._redirected = self._value("SELECT connection_paths.redirect_searches(true)") == "True"
            if not self._redirected or self._drain():
                return
            self._restore()

    def give_way(self, waiting: Callable[[str], None] = lambda _: None) -> None:
        """Return as soon as no standby has a reason to wait, or when the patience is over.

        ``waiting`` is called with each new reason.
        """
        said = None
        while reason := self._reason():
            if time.monotonic() > self._deadline:
                log.warning("%s; the tables are exchanged all the same", reason)
                return
            if reason.partition(" for ")[0] != said:
                said = reason.partition(" for ")[0]
                waiting(reason)
            self._primary.execute(_PAUSE)

    def _drain(self) -> bool:
        """Take the lock of the exchange and release it; return false when it is not free.

        Waits until the standbys have replayed that, except those that do not replay promptly anyway.
        """
        delayed = self._behind(_PROMPT)
        try:
            with self._primary.transaction():
                self._primary.execute("SELECT set_config('lock_timeout', %s, true)", (f"{LONG}s",))
                self._primary.execute("LOCK TABLE connection_paths.contact_connections IN ACCESS EXCLUSIVE MODE")
        except psycopg.errors.LockNotAvailable:
            return time.monotonic() > self._deadline
        self._behind(_DRAIN, except_for=delayed)
        return True

    def _behind(self, seconds: float, except_for: frozenset[int] = frozenset()) -> frozenset[int]:
        """Wait until the standbys have replayed everything; return those that have not after so many seconds."""
        written = self._value("SELECT pg_current_wal_insert_lsn()::text")
        deadline = time.monotonic() + seconds
        while behind := {pid for pid, _, _, is_behind in self._listed(written=written) if is_behind} - except_for:
            if time.monotonic() > deadline:
                break
            self._primary.execute(_PAUSE)
        return frozenset(behind)

    def _restore(self) -> None:
        self._primary.execute("SELECT connection_paths.redirect_searches(false)")
        self._redirected = False

    def _reason(self) -> str | None:
        """Return why an exchange would make readers wait somewhere now; None when no such reason is known."""
        written = self._value("SELECT pg_current_wal_flush_lsn()::text")
        _, seconds, pid = self._look(self._primary, written)
        if seconds is not None:  # the lock would not be free here
            return f"a transaction on the primary (pid {pid}) has locked edges for {seconds:.0f} s"
        for name, standby in list(self._reached.items()):
            try:
                with transaction(standby, _LIMITS):
                    row = self._look(standby, written)
            except psycopg.Error as error:
                log.info("standby %s: %s", name, one_line(error))
                if standby.closed or standby.broken:
                    del self._reached[name]
                continue
            is_behind, seconds, pid = row
            if seconds is not None:
                return f"a transaction on standby {name} (pid {pid}) has read edges for {seconds:.0f} s"
            if is_behind and not self._replays(standby, written):
                return f"standby {name} is behind"
        if not self._since:
            self._since = self._value("SELECT pg_current_xact_id()::text")
        listed = self._listed(since=self._since)
        if len(listed) > len(self._reached):  # which of them are reached is not known
            for _, name, has_old_reader, _ in listed:
                if has_old_reader:
                    return f"standby {name} reports an old statement (hot_standby_feedback)"
        return None

    def _look(self, connection: Connection, written: str) -> tuple[bool, float | None, int | None]:
        parameters = {"written": written, "seconds": LONG}
        row = connection.execute(sqlfiles.query("rebuild/standby_look"), parameters).fetchone()
        assert row is not None
        return row[0], row[1], row[2]

    def _replays(self, standby: Connection, written: str) -> bool:
        """Whether the standby replays the WAL up to an LSN within half a second."""
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            with suppress(psycopg.Error), transaction(standby, _LIMITS):
                row = standby.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (written,)).fetchone()
                if row == (True,):
                    return True
            time.sleep(0.01)
        return False

    def _is_standby(self, connection: Connection) -> bool:
        """Whether the server is a standby that does not replay later on purpose."""
        row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
        return row == (True,) and connection.execute(_DELAYED).fetchone() == (False,)

    def _listed(self, *, since: str = "0", written: str = "0/0") -> list[tuple[int, str, bool, bool]]:
        parameters = {"since": since, "written": written}
        return self._primary.execute(sqlfiles.query("rebuild/standby_positions"), parameters).fetchall()

    def _value(self, query: str) -> str:
        row = self._primary.execute(query.encode()).fetchone()
        assert row is not None
        return str(row[0])
