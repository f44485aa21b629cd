"""After a complete ``resolve propose``, sync looks for organizations for new company names as they come."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.changes import worker
from orchestrator.changes.queue import has_changes
from orchestrator.changes.sync import sync
from orchestrator.core.database import Connection
from orchestrator.names.propose import propose
from tests.support.changes import EXPERIENCES, drain
from tests.support.edges import edges
from tests.support.names import TABLES, accepted, ask, decide, proposals, right_edges
from tests.support.properties import first_of, repeatable
from tests.support.sessions import connect, value
from tests.support.waiting import InThread, eventually

WAITING = "SELECT count(*) FROM connection_paths.company_names WHERE proposed_at IS NULL"


def begin(db: Connection, dsn: str, *, accept_unique: bool = True) -> None:
    """Fill the tables, and propose."""
    db.execute("INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, 5) AS g")
    ask(db, ["Acme"], {1: "Acme Inc.", 2: "Volkswagen AG"})
    db.execute(f"INSERT INTO {EXPERIENCES} VALUES (90, 2, 1, '', '2020-01-01')".encode())
    drain(db)
    assert db.execute("SELECT company_name FROM connection_paths.company_names").fetchall() == []
    propose(dsn, accept_unique=accept_unique)
    drain(db)


def hire(db: Connection, contact: int, name: str) -> None:
    db.execute(
        f"INSERT INTO {EXPERIENCES} SELECT max(id) + 1, %s, NULL, %s, '2020-01-01' FROM {EXPERIENCES}".encode(),
        (contact, name),
    )


@pytest.mark.parametrize("accept_unique", [True, False])
def test_new_names_are_proposed_with_the_options_of_the_last_propose(
    db: Connection, dsn: str, accept_unique: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LOOK_AGAIN", 0.0)  # a sync ends as soon as all changes before it are done
    begin(db, dsn, accept_unique=accept_unique)
    for contact, name in ((3, "acme"), (3, "Volkswagn"), (4, "ACME"), (5, "Nobody knows"), (5, "Acme")):
        hire(db, contact, name)
    sync(dsn)
    found = {"Acme": [(1, "other legal form")], "acme": [(1, "other legal form")], "ACME": [(1, "other legal form")]}
    assert proposals(db) == {**found, "Volkswagn": [(2, "similar")]}
    assert accepted(db) == ({"Acme": 1, "acme": 1, "ACME": 1} if accept_unique else {})
    assert value(db, WAITING) == 0
    assert edges(db) == right_edges(db)
    assert len(edges(db)) == (10 if accept_unique else 0)


def test_a_new_organization_is_a_candidate(db: Connection, dsn: str) -> None:
    begin(db, dsn)
    hire(db, 3, "Beta")
    hire(db, 4, "Betta Enterprises")
    sync(dsn)
    assert proposals(db) == {"Acme": [(1, "other legal form")]}
    db.execute("INSERT INTO public.organizations VALUES (-9223372036854775808, 'Beta GmbH'), (3, 'Betta Enterprise')")
    sync(dsn)
    assert proposals(db)["Beta"] == [(-(2**63), "other legal form")]
    hire(db, 5, "Betta Enterprises!")  # similar names are looked for when a name is new
    sync(dsn)
    assert proposals(db)["Betta Enterprises!"] == [(3, "similar")]
    db.execute("DELETE FROM public.organizations WHERE id < 0")
    sync(dsn)
    assert "Beta" not in proposals(db)
    found = db.execute("SELECT organization_id FROM connection_paths.organization_names ORDER BY 1").fetchall()
    assert found == [(1,), (2,), (3,)]


def test_names_above_the_limit_of_a_call_wait_for_the_next(db: Connection, dsn: str) -> None:
    begin(db, dsn)
    db.execute(
        f"INSERT INTO {EXPERIENCES} SELECT 1000 + g, 3, NULL, 'Company ' || g, '2020-01-01'"
        " FROM generate_series(1, 450) AS g".encode()
    )
    taken: list[int] = []
    while not taken or taken[-1]:
        taken.append(value(db, "SELECT s.taken FROM connection_paths.sync_changes() AS s"))
    assert taken == [1, 200, 50, 0]
    assert value(db, "SELECT count(*) FROM connection_paths.company_names") == 451


@pytest.mark.parametrize("how", first_of(3, ["once", "by two workers", "following"]))
def test_a_sync_proposes_all_names(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Also those of one contact, and those that wait because their organization is new; few of them at a time."""
    monkeypatch.setattr(worker, "LOOK_AGAIN", 0.0)  # a sync ends as soon as all changes before it are done
    begin(db, dsn)
    insert = (
        f"INSERT INTO {EXPERIENCES} SELECT max(id) + c * 400 + g, c, NULL, '%s ' || g, '2020-01-01'"
        f" FROM {EXPERIENCES}, generate_series(1, 330) AS g, generate_series(3, 4) AS c GROUP BY g, c"
    )
    db.execute((insert % "Company").encode())
    db.execute(f"ANALYZE {EXPERIENCES}".encode())  # as autovacuum does after so many rows
    sync(dsn)
    assert value(db, WAITING) == 0
    assert accepted(db) == {"Acme": 1}
    # candidates for new names, and again for the others
    db.execute((insert % "COMPANY").encode())
    db.execute(
        "INSERT INTO public.organizations SELECT 100 + g, 'Company ' || g || ' Inc.' FROM generate_series(1, 330) AS g"
    )
    if how == "following":
        stopping = threading.Event()
        following = InThread(partial(sync, dsn, follow=True, stopping=stopping))
        try:
            eventually(db, f"SELECT ({WAITING}) = 0 AND (SELECT count(*) FROM connection_paths.name_decisions) = 661")
            eventually(db, "SELECT count(*) = 0 FROM connection_paths.name_changes")
            eventually(db, "SELECT count(*) = 0 FROM connection_paths.contact_changes")
        finally:
            stopping.set()
            following.result()
    else:
        sync(dsn, workers=1 if how == "once" else 2)
    assert value(db, WAITING) == 0
    assert len(accepted(db)) == 661
    taken = "SELECT count(*) AS names FROM connection_paths.company_names GROUP BY proposed_at"
    assert value(db, f"SELECT max(n.names) FROM ({taken}) AS n") <= 200
    assert edges(db) == right_edges(db)


def test_names_that_cannot_be_proposed_keep_no_sync_waiting(db: Connection, dsn: str) -> None:
    begin(db, dsn)
    db.execute("UPDATE connection_paths.company_names SET proposed_at = NULL, changed_at = '2020-01-01'")
    assert has_changes(db)
    db.execute("DELETE FROM connection_paths.proposal_settings")
    assert not has_changes(db)
    sync(dsn)
    assert value(db, WAITING) == 1


def test_names_that_come_during_a_sync_do_not_prolong_it(db: Connection, dsn: str) -> None:
    begin(db, dsn)
    hire(db, 3, "Zeta")
    began = value(db, "SELECT clock_timestamp()")
    db.execute(
        f"INSERT INTO {EXPERIENCES} SELECT 1000 + g, 3, NULL, 'A ' || g, '2020-01-01'"
        " FROM generate_series(1, 450) AS g".encode()
    )
    db.execute("SELECT connection_paths.sync_changes(1)")  # all of one contact came with the oldest change
    assert has_changes(db, began)
    hire(db, 4, "Beta")
    while has_changes(db, began):
        db.execute("SELECT connection_paths.sync_changes(1)")
    assert value(db, "SELECT proposed_at IS NOT NULL FROM connection_paths.company_names WHERE company_name = 'Zeta'")


def test_nothing_is_proposed_before_a_propose_is_complete(db: Connection, dsn: str) -> None:
    begin(db, dsn)
    db.execute("DELETE FROM connection_paths.proposal_settings")  # as after the list of legal forms has changed
    hire(db, 3, "acme")
    drain(db)
    assert accepted(db) == {"Acme": 1}
    propose(dsn)
    assert accepted(db) == {"Acme": 1, "acme": 1}


def test_what_a_person_has_decided_stays(db: Connection, dsn: str) -> None:
    begin(db, dsn)
    decide(db, {"acme": None})
    hire(db, 3, "acme")
    sync(dsn)
    assert accepted(db) == {"Acme": 1, "acme": None}


def test_a_name_that_sync_adds_during_a_propose_stays(db: Connection, dsn: str) -> None:
    begin(db, dsn)
    with connect(dsn) as other:
        with other.transaction():
            other.execute("LOCK TABLE connection_paths.company_names IN SHARE MODE")
            reading = InThread(partial(db.execute, "SELECT connection_paths.refresh_company_names(NULL, 10)"))
            eventually(other, "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted")  # it has read the names
            hire(other, 3, "Abc")
            other.execute("SELECT connection_paths.add_company_names('{Abc}', '{1}')")
        reading.result()
        assert value(other, "SELECT count(*) FROM connection_paths.company_names") == 2


NAMES = ("Acme", "acme inc", "Volkswagn", "Volkswagen", "Self-employed", "x", "")


@pytest.mark.hypothesis
@pytest.mark.parametrize("order", first_of(2, ["one by one", "at once"]))
def test_proposals_as_names_come_are_those_of_a_propose(db: Connection, dsn: str, order: str) -> None:
    @repeatable(6)
    @given(names=st.lists(st.sampled_from(NAMES), max_size=8))
    def check(names: list[str]) -> None:
        db.execute("TRUNCATE public.contacts, public.organizations, public.contact_work_experiences")
        db.execute(f"TRUNCATE {TABLES}".encode())
        begin(db, dsn)
        for name in names:
            hire(db, 3, name)
            if order == "one by one":
                sync(dsn)
        sync(dsn)
        sync(dsn)
        came = proposals(db), accepted(db), edges(db)
        db.execute("UPDATE connection_paths.company_names SET proposed_at = NULL")
        propose(dsn)
        drain(db)
        assert (proposals(db), accepted(db), edges(db)) == came
        assert edges(db) == right_edges(db)

    check()
