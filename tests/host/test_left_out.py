"""Rows that count for no edge or membership are counted by the rules of the views, and commands report them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from psycopg import Connection, sql

from orchestrator import cli
from orchestrator.finders import paths
from orchestrator.finders.question import Question
from orchestrator.host import left_out
from orchestrator.host.left_out import Experiences, Members
from orchestrator.host.mapping_file import parse
from orchestrator.install.installation import install
from orchestrator.runs.plan import plan
from tests.support.properties import long
from tests.support.sessions import connect

SOURCES = (None, *range(-3, 20), 32767)
MEMBERS = "SELECT count(*) FROM connection_paths.collection_members AS m WHERE m.collection_id = %s"


@pytest.fixture(scope="module")
def dsn(new_installed: Callable[[], str]) -> str:
    return new_installed()


def fill(connection: Connection[Any], experiences: str, members: str = "") -> None:
    """Fill the tables with two contacts, two organizations and these rows."""
    connection.execute(
        "TRUNCATE contacts, organizations, contact_work_experiences, user_contact_collections,"
        " connection_paths.contact_connections"
    )
    connection.execute("INSERT INTO contacts VALUES (1, 'Ana'), (2, 'Ben')")
    connection.execute("INSERT INTO organizations VALUES (1, 'Acme')")
    for table, rows in (("contact_work_experiences", experiences), ("user_contact_collections", members)):
        if rows:
            connection.execute(sql.SQL("INSERT INTO {} VALUES ").format(sql.Identifier(table)) + sql.SQL(rows))


def run(dsn: str, *arguments: str) -> str:
    result = CliRunner().invoke(cli.main, ["--dsn", dsn, *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_sources_that_count_are_those_of_the_view(dsn: str) -> None:
    with connect(dsn) as connection:
        fill(connection, "")
        for collection, source in enumerate(SOURCES, 1):
            connection.execute(
                "INSERT INTO user_contact_collections VALUES (1, 1, %(c)s, %(s)s), (NULL, 1, %(c)s, %(s)s)",
                {"c": collection, "s": source},
            )
            (found,) = left_out.members(connection, collection_id=collection)
            counted = found.memberships - found.not_counted
            assert connection.execute(MEMBERS, (collection,)).fetchone() == (counted,)
            assert counted == (source in left_out.COUNTED_SOURCES)
        assert {each.source for each in left_out.members(connection) if each.is_counted} == {*left_out.COUNTED_SOURCES}
        assert left_out.members(connection) == left_out.members(connection, "public")


@pytest.mark.parametrize(
    ("experiences", "expected"),
    [
        long(
            "(1, 1, NULL, '', '2019-01-01'), (2, 2, NULL, '', '2019-01-01')",
            "All 2 work experiences make no edge: 2 without an org",
        ),
        long("(1, 1, 1, '', NULL), (2, 2, 1, '', NULL)", "All 2 work experiences make no edge: 2 without a start."),
        long("(1, 1, 1, '', '2019-01-01', '2018-01-01')", "1 that end before they start"),
        (
            "(1, 1, 7, '', '2019-01-01'), (2, 2, 1, '', '2019-01-01')",
            "1 of 2 work experiences make no edge: 1 of an organization",
        ),
        long("(1, 9, 1, '', '2019-01-01')", "1 of a contact that does not exist"),
        ("", "There are no work experiences"),
    ],
)
def test_rows_that_make_no_edge_are_reported(dsn: str, experiences: str, expected: str) -> None:
    with connect(dsn) as connection:
        fill(connection, experiences, "(7, 1, 1, 4)")
    for strategy in ("in_place", "rebuild"):
        told = run(dsn, "backfill", "--no-throttle", "--strategy", strategy)
        assert expected in told
        assert "All 1 memberships are not counted: 1 of source 4." in told
    run(dsn, "sync")
    verified = run(dsn, "verify")
    assert verified.count("ADVICE: ") == 2
    assert expected in verified
    assert "No problems found." in verified
    assert expected in json.loads(run(dsn, "backfill", "--no-throttle", "--json"))["left_out"][0]


def test_nothing_is_reported_if_every_row_counts(dsn: str) -> None:
    with connect(dsn) as connection:
        fill(connection, "(1, 1, 1, '', '2019-01-01'), (2, 2, 1, '', '2019-01-01')", "(7, 1, 1, 5)")
        assert list(left_out.lines(connection)) == []
    assert "not counted" not in run(dsn, "backfill", "--no-throttle")
    assert left_out.members_as_json((Members(5, True, 3, 0),)) == {}


def test_a_collection_of_other_sources_is_explained(dsn: str) -> None:
    with connect(dsn) as connection:
        members = ", ".join(f"(7, {contact}, {collection}, 7)" for contact in (1, 2) for collection in (1, 2))
        fill(connection, "(1, 1, 1, '', '2019-01-01'), (2, 2, 1, '', '2019-01-01')", members)
        connection.execute("INSERT INTO user_contact_collections VALUES (8, 1, 2, 5)")
    told = run(dsn, "paths", "2", "--collection", "1", "--viewer", "7")
    assert "The collection 1 has no members" in told
    assert (
        "All 2 memberships are not counted: 2 of source 7. Only memberships of the sources 0, 1, 2, 3, 5, 10 count."
        in told
    )
    told = run(dsn, "paths", "2", "--collection", "2", "--viewer", "7", "--scope", "importer")
    assert "2 of 3 memberships are not counted: 2 of source 7." in told
    answer = json.loads(run(dsn, "--json", "paths", "2", "--collection", "1", "--viewer", "7"))
    assert answer["members_by_source"] == [{"source": 7, "is_counted": False, "memberships": 2, "without_user": 0}]
    assert answer["counted_sources"] == [*left_out.COUNTED_SOURCES]
    told = run(dsn, "plan")
    assert "All 4 memberships are not counted" not in told
    assert "4 of 5 memberships are not counted: 4 of source 7." in told


def test_counting_rows_that_do_not_count_has_a_time_limit(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    question = Question(2, 1, 7)
    with connect(dsn) as connection, connect(dsn) as other:
        fill(connection, "", "(7, 1, 1, 7)")
        answer = paths.find_paths(connection, question)
        monkeypatch.setattr(paths, "_COUNTING_MS", 50)
        with other.transaction():
            other.execute("LOCK TABLE user_contact_collections")
            assert paths.members_not_counted(connection, question, answer) == ()
        assert len(paths.members_not_counted(connection, question, answer)) == 1


def test_a_row_may_be_in_several_rules() -> None:
    assert list(left_out.experience_lines(Experiences(5, 5, 0, 0, 0, 0, 0, 0))) == []
    (alone,) = left_out.experience_lines(Experiences(9, 6, 2, 1, 0, 0, 0, 0))
    assert alone == "3 of 9 work experiences make no edge: 2 without an organization, 1 without a start."
    (told,) = left_out.experience_lines(Experiences(1_000_000, 0, 1_000_000, 400_000, 0, 0, 0, 0))
    assert (
        told
        == "All 1,000,000 work experiences make no edge: 1,000,000 without an organization, 400,000 without a start"
        " (some are in several of these groups)."
    )


@pytest.mark.parametrize(
    ("source", "row", "expected"),
    [
        (
            "contacts",
            "(1, 2, 1, '', '2019-01-01')",
            "1 of a contact that does not exist, or that the mapping leaves out",
        ),
        (
            "organizations",
            "(1, 1, 2, '', '2019-01-01')",
            "1 of an organization that does not exist, or that the mapping leaves out",
        ),
    ],
)
def test_rows_that_the_mapping_leaves_out_are_not_said_to_be_missing(
    host: str, source: str, row: str, expected: str
) -> None:
    with connect(host) as connection:
        connection.execute("INSERT INTO contacts VALUES (1, ''), (2, ''); INSERT INTO organizations VALUES (1), (2)")
        connection.execute(f"INSERT INTO contact_work_experiences VALUES {row}".encode())
        mapping = parse(f"[{source}]\nwhere = 'id <> 2'", "map.toml")
        assert plan(host, mapping=mapping).experiences.has_rule
        install(host, mapping=mapping)
        assert any(expected in line for line in left_out.lines(connection))
    assert "that do not exist, or that the mapping leaves out: 1." in run(host, "plan")
