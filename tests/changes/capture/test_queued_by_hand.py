"""Changes are queued by hand with queue_changes and queue_everyone."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from orchestrator.core.database import Connection
from tests.support.sessions import value


def test_changes_are_queued_by_hand(db: Connection, dsn: str) -> None:
    def noted(call: str) -> Any:
        with db.transaction(force_rollback=True):
            returned = value(db, f"SELECT connection_paths.{call}")
            found = db.execute(
                "SELECT contact_id, organization_id FROM connection_paths.contact_changes ORDER BY 1, 2"
            ).fetchall()
            return returned, found

    assert noted("queue_changes()") == (0, [])
    assert noted("queue_changes(NULL, NULL)") == (0, [])
    assert noted("queue_changes('{NULL}', '{NULL, NULL}')") == (0, [])
    assert noted("queue_changes('{3, 1, NULL, 3}', '{2}')") == (3, [(1, None), (3, None), (None, 2)])
    assert noted("queue_changes(organization_ids => '{7, 7}')") == (1, [(None, 7)])
    assert noted("queue_everyone()") == ("", [(None, None)])
    with db.transaction(force_rollback=True):
        db.execute("CREATE ROLE writes; GRANT USAGE ON SCHEMA connection_paths TO writes")
        for may in (False, True):
            with db.transaction():
                db.execute("SET LOCAL ROLE writes")
                if may:
                    assert value(db, "SELECT connection_paths.queue_changes('{1}')") == 1
                else:
                    with pytest.raises(psycopg.errors.InsufficientPrivilege), db.transaction():
                        db.execute("SELECT connection_paths.queue_changes('{1}')")
                db.execute("RESET ROLE")
            db.execute("GRANT EXECUTE ON FUNCTION connection_paths.queue_changes TO writes")
