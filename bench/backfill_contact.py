"""How much faster backfill_contact is than its first generation, on the heaviest contact of a synthetic world.

``python -m bench.backfill_contact`` writes ``bench/results/backfill_contact.md``. Both functions start from the same
state: the edges of the contact are deleted in a transaction that is rolled back after the call. Blocks take turns, and
the ratio is of the medians of one run. Milliseconds of different machines cannot be compared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench import generations
from bench.plans import Work, nested_plans, read_plan
from bench.world import counts, environment, one, world
from orchestrator.core.database import Connection, connect

RESULTS = Path(__file__).parent / "results" / "backfill_contact.md"
FUNCTIONS = ("generations.backfill_contact_v1", "connection_paths.backfill_contact")
_CANDIDATES = 20  # contacts with the most experiences, of whom the one with the most edges is taken


@dataclass
class FunctionRuns:
    """The runs of one function; ``work`` and ``edges`` are None when the time limit stopped it."""

    milliseconds: list[float] = field(default_factory=list)
    work: Work | None = None
    edges: tuple[int, int] | None = None  # how many, and a hash over them

    @property
    def median(self) -> float:
        """Milliseconds of the middle run."""
        return statistics.median(self.milliseconds)


def heaviest(connection: Connection) -> tuple[int, int, int]:
    """Return the contact with the most edges, its experiences and its edges."""
    busiest = connection.execute(
        "SELECT e.contact_id, count(*) FROM connection_paths.work_experiences AS e"
        " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %s",
        (_CANDIDATES,),
    ).fetchall()
    edges = "SELECT count(*) FROM connection_paths.work_overlaps(%s)"
    return max(
        ((contact, experiences, one(connection, edges, (contact,))) for contact, experiences in busiest),
        key=lambda found: (found[2], -found[0]),
    )


def call(connection: Connection, function: str, contact: int) -> tuple[float, tuple[int, int]]:
    """Make all edges of the contact and roll that back; return milliseconds, and the number and a hash of the edges."""
    with connection.transaction(force_rollback=True):
        connection.execute(
            "DELETE FROM connection_paths.contact_connections AS c"
            " WHERE %(contact)s IN (c.contact_a_id, c.contact_b_id)",
            {"contact": contact},
        )
        connection.execute("DISCARD PLANS")  # so that the plan is made for this contact
        started = time.perf_counter()
        number = one(connection, f"SELECT {function}(%s)", (contact,))
        elapsed = (time.perf_counter() - started) * 1000
        checksum = one(
            connection,
            "SELECT sum(hashtextextended(ROW(c.contact_a_id, c.contact_b_id, c.organization_id, c.date_from,"
            " c.date_to)::text, 0)) FROM connection_paths.contact_connections AS c",
        )
    connection.execute("VACUUM connection_paths.contact_connections")  # so that the next call reads no dead rows
    return elapsed, (number, int(checksum or 0))


def explain(connection: Connection, function: str, contact: int) -> tuple[Work, tuple[int, int]]:
    """Call once under auto_explain; return the work of the query inside the function."""
    with nested_plans(connection) as messages:
        _, edges = call(connection, function, contact)
    inside = [text for text in messages if "Insert on contact_connections" in text]
    if len(inside) != 1:
        raise SystemExit(f"expected one plan of {function}, got {len(inside)}")
    return read_plan(inside[0]), edges


def measure(dsn: str, contact: int, runs: int, timeout: int) -> dict[str, FunctionRuns]:
    """Explain each function once, which also warms the cache, then time *runs* blocks that take turns."""
    measured = {function: FunctionRuns() for function in FUNCTIONS}
    with connect(dsn, settings={"statement_timeout": f"{timeout}s"}) as connection:
        for function, result in measured.items():
            try:
                result.work, result.edges = explain(connection, function, contact)
            except psycopg.errors.QueryCanceled:
                print(f"{function} was stopped after {timeout} s")
    if len({result.edges for result in measured.values() if result.edges}) > 1:
        raise SystemExit("The two functions made different edges. There is nothing to compare.")
    finished = [function for function in FUNCTIONS if measured[function].work]
    with connect(dsn, settings={"statement_timeout": f"{2 * timeout}s"}) as connection:
        for function in finished:
            call(connection, function, contact)  # a session's first call also fills its catalog caches
        for run in range(runs):
            for function in finished if run % 2 == 0 else reversed(finished):
                measured[function].milliseconds.append(call(connection, function, contact)[0])
    return measured


def table(measured: dict[str, FunctionRuns], timeout: int) -> str:
    """Return the comparison as a Markdown table and a sentence."""
    lines = [
        "| function | ms, each run | median ms | rows read by scans | rows out of all nodes | shared buffers |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for function, result in measured.items():
        if result.work is None:
            lines.append(f"| {function} | stopped after {timeout} s | > {timeout * 1000:,} | | | |")
            continue
        each = ", ".join(f"{value:,.0f}" for value in result.milliseconds)
        work = result.work
        lines.append(
            f"| {function} | {each} | {result.median:,.0f} | {work.rows_read:,} | {work.rows_all:,}"
            f" | {work.buffers:,} |"
        )
    first, second = (measured[function] for function in FUNCTIONS)
    lines.append("")
    if second.work is None:
        lines.append("No ratio: both functions were stopped.")
    elif first.work is None:
        bound = timeout * 1000 / second.median
        lines.append(f"Ratio of medians: more than **{bound:,.0f}x** (the time limit over the median of the second).")
    else:
        lines.append(
            f"Ratio of medians **{first.median / second.median:,.1f}x**, of rows read"
            f" {first.work.rows_read / max(1, second.work.rows_read):,.1f}x, of shared buffers"
            f" {first.work.buffers / max(1, second.work.buffers):,.1f}x."
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.backfill_contact", description=__doc__)
    parser.add_argument("--contacts", type=int, default=20_000, help="size of the world (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which world of that size (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="timed calls of each function (%(default)s)")
    parser.add_argument("--statement-timeout", type=int, default=600, help="seconds a call may take (%(default)s)")
    parser.add_argument("--dsn", help="measure in this database, as a superuser, instead of a private server")
    given = parser.parse_args()

    with world(given.contacts, given.seed, given.dsn) as dsn:
        with connect(dsn) as connection:
            generations.install(connection)
            size, facts = counts(connection), environment(connection)
            contact, experiences, edges = heaviest(connection)
        print(f"contact {contact}: {experiences} experiences, {edges:,} edges")
        measured = measure(dsn, contact, given.runs, given.statement_timeout)

    both = all(result.work for result in measured.values())
    agreed = "Both made the same edges. " if both else ""
    compared = table(measured, given.statement_timeout)
    print(compared)
    text = [
        "# backfill_contact and its first generation, on the heaviest contact",
        f"`python -m bench.backfill_contact --contacts {given.contacts} --seed {given.seed} --runs {given.runs}"
        f" --statement-timeout {given.statement_timeout}`",
        f"World: {size.contacts:,} contacts, {size.organizations:,} organizations, {size.experiences:,} usable"
        f" experiences, no edges yet. Contact {contact}: {experiences} experiences, {edges:,} edges, all of them"
        " written by each call and rolled back.",
        compared,
        f"{agreed}Rows and buffers are those of the query inside the function, planned for this contact. Other"
        " processes may have used the machine at the same time, so only the ratios count.",
        ", ".join(f"{name} {value}" for name, value in facts.items()) + ".",
    ]
    for function, result in measured.items():
        plan = result.work.plan if result.work else "none: it did not finish"
        text.append(f"## Plan of {function}\n\n```\n{plan}\n```")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
