"""How fast deep_finder is against its earlier generations, cell by cell, in a synthetic world with all its edges.

``python -m bench.walk`` writes ``bench/results/walk.md``. A cell is a collection, a scope (any user may open a path,
or only the viewer with the most or the fewest contacts in the collection), a depth, a number of paths and a class of
targets. The versions are called in turns on one connection, prepared, and their order is swapped from round to round.
The last version is the one that the objectives are about.

Before that, rows are compared, and one difference ends the program: the rows of the generations (``v1``, ``v2``,
``v3``) with each other, and those of all other versions with ``generations.recursive_finder``, which is today's meaning
in its plainest form. ``strength`` is the installed finder in the other order; nothing is compared with its rows here.
The other names in ``bench.finders.VARIANTS`` are the installed finder with a filter that leaves nothing out.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from bench import first_calls, generations, throughput
from bench.cells import HUB, RANDOM, Cell, cells, collections, targets
from bench.finders import (
    INSTALLED,
    STRENGTH,
    VARIANTS,
    CallResult,
    Samples,
    call,
    clock_of,
    open_session,
    require,
    round_trip,
)
from bench.measured import CellResult, Measured, WorldAndMachine
from bench.objectives import objectives
from bench.walk_report import objectives_table, report
from bench.world import counts, environment, one, server_settings, sizes, warm, world
from orchestrator.core.database import Connection, connect
from orchestrator.core.errors import OrchestratorError

RESULTS = Path(__file__).parent / "results" / "walk.md"
THROUGHPUT, FIRST_CALLS = "throughput", "first calls"
EXPECTED = f"{generations.SCHEMA}.recursive_finder"
_COLUMNS = 7  # that every version returns; the generations know no strength
_WARM_CALLS = 8  # at least, because plans may become generic at the sixth call
_LEAST_SECONDS = 0.2  # that a cell is timed, so that a disturbance of some milliseconds is a small part of it


def measure_cell(
    dsn: str, cell: Cell, drawn: Sequence[int], versions: Sequence[str], repeats: int, timeout: int, *, cpu: bool
) -> CellResult:
    """Compare the rows of all versions for each target, then time them.

    A cell has a connection of its own, so that it does not depend on the cells before. The comparison warms it up. Each
    version is called *repeats* times for each target, and more often until the cell has taken a fifth of a second.
    """
    requests = [cell.arguments(target) for target in drawn]
    samples = {version: Samples() for version in versions}
    rows = changed = uncompared = 0
    with open_session(dsn, [*versions, EXPECTED], timeout) as connection:
        clock = clock_of(connection, cpu=cpu)
        for target, request in zip(drawn, requests, strict=True):
            answers = {version: call(connection, version, request) for version in (EXPECTED, *versions)}
            compare(cell, target, {name: answers[name] for name in answers if name in generations.FINDERS})
            others = {*answers} - {*generations.FINDERS, STRENGTH}
            compare(cell, target, {name: answers[name] for name in answers if name in others})
            judged = _shared(answers[versions[-1]]) or ()
            rows += len(judged)
            changed += any(
                _shared(answers[name]) not in (None, judged) for name in versions if name in generations.FINDERS
            )
            uncompared += any(answer.rows is None for answer in answers.values())
        for _ in range(len(requests), _WARM_CALLS):
            for version in versions:
                call(connection, version, requests[0])
        enough = time.monotonic() + _LEAST_SECONDS
        for repeat in count():  # the outer loop, so that a disturbance does not hit all calls of one target
            if repeat >= repeats and time.monotonic() > enough:
                break
            for number, (target, request) in enumerate(zip(drawn, requests, strict=True)):
                for version in versions if (number + repeat) % 2 == 0 else reversed(versions):
                    samples[version].add(target, call(connection, version, request, clock))
    return CellResult(cell, rows / len(drawn), changed, uncompared, samples)


def compare(cell: Cell, target: int, answers: dict[str, CallResult]) -> None:
    """End the program when versions returned different rows. A version that was stopped has no rows to compare."""
    found = {version: rows for version, answer in answers.items() if (rows := _shared(answer)) is not None}
    if not found:
        return
    (first, expected), *others = found.items()
    for version, rows in others:
        if rows == expected:
            continue
        at = next(
            (at for at, (one_row, other) in enumerate(zip(expected, rows, strict=False)) if one_row != other), None
        )
        at = min(len(expected), len(rows)) if at is None else at
        print(f"{cell.name}, target {target}: {first} gives {len(expected)} rows, {version} {len(rows)}")
        for name, answer in ((first, expected), (version, rows)):
            row = b" | ".join(value or b"" for value in answer[at]).decode() if at < len(answer) else "none"
            print(f"  {name}, row {at + 1}: {row}")
        raise SystemExit("The versions returned different rows. Nothing was measured.")


def _shared(answer: CallResult) -> tuple[tuple[bytes | None, ...], ...] | None:
    """Return the rows with the columns that every version returns; None when the call was stopped."""
    return None if answer.rows is None else tuple(row[:_COLUMNS] for row in answer.rows)


def measure(connection: Connection, dsn: str, given: argparse.Namespace) -> Measured:
    """Measure the cells, the throughput and the first calls that were asked for."""
    found = collections(connection)
    drawn, degrees = targets(connection, given.targets, given.seed)
    chosen = [cell for cell in cells(found, drawn) if given.cells.search(cell.name)]
    facts = WorldAndMachine(
        counts=counts(connection),
        edges=one(connection, "SELECT count(*) FROM connection_paths.contact_connections"),
        degrees=degrees,
        collections=found,
        targets={name: len(ids) for name, ids in drawn.items()},
        sizes=sizes(connection),
        prewarmed=warm(connection),
        environment=environment(connection),
        load=os.getloadavg()[0],
        round_trip=round_trip(connection),
    )
    print(f"{facts.counts.contacts:,} contacts, {facts.edges:,} edges, {len(chosen)} cells", flush=True)
    results = []
    for number, cell in enumerate(chosen, start=1):
        result = measure_cell(
            dsn, cell, drawn[cell.target_class], given.versions, given.repeats, given.statement_timeout, cpu=given.cpu
        )
        p95 = ", ".join(f"{version} {samples.p95:.2f}" for version, samples in result.samples.items())
        print(f"[{number}/{len(chosen)}] {cell.name}: {result.rows:.1f} rows, p95 {p95} ms", flush=True)
        results.append(result)
    both = drawn[HUB] + drawn[RANDOM]
    return Measured(
        versions=given.versions,
        world=facts,
        cells=results,
        throughput=throughput.measure(dsn, given.versions, found[0], both, given.seconds, given.seed)
        if given.cells.search(THROUGHPUT)
        else None,
        first_calls=first_calls.measure(
            dsn, given.versions, found[0], drawn[RANDOM], given.statement_timeout, cpu=given.cpu
        )
        if given.cells.search(FIRST_CALLS)
        else [],
    )


def command(given: argparse.Namespace) -> str:
    """Return the command line that measures this again."""
    parts = ["python -m bench.walk", f"--versions {','.join(given.versions)}"]
    parts.append("--dsn …" if given.dsn else f"--contacts {given.contacts}")
    parts += [f"--seed {given.seed}", f"--targets {given.targets}", f"--repeats {given.repeats}"]
    parts += [f"--seconds {given.seconds}", f"--statement-timeout {given.statement_timeout}"]
    if given.cpu:
        parts.append("--cpu")
    if given.cells.pattern:
        parts.append(f"--cells '{given.cells.pattern}'")
    return " ".join(parts)


def _versions(text: str) -> list[str]:
    versions = text.split(",")
    twice = [version for version, number in Counter(versions).items() if number > 1]
    if len(versions) < 2 or twice:
        raise argparse.ArgumentTypeError(f"name two different versions or more, for example v3,{INSTALLED}")
    for version in versions:
        if not re.fullmatch(rf"{'|'.join((*generations.FINDERS, *VARIANTS))}|{INSTALLED}|\w+\.\w+", version):
            raise argparse.ArgumentTypeError(
                f"{version} is none of {', '.join((*generations.FINDERS, *VARIANTS))}, {INSTALLED} and SCHEMA.FUNCTION"
            )
    return versions


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"not a regular expression: {error}") from error


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.walk", description=__doc__)
    parser.add_argument(
        "--versions",
        type=_versions,
        default=f"v2,v3,{INSTALLED}",
        help="earlier generations, the installed finder or its variants, or SCHEMA.FUNCTION (%(default)s)",
    )
    parser.add_argument("--contacts", type=_positive, default=20_000, help="size of the world (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which world of that size, which targets (%(default)s)")
    parser.add_argument(
        "--cells",
        type=_pattern,
        default="",
        metavar="REGEX",
        help="only cells whose name, such as 'c1 97%% any d4 p25 hub', has a match; the names of the two"
        f" measurements after them are '{THROUGHPUT}' and '{FIRST_CALLS}'",
    )
    parser.add_argument("--targets", type=_positive, default=24, help="of each class (%(default)s)")
    parser.add_argument("--repeats", type=_positive, default=3, help="timed calls a target, at least (%(default)s)")
    parser.add_argument("--seconds", type=_positive, default=4, help="a block of throughput (%(default)s)")
    parser.add_argument("--statement-timeout", type=_positive, default=10, help="seconds (%(default)s)")
    parser.add_argument(
        "--cpu",
        action="store_true",
        help="time calls by the processor time of the server process, for a machine that is busy with other work",
    )
    parser.add_argument("--dsn", help="measure in this database instead of a private server")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the tables go (bench/results/walk.md)")
    given = parser.parse_args()

    try:
        with (
            world(given.contacts, given.seed, given.dsn, edges=True, settings=server_settings(given.contacts)) as dsn,
            connect(dsn) as connection,
        ):
            require(connection, given.versions)
            measured = measure(connection, dsn, given)
    except OrchestratorError as error:
        raise SystemExit(f"bench.walk: {error}") from error
    print(objectives_table(objectives(measured)))
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(report(measured, command(given), given.repeats, cpu=given.cpu), encoding="utf-8")


if __name__ == "__main__":
    main()
