"""Which organizations are proposed for a company name, and which names are accepted without a person."""

from __future__ import annotations

import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.core.database import Connection
from orchestrator.names.propose import Proposed, propose
from tests.support.changes import EXPERIENCES, new_role
from tests.support.names import accepted, ask, decide, proposals
from tests.support.sessions import value


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("ACME", "acme"),
        ("  The   Acme, Inc. ", "acme inc"),
        ("Søren Ærø & Łódź Straße", "soren aero and lodz strasse"),
        ("É. Leclerc S.A.", "e leclerc sa"),
        ("J. P. Morgan", "jp morgan"),
        ("A B C D", "abcd"),
        ("McDonald\N{RIGHT SINGLE QUOTATION MARK}s / McDonald's", "mcdonalds mcdonalds"),
        ("Foo+Bar", "foo and bar"),
        ("The", "the"),
        ("яндекс!", "яндекс"),
        ("株式会社", "株式会社"),
        ("–…!", ""),
    ],
)
def test_plain_names(db: Connection, written: str, plain: str) -> None:
    assert value(db, "SELECT connection_paths.plain_name(%s)", written) == plain
    assert value(db, "SELECT connection_paths.plain_name(%s)", plain) == plain


@pytest.mark.parametrize(
    ("plain", "rest"),
    [
        ("acme gmbh and co kg", "acme"),
        ("acme pty ltd", "acme"),
        ("acme co ltd", "acme"),
        ("acme", "acme"),
        ("gmbh", "gmbh"),
        ("", ""),
        ("acme spolka zoo", "acme spolka zoo"),
    ],
)
def test_legal_forms(db: Connection, plain: str, rest: str) -> None:
    assert value(db, "SELECT connection_paths.without_legal_form(%s)", plain) == rest


def test_a_name_that_one_organization_has_is_accepted(db: Connection, dsn: str) -> None:
    organizations: dict[int, str | None] = {
        1: "Acme, Inc.", 2: "Müller GmbH", 3: "Müller AG", 4: "Johnson & Johnson", 5: "Freelance", 6: "7",
        7: "Sales Force", 8: None, 9: "Twin", 10: "Twin", 11: "Volkswagen AG",
    }  # fmt: skip
    names = [
        "ACME", "Acme GmbH", "Müller", "MULLER AG", "Mueller", "johnson and johnson", "Freelance", "7", "Salesforce",
        "Twin", "Volkswagn", "Nobody knows", "!",
    ]  # fmt: skip
    ask(db, names, organizations)
    done = propose(dsn)
    assert (done.organizations, done.names, done.taken, done.is_similar) == (11, 13, 13, True)
    assert accepted(db) == {
        "ACME": 1, "Acme GmbH": 1, "MULLER AG": 3, "johnson and johnson": 4, "Salesforce": 7,
    }  # fmt: skip
    found = proposals(db)
    assert found["Müller"] == [(2, "other legal form"), (3, "other legal form")]
    assert found["MULLER AG"] == [(3, "same name"), (2, "other legal form")]
    assert found["Twin"] == [(9, "same name"), (10, "same name")]
    assert found["Freelance"] == [(5, "same name")]
    assert found["Volkswagn"] == [(11, "similar")]
    assert not {"Nobody knows", "!"} & found.keys()
    assert value(db, "SELECT count(*) FROM connection_paths.name_changes") == done.accepted == 5


def test_organizations_with_the_greatest_and_the_least_id(db: Connection, dsn: str) -> None:
    ids = (-(2**63), 2**63 - 1)
    for id in ids:
        db.execute("INSERT INTO organizations VALUES (%s, %s)", (id, f"Company {abs(id)}"))
    assert propose(dsn).changed == 2
    db.execute("DELETE FROM organizations WHERE id = %s", (ids[1],))
    assert propose(dsn).changed == 1
    left = db.execute("SELECT organization_id FROM connection_paths.organization_names").fetchall()
    assert left == [(ids[0],)]


def test_nothing_is_accepted_on_request_and_nothing_that_a_person_has_decided(db: Connection, dsn: str) -> None:
    ask(db, ["Acme", "Beta"], {1: "Acme", 2: "Beta"})
    assert propose(dsn, accept_unique=False).accepted == 0
    decide(db, {"Acme": None})
    db.execute("DELETE FROM connection_paths.name_decisions")  # a person has undone the decision
    assert propose(dsn, again=True).accepted == 1
    assert accepted(db) == {"Beta": 2}


def test_only_what_is_new_is_looked_at_again(db: Connection, dsn: str) -> None:
    ask(db, ["Acme", "Beta", "Gamma"], {1: "Acme"})
    assert propose(dsn).taken == 3
    assert (again := propose(dsn)).taken == again.changed == again.added == 0
    ask(db, ["Delta", "Acme"], {2: "Beta Ltd"})
    done = propose(dsn)
    assert (done.changed, done.added, done.taken) == (1, 1, 2)
    assert accepted(db) == {"Acme": 1, "Beta": 2}
    assert value(db, "SELECT experiences FROM connection_paths.company_names WHERE company_name = 'Acme'") == 2
    db.execute("UPDATE public.organizations SET name = 'Gamma' WHERE id = 2")
    db.execute("DELETE FROM public.organizations WHERE id = 1")
    db.execute(f"DELETE FROM {EXPERIENCES} WHERE company_name = 'Delta'")
    assert propose(dsn).changed == 2
    assert accepted(db) == {"Acme": 1, "Beta": 2, "Gamma": 2}  # a decision stays; the edges follow the organization
    assert value(db, "SELECT count(*) FROM connection_paths.company_names") == 3


def test_without_the_extension_only_equal_names_are_proposed(db: Connection, dsn: str) -> None:
    ask(db, ["Acme", "Volkswagn"], {1: "Acme", 2: "Volkswagen"})
    db.execute("DROP EXTENSION IF EXISTS pg_trgm CASCADE")
    everything = "ALL ON ALL TABLES IN SCHEMA connection_paths, public"
    with new_role(
        db, everything, "ALL ON ALL SEQUENCES IN SCHEMA connection_paths", "USAGE ON SCHEMA connection_paths",
        "EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths",
    ) as role:  # fmt: skip
        done: Proposed = propose(make_conninfo(dsn, options=f"-c role={role}"))
    assert not done.is_similar
    assert proposals(db) == {"Acme": [(1, "same name")]}
    assert propose(dsn, again=True).is_similar
    assert proposals(db).keys() == {"Acme", "Volkswagn"}
