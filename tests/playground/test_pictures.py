"""The graph draws each person once, beside the others."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.finders.paths import Names
from orchestrator.playground import pictures
from tests.support.properties import repeatable

IDS = st.lists(st.integers(1, 12), min_size=0, max_size=5, unique=True)


@given(st.lists(st.tuples(st.integers(1, 4), IDS), min_size=1, max_size=12))
@repeatable(100)
def test_each_person_is_drawn_once_and_nodes_do_not_overlap(drawn: list[tuple[int, list[int]]]) -> None:
    paths = [
        {
            "user_ids": [user],
            "contact_ids": [*between, 99],
            "hops": [
                {
                    **dict.fromkeys(("date_from", "date_to", "overlap_days", "people", "shared_organizations")),
                    "from": a,
                    "to": b,
                    "kind": "work_overlap",
                    "organization_id": 1,
                }
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
def test_a_long_name_is_cut(text: str, shown: str) -> None:
    assert pictures.fitted(text) == shown
