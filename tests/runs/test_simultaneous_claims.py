"""Workers that claim batches at the same time get different ones."""

from __future__ import annotations

from contextlib import ExitStack

from orchestrator.core.database import Connection, connect
from tests.support.runs import begin, claimed, create
from tests.support.waiting import all_at_once
from tests.support.world import office


def test_twenty_simultaneous_claims_get_different_batches(db: Connection, dsn: str) -> None:
    begin(db, office(40))
    run_id = create(db, "in_place", 5)
    with ExitStack() as stack:
        sessions = [stack.enter_context(connect(dsn)) for _ in range(20)]
        taken = all_at_once([lambda each=each: claimed(each, run_id).batch_id for each in sessions])  # type: ignore[misc]
        assert len(set(taken)) == 20
