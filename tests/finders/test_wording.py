"""An answer in words: when two contacts met, what links them, who can open a path."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.finders import reasons, wording
from orchestrator.finders.paths import Names

NAMES = Names({1: "Ana Silva", 2: "Ben Ode"}, {7: "Acme"})
HOP = {
    "from": 1, "to": 2, "kind": "work_overlap", "organization_id": 7,
    "date_from": "2019-03-01", "date_to": "2022-05-31",
    "strength": 72, "tier": "strong", "overlap_days": 1188, "people": 50, "shared_organizations": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("since", "until", "shown"),
    [
        ("2019-03-01", "2022-05-31", "2019–2022"),
        ("2019-03-01", "2019-05-31", "in 2019"),
        ("2019-03-01", None, "since 2019"),
        ("2019-03-01", "infinity", "since 2019"),
        (None, "2022-05-31", "until 2022"),
        ("-infinity", "2022-05-31", "until 2022"),
        ("-infinity", "infinity", ""),
        (None, None, ""),
        ("0044-03-15 BC", "0012-01-01", "44 BC–12"),
        ("0900-03-31", "12019-03-01", "900–12019"),
    ],
)
def test_a_period_is_given_by_years(since: str | None, until: str | None, shown: str) -> None:
    assert wording.years({"date_from": since, "date_to": until}) == shown


@pytest.mark.parametrize(
    ("days", "shown"),
    [
        *((0, "0 days"), (1, "1 day"), (59, "59 days"), (60, "2 months"), (365, "12 months"), (700, "23 months")),
        *((714, "23 months"), (715, "2 years"), (730, "2 years"), (1188, "3 years"), (36525, "100 years")),
    ],
)
def test_a_duration_has_one_unit(days: int, shown: str) -> None:
    assert wording.duration(days) == shown


OWN = {"overlap_days": None, "people": None, "shared_organizations": None}


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({}, "overlapped at Acme 2019–2022 (3 years, about 50 people)"),
        ({"date_to": None, "people": 1}, "have overlapped at Acme since 2019 (3 years, about 1 person)"),
        (
            {"overlap_days": 2000},
            "overlapped at Acme 2019–2022 (5 years in common over several periods, about 50 people)",
        ),
        (
            {"overlap_days": 2190, "people": 500, "shared_organizations": 2},
            "overlapped at Acme 2019–2022 (6 years in common at 2 organizations, the smallest of about 500 people)",
        ),
        ({"date_to": "12022-05-31"}, "overlapped at Acme 2019–12022 (3 years, about 50 people)"),
        (
            {"date_from": "-infinity", "shared_organizations": 2},
            "overlapped at Acme until 2022 (together at 2 organizations, the smallest of about 50 people)",
        ),
        (
            {"organization_id": 8, "people": 5000},
            "overlapped at organization 8 2019–2022 (3 years, about 5,000 people)",
        ),
        ({"kind": "alumni", **OWN}, "are linked as alumni at Acme 2019–2022"),
        ({"kind": "friend\x1b", "organization_id": None, **OWN}, "are linked as friend\\x1b 2019–2022"),
        (
            {"kind": "friend", "organization_id": None, "date_from": None, "date_to": None, **OWN},
            "are linked as friend",
        ),
    ],
)
def test_a_hop_says_what_links_two_contacts(changed: dict[str, Any], shown: str) -> None:
    hop = {**HOP, **changed}
    assert wording.ground(hop, NAMES) == shown
    assert wording.hop(hop, NAMES) == f"Ana Silva and Ben Ode {shown}"
    assert wording.strength(hop) == "strong, 72"


def test_paths_are_grouped_by_the_contact_before_the_target() -> None:
    paths = [
        {"depth": len(chain), "contact_ids": chain} for chain in ([9], [2, 9], [3, 9], [1, 2, 9], [4, 3, 9], [5, 2, 9])
    ]
    found = [(contact, [number for number, _ in each]) for contact, each in wording.by_introducer(paths)]
    assert found == [(None, [1]), (2, [2, 4, 6]), (3, [3, 5])]
    assert wording.strength({"tier": None, "strength": None}) == ""


def test_exact_dates_have_days() -> None:
    assert wording.days(HOP) == "2019-03-01 to 2022-05-31"
    assert wording.days({"date_from": None, "date_to": None}) == "unknown to now"


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
    assert wording.chain(path, NAMES, 3) == chain
    assert wording.opening(path, NAMES, 3) == opening
    assert wording.other_openers(path, NAMES) == others


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
    assert wording.chain(path, names, 9) == "you, Maria Gomez (user 7) and 1 more → Ana Silva → Ben Ode"
    assert wording.opening(path, names, 9) == "Maria Gomez (user 7) knows Ana Silva: their own contact."
    assert wording.other_openers(path, names) == "Tom Lee (user 8) and user 9 do, too."
    assert wording.other_openers({"user_ids": [9, 7]}, names) == "Maria Gomez (user 7) does, too."
    assert wording.other_openers({"user_ids": [9, 1, 2, 3, 7]}, names) == "Users 1, 2, 3 and 1 more do, too."
    assert wording.other_openers({"user_ids": [9, 7, 1, 2, 3]}, names) == (
        "Maria Gomez (user 7), user 1, user 2 and 1 more do, too."
    )
    assert (names.collection(1), names.collection(2)) == ("collection 1 (Sales)", "collection 2")
    assert names.of_the_team() == {
        "user_names": {"7": "Maria Gomez", "8": "Tom Lee"},
        "collection_names": {"1": "Sales"},
    }
    assert NAMES.of_the_team() == {}
