"""Counts the rows of the application's tables that no edge or membership is computed from, and describes the result."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import errors

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.host.binding import Binding, bind
from orchestrator.host.mapping import DEFAULT
from orchestrator.host.mapping_types import WANTED
from orchestrator.host.sources import binding

#: The sources that the default rule of memberships names.
COUNTED_SOURCES = tuple(int(word) for word in re.findall(r"\d+", WANTED["user_contact_collections"].where or ""))


@dataclass(frozen=True)
class Experiences:
    """Rows of contact_work_experiences: all, usable, and unusable for each reason (a row may have several reasons)."""

    total: int
    usable: int
    without_organization: int
    without_start: int
    end_before_start: int
    orphans: int
    of_missing_contacts: int

    @property
    def by_rule(self) -> tuple[tuple[str, int], ...]:
        """Each reason why a row is not usable, with the number of rows."""
        return (
            ("without an organization", self.without_organization),
            ("without a start", self.without_start),
            ("that end before they start", self.end_before_start),
            ("of an organization that does not exist", self.orphans),
            ("of a contact that does not exist", self.of_missing_contacts),
        )


@dataclass(frozen=True)
class Members:
    """Memberships from one source: their number, and how many of them name no user, which never count."""

    source: Any
    is_counted: bool
    memberships: int
    without_user: int

    @property
    def not_counted(self) -> int:
        """How many of them do not count."""
        return self.without_user if self.is_counted else self.memberships


def experiences(connection: Connection) -> tuple[int, int, Experiences]:
    """Return the number of contacts, of contacts with work experiences, and the counts of work experiences."""
    row = _over(connection, binding(connection), "experiences", "contact_work_experiences", "host/experiences_by_rule")[
        0
    ]
    contacts, with_experiences, *counted = row
    return contacts, with_experiences, Experiences(*counted)


def members(
    connection: Connection, host_schema: str | None = None, collection_id: int | None = None
) -> tuple[Members, ...]:
    """Return the memberships by source, of one collection or all.

    They are read from the table in *host_schema*, for which the package need not be installed; by default, from the
    table that the package reads.
    """
    bound = binding(connection) if host_schema is None else bind(connection, DEFAULT, host_schema)
    rows = _over(connection, bound, "members", "user_contact_collections", "host/members_by_source", collection_id)
    return tuple(Members(*row) for row in rows)


def _over(
    connection: Connection, bound: Binding, cte: str, source: str, query: str, collection_id: int | None = None
) -> list[tuple[Any, ...]]:
    """Run a query that reads all rows of a source, which has the name *cte* there.

    A view still reads a column that the application has renamed. This query reads the table itself, so it fails then.
    """
    every_row = bound.fill(sqlfiles.query(f"host/every_{cte}"))
    text = f"WITH {cte} AS NOT MATERIALIZED (\n{every_row}\n)\n{sqlfiles.query(query)}"
    try:
        return connection.execute(text.encode(), {"collection_id": collection_id}).fetchall()
    except (errors.UndefinedColumn, errors.UndefinedFunction, errors.UndefinedTable) as error:
        raise OrchestratorError(f"the rows of {bound.shown(source)} cannot be counted: {one_line(error)}") from error


def lines(connection: Connection) -> Iterator[str]:
    """Return sentences about unusable work experiences and memberships; none when all are usable."""
    yield from experience_lines(experiences(connection)[2])
    yield from member_lines(members(connection))


def experience_lines(found: Experiences) -> Iterator[str]:
    """Return a sentence with the reasons why work experiences are not usable; none when all are usable."""
    if not found.total:
        yield "There are no work experiences, and so no edges between contacts."
    elif found.usable < found.total:
        rules = ", ".join(f"{count:,} {rule}" for rule, count in found.by_rule if count)
        how_many = f"{found.total - found.usable:,} of {found.total:,}" if found.usable else f"All {found.total:,}"
        yield f"{how_many} work experiences make no edge: {rules}."


def member_lines(found: Sequence[Members]) -> Iterator[str]:
    """Return a sentence with the reasons why memberships do not count; none when all count."""
    missed = sum(each.not_counted for each in found)
    if not missed:
        return
    total = sum(each.memberships for each in found)
    sources = ", ".join(
        f"{each.memberships:,} {'without a source' if each.source is None else f'of source {each.source}'}"
        for each in found
        if not each.is_counted
    )
    without_user = sum(each.without_user for each in found if each.is_counted)
    reasons = [sources] if sources else []
    if without_user:
        reasons.append(f"{without_user:,} without a user")
    how_many = f"{missed:,} of {total:,}" if missed < total else f"All {total:,}"
    yield (
        f"{how_many} memberships are not counted: {', '.join(reasons)}."
        f" Counted are the sources {', '.join(map(str, COUNTED_SOURCES))}."
    )


def members_as_json(found: Sequence[Members]) -> dict[str, Any]:
    """Return the keys about memberships for JSON output; empty when all memberships count."""
    if not any(each.not_counted for each in found):
        return {}
    return {"members_by_source": [asdict(each) for each in found], "counted_sources": list(COUNTED_SOURCES)}
