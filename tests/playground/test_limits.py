"""Long names, many users and control characters make no large or harmful page."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest

from orchestrator.playground import form
from tests.support.playground import ASK, IMAGE, NOBODY, PAGES, SCRIPT, TARGET, get
from tests.support.sessions import connect


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
