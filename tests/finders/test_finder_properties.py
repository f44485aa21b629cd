"""Random worlds and calls: every finder returns exactly the rows and documents that the oracle returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Connection

from orchestrator.core import sqlfiles
from tests.support.finder_calls import enter
from tests.support.finder_options import Call
from tests.support.oracle_paths import Row
from tests.support.properties import repeatable
from tests.support.random_calls import Situation, crowds, situations
from tests.support.world import COLLECTION_IDS, World

HASHED = ("hashed_each", "hashed_most")  # limits of the collections that the search hashes


def without_newer_consent(world: World) -> World:
    """Return the world without the rules of consent that the earlier generations did not know."""
    do_not_ask = frozenset(row for row in world.do_not_ask if row[0] is not None)
    return replace(world, do_not_ask=do_not_ask, do_not_ask_users=frozenset(), limits=())


def without_strength(row: Row) -> Any:
    """A row without its strength, which the earlier generations did not know."""
    return row[:-1]


@repeatable(30)
@given(situation=situations(25))
def test_deep_finder_equals_the_oracle(installed: Connection[Any], situation: Situation) -> None:
    world, drawn = situation
    loaded = enter(installed, world)
    for call in drawn:
        expected = loaded.expect(call)
        assert loaded.find("deep_finder", call) == expected, call


@repeatable(20)
@given(situation=situations(20))
def test_deep_finder_and_find_paths_equal_the_oracle_where_there_is_one_kind(
    one_kind: Connection[Any], situation: Situation
) -> None:
    world, drawn = situation
    loaded = enter(one_kind, replace(world, extra_edges={}))
    for call in drawn:
        expected = loaded.expect(call)
        assert loaded.find("deep_finder", call) == expected, call
        assert loaded.agrees(call, "v2"), call
    kinds = "SELECT cardinality(enum_range(NULL::connection_paths.connection_kind))"
    assert one_kind.execute(kinds).fetchone() == (1,)


@repeatable(13)
@given(situation=crowds(8))
def test_deep_finder_and_find_paths_equal_the_oracle_beyond_the_cap(
    installed: Connection[Any], situation: Situation
) -> None:
    world, drawn = situation
    loaded = enter(installed, world)
    for call in drawn:
        expected = loaded.expect(call)
        assert loaded.find("deep_finder", call) == expected, call
        assert loaded.agrees(call, "v2"), call


@pytest.fixture(scope="module", params=["small collections are hashed", "nothing is hashed"])
def reads_few(request: pytest.FixtureRequest, new_installed: Callable[[], str]) -> Iterator[Connection[Any]]:
    """A database where the search reads two edges of the target first, and so has to read further in small worlds."""
    lowered = {"read_first": 2, **({} if request.param.startswith("small") else dict.fromkeys(HASHED, 0))}
    with psycopg.connect(new_installed(), autocommit=True) as connection:
        text = sqlfiles.function("search_limit")
        for name, value in lowered.items():
            text, count = re.subn(rf"('{name}' THEN) \d+", rf"\1 {value}", text)
            assert count == 1, name
        connection.execute(text.encode())
        yield connection


@repeatable(13)
@given(situation=st.one_of(crowds(12), situations(12)))
def test_deep_finder_and_find_paths_equal_the_oracle_where_few_edges_are_read_first(
    reads_few: Connection[Any], situation: Situation
) -> None:
    world, drawn = situation
    loaded = enter(reads_few, world)
    for call in drawn:
        assert loaded.find("deep_finder", call) == loaded.expect(call), call
        assert loaded.agrees(call, "v2"), call


@repeatable(13)
@given(situation=situations(8, max_depth=6, max_contacts=8))
def test_deep_finder_equals_the_oracle_to_six_hops(installed: Connection[Any], situation: Situation) -> None:
    world, drawn = situation
    loaded = enter(installed, world)
    for each in drawn:
        call = replace(each, max_edges_per_hop=min(each.max_edges_per_hop or 3, 3))
        expected = loaded.expect(call)
        assert loaded.find("deep_finder", call) == expected, call


@repeatable(13)
@given(situation=crowds(8))
def test_depth_two_equals_legacy_finder_whatever_the_cap(installed: Connection[Any], situation: Situation) -> None:
    world, drawn = situation
    loaded = enter(installed, replace(world, extra_edges={}))
    for each in drawn:
        call = replace(each.plain(), max_depth=2)
        rows = loaded.find_legacy(call)
        assert rows == loaded.expect_legacy(call), call
        assert loaded.find("deep_finder", call) == rows, call


@repeatable(15)
@given(situation=situations(20))
def test_without_a_cap_the_last_generation_returns_the_same_rows(
    with_generations: Connection[Any], situation: Situation
) -> None:
    world, drawn = situation
    loaded = enter(with_generations, without_newer_consent(world))
    for each in drawn:
        call = replace(each.plain(), max_edges_per_hop=None)
        rows = [without_strength(row) for row in loaded.find("deep_finder", call)]
        for function in ("deep_finder_v2", "deep_finder_v3", "recursive_finder"):
            assert loaded.find(f"generations.{function}", call) == rows, (function, call)


@repeatable(13)
@given(situation=crowds(8))
def test_with_a_cap_the_plain_recursion_returns_the_same_rows(
    with_generations: Connection[Any], situation: Situation
) -> None:
    world, drawn = situation
    loaded = enter(with_generations, without_newer_consent(world))
    for call in map(Call.plain, drawn):
        rows = [without_strength(row) for row in loaded.expect(call)]
        assert loaded.find("generations.recursive_finder", call) == rows, call


@repeatable(13)
@given(situation=situations(10, max_depth=2))
def test_legacy_finder_needs_no_edges_and_ignores_other_kinds(installed: Connection[Any], situation: Situation) -> None:
    world, drawn = situation
    loaded = enter(installed, world)
    installed.execute("DELETE FROM connection_paths.contact_connections WHERE kind = 'work_overlap'")
    for call in drawn:
        assert loaded.find_legacy(call) == loaded.expect_legacy(call), call


@repeatable(20)
@given(situation=situations(10), rollout=st.sampled_from(("v1", "v2")))
def test_find_paths_equals_the_oracle(installed: Connection[Any], situation: Situation, rollout: str) -> None:
    world, drawn = situation
    loaded = enter(installed, world)
    installed.execute(
        "INSERT INTO connection_paths.finder_rollout (collection_id, impl) VALUES (%s, %s)",
        [COLLECTION_IDS[1], rollout],
    )
    for call in drawn:
        for impl in ("v1", "v2", None):
            meant = impl or (rollout if call.collection == COLLECTION_IDS[1] else "v2")
            assert loaded.agrees(call, impl, meant), (call, impl)
