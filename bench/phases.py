"""The field's optimisation journey replayed on one machine: six phases of one search, as one table.

``python -m bench.phases`` writes ``bench/results/phases.md``. Each phase changes one thing of the phase before:

1. 25 edges a hop, 25 times the rows fetched, sorted outside the walk. The partial membership index was declared for
   ``source = 5`` while the query asks for six sources, so every probe falls back to a wide index over all rows.
2. 15 edges a hop.
3. The partial index broadened, its predicate that of the query: (contact_id, collection_id).
4. The same reversed: (collection_id, contact_id). From here on it is the package's own index.
5. Sorted in SQL, the over-fetch gone: ``deep_finder_v2``.
6. Level by level: ``deep_finder_v3``.

As it was: the limits, the drifted predicate beside the wide index, the order of columns, depth 4, 25 paths, anybody of
the largest collection, three hubs and three contacts of the field's degrees. Phases 1 to 3 read copies of the
membership with that phase's indexes and nothing else, in schemas dropped at the end; phases 4 to 6 the host's table.

Approximated:

- Phases 1 to 4 are ``deep_finder_v1``, for phases 1 to 3 with its names pointed at the copy. It has today's rules,
  order and planner settings, and does in SQL what the application did with the rows: details of every chain, the second
  sort (which, from PostgreSQL 17 on, reads no more of the rows fetched than it needs). So the phases differ by what is
  named above and by nothing else; the field's queries were others.
- Which columns the field's wide index had is not recorded. Here (contact_id, collection_id): a probe visits the table.
- One session a phase, nothing but the database, everything in memory. Reversing the index saves pages, not probes, and
  shows only where those pages are not in a cache: a column says how many they are for a call that finds none there.
  The made-up membership is nearly all one collection; where it is one of many, the old order spreads it further.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from bench.plans import accesses, nested_plans, plan_of
from bench.world import counts, environment, one, roomy, sizes, world
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, connect

RESULTS = Path(__file__).parent / "results" / "phases.md"
MAX_DEPTH, MAX_PATHS = 4, 25
ORDINARY_DEGREES = [225, 151, 41]  # the field's targets beside its three hubs

_SQL = Path(__file__).parent / "phases"
_PACKAGE, _DRIFTED, _BROADENED = "connection_paths", "bench_phases_drifted", "bench_phases_broadened"
_TABLES = {
    _PACKAGE: "public.user_contact_collections",
    _DRIFTED: f"{_DRIFTED}.members",
    _BROADENED: f"{_BROADENED}.members",
}
_COPIED = ("member_edges", "walk", "openers", "deep_finder")  # the functions over the membership, in this order
_OWN_NAMES = re.compile(rf"\b{_PACKAGE}\.(collection_members|member_edges|walk|openers|deep_finder_v1)\b")
_IDLE = re.compile(r"\(never executed\)|\(actual rows=0(?:\.00)? loops=")
_COST = re.compile(r"  \(cost=\S+ rows=\d+ width=\d+\)")


@dataclass(frozen=True)
class Phase:
    """One step of the journey, and what the field measured at it, in milliseconds."""

    number: int
    title: str
    edges_per_hop: int
    schema: str
    function: str
    index: str
    indexed: str
    field_database: tuple[int, ...] = ()  # of its six targets: "Database time alone, depth 4"
    field_p95: int | None = None  # "Finder latency, end to end", row v2 d4 mp25


PHASES = (
    Phase(
        1,
        "recursive walk, 25x over-fetch, drifted index",
        25,
        _DRIFTED,
        "deep_finder_v1",
        "members_wide",
        "(contact, collection), all rows",
        field_p95=22_987,
    ),
    Phase(
        2,
        "15 edges a hop",
        15,
        _DRIFTED,
        "deep_finder_v1",
        "members_wide",
        "(contact, collection), all rows",
        field_database=(2399, 524, 1632, 1137, 2280, 929),
        field_p95=21_867,
    ),
    Phase(
        3,
        "partial index broadened",
        15,
        _BROADENED,
        "deep_finder_v1",
        "members_broadened",
        "(contact, collection), partial",
        field_database=(1121, 121, 894, 863, 893, 516),
        field_p95=14_600,
    ),
    Phase(
        4,
        "partial index reversed",
        15,
        _PACKAGE,
        "deep_finder_v1",
        "idx_members_by_collection",
        "(collection, contact), partial",
        field_database=(48, 51, 53, 50, 43, 58),
        field_p95=341,
    ),
    Phase(
        5,
        "sorted in SQL, no over-fetch",
        15,
        _PACKAGE,
        "deep_finder_v2",
        "idx_members_by_collection",
        "(collection, contact), partial",
    ),
    Phase(
        6,
        "level by level",
        15,
        _PACKAGE,
        "deep_finder_v3",
        "idx_members_by_collection",
        "(collection, contact), partial",
    ),
)
BASE = PHASES[1]  # what the ratios are of: the first phase of which the field gives both figures


@dataclass(frozen=True)
class Question:
    """What every phase is asked: paths of the largest collection to each target (a contact and its degree)."""

    collection: int
    members: int
    viewer: int
    targets: tuple[tuple[int, int], ...]


@dataclass
class Cell:
    """One phase, one target; ``rows`` is None when the time limit was hit, and the rest then means nothing."""

    rows: list[tuple[Any, ...]] | None = None
    milliseconds: list[float] = field(default_factory=list)
    buffers: int = 0
    probes: int = 0
    cold_pages: int | None = None
    plan: str = ""

    @property
    def median(self) -> float:
        """Milliseconds of the middle run, infinite when the limit was hit."""
        return math.inf if self.rows is None else statistics.median(self.milliseconds)


#: By phase number, a cell for each target in the question's order.
Cells = dict[int, list[Cell]]


def read(name: str) -> LiteralString:
    """Return a file of ``bench/phases``: as trusted as a literal in the code."""
    text: LiteralString = (_SQL / name).read_text(encoding="utf-8")
    return text


def question(connection: Connection) -> Question:
    """Choose collection, viewer and targets from the world that is there."""
    largest = connection.execute(read("collection.sql")).fetchone()
    targets = connection.execute(read("targets.sql"), {"degrees": ORDINARY_DEGREES}).fetchall()
    if largest is None or not targets:
        raise SystemExit("no collection or no edges in this world: nothing to measure")
    collection, members, viewer = largest
    return Question(collection, members, viewer, tuple((contact, degree) for contact, degree in targets))


@contextmanager
def copies(dsn: str) -> Iterator[None]:
    """Keep the schemas of phases 1 to 3 for the length of the block; what a killed run left behind goes first."""
    with connect(dsn) as connection:
        path = one(connection, "SELECT current_setting('search_path')")
        try:
            for schema, indexes in ((_DRIFTED, "drifted.sql"), (_BROADENED, "broadened.sql")):
                drop(connection, schema)
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
                connection.execute("SELECT set_config('search_path', %s, false)", (f"{schema}, {path}",))
                connection.execute(read("membership.sql"))
                connection.execute(read(indexes))
                connection.execute("VACUUM (ANALYZE) members")
                for function in _COPIED:
                    released = sqlfiles.function(function)
                    connection.execute(_OWN_NAMES.sub(rf"{schema}.\1", released).encode())
            connection.execute("VACUUM (ANALYZE) public.user_contact_collections")  # index-only scans, as in the copies
            yield
        finally:
            for schema in (_DRIFTED, _BROADENED):
                drop(connection, schema)


def drop(connection: Connection, schema: str) -> None:
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def call(phase: Phase, asked: Question, target: int) -> tuple[bytes, tuple[int, ...]]:
    """Return the statement of a phase and its parameters."""
    statement = (
        f"SELECT * FROM {phase.schema}.{phase.function}(%s, %s, %s, {MAX_DEPTH}, {MAX_PATHS}, 'any',"
        f" {phase.edges_per_hop})"
    )
    return statement.encode(), (target, asked.collection, asked.viewer)


def measure(dsn: str, asked: Question, runs: int, timeout: int) -> Cells:
    """Call every phase for every target once, compare rows, time *runs* interleaved blocks, then look at plans.

    A session a phase, kept to the end: after six targets its plans are what they stay, and what is explained last
    is what was timed.
    """
    cells: Cells = {phase.number: [Cell() for _ in asked.targets] for phase in PHASES}
    with ExitStack() as stack:
        sessions = {
            phase.number: stack.enter_context(connect(dsn, settings={"statement_timeout": f"{timeout}s"}))
            for phase in PHASES
        }
        evict = stack.enter_context(evictor(dsn))
        everything = [
            (sessions[phase.number], phase, target, cells[phase.number][position])
            for position, (target, _) in enumerate(asked.targets)
            for phase in PHASES
        ]
        for session, phase, target, cell in everything:
            with limited(cell, f"phase {phase.number}, contact {target}: stopped after {timeout} s"):
                cell.rows = session.execute(*call(phase, asked, target)).fetchall()
        compare(cells, asked)
        for run in range(runs):
            for session, phase, target, cell in everything if run % 2 == 0 else reversed(everything):
                if cell.rows is not None:
                    with limited(cell, f"phase {phase.number}, contact {target}: stopped after {timeout} s"):
                        take_time(session, phase, asked, target, cell)
        for session, phase, target, cell in everything:
            if cell.rows is not None:
                session.execute("SET statement_timeout = 0")  # it has kept to the limit; auto_explain slows it
                cold = evict(_TABLES[phase.schema])
                explain(session, phase, asked, target, cell)
                if not cold:
                    cell.cold_pages = None
    return cells


@contextmanager
def limited(cell: Cell, message: str) -> Iterator[None]:
    """Let the statement of the block hit the time limit: it empties *cell*."""
    try:
        yield
    except psycopg.errors.QueryCanceled:
        cell.rows = None
        print(message)


def compare(cells: Cells, asked: Question) -> None:
    """Exit unless the phases that mean the same, all with 15 edges a hop, returned the same rows."""
    for position, (target, _) in enumerate(asked.targets):
        answers = {
            phase.number: rows
            for phase in PHASES
            if phase.edges_per_hop == BASE.edges_per_hop and (rows := cells[phase.number][position].rows) is not None
        }
        different = [number for number, rows in answers.items() if rows != next(iter(answers.values()))]
        if different:
            raise SystemExit(
                f"contact {target}: phases {different} return other rows than phase {min(answers)}; nothing to compare"
            )


def take_time(session: Connection, phase: Phase, asked: Question, target: int, cell: Cell) -> None:
    """Add a timed call to *cell*: the server's own time, and the shared buffers of everything inside."""
    statement, parameters = call(phase, asked, target)
    explained = one(session, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement.decode(), parameters)[0]
    cell.milliseconds.append(explained["Execution Time"])
    cell.buffers = explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"]


def explain(session: Connection, phase: Phase, asked: Question, target: int, cell: Cell) -> None:
    """Look at the plans inside a call; exits when the membership was read by other means than the phase's index."""
    table = _TABLES[phase.schema].rpartition(".")[2]
    with nested_plans(session) as messages:
        session.execute(*call(phase, asked, target))
    plans = [plan_of(message) for message in messages]
    membership = accesses(plans, table)
    if membership.by != {phase.index}:
        raise SystemExit(
            f"phase {phase.number}, contact {target}: the membership was read by"
            f" {', '.join(sorted(membership.by)) or 'nothing'}, not by {phase.index} alone"
        )
    cell.probes, cell.cold_pages = membership.scans, membership.pages_read
    cell.plan = max(plans, key=lambda plan: accesses([plan], table).scans)


@contextmanager
def evictor(dsn: str) -> Iterator[Callable[[str], bool]]:
    """Yield what empties the cache of a table and its indexes; it returns False where the server cannot (before 18)."""
    with connect(dsn) as connection:
        able = one(connection, "SELECT current_setting('server_version_num')::integer >= 180000") and one(
            connection, "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_buffercache')"
        )
        if able:  # it goes with the schema, unless it was there before
            connection.execute(f"CREATE EXTENSION IF NOT EXISTS pg_buffercache SCHEMA {_DRIFTED}".encode())
            schema = one(
                connection, "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'pg_buffercache'"
            )
            connection.execute(
                "SELECT set_config('search_path', current_setting('search_path') || ', ' || %s, false)", (schema,)
            )

        def evict(table: str) -> bool:
            if able:
                connection.execute(read("evict.sql"), {"table": table})
            return bool(able)

        yield evict


def milliseconds(value: float, timeout: int) -> str:
    if math.isinf(value):
        return f"> {timeout * 1000:,}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def ratio(value: float, base: float) -> str:
    return f"{value / base:.3f}" if math.isfinite(value) and math.isfinite(base) else "–"


def middle(values: Sequence[int]) -> str:
    return f"{statistics.median(values):,.0f}" if values else "–"


def journey(cells: Cells, timeout: int) -> str:
    """Return the phases as a Markdown table, the field's figures beside."""
    lines = [
        "| phase | edges a hop | membership index | median ms | max ms | of phase 2 | shared buffers"
        " | membership probes | membership pages | rows returned"
        " | field: database, median / max ms | of phase 2 | field: p95 ms | of phase 2 |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    base = statistics.median(cell.median for cell in cells[BASE.number])
    for phase in PHASES:
        column = cells[phase.number]
        done = [cell for cell in column if cell.rows is not None]
        stopped = f" ({len(column) - len(done)} of {len(column)} targets stopped)" if len(done) < len(column) else ""
        median = statistics.median(cell.median for cell in column)
        database = statistics.median(phase.field_database) if phase.field_database else None
        fields = [
            f"{phase.number} {phase.title}{stopped}",
            str(phase.edges_per_hop),
            phase.indexed,
            milliseconds(median, timeout),
            milliseconds(max(cell.median for cell in column), timeout),
            ratio(median, base),
            middle([cell.buffers for cell in done]),
            middle([cell.probes for cell in done]),
            middle([cell.cold_pages for cell in done if cell.cold_pages is not None]),
            middle([len(cell.rows or ()) for cell in done]),
            f"{database:,.0f} / {max(phase.field_database):,}" if database else "–",
            ratio(database, statistics.median(BASE.field_database)) if database else "–",
            f"{phase.field_p95:,}" if phase.field_p95 else "–",
            ratio(phase.field_p95, BASE.field_p95) if phase.field_p95 and BASE.field_p95 else "–",
        ]
        lines.append(f"| {' | '.join(fields)} |")
    return "\n".join(lines)


def by_target(cells: Cells, asked: Question, timeout: int) -> str:
    """Return each target's median milliseconds as a Markdown table, a column a phase."""
    lines = [
        f"| target (degree) | {' | '.join(f'phase {phase.number}' for phase in PHASES)} |",
        f"|---|{'---:|' * len(PHASES)}",
    ]
    for position, (target, degree) in enumerate(asked.targets):
        medians = (milliseconds(cells[phase.number][position].median, timeout) for phase in PHASES)
        lines.append(f"| {target} ({degree:,}) | {' | '.join(medians)} |")
    return "\n".join(lines)


def walk_of(plan: str) -> str:
    """Trim *plan* to its recursive walk, if it has one, without costs and without nodes that gave no rows."""
    lines = plan.splitlines()
    start = next((number for number, line in enumerate(lines) if "Recursive Union" in line), 0)
    kept: list[str] = []
    below: int | None = None  # lines indented deeper than this belong to a node that is left out
    for line in lines[start:]:
        indent = len(line) - len(line.lstrip())
        if start and kept and indent <= len(lines[start]) - len(lines[start].lstrip()):
            break
        if below is not None and indent > below:
            continue
        below = indent if _IDLE.search(line) else None
        if below is None:
            kept.append(_COST.sub("", line))
    return textwrap.dedent("\n".join(kept))


def plans_of(cells: Cells, asked: Question) -> list[str]:
    """Return a section a phase with the walk's plan for the first target, the greatest hub."""
    target, degree = asked.targets[0]
    sections = [
        f"## The walk's plans, target {target} (degree {degree:,})",
        "Once more in the sessions that were timed, on PostgreSQL 18 with none of the membership in the cache; nodes"
        " that gave no rows are left out. Where a call is several statements, the one with the most probes.",
    ]
    for phase in PHASES:
        cell = cells[phase.number][0]
        plan = f"```\n{walk_of(cell.plan)}\n```" if cell.rows is not None else "None: it did not finish."
        sections.append(f"### Phase {phase.number}: {phase.title}\n\n{plan}")
    return sections


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.phases", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contacts", type=int, default=60_000, help="size of the world (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which world of that size (%(default)s)")
    parser.add_argument("--runs", type=int, default=9, help="timed calls of each phase and target (%(default)s)")
    parser.add_argument("--statement-timeout", type=int, default=60, help="seconds a call may take (%(default)s)")
    parser.add_argument("--dsn", help="measure in this database, as a superuser, instead of a private server")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the results go (bench/results/phases.md)")
    given = parser.parse_args()

    with world(given.contacts, given.seed, given.dsn, edges=True, settings=roomy(given.contacts)) as dsn:
        with connect(dsn) as connection:
            size, facts, bytes_of = counts(connection), environment(connection), sizes(connection)
            edges = one(connection, "SELECT count(*) FROM connection_paths.contact_connections")
            memberships = one(connection, "SELECT count(*) FROM connection_paths.collection_members")
            asked = question(connection)
        with copies(dsn):
            cells = measure(dsn, asked, given.runs, given.statement_timeout)

    phases, targets = journey(cells, given.statement_timeout), by_target(cells, asked, given.statement_timeout)
    print(phases, targets, sep="\n\n")
    of_world = "--dsn …" if given.dsn else f"--contacts {given.contacts} --seed {given.seed}"
    text = [
        "# The field's journey, phase by phase",
        f"`python -m bench.phases {of_world} --runs {given.runs} --statement-timeout {given.statement_timeout}`",
        f"World: {size.contacts:,} contacts, {size.organizations:,} organizations, {size.experiences:,} usable"
        f" experiences, {edges:,} edges, {memberships:,} memberships; "
        + ", ".join(f"{name} {number / 1024**2:,.1f} MB" for name, number in bytes_of.items())
        + f". Collection {asked.collection} ({asked.members:,} members), viewer {asked.viewer}, depth {MAX_DEPTH},"
        f" {MAX_PATHS} paths, `any`.",
        phases,
        "Of each target's runs the median was taken; the table has the median and the maximum of those over the"
        " targets, and the median of the other columns. Milliseconds and buffers are `EXPLAIN (ANALYZE, BUFFERS)` of"
        " the call, warm; probes are the scans of the membership's index in the plans inside it; pages are those of the"
        " membership, its index included, that one call reads when the cache holds none of them (PostgreSQL 18 can"
        " tell). The phases with 15 edges a hop returned the same rows.",
        "The field's columns are from its own figures (`figures.md`): “Database time alone, depth 4”, six targets, with"
        " 15 edges a hop as far as it says, the last of them warm; and “Finder latency, end to end”, row v2 d4 mp25, 10"
        " virtual users, of which the last could not be reproduced later. Another machine, other data, other queries:"
        " only the shape compares. What is replayed and what is approximated is told at the top of `bench/phases.py`.",
        targets,
        ", ".join(f"{name} {value}" for name, value in facts.items()) + ".",
        *plans_of(cells, asked),
    ]
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text("\n\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
