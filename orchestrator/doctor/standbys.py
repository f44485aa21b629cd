"""Checks what makes readers of a standby wait when it replays the end of a rebuild.

A rebuild ends with an exclusive lock on the edge table. On the primary, the lock is held for some milliseconds, and the
rebuild tries again later rather than waiting long for it. On a standby, replay waits for statements that read edges, up
to ``max_standby_streaming_delay``, and every later statement that reads ``contact_connections`` waits for replay. A
rebuild gives way to such statements, but only for some minutes, and only on standbys that it can see; and it redirects
searches, which otherwise wait, too: :mod:`orchestrator.rebuild.standbys`.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.inspection.finding import Finding
from orchestrator.inspection.subject import EDGES, LIVE_EDGES, Subject

#: Seconds. Readers of a standby may wait this long, and a transaction there may read edges for this long.
LONG = 5
_RELOAD = "SELECT pg_reload_conf();"


def standbys(subject: Subject) -> Iterator[Finding]:
    """Find settings and transactions of a standby that make readers wait; on a primary, mention its standbys."""
    yield from _here(subject) if subject.is_standby else _elsewhere(subject)


def _elsewhere(subject: Subject) -> Iterator[Finding]:
    for row in subject.query("doctor/standbys"):
        number = "1 standby" if row.number == 1 else f"{row.number} standbys"
        what = (
            f"this server has {number} ({row.names}), where the end of a rebuild can make readers wait for up to"
            " max_standby_streaming_delay; run doctor on each standby to check that, and give backfill the hosts of all"
            " standbys (host=A,B), so that the end of a rebuild waits for long statements there"
        )
        yield Finding("standbys", "advice", what, "orchestrator --dsn 'host=STANDBY ...' doctor", "standbys")


def _here(subject: Subject) -> Iterator[Finding]:
    (row,) = subject.query("doctor/standby_settings")
    if row.delay_seconds is None or row.delay_seconds > LONG:
        longest = "without limit" if row.delay_seconds is None else f"up to {row.delay_seconds:g} s"
        what = (
            f"max_standby_streaming_delay is {row.delay} on this standby: at the end of a rebuild that does not give"
            f" way, find_paths waits {longest} here for statements that are reading edges. Set it on this standby"
        )
        repair = f"ALTER SYSTEM SET max_standby_streaming_delay = '{LONG}s';\n{_RELOAD}"
        yield Finding("standbys", "advice", what, repair, "max_standby_streaming_delay")
    if not row.feedback:
        what = (
            "hot_standby_feedback is off on this standby: VACUUM on the primary cancels statements here that read"
            " rows which it removes. Set it on this standby"
        )
        repair = f"ALTER SYSTEM SET hot_standby_feedback = on;\n{_RELOAD}"
        yield Finding("standbys", "advice", what, repair, "hot_standby_feedback")
    tables = [subject.tables[name].oid for name in (EDGES, LIVE_EDGES) if name in subject.tables]
    for reader in subject.query("doctor/standby_readers", {"tables": tables, "seconds": LONG}):
        what = (
            f"a transaction on this standby has locked the edge table for {reader.seconds:.0f} s (pid {reader.pid},"
            f" application {reader.application or 'unknown'}): the end of a rebuild waits for it, and then find_paths"
            " waits too. End it on this standby"
        )
        yield Finding("standbys", "advice", what, f"SELECT pg_terminate_backend({reader.pid});", str(reader.pid))
