"""Experiences with a resolved company name make edges like any other: the oracle's, whatever computes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.database import Connection
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.host.mapping import SourceMapping
from orchestrator.host.mapping_file import parse
from orchestrator.install.installation import install, uninstall
from orchestrator.install.status import status
from tests.support import oracle
from tests.support.changes import EXPERIENCES, drain, queue_length
from tests.support.edges import edges
from tests.support.names import decide, named_world, right_edges
from tests.support.properties import repeatable
from tests.support.rebuilds import begin_rebuild, do_batches, swap
from tests.support.sessions import value
from tests.support.world import ORGANIZATION_IDS, ORPHAN_ORGANIZATION_ID, Edge, Pair, World, load_hosts, worlds

NAMES = ("Acme", "acme", "Müller & Söhne", "x" * 200, "y" * 201, "")
#: Longer and empty names are left out, whatever is decided about them.
RESOLVABLE = NAMES[:4]


@st.composite
def named_worlds(draw: st.DrawFn) -> tuple[World, dict[str, int | None]]:
    """A world in which experiences without an organization have a name, and decisions about some names."""
    world = draw(worlds())
    names = draw(st.lists(st.sampled_from(NAMES), min_size=len(world.experiences), max_size=len(world.experiences)))
    lost = draw(st.lists(st.booleans(), min_size=len(world.experiences), max_size=len(world.experiences)))
    experiences = tuple(
        each._replace(organization_id=None if is_lost else each.organization_id, company_name=name)
        for each, name, is_lost in zip(world.experiences, names, lost, strict=True)
    )
    organizations = st.sampled_from((*ORGANIZATION_IDS, ORPHAN_ORGANIZATION_ID, None))
    decisions = draw(st.dictionaries(st.sampled_from(NAMES), organizations, max_size=len(NAMES)))
    return replace(world, experiences=experiences), decisions


def oracle_edges(connection: Connection) -> dict[Pair, Edge]:
    world = named_world(connection)
    kept = {name: each for name, each in world.resolved_names.items() if name in RESOLVABLE}
    return oracle.edges(replace(world, resolved_names=kept))


def empty(connection: Connection) -> None:
    connection.execute("DELETE FROM connection_paths.name_decisions")
    connection.execute("TRUNCATE connection_paths.contact_connections, connection_paths.contact_changes")


def in_place(connection: Connection) -> None:
    connection.execute("SELECT connection_paths.refresh_range(NULL, NULL)")


def by_rebuild(connection: Connection) -> None:
    run_id = begin_rebuild(connection)
    do_batches(connection, run_id)
    connection.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
    swap(connection, run_id)
    connection.execute("SELECT connection_paths.finish_run(%s)", (run_id,))


@pytest.mark.hypothesis
@pytest.mark.parametrize(("compute", "examples"), [(in_place, 20), (by_rebuild, 3), (drain, 13)])
def test_edges_are_those_of_the_oracle(db: Connection, compute: Callable[[Connection], None], examples: int) -> None:
    @repeatable(examples)
    @given(drawn=named_worlds())
    def check(drawn: tuple[World, dict[str, int | None]]) -> None:
        world, decisions = drawn
        empty(db)
        load_hosts(db, world)
        decide(db, decisions)
        compute(db)
        assert edges(db) == oracle_edges(db)

    check()


CHANGES = {
    "accept": ("INSERT INTO connection_paths.name_decisions VALUES ('Beta', 2)", 1),
    "accept another organization": ("UPDATE connection_paths.name_decisions SET organization_id = 2", 1),
    "reject": ("UPDATE connection_paths.name_decisions SET organization_id = NULL", 1),
    "delete": ("DELETE FROM connection_paths.name_decisions", 1),
    "truncate": ("TRUNCATE connection_paths.name_decisions", 1),
    "rename a decision": ("UPDATE connection_paths.name_decisions SET company_name = 'Beta'", 2),
    "another person decides the same": ("UPDATE connection_paths.name_decisions SET decided_by = 'another'", 0),
    "reject another name": ("INSERT INTO connection_paths.name_decisions VALUES ('Beta', NULL)", 0),
    "another name": (f"UPDATE {EXPERIENCES} SET company_name = 'Beta' WHERE id = 2", 1),
    "this name": (f"UPDATE {EXPERIENCES} SET company_name = 'Acme' WHERE id = 4", 1),
    "the name of a row with an organization": (f"UPDATE {EXPERIENCES} SET company_name = 'Acme' WHERE id = 1", 1),
    "an organization instead": (f"UPDATE {EXPERIENCES} SET organization_id = 2 WHERE id = 2", 1),
    "no organization any longer": (f"UPDATE {EXPERIENCES} SET organization_id = NULL WHERE id = 1", 1),
    "the organization is deleted": ("DELETE FROM public.organizations WHERE id = 1", 1),
    "another contact with the name": (f"INSERT INTO {EXPERIENCES} VALUES (9, 5, NULL, 'Acme', '2020-01-01')", 1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_queues_what_it_affects_and_sync_corrects_the_edges(db: Connection, name: str) -> None:
    statement, queued = CHANGES[name]
    db.execute("INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, 5) AS g")
    db.execute("INSERT INTO public.organizations VALUES (1, 'Acme'), (2, 'Beta')")
    db.execute(
        f"INSERT INTO {EXPERIENCES} VALUES (1, 1, 1, 'Acme Inc', '2020-01-01'), (2, 2, NULL, 'Acme', '2020-01-01'),"
        " (3, 3, 2, 'Beta', '2020-01-01'), (4, 4, NULL, 'Beta', '2020-01-01'), (5, 4, NULL, 'Beta', '2021-01-01')"
    )
    decide(db, {"Acme": 1})
    drain(db)
    assert edges(db) == right_edges(db) != {}
    with db.transaction(force_rollback=True):
        db.execute(statement.encode())
    assert queue_length(db) == value(db, "SELECT count(*) FROM connection_paths.name_changes") == 0
    db.execute(statement.encode())
    assert queue_length(db) + value(db, "SELECT count(*) FROM connection_paths.name_changes") == queued
    drain(db)
    assert edges(db) == right_edges(db)


def test_a_decision_finds_rows_that_were_not_committed_when_it_was_made(db: Connection, dsn: str) -> None:
    db.execute("INSERT INTO public.contacts VALUES (1, ''), (2, '')")
    db.execute("INSERT INTO public.organizations VALUES (1, 'Acme')")
    db.execute(f"INSERT INTO {EXPERIENCES} VALUES (1, 1, 1, 'Acme Inc', '2020-01-01')")
    drain(db)
    with psycopg.connect(dsn) as person, psycopg.connect(dsn) as writer:
        writer.execute(f"INSERT INTO {EXPERIENCES} VALUES (2, 2, NULL, 'Acme', '2020-01-01')".encode())
        person.execute("INSERT INTO connection_paths.name_decisions VALUES ('Acme', 1)")
        writer.commit()
        drain(db)  # sees the row, and not yet the decision
        assert edges(db) == {}
        person.commit()
    drain(db)
    assert edges(db) == right_edges(db) != {}


def test_decisions_count_only_while_names_are_resolved(installed_host: str) -> None:
    with psycopg.connect(installed_host, autocommit=True) as connection:
        connection.execute("INSERT INTO public.contacts VALUES (1, ''), (2, '')")
        connection.execute("INSERT INTO public.organizations VALUES (1, 'Acme')")
        connection.execute(
            f"INSERT INTO {EXPERIENCES} VALUES (1, 1, 1, '', '2020-01-01'), (2, 2, NULL, 'Acme', '2020-01-01')".encode()
        )
        decide(connection, {"Acme": 1})
        drain(connection)
        assert edges(connection) == {}
        assert install(installed_host, names=True).repaired == ["resolved company names make edges from now on"]
        drain(connection)
        assert edges(connection) == right_edges(connection) != {}
        assert install(installed_host).repaired == []
        connection.execute("DROP INDEX public.idx_named_by_name")
        connection.execute("CREATE OR REPLACE VIEW connection_paths.employments AS"
                           " SELECT e.contact_id, e.organization_id, e.date_from, e.date_to"
                           " FROM connection_paths.work_experiences AS e")  # fmt: skip
        found = status(installed_host)
        assert (found.healthy, [each.valid for each in found.indexes if "named_by_name" in each.name]) == (
            False,
            [None],
        )
        assert [each for each in found.problems if each.startswith("index idx_named_by_name is missing; run: ")]
        assert [each for each in found.problems if each.startswith("the views of company names")]
        wrong = [each.object for each in diagnose(installed_host).findings if each.severity == "wrong"]
        assert {"idx_named_by_name", "named_experiences"} <= {*wrong}
        assert len(install(installed_host).repaired) >= 2
        assert (status(installed_host).healthy, status(installed_host).problems) == (True, [])
        drain(connection)
        assert edges(connection) == right_edges(connection)
        install(installed_host, names=False)
        drain(connection)
        assert edges(connection) == {}
        install(installed_host, names=True)
    uninstall(installed_host)
    with psycopg.connect(installed_host) as connection:
        assert value(connection, "SELECT count(*) FROM pg_class WHERE relname LIKE 'idx_named%%' AND %s", True) == 0
        assert value(connection, "SELECT to_regnamespace('connection_paths')") is None


@pytest.mark.parametrize(
    ("key", "before", "after", "part"),
    [
        ("where", "id > 0", "id > 1", "(id > 1)"),
        pytest.param("date_to", "date_to", "date_to + 1", "(date_to + 1)", marks=pytest.mark.long),
        pytest.param(
            "company_name", "company_name", "lower(company_name)", "lower(company_name)", marks=pytest.mark.long
        ),
    ],
)
def test_indexes_of_names_follow_the_mapping(host: str, key: str, before: str, after: str, part: str) -> None:
    def mapping(text: str) -> SourceMapping:
        return parse(f"[contact_work_experiences]\n{key} = '{text}'", "map.toml")

    indexes = "SELECT pg_get_indexdef(oid) FROM pg_class WHERE relname LIKE 'idx_named%' ORDER BY 1"
    install(host, mapping=mapping(before), names=True)
    with psycopg.connect(host, autocommit=True) as connection:
        old = connection.execute(indexes).fetchall()
        assert install(host, mapping=mapping(before)).repaired == []
        assert connection.execute(indexes).fetchall() == old
        repaired = install(host, mapping=mapping(after)).repaired
        assert [each for each in repaired if "idx_named_by_name differs from the mapping" in each]
        new = connection.execute(indexes).fetchall()
        assert part in new[1][0]
        assert (status(host).healthy, install(host).repaired) == (True, [])


def test_a_detached_table_may_change_the_column_of_names(host: str) -> None:
    install(host, names=True)
    with psycopg.connect(host, autocommit=True) as connection:
        connection.execute("INSERT INTO public.contacts VALUES (1, ''), (2, '')")
        connection.execute("INSERT INTO public.organizations VALUES (1, 'Acme')")
        connection.execute(
            f"INSERT INTO {EXPERIENCES} VALUES (1, 1, 1, '', '2020-01-01'), (2, 2, NULL, 'Acme', '2020-01-01')".encode()
        )
        connection.execute("SELECT connection_paths.detach_source('contact_work_experiences')")
        decide(connection, {"Acme": 1})
        with pytest.raises(psycopg.Error, match="detached"):
            connection.execute("SELECT count(*) FROM connection_paths.employments")
        install(host)
        connection.execute(f"ALTER TABLE {EXPERIENCES} ALTER company_name TYPE varchar(80)".encode())
        for (statement,) in connection.execute(
            "SELECT * FROM connection_paths.attach_source('contact_work_experiences')"
        ).fetchall():
            connection.execute(statement.encode())
        drain(connection)
        assert edges(connection) == right_edges(connection) != {}
        # an index of a column that is not text has one more column, so that index-only scans find the text in it
        assert install(host).repaired == ["repaired: index idx_named_by_name differs from the mapping"]
        assert install(host).repaired == []
    uninstall(host)


@pytest.mark.parametrize("named", [300, 3000])
def test_a_refresh_reads_the_names_of_the_contacts_organizations_only(db: Connection, named: int) -> None:
    """A plan that starts with the experiences would read all of them for each organization of a contact."""
    db.execute("INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, %s) AS g", (named,))
    db.execute("INSERT INTO public.organizations SELECT g, '' FROM generate_series(1, 100) AS g")
    db.execute(
        "INSERT INTO public.contact_work_experiences"
        " SELECT g, g %% %(named)s + 1, CASE WHEN g > %(named)s THEN g %% 100 + 1 END, 'Name ' || g %% 100,"
        " date '2010-01-01' + g %% 900, date '2013-01-01' + g %% 900 FROM generate_series(1, 5 * %(named)s) AS g",
        {"named": named},
    )
    decide(db, {f"Name {each}": each + 1 for each in range(100)})
    db.execute("ANALYZE")
    with db.transaction():
        edges = value(db, "SELECT connection_paths.write_edges('{1,2,3,4,5}')")
        scans = value(
            db,
            "SELECT t.idx_scan FROM pg_stat_xact_user_tables AS t"
            " WHERE t.relid = 'connection_paths.name_decisions'::regclass",
        )
    assert edges > 0
    assert scans <= 1000
