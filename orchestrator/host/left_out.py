"""Counts the rows of the application's tables that do not count, and describes the result."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from orchestrator.core.database import Connection
from orchestrator.host import reader as source_reader
from orchestrator.host.binding import bind
from orchestrator.host.mapping import DEFAULT
from orchestrator.host.mapping_expressions import quoted
from orchestrator.host.mapping_types import WANTED
from orchestrator.host.reader import SourceReader

#: The values of ``source`` that count by the default rule of memberships.
COUNTED_SOURCES = tuple(int(word) for word in re.findall(r"\d+", WANTED["user_contact_collections"].where or ""))

_SEVERAL = " (some are in several of these groups)"


@dataclass(frozen=True)
class Experiences:
    """Rows of contact_work_experiences: all, usable, and unusable for each reason (a row may have several reasons).

    ``has_rule``: the mapping leaves some contacts or organizations out, which then count as missing.
    ``left_out_by_rule``: rows of the table that the rule of the mapping leaves out. They are counted only where the
    rule leaves out every row.
    """

    total: int
    usable: int
    without_organization: int
    without_start: int
    end_before_start: int
    orphans: int
    excluded: int
    of_missing_contacts: int
    has_rule: bool = False
    left_out_by_rule: int = 0

    @property
    def by_rule(self) -> tuple[tuple[str, int], ...]:
        """Each reason why a row is not usable, with the number of rows."""
        missing = "that does not exist" + (", or that the mapping leaves out" if self.has_rule else "")
        return (
            ("without an organization", self.without_organization),
            ("without a start", self.without_start),
            ("that end before they start", self.end_before_start),
            (f"of an organization {missing}", self.orphans),
            ("of an excluded organization", self.excluded),
            (f"of a contact {missing}", self.of_missing_contacts),
        )


@dataclass(frozen=True)
class Members:
    """Memberships with one value of ``source``: their number, and how many have no user. Those never count."""

    source: Any
    is_counted: bool
    memberships: int
    without_user: int

    @property
    def not_counted(self) -> int:
        """How many of them do not count."""
        return self.without_user if self.is_counted else self.memberships


@dataclass(frozen=True)
class Details:
    """More counts of rows that make no edge, or no edge of their own.

    ``missing_organizations``, ``missing_contacts``: different ids in work experiences that do not exist.
    ``with_name_only``: work experiences without an organization whose company name has no decision.
    ``company_names``: their different names.
    ``future``: usable work experiences that start after today.
    ``duplicates``: usable work experiences with the same contact, organization and dates as an earlier one.
    ``memberships_of_missing_contacts``, ``missing_members``: memberships of contacts that do not exist, and these ids.
    """

    missing_organizations: int
    missing_contacts: int
    with_name_only: int
    company_names: int
    future: int
    duplicates: int
    memberships_of_missing_contacts: int
    missing_members: int


@dataclass(frozen=True)
class Contacts:
    """How many contacts exist, how many of them have work experiences, and how many of these have no usable one."""

    total: int
    with_experiences: int
    without_usable: int


def count(reader: SourceReader) -> tuple[Contacts, Experiences, Details]:
    """Return all counts of contacts and work experiences. The table of work experiences is read three times.

    With 1.7 million work experiences that takes 1.4 s; reading them once for all groupings takes 2.2 s.
    """
    total, having, without, missing_contacts, future, duplicates, *counted = reader.rows("host/experiences_by_rule")[0]
    ((missing_organizations,),) = reader.rows("host/missing_organizations")
    ((with_name_only, names),) = reader.rows("host/unresolved_names")
    ((memberships, members),) = reader.rows("host/missing_members")
    details = Details(
        missing_organizations, missing_contacts, with_name_only, names, future, duplicates, memberships, members
    )
    return Contacts(total, having, without), _with_rules(reader, Experiences(*counted)), details


def experiences(connection: Connection) -> Experiences:
    """Return the counts of work experiences."""
    reader = source_reader.installed(connection)
    return _with_rules(reader, Experiences(*reader.rows("host/experiences_by_rule")[0][6:]))


def _with_rules(reader: SourceReader, found: Experiences) -> Experiences:
    """Return the counts with what the rules of the mapping leave out."""
    sources = reader.bound.sources
    has_rule = any(sources[name].where is not None for name in ("contacts", "organizations"))
    source, left_out = sources["contact_work_experiences"], 0
    if not found.total and source.where is not None:
        table = f"{quoted(source.schema)}.{quoted(source.table)}"
        ((left_out,),) = reader.connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()
    return replace(found, has_rule=has_rule, left_out_by_rule=left_out)


def members(
    connection: Connection, host_schema: str | None = None, collection_id: int | None = None
) -> tuple[Members, ...]:
    """Return the memberships by source, of one collection or all.

    They are read from the table ``user_contact_collections`` in *host_schema*; then the package need not be installed.
    None: from the table that the package reads.
    """
    if host_schema is None:
        return members_of(source_reader.installed(connection), collection_id)
    return members_of(
        source_reader.before_installing(connection, bind(connection, DEFAULT, host_schema)), collection_id
    )


def members_of(reader: SourceReader, collection_id: int | None = None) -> tuple[Members, ...]:
    """Return the memberships by source, of one collection or all."""
    return tuple(Members(*row) for row in reader.rows("host/members_by_source", {"collection_id": collection_id}))


def lines(connection: Connection) -> Iterator[str]:
    """Return sentences about unusable work experiences and memberships; none when all are usable."""
    yield from experience_lines(experiences(connection))
    yield from member_lines(members(connection))


def experience_lines(found: Experiences) -> Iterator[str]:
    """Return a sentence with the reasons why work experiences are not usable; none when all are usable."""
    if not found.total and found.left_out_by_rule:
        yield (
            f"The rule where of contact_work_experiences in the mapping leaves out all {found.left_out_by_rule:,} rows"
            " of the table, and so there are no edges between contacts."
        )
    elif not found.total:
        yield "There are no work experiences, and so no edges between contacts."
    elif found.usable < found.total:
        rules = ", ".join(f"{count:,} {rule}" for rule, count in found.by_rule if count)
        how_many = f"{found.total - found.usable:,} of {found.total:,}" if found.usable else f"All {found.total:,}"
        has_several = sum(count for _, count in found.by_rule) > found.total - found.usable
        yield f"{how_many} work experiences make no edge: {rules}{_SEVERAL if has_several else ''}."


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
    counted = (
        f" Only memberships of the sources {', '.join(map(str, COUNTED_SOURCES))} count." if _by_default(found) else ""
    )
    yield f"{how_many} memberships are not counted: {', '.join(reasons)}.{counted}"


def _by_default(found: Sequence[Members]) -> bool:
    """Whether the memberships that count are those of the default rule; a mapping may have another rule."""
    return all(each.is_counted == (each.source in COUNTED_SOURCES) for each in found)


def members_as_json(found: Sequence[Members]) -> dict[str, Any]:
    """Return the keys about memberships for JSON output; empty when all memberships count."""
    if not any(each.not_counted for each in found):
        return {}
    counted = {"counted_sources": list(COUNTED_SOURCES)} if _by_default(found) else {}
    return {"members_by_source": [asdict(each) for each in found], **counted}
