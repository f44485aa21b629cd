"""Policies of organizations: which organizations make no edges, and which make edges only from long overlaps.

Each function writes the table ``organization_policy``. Its trigger queues the change, and a sync changes the edges.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, reading, resolved
from orchestrator.core.errors import OrchestratorError
from orchestrator.host.uuid_keys import id_of, number_of, uuid_of

#: An organization that makes a greater share of all edges is probably no employer, or too large for introductions.
LARGE = 0.25

_SHOWN = 5  # ids of organizations with the same name
_JUDGES = ("plain_name", "is_junk_name")


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


def junk_names(connection: Connection, names: Iterable[str]) -> set[str]:
    """Return those of *names* that are junk names, such as Self-employed.

    The SQL functions ``plain_name`` and ``is_junk_name`` decide. Where this role may not call them, or they are not
    installed, another session makes them as temporary functions. Where that is impossible, too, such as on a standby
    before an installation, the result is empty.
    """
    asked = {"names": [*dict.fromkeys(names)]}
    query = sqlfiles.query("host/junk_names")
    if connection.execute(sqlfiles.query("host/may_call"), {"functions": list(_JUDGES)}).fetchone() == (True,):
        return {row[0] for row in connection.execute(query, asked)}
    with (
        suppress(psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege),
        reading(resolved(connection, same_server=True), may_write=True, undo=True) as other,
    ):
        for name in _JUDGES:
            other.execute(_temporary(sqlfiles.function(name)))
        return {row[0] for row in other.execute(_temporary(query), asked)}
    return set()


def exclude_command(organization_ids: Sequence[int], reason: str | None = None) -> str:
    """Return the command that excludes organizations."""
    return _command("exclude", organization_ids, [] if reason is None else ["--reason", reason])


def limit_command(organization_id: int, min_overlap_days: int, reason: str | None = None) -> str:
    """Return the command that limits an organization."""
    options = ["--min-days", str(min_overlap_days)] + ([] if reason is None else ["--reason", reason])
    return _command("limit", [organization_id], options)


def _command(what: str, organization_ids: Sequence[int], options: list[str]) -> str:
    ids = [str(each) for each in organization_ids]
    if any(each < 0 for each in organization_ids):  # click would take -5 for an option
        return shlex.join(["orchestrator", "organizations", what, *options, "--", *ids])
    return shlex.join(["orchestrator", "organizations", what, *ids, *options])


def _temporary(text: str) -> bytes:
    return text.replace("connection_paths.", "pg_temp.").encode()


def _identified(connection: Connection, word: str) -> int:
    if (number := number_of(word)) is not None:
        return _existing(connection, number, word)
    asked = {"name": word, "most": _SHOWN + 1}
    found = [row[0] for row in connection.execute(sqlfiles.query("host/organizations_called"), asked)]
    if not found and (given := uuid_of(word)) is not None:
        return _existing(connection, id_of(connection, "organization", given), word)
    if not found:
        raise OrchestratorError(f"no organization is called {word!r}; give its id")
    if len(found) > 1:
        ids = ", ".join(map(str, found[:_SHOWN])) + (" and others" if len(found) > _SHOWN else "")
        raise OrchestratorError(f"several organizations are called {word!r}; give an id: {ids}")
    return int(found[0])


def _existing(connection: Connection, organization_id: int, word: str) -> int:
    """Return the id if there is an organization or a policy with it; *word* is the id as it was given."""
    known = "SELECT FROM connection_paths.known_organizations AS o WHERE o.id = %(id)s"
    ruled = "SELECT FROM connection_paths.organization_policy AS p WHERE p.organization_id = %(id)s"
    query = f"SELECT EXISTS ({known}) OR EXISTS ({ruled})"
    if connection.execute(query.encode(), {"id": organization_id}).fetchone() != (True,):
        raise OrchestratorError(f"there is no organization with the id {word}")
    return organization_id


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
