"""Policies of organizations: which organizations make no edges, and which make edges only from long overlaps.

Each function writes the table ``organization_policy``. Its trigger queues the change, and a sync changes the edges.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError

#: An organization that makes a greater share of all edges is probably no employer, or too large for introductions.
LARGE = 0.25

_SHOWN = 5  # ids of organizations with the same name
_LETTERS = str.maketrans({"ß": "ss", "ł": "l", "ø": "o", "æ": "ae", "œ": "oe", "\u0131": "i", "đ": "d"})
_WORDS = re.compile(r"ANY \(\s*'\{(.*?)\}'::text\[\]", re.DOTALL)


@dataclass(frozen=True)
class Policy:
    """The policy of an organization, and how many contacts worked there. ``name`` is None where it does not exist."""

    id: int
    name: str | None
    rule: str
    min_overlap_days: int | None
    reason: str | None
    created_by: str
    created_at: datetime
    people: int


def policies(connection: Connection) -> list[Policy]:
    """Return the policies, the organizations with the most contacts first."""
    return [Policy(*row) for row in connection.execute(sqlfiles.query("host/policies"))]


def exclude(connection: Connection, organization_ids: Sequence[int], reason: str | None = None) -> list[int]:
    """Exclude organizations: they make no edges. Return those whose policy is new or different."""
    return _set(connection, organization_ids, "none", None, reason)


def limit(
    connection: Connection, organization_ids: Sequence[int], min_overlap_days: int, reason: str | None = None
) -> list[int]:
    """Limit organizations to overlaps of at least so many days. Return those whose policy is new or different."""
    return _set(connection, organization_ids, "long_overlaps", min_overlap_days, reason)


def allow(connection: Connection, organization_ids: Sequence[int]) -> list[int]:
    """Delete the policies of organizations; return those that had one."""
    rows = connection.execute(
        "DELETE FROM connection_paths.organization_policy WHERE organization_id = ANY (%s) RETURNING organization_id",
        (list(organization_ids),),
    )
    return sorted(row[0] for row in rows)


def identified(connection: Connection, words: Sequence[str]) -> list[int]:
    """Return the organizations with these ids or names.

    Raises :class:`OrchestratorError` for an id when the organization neither exists nor has a policy, and for a name
    unless exactly one organization has it.
    """
    return list(dict.fromkeys(_identified(connection, word) for word in words))


def is_junk(name: str) -> bool:
    """Whether a name is a junk name, such as Self-employed; the SQL function ``is_junk_name`` has the list."""
    return _plain(name) in _junk_names()


def _identified(connection: Connection, word: str) -> int:
    if word.isascii() and word.isdecimal() and int(word) < 2**63:
        known = "SELECT FROM connection_paths.known_organizations AS o WHERE o.id = %(id)s"
        ruled = "SELECT FROM connection_paths.organization_policy AS p WHERE p.organization_id = %(id)s"
        query = f"SELECT EXISTS ({known}) OR EXISTS ({ruled})"
        if connection.execute(query.encode(), {"id": int(word)}).fetchone() == (True,):
            return int(word)
        raise OrchestratorError(f"there is no organization with the id {word}")
    asked = {"name": word, "most": _SHOWN + 1}
    found = [row[0] for row in connection.execute(sqlfiles.query("host/organizations_called"), asked)]
    if not found:
        raise OrchestratorError(f"no organization is called {word!r}; give its id")
    if len(found) > 1:
        ids = ", ".join(map(str, found[:_SHOWN])) + (" and others" if len(found) > _SHOWN else "")
        raise OrchestratorError(f"several organizations are called {word!r}; give an id: {ids}")
    return int(found[0])


def _set(
    connection: Connection, organization_ids: Sequence[int], rule: str, min_overlap_days: int | None, reason: str | None
) -> list[int]:
    asked = {
        "organization_ids": list(organization_ids),
        "rule": rule,
        "min_overlap_days": min_overlap_days,
        "reason": reason,
    }
    return sorted(row[0] for row in connection.execute(sqlfiles.query("host/set_policy"), asked))


@cache
def _junk_names() -> frozenset[str]:
    found = _WORDS.search(sqlfiles.function("is_junk_name"))
    assert found is not None
    return frozenset(" ".join(each.split()) for each in found[1].split(","))


def _plain(name: str) -> str:
    """Return a name as the SQL function ``plain_name`` writes it: in lower case, without accents and punctuation."""
    split = unicodedata.normalize("NFKD", name.lower().translate(_LETTERS))
    letters = "".join(each for each in split if not unicodedata.combining(each) and each not in ".'`\u2019")
    return " ".join(re.findall(r"[^\W_]+", letters))
