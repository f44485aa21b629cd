"""An answer in words: when two contacts met, what links them, who can open a path."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.finders import reasons
from orchestrator.finders.paths import Names

NAMES = Names({1: "Ana Silva", 2: "Ben Ode"}, {7: "Acme"})
HOP = {
    "from": 1, "to": 2, "kind": "work_overlap", "organization_id": 7,
    "date_from": "2019-03-01", "date_to": "2022-05-31",
}  # fmt: skip


@pytest.mark.parametrize(
    ("since", "until", "shown"),
    [
        ("2019-03-01", "2022-05-31", "2019-03 to 2022-05"),
        ("2019-03-01", "2019-03-31", "2019-03"),
        ("2019-03-01", None, "since 2019-03"),
        ("2019-03-01", "infinity", "since 2019-03"),
        (None, "2022-05-31", "until 2022-05"),
        ("-infinity", "2022-05-31", "until 2022-05"),
        ("-infinity", "infinity", ""),
        (None, None, ""),
        ("0044-03-15 BC", "0012-01-01", "44-03 BC to 12-01"),
        ("0900-03-31", "12019-03-01", "900-03 to 12019-03"),
    ],
)
def test_a_period_is_given_by_months(since: str | None, until: str | None, shown: str) -> None:
    assert reasons.period({"date_from": since, "date_to": until}) == shown


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({}, "both worked at Acme, 2019-03 to 2022-05"),
        ({"date_from": None, "date_to": None}, "both worked at Acme"),
        ({"organization_id": 8}, "both worked at organization 8, 2019-03 to 2022-05"),
        ({"kind": "alumni"}, "alumni at Acme, 2019-03 to 2022-05"),
        ({"kind": "friend\x1b", "organization_id": None}, "friend\\x1b, 2019-03 to 2022-05"),
        ({"kind": "friend", "organization_id": None, "date_from": None, "date_to": None}, "friend"),
    ],
)
def test_a_hop_says_what_links_two_contacts(changed: dict[str, Any], shown: str) -> None:
    hop = {**HOP, **changed}
    assert reasons.ground(hop, NAMES) == shown
    assert reasons.hop(hop, NAMES) == f"Ana Silva knows Ben Ode: {shown}"


def test_exact_dates_have_days() -> None:
    assert reasons.days(HOP) == "2019-03-01 to 2022-05-31"
    assert reasons.days({"date_from": None, "date_to": None}) == "unknown to now"


@pytest.mark.parametrize(
    ("users", "chain", "opening", "others"),
    [
        ([3], "you → Ana Silva → Ben Ode", "You know Ana Silva: your own contact.", ""),
        ([8], "user 8 → Ana Silva → Ben Ode", "User 8 knows Ana Silva: their own contact.", ""),
        ([3, 8], "you, user 8 → Ana Silva → Ben Ode", "You know Ana Silva: your own contact.", "User 8 does, too."),
        (
            [2, 3, 8],
            "you, user 2 and 1 more → Ana Silva → Ben Ode",
            "User 2 knows Ana Silva: their own contact.",
            "Users 3 and 8 do, too.",
        ),
        (
            [2, 4, 6, 8, 10, 12],
            "user 2, user 4 and 4 more → Ana Silva → Ben Ode",
            "User 2 knows Ana Silva: their own contact.",
            "Users 4, 6, 8 and 2 more do, too.",
        ),
    ],
)
def test_sentences_say_who_can_open_a_path(users: list[int], chain: str, opening: str, others: str) -> None:
    path = {"user_ids": users, "contact_ids": [1, 2]}
    assert reasons.chain(path, NAMES, 3) == chain
    assert reasons.opening(path, NAMES, 3) == opening
    assert reasons.other_openers(path, NAMES) == others


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"paths": [1], "why": {"reason": "edge_limit", "max_edges_per_hop": 15}}, "at most 15 edges"),
        ({"paths": [], "why": {"reason": "edge_limit", "max_edges_per_hop": 15}}, ""),
        ({"paths": [1], "why": {"reason": "depth_limit"}}, ""),
        ({"paths": [1], "why": None}, ""),
    ],
)
def test_paths_may_be_missing_because_of_the_edge_limit(answer: dict[str, Any], shown: str) -> None:
    found = reasons.more_may_exist(answer)
    assert shown in found
    assert bool(shown) == bool(found)


def test_users_have_names_where_they_are_known() -> None:
    names = Names({1: "Ana Silva", 2: "Ben Ode"}, {}, {7: "Maria Gomez", 8: "Tom Lee"}, {1: "Sales"})
    path = {"user_ids": [7, 8, 9], "contact_ids": [1, 2]}
    assert reasons.chain(path, names, 9) == "you, Maria Gomez (user 7) and 1 more → Ana Silva → Ben Ode"
    assert reasons.opening(path, names, 9) == "Maria Gomez (user 7) knows Ana Silva: their own contact."
    assert reasons.other_openers(path, names) == "Tom Lee (user 8) and user 9 do, too."
    assert reasons.other_openers({"user_ids": [9, 7]}, names) == "Maria Gomez (user 7) does, too."
    assert reasons.other_openers({"user_ids": [9, 1, 2, 3, 7]}, names) == "Users 1, 2, 3 and 1 more do, too."
    assert reasons.other_openers({"user_ids": [9, 7, 1, 2, 3]}, names) == (
        "Maria Gomez (user 7), user 1, user 2 and 1 more do, too."
    )
    assert (names.collection(1), names.collection(2)) == ("collection 1 (Sales)", "collection 2")
    assert names.of_the_team() == {
        "user_names": {"7": "Maria Gomez", "8": "Tom Lee"},
        "collection_names": {"1": "Sales"},
    }
    assert NAMES.of_the_team() == {}
