"""Collections and users to choose from, for a person who was not told their ids."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.formats import counted
from orchestrator.finders.paths import team_names

COUNTED = 1000  # members of a collection; beyond, "more than" is shown
_USERS_FROM = 2000  # entries of a collection whose users are listed


@dataclass(frozen=True)
class Collection:
    """A collection to choose; ``members`` is None when it has more than :data:`COUNTED`."""

    collection_id: int
    members: int | None
    name: str | None = None


@dataclass(frozen=True)
class User:
    """A user to choose; ``name`` is None where it is not known."""

    user_id: int
    name: str | None


def collections(connection: Connection, most: int) -> list[Collection]:
    """Return the first collections, by id."""
    rows = connection.execute(sqlfiles.query("finders/collections"), {"most": most, "counted_to": COUNTED}).fetchall()
    _, names = team_names(connection, [], [number for number, _ in rows])
    return [Collection(number, members if members <= COUNTED else None, names.get(number)) for number, members in rows]


def users(connection: Connection, collection_id: int, most: int) -> list[User]:
    """Return some users of a collection; those who brought many of its first members come first.

    One user is returned only when the collection has no other.
    """
    rows = connection.execute(
        sqlfiles.query("finders/users"), {"collection_id": collection_id, "rows_read": _USERS_FROM, "most": most}
    ).fetchall()
    if len(rows) == 1 < most:  # the first members were all brought in by one user
        other = {"collection_id": collection_id, "user_id": rows[0][0]}
        rows += connection.execute(sqlfiles.query("finders/another_user"), other).fetchall()
    names, _ = team_names(connection, [user for (user,) in rows], [])
    return [User(user, names.get(user)) for (user,) in rows]


def described(collection: Collection) -> str:
    """Say how large a collection is, and its name where it is known: ``Sales, 1,000 contacts``."""
    size = f"more than {COUNTED:,} contacts" if collection.members is None else counted(collection.members, "contact")
    return f"{collection.name}, {size}" if collection.name else size
