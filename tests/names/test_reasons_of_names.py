"""find_paths gives a reason where work experiences of the target make no edges: an unresolved name, an exclusion."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.database import Connection
from orchestrator.finders import reasons
from orchestrator.finders.paths import Names
from orchestrator.finders.question import Question
from tests.support.changes import EXPERIENCES
from tests.support.names import decide
from tests.support.properties import repeatable
from tests.support.sessions import value

#: What an experience of the target is: without a decision about its name, rejected, too long a name, at an excluded or
#: another organization by its id or its name, without a date.
KINDS: dict[str, tuple[int | None, str, str | None]] = {
    "unresolved": (None, "Acme", "2020-01-01"),
    "rejected": (None, "Nobody", "2020-01-01"),
    "too long": (None, "x" * 201, "2020-01-01"),
    "excluded": (1, "", "2020-01-01"),
    "resolved to an excluded one": (None, "Self", "2020-01-01"),
    "limited": (2, "", "2020-01-01"),
    "resolved": (None, "Gamma", "2020-01-01"),
    "unresolved without a date": (None, "Acme", None),
    "excluded without a date": (1, "", None),
}


def why(connection: Connection, impl: str) -> dict[str, Any]:
    answer: dict[str, Any] = value(connection, "SELECT connection_paths.find_paths(1, 1, 1, impl => %s)", impl)
    assert answer["paths"] == []
    assert reasons.sentences(Question(1, 1, 1, impl=impl), answer, Names({}, {}))
    return dict(answer["why"])


@pytest.mark.parametrize("impl", ["v1", "v2"])
def test_the_reason_and_the_numbers(db: Connection, impl: str) -> None:
    db.execute("INSERT INTO public.contacts VALUES (1, ''), (2, '')")
    db.execute("INSERT INTO public.organizations VALUES (1, 'Self'), (2, 'Beta'), (3, 'Gamma')")
    db.execute("INSERT INTO public.user_contact_collections VALUES (1, 2, 1, 1)")
    db.execute("TRUNCATE connection_paths.organization_policy")
    db.execute("INSERT INTO connection_paths.organization_policy VALUES (1, 'none', NULL), (2, 'long_overlaps', 5)")
    decide(db, {"Nobody": None, "Self": 1, "Gamma": 3})

    @repeatable(20)
    @given(drawn=st.lists(st.sampled_from(sorted(KINDS)), max_size=6))
    def check(drawn: list[str]) -> None:
        db.execute("TRUNCATE public.contact_work_experiences")
        with db.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {EXPERIENCES} VALUES (%s, 1, %s, %s, %s)".encode(),
                [(number, *KINDS[kind]) for number, kind in enumerate(drawn)],
            )
        counted = Counter(drawn)
        unresolved = counted["unresolved"]
        excluded = counted["excluded"] + counted["resolved to an excluded one"]
        found = why(db, impl)
        assert (found["target_experiences_unresolved"], found["target_experiences_excluded"]) == (unresolved, excluded)
        assert found["reason"] == (
            "names_unresolved" if unresolved else "organizations_excluded" if excluded else "target_has_no_edges"
        )
        with db.transaction(force_rollback=True):
            db.execute("SELECT connection_paths.detach_source('contact_work_experiences')")
            if impl == "v2":
                found = why(db, impl)
                assert found["target_experiences_unresolved"] is found["target_experiences_excluded"] is None

    check()
    db.execute("TRUNCATE connection_paths.organization_policy")
