"""Processes report their work on a run without waiting for a lock, and the ones that work are shown."""

from __future__ import annotations

import json
import os
import signal

import pytest
from psycopg.types.json import Jsonb

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from tests.support.application_rule import RULE
from tests.support.command_line import finish, run, start
from tests.support.runs import begin, create
from tests.support.sessions import connect, dsn_of, value
from tests.support.waiting import until
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


@pytest.mark.parametrize("death", [signal.SIGINT, signal.SIGKILL])
def test_show_lists_working_processes_and_no_ended_ones(own: Connection, death: signal.Signals) -> None:
    begin(own, office(30))
    own.execute(RULE.format("PERFORM pg_sleep(0.01);").encode())
    process = start("--dsn", dsn_of(own), "backfill", "--no-throttle", "--workers", "2", "--batch-edges", "40")
    until(lambda: value(own, "SELECT count(*) FROM connection_paths.backfill_runs WHERE processes <> '{}'"))
    show = ("--dsn", dsn_of(own), "runs", "show")
    assert f":{process.pid}: 2 of 2 workers" in run(*show).stdout
    assert "No process" not in run(*show).stdout
    os.kill(process.pid, death)
    finish(process, 20)
    until(lambda: value(own, "SELECT count(*) FROM connection_paths.lock_holders('worker')") == 0, 10)
    shown = run(*show).stdout
    assert "workers)" not in shown
    assert f":{process.pid}:" not in shown
    assert "No process is working on this run. To continue: orchestrator backfill" in shown
    assert json.loads(run("--dsn", dsn_of(own), "--json", "runs", "show").stdout)["run"]["processes"] == {}
    own.execute(
        "SELECT connection_paths.pause_run(run_id) FROM connection_paths.backfill_runs WHERE status = 'running'"
    )
    assert "orchestrator runs resume 1, then orchestrator backfill" in run(*show).stdout
