"""Standbys: what makes readers wait there when the end of a rebuild is replayed.

A rebuild ends with an exclusive lock on the table of edges. On the primary it is held for some milliseconds, and given
up rather than waited for. A standby replays it: there it waits for statements that read edges, up to
``max_standby_streaming_delay``, and every later call of ``find_paths`` waits behind it.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.doctor.finding import Finding
from orchestrator.doctor.subject import EDGES, LIVE_EDGES, Subject

#: Seconds that readers of a standby may have to wait, and that a transaction may read edges there.
LONG = 5
_RELOAD = "SELECT pg_reload_conf();"


def standbys(subject: Subject) -> Iterator[Finding]:
    """Find settings and transactions of a standby that make readers wait; on a primary, that it has standbys."""
    yield from _here(subject) if subject.is_standby else _elsewhere(subject)


def _elsewhere(subject: Subject) -> Iterator[Finding]:
    for row in subject.ask("standbys"):
        number = "1 standby" if row.number == 1 else f"{row.number} standbys"
        what = (
            f"this server has {number} ({row.names}), where the end of a rebuild makes readers wait for as long as"
            " max_standby_streaming_delay says; the doctor looks at that on each of them"
        )
        yield Finding("standbys", "advice", what, "orchestrator --dsn 'host=STANDBY ...' doctor", "standbys")


def _here(subject: Subject) -> Iterator[Finding]:
    (row,) = subject.ask("standby_settings")
    if row.delay_seconds is None or row.delay_seconds > LONG:
        longest = "without end" if row.delay_seconds is None else f"for {row.delay_seconds:g} s"
        what = (
            f"max_standby_streaming_delay is {row.delay} on this standby: at the end of a rebuild, find_paths waits"
            f" {longest} here, behind any statement that has begun to read edges and is not cancelled before then."
            " Set it on this standby"
        )
        mend = f"ALTER SYSTEM SET max_standby_streaming_delay = '{LONG}s';\n{_RELOAD}"
        yield Finding("standbys", "advice", what, mend, "max_standby_streaming_delay")
    if not row.feedback:
        what = (
            "hot_standby_feedback is off on this standby: VACUUM on the primary cancels statements here that still read"
            " what it removes. Set it on this standby"
        )
        mend = f"ALTER SYSTEM SET hot_standby_feedback = on;\n{_RELOAD}"
        yield Finding("standbys", "advice", what, mend, "hot_standby_feedback")
    tables = [subject.tables[name].oid for name in (EDGES, LIVE_EDGES) if name in subject.tables]
    for reader in subject.ask("standby_readers", {"tables": tables, "seconds": LONG}):
        what = (
            f"a transaction on this standby has held the table of edges for {reader.seconds:.0f} s (pid {reader.pid},"
            f" application {reader.application or 'unknown'}): the end of a rebuild waits for it, and find_paths waits"
            " behind that. End it on this standby"
        )
        yield Finding("standbys", "advice", what, f"SELECT pg_terminate_backend({reader.pid});", str(reader.pid))
