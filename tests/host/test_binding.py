"""The whole package over tables of other applications: edges, writers, finders' indexes, repairs, and removal."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.detaching.detaching import attach, detach
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.host import sources
from orchestrator.host.mapping_file import parse
from orchestrator.install import script, steps
from orchestrator.install.installation import install, uninstall
from orchestrator.install.status import status
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.verify.verification import verify
from tests.support.catalog import describe, difference
from tests.support.changes import drain, queue_length
from tests.support.edges import edges
from tests.support.mapped import DJANGO, FOLDER, PARTITIONED, RAILS, Application, each_application
from tests.support.psql import run as run_psql

IN_PLACE = BackfillOptions(strategy="in_place", limits=None)


def check_followed(connection: Connection, application: Application, chance: random.Random) -> None:
    """Check that writes of every kind reach the edges."""
    for _ in range(4):
        for action in chance.sample(application.actions, k=min(5, len(application.actions))):
            application.write(connection, chance, action)
        drain(connection)
        assert edges(connection) == application.edges(connection)


def wrong(dsn: str) -> list[str]:
    """Return what doctor finds wrong, apart from tables that were never analysed."""
    return [each.what for each in diagnose(dsn).findings if each.severity == "wrong" and each.check != "statistics"]


def psql(dsn: str, text: str) -> None:
    result = run_psql(dsn, text)
    assert result.returncode == 0, result.stderr


def schemas(connection: Connection) -> list[str]:
    rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'")
    return sorted(row[0] for row in rows)


@each_application(RAILS)
def test_edges_follow_any_tables(new_database: Callable[[], str], application: Application) -> None:
    dsn, chance = new_database(), random.Random(1)
    with psycopg.connect(dsn, autocommit=True) as connection:
        application.create(connection)
        application.fill(connection, chance)
        places = schemas(connection)
        before = describe(dsn, *places)
        install(dsn, mapping=application.mapping)
        again = install(dsn)
        assert (again.applied, again.repaired) == ([], [])
        backfill(dsn, BackfillOptions(workers=1, strategy="in_place", limits=None))
        assert len(edges(connection)) > 20
        assert edges(connection) == application.edges(connection)
        check_followed(connection, application, chance)
        install(dsn, replicated=True)
        connection.execute("SET session_replication_role = replica")  # as logical replication writes
        check_followed(connection, application, chance)
        connection.execute("RESET session_replication_role")
        right = edges(connection)
        connection.execute("DELETE FROM connection_paths.contact_connections")
        backfill(dsn, BackfillOptions(workers=1, strategy="rebuild", limits=None))
        assert edges(connection) == right
        found = status(dsn)
        assert found.healthy
        assert found.mapping == application.mapping.as_json()
        assert wrong(dsn) == []
        uninstall(dsn)
        assert difference(before, describe(dsn, *places)) == ""


@each_application(PARTITIONED)
def test_a_script_does_what_install_does(new_database: Callable[[], str], application: Application) -> None:
    described = []
    for number in range(2):
        dsn = new_database()
        with psycopg.connect(dsn, autocommit=True) as connection:
            application.create(connection)
            if number:
                psql(dsn, script.psql(mapping=application.mapping))
                psql(dsn, script.psql(mapping=application.mapping))  # nothing is left to do
                found = install(dsn)
                assert (found.applied, found.repaired) == ([], [])
            else:
                install(dsn, mapping=application.mapping)
            lines = describe(dsn, *schemas(connection))
            described.append([re.sub(r"_part_[0-9a-f]{8}_\d+", "_part", line) for line in lines])
    assert difference(described[0], described[1]) == ""


def test_another_mapping_later(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Views, indexes and triggers move, every contact is refreshed, and nothing is left on the tables of before.

    The same when an install stops in the middle, and a sync and writers come before the next one.
    """
    dsn, chance = new_database(), random.Random(2)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for application in (DJANGO, PARTITIONED):
            application.create(connection)
            application.fill(connection, chance)
        clean = describe(dsn, "public", "archive")
        install(dsn, mapping=DJANGO.mapping)
        drain_all(connection)
        assert edges(connection) == DJANGO.edges(connection)
        kept = connection.execute("SELECT pg_relation_filenode('connection_paths.contact_connections_live')").fetchone()
        for application in (PARTITIONED, DJANGO):
            with monkeypatch.context() as patch:
                patch.setattr(steps, "build_index", stop)
                with pytest.raises(KeyboardInterrupt):
                    install(dsn, mapping=application.mapping)
            drain(connection)
            for action in application.actions:
                application.write(connection, chance, action)
            install(dsn)
            drain(connection)  # the install has queued every contact
            assert edges(connection) == application.edges(connection)
            check_followed(connection, application, chance)
            assert status(dsn).healthy
            assert wrong(dsn) == []
        now = connection.execute("SELECT pg_relation_filenode('connection_paths.contact_connections_live')").fetchone()
        assert now == kept
        uninstall(dsn)
        assert difference(clean, describe(dsn, "public", "archive")) == ""


def drain_all(connection: Connection) -> None:
    connection.execute("SELECT connection_paths.queue_everyone()")
    drain(connection)


@each_application(PARTITIONED)
def test_mapped_tables_are_detached_and_attached(new_database: Callable[[], str], application: Application) -> None:
    dsn, chance = new_database(), random.Random(3)
    with psycopg.connect(dsn, autocommit=True) as connection:
        application.create(connection)
        application.fill(connection, chance)
        install(dsn, mapping=application.mapping)
        places = schemas(connection)
        before = describe(dsn, *places)
        assert len(detach(dsn)) == 4
        assert {each.kind for each in sources.problems(connection, None)} == {"detached"}
        with pytest.raises(psycopg.Error, match="is detached from connection_paths"):
            connection.execute("SELECT FROM connection_paths.live_contacts")
        for action in application.actions:
            application.write(connection, chance, action)
        assert len(attach(dsn)) == 4
        drain(connection)
        assert difference(before, describe(dsn, *places)) == ""
        assert edges(connection) == application.edges(connection)
        assert wrong(dsn) == []


def test_a_view_as_a_source(new_database: Callable[[], str]) -> None:
    """A view has no triggers and no indexes of the package; every report says what that costs."""
    dsn, chance = new_database(), random.Random(4)
    application = replace(
        RAILS, toml=(FOLDER / "rails.toml").read_text().replace('"positions"', '"all_positions"').replace(
            '"team_contacts"', '"all_team_contacts"'
        ),
    )  # fmt: skip
    with psycopg.connect(dsn, autocommit=True) as connection:
        application.create(connection)
        connection.execute("CREATE VIEW all_positions AS SELECT * FROM positions")
        connection.execute("CREATE MATERIALIZED VIEW all_team_contacts AS SELECT * FROM team_contacts")
        application.fill(connection, chance)
        found = install(dsn, mapping=application.mapping)
        assert [cost.split(":")[0] for cost in found.costs] == [
            "public.all_positions is a view", "public.all_team_contacts is a materialized view",
        ]  # fmt: skip
        drain_all(connection)
        assert edges(connection) == application.edges(connection)
        application.write(connection, chance, "delete a job")
        assert queue_length(connection) == 0
        assert {each.table for each in status(dsn).triggers} == {"companies", "people"}
        assert status(dsn).healthy
        assert install(dsn).repaired == []
        assert wrong(dsn) == []
        uninstall(dsn)


def stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def parts(connection: Connection) -> dict[str, int]:
    """Return the oids of the indexes of partitions that the package has built, by name."""
    rows = connection.execute(
        "SELECT c.relname, c.oid FROM pg_class AS c WHERE c.relname ~ '^idx_.*_part_[0-9a-f]{8}_'"
    )
    return dict(rows.fetchall())


def test_partitions_are_indexed_one_by_one(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An install that was stopped goes on with the partitions that have no valid index; new partitions get triggers."""
    dsn, chance = new_database(), random.Random(5)
    with psycopg.connect(dsn, autocommit=True) as connection:
        PARTITIONED.create(connection)
        PARTITIONED.fill(connection, chance)

        with monkeypatch.context() as patch:
            patch.setattr(steps, "retry_while_locked", stop)
            with pytest.raises(KeyboardInterrupt):
                install(dsn, mapping=PARTITIONED.mapping)
        (kept,) = parts(connection).items()
        install(dsn)
        built = parts(connection)
        assert kept in built.items()
        assert len(built) == 9  # the leaves of people, jobs (twice) and links
        assert install(dsn).repaired == []

        (whole,) = connection.execute("SELECT 'idx_experiences_by_contact'::regclass::oid").fetchall()
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s", whole)
        assert [each for each in install(dsn).repaired if "idx_experiences_by_contact is not valid" in each]
        assert connection.execute("SELECT 'idx_experiences_by_contact'::regclass::oid").fetchall() != [whole]

        connection.execute(
            "CREATE TABLE links_early PARTITION OF links FOR VALUES FROM ('2000-01-01') TO ('2001-01-01')"
        )
        assert status(dsn).problems == []
        connection.execute("CREATE TABLE jobs_1_new PARTITION OF jobs_1 FOR VALUES IN (false)")
        (problem,) = status(dsn).problems
        assert "triggers of public.jobs_1_new are missing" in problem
        install(dsn)
        drain(connection)
        connection.execute(
            "INSERT INTO jobs_1_new (id, contact_id, gone) SELECT 900, contact_id, false FROM jobs_1 LIMIT 1"
        )
        assert queue_length(connection) == 1
        assert status(dsn).healthy

        backfill(dsn, BackfillOptions(strategy="in_place"))
        connection.execute("ALTER TABLE jobs_1 DETACH PARTITION jobs_1_there")
        install(dsn)
        drain(connection)
        assert edges(connection) == PARTITIONED.edges(connection)

        before = edges(connection)
        connection.execute("DROP TABLE archive.jobs_0")
        assert edges(connection) == before != PARTITIONED.edges(connection)
        (problem,) = status(dsn).problems
        assert "archive.jobs_0 is no longer a partition" in problem
        assert [each.what for each in diagnose(dsn).findings if "archive.jobs_0 is no longer" in each.what]
        assert "every contact is queued for refresh; run: orchestrator sync" in install(dsn).repaired
        assert (install(dsn).repaired, status(dsn).problems) == ([], [])
        drain(connection)
        assert edges(connection) == PARTITIONED.edges(connection)


def test_a_contact_without_an_id_does_not_exist(new_database: Callable[[], str]) -> None:
    """The id is read from a text that may be no number."""
    dsn = new_database()
    mapping = parse("[contacts]\nid = 'connection_paths.to_id(id)'", "text.toml")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        connection.execute("ALTER TABLE contacts ALTER id TYPE text")
        connection.execute("INSERT INTO contacts VALUES ('1', ''), ('2', ''), ('x', ''), ('', '')")
        connection.execute("INSERT INTO organizations VALUES (1, 'Acme')")
        connection.execute(
            "INSERT INTO contact_work_experiences (id, contact_id, organization_id, date_from, company_name)"
            " SELECT i, i, 1, '2020-01-01', '' FROM generate_series(1, 3) AS i"
        )
        install(dsn, mapping=mapping)
        backfill(dsn, IN_PLACE)
        assert [*edges(connection)] == [(1, 2)]
        assert verify(dsn, sample=10).ok
        assert backfill(dsn, replace(IN_PLACE, strategy="rebuild")).run.edges_changed == 1


def test_an_expression_may_use_a_part_of_a_composite_type(new_database: Callable[[], str]) -> None:
    """PostgreSQL says that the view depends on the relation of the type; that is no table of the application."""
    dsn = new_database()
    mapping = parse("[contact_work_experiences]\norganization_id = '(employer).id'", "composite.toml")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        connection.execute("CREATE TYPE employer AS (id integer, name text)")
        connection.execute("ALTER TABLE contact_work_experiences ADD employer employer, DROP organization_id")
        install(dsn, mapping=mapping)
        connection.execute("INSERT INTO contacts VALUES (1, ''), (2, ''), (3, '')")
        connection.execute("INSERT INTO organizations VALUES (1, 'Acme')")
        connection.execute(
            "INSERT INTO contact_work_experiences (id, contact_id, employer, date_from, company_name)"
            " SELECT i, i, ROW(1, 'Acme')::employer, '2020-01-01', '' FROM generate_series(1, 3) AS i"
        )
        drain(connection)
        assert len(edges(connection)) == 3
        connection.execute("UPDATE contact_work_experiences SET employer = NULL WHERE id = 1")
        drain(connection)
        assert [*edges(connection)] == [(2, 3)]
        assert (install(dsn).repaired, status(dsn).problems, wrong(dsn)) == ([], [], [])
        detach(dsn)
        attach(dsn)
        assert (status(dsn).problems, wrong(dsn)) == ([], [])
    uninstall(dsn)
