"""The playground: what a page says, what it refuses, how it fails, and, in Chromium, how it is used."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator import cli
from orchestrator.core import sqlfiles
from orchestrator.core.errors import OrchestratorError
from orchestrator.finders import reasons
from orchestrator.finders.paths import Names, Question
from orchestrator.install.installation import install
from orchestrator.playground import form, pictures, questions, server
from orchestrator.playground.questions import Collection, Questions
from orchestrator.playground.sessions import Sessions, Turns
from orchestrator.playground.trouble import Trouble
from tests.support.sessions import connect

SCRIPT, IMAGE = "<script>alert(1)</script>", "<img src=x onerror=alert(1)>"
TARGET, ALONE, BESIDE = 4, 5, 7
COLLECTION, VIEWER = 9, 7
ASK = f"/?target={TARGET}&collection={COLLECTION}&viewer={VIEWER}"
NOBODY = ASK.replace(f"target={TARGET}", f"target={ALONE}")
PAGES = {
    "welcome": "/",
    "answer": ASK,
    "which one": ASK.replace(f"target={TARGET}", "target=a"),
    "nobody by that name": ASK.replace(f"target={TARGET}", "target=zzz"),
    "nothing found": NOBODY,
    "refused": "/?target=&collection=x&viewer=&depth=9&budget=0",
    "plan": f"/plan{ASK[1:]}",
    "no such page": "/nowhere",
}
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)
WORLD = f"""
INSERT INTO contacts VALUES (1, 'Ana Silva'), (2, 'Ben Ode'), (3, '{SCRIPT}'), (4, 'Cleo Target'), (5, 'Dot Alone'),
    (6, 'Ed 100% _ \\ O''Neil'), (7, 'Eve 1000');
INSERT INTO organizations VALUES (1, 'Acme'), (2, '{IMAGE}');
INSERT INTO contact_work_experiences VALUES (1, 1, 1, '', '2019-03-01', '2022-05-31'),
    (2, 2, 1, '', '2019-01-01', '2023-01-01'), (3, 2, 2, '', '2010-01-01', '2010-12-31'),
    (4, 3, 2, '', '2015-01-01', NULL), (5, 4, 2, '', '2010-06-01', NULL), (6, 7, 1, '', '1999-01-01', '1999-02-01');
INSERT INTO user_contact_collections VALUES (7, 1, 9, 1), (8, 1, 9, 1), (8, 2, 9, 1), (8, 3, 9, 1), (7, 7, 10, 1);
"""


class Page(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def words(self) -> str:
        """What is read: without tags."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.text)).split())


class Tags(HTMLParser):
    """The tags of a page, with their attributes, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def get(url: str, path: str, **headers: str) -> Page:
    connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=20)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Page(answer.status, names, answer.read().decode())
    finally:
        connection.close()


@contextmanager
def playground(dsn: str) -> Iterator[str]:
    """Serve a database's playground; yields its address without the slash at the end."""
    with server.listen("127.0.0.1", 0) as listening:
        running = server.prepare(dsn, listening)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening.socket]})
        thread.start()
        try:
            yield listening.url.rstrip("/")
        finally:
            running.should_exit = True
            thread.join()


def fill(dsn: str) -> None:
    with connect(dsn) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(dsn)
        connection.execute(WORLD)
        connection.execute("SELECT connection_paths.backfill_contact(c.id) FROM contacts AS c")


@pytest.fixture(scope="module")
def world(new_database: Callable[[], str]) -> str:
    """A small team: Ana and Ben of Acme, and two ways to Cleo, whose employer has an evil name."""
    dsn = new_database()
    fill(dsn)
    return dsn


@pytest.fixture(scope="module")
def url(world: str) -> Iterator[str]:
    with playground(world) as address:
        yield address


@contextmanager
def locked(dsn: str, table: str) -> Iterator[None]:
    """Keep everybody from reading a table."""
    with connect(dsn) as connection, connection.transaction():
        connection.execute(sql.SQL("LOCK TABLE {}").format(sql.SQL(table)))
        yield


# What a page says.


def test_an_answer_is_told_as_people_would(url: str) -> None:
    page = get(url, ASK)
    assert page.status == 200
    assert "3 ways to meet Cleo Target" in page.words
    assert "You know Ana Silva: your own contact. User 8 does, too." in page.words
    assert "Ana Silva knows Ben Ode: both worked at Acme, 2019-03 to 2022-05" in page.words
    assert f"{SCRIPT} knows Cleo Target: both worked at {IMAGE}, since 2015-01" in unescape(page.text)
    forwarded = unescape(re.findall(r'data-copy="(You [^"]*)"', page.text)[0]).splitlines()
    assert forwarded[0] == "You → Ana Silva → Ben Ode → Cleo Target"
    assert forwarded[2] == "– Ana Silva knows Ben Ode: both worked at Acme, 2019-03 to 2022-05"


def test_the_call_shown_is_the_call_made(url: str, world: str) -> None:
    page = get(url, ASK + "&without=3&scope=importer&impl=v2")
    found = re.search(r"<code>(SELECT jsonb_pretty.*?)</code>", page.text, re.DOTALL)
    shown = re.search(r'aria-label="The answer as JSON"><code>(.*?)</code>', page.text, re.DOTALL)
    assert found is not None
    assert shown is not None
    with connect(world) as connection:
        (answer,) = connection.execute(unescape(found[1])).fetchone() or ()
    assert json.loads(answer) == json.loads(unescape(shown[1]))


def test_nothing_found_says_why(url: str) -> None:
    page = get(url, NOBODY)
    assert page.status == 200
    assert "Why nothing was found" in page.words
    assert " has no edges. The command orchestrator status" in page.words
    assert "members of the collection 3" in page.words


def test_every_reason_has_words_and_an_unknown_one_is_told_as_it_is() -> None:
    source = sqlfiles.function("why_no_more").split("Each reason asserts")
    said: dict[str, Any] = dict.fromkeys(re.findall(r'"([a-z_]+)"', source[0]), 2)
    assert set(said) == {"reason", *reasons.FIGURES, *reasons.QUALIFIERS}
    question, document = Question(1, 2, 3), {"impl": "v2", "paths": [], "why": said}
    listed = re.findall(r"^-- ([a-z]+(?:_[a-z]+)*)  +[a-z]", source[1].split("level_reached is how")[0], re.MULTILINE)
    assert len(listed) == 11
    for said["reason"] in listed:
        told = reasons.sentences(question, document, Names({}, {}))
        assert told
        assert not told[0].startswith("Reason:")
    document["why"] = {"reason": "moon_phase", "moons": 2, "target_edges": 1000, "counted_to": 1000}
    assert reasons.sentences(question, document, Names({}, {})) == ["Reason: moon_phase."]
    assert reasons.figures(document) == [(reasons.FIGURES["target_edges"], "1,000 or more"), ("moons", "2")]


def test_people_can_be_left_out_and_let_in_again(url: str) -> None:
    page = get(url, ASK)
    links = [unescape(link) for link in re.findall(r'href="([^"]*without=[^"]*)"', page.text)]
    without_ben = next(link for link in links if link.endswith("without=2"))
    page = get(url, without_ben)
    assert "1 way to meet Cleo Target" in page.words
    assert "Left out Ben Ode" in page.words
    again = re.search(r'<p class="chips">.*?href="([^"]*)"', page.text)
    assert again is not None
    assert "3 ways" in get(url, unescape(again[1])).words


def test_a_name_leads_to_who_has_it(url: str) -> None:
    page = get(url, ASK.replace(f"target={TARGET}", "target=silva"))
    (link,) = (unescape(each) for each in re.findall(r'<li><a href="([^"]*)"', page.text))
    assert dict(parse_qsl(urlsplit(link).query)) == {"target": "1", "collection": "9", "viewer": "7"}
    assert "Acme" in page.words
    assert get(url, link).status == 200


@pytest.mark.parametrize(
    ("typed", "ids"),
    [("1", ["1"]), ("0001", ["1"]), ("ANA", ["1"]), ("an il", ["1"]), ("100%", ["6"]), ("% _", ["6"]), ("_ \\", ["6"]),
     ("o'n", ["6"]), ("<script", ["3"]), ("il an", []), ("a", []), ("1000", []), ("12345", []), ("zz", [])],
)  # fmt: skip
def test_a_search_finds(url: str, typed: str, ids: list[str]) -> None:
    found = json.loads(get(url, f"/find/contacts?q={quote(typed)}").text)["found"]
    assert [each["value"] for each in found] == ids


def test_an_unknown_contact_is_told(url: str) -> None:
    page = get(url, ASK.replace(f"target={TARGET}", "target=12345"))
    assert page.status == 200
    assert "There is no contact 12345." in page.words


def test_an_explained_question_shows_the_plans(url: str) -> None:
    page = get(url, PAGES["plan"])
    assert page.status == 200
    assert "Execution Time:" in page.words
    assert "connection_paths.search(" in page.words
    assert get(url, "/plan?target=4").status == 400


def test_a_search_that_ran_out_of_time_is_told(url: str, world: str) -> None:
    with ThreadPoolExecutor(1) as pool, connect(world) as connection:
        with locked(world, "connection_paths.contact_connections"):
            waiting = pool.submit(get, url, ASK + "&budget=1")
            until_waiting(connection, 1)
        page = waiting.result()
    assert page.status == 200
    assert "The time budget ended the search." in page.words
    assert "Give it 4 s" in page.words


def test_lists_are_bounded(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Questions(world)
    assert asking.collections() == [Collection(9, 3), Collection(10, 1)]
    assert asking.users(9) == [8, 7]
    monkeypatch.setattr(questions, "COLLECTIONS_SHOWN", 1)
    monkeypatch.setattr(questions, "COUNTED", 2)
    monkeypatch.setattr(questions, "USERS_SHOWN", 1)
    assert asking.collections() == [Collection(9, None)]
    assert asking.users(9) == [8]
    asking.close()


# What it refuses.


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_markup_in_data_stays_text(url: str, path: str) -> None:
    text = get(url, path).text
    assert SCRIPT not in text
    assert IMAGE not in text
    tags = Tags()
    tags.feed(text)
    assert [attributes for tag, attributes in tags.found if tag == "script"] == [{"src": "/static/playground.js"}]
    for tag, attributes in tags.found:  # the policy forbids them anyway
        assert tag not in ("style", "iframe", "object", "base", "img")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        assert not attributes.get("href", "/").startswith(("javascript:", "//", "http"))


EVIL = (
    "' OR 1=1 --",
    "1; DROP TABLE contacts; --",
    "1) UNION SELECT usename FROM pg_user --",
    f'"><script>alert(1)</script>{IMAGE}',
    "javascript:alert(1)",
    "{{ 1234567 * 9 }}{% include 'layout.html.j2' %}",
    "../../../etc/passwd",
    "%s%(target)s%%",
    "\0",
    "\r\nSet-Cookie: a=b",
    "-1",
    "1e3",
    "٣",
    "9" * 19,
    "9" * 40,
    "x" * 5000,
    "\ud7ff\U0010ffff",
)


@pytest.mark.parametrize("name", [*form.DEFAULTS, "without", "q", "other"])
def test_no_parameter_lets_anything_in(url: str, world: str, name: str) -> None:
    asked = dict(parse_qsl(urlsplit(ASK).query))
    for value in EVIL:
        query = "&".join(f"{key}={quote(each)}" for key, each in {**asked, name: value}.items())
        paths = ("/find/contacts", "/find/users") if name == "q" else ("/", "/plan", "/find/users")
        for path in paths:
            page = get(url, f"{path}?{query}")
            assert page.status in (200, 400), (value, page.words)
            assert "<script>" not in page.text
            assert "<img" not in page.text
            assert "set-cookie" not in page.headers
            assert "11111103" not in page.text
    with connect(world) as connection:
        assert connection.execute("SELECT count(*) FROM contacts").fetchone() == (7,)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("target=", "Whom do you want to meet?"),
        ("collection=", "Collection: which one?"),
        ("collection=seven", "Collection must be an id, digits only."),
        ("viewer=-3", "Viewer must be an id, digits only."),
        ("viewer=9223372036854775808", "Viewer must be an id, digits only."),
        ("target=9223372036854775808", "No id is that large."),
        ("depth=0", "Depth must be a whole number from 1 to 6."),
        ("depth=7", "Depth must be a whole number from 1 to 6."),
        ("paths=101", "Paths must be a whole number from 1 to 100."),
        ("budget=4001", "Time budget must be a whole number from 1 to 4,000."),
        ("budget=1.5", "Time budget must be a whole number from 1 to 4,000."),
        ("scope=all", "Scope must be any or importer."),
        ("impl=v3", "Version must be v2 or v1."),
        ("without=Ana", "Who is to be left out is told by ids, 50 at most."),
    ],
)
def test_a_bad_value_is_told(url: str, change: str, told: str) -> None:
    page = get(url, f"{ASK}&{change}")
    assert page.status == 400
    assert told in page.words
    name, value = change.split("=")
    if name not in ("without", "scope", "impl", "depth"):
        assert f'name="{name}" value="{value}"' in page.text  # to be mended where it was typed
        assert re.search(rf'name="{name}"[^>]*aria-invalid="true"[^>]*aria-describedby="{name}-error', page.text)


@given(
    st.fixed_dictionaries({}, optional={name: st.text(max_size=8) | st.integers().map(str) for name in form.DEFAULTS})
)
@settings(max_examples=100)
def test_an_address_asks_what_it_was_made_from(typed: dict[str, str]) -> None:
    asked = form.read(list(typed.items()))
    if asked.question is not None:
        again = form.read(parse_qsl(urlsplit(asked.url()).query))
        assert again.question == asked.question
    assert asked.is_blank == ("target" not in typed)


@pytest.mark.parametrize(
    "name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", ""]
)
def test_another_host_is_refused(url: str, name: str) -> None:
    page = get(url, "/", Host=name)
    assert page.status == 400
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST:1", "127.0.0.1:9999", "[::1]:8765"])
def test_this_host_is_known_by_its_names(url: str, name: str) -> None:
    assert get(url, "/", Host=name).status == 200


@pytest.mark.parametrize(
    "path", [*PAGES.values(), "/static/playground.js", "/find/contacts?q=ana", "/static/../app.py"]
)
def test_every_answer_bears_the_headers(url: str, path: str) -> None:
    headers = get(url, path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert "set-cookie" not in headers
    assert "server" not in headers
    assert headers["cache-control"] in ("no-store", "no-cache")


def test_pages_of_others_get_nothing(url: str) -> None:
    assert get(url, ASK, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403
    assert get(url, ASK, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200  # a link is fine
    assert get(url, ASK, Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors").status == 200


SETTINGS = """
SELECT current_setting('transaction_read_only'), current_setting('statement_timeout'),
    current_setting('idle_in_transaction_session_timeout'), current_setting('application_name')
"""


def test_nothing_can_be_written(world: str) -> None:
    sessions, turns = Sessions(world), Turns(1)
    for write in (
        "DELETE FROM public.contacts",
        "CREATE TABLE t (i integer)",
        "TRUNCATE connection_paths.contact_connections",
    ):
        with pytest.raises(Trouble, match="read-only"), sessions.open(turns, 1000) as (connection, _):
            connection.execute(write)
        with pytest.raises(Trouble, match="read-only"), sessions.apart(turns, 1000) as connection:
            connection.execute(write)
    with sessions.open(turns, 1234) as (connection, _):
        inside = connection.execute(SETTINGS).fetchone()
    # afterwards nothing is left, which somebody else would inherit from a pooler
    assert inside == ("on", "1234ms", "10s", "orchestrator playground")
    assert connection.execute(SETTINGS).fetchone() == ("off", "0", "0", "")
    sessions.close()


# How it fails.


def test_more_questions_at_once_than_allowed_are_turned_away(
    url: str, world: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "ANSWER_MS", 4000)
    with ThreadPoolExecutor(questions.AT_ONCE) as pool:
        with locked(world, "connection_paths.contact_connections"):
            waiting = [pool.submit(get, url, ASK) for _ in range(questions.AT_ONCE)]
            with connect(world) as connection:
                until_waiting(connection, questions.AT_ONCE)
            page = get(url, ASK)
            assert page.status == 503
            assert "Too many questions at once" in page.words
            assert "retry-after" in page.headers
            assert get(url, "/find/contacts?q=ana").status == 200  # a search has turns of its own
        assert [each.result().status for each in waiting] == [200] * questions.AT_ONCE
    assert get(url, ASK).status == 200


def until_waiting(connection: psycopg.Connection[Any], number: int) -> None:
    for _ in range(200):
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ).fetchone()
        if row == (number,):
            return
        time.sleep(0.02)
    pytest.fail(f"{row} wait, not {number}")


def test_a_question_that_takes_too_long_is_ended(url: str, world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "ANSWER_MS", 200)
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
    monkeypatch.setattr(questions, "LOOKUP_MS", 200)
    with locked(world, "public.contacts"):
        found = get(url, "/find/contacts?q=ana")
        assert found.status == 504
        assert "Enter an id instead." in json.loads(found.text)["error"]
        assert get(url, PAGES["which one"]).status == 504
    with locked(world, "public.user_contact_collections"):  # nothing to choose from, but a page
        page = get(url, PAGES["nobody by that name"])
        assert page.status == 200
        assert "<datalist" in page.text


def test_a_database_that_is_gone_and_back(new_database: Callable[[], str]) -> None:
    dsn = new_database()
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


def test_a_server_that_is_not_there_is_told_at_once() -> None:
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


def test_an_empty_network_is_no_error(host: str) -> None:
    install(host)
    with playground(host) as url:
        page = get(url, "/")
        assert page.status == 200
        assert "nobody to ask about" in page.words
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


def test_a_readers_rights_are_enough(reader: tuple[str, str], world: str) -> None:
    name, dsn = reader
    with playground(dsn) as url:
        assert "3 ways to meet" in get(url, ASK).words
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


# The drawing.

IDS = st.lists(st.integers(1, 12), min_size=0, max_size=5, unique=True)


@given(st.lists(st.tuples(st.integers(1, 4), IDS), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_everybody_is_drawn_once_and_beside_the_others(drawn: list[tuple[int, list[int]]]) -> None:
    paths = [
        {
            "user_ids": [user],
            "contact_ids": [*between, 99],
            "hops": [
                {"from": a, "to": b, "kind": "work_overlap", "organization_id": 1, "date_from": None, "date_to": None}
                for a, b in pairwise([*between, 99])
            ],
        }
        for user, between in drawn
    ]
    picture = pictures.picture({"paths": paths}, Names({}, {}), 1)
    people = {f"u{user}" for user, _ in drawn} | {f"c{each}" for _, between in drawn for each in (*between, 99)}
    known = {
        frozenset(pair)
        for user, between in drawn
        for pair in pairwise([f"u{user}", *(f"c{e}" for e in (*between, 99))])
    }
    assert sorted(node.key for node in picture.nodes) == sorted(people)
    assert len(picture.edges) == len(known)
    for number, node in enumerate(picture.nodes):
        assert 0 <= node.x - picture.node_width / 2 <= node.x + picture.node_width / 2 <= picture.width
        assert 0 <= node.y - picture.node_height / 2 <= node.y + picture.node_height / 2 <= picture.height
        for other in picture.nodes[number + 1 :]:
            assert abs(node.x - other.x) >= picture.node_width or abs(node.y - other.y) > picture.node_height
    for edge in picture.edges:
        assert re.fullmatch(r"M[-.\d ]+(C[-.\d ]+(H[-.\d]+)?)+", edge.line)
        assert 0 <= edge.x - edge.width / 2 <= edge.x + edge.width / 2 <= picture.width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ana Silva", "Ana Silva"),
        ("A" * 40, "A" * 15 + "…"),
        ("山田太郎山田太郎山田太郎", "山田太郎山田太郎…"),
        ("", ""),
        ("A" * 16, "A" * 16),
        ("A" * 1_000_000, "A" * 15 + "…"),
        ("e\u0301" * 40, "e\u0301" * 15 + "…"),
        ("\u0301" * 1_000_000, "\u0301" * 1000 + "…"),
    ],
)
def test_a_name_is_cut_to_its_place(text: str, shown: str) -> None:
    assert pictures.fitted(text) == shown


@pytest.mark.parametrize("name", ["A" * 20_000, "A" * 1_000_000, "\u0301" * 20_000, "山" * 20_000, "a b " * 9_000])
def test_a_long_name_makes_no_large_page(url: str, world: str, name: str) -> None:
    with connect(world) as connection:
        connection.execute("UPDATE contacts SET name = %(name)s WHERE id IN (3, 4)", {"name": name})
        connection.execute("UPDATE organizations SET name = %(name)s WHERE id = 2", {"name": name})
        try:
            for path in (ASK, NOBODY, "/", ASK.replace(f"target={TARGET}", "target=A"), f"/find/contacts?q={TARGET}"):
                page = get(url, path)
                assert page.status == 200
                assert len(page.text) < 100_000
        finally:
            connection.execute(
                "UPDATE contacts SET name = CASE id WHEN 4 THEN 'Cleo Target' ELSE %s END WHERE id IN (3, 4)", (SCRIPT,)
            )
            connection.execute("UPDATE organizations SET name = %s WHERE id = 2", (IMAGE,))


def test_many_users_make_no_large_page(url: str, world: str) -> None:
    with connect(world) as connection:
        connection.execute(
            "INSERT INTO user_contact_collections SELECT i, 1, 9, 1 FROM generate_series(1000, 40000) AS i"
        )
        try:
            page = get(url, ASK)
        finally:
            connection.execute("DELETE FROM user_contact_collections WHERE user_id >= 1000")
    assert page.status == 200
    assert len(page.text) < 400_000
    assert "more do, too." in page.words


@pytest.mark.parametrize("parameter", [*form.DEFAULTS, "without", "other"])
def test_a_long_parameter_makes_no_large_page(url: str, parameter: str) -> None:
    for path in (ASK, NOBODY, ASK.replace(f"target={TARGET}", "target=a"), f"/plan{ASK[1:]}"):
        assert len(get(url, f"{path}&{parameter}={'9' * 20_000}").text) < 100_000
        assert len(get(url, f"{path}&{parameter}={'x' * 20_000}").text) < 100_000


def test_no_page_has_a_control_character(url: str, world: str) -> None:
    """Neither names nor what an address holds; a page's own lines are its only ones."""
    hostile = "\x1b[2J\x9b8m\u202eevil\u2066\u2028two\nlines\r\x07\x7f"
    names = (SCRIPT, "Cleo Target")
    with connect(world) as connection:
        connection.execute("UPDATE contacts SET name = %s WHERE id IN (3, 4)", (hostile,))
        connection.execute("UPDATE organizations SET name = %s WHERE id = 2", (hostile,))
        try:
            for path in (
                *PAGES.values(),
                ASK.replace(f"target={TARGET}", f"target={quote(hostile)}"),
                f"/find/contacts?q={TARGET}",
            ):
                page = get(url, path)
                found = json.dumps(page.text) if path.startswith("/find") else page.text
                assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", found) is None, path
                assert quote(hostile) in path or "two\nlines" not in page.text, path
            assert "\\u202eevil" in get(url, ASK).text
        finally:
            for contact, name in zip((3, 4), names, strict=True):
                connection.execute("UPDATE contacts SET name = %s WHERE id = %s", (name, contact))
            connection.execute("UPDATE organizations SET name = %s WHERE id = 2", (IMAGE,))


# Requests that are never there whole.


def held(url: str, sent: bytes, count: int) -> list[socket.socket]:
    """Open connections, send so much, and no more."""
    address = urlsplit(url)
    opened = []
    for _ in range(count):
        connection = socket.create_connection((str(address.hostname), address.port or 0), timeout=20)
        connection.sendall(sent)
        opened.append(connection)
    return opened


def closed(connection: socket.socket) -> bool:
    """Read to the end; whether there is one."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


HALVES = {
    "nothing": b"",
    "a line": b"GET / HT",
    "headers": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
    "a second request": b"GET /static/icon.svg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /st",
    "a body": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nhalf",
}


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES)
def test_half_requests_keep_nobody_out(world: str, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with playground(world) as address:
        opened = held(address, sent, 70)
        assert get(address, "/static/icon.svg").status == 200
        for connection in opened:
            connection.close()
    monkeypatch.setattr(server, "_REQUEST_SECONDS", 0.2)
    with playground(world) as address:
        opened = held(address, sent, 5)
        assert all(closed(connection) for connection in opened)  # by the other side: recv() would time out
        assert get(address, ASK).status == 200


def test_an_answer_that_is_not_made_in_time_ends_the_connection(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_REQUEST_SECONDS", 0.1)
    monkeypatch.setattr(server, "_ANSWER_SECONDS", 0.1)
    with (
        playground(world) as address,
        locked(world, "connection_paths.contact_connections"),
        pytest.raises(ConnectionError),
    ):
        get(address, ASK)


def test_an_answer_is_waited_for_longer_than_a_request(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(questions, "ANSWER_MS", 700)
    with playground(world) as address, locked(world, "connection_paths.contact_connections"):
        assert get(address, ASK).status == 504


# The command.


def test_others_are_kept_out_unless_asked_in() -> None:
    with pytest.raises(OrchestratorError, match="--allow-remote"), server.listen("0.0.0.0", 0):
        pass
    with server.listen("0.0.0.0", 0, allow_remote=True) as listening:
        assert "localhost" in listening.names
        assert "*" not in listening.names


@pytest.mark.parametrize(
    ("host", "told"), [("256.1.1.1", "cannot listen on 256.1.1.1"), ("::2", "can be reached by others")]
)
def test_a_bad_address_is_one_line(host: str, told: str) -> None:
    result = CliRunner().invoke(cli.main, ["serve", "--host", host])
    assert result.exit_code == 1
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_port_in_use_is_one_line() -> None:
    with server.listen("127.0.0.1", 0) as listening:
        port = str(urlsplit(listening.url).port)
        result = CliRunner().invoke(cli.main, ["serve", "--port", port])
    assert result.exit_code == 1
    assert f"port {port}" in result.stderr


def test_without_its_libraries_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "orchestrator.playground.server", None)
    result = CliRunner().invoke(cli.main, ["serve"])
    assert result.exit_code == 1
    assert "pip install 'connection-paths[playground]'" in result.stderr


def test_it_tells_its_address_and_stops_when_interrupted(world: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "--dsn", world, "--json", "serve", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    told = "".join(process.stdout.readline() for _ in range(3))
    assert get(json.loads(told)["url"], ASK).status == 200
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0


# In a browser.


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("neither chromium nor google-chrome is installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS.split())
        yield browser
        browser.close()


@contextmanager
def visit(chromium: Any, url: str, **options: Any) -> Iterator[Any]:
    """A tab, that has asked nobody but the playground when it is closed, and met no error of its script or policy."""
    context = chromium.new_context(**options)
    page = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("console", lambda line: wrong.extend([line.text] * ("status of" not in line.text)))
    try:
        yield page
        assert asked
        assert {urlsplit(each).netloc for each in asked} == {urlsplit(url).netloc}
        assert wrong == []
        assert context.cookies() == []
    finally:
        context.close()


def test_from_a_name_to_a_graph_by_keyboard_alone(chromium: Any, url: str) -> None:
    with visit(chromium, url, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.goto(url)
        keyboard = page.keyboard
        for _ in range(9):
            keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "target":
                break
        keyboard.type("cleo")
        page.wait_for_selector("#target-found [role=option]")
        keyboard.press("ArrowDown")
        active = page.get_attribute("#target", "aria-activedescendant")
        assert page.inner_text(f"#{active} span") == "Cleo Target"
        assert page.get_attribute(f"#{active}", "aria-selected") == "true"
        keyboard.press("Enter")
        assert page.get_attribute("#target", "aria-expanded") == "false"
        for field, expected in (("collection", "9"), ("viewer", "8")):
            keyboard.press("Tab")
            keyboard.press("ArrowDown")
            page.wait_for_selector(f"#{field}-found [role=option]")
            keyboard.press("ArrowDown")
            keyboard.press("Enter")
            assert page.input_value(f"#{field}") == expected
        keyboard.press("Enter")
        page.wait_for_selector(".card")
        assert "target=4&" in page.url
        assert page.inner_text("h1") == "3 ways to meet Cleo Target"
        assert page.input_value("#target") == "Cleo Target"
        assert page.locator("svg .node").count() == 5
        assert page.text_content("svg .node.target text") == "Cleo Target"

        page.focus("svg .tie")
        labels = set()
        for _ in range(page.locator("svg .tie").count()):
            labels.add(page.text_content(".tie:focus .label text"))
            assert page.evaluate(LABEL_SEEN)
            keyboard.press("ArrowRight")
        assert f"both worked at {IMAGE}, since 2015-01" in labels
        page.focus(".card .copy")
        keyboard.press("Enter")
        page.wait_for_selector(".copy.done")
        assert page.evaluate("navigator.clipboard.readText()").startswith("You → ")
        for _ in range(40):  # nothing holds the focus
            keyboard.press("Tab")
            if page.evaluate("document.activeElement.tagName") == "SUMMARY":
                break
        keyboard.press("Enter")
        keyboard.press("Escape")


def test_a_typed_name_is_searched_when_nobody_was_chosen(chromium: Any, url: str) -> None:
    with visit(chromium, url) as page:
        page.goto(url + ASK)
        page.focus("#target")
        page.keyboard.type("ana")
        page.keyboard.press("Enter")
        page.wait_for_selector(".examples")
        assert page.inner_text(".examples strong") == "Ana Silva"
        page.goto(f"{url}/?target={BESIDE}&collection=9&viewer=7")
        page.keyboard.press("Tab")
        page.focus("#collection")
        page.fill("#collection", "10")
        page.focus("#viewer")
        page.fill("#viewer", "")
        page.keyboard.press("ArrowDown")
        page.wait_for_selector("#viewer-found [role=option]")
        assert page.locator("#viewer-found [role=option]").all_inner_texts() == ["7"]  # of the collection now typed


def test_what_is_under_way_and_what_is_pointed_at_is_shown(chromium: Any, url: str) -> None:
    with visit(chromium, url) as page:
        page.goto(url + ASK)
        page.hover(".card >> nth=2")
        assert page.locator(".graph.chosen .line.on").count() == 3
        assert sorted(page.locator(".node.on title").all_text_contents()) == [
            "Ana Silva", "Ben Ode", "Cleo Target", "You",
        ]  # fmt: skip
        page.hover("h1")
        assert page.locator(".on").count() == 0
        assert page.locator(".waiting:visible").count() == 0
        page.evaluate("document.forms[0].addEventListener('submit', (event) => event.preventDefault())")
        page.click("text=Find paths")
        assert page.inner_text(".waiting").startswith("Asking…")
        assert page.get_attribute("form", "aria-busy") == "true"
        assert page.is_disabled("button[type=submit]")


def test_without_a_script(chromium: Any, url: str) -> None:
    with visit(chromium, url, java_script_enabled=False) as page:
        page.goto(url)
        page.fill("#target", "cleo")
        page.fill("#collection", "9")
        page.fill("#viewer", "7")
        page.select_option("#depth", "4")
        page.press("#viewer", "Enter")
        page.click("text=Cleo Target")
        assert page.inner_text("h1") == "3 ways to meet Cleo Target"
        assert "depth=4" in page.url
        assert page.locator(".copy:visible").count() == 0
        assert page.locator("svg .tie").count() == 6
        page.click("text=The answer as JSON")
        assert page.locator("pre >> text=user_ids").count() == 1
        page.click("text=Explain it")
        assert page.inner_text("h1") == "How PostgreSQL answers"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_in_both_themes(chromium: Any, url: str, width: int, scheme: str) -> None:
    with visit(chromium, url, viewport={"width": width, "height": 844}, color_scheme=scheme) as page:
        for name, path in PAGES.items():
            page.goto(url + path)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, name
            assert page.evaluate("document.querySelectorAll('h1').length") == 1, name
            dark = page.evaluate(DARKNESS)
            assert dark == (scheme == "dark"), name
        page.goto(url + ASK)
        for field in ("target", "collection", "viewer"):
            page.fill(f"#{field}", "cleo" if field == "target" else "9" if field == "collection" else "")
            page.click(f"#{field}")
            page.wait_for_selector(f"#{field}-found [role=option]")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, field
        page.goto(url)
        page.check(f"text={'Light' if scheme == 'dark' else 'Dark'}")
        page.goto(url + ASK)
        assert page.evaluate(DARKNESS) == (scheme == "light")  # chosen, and remembered


LABEL_SEEN = "getComputedStyle(document.activeElement.querySelector('.label')).visibility === 'visible'"
DARKNESS = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((part) => part < 128)"
