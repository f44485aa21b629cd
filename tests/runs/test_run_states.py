"""The state machines of runs and batches: which changes of state are possible, and by which functions."""

from __future__ import annotations

import re
from itertools import product

import psycopg
import pytest
from psycopg import errors

from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.sqlfiles import ROOT
from orchestrator.runs import runs
from tests.support.runs import begin, claimed, create, do, end, work
from tests.support.sessions import refused, value
from tests.support.world import office

ACTIVE = ("running", "paused")
OVER = ("cancelled", "succeeded", "succeeded with exceptions")
PHASES = ("filling", "indexing", "exchanged", "finished")
#: Every state that a run may be in: strategy, status and phase.
STATES = {
    *product(("rebuild",), ACTIVE, PHASES[:3]),
    *product(("in_place",), ACTIVE, PHASES[:1]),
    *product(("rebuild",), ("cancelled",), PHASES),
    *product(("in_place",), ("cancelled",), ("filling", "finished")),
    *product(("rebuild", "in_place"), OVER[1:], ("finished",)),
}
NEXT_PHASE = {("filling", "indexing"), ("indexing", "exchanged")}
BATCH_STATES = ("pending", "claimed", "done", "set aside")
NEXT_BATCH_STATE = {
    ("pending", "claimed"),
    ("claimed", "done"),
    ("claimed", "pending"),
    ("claimed", "set aside"),
}


def is_legal(strategy: str, status: str, phase: str, new_status: str, new_phase: str) -> bool:
    """Whether a run may go from one state to another, which may be the same; drawn in docs/explanation/runs.md."""
    if (strategy, new_status, new_phase) not in STATES:
        return False
    if (status, phase) == (new_status, new_phase):
        return True
    if status in ACTIVE and new_status in ACTIVE:
        return phase == new_phase or (phase, new_phase) in NEXT_PHASE
    if status in ACTIVE and new_status == "cancelled":
        return new_phase in (phase, "finished") or (phase, new_phase) in NEXT_PHASE
    if status in ACTIVE:
        return phase == ("exchanged" if strategy == "rebuild" else "filling")
    return status == new_status == "cancelled" and (new_phase == "finished" or (phase, new_phase) in NEXT_PHASE)


def insert(connection: Connection, strategy: str, status: str, phase: str) -> int:
    return int(
        value(
            connection,
            "INSERT INTO connection_paths.backfill_runs (strategy, status, phase) VALUES (%s, %s, %s) RETURNING run_id",
            strategy,
            status,
            phase,
        )
    )


def test_a_run_is_in_one_of_the_states(db: Connection) -> None:
    for state in product(("rebuild", "in_place"), (*ACTIVE, *OVER), PHASES):
        db.execute("DELETE FROM connection_paths.backfill_runs")
        if state in STATES:
            insert(db, *state)
        else:
            with pytest.raises(errors.CheckViolation):
                insert(db, *state)
    db.execute("DELETE FROM connection_paths.backfill_runs")


def test_a_run_makes_no_other_transition_than_those_of_the_diagram(db: Connection) -> None:
    for strategy, status, phase in sorted(STATES):
        for new_status, new_phase in product((*ACTIVE, *OVER), PHASES):
            db.execute("DELETE FROM connection_paths.backfill_runs")
            run_id = insert(db, strategy, status, phase)
            change = "UPDATE connection_paths.backfill_runs SET status = %s, phase = %s"
            if is_legal(strategy, status, phase, new_status, new_phase):
                assert db.execute(change, (new_status, new_phase)).rowcount == 1
                continue
            # not the error of a constraint, which has no hint
            with pytest.raises(errors.ObjectNotInPrerequisiteState, match=f"run {run_id} ") as raised:
                db.execute(change, (new_status, new_phase))
            assert raised.value.diag.message_hint
    db.execute("DELETE FROM connection_paths.backfill_runs")


def test_a_batch_makes_no_other_transition_than_those_of_the_diagram(db: Connection) -> None:
    run_id = insert(db, "in_place", "running", "filling")
    for status, new_status in product(BATCH_STATES, BATCH_STATES):
        db.execute("DELETE FROM connection_paths.backfill_batches")
        db.execute(
            "INSERT INTO connection_paths.backfill_batches (run_id, predicted_edges, status) VALUES (%s, 0, %s)",
            (run_id, status),
        )
        change = "UPDATE connection_paths.backfill_batches SET status = %s"
        if status == new_status or (status, new_status) in NEXT_BATCH_STATE:
            assert db.execute(change, (new_status,)).rowcount == 1
        else:
            with pytest.raises(errors.ObjectNotInPrerequisiteState, match=f"from {status} to {new_status}"):
                db.execute(change, (new_status,))


def test_a_run_is_paused_and_resumed_by_functions(db: Connection) -> None:
    begin(db, office(3))
    run_id = create(db, "in_place")
    for function, changed, status in (
        ("pause_run", True, "paused"),
        ("pause_run", False, "paused"),
        ("resume_run", True, "running"),
        ("resume_run", False, "running"),
        ("request_cancel", True, "cancelled"),
        ("request_cancel", False, "cancelled"),
    ):
        assert value(db, f"SELECT connection_paths.{function}(%s)", run_id) is changed
        assert runs.read(db, run_id).status == status
    for call in ("pause_run(%s)", "resume_run(%s)", "set_max_workers(%s, 1)"):
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match=f"run {run_id} is over: cancelled"):
            db.execute(f"SELECT connection_paths.{call}".encode(), (run_id,))


@pytest.mark.parametrize("call", ["pause_run(-1)", "resume_run(NULL)", "set_max_workers(-1, 2)"])
def test_a_run_that_does_not_exist_cannot_be_changed(db: Connection, call: str) -> None:
    with refused("02000", "there is no run"):
        db.execute(f"SELECT connection_paths.{call}".encode())


def test_a_negative_number_of_workers_is_refused(db: Connection) -> None:
    run_id = create(db, "in_place")
    with pytest.raises(errors.CheckViolation):
        db.execute("SELECT connection_paths.set_max_workers(%s, -1)", (run_id,))


def test_the_error_for_an_unknown_run_names_the_next_command(db: Connection) -> None:
    for steer in (runs.pause, runs.resume, runs.cancel, lambda connection, run: runs.set_workers(connection, run, 2)):
        with pytest.raises(OrchestratorError, match="there is no run 4711; see: orchestrator runs list"):
            steer(db, 4711)


def test_a_run_that_is_over_stays_over(db: Connection) -> None:
    begin(db, office(3))
    for last in ("cancelled", "succeeded"):
        run_id = create(db, "in_place")
        work(db, run_id)
        if last == "succeeded":
            end(db, run_id, "in_place")
        else:
            db.execute("SELECT connection_paths.request_cancel(%s)", (run_id,))
        for status in ("running", "paused"):
            with pytest.raises(errors.ObjectNotInPrerequisiteState, match=f"run {run_id} is over: {last}"):
                db.execute("UPDATE connection_paths.backfill_runs SET status = %s WHERE run_id = %s", (status, run_id))
            with pytest.raises(OrchestratorError, match=f"run {run_id} is over: {last}"):
                {"running": runs.resume, "paused": runs.pause}[status](db, run_id)
        if last == "succeeded":
            with pytest.raises(errors.ObjectNotInPrerequisiteState):
                db.execute("UPDATE connection_paths.backfill_runs SET status = 'cancelled'")
        assert runs.read(db, run_id).status == last


def test_a_batch_that_is_done_stays_done(db: Connection) -> None:
    begin(db, office(3))
    run_id = create(db, "in_place")
    do(db, run_id, claimed(db, run_id))
    with pytest.raises(psycopg.Error, match="Only claim_batch, do_batch and fail_batch"):
        db.execute("UPDATE connection_paths.backfill_batches SET status = 'pending'")


#: Which functions change the state of a run or a batch, and to what. No other code does.
TRANSITIONS = {
    "pause_run": {"paused"},
    "resume_run": {"running"},
    "request_cancel": {"cancelled"},
    "begin_indexing": {"indexing"},
    "mark_exchanged": {"exchanged"},
    "cancel_run": {"finished"},
    "finish_run": {"outcome", "finished"},
    "claim_batch": {"claimed"},
    "do_batch": {"done"},
    "fail_batch": {"pending"},
    "split_batch": {"pending"},
    "set_aside_batch": {"set aside"},
}
_CHANGE = re.compile(
    r"UPDATE\s+connection_paths\.backfill_(?:runs|batches)\b(?:\s+AS\s+\w+)?\s+SET\s+((?:[^;`]|\n)*?)(?:\bWHERE\b|;|`)"
)
_STATE = re.compile(r"\b(?:status|phase)\s*=\s*(?:'([^']+)'|(\w+))")


def changed_states(text: str) -> set[str]:
    """Return the states that statements in a text set, or the variables that hold them."""
    return {one or other for change in _CHANGE.findall(text) for one, other in _STATE.findall(change)}


def test_each_transition_is_made_by_one_function() -> None:
    found = {path.parent.name: changed_states(path.read_text()) for path in (ROOT / "functions").rglob("v*.sql")}
    assert {name: states for name, states in found.items() if states} == TRANSITIONS


def test_nothing_else_changes_the_state_of_a_run() -> None:
    project = ROOT.parent
    others = [*(ROOT / "queries").rglob("*.sql"), *(ROOT / "migrations").iterdir(), project / "README.md"]
    others += [
        *(project / "orchestrator").rglob("*.py"),
        *(project / "docs").rglob("*.md"),
        *(project / "bench").rglob("*.py"),
    ]
    assert [path for path in others if path.is_file() and changed_states(path.read_text(encoding="utf-8"))] == []
    assert changed_states("`UPDATE connection_paths.backfill_runs SET status = 'paused'`") == {"paused"}
