"""A failure is a page with its reason, and the playground continues afterwards."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.playground import database
from tests.support.playground import ASK, PAGES, fill, get, locked, playground, until_waiting
from tests.support.sessions import connect


def test_more_questions_at_once_than_allowed_are_turned_away(
    url: str, world: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "ANSWER_MS", 4000)
    with ThreadPoolExecutor(database.AT_ONCE) as pool:
        with locked(world, "connection_paths.contact_connections"):
            waiting = [pool.submit(get, url, ASK) for _ in range(database.AT_ONCE)]
            with connect(world) as connection:
                until_waiting(connection, database.AT_ONCE)
            page = get(url, ASK)
            assert page.status == 503
            assert "Too many questions at once" in page.words
            assert "retry-after" in page.headers
            assert get(url, "/find/contacts?q=ana").status == 200  # a search has turns of its own
        assert [each.result().status for each in waiting] == [200] * database.AT_ONCE
    assert get(url, ASK).status == 200


def test_a_question_that_takes_too_long_is_ended(url: str, world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "ANSWER_MS", 200)
    begun = time.monotonic()
    with locked(world, "connection_paths.contact_connections"):
        for path in (ASK, PAGES["plan"]):
            page = get(url, path)
            assert page.status == 504
            assert "It took too long" in page.words
            assert "after 0.2 s" in page.words
    assert time.monotonic() - begun < 4  # the session's own limit is five seconds, the server of the test may be slow
    assert get(url, ASK).status == 200


def test_a_search_that_takes_too_long_is_ended(url: str, world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOOKUP_MS", 200)
    with locked(world, "public.contacts"):
        found = get(url, "/find/contacts?q=ana")
        assert found.status == 504
        assert "Type an id instead." in json.loads(found.text)["error"]
        assert get(url, PAGES["which one"]).status == 504
    with locked(world, "public.user_contact_collections"):  # nothing to choose from, but a page
        page = get(url, PAGES["nobody by that name"])
        assert page.status == 200
        assert "<datalist" in page.text


def test_a_database_that_comes_back(new_installed: Callable[[], str]) -> None:
    dsn = new_installed()
    fill(dsn)
    name = sql.Identifier(str(conninfo_to_dict(dsn)["dbname"]))
    with playground(dsn) as url, connect(make_conninfo(dsn, dbname="postgres")) as connection:
        assert get(url, ASK).status == 200
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            (conninfo_to_dict(dsn)["dbname"],),
        )
        for path in (ASK, "/", PAGES["which one"], PAGES["plan"]):
            page = get(url, path)
            assert page.status == 503
            assert "The database does not answer" in page.words
            assert "not currently accepting connections" in page.words
        assert 'value="9"' in get(url, ASK).text  # the question stands
        assert get(url, "/find/contacts?q=ana").status == 503
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
        assert get(url, ASK).status == 200


def test_a_missing_server_is_reported_at_once() -> None:
    with playground("host=/nowhere dbname=nothing") as url:
        page = get(url, ASK)
    assert page.status == 503
    assert "Cannot connect" in page.words


def test_a_database_without_the_package_says_what_to_run(host: str) -> None:
    with playground(host) as url:
        for path in ("/", ASK):
            page = get(url, path)
            assert page.status == 503
            assert "orchestrator install" in page.words


def test_an_empty_network_is_no_error(installed_host: str) -> None:
    with playground(installed_host) as url:
        page = get(url, "/")
        assert page.status == 200
        assert "There is no example" in page.words
        assert "There is no contact 4." in get(url, ASK).words


@pytest.fixture
def reader(world: str) -> Iterator[tuple[str, str]]:
    """A role with the rights the README gives one that asks for paths, and its connection string."""
    name = f"connection_paths_reader_{os.getpid()}"
    role = sql.Identifier(name)
    with connect(world) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        for grant in (
            "USAGE ON SCHEMA connection_paths",
            "SELECT ON ALL TABLES IN SCHEMA connection_paths",
            "EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths",
            "SELECT ON contacts, organizations, contact_work_experiences, user_contact_collections",
        ):
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(grant), role))
        yield name, make_conninfo(world, user=name)
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def test_the_rights_of_a_reader_are_enough(reader: tuple[str, str], world: str) -> None:
    name, dsn = reader
    with playground(dsn) as url:
        assert "3 paths to" in get(url, ASK).words
        assert len(json.loads(get(url, "/find/contacts?q=ana").text)["found"]) == 1
        assert len(re.findall("<option", get(url, "/").text)) > 6
        plan = get(url, PAGES["plan"])
        assert "Execution Time:" in plan.words
        assert "a role that may LOAD auto_explain" in plan.words
        with connect(world) as connection:
            connection.execute(sql.SQL("REVOKE SELECT ON contacts FROM {}").format(sql.Identifier(name)))
        page = get(url, PAGES["which one"])
        assert page.status == 503
        assert "permission denied for table contacts" in page.words
