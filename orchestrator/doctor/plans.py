"""Checks that the planner uses the package's indexes for the statements of the finders; nothing is executed.

The statements are what searches come down to, planned as a finder has them planned, under the settings it makes: those
forbid sequential scans, so one that is planned all the same has no index to use, whatever the table holds today.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.core import sqlfiles
from orchestrator.doctor import indexes, versions
from orchestrator.doctor.finding import Finding
from orchestrator.doctor.subject import EDGES, LIVE_EDGES, SMALL, Subject

_MODES = ("generic", "custom")
_NAME = "connection_paths_doctor"
_MEMBERS = "idx_members_by_collection"
_WALK = ("idx_cc_walk_a", "idx_cc_walk_b")
_EXPERIENCES = ("idx_experiences_by_contact", "idx_experiences_by_organization")

_VIEW_OF = {
    _MEMBERS: "collection_members",
    **dict.fromkeys(_WALK, LIVE_EDGES),
    **dict.fromkeys(_EXPERIENCES, "work_experiences"),
}
#: Tables that are read by their ids, by an index of the host's own.
_BY_ID = ("live_contacts", "live_organizations")

#: Plan methods that may be disabled on the server; the check of settings reports that.
_ALLOWED = ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan", "enable_nestloop")


@dataclass(frozen=True)
class _Probe:
    """A statement that a finder asks of a target, a collection and a viewer, and the indexes that it is made for.

    It is ``sql/queries/doctor/plan_STATEMENT.sql``, planned under the settings of the finder's latest version.
    """

    finder: str
    statement: str
    expected: tuple[str, ...]


_PROBES = (
    _Probe("find_paths", "walk", (_MEMBERS, *_WALK)),
    _Probe("find_paths", "openers", (_MEMBERS,)),
    _Probe("deep_finder", "walk", (_MEMBERS, *_WALK)),
    _Probe("deep_finder", "openers", (_MEMBERS,)),
    _Probe("legacy_finder", "colleagues", (_MEMBERS, *_EXPERIENCES)),
    _Probe("legacy_finder", "openers", (_MEMBERS,)),
)

_VIEW_OF = {
    _MEMBERS: "collection_members",
    **dict.fromkeys(_WALK, LIVE_EDGES),
    **dict.fromkeys(_EXPERIENCES, "work_experiences"),
}
#: Tables that are read by their ids, by an index of the host's own.
_BY_ID = ("live_contacts", "live_organizations")

#: Plan methods that may be disabled on the server; the check of settings reports that.
_ALLOWED = ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan", "enable_nestloop")


def plans(subject: Subject) -> Iterator[Finding]:
    """Find statements of finders that would read a table by another way than the index made for them.

    An index that is missing, invalid or drifted is not complained of again. Of small tables only sequential scans are.
    """
    broken = indexes.broken(subject)
    arguments = _arguments(subject)
    catalog = _Catalog.of(subject)
    who: dict[tuple[str, str, str], dict[str, None]] = {}  # in this order, each once
    for probe in _PROBES:
        for mode in _MODES:
            found = {
                each
                for scans in _scans(subject, catalog, probe, mode, arguments)
                for each in catalog.wrong(probe, scans)
            }
            for each in sorted(found):
                who.setdefault(each, {})[f"{probe.finder} ({mode} plan)"] = None
    for (known_as, done, meant), finders in who.items():
        table = subject.tables[EDGES if known_as == LIVE_EDGES else known_as]
        if meant in broken:
            continue
        what = f"the planner reads {table.name} by {done}, not by {meant}: {', '.join(finders)}"
        mend = f"VACUUM (ANALYZE) {table.name};\nREINDEX INDEX CONCURRENTLY {subject.quoted(table.schema)}.{meant};"
        if known_as in _BY_ID:
            mend = f"CREATE INDEX CONCURRENTLY ON {table.name} (id);"
        yield Finding("plans", "wrong", what, mend, table.name if known_as in _BY_ID else meant)


@dataclass(frozen=True)
class _Catalog:
    """What there is to know of the tables that finders read.

    ``known_as`` and ``pages`` are by a table's name, ``table`` and ``whole`` by an index's: the table it is of (a plan
    tells that of a bitmap's index not), and the index that it is a part of.
    """

    known_as: dict[str, str]
    pages: dict[str, int]
    table: dict[str, str]
    whole: dict[str, str]

    @staticmethod
    def of(subject: Subject) -> _Catalog:
        read = {table.relname: known_as for known_as, table in subject.tables.items() if known_as != EDGES}
        rows = subject.ask("plan_indexes", {"tables": [table.oid for table in subject.tables.values()]})
        return _Catalog(
            known_as=read,
            pages={row.table_name: row.pages for row in rows},
            table={row.name: row.table_name for row in rows},
            whole={row.name: row.whole for row in rows if row.whole is not None},
        )

    def scans(self, node: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
        """Give each table that a plan reads, by what it is known as, and the index; None: sequentially."""
        index = node.get("Index Name")
        if index in self.table:
            yield self.known_as[self.table[index]], self.whole.get(index, index)
        elif node["Node Type"] == "Seq Scan" and node["Relation Name"] in self.known_as:
            yield self.known_as[node["Relation Name"]], None
        for child in node.get("Plans", []):
            yield from self.scans(child)

    def wrong(self, probe: _Probe, scans: set[tuple[str, str | None]]) -> Iterator[tuple[str, str, str]]:
        """Give each table that is read otherwise than meant, what is done, and the index that is meant."""
        pages = {self.known_as[name]: number for name, number in self.pages.items() if name in self.known_as}
        for known_as in {known_as for known_as, _ in scans}:
            used = {index for table, index in scans if table == known_as}
            ours = [name for name in probe.expected if _VIEW_OF[name] == known_as]
            missing = [name for name in ours if name not in used]
            others = sorted(index for index in used if index is not None and index not in ours)
            strange = [index for index in others if index != f"{EDGES}_pkey"]
            meant = (missing or ours or ["an index of its id"])[0]
            if None in used:
                yield known_as, "a sequential scan", meant
            elif (strange or (missing and others)) and ours and pages.get(known_as, 0) >= SMALL:
                yield known_as, f"index {(strange or others)[0]}", meant


def _arguments(subject: Subject) -> list[tuple[int, ...]]:
    """Return a few questions; where there is nothing to tell which, a made-up one."""
    oid = {known_as: table.oid for known_as, table in subject.tables.items()}
    parameters = {"edges": oid.get(LIVE_EDGES), "members": oid.get("collection_members")}
    return [tuple(row) for row in subject.ask("arguments", parameters)] or [(1, 1, 1)]


def _scans(
    subject: Subject, catalog: _Catalog, probe: _Probe, mode: str, arguments: list[tuple[int, ...]]
) -> list[set[tuple[str, str | None]]]:
    """Return how a statement would read: as it is planned for any arguments, or for each of some."""
    connection = subject.connection
    statement = sqlfiles.query(f"doctor/plan_{probe.statement}")
    found = []
    with connection.transaction(force_rollback=True):  # the settings are for this statement alone
        for name, value in versions.settings_of(probe.finder).items():
            connection.execute("SELECT set_config(%s, %s, true)", (name, value))
        for name in _ALLOWED:
            connection.execute("SELECT set_config(%s, 'on', true)", (name,))
        connection.execute("SELECT set_config('plan_cache_mode', %s, true)", (f"force_{mode}_plan",))
        connection.execute(f"PREPARE {_NAME} (bigint, bigint, bigint) AS {statement}".encode())
        for asked in arguments if mode == "custom" else arguments[:1]:
            given = ", ".join(str(each) for each in asked)
            row = connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {_NAME} ({given})".encode()).fetchone()
            assert row is not None
            found.append(set(catalog.scans(row[0][0]["Plan"])))
        connection.execute(f"DEALLOCATE {_NAME}".encode())
    return found
