"""Where a mapping makes ids of uuids, the playground takes uuids, and negative numbers, for every id."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from orchestrator.host.mapping import load
from orchestrator.install.installation import install
from orchestrator.playground import form
from tests.support import schemas
from tests.support.playground import get, playground
from tests.support.schemas import uuid
from tests.support.sessions import connect, value


@pytest.fixture(scope="module")
def uuids(new_database: Callable[[], str]) -> Iterator[tuple[str, str]]:
    """The database whose ids are made of uuids, and the address of its playground."""
    dsn = new_database()
    with connect(dsn) as connection:
        schemas.make(connection, "uuids", "app")
        install(dsn, host_schema="app", mapping=load(schemas.FOLDER / "uuids.toml"))
        connection.execute("SELECT connection_paths.backfill_contact(c.id) FROM connection_paths.live_contacts AS c")
    with playground(dsn) as url:
        yield dsn, url


@pytest.fixture(scope="module")
def keys(uuids: tuple[str, str]) -> dict[int, int]:
    """The number of each uuid that the tests use; some are negative."""
    with connect(uuids[0]) as connection:
        sql = "SELECT connection_paths.uuid_key(%s::uuid)"
        found = {number: int(value(connection, sql, uuid(number))) for number in (1, 2, 3, 7, 8)}
    assert min(found.values()) < 0 < max(found.values())
    return found


def test_a_question_takes_uuids_and_negative_numbers(uuids: tuple[str, str], keys: dict[int, int]) -> None:
    of_numbers = get(uuids[1], f"/?target={keys[3]}&collection={keys[1]}&viewer={keys[7]}&depth=3")
    of_uuids = get(uuids[1], f"/?target={uuid(3)}&collection={uuid(1)}&viewer={uuid(7).upper()}&depth=3")
    for page in (of_numbers, of_uuids):
        assert (page.status, "2 paths" in page.words) == (200, True), page.words
    for number, name in ((3, "target"), (1, "collection"), (7, "viewer")):
        assert f'name="{name}" value="{keys[number]}"' in of_uuids.text


@pytest.mark.parametrize("change", ["without", "notvia"])
def test_lists_take_uuids(uuids: tuple[str, str], change: str) -> None:
    asked = f"target={uuid(3)}&collection={uuid(1)}&viewer={uuid(7)}&depth=3&{change}={uuid(2)},{uuid(2)}"
    page = get(uuids[1], f"/?{asked}")
    assert (page.status, "2 paths" in page.words) == (200, False)
    assert get(uuids[1], f"/plan?{asked}").status == 200


def test_suggestions_take_uuids_and_negative_numbers(uuids: tuple[str, str], keys: dict[int, int]) -> None:
    for number in (1, 2, 3):
        for typed in (uuid(number), str(keys[number])):
            found = json.loads(get(uuids[1], f"/find/contacts?q={typed}").text)["found"]
            assert [each["value"] for each in found] == [str(keys[number])]
    for typed in (uuid(1), str(keys[1])):
        found = json.loads(get(uuids[1], f"/find/users?collection={typed}").text)["found"]
        assert {each["value"] for each in found} == {str(keys[7]), str(keys[8])}


def test_the_least_and_the_greatest_id_are_read() -> None:
    for number in (-(2**63), 2**63 - 1):
        question = form.read([("target", str(number)), ("collection", "-1"), ("viewer", str(number))]).question
        assert question is not None
        assert (question.target_contact_id, question.collection_id, question.viewer_user_id) == (number, -1, number)
