"""A backfill is planned before an installation, with no more than the right to read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.core import sqlfiles
from orchestrator.core.errors import OrchestratorError
from orchestrator.host.binding import bind
from orchestrator.host.mapping import load as load_mapping
from orchestrator.host.mapping_probe import create_functions
from orchestrator.host.reader import before_installing
from orchestrator.install.installation import install
from orchestrator.runs.plan import BackfillPlan, plan
from tests.support import catalog, schemas
from tests.support.plan import check, printed
from tests.support.properties import repeatable
from tests.support.world import World, colleagues, load_hosts, worlds


@pytest.fixture(scope="module")
def bare(new_database: Callable[[], str]) -> str:
    """The connection string of a database with the host tables and without the package."""
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
    return dsn


@repeatable(10)
@given(world=worlds())
def test_the_figures_before_an_installation(bare: str, world: World) -> None:
    with psycopg.connect(bare) as connection:
        load_hosts(connection, world)
    found = plan(bare)
    assert not found.is_installed
    check(found, replace(world, policies={}))


def test_the_right_to_read_is_enough_before_an_installation(bare: str) -> None:
    """Without it, one line names every missing right, and the statements that grant them."""
    role = f"plan_before_{os.getpid()}"
    theirs = make_conninfo(bare, options=f"-c role={role}")
    with psycopg.connect(bare, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        try:
            connection.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
            with pytest.raises(
                OrchestratorError, match=f"to plan, role {role} needs USAGE on schema public, "
            ) as refused:
                plan(theirs)
            connection.execute(str(refused.value).split("must run: ")[1].encode())
            load_hosts(connection, colleagues((1, 5, "2010-01-01", None), (2, 5, "2010-01-01", None)))
            assert plan(theirs).edges.estimate == 1
            connection.execute("ALTER TABLE contacts ENABLE ROW LEVEL SECURITY")
            with pytest.raises(OrchestratorError, match=r"may hide rows of public\.contacts from this role"):
                plan(theirs)
        finally:
            connection.execute("ALTER TABLE contacts DISABLE ROW LEVEL SECURITY")
            connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
            connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_tables_that_cannot_be_planned(bare: str, database: str) -> None:
    with pytest.raises(OrchestratorError, match=r"no schema elsewhere \(--host-schema\)"):
        plan(bare, "elsewhere")
    with pytest.raises(OrchestratorError, match=r"no table information_schema\.contacts"):
        plan(bare, "information_schema")
    with pytest.raises(OrchestratorError, match="installed here for host schema 'public'"):
        plan(database, "information_schema")


SCHEMAS = sorted(schemas.FOLDER.glob("*.toml"))


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
def test_tables_of_other_applications_before_an_installation(file: Path, new_database: Callable[[], str]) -> None:
    dsn = new_database()
    mapping = load_mapping(file)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(file.with_suffix(".sql").read_bytes())
        before = catalog.describe(dsn)
        found = plan(dsn, mapping=mapping)
        assert catalog.describe(dsn) == before
        assert (found.contacts.total, found.edges.pairs, found.edges.estimate) == (4, 3, 3)
        assert (found.experiences.usable, found.experiences.of_missing_contacts) == (6, 1)
        assert len([*planned_lines(found)]) > 20
        if file.stem == "hubspot":  # its expressions call functions of the package
            assert found.details.with_name_only == 1
            install(dsn, mapping=mapping)
            assert replace(plan(dsn), is_installed=False, storage=found.storage) == replace(
                found, connections_free=plan(dsn).connections_free
            )


def test_dates_are_read_from_text_once_and_not_for_each_pair(new_database: Callable[[], str]) -> None:
    file, people = schemas.FOLDER / "linkedin.toml", 200
    with psycopg.connect(new_database()) as connection:
        connection.execute(file.with_suffix(".sql").read_bytes())
        connection.execute(
            "INSERT INTO csv.profiles (id, full_name) SELECT 1000 + n, 'x' FROM generate_series(1, %s) AS n", [people]
        )
        connection.execute(
            "INSERT INTO csv.experiences (id, profile_id, company_id, started_on)"
            " SELECT 1000 + n, 1000 + n, 1, '2010' FROM generate_series(1, %s) AS n",
            [people],
        )
        connection.execute("SET LOCAL track_functions = 'all'")
        create_functions(connection)
        reader = before_installing(connection, bind(connection, load_mapping(file), "public"))
        drawn = [1000 + number for number in range(1, people + 1)]
        found = reader.rows("runs/edges_of_contacts_before", {"contact_ids": drawn})
        assert min(edges for _, edges in found) >= people - 1
        ((calls,),) = connection.execute(
            "SELECT calls FROM pg_stat_xact_user_functions WHERE funcname = 'to_day' AND calls > 0"
        ).fetchall()
        assert calls < 10 * people  # there are about people ** 2 pairs


def planned_lines(found: BackfillPlan) -> list[str]:
    text = printed(found)
    assert "Only memberships of the sources" not in text
    return text.splitlines()


def test_company_names_are_not_needed(new_database: Callable[[], str]) -> None:
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        load_hosts(connection, colleagues((1, 5, "2010-01-01", None), (2, 5, "2010-01-01", None)))
        connection.execute("UPDATE contact_work_experiences SET organization_id = NULL, company_name = id::text")
        connection.execute("INSERT INTO contact_work_experiences VALUES (8, 1, NULL, ' '), (9, 1, NULL, NULL)")
        found = plan(dsn)
        assert (found.details.with_name_only, found.details.company_names) == (2, 2)
        connection.execute("ALTER TABLE contact_work_experiences DROP COLUMN company_name")
    found = plan(dsn)
    assert (found.experiences.without_organization, found.details.with_name_only) == (4, 0)
