"""Processes report their work on a run, and a report waits for no lock."""

from __future__ import annotations

from psycopg.types.json import Jsonb

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from tests.support.runs import begin, create
from tests.support.sessions import connect, value
from tests.support.world import office


def test_reporting_progress_waits_for_no_lock(db: Connection, dsn: str) -> None:
    begin(db, office(3))
    shown = {"run_id": create(db, "in_place"), "process": "here:1", "worker": 1, "report": Jsonb({"workers": 2})}
    tell = sqlfiles.query("runs/record_process")
    with connect(dsn, autocommit=False) as holder:
        holder.execute("SELECT connection_paths.set_max_workers(%s, 2)", (shown["run_id"],))
        db.execute("SET lock_timeout = '1s'")
        assert db.execute(tell, shown).rowcount == 0
        holder.rollback()
    db.execute("RESET lock_timeout")
    assert db.execute(tell, shown).rowcount == 1
    assert value(db, "SELECT processes #>> '{here:1,workers}' FROM connection_paths.backfill_runs") == "2"
