"""A rebuild: edges of other kinds survive it, a cancelled one leaves nothing behind, only a whole table goes live."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors
from psycopg.conninfo import make_conninfo

from orchestrator.core.database import Connection
from orchestrator.rebuild import rebuild
from orchestrator.runs import runs
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support import oracle
from tests.support.changes import drain
from tests.support.command_line import finish, run, start
from tests.support.edges import edges, wrong_edges
from tests.support.index_builds import slow_to_index
from tests.support.properties import first_of, repeatable
from tests.support.runs import (
    LEFT_THERE,
    PARTITIONS,
    STAGES,
    WAITING,
    WRITE,
    begin,
    claimed,
    create,
    do,
    end,
    friends,
    stages,
    work,
)
from tests.support.sessions import connect, dsn_of, refused, set_for_database, value
from tests.support.waiting import in_the_background, until
from tests.support.world import FRIEND, TODAY, WORK_OVERLAP, Edge, load_edges, office, worlds

ONE_FRIEND = "WHERE contact_a_id = %s AND contact_b_id = %s AND kind = 'friend'"


@repeatable(13)
@given(data=st.data())
def test_edges_of_other_kinds_written_during_a_rebuild_survive(
    own: Connection, application: str, data: st.DataObject
) -> None:
    world = data.draw(worlds())
    begin(own, world, data.draw(wrong_edges()))
    known = {pair: row[1] for pair, row in friends(own).items()}

    def write(writer: Connection) -> None:
        for _ in range(data.draw(st.integers(0, 3))):
            what = data.draw(st.sampled_from(("upsert", "copy", "update", "move", "delete", "rolled back")))
            others = st.tuples(st.integers(1, 2), st.integers(5, 7))
            pair = data.draw(others if what in ("upsert", "copy") or not known else st.sampled_from(sorted(known)))
            number = data.draw(st.integers(1, 99))
            if what == "upsert":
                writer.execute(
                    f"{WRITE} ON CONFLICT (contact_a_id, contact_b_id, kind)"
                    " DO UPDATE SET organization_id = excluded.organization_id".encode(),
                    (*pair, FRIEND, number),
                )
                known[pair] = number
            elif what == "copy" and pair not in known:
                load_edges(writer, {pair: Edge(FRIEND, number, None, None)})
                known[pair] = number
            elif what == "update" and pair in known:
                writer.execute(
                    f"UPDATE connection_paths.contact_connections SET organization_id = %s {ONE_FRIEND}".encode(),
                    (number, *pair),
                )
                known[pair] = number
            elif what == "move" and pair in known and (pair[0], pair[1] + 10) not in known:
                writer.execute(
                    f"UPDATE connection_paths.contact_connections SET contact_b_id = %s {ONE_FRIEND}".encode(),
                    (pair[1] + 10, *pair),
                )
                known[pair[0], pair[1] + 10] = known.pop(pair)
            elif what == "delete":
                writer.execute(f"DELETE FROM connection_paths.contact_connections {ONE_FRIEND}".encode(), pair)
                known.pop(pair, None)
            elif what == "rolled back":
                with writer.transaction(force_rollback=True):
                    writer.execute("DELETE FROM connection_paths.contact_connections WHERE kind = 'friend'")

    with connect(make_conninfo(dsn_of(own), user=application)) as writer:
        run_id = create(own, "rebuild", 3)
        for _ in stages(own, run_id):
            write(writer)
        assert value(own, "SELECT connection_paths.exchange_rebuild(%s)", run_id) is True
        assert value(own, "SELECT connection_paths.exchange_rebuild(%s)", run_id) is False
        write(writer)
        assert end(own, run_id, "rebuild") == "succeeded"
        write(writer)
    assert {pair: row[1] for pair, row in friends(own).items()} == known
    assert edges(own) == oracle.edges(world)


@pytest.mark.parametrize("stage", STAGES)
def test_each_kind_of_write_to_an_edge_of_another_kind_survives(db: Connection, stage: str) -> None:
    before = {pair: Edge(FRIEND, 1, None, None) for pair in ((1, 2), (1, 3), (1, 4), (1, 5))}
    begin(db, replace(office(5), extra_edges=before))
    run_id = create(db, "rebuild", 3)
    for reached in stages(db, run_id):
        if reached == stage:
            for statement in (
                "DELETE FROM connection_paths.contact_connections WHERE contact_b_id = 2 AND kind = 'friend'",
                "UPDATE connection_paths.contact_connections SET organization_id = 2"
                " WHERE contact_b_id = 3 AND kind = 'friend'",
                "UPDATE connection_paths.contact_connections SET contact_b_id = 8"
                " WHERE contact_b_id = 4 AND kind = 'friend'",
                "INSERT INTO connection_paths.contact_connections VALUES (1, 7, 'friend', 50, 1, 3)",
            ):
                db.execute(statement.encode())
    assert end(db, run_id, "rebuild") == "succeeded"
    assert {pair: row[1] for pair, row in friends(db).items()} == {(1, 3): 2, (1, 5): 1, (1, 7): 3, (1, 8): 1}
    assert edges(db) == oracle.edges(office(5))


def test_truncate_is_refused_while_a_rebuild_is_under_way(own: Connection, application: str) -> None:
    begin(own, office(3), oracle.edges(office(3)))
    with connect(make_conninfo(dsn_of(own), user=application)) as writer:
        for last in ("finish", "cancel"):
            run_id = create(own, "rebuild")
            with pytest.raises(errors.ObjectInUse):
                writer.execute("TRUNCATE connection_paths.contact_connections")
            assert len(edges(own)) == 3
            if last == "finish":
                work(own, run_id)
                end(own, run_id, "rebuild")
            else:
                own.execute("SELECT connection_paths.cancel_run(%s)", (run_id,))
        writer.execute("TRUNCATE connection_paths.contact_connections")
        assert edges(own) == {}


@pytest.mark.parametrize("stage", [*STAGES, "swapped"])
@pytest.mark.parametrize("by_update", first_of(2, [False, True]))
def test_a_cancelled_rebuild_leaves_nothing_behind(db: Connection, stage: str, by_update: bool) -> None:
    world = office(5)
    old = {(1, 2): Edge(WORK_OVERLAP, 3, TODAY, None, 50, 1, 0, 1)}
    begin(db, replace(world, extra_edges={(1, 5): Edge(FRIEND, None, None, None)}), old)
    there = db.execute(LEFT_THERE).fetchall()
    run_id = create(db, "rebuild", 3)
    for reached in stages(db, run_id):
        if reached == stage:
            break
    if stage == "swapped":
        db.execute("SELECT connection_paths.exchange_rebuild(%s)", (run_id,))
    if by_update:
        db.execute("SELECT connection_paths.request_cancel(%s)", (run_id,))
    db.execute("SELECT connection_paths.backfill_contact(1)") if stage == "half done" else None
    assert value(db, "SELECT connection_paths.cancel_run(%s)", run_id) is True
    assert value(db, "SELECT connection_paths.cancel_run(%s)", run_id) is False
    assert db.execute(LEFT_THERE).fetchall() == there
    assert len(db.execute(PARTITIONS).fetchall()) == 1
    if stage != "half done":
        assert edges(db) == (oracle.edges(world) if stage == "swapped" else old)
    shown = runs.read(db, run_id)
    assert (shown.status, shown.phase, shown.finished_at is not None) == ("cancelled", "finished", True)
    again = create(db, "rebuild")
    work(db, again)
    assert end(db, again, "rebuild") == "succeeded"
    assert edges(db) == oracle.edges(world)
    assert list(friends(db)) == [(1, 5)]
    assert db.execute(LEFT_THERE).fetchall() == there


def test_a_new_rebuild_drops_the_tables_of_a_cancelled_one(db: Connection) -> None:
    begin(db, office(4))
    there = db.execute(LEFT_THERE).fetchall()
    old = create(db, "rebuild", 1)
    do(db, old, claimed(db, old))
    db.execute("SELECT connection_paths.request_cancel(run_id) FROM connection_paths.backfill_runs")
    run_id = create(db, "rebuild")
    assert value(db, "SELECT connection_paths.cancel_run(%s)", old) is True  # and drops no table of the new one
    work(db, run_id)
    assert end(db, run_id, "rebuild") == "succeeded"
    assert edges(db) == oracle.edges(office(4))
    assert db.execute(LEFT_THERE).fetchall() == there


def test_cancelling_a_rebuild_keeps_the_tables_of_a_new_one(db: Connection, dsn: str) -> None:
    """It waits until the new run is visible."""
    begin(db, office(4))
    there = db.execute(LEFT_THERE).fetchall()
    old = create(db, "rebuild", 1)
    do(db, old, claimed(db, old))
    db.execute("SELECT connection_paths.request_cancel(run_id) FROM connection_paths.backfill_runs")
    with connect(dsn, autocommit=False) as planner, connect(dsn) as canceller:
        run_id = create(planner, "rebuild")
        cancel = "SELECT connection_paths.cancel_run(%s)"
        with in_the_background(lambda: value(canceller, cancel, old)) as cancelling:
            until(lambda: value(db, WAITING) == 1)
            planner.commit()
            assert cancelling.result() is True
    work(db, run_id)
    assert end(db, run_id, "rebuild") == "succeeded"
    assert edges(db) == oracle.edges(office(4))
    assert db.execute(LEFT_THERE).fetchall() == there


def test_nothing_is_copied_for_a_cancelled_rebuild(db: Connection) -> None:
    """The table may belong to the next rebuild."""
    begin(db, replace(office(3), extra_edges={(1, 5): Edge(FRIEND, None, None, None)}))
    run_id = create(db, "rebuild")
    work(db, run_id)
    db.execute("SELECT connection_paths.request_cancel(run_id) FROM connection_paths.backfill_runs")
    assert value(db, "SELECT connection_paths.copy_remaining_edges(%s)", run_id) == 0
    shown = "SELECT count(*) FROM connection_paths.contact_connections_next WHERE kind = 'friend'"
    assert value(db, shown) == 0
    assert runs.read(db, run_id).phase == "filling"


def test_a_batch_of_a_rebuild_is_refused_in_repeatable_read(db: Connection, dsn: str) -> None:
    begin(db, office(3))
    run_id = create(db, "rebuild")
    batch = claimed(db, run_id)
    with connect(dsn) as blind:
        blind.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(errors.ActiveSqlTransaction):
            do(blind, run_id, batch)
        blind.execute("ROLLBACK")
        blind.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(errors.ActiveSqlTransaction):
            blind.execute("SELECT connection_paths.cancel_run(%s)", (run_id,))
    do(db, run_id, batch)


def test_a_rebuild_is_not_finished_before_its_batches(db: Connection) -> None:
    begin(db, office(4))
    run_id = create(db, "rebuild", 2)
    do(db, run_id, claimed(db, run_id))
    for name in ("copy_remaining_edges", "finish_run"):
        with refused(runs.NOT_READY):
            db.execute(f"SELECT connection_paths.{name}(%s)".encode(), (run_id,))
    assert value(db, "SELECT connection_paths.exchange_rebuild(%s)", run_id) is False
    work(db, run_id)
    with refused(runs.NOT_READY):
        db.execute("SELECT connection_paths.finish_run(%s)", (run_id,))
    assert value(db, "SELECT connection_paths.copy_remaining_edges(%s)", run_id) == 0
    assert value(db, "SELECT connection_paths.copy_remaining_edges(%s)", run_id) == 0
    assert end(db, run_id, "rebuild") == "succeeded"
    assert end(db, run_id, "rebuild") == "succeeded"


def test_an_exchange_is_refused_while_an_index_is_missing(db: Connection) -> None:
    begin(db, office(4), {(1, 2): Edge(WORK_OVERLAP, 3, TODAY, None, 50, 1, 0, 1)})
    run_id = create(db, "rebuild")
    work(db, run_id)
    db.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
    query = "SELECT statement FROM connection_paths.missing_rebuild_indexes(%s)"
    seen = 0
    while missing := db.execute(query, (run_id,)).fetchall():
        with refused(runs.NOT_READY):
            db.execute("SELECT connection_paths.exchange_rebuild(%s)", (run_id,))
        assert len(edges(db)) == 1
        db.execute(missing[-1][0].encode())  # in any order
        seen += 1
    assert seen >= 4  # the primary key takes two
    assert value(db, "SELECT connection_paths.exchange_rebuild(%s)", run_id) is True


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_an_exchange_in_repeatable_read_is_refused(db: Connection, dsn: str, level: str) -> None:
    begin(db, office(4))
    run_id = create(db, "rebuild")
    for _ in stages(db, run_id):
        pass
    with connect(dsn) as blind:
        blind.execute(f"BEGIN ISOLATION LEVEL {level}; SELECT FROM public.contacts".encode())
        db.execute(WRITE.encode(), (1, 4, FRIEND, None))
        with pytest.raises(errors.ActiveSqlTransaction):
            blind.execute("SELECT connection_paths.exchange_rebuild(%s)", (run_id,))
    assert end(db, run_id, "rebuild") == "succeeded"
    assert list(friends(db)) == [(1, 4)]


def test_a_wrong_rebuild_is_not_exchanged(db: Connection) -> None:
    begin(db, office(5))
    for spoil in (
        "DELETE FROM connection_paths.contact_connections_next WHERE contact_b_id = 5 AND contact_a_id = 1",
        "UPDATE connection_paths.contact_connections_next SET date_to = current_date WHERE contact_a_id = 2",
        "INSERT INTO connection_paths.contact_connections_next"
        " SELECT 5, 6, kind, strength, shared_organizations, organization_id, date_from, date_to, earlier_days, people"
        " FROM connection_paths.contact_connections_next LIMIT 1;"
        "UPDATE connection_paths.backfill_batches SET edges_changed = edges_changed + 1"
        " WHERE batch_id = (SELECT max(batch_id) FROM connection_paths.backfill_batches)",
    ):
        run_id = create(db, "rebuild")
        work(db, run_id)
        db.execute(spoil.encode())
        with pytest.raises(Exception, match="the rebuild has wrong edges"):
            rebuild.complete(dsn_of(db), db, run_id, workers=2)
        assert edges(db) == {}
        assert runs.read(db, run_id).is_active
        db.execute("SELECT connection_paths.cancel_run(%s)", (run_id,))


def test_contacts_refreshed_during_a_rebuild_are_refreshed_again(db: Connection) -> None:
    world = office(5)
    begin(db, world, oracle.edges(world))
    run_id = create(db, "rebuild")
    work(db, run_id)
    db.execute("UPDATE public.contact_work_experiences SET organization_id = 99 WHERE contact_id = 3")
    drain(db)
    gone = {pair: edge for pair, edge in oracle.edges(world).items() if 3 not in pair}
    assert edges(db) == gone
    assert end(db, run_id, "rebuild") == "succeeded"
    drain(db)
    assert edges(db) == gone


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("DELETE FROM public.contacts WHERE id = 5", {1, 2, 3, 4}),
        ("INSERT INTO public.contacts (id) VALUES (6)", {1, 2, 3, 4, 5, 6}),
    ],
)
def test_contacts_inserted_or_deleted_while_a_rebuild_is_planned(
    db: Connection, dsn: str, what: str, left: set[int]
) -> None:
    """The list of missing contacts is older than the change, and a sync handles it before the run is visible."""
    begin(db, office(6))
    db.execute("DELETE FROM public.contacts WHERE id = 6")
    with connect(dsn, autocommit=False) as blocker, connect(dsn) as planner:
        blocker.execute("CREATE TABLE connection_paths.contact_connections_next ()")
        with in_the_background(lambda: create(planner, "rebuild")) as planning:
            until(lambda: value(db, WAITING) == 1)
            db.execute(what.encode())
            drain(db)
            blocker.rollback()
            run_id = planning.result()
    work(db, run_id)
    assert end(db, run_id, "rebuild") == "succeeded"
    drain(db)
    assert set(edges(db)) == set(combinations(sorted(left), 2))


@pytest.mark.parametrize("timeout", ["statement_timeout", "transaction_timeout"])
def test_the_databases_timeouts_do_not_stop_the_end_of_a_rebuild(own: Connection, timeout: str) -> None:
    if timeout == "transaction_timeout" and own.info.server_version < 170_000:
        pytest.skip("of PostgreSQL 17 and later")
    begin(own, office(8))
    slow_to_index(own, 30)  # 28 edges
    set_for_database(own, timeout, "400ms")
    done = backfill(dsn_of(own), BackfillOptions(workers=1, strategy="rebuild", limits=None))
    assert done.run.status == "succeeded"


def test_a_run_cancelled_while_it_waits_for_the_exchange_ends_as_cancelled(
    own: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that finishes the run may notice the cancellation late."""
    monkeypatch.setattr("orchestrator.runs.driver.RunDriver._show_index_builds", lambda *_: None)
    begin(own, office(4))
    there = own.execute(LEFT_THERE).fetchall()
    with connect(dsn_of(own), autocommit=False) as reader:
        reader.execute("SELECT FROM connection_paths.contact_connections")
        options = BackfillOptions(workers=1, strategy="rebuild", limits=None)
        with in_the_background(lambda: backfill(dsn_of(own), options)) as filling:
            until(lambda: value(own, WAITING) == 1)
            own.execute("SELECT connection_paths.request_cancel(run_id) FROM connection_paths.backfill_runs")
            reader.rollback()
            assert filling.result().run.status == "cancelled"
    assert runs.read(own, 1).phase == "finished"
    assert own.execute(LEFT_THERE).fetchall() == there


def test_a_run_cancelled_while_its_indexes_are_built_ends_as_cancelled(own: Connection) -> None:
    begin(own, office(8))
    slow_to_index(own, 50)
    there = own.execute(LEFT_THERE).fetchall()
    process = start("--dsn", dsn_of(own), "backfill", "--strategy", "rebuild", "--no-throttle", "--workers", "1")
    building = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
    until(lambda: value(own, building) == 1)
    assert "Run 1 is cancelled." in run("--dsn", dsn_of(own), "runs", "cancel", "1").stdout
    code, out, err = finish(process, 30)
    assert (code, "Run 1 cancelled" in out) == (1, True), err
    assert "Error" not in err
    assert own.execute(LEFT_THERE).fetchall() == there
