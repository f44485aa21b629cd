"""A sweep: every finder measured in every cell of the matrix.

First, each call is made once with each finder; when rows differ, nothing is timed. Then, combination by combination,
the finders take turns in blocks, in the opposite order in every other round and on the same connections, so that
whatever disturbs the machine disturbs all of them. Before each round a piece of work that is always the same measures
how fast the server is at that time; this serves comparisons with other sweeps. The first block of each finder warms up
and does not count. The seed determines the targets and the order of all requests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from orchestrator.core.database import Connection, connect, resolved
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.host.installed import require_installed
from orchestrator.sweep.measure import parity, server_time
from orchestrator.sweep.measure import targets as choosing
from orchestrator.sweep.measure.connection import ANSWERED, MEASURED, TYPES, Parameters, Statements, TimedConnection
from orchestrator.sweep.measure.environment import environment
from orchestrator.sweep.measure.load_generator import BlockResult, LoadGenerator, load_generator, percentile
from orchestrator.sweep.measure.matrix import Combination, Finder, Matrix
from orchestrator.sweep.measure.results import Cell, Results, SweepOptions, order_seed
from orchestrator.sweep.measure.targets import Target

#: The reference: work that is always the same, about a millisecond of one processor.
REFERENCE = "SELECT count(*) FROM generate_series(1, 8000) AS n WHERE n % 7 = 0"
_REFERENCE_SECONDS = 0.05
_NOTHING = "SELECT 1"
_NOTHING_SECONDS = 0.2
_NO_ARGUMENTS: Parameters = (None,) * len(TYPES)  # both are prepared with the finders' parameters and use none


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is: the current step, cells done and in total, and the seconds left (None: unknown)."""

    step: str
    done: int = 0
    cells: int = 0
    seconds_left: float | None = None


def sweep(
    dsn: str,
    matrix: Matrix,
    options: SweepOptions,
    report: Callable[[SweepProgress], None] = lambda _: None,
    save: Callable[[Results], None] = lambda _: None,
) -> Results:
    """Measure every cell and return the results; ``save`` gets the results so far after each combination.

    Raises :class:`OrchestratorError` when a finder does not exist or returns other rows than another one; then nothing
    was timed. When a person stops it or the server is lost, the sweep ends early and returns what is finished.
    """
    settings = {**MEASURED, "default_transaction_read_only": "on"}
    with connect(dsn, settings=settings, reads_only=True) as connection:
        require_installed(connection)
        dsn = resolved(connection, same_server=True)  # of several hosts, all is measured on one
        finders = matrix.resolve(connection)
        report(SweepProgress("choosing targets"))
        members = choosing.choose_collections(connection, matrix.collections)
        combinations = matrix.combinations(members)
        results = Results(
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            options=options,
            finders={finder.name: finder.statement for finder in finders},
            environment=environment(connection),
            members=members,
            targets=_targets(connection, matrix, options, combinations),
            versus=(finders[0].name, finders[1].name) if matrix.versus or matrix.against_itself else None,
        )
    _Sweep(dsn, combinations, finders, results, report, save).run()
    return results


def _targets(
    connection: Connection, matrix: Matrix, options: SweepOptions, combinations: Sequence[Combination]
) -> dict[tuple[int, str], list[Target]]:
    pool = None if matrix.contacts else choosing.ContactPool(connection, options.seed)
    connection.execute("SELECT set_config('statement_timeout', %s, false)", (str(round(options.timeout * 1000)),))
    found = {}
    for collection, scope in dict.fromkeys((each.collection, each.scope) for each in combinations):
        users = [matrix.viewer] if matrix.viewer is not None else choosing.viewers(connection, collection)
        distance = choosing.distance_in(connection, collection, scope, max(matrix.depths))
        if pool is None:
            found[collection, scope] = choosing.given_targets(matrix.contacts, users, distance)
        else:
            seed = order_seed(options.seed, collection, scope)
            found[collection, scope] = pool.draw(matrix.targets, users, seed, distance)
    return found


class _Sweep:
    """A sweep in progress."""

    def __init__(
        self,
        dsn: str,
        combinations: Sequence[Combination],
        finders: Sequence[Finder],
        results: Results,
        report: Callable[[SweepProgress], None],
        save: Callable[[Results], None],
    ) -> None:
        self._dsn = dsn
        self._combinations = combinations
        self._finders = finders
        self._results = results
        self._options = results.options
        self._report = report
        self._save = save
        self._cells = sum(len(self._able(combination)) for combination in combinations)
        self._current: list[Cell] = []  # the cells of the combination that is being measured

    def run(self) -> None:
        """Check parity, then measure."""
        with closing(TimedConnection(self._dsn, self._options.timeout)) as connection:
            self._check_reference(connection)
            self._check_parity(connection)
            self._measure(connection)

    def _able(self, combination: Combination) -> list[int]:
        """Return the numbers of the finders that take the combination's arguments."""
        return [number for number, finder in enumerate(self._finders) if finder.can(combination)]

    def _parameters(self, combination: Combination) -> list[Parameters]:
        cap = self._options.max_edges_per_hop
        return [
            [
                None if value is None else str(value).encode()
                for value in (target.contact, combination.collection, target.viewer, combination.depth,
                              combination.max_paths, combination.scope, cap, combination.order)
            ]
            for target in self._results.targets[combination.collection, combination.scope]
        ]  # fmt: skip

    def _check_reference(self, connection: TimedConnection) -> None:
        connection.prepare(Statements([REFERENCE]))
        outcome, problem = connection.request(0, _NO_ARGUMENTS)
        if outcome != ANSWERED:
            raise OrchestratorError(f"the reference measurement fails, nothing was timed: {problem}")

    def _check_parity(self, connection: TimedConnection) -> None:
        for number, combination in enumerate(self._combinations):
            self._report(SweepProgress(f"comparing rows: {number} of {len(self._combinations)} combinations"))
            finders = [self._finders[each] for each in self._able(combination)]
            connection.prepare(Statements([finder.statement for finder in finders]))
            calls = self._parameters(combination)
            self._results.parity[combination] = parity.check(connection, combination, finders, calls)

    def _measure(self, connection: TimedConnection) -> None:
        began = time.monotonic()
        results, options = self._results, self._options
        try:
            with load_generator(self._dsn, options.connections, options.timeout) as generator:
                generator.prepare([*(finder.statement for finder in self._finders), REFERENCE, _NOTHING])
                results.overhead_ms = self._overhead(generator)
                for combination in self._combinations:
                    self._measure_combination(generator, combination)
                    for cell, number in zip(self._current, self._able(combination), strict=True):
                        calls = self._parameters(combination)
                        cell.server = server_time.explain(connection, self._finders[number], calls)
                    results.cells += self._current
                    self._current = []
                    results.seconds = time.monotonic() - began
                    self._save(results)
        except KeyboardInterrupt:
            results.interrupted = True
        except (OrchestratorError, psycopg.Error) as error:
            results.interrupted = True
            results.problem = one_line(error)
        results.cells += self._finished_rounds()
        results.seconds = time.monotonic() - began
        if results.problem is not None and not results.cells:
            raise OrchestratorError(f"nothing was measured: {results.problem}")

    def _overhead(self, generator: LoadGenerator) -> float:
        """Return the median milliseconds of a statement that does nothing: the time that is not the finder's."""
        number = len(self._finders) + 1
        block = generator.run(number, [_NO_ARGUMENTS], seed="nothing", first=0, seconds=_NOTHING_SECONDS)
        return percentile(block.milliseconds, 50)

    def _measure_combination(self, generator: LoadGenerator, combination: Combination) -> None:
        options, able = self._options, self._able(combination)
        cells = {number: Cell(combination, self._finders[number].name) for number in able}
        self._current = list(cells.values())
        reference = self._results.references[combination] = Cell(combination, "reference")
        if options.warmup:
            for number in able:
                self._run(generator, cells[number], number, options.warmup, "warming up")
        for turn in range(options.blocks):
            reference.blocks.append(
                generator.run(
                    len(self._finders), [_NO_ARGUMENTS], seed="reference", first=0, seconds=_REFERENCE_SECONDS
                )
            )
            for number in able if turn % 2 == 0 else reversed(able):
                step = f"block {turn + 1} of {options.blocks}"
                seconds = options.seconds / options.blocks
                cells[number].blocks.append(self._run(generator, cells[number], number, seconds, step))

    def _run(self, generator: LoadGenerator, cell: Cell, number: int, seconds: float, step: str) -> BlockResult:
        options, combination, done = self._options, cell.combination, len(self._results.cells)
        measured = sum(block.seconds for each in self._current for block in each.blocks)
        left = (self._cells - done) * (options.seconds + options.warmup) - measured
        self._report(SweepProgress(f"{cell.name}: {step}", done, self._cells, left))
        seed = order_seed(options.seed, combination.collection, combination.scope)
        parameters = self._parameters(combination)
        return generator.run(number, parameters, seed=seed, first=cell.requests, seconds=seconds, rate=options.rate)

    def _finished_rounds(self) -> list[Cell]:
        """Return the cells of the interrupted combination, with the rounds in which every finder had its turn."""
        rounds = min((len(cell.blocks) for cell in self._current), default=0)
        for cell in self._current:
            del cell.blocks[rounds:]
        return self._current if rounds else []
