"""Checks that the planner uses the right indexes for the statements of the finders. Nothing is executed.

Each statement is a call of the SQL function that a search calls; the planner inlines the function. It is planned under
the settings of the finder. Finders use generic plans, so no arguments are needed, and they forbid sequential scans. So
a sequential scan in a plan means that no index fits, even when the table is small today.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.core import sqlfiles
from orchestrator.core.schema import named, plain
from orchestrator.doctor.names import index_of_id
from orchestrator.host.binding import SOURCE_OF
from orchestrator.host.own_objects import NAME_INDEXES
from orchestrator.inspection import indexes, versions
from orchestrator.inspection.finding import Finding
from orchestrator.inspection.subject import EDGES, LIVE_EDGES, SMALL, Subject

_NAME = "orchestrator_doctor"
_MEMBERS = "idx_members_by_collection"
_WALK = ("idx_cc_walk_a", "idx_cc_walk_b")
_STRONG = ("idx_cc_strong_a", "idx_cc_strong_b")
_EXPERIENCES = ("idx_experiences_by_contact", "idx_experiences_by_organization")
#: The primary key of the edge table. For the edge of one pair of contacts, the planner may choose it or idx_cc_walk_a.
_PAIRS = f"{EDGES}_pkey"

_VIEW_OF = {
    _MEMBERS: "collection_members",
    **dict.fromkeys((*_WALK, *_STRONG), LIVE_EDGES),
    **dict.fromkeys(_EXPERIENCES, "work_experiences"),
}
#: Tables whose rows are looked up by id, with an index of the application.
_BY_ID = ("live_contacts", "known_organizations")

#: Scan methods that the server may have disabled. The check of settings reports that; here they are enabled.
_ENABLED = ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan")


@dataclass(frozen=True)
class _Probe:
    """A statement of a search, the functions whose settings apply to it, and the indexes that it should and may use.

    The statement is ``sql/queries/doctor/plan_STATEMENT.sql``. The settings of a later function override those of an
    earlier one: a finder calls the second function.
    """

    statement: str
    functions: tuple[str, ...]
    expected: tuple[str, ...]
    allowed: tuple[str, ...] = ()


def _probes() -> Iterator[_Probe]:
    for finder in ("find_paths", "deep_finder"):
        yield _Probe("near_members", (finder,), (*_WALK, _MEMBERS))
        # weak edges are read by any index of their contact
        yield _Probe("near_members_by_strength", (finder,), (*_STRONG, _MEMBERS), allowed=_WALK)
    for finder in ("find_paths", "legacy_finder"):
        yield _Probe("work_overlaps", (finder, "edges_from_experiences"), _EXPERIENCES)
    for finder in ("find_paths", "deep_finder", "legacy_finder"):
        yield _Probe("openers", (finder,), (_MEMBERS,))


PROBES = tuple(_probes())


def plans(subject: Subject) -> Iterator[Finding]:
    """Find statements of finders for which the planner does not choose the index that was made for them.

    An index that is missing, invalid or different is a finding of :mod:`.indexes`, so it is skipped here. In small
    tables, only sequential scans are reported, because there the planner may choose any index.
    """
    broken = {plain(name) for name in indexes.broken(subject)}
    catalog = _Catalog.of(subject)
    finders: dict[tuple[str, str, str], dict[str, None]] = {}  # a dictionary keeps the order and has each finder once
    for probe in PROBES:
        for each in sorted(catalog.wrong(probe, _scans(subject, catalog, probe))):
            finders.setdefault(each, {})[probe.functions[0]] = None
    for (known_as, found, wanted), names in finders.items():
        table = subject.tables[EDGES if known_as == LIVE_EDGES else known_as]
        is_table = known_as not in SOURCE_OF or subject.binding.takes_objects(SOURCE_OF[known_as])
        if wanted in broken or not is_table:  # a view has no index of the package; the check of the mapping reports it
            continue
        index = named(subject.connection, wanted)
        what = f"for {', '.join(names)}, the planner reads {table.name} by {found} instead of index {index}"
        repair = f"VACUUM (ANALYZE) {table.name};\nREINDEX INDEX CONCURRENTLY {subject.quoted(table.schema)}.{index};"
        if known_as in _BY_ID:
            repair = index_of_id(subject.binding, SOURCE_OF[known_as], table.name)
        yield Finding("plans", "wrong", what, repair, table.name if known_as in _BY_ID else index)


@dataclass(frozen=True)
class _Catalog:
    """Properties of the tables that finders read, and of their indexes.

    ``known_as`` and ``pages`` have the names of tables and partitions as keys: the view that reads the table, and the
    size. ``table`` and ``whole`` have the names of indexes as keys: the table or partition of an index (a plan does not
    show it for a bitmap index scan), and the partitioned index that it is a part of.
    """

    known_as: dict[str, str]
    pages: dict[str, int]
    table: dict[str, str]
    whole: dict[str, str]

    @staticmethod
    def of(subject: Subject) -> _Catalog:
        read = {table.relname: known_as for known_as, table in subject.tables.items() if known_as != EDGES}
        oids = [table.oid for known_as, table in subject.tables.items() if known_as != EDGES]
        rows = subject.query("doctor/plan_indexes", {"tables": oids})
        return _Catalog(
            known_as={row.relation: read[row.table_name] for row in rows},
            pages={row.relation: row.pages for row in rows},
            table={plain(row.name): row.relation for row in rows if row.name is not None},
            whole={plain(row.name): row.whole for row in rows if row.whole is not None},
        )

    def scans(self, node: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
        """Yield the scans of a plan: the view of each table, and the index; None is a sequential scan."""
        index = plain(node.get("Index Name", ""))
        if index in NAME_INDEXES:  # no statement here needs the indexes of company names
            pass
        elif index in self.table:
            yield self.known_as[self.table[index]], self.whole.get(index, index)
        elif node["Node Type"] == "Seq Scan" and node["Relation Name"] in self.known_as:
            yield self.known_as[node["Relation Name"]], None
        for child in node.get("Plans", []):
            yield from self.scans(child)

    def wrong(self, probe: _Probe, scans: set[tuple[str, str | None]]) -> Iterator[tuple[str, str, str]]:
        """Yield each table that is read in another way than expected, how it is read, and the expected index."""
        pages: Counter[str] = Counter()
        for name, number in self.pages.items():
            pages[self.known_as[name]] += number
        for known_as in {known_as for known_as, _ in scans}:
            used = {index for table, index in scans if table == known_as}
            expected = [name for name in probe.expected if _VIEW_OF[name] == known_as]
            missing = [name for name in expected if name not in used]
            known = (_PAIRS, *probe.allowed, *expected)
            others = sorted(index for index in used if index is not None and index not in known)
            wanted = (missing or expected or ["an index of its id"])[0]
            if None in used:
                yield known_as, "a sequential scan", wanted
            elif expected and (others or missing) and pages[known_as] >= SMALL:
                # an index that is missing in the plan may be replaced by another expected one
                yield known_as, f"index {min(others or [index for index in used if index])}", wanted


def _scans(subject: Subject, catalog: _Catalog, probe: _Probe) -> set[tuple[str, str | None]]:
    """Return the scans in the plan of a statement."""
    connection = subject.connection
    statement = sqlfiles.query(f"doctor/plan_{probe.statement}")
    settings = dict.fromkeys(_ENABLED, "on")
    for function in probe.functions:
        settings |= versions.settings_of(function)
    with connection.transaction(force_rollback=True):  # the settings hold for this statement only
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, true)", (name, value))
        connection.execute(f"PREPARE {_NAME} (bigint, bigint, bigint) AS {statement}".encode())
        row = connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {_NAME} (1, 1, 1)".encode()).fetchone()
        connection.execute(f"DEALLOCATE {_NAME}".encode())
    assert row is not None
    return set(catalog.scans(row[0][0]["Plan"]))
