"""What `orchestrator paths` says where there is no path, and whom it leaves out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from psycopg import Connection

from orchestrator import paths, screen
from orchestrator.paths import Question
from tests.test_finders import enter, graph
from tests.world import Membership

#: 1 knows 2, 2 knows 3, 3 knows 4; user 1 brought 2 and 3, user 2 brought 4 and, into collection 2, 9.
WORLD = graph(
    [(1, 2, "2010-01-01", None), (2, 3, "2010-01-01", None), (3, 4, "2010-01-01", None)], [(1, 2), (1, 3), (2, 4)]
)
WORLD = replace(WORLD, memberships=(*WORLD.memberships, Membership(2, 9, 2, 0)), contacts=WORLD.contacts | {9})


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (Question(999, 1, 1), "There is no contact 999."),
        (Question(1, 7, 1), "There is nobody in collection 7."),
        (Question(1, 1, 9, seed_scope="importer"), "There is nobody in collection 1 whom user 9 brought in"),
        (Question(9, 1, 1), "There is no edge to contact 9."),
        (Question(1, 2, 2), "Edges of contact 1: 1. None leads to one of the members of collection 2, 1 in number."),
        (
            Question(1, 1, 1, excluded_contact_ids=[2]),
            "of which 1 lead to members of collection 1; none of those is to",
        ),
        (
            Question(1, 1, 1, max_depth=1),
            "of which 1 lead to members of collection 1. Longer paths were not looked for",
        ),
        (Question(1, 1, 2, seed_scope="importer", max_depth=3), "but to nobody whom user 2 brought in. Longer paths"),
        (Question(1, 1, 2, seed_scope="importer", max_depth=3, impl="v1"), "v1 looks no further: ask with --impl v2."),
        (
            Question(1, 1, 2, seed_scope="importer", max_depth=5, excluded_contact_ids=[4]),
            "but to nobody whom user 2 brought in. Every chain was followed to its end.",
        ),
    ],
)
def test_no_path_is_explained(installed: Connection[Any], question: Question, expected: str) -> None:
    enter(installed, WORLD)
    answer = paths.find_paths(installed, question)
    assert not answer["paths"]
    first, reason = screen.path_lines(question, answer, paths.Names({}, {}))
    assert first.startswith("No path to contact")
    assert expected in reason


def test_what_was_found_is_not_explained(installed: Connection[Any]) -> None:
    enter(installed, WORLD)
    question = Question(1, 1, 1)
    answer = paths.find_paths(installed, question)
    assert [line.strip() for line in screen.path_lines(question, answer, paths.Names({}, {}))] == [
        "1. you → contact 2 → contact 1",
        "contact 2 and contact 1: organization 101, 2010-01 to now",
    ]


def test_counts_that_stop_say_so() -> None:
    said = {"reason": "no_edge_to_a_member", "target_edges": 500, "target_edges_to_members": 0, "level_reached": 1}
    answer = {"impl": "v2", "paths": [], "why": {**said, "collection_members": 500}}
    told = paths.why(Question(1, 2, 3), answer, paths.Names({1: "Ana"}, {}))
    assert told.startswith("Edges of Ana: 500 or more. None leads")
    assert "500 or more in number" in told


def test_a_search_that_ran_out_of_time_says_how_far_it_got() -> None:
    said = {"reason": "time_budget", "target_edges": None, "target_edges_to_members": None, "level_reached": 3}
    answer = {"impl": "v2", "paths": [], "why": {**said, "collection_members": None}}
    told = paths.why(Question(1, 2, 3, max_depth=6), answer, paths.Names({}, {}))
    assert told == "The search got to 3 of 6 contacts."
