"""The pages say what find_paths answered, and why."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from orchestrator.core import sqlfiles
from orchestrator.finders import reasons, teams
from orchestrator.finders.paths import Names
from orchestrator.finders.question import Question
from orchestrator.finders.teams import Collection, User
from orchestrator.playground import database
from orchestrator.playground.database import Database
from tests.support.playground import ASK, COLLECTION, IMAGE, NOBODY, PAGES, SCRIPT, TARGET, get, locked, until_waiting
from tests.support.sessions import connect


def test_an_answer_is_in_words(url: str) -> None:
    page = get(url, ASK)
    assert page.status == 200
    assert "3 paths to Cleo Target" in page.words
    assert "You know Ana Silva: your own contact. User 8 does, too." in page.words
    assert "Ana Silva and Ben Ode overlapped at Acme 2019–2022 (3 years, about 2 people)" in page.words
    assert f"{SCRIPT} and Cleo Target have overlapped at {IMAGE} since 2015 (" in unescape(page.text)
    assert "2 paths through Ben Ode User 8 → Ben Ode → Cleo Target " in page.words
    forwarded = unescape(re.findall(r'data-copy="(You [^"]*)"', page.text)[0]).splitlines()
    assert forwarded[0] == "You → Ana Silva → Ben Ode → Cleo Target"
    assert forwarded[2] == "– Ana Silva and Ben Ode overlapped at Acme 2019–2022 (3 years, about 2 people)."


@pytest.mark.parametrize(
    "options",
    [
        "&without=3&scope=importer&impl=v2",
        "&order=strength&strength=1&since=2000-02-29&kinds=work_overlap&via=1,+2&notvia=3,4&openers=7,8&each=5",
    ],
)
def test_the_call_shown_is_the_call_made(url: str, world: str, options: str) -> None:
    page = get(url, ASK + options)
    found = re.search(r"<code>(SELECT jsonb_pretty.*?)</code>", page.text, re.DOTALL)
    shown = re.search(r'aria-label="The answer as JSON"><code>(.*?)</code>', page.text, re.DOTALL)
    assert found is not None
    assert shown is not None
    with connect(world) as connection:
        (answer,) = connection.execute(unescape(found[1])).fetchone() or ()
    assert json.loads(answer) == json.loads(unescape(shown[1]))
    assert found[1].count("=&gt;") == 5 + options.count("&")


def test_the_lead_says_whose_contact_the_target_is(url: str) -> None:
    own = get(url, ASK.replace(f"target={TARGET}", "target=1") + "&depth=1").words
    assert "This person is your own contact. You can open the path yourself." in own
    other = get(url, ASK.replace(f"target={TARGET}", "target=2") + "&depth=1").words
    assert "Another user of the team has this contact. You can open 0 of 1 path yourself;" in other


def test_the_implementation_says_why_it_was_taken(url: str, world: str) -> None:
    assert "v2 deep_finder default" in get(url, ASK).words
    assert "v1 legacy_finder as asked" in get(url, f"{ASK}&impl=v1").words
    with connect(world) as connection:
        connection.execute("INSERT INTO connection_paths.finder_rollout VALUES (%s, 'v1')", [COLLECTION])
        try:
            assert "v1 legacy_finder set for the collection" in get(url, ASK).words
        finally:
            connection.execute("TRUNCATE connection_paths.finder_rollout")


def test_filters_leave_out_paths(url: str) -> None:
    for option, number in (("openers=7", 1), ("via=1", 0), ("notvia=1", 2), ("each=1", 2)):
        words = get(url, f"{ASK}&{option}").words
        assert (f"{number} path{'' if number == 1 else 's'} to Cleo" if number else "No path to Cleo") in words, option
    assert "strength 100 or more, 10 paths, 1500 ms" in get(url, f"{ASK}&strength=100").words


def test_an_answer_without_paths_gives_the_reason(url: str) -> None:
    page = get(url, NOBODY)
    assert page.status == 200
    assert "Why nothing was found" in page.words
    assert " has no edges. If the target should have edges, orchestrator verify" in page.words
    assert "members of the collection 3" in page.words


def test_every_reason_has_words_and_an_unknown_one_is_shown_as_it_is() -> None:
    header = sqlfiles.function("why_no_more").split("-- Errors")[0]
    said: dict[str, Any] = dict.fromkeys(re.findall(r'"([a-z_]+)"', header), 2)
    assert set(said) == {"reason", *reasons.FIGURES, *reasons.QUALIFIERS}
    question, document = Question(1, 2, 3), {"impl": "v2", "paths": [], "why": said}
    listed = re.findall(
        r"^--     ([a-z]+(?:_[a-z]+)*)  +[A-Z]", header.split("The reason is the first")[1], re.MULTILINE
    )
    assert len(listed) == 18
    for said["reason"] in listed:
        sentences = reasons.sentences(question, document, Names({}, {}))
        assert sentences
        assert not sentences[0].startswith("Reason:")
    document["why"] = {"reason": "moon_phase", "moons": 2, "target_edges": 1000, "counted_to": 1000}
    assert reasons.sentences(question, document, Names({}, {})) == ["Reason: moon_phase."]
    assert reasons.figures(document) == [(reasons.FIGURES["target_edges"], "1,000 or more"), ("moons", "2")]


def test_people_can_be_left_out_and_let_in_again(url: str) -> None:
    page = get(url, ASK)
    links = [unescape(link) for link in re.findall(r'href="([^"]*without=[^"]*)"', page.text)]
    without_ben = next(link for link in links if link.endswith("without=2"))
    page = get(url, without_ben)
    assert "1 path to Cleo Target" in page.words
    assert "Left out Ben Ode" in page.words
    again = re.search(r'<p class="chips">.*?href="([^"]*)"', page.text)
    assert again is not None
    assert "3 paths" in get(url, unescape(again[1])).words


def test_a_name_leads_to_the_contacts_with_that_name(url: str) -> None:
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


def test_an_unknown_contact_is_reported(url: str) -> None:
    page = get(url, ASK.replace(f"target={TARGET}", "target=12345"))
    assert page.status == 200
    assert "There is no contact 12345." in page.words


def test_an_explained_question_shows_the_plans(url: str) -> None:
    page = get(url, PAGES["plan"])
    assert page.status == 200
    assert "Execution Time:" in page.words
    assert "idx_cc_walk_a" in page.words
    assert get(url, "/plan?target=4").status == 400


def test_an_exceeded_time_budget_is_reported(url: str, world: str) -> None:
    with ThreadPoolExecutor(1) as pool, connect(world) as connection:
        with locked(world, "connection_paths.contact_connections"):
            waiting = pool.submit(get, url, ASK + "&budget=1")
            until_waiting(connection, 1)
        page = waiting.result()
    assert page.status == 200
    assert "The time budget ended the search." in page.words
    assert "Allow 4 s" in page.words


def test_lists_are_bounded(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = Database(world)
    assert lists.collections() == [Collection(9, 3), Collection(10, 1)]
    assert [each.user_id for each in lists.users(9)] == [8, 7]
    monkeypatch.setattr(database, "COLLECTIONS_SHOWN", 1)
    monkeypatch.setattr(teams, "COUNTED", 2)
    monkeypatch.setattr(database, "USERS_SHOWN", 1)
    assert lists.collections() == [Collection(9, None)]
    assert lists.users(9) == [User(8, None)]
    lists.close()
