"""A script with names creates what install with names creates, on tables of any kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from orchestrator.core import sqlfiles
from orchestrator.host.mapping import DEFAULT, SourceMapping
from orchestrator.install import script
from orchestrator.install.installation import install
from orchestrator.install.status import status
from tests.support import psql
from tests.support.catalog import describe, difference
from tests.support.changes import EXPERIENCES, drain
from tests.support.command_line import run
from tests.support.edges import edges
from tests.support.mapped import DJANGO, HUBSPOT, PARTITIONED, Application
from tests.support.names import decide, right_edges
from tests.support.properties import first_of
from tests.support.sessions import connect, value

JOBS = "contact_work_experiences"


def named(application: Application, expression: str) -> SourceMapping:
    """Return the mapping of an application with this expression for company names."""
    source = application.mapping.sources[JOBS]
    columns = {**source.columns, "company_name": expression}
    return replace(application.mapping, sources={**application.mapping.sources, JOBS: replace(source, columns=columns)})


APPLICATIONS = {
    "plain": (None, DEFAULT),
    "django": (DJANGO, DJANGO.mapping),
    "hubspot": (HUBSPOT, HUBSPOT.mapping),
    "partitioned": (PARTITIONED, named(PARTITIONED, "'Company ' || id")),
}


def described(dsn: str) -> list[str]:
    with connect(dsn) as connection:
        rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'")
        lines = describe(dsn, *sorted(row[0] for row in rows))
    return [re.sub(r"_part_[0-9a-f]{8}_\d+", "_part", line) for line in lines]


@pytest.mark.parametrize("name", first_of(4, ["partitioned", "plain", "django", "hubspot"]))
def test_a_script_with_names_makes_what_install_makes(new_database: Callable[[], str], name: str) -> None:
    application, mapping = APPLICATIONS[name]
    found = []
    for by_script in (False, True):
        dsn = new_database()
        with connect(dsn) as connection:
            if application is None:
                connection.execute(sqlfiles.query("install/demo_tables"))
            else:
                application.create(connection)
        if by_script:
            text = script.psql(mapping=mapping, names=True)
            for _ in range(2):
                done = psql.run(dsn, text)
                assert (done.returncode, done.stderr) == (0, "")
            assert (install(dsn).applied, install(dsn).repaired) == ([], [])
        else:
            install(dsn, mapping=mapping, names=True)
        assert (status(dsn).healthy, status(dsn).problems) == (True, [])
        found.append(described(dsn))
    assert difference(found[0], found[1]) == ""


def test_names_can_be_switched_on_by_a_script(host: str) -> None:
    with connect(host) as connection:
        assert psql.run(host, script.psql()).returncode == 0
        connection.execute("INSERT INTO public.contacts VALUES (1, ''), (2, '')")
        connection.execute("INSERT INTO public.organizations VALUES (1, 'Acme')")
        connection.execute(
            f"INSERT INTO {EXPERIENCES} VALUES (1, 1, 1, '', '2020-01-01'), (2, 2, NULL, 'Acme', '2020-01-01')".encode()
        )
        decide(connection, {"Acme": 1})
        drain(connection)
        assert edges(connection) == {}
        done = psql.run(host, script.psql(names=True))
        assert (done.returncode, done.stderr) == (0, "")
        assert (status(host).healthy, install(host).repaired) == (True, [])
        drain(connection)
        assert edges(connection) == right_edges(connection) != {}
        connection.execute(f"UPDATE {EXPERIENCES} SET company_name = 'Beta' WHERE id = 2".encode())  # is captured
        drain(connection)
        assert edges(connection) == {}


def test_a_script_does_not_change_the_mapping(new_database: Callable[[], str]) -> None:
    dsn = new_database()
    with connect(dsn) as connection:
        DJANGO.create(connection)
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(dsn, mapping=DJANGO.mapping)
        before = described(dsn)
        for text in (script.psql(), script.psql(mapping=HUBSPOT.mapping), script.psql(names=True)):
            refused = psql.run(dsn, text)
            assert (refused.returncode != 0, "is for another mapping" in refused.stderr) == (True, True)
        assert described(dsn) == before
        mapping = "SELECT i.mapping FROM connection_paths.installation AS i"
        assert value(connection, mapping) == DJANGO.mapping.as_json()
        assert psql.run(dsn, script.psql(mapping=DJANGO.mapping)).returncode == 0


def test_an_extension_has_no_names() -> None:
    assert run("script", "--extension", "x", "--names").exit_code == 2


def test_a_script_refuses_a_detached_table(host: str) -> None:
    assert psql.run(host, script.psql()).returncode == 0
    with psycopg.connect(host, autocommit=True) as connection:
        connection.execute("SELECT connection_paths.detach_source('contact_work_experiences')")
    refused = psql.run(host, script.psql(names=True))
    assert (refused.returncode != 0, "detached; attach it first" in refused.stderr) == (True, True)
