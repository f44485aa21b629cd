"""Nothing in a request or in the data gets into a page, a statement or another site."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.playground import form
from orchestrator.playground.sessions import Sessions, Turns
from orchestrator.playground.trouble import Trouble
from tests.support.browser import Elements
from tests.support.playground import ASK, IMAGE, PAGES, SCRIPT, get
from tests.support.properties import first_of, repeatable
from tests.support.sessions import connect


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_markup_in_data_stays_text(url: str, path: str) -> None:
    text = get(url, path).text
    assert SCRIPT not in text
    assert IMAGE not in text
    tags = Elements(text)
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


@pytest.mark.parametrize("name", first_of(2, [*form.DEFAULTS, "without", "other", "q"]))
def test_no_parameter_injects_anything(url: str, world: str, name: str) -> None:
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


AN_ID = "an id: a whole number, or a uuid where the mapping makes ids of uuids with connection_paths.uuid_key."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("target=", "Give the name or the id of the person to meet."),
        ("collection=", "Collection is missing: give its id."),
        ("collection=seven", f"Collection must be {AN_ID}"),
        ("viewer=--3", f"Viewer must be {AN_ID}"),
        ("viewer=00000000-0000-4000-8000-000000000001", f"Viewer must be {AN_ID}"),  # this mapping has numbers
        ("viewer=9223372036854775808", f"Viewer must be {AN_ID}"),
        ("viewer=-9223372036854775809", f"Viewer must be {AN_ID}"),
        ("target=00000000-0000-4000-8000-000000000001", f"The id of the person must be {AN_ID[7:]}"),
        ("target=9223372036854775808", "The id of the person is too large."),
        ("depth=0", "Depth: give a whole number from 1 to 6."),
        ("depth=7", "Depth: give a whole number from 1 to 6."),
        ("paths=101", "Paths: give a whole number from 1 to 100."),
        ("strength=101", "Least strength of an edge: give a whole number from 0 to 100."),
        ("strength=-1", "Least strength of an edge: give a whole number from 0 to 100."),
        ("each=0", "Paths per introducer: give a whole number from 1 to 100."),
        ("since=2021-02-29", "Edges that ended on or after: give a date, such as 2020-12-31."),
        ("via=1,x", "Only these organizations: give ids with commas between them, 50 at most."),
        (f"openers={'1' + ',1' * 9}{''.join(f',{n}' for n in range(60))}", "Only these users open paths: give ids"),
        ("via=,", "Only these organizations: give ids with commas between them, 50 at most."),
        ("kinds=,", "Kinds of edges: give words with commas between them, and no zero byte."),
        (f"notvia={'1,' * 2000}1", "give at most 4,000 characters."),
        ("order=size", "Shown first: give recency or strength."),
        ("kinds=enemy", "enemy"),
        ("budget=4001", "Time budget in ms: give a whole number from 1 to 4,000."),
        ("budget=1.5", "Time budget in ms: give a whole number from 1 to 4,000."),
        ("scope=all", "Who may open a path: give any or importer."),
        ("impl=v3", "Implementation: give v1 or v2."),
        ("without=Ana", "Contacts to leave out must be ids, 50 at most."),
    ],
    ids=lambda value: value[:40],
)
def test_a_bad_value_is_explained(url: str, change: str, message: str) -> None:
    page = get(url, f"{ASK}&{change}")
    assert page.status == 400
    assert message in page.words
    name, value = change.split("=")
    if name not in ("without", "scope", "impl", "depth", "order", "kinds"):
        assert f'name="{name}" value="{value[:4000]}"' in page.text  # to be repaired where it was typed
        assert re.search(rf'name="{name}"[^>]*aria-invalid="true"[^>]*aria-describedby="{name}-error', page.text)


@pytest.mark.parametrize("name", ["via", "notvia", "openers"])
def test_the_longest_list_is_read_whole(name: str) -> None:
    ids = [2**63 - 1 - n for n in range(50)]
    given = [("target", "1"), ("collection", "9"), ("viewer", "7"), (name, ",".join(map(str, ids)))]
    question = form.read(given).question
    assert question is not None
    assert getattr(question, form.FIELDS[name].argument) == ids


@given(
    st.fixed_dictionaries({}, optional={name: st.text(max_size=8) | st.integers().map(str) for name in form.DEFAULTS})
)
@repeatable(100)
def test_an_address_asks_its_question_again(typed: dict[str, str]) -> None:
    asked = form.read(list(typed.items()))
    if asked.question is not None:
        again = form.read(parse_qsl(urlsplit(asked.url()).query))
        assert again.question == asked.question


@pytest.mark.parametrize(
    "name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", ""]
)
def test_another_host_is_refused(url: str, name: str) -> None:
    page = get(url, "/", Host=name)
    assert page.status == 400
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST:1", "127.0.0.1:9999", "[::1]:8765"])
def test_this_host_is_accepted_by_its_names(url: str, name: str) -> None:
    assert get(url, "/", Host=name).status == 200


@pytest.mark.parametrize(
    "path", [*PAGES.values(), "/static/playground.js", "/find/contacts?q=ana", "/static/../app.py"]
)
def test_every_answer_has_the_security_headers(url: str, path: str) -> None:
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


def test_pages_of_other_sites_get_nothing(url: str) -> None:
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
    # afterwards no setting is left, which another client would get from a pooler
    assert inside == ("on", "1234ms", "10s", "orchestrator playground")
    assert connection.execute(SETTINGS).fetchone() == ("off", "0", "0", "")
    sessions.close()
