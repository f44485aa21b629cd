"""Other engines at the same task, cell by cell, in one interleaved run.

``python -m bench.peers`` writes ``bench/results/peers.md``. Every engine has the same edges and members in it. For each
question, the engines answer one after another, in an order that is turned by one from question to question. An answer
that differs from ours ends the program. A cell's answers are compared first, and then timed ``--repeats`` times.

Engines that have a query language of their own are asked level by level, and stop at the level that fills the request.
The chains of three contacts and more are put together by compiled code, whose time counts.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path as File

from bench import generations
from bench.cells import collections, targets
from bench.peers.arrays import Arrays
from bench.peers.data import Path, Question, read
from bench.peers.duck import DuckDB
from bench.peers.engine import Engine, NoAnswer
from bench.peers.falkor import Falkor
from bench.peers.lady import Ladybug
from bench.peers.postgres import Finder
from bench.peers.questions import Asked, cells
from bench.peers.report import report
from bench.peers.routing import BINARIES, Routing
from bench.peers.times import CellTimes, Measured, Times
from bench.world import environment, one, server_settings, world
from orchestrator.core.database import connect
from orchestrator.core.errors import OrchestratorError

RESULTS = File(__file__).parents[1] / "results" / "peers.md"
OURS = "this package"


def ask(engine: Engine, question: Question) -> tuple[list[Path], float, float]:
    """Return the answer, and its wall and processor time in ms."""
    others, own, started = engine.processor_seconds(), time.process_time(), time.perf_counter()
    paths = engine.answer(question)
    wall, own = time.perf_counter() - started, time.process_time() - own
    return paths, 1000 * wall, 1000 * (own + engine.processor_seconds() - others)


def compare(cell: Asked, engines: Sequence[Engine]) -> tuple[float, dict[str, str]]:
    """Compare all answers with ours; returns the mean number of paths, and why engines have no answer."""
    absent: dict[str, str] = {}
    paths = 0
    for question in cell.questions:
        expected = engines[0].answer(question)
        paths += len(expected)
        for engine in engines[1:]:
            if engine.name in absent:
                continue
            try:
                found = engine.answer(question)
            except NoAnswer as error:
                absent[engine.name] = str(error)
                continue
            if engine.note or found == expected:
                continue
            pairs = enumerate(zip(expected, found, strict=False))
            at = next((n for n, (one_path, other) in pairs if one_path != other), None)
            print(f"{cell.name}, {question}: {len(expected)} and {len(found)} paths")
            if at is not None:
                print(f"  {engines[0].name}: {expected[at]}\n  {engine.name}: {found[at]}")
            raise SystemExit("The engines gave different answers. Nothing was measured.")
    return paths / len(cell.questions), absent


def measure(cell: Asked, engines: Sequence[Engine], repeats: int) -> CellTimes:
    """Compare the answers of a cell, then time them in turns."""
    paths, absent = compare(cell, engines)
    able = [engine for engine in engines if engine.name not in absent]
    times = {engine.name: Times() for engine in able}
    for repeat in range(repeats):
        for number, question in enumerate(cell.questions):
            turn = (number + repeat) % len(able)
            for engine in [*able[turn:], *able[:turn]]:
                _, wall, processor = ask(engine, question)
                times[engine.name].wall.append(wall)
                times[engine.name].processor.append(processor)
    return CellTimes(cell.name, paths, times, absent)


def engines_of(dsn: str, directory: File, stack: ExitStack, timeout: int) -> Iterator[Engine]:
    """Yield the engines, ours first; *stack* closes them."""

    def opened(engine: Engine) -> Engine:
        stack.callback(engine.close)
        return engine

    yield opened(Finder(dsn, OURS, "connection_paths.deep_finder", timeout=timeout))
    yield opened(Finder(dsn, "recursive SQL", f"{generations.SCHEMA}.recursive_finder", timeout=timeout))
    yield opened(Finder(dsn, "first generation, careers", "connection_paths.legacy_finder", deepest=2, timeout=timeout))
    yield opened(
        Finder(
            dsn,
            "first generation, edges",
            f"{generations.SCHEMA}.deep_finder_v1",
            timeout=timeout,
            note="it limits the edges at depth 2, so its rows differ and are not compared",
        )
    )
    yield opened(DuckDB(directory))
    yield opened(Ladybug(directory))
    yield opened(Falkor(directory))
    if BINARIES.is_dir():
        yield opened(Routing())
    yield opened(Arrays())


def run(dsn: str, given: argparse.Namespace) -> Measured:
    """Load every engine, and measure the cells that were asked for."""
    with ExitStack() as stack:
        connection = stack.enter_context(connect(dsn))
        generations.install(connection)
        chosen = collections(connection)[: given.collections]
        drawn, _ = targets(connection, given.targets, given.seed)
        asked = [cell for cell in cells(chosen, drawn) if given.cells.search(cell.name)]
        data = read(connection, [collection.id for collection in chosen])
        print(f"{len(data.first):,} edges, {len(asked)} cells", flush=True)
        # PostgreSQL may run under another account, and needs no file from this directory
        directory = File(stack.enter_context(tempfile.TemporaryDirectory()))
        engines, loaded = [], {}
        for engine in engines_of(dsn, directory, stack, given.timeout):
            loaded[engine.name] = engine.load(data)
            engines.append(engine)
            print(f"{engine.name} {engine.version}: {loaded[engine.name]}", flush=True)
        load, found = os.getloadavg()[0], []
        for number, cell in enumerate(asked, start=1):
            found.append(measure(cell, engines, given.repeats))
            medians = ", ".join(f"{n} {statistics.median(t.processor):.2f}" for n, t in found[-1].times.items())
            print(f"[{number}/{len(asked)}] {cell.name}: {medians} ms", flush=True)
        return Measured(
            engines=[(engine.name, engine.version, engine.note) for engine in engines],
            loaded=loaded,
            cells=found,
            edges=len(data.first),
            contacts=int(one(connection, "SELECT count(*) FROM connection_paths.live_contacts")),
            environment=environment(connection),
            load=load,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--contacts", type=int, default=118_000, help="size of the world (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which world, which targets (%(default)s)")
    parser.add_argument("--collections", type=int, default=4, help="the largest so many (%(default)s)")
    parser.add_argument("--targets", type=int, default=8, help="of each class (%(default)s)")
    parser.add_argument("--repeats", type=int, default=2, help="timed calls for each question (%(default)s)")
    parser.add_argument("--timeout", type=int, default=10, help="seconds a call may take in PostgreSQL (%(default)s)")
    parser.add_argument("--cells", type=re.compile, default=re.compile(""), metavar="REGEX", help="only these cells")
    parser.add_argument("--dsn", help="measure in this database instead of a private server")
    parser.add_argument("--output", type=File, default=RESULTS, help="where the tables go (bench/results/peers.md)")
    given = parser.parse_args(arguments)
    try:
        with world(given.contacts, given.seed, given.dsn, edges=True, settings=server_settings(given.contacts)) as dsn:
            measured = run(dsn, given)
    except OrchestratorError as error:
        raise SystemExit(f"bench.peers: {error}") from error
    where = "--dsn …" if given.dsn else f"--contacts {given.contacts}"
    command = f"python -m bench.peers {where} --targets {given.targets} --repeats {given.repeats}"
    given.output.write_text(report(measured, command), encoding="utf-8")


if __name__ == "__main__":
    main()
