"""The state of the queue of changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection


@dataclass(frozen=True)
class QueueState:
    """How many changes wait, the age of the oldest in seconds (None: none waits), and how many contacts have failed.

    A contact that has failed three times counts as failed and no longer as waiting.
    """

    waiting: int
    oldest: float | None
    failed: int


def queue_state(connection: Connection) -> QueueState:
    """Return the state of the queue; contacts whose scheduled refresh is due count as waiting."""
    row = connection.execute(sqlfiles.query("changes/queued_changes")).fetchone()
    assert row is not None
    return QueueState(*row)


def has_changes(connection: Connection, until: datetime | None = None) -> bool:
    """Return whether a change waits that was made *until* that time (None: at any time).

    Contacts that have failed three times do not count.
    """
    row = connection.execute(sqlfiles.query("changes/changes_left"), {"until": until}).fetchone()
    return row == (True,)


def failed_changes(connection: Connection) -> list[dict[str, Any]]:
    """Return the contacts that have failed three times: contact_id and error."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sqlfiles.query("changes/failed_changes")).fetchall()


def retry_failed_changes(connection: Connection) -> None:
    """Give the contacts that have failed three times three more attempts."""
    connection.execute("UPDATE connection_paths.contact_changes SET failures = 0, has_failed = false WHERE has_failed")
