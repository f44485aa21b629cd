"""What distributed edges cost: the same calls, backfills and sync on one server and on a Citus cluster, in turns.

``python -m bench.citus ONE DISTRIBUTED`` compares two databases with the same host tables, for example made by
``orchestrator seed synthetic`` with the same options: ONE with an ordinary installation, DISTRIBUTED with
``install --distributed``. All servers must run on this machine, because the processor time comes from /proc; it is that
of all processes of a server, which also counts what ended meanwhile. Only this benchmark may use these servers. Other
processes may use the machine, so compare ratios. The rows of all calls, and the edges after all writes, are compared.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from orchestrator.core.errors import OrchestratorError
from orchestrator.rebuild import rebuild

_TICKS = os.sysconf("SC_CLK_TCK")  # of /proc, in a second
_CALL = (
    "SELECT * FROM connection_paths.deep_finder(%s, %s, %s, max_depth => %s, max_paths => %s, order_by => %s,"
    " min_strength => %s)"
)
_CHANGED = "UPDATE public.contact_work_experiences SET date_to = date_from + %s WHERE contact_id = ANY (%s)"
_EDGES = (
    "SELECT count(*), sum(hashtextextended(concat_ws(' ', c.contact_a_id, c.contact_b_id, c.kind, c.strength,"
    " c.shared_organizations, c.organization_id, c.date_from, c.date_to, c.earlier_days, c.people), 0)::numeric)"
    " FROM connection_paths.contact_connections AS c"
)
_EXPERIENCES = "SELECT count(*), sum(hashtextextended(w::text, 0)::numeric) FROM public.contact_work_experiences AS w"
_WORKERS = "SELECT nodename, nodeport FROM pg_catalog.pg_dist_node WHERE groupid <> 0 AND noderole = 'primary'"
_POSTMASTER = "SELECT pg_read_file('postmaster.pid', 0, 10)"
_BLOCK = 25  # calls


@dataclass
class Sample:
    """Wall time, and processor time of the coordinator (or the one server) and of each worker, in seconds."""

    wall: float
    coordinator: float
    workers: list[float]

    @property
    def processor(self) -> float:
        """The processor time of all servers."""
        return self.coordinator + sum(self.workers)


@dataclass
class Side:
    """One of the two databases: a session, the postmaster of each of its servers, and what was measured."""

    dsn: str
    connection: psycopg.Connection[Any]
    postmasters: list[int]
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    calls: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, dsn: str) -> Side:
        """Connect to a database; the first postmaster is that of this server, and the others are those of workers."""
        connection = psycopg.connect(dsn, autocommit=True)
        workers: Sequence[Any] = ()
        if connection.execute("SELECT to_regclass('pg_catalog.pg_dist_node') IS NOT NULL").fetchone() == (True,):
            workers = connection.execute(_WORKERS).fetchall()
        servers = [dsn, *(make_conninfo(dsn, host=name, port=port) for name, port in workers)]
        return cls(dsn, connection, [_postmaster(each) for each in servers])

    def measured(self, what: str, work: Callable[[], Any]) -> Any:
        """Return the result of *work*, and add its time."""
        before, started = [_processor(pid) for pid in self.postmasters], time.monotonic()
        result = work()
        wall = time.monotonic() - started
        spent = [_processor(pid) - seconds for pid, seconds in zip(self.postmasters, before, strict=True)]
        self.samples.setdefault(what, []).append(Sample(wall, spent[0], spent[1:]))
        return result

    def mean(self, what: str) -> Sample:
        """Return the mean of the samples."""
        found = self.samples[what]
        workers = [statistics.fmean(each) for each in zip(*(sample.workers for sample in found), strict=True)]
        wall, coordinator = (
            statistics.fmean(each) for each in zip(*((s.wall, s.coordinator) for s in found), strict=True)
        )
        return Sample(wall, coordinator, workers)


def _postmaster(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        (text,) = connection.execute(_POSTMASTER).fetchone() or ("",)
    return int(text.split()[0])


def _processor(postmaster: int) -> float:
    """Return the processor time of a server in seconds: of its processes, and of those that have ended."""
    text = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
    total = sum(_ticks(postmaster, (11, 12, 13, 14)))
    for child in text.split():
        total += sum(_ticks(int(child), (11, 12)))
    return total / _TICKS


def _ticks(pid: int, places: tuple[int, ...]) -> list[int]:
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(words[place]) for place in places]


def calls(one: Side, distributed: Side, number: int, seed: int) -> int:
    """Make the same random calls on both sides, in blocks for one depth; return how many answers differ."""
    chosen = random.Random(seed)
    contacts = [row[0] for row in one.connection.execute("SELECT id FROM public.contacts ORDER BY id")]
    viewers = one.connection.execute(
        "SELECT DISTINCT collection_id, user_id FROM connection_paths.collection_members ORDER BY 1, 2"
    ).fetchall()
    different = 0
    for block in range(number // _BLOCK):
        depth = 2 + block % 3
        words = []
        for _ in range(_BLOCK):
            collection, viewer = chosen.choice(viewers)
            words.append(
                (
                    chosen.choice(contacts), collection, viewer, depth, chosen.choice((5, 25, 100)),
                    chosen.choice(("recency", "recency", "strength")), chosen.choice((None, None, 30)),
                )
            )  # fmt: skip
        answers = []
        for side in (one, distributed) if block % 2 else (distributed, one):
            what = f"depth {depth}"
            rows = side.measured(what, lambda: [_timed(side, what, each) for each in words])  # noqa: B023
            answers.append(rows)
        different += sum(first != second for first, second in zip(*answers, strict=True))
    return different


def _timed(side: Side, what: str, words: tuple[Any, ...]) -> list[Any]:
    started = time.monotonic()
    rows = side.connection.execute(_CALL, words).fetchall()
    side.calls.setdefault(what, []).append(time.monotonic() - started)
    return rows


def writes(one: Side, distributed: Side, rounds: int) -> bool:
    """Do the same backfills and syncs on both sides, in turns; return whether the edges are the same afterwards.

    The size class of an organization depends on when its people were counted: 8 people stay in class 5 or in class 10.
    So both sides must begin with the same work experiences and without counts.
    """
    found = [side.connection.execute(_EXPERIENCES).fetchone() for side in (one, distributed)]
    if found[0] != found[1]:
        raise OrchestratorError("the two databases have different work experiences; fill both again with the same seed")
    for side in (one, distributed):
        side.connection.execute("DELETE FROM connection_paths.organization_sizes")
    rows = one.connection.execute("SELECT id FROM public.contacts ORDER BY hashint8(id) LIMIT 300").fetchall()
    contacts = [row[0] for row in rows]
    for number in range(rounds):
        sides = (one, distributed) if number % 2 else (distributed, one)
        for side in sides:
            side.connection.execute("TRUNCATE connection_paths.contact_connections")
            backfill(side, "in_place", "in place, from empty")
        for side in sides:
            backfill(side, "in_place", "in place, nothing to change")
        for side in sides:
            backfill(side, "rebuild", "rebuild")
        for days in (400, 800):
            for side in sides:
                sync(side, contacts, days + number)
    found = [side.connection.execute(_EDGES).fetchone() for side in (one, distributed)]
    return found[0] == found[1]


def backfill(side: Side, strategy: str, what: str) -> None:
    """Do a whole run in one session."""
    connection = side.connection

    def work() -> None:
        (run_id,) = connection.execute("SELECT connection_paths.create_run(%s)", (strategy,)).fetchone() or (0,)
        while row := connection.execute("SELECT * FROM connection_paths.claim_batch(%s)", (run_id,)).fetchone():
            connection.execute("SELECT connection_paths.do_batch(%s, %s, %s)", (run_id, *row[:2]))
        if strategy == "rebuild":
            rebuild.complete(side.dsn, connection, run_id, workers=1)
        connection.execute("SELECT connection_paths.finish_run(%s)", (run_id,))

    side.measured(what, work)


def sync(side: Side, contacts: list[int], days: int) -> None:
    """Change careers, and refresh the edges of these contacts."""
    connection = side.connection
    connection.execute(_CHANGED, (days, contacts))

    def work() -> None:
        while connection.execute("SELECT taken FROM connection_paths.sync_changes(50)").fetchone() != (0,):
            pass

    side.measured(f"sync of {len(contacts)} contacts", work)


def report(one: Side, distributed: Side) -> None:
    """Print what was measured, and what more workers would bring."""
    workers = len(distributed.postmasters) - 1
    print("| | one server, ms | distributed, ms | wall | processor |")
    print("|---|---:|---:|---:|---:|")
    for what, samples in one.samples.items():
        noun = f"a block of {_BLOCK}, " if what in one.calls else ""
        if what in one.calls:
            _print_calls(what, one.calls[what], distributed.calls[what])
        walls = [statistics.median(sample.wall for sample in side.samples[what]) for side in (one, distributed)]
        processor = distributed.mean(what).processor / max(one.mean(what).processor, 1 / _TICKS)
        print(f"| {what}, {noun}median of {len(samples)} | {_row(*walls)} | {processor:.1f} |")

    print("\nProcessor time: of one server in the mean, and of the cluster as a multiple of that.\n")
    print(f"| | one server, ms | coordinator | {workers} workers together |")
    print("|---|---:|---:|---:|")
    shares = {}
    for what in one.samples:
        whole = max(one.mean(what).processor, 1 / _TICKS)
        ours = distributed.mean(what)
        shares[what] = ours.coordinator / whole, sum(ours.workers) / whole
        print(f"| {what} | {1000 * whole:,.0f} | {shares[what][0]:.2f} | {shares[what][1]:.2f} |")

    print(
        "\nBy calculation, if each server has as many cores as the one, the work of the workers is divided evenly among"
    )
    print("them, and coordinator and workers take turns: multiples of one server.\n")
    numbers = (1, 2, 3)
    names = [f"{number} worker{'s' * (number > 1)}" for number in numbers]
    heads = [f"{what}, {name}" for what in ("most in a second", "time") for name in names]
    print(f"| | {' | '.join(heads)} |")
    print("|---|" + "---:|" * 2 * len(numbers))
    for what, (coordinator, together) in shares.items():
        most = [f"{1 / max(coordinator, together / number, 0.01):.2f}" for number in numbers]
        least = [f"{coordinator + together / number:.2f}" for number in numbers]
        print(f"| {what} | {' | '.join(most)} | {' | '.join(least)} |")


def _print_calls(what: str, one: list[float], distributed: list[float]) -> None:
    print(
        f"| {what}, a call, median of {len(one)} | {_row(statistics.median(one), statistics.median(distributed))} | |"
    )
    worst = [statistics.quantiles(each, n=20)[-1] for each in (one, distributed)]
    print(f"| {what}, a call, p95 | {_row(*worst)} | |")


def _row(one: float, distributed: float) -> str:
    return f"{1000 * one:,.1f} | {1000 * distributed:,.1f} | {distributed / one:.1f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one")
    parser.add_argument("distributed")
    parser.add_argument("--calls", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--writes", type=int, default=0, metavar="ROUNDS",
        help="also measure backfills and sync, this many times in turns; they change both databases",
    )  # fmt: skip
    given = parser.parse_args()
    one, distributed = Side.of(given.one), Side.of(given.distributed)
    is_same = writes(one, distributed, given.writes) if given.writes else True
    kept = [dict(side.samples) for side in (one, distributed)]
    calls(one, distributed, 3 * _BLOCK, given.seed + 1)  # connections, plans and caches
    for side, samples in zip((one, distributed), kept, strict=True):
        side.samples = samples
        side.calls.clear()
    different = calls(one, distributed, given.calls, given.seed)
    report(one, distributed)
    load = os.getloadavg()[0]
    print(f"\n{given.calls} calls, {different} of them with other rows. Load {load:.0f} at the end.")
    if given.writes:
        print(f"After the writes, the edges were {'the same' if is_same else 'not the same'}.")
    if different or not is_same:
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except OrchestratorError as error:
        sys.exit(f"Error: {error}")
