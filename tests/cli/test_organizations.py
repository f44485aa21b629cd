"""``orchestrator organizations``: policies are written and applied at once, and a killed command loses nothing."""

from __future__ import annotations

import json
import os
import shlex
import signal
from itertools import combinations

import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.changes.sync import sync
from orchestrator.cli import backfill as backfill_command
from orchestrator.core.database import Connection
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.host.organizations import junk_names
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.runs.plan import plan, proposed
from tests.support.changes import closed_gate, end_sessions_at_gate, gate, gated, queue_length, wait_for_gate
from tests.support.command_line import run, start
from tests.support.edges import edges, right_edges
from tests.support.properties import first_of
from tests.support.sessions import connect, value

GATE_FUNCTION = """
CREATE FUNCTION public.stop_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('test.gate', true) = 'on' THEN
        PERFORM pg_advisory_xact_lock(99);
    END IF;
    RETURN COALESCE(NEW, OLD);
END
$$
"""


def crowd(connection: Connection, people: int) -> None:
    """Contacts who all worked at organization 1, the first 20 of them also at 2, and each three at one of 3 to 9."""
    connection.execute("INSERT INTO contacts SELECT g, '' FROM generate_series(1, %s) AS g", (people,))
    connection.execute(
        "INSERT INTO organizations SELECT g, CASE g WHEN 1 THEN 'Self-Employed' WHEN 2 THEN 'Acme' ELSE 'Bolt' END"
        " FROM generate_series(1, 9) AS g"
    )
    connection.execute(
        "INSERT INTO contact_work_experiences"
        " SELECT g, g, 1, '', date '2015-01-01' + g, NULL FROM generate_series(1, %s) AS g"
        " UNION ALL SELECT 1000 + g, g, 2, '', '2010-01-01', date '2010-06-01' + 30 * g"
        " FROM generate_series(1, 20) AS g"
        " UNION ALL SELECT 2000 + g, g, 3 + g %% 7, '', '2012-01-01', '2014-01-01' FROM generate_series(1, 21) AS g",
        (people,),
    )


def filled(dsn: str, people: int = 40) -> Connection:
    connection = connect(dsn)
    crowd(connection, people)
    backfill(dsn, BackfillOptions(workers=1, strategy="in_place", limits=None))
    sync(dsn)
    assert edges(connection) == right_edges(connection)
    return connection


def test_policies_are_applied_at_once_and_listed(installed_host: str) -> None:
    with filled(installed_host) as connection:
        for words, left in (
            (("exclude", "self-employed", "--reason", "no employer"), True),
            (("exclude", "1", "1"), True),
            (("limit", "Acme", "--min-days", "500"), True),
            (("allow", "1", "2"), True),
        ):
            before = edges(connection)
            done = run("organizations", *words, "--dsn", installed_host, "--json")
            assert done.exit_code == 0, done.output
            changed = json.loads(done.stdout)
            assert edges(connection) == right_edges(connection)
            assert bool(changed["changed"]) == left
            assert queue_length(connection) == 0
            if changed["sync"]["edges_changed"]:
                assert edges(connection) != before
            if words[0] == "limit":
                listed = run("organizations", "list", "--dsn", installed_host)
                assert [line.split()[:3] for line in listed.stdout.splitlines()[1:3]] == [
                    ["Self-Employed", "1", "40"],
                    ["Acme", "2", "20"],
                ]
                assert "overlaps of 500 days or more" in listed.stdout
        assert run("organizations", "allow", "1", "--dsn", installed_host).stdout.startswith("Nothing to change.")
        assert value(connection, "SELECT count(*) FROM connection_paths.organization_policy") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("exclude", "77"), "there is no organization with the id 77"),
        (("exclude", "nobody"), "no organization is called 'nobody'; give its id"),
        (("exclude", "bolt"), "several organizations are called 'bolt'; give an id: 3, 4, 5, 6, 7 and others"),
        (("exclude", "1", "77"), "there is no organization with the id 77"),
        (("allow", str(2**70)), f"no organization is called '{2**70}'; give its id"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(installed_host: str, words: tuple[str, ...], message: str) -> None:
    with connect(installed_host) as connection:
        crowd(connection, 3)
        done = run("organizations", *words, "--dsn", installed_host)
        assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"Error: {message}\n")
        assert value(connection, "SELECT count(*) FROM connection_paths.organization_policy") == 0


@pytest.mark.parametrize("number", first_of(2, [signal.SIGKILL, signal.SIGINT]))
def test_a_command_that_is_killed_leaves_the_rest_in_the_queue(installed_host: str, number: signal.Signals) -> None:
    with filled(installed_host) as connection:
        connection.execute(GATE_FUNCTION)
        gate(connection)
        with closed_gate(installed_host) as open_gate:
            process = start("organizations", "exclude", "1", "--dsn", gated(installed_host))
            wait_for_gate(connection)
            process.send_signal(number)
            assert process.wait(30) != 0
            end_sessions_at_gate(connection)  # a server does not notice at once that a client was killed
            open_gate()
        assert value(connection, "SELECT rule FROM connection_paths.organization_policy") == "none"
        assert edges(connection) != right_edges(connection)
        sync(installed_host, workers=2)
        assert edges(connection) == right_edges(connection)


def test_before_a_backfill_the_policy_is_only_written(installed_host: str) -> None:
    with connect(installed_host) as connection:
        crowd(connection, 30)
        done = run("organizations", "exclude", "1", "--dsn", installed_host)
        assert "There are no edges yet; the first backfill will apply the policies." in done.stdout
        backfill(installed_host, BackfillOptions(workers=1, limits=None))
        assert edges(connection) == right_edges(connection) != {}


# Candidates


JUNK = ["Self-Employed", "  FREELANCE. ", "N/A", "Selbstständig", "Indépendant", "Autónomo", "Stealth Startup", "007"]
NO_JUNK = ["Independent News & Media", "Retired Racehorses Ltd", "Owned Company", "7-Eleven"]


def test_the_function_in_sql_says_which_names_name_no_employer(host: str, installed_host: str, server: str) -> None:
    """Before an installation, and for a role that may not call the functions, temporary functions say the same."""
    role = f"connection_paths_judge_{os.getpid()}"
    with connect(server) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
    try:
        for dsn in (host, installed_host, make_conninfo(installed_host, user=role)):
            with connect(dsn) as connection:
                assert junk_names(connection, [*JUNK, *NO_JUNK]) == {*JUNK}
                functions = "SELECT count(*) FROM pg_proc AS p WHERE p.proname = 'is_junk_name'"
                assert value(connection, functions) == (dsn != host)
    finally:
        with connect(server) as connection:
            connection.execute(f"DROP ROLE {role}".encode())


def test_organizations_with_negative_ids(installed_host: str) -> None:
    with connect(installed_host) as connection:
        crowd(connection, 25)
        connection.execute("ALTER TABLE contact_work_experiences DISABLE TRIGGER USER")
        connection.execute("UPDATE organizations SET id = -id WHERE id IN (1, 2)")
        connection.execute(
            "UPDATE contact_work_experiences SET organization_id = -organization_id WHERE organization_id IN (1, 2)"
        )
        backfill(installed_host, BackfillOptions(workers=1, limits=None))
        listed = run("organizations", "list", "--dsn", installed_host)
        proposals = [line.split("Proposed: ")[1] for line in listed.stdout.splitlines() if "Proposed: " in line]
        assert len(proposals) == 2
        for line in proposals:
            done = run("--dsn", installed_host, *shlex.split(line.split(" (about")[0])[1:])
            assert done.exit_code == 0, done.output
        policies = connection.execute("SELECT organization_id, reason FROM connection_paths.organization_policy")
        assert sorted(policies) == [(-2, "very large"), (-1, "no employer")]
        assert edges(connection) == right_edges(connection)


def test_a_candidate_has_its_pairs_and_its_share_of_paths(host: str, installed_host: str) -> None:
    """Every path of three contacts is two overlaps that share the contact in the middle."""
    with connect(installed_host) as connection:
        crowd(connection, 25)
        overlaps = [
            (pair, organization)
            for organization in range(1, 10)
            for pair in combinations(sorted(worked_at(connection, organization)), 2)
        ]
        paths = [
            1 in (one, other)
            for middle in range(1, 26)
            for one, other in combinations([where for pair, where in overlaps if middle in pair], 2)
        ]
        pairs = sum(where == 1 for _, where in overlaps)
        (found,) = [each for each in plan(installed_host).candidates if each.is_junk]
        assert (found.id, found.name, found.people, found.pairs) == (1, "Self-Employed", 25, pairs)
        assert found.share_of_pairs == pairs / len(overlaps)
        assert found.share_of_paths == pytest.approx(sum(paths) / len(paths))
        assert found.edges < pairs
        (quick,) = [each for each in proposed(installed_host) if each.is_junk]
        assert (quick.pairs, quick.edges, quick.share_of_paths) == (pairs, pairs, found.share_of_paths)
        assert found.command == "orchestrator organizations exclude 1"
        connection.execute("INSERT INTO connection_paths.organization_policy VALUES (1, 'none')")
        assert [each.id for each in proposed(installed_host) if each.is_junk] == []
    with connect(host) as connection:
        crowd(connection, 25)
        connection.execute(
            "INSERT INTO contact_work_experiences SELECT 900 + e, 900, 1, '2010-01-01' FROM generate_series(1, 2) e"
        )
    before = plan(host)
    assert not before.is_installed
    # contact 900 does not exist, so it is none of the people
    assert [(each.id, each.people, each.pairs) for each in before.candidates if each.is_junk] == [(1, 25, found.pairs)]
    shown = run("plan", "--dsn", host).stdout
    assert "then the commands proposed above, then orchestrator" in shown
    assert "organizations exclude 1 --reason 'no employer'" in shown


def test_an_organization_of_few_people_is_no_candidate(host: str) -> None:
    with connect(host) as connection:
        crowd(connection, 10)
        connection.execute("UPDATE organizations SET name = 'Acme' WHERE id = 1")
        connection.execute("DELETE FROM contact_work_experiences WHERE organization_id <> 1")
        assert [each.id for each in plan(host).candidates] == [1]
        connection.execute("DELETE FROM contact_work_experiences WHERE contact_id = 10")
        assert [each.id for each in plan(host).candidates] == []


@pytest.mark.parametrize("times", [1, 2, 7])
def test_a_candidate_never_has_more_edges_than_pairs_of_people(host: str, times: int) -> None:
    with connect(host) as connection:
        connection.execute("INSERT INTO contacts SELECT g, '' FROM generate_series(1, 20) AS g")
        connection.execute("INSERT INTO organizations VALUES (1, 'Self-employed')")
        connection.execute(
            "INSERT INTO contact_work_experiences"
            " SELECT 100 * g + t, g, 1, '', date '2010-01-01'"
            " FROM generate_series(1, 20) AS g, generate_series(1, %s) AS t",
            (times,),
        )
    (found,) = plan(host).candidates
    assert (found.pairs, found.edges) == (times * times * 190, 190)


def test_a_limit_is_proposed_with_the_edges_that_stay(installed_host: str) -> None:
    with filled(installed_host, 60) as connection:
        connection.execute("UPDATE organizations SET name = 'Globex' WHERE id = 1")
        connection.execute(
            "UPDATE contact_work_experiences SET date_to = date_from + 300 + 20 * contact_id::int"
            " WHERE organization_id = 1"
        )
        sync(installed_host)
        (found,) = proposed(installed_host)
        assert found.command == f"orchestrator organizations limit 1 --min-days {found.min_days}"
        assert found.edges_kept <= found.edges / 2
        done = run(*found.command.split()[1:], "--dsn", installed_host)
        assert done.exit_code == 0, done.output
        assert edges(connection) == right_edges(connection)
        left = "SELECT count(*) FROM connection_paths.contact_connections WHERE organization_id = 1"
        assert value(connection, left) == found.edges_kept > 0
        assert proposed(installed_host) == ()


def worked_at(connection: Connection, organization: int) -> list[int]:
    """The contacts of an organization; in ``crowd`` all of them overlap there."""
    query = "SELECT contact_id FROM contact_work_experiences WHERE organization_id = %s"
    return [row[0] for row in connection.execute(query, (organization,))]


@pytest.mark.parametrize(("answer", "excluded"), [("y", True), ("n", False)])
def test_the_first_backfill_asks_once(
    installed_host: str, monkeypatch: pytest.MonkeyPatch, answer: str, excluded: bool
) -> None:
    with connect(installed_host) as connection:
        crowd(connection, 25)
        again = ("backfill", "--no-throttle", "--workers", "1", "--dsn", installed_host)
        monkeypatch.setattr(backfill_command, "_is_on_terminal", lambda: True)
        asked: list[str] = []

        def confirm(question: str, **_: object) -> bool:
            asked.append(question)
            return answer == "y"

        monkeypatch.setattr("click.confirm", confirm)
        done = run(*again)
        assert done.exit_code == 0, done.output
        assert "exclude 1 --reason 'no employer'" in done.stderr
        assert len(asked) == 1
        assert (
            value(connection, "SELECT count(*) FROM connection_paths.organization_policy WHERE rule = 'none'") == 1
        ) == excluded
        assert edges(connection) == right_edges(connection)
        assert run(*again).exit_code == 0
        assert len(asked) == 1


def test_a_first_backfill_without_a_terminal_says_what_it_would_ask(installed_host: str) -> None:
    with connect(installed_host) as connection:
        crowd(connection, 25)
        again = ("backfill", "--no-throttle", "--workers", "1", "--dsn", installed_host)
        done = run(*again)
        assert (done.exit_code, "There is no terminal, so nothing is excluded" in done.stderr) == (0, True), done.output
        assert "exclude 1 --reason 'no employer'" in done.stderr
        assert value(connection, "SELECT count(*) FROM connection_paths.organization_policy") == 0
        assert "exclude" not in run(*again).stderr
        connection.execute("DELETE FROM connection_paths.backfill_runs")
        shown = run(*again, "--json")
        assert 1 in [each["id"] for each in json.loads(shown.stdout)["candidates"]]
        assert "exclude" not in shown.stderr


def test_doctor_warns_of_an_organization_with_most_of_the_edges(installed_host: str) -> None:
    with filled(installed_host, 120) as connection:
        (found,) = [each for each in diagnose(installed_host).findings if each.check == "organizations"]
        assert found.severity == "advice"
        assert "organization 1 (Self-Employed) makes about 100% of all edges" in found.what
        assert found.repair == "orchestrator organizations exclude 1"
        connection.execute("INSERT INTO connection_paths.organization_policy VALUES (1, 'none')")
        assert [each for each in diagnose(installed_host).findings if each.check == "organizations"] == []
