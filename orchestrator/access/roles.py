"""The three group roles: a reader may search paths, an operator may also compute edges, an owner owns the package.

``PREFIX_reader`` may search, ``PREFIX_operator`` may also backfill, sync and control runs, ``PREFIX_owner`` owns every
object of the schema, so its members install, upgrade and rebuild. No group role can log in; roles of the application
become members. Roles belong to the whole cluster, so other databases may use the same ones.

``sql/queries/access/role_differences.sql`` lists what operators may do, and compares the rights that exist with those
that should exist. What readers may do is computed: see :mod:`orchestrator.access.reading`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from orchestrator.access.reading import readable
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.core.schema import Verbatim, named, schema_of
from orchestrator.host.sources import asked, binding

log = logging.getLogger(__name__)

DEFAULT_PREFIX = "connection_paths"

_LONGEST_PREFIX = 63 - len("_operator")  # bytes
_OWNING_LOCK = "ALTER TABLE connection_paths.installation OWNER"
_SENTENCES = 10  # the most sentences about rights that an install prints
_ROUNDS = 3  # a repair may show further differences, at most once
_RACES = 20  # attempts while installs in other databases make the same roles
_RACING = (
    psycopg.errors.DuplicateObject,
    psycopg.errors.UniqueViolation,
    psycopg.errors.InternalError_,  # "tuple concurrently updated"
)


@dataclass(frozen=True)
class Role:
    """A group role and the names of its members, which include other group roles."""

    name: str
    members: list[str]


@dataclass(frozen=True)
class Roles:
    """The group roles of an installation, and a sentence for each difference from what ``install`` grants."""

    prefix: str
    roles: list[Role]
    problems: list[str]


def in_use(connection: Connection) -> str | None:
    """Return the prefix of the roles that the package was installed with, or None without roles."""
    row = connection.execute(sqlfiles.query("access/roles_in_use")).fetchone()
    return None if row is None else str(row[0])


def describe(connection: Connection) -> Roles | None:
    """Describe the roles in use, if any; reads only."""
    prefix = in_use(connection)
    if prefix is None:
        return None
    rows = connection.execute(sqlfiles.query("access/role_members"), {"prefix": prefix}).fetchall()
    problems = [problem for _, problem, _ in _differences(connection, prefix, None)]
    return Roles(prefix, [Role(*row) for row in rows], problems)


def to_use(connection: Connection, wanted: str | None) -> str | None:
    """Return the prefix to install with: the one in use, else *wanted*; raise when both are given and differ."""
    used = in_use(connection)
    if wanted is None:
        return used
    if not wanted or len(wanted.encode()) > _LONGEST_PREFIX or "\0" in wanted:
        raise OrchestratorError(f"{wanted!r} cannot be the prefix of roles: 1 to {_LONGEST_PREFIX} bytes are allowed")
    if used not in (None, wanted):
        raise OrchestratorError(f"the roles {used!r}_… are in use here; another install cannot change the prefix")
    return wanted


def make(
    connection: Connection,
    prefix: str,
    *,
    progress: Callable[[str], None] = log.info,
    repaired: Callable[[str], None] = log.info,
) -> list[str]:
    """Create the roles that are missing, and make the installing role a member of the owner role.

    ``repaired`` is called with a sentence for each difference that was removed.
    Returns the statements that a superuser must run when this role may not do that; then nothing was created. Raises
    :class:`OrchestratorError` when one of the names cannot be that of a group role.
    """
    installer = str(connection.execute("SELECT current_user::text").fetchall()[0][0])
    for _ in range(_RACES):
        differences = _differences(connection, prefix, installer)
        for about, problem, remedy in differences:
            if about == "attribute":
                raise OrchestratorError(f"{problem}; choose other names (--roles=PREFIX), or: {remedy}")
        todo = [remedy for about, _, remedy in differences if about == "role"]
        if not todo:
            return []
        try:
            with connection.transaction():
                for statement in todo:
                    connection.execute(Verbatim(statement.encode()))
        except psycopg.errors.InsufficientPrivilege:
            return [f"{statement};" for statement in todo]
        except psycopg.errors.ReservedName as error:
            raise OrchestratorError(f"PostgreSQL reserves role names that begin with {prefix!r}") from error
        except _RACING as error:
            log.info("roles: %s; trying again", error)
            time.sleep(0.1)
        else:
            progress(f"created or joined: {prefix}_reader, {prefix}_operator, {prefix}_owner")
            for about, problem, _ in differences:
                if about == "role":
                    repaired(problem)
            return []
    raise OrchestratorError(f"other installs keep changing the roles {prefix}_…; try again")


def grant(connection: Connection, guard: Connection, prefix: str) -> list[str]:
    """Make the owner role own all objects of the schema, grant the rights of the other roles, and revoke all others.

    ``guard`` is the session that holds the installation lock: only that session can alter the locked table, and its
    transaction ends here. Returns a sentence for each difference that was repaired.
    """
    repaired: list[str] = []
    for _ in range(_ROUNDS):
        rows = [row for row in _differences(connection, prefix, None) if row[0] == "object"]
        todo = [remedy for _, _, remedy in rows if not remedy.startswith(named(connection, _OWNING_LOCK))]
        if not todo:
            break
        repaired += [problem for _, problem, _ in rows]

        def execute(statements: tuple[str, ...] = tuple(todo)) -> None:
            for statement in statements:
                connection.execute(Verbatim(statement.encode()))

        retry_while_locked(connection, execute)
    for _, problem, remedy in _differences(connection, prefix, None):
        if remedy.startswith(named(connection, _OWNING_LOCK)):
            guard.execute(Verbatim(remedy.encode()))
            guard.commit()
            repaired.append(problem)
    return _shown(list(dict.fromkeys(repaired)), schema_of(connection))


def _shown(repaired: list[str], schema: str) -> list[str]:
    """Return the sentences, or only their number when they are many: with new roles there is one per object."""
    return (
        repaired if len(repaired) <= _SENTENCES else [f"{len(repaired)} owners and rights in schema {schema} were set"]
    )


def first(prefix: str, granted: list[str]) -> str:
    """Return a sentence: an installation that had no group roles has them now; ``granted`` is what was repaired."""
    return f"the group roles {prefix}_reader, {prefix}_operator and {prefix}_owner are ready: {'; '.join(granted)}"


def host_grants(connection: Connection, prefix: str, host_schema: str) -> list[str]:
    """Return the statements that the owner of the application's tables runs so that the roles can read them."""
    rows = connection.execute(
        sqlfiles.query("access/role_host_grants"),
        {"prefix": prefix, **asked(binding(connection, host_schema))},
    )
    return [f"{row[0]};" for row in rows]


def left_behind(connection: Connection, prefix: str) -> str:
    """Return a sentence: an uninstall keeps the roles, and this command would drop them."""
    names = [sql.Identifier(f"{prefix}_{suffix}").as_string(connection) for suffix in ("reader", "operator", "owner")]
    return f"the roles stay, because other databases may use them; if none does: DROP ROLE {', '.join(names)};"


def _differences(connection: Connection, prefix: str, installer: str | None) -> list[tuple[str, str, str]]:
    rows = connection.execute(
        sqlfiles.query("access/role_differences"),
        {"prefix": prefix, "installer": installer, "readable": sorted(readable())},
    ).fetchall()
    return [(about, problem, remedy) for _, about, problem, remedy in rows]
