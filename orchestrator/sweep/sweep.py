"""A sweep: versions of the finder measured in every cell of a matrix.

First every version answers every question once: what returns other rows is not timed. Then, request by request, the
versions take turns in blocks, each other turn in the opposite order, on the same connections: what disturbs the machine
disturbs all of them. Before each turn a piece of work that is always the same tells how fast the server is just now,
for comparisons with other sweeps. Warm-up is a block that does not count. The targets and the order of all requests
follow from the seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import psycopg
from psycopg import pq

from orchestrator.core.database import Connection, connect, resolved
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.install.installation import require_installed
from orchestrator.sweep import matrix, parity
from orchestrator.sweep import targets as drawing
from orchestrator.sweep.client import MEASURED, TYPES, Parameters, Prepare, Session, Unanswered
from orchestrator.sweep.environment import environment
from orchestrator.sweep.load import Answers, Fleet, fleet
from orchestrator.sweep.matrix import COLD, Request, Version
from orchestrator.sweep.observed import Observer
from orchestrator.sweep.results import Cell, Options, Results, order_seed
from orchestrator.sweep.statistics import Samples, percentile
from orchestrator.sweep.targets import Target

_Result = TypeVar("_Result")

NOTHING = "nothing"  # the version of the cells that tell the client's own overhead
REFERENCE = "reference"  # and of those that tell how fast the server was meanwhile
_NOTHING_SECONDS = 0.5
#: A piece of work that is always the same, about a millisecond of one processor: how fast the server is just now.
_REFERENCE = "SELECT count(*) FROM generate_series(1, 8000) AS n WHERE n % 7 = 0"
_REFERENCE_SECONDS = 0.05
_WITHOUT: Parameters = (None,) * len(TYPES)  # it uses none, but is prepared with the types of the finders
_OVERHEAD_MATTERS = 0.1  # of a cell's median
_RECENT = 1000  # answers whose p95 is shown while they come in


@dataclass(frozen=True)
class Asked:
    """What to measure. Empty ``collections``: some that differ. Empty ``contacts``: drawn; ``viewer`` None: likewise.

    ``versus``: whether the first two versions are to be compared. ``twice``: the only version is compared with itself.
    """

    versions: Sequence[str] = ("current",)
    depths: Sequence[int] = (1, 2, 3, 4)
    max_paths: Sequence[int] = (25,)
    scopes: Sequence[str] = ("any",)
    collections: Sequence[int] = ()
    caches: Sequence[str] = (matrix.WARM,)
    targets: int = 25
    contacts: Sequence[int] = ()
    viewer: int | None = None
    versus: bool = False
    twice: bool = False
    explain: Path | None = None


@dataclass(frozen=True)
class Progress:
    """How far a sweep is: what it does, cells done and in all, seconds left, and the p95 of the answers coming in."""

    doing: str
    done: int
    cells: int
    seconds_left: float | None
    p95: float | None = None


def sweep(
    dsn: str,
    asked: Asked,
    options: Options,
    report: Callable[[Progress], None] = lambda _: None,
    save: Callable[[Results], None] = lambda _: None,
) -> Results:
    """Measure every cell, and return what was found; ``save`` is told after each request that is done.

    Raises :class:`OrchestratorError` when a version is missing or returns other rows than another; nothing was timed
    then. An interrupt, or a server that is gone, ends the sweep early, with what was finished by then.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    settings = {
        **MEASURED,
        "default_transaction_read_only": "on",
        "statement_timeout": f"{max(1, round(options.timeout * 1000))}",
    }
    with ExitStack() as stack:
        connection = stack.enter_context(connect(dsn, settings=settings, reads_only=True))
        require_installed(connection)
        dsn = resolved(connection)
        versions = _versions(connection, asked, options)
        report(Progress("choosing targets", 0, 0, None))
        members = _unlimited(connection, lambda: drawing.collections(connection, asked.collections))
        requests = matrix.requests(list(members), asked.scopes, asked.depths, asked.max_paths, asked.caches)
        targets = _unlimited(connection, lambda: _targets(connection, asked, options, requests))
        observer = Observer(connection, lambda: connect(dsn, settings=settings, reads_only=True))
        stack.callback(observer.close)
        if matrix.WARM in asked.caches:
            options = replace(options, prewarmed=_unlimited(connection, observer.prewarm))
        results = Results(
            started=started,
            options=options,
            versions={version.label: version.statement for version in versions},
            environment=environment(connection, observer.tables),
            members=members,
            targets=targets,
            versus=(versions[0].label, versions[1].label) if asked.versus or asked.twice else None,
        )
        run = _Run(dsn, observer, requests, versions, results, report, save)
        run.check_parity()
        run.measure()
        if asked.explain is not None and not results.interrupted:
            run.explain(asked.explain)
    return results


def warnings(results: Results) -> list[str]:
    """Return what a reader should know before believing the results, a sentence each."""
    found = []
    for cache, nothing in results.overhead.items():
        base = nothing.percentile(50)
        small = [cell.name for cell in results.cells
                 if cell.request.cache == cache and (p50 := cell.percentile(50)) and base
                 and base > _OVERHEAD_MATTERS * p50]  # fmt: skip
        if small and base:
            found.append(
                f"a statement that does nothing takes {base:.2f} ms here, more than a tenth of the median of"
                f" {len(small)} of {len(results.cells)} cells, {small[0]} for instance"
            )
    server = results.environment["server"]
    if server["other_active_sessions"]:
        found.append(f"{server['other_active_sessions']} other sessions were active on the server when it began")
    load, cores = results.environment["client"]["load_before"], results.environment["client"]["cores"]
    if load > cores / 2:
        found.append(f"the load of this machine was {load:g} on {cores} cores when it began")
    stopped = sum(found.uncompared for found in results.parity.values())
    if stopped:
        found.append(f"{stopped} questions were not compared: a version did not answer within the timeout")
    failed = [cell for cell in results.references.values() if cell.errors + cell.timeouts]
    if failed:
        problems = ", ".join(dict.fromkeys(problem for cell in failed for problem in cell.failures))
        found.append(
            f"the reference measurement failed in {len(failed)} of {len(results.references)} requests: {problems}"
        )
    if results.interrupted:
        why = "was interrupted" if results.problem is None else f"ended early ({results.problem})"
        found.append(f"the sweep {why}: cells are missing, or have fewer blocks than the others")
    return found


def _versions(connection: Connection, asked: Asked, options: Options) -> list[Version]:
    versions = matrix.resolve(connection, asked.versions, options.max_edges_per_hop)
    if asked.twice:
        if len(versions) != 1:
            raise OrchestratorError("--a-a compares one version with itself: name one")
        return [versions[0], versions[0].again(f"{versions[0].label}-again")]
    if asked.versus and len(versions) != 2:
        raise OrchestratorError("--versus compares two versions: name two, as in v2,v3")
    return versions


def _unlimited(connection: Connection, work: Callable[[], _Result]) -> _Result:
    """Do what is done once and not measured without the statement timeout of finders."""
    before = connection.execute("SHOW statement_timeout").fetchone()
    connection.execute("SET statement_timeout = 0")
    try:
        return work()
    finally:
        connection.execute("SELECT set_config('statement_timeout', %s, false)", before)


def _targets(
    connection: Connection, asked: Asked, options: Options, requests: Sequence[Request]
) -> dict[tuple[int, str], list[Target]]:
    contacts = drawing.Contacts(connection, options.seed, asked.contacts)
    deepest = max(request.depth for request in requests)
    found = {}
    for collection, scope in dict.fromkeys((request.collection, request.scope) for request in requests):
        viewers = [asked.viewer] if asked.viewer is not None else drawing.viewers(connection, collection)
        distance = drawing.distance_in(connection, collection, scope, deepest)
        seed = order_seed(options.seed, collection, scope)
        found[collection, scope] = contacts.targets(viewers, asked.targets, seed, distance)
    return found


def _require_answer(session: Session) -> None:
    """Raise :class:`OrchestratorError` unless the reference, which *session* has prepared, answers."""
    try:
        result = session.call(0, _WITHOUT)
        problem = "" if result.status == pq.ExecStatus.TUPLES_OK else result.get_error_message()
    except Unanswered:
        problem = "no answer within the timeout"
    except psycopg.Error as error:
        problem = one_line(error)
    if problem:
        raise OrchestratorError(f"the reference measurement fails, nothing was timed: {' '.join(problem.split())}")


class _Run:
    """One sweep under way."""

    def __init__(
        self,
        dsn: str,
        observer: Observer,
        requests: Sequence[Request],
        versions: Sequence[Version],
        results: Results,
        report: Callable[[Progress], None],
        save: Callable[[Results], None],
    ) -> None:
        self._dsn = dsn
        self._observer = observer
        self._requests = requests
        self._versions = versions
        self._results = results
        self._options = results.options
        self._report = report
        self._save = save
        self._cells = sum(len(self._able(request)) for request in requests)
        self._recent = np.empty(0)  # milliseconds of the last answers
        self._spent = 0.0  # seconds, on the request under way
        self._under_way: list[Cell] = []  # of that request

    def _able(self, request: Request) -> list[int]:
        """Return the numbers of the versions that can be asked for paths of that depth."""
        return [number for number, version in enumerate(self._versions) if request.depth in version.depths]

    def _parameters(self, request: Request) -> list[Parameters]:
        cap = self._options.max_edges_per_hop
        last = None if cap is None else str(cap).encode()
        return [
            [
                str(target.contact).encode(),
                str(request.collection).encode(),
                str(target.viewer).encode(),
                str(request.depth).encode(),
                str(request.max_paths).encode(),
                request.scope.encode(),
                last,
            ]
            for target in self._results.targets[request.collection, request.scope]
        ]

    def check_parity(self) -> None:
        """Compare the rows of all versions for everything that will be asked."""
        session = Session(self._dsn, self._options.timeout)
        session.prepare(Prepare([_REFERENCE]))
        _require_answer(session)
        checked: dict[Request, parity.Parity] = {}
        for number, request in enumerate(self._requests):
            self._report(Progress(f"comparing rows: {number} of {len(self._requests)} requests", 0, self._cells, None))
            warm = replace(request, cache=matrix.WARM)  # the rows do not depend on it
            if warm not in checked:
                able = [self._versions[each] for each in self._able(request)]
                session.prepare(Prepare([version.statement for version in able]))
                checked[warm] = parity.check(session, request, able, self._parameters(request))
            self._results.parity[request] = checked[warm]
        session.close()

    def measure(self) -> None:
        """Take the time of every cell."""
        began = time.monotonic()
        results, options = self._results, self._options
        try:
            with fleet(self._dsn, options.connections, options.timeout) as clients:
                for cache in dict.fromkeys(request.cache for request in self._requests):
                    results.overhead[cache] = self._nothing(clients, cache)
                clients.prepare([*(version.statement for version in self._versions), _REFERENCE])
                for request in self._requests:
                    self._measure(clients, request)
                    results.cells += self._under_way
                    self._under_way = []
                    results.seconds = time.monotonic() - began
                    self._save(results)
        except KeyboardInterrupt:
            results.interrupted = True
        except (OrchestratorError, psycopg.OperationalError) as error:
            results.interrupted = True
            results.problem = one_line(error) if isinstance(error, psycopg.Error) else str(error)
        results.cells += self._whole_turns()
        results.seconds = time.monotonic() - began
        if results.problem is not None and not results.cells:
            raise OrchestratorError(f"nothing was measured: {results.problem}")

    def _whole_turns(self) -> list[Cell]:
        """Return the cells of the request under way, as far as every version has had its turn."""
        turns = min((len(cell.blocks) for cell in self._under_way), default=0)
        for cell in self._under_way:
            del cell.blocks[turns:]
        return self._under_way if turns else []

    def _nothing(self, clients: Fleet, cache: str) -> Cell:
        """Measure a statement that does nothing, asked in the same way: what is not the finder's."""
        clients.prepare(["SELECT 1"], types=())
        cell = Cell(Request(0, "", 0, 0, cache), NOTHING)
        for _ in range(2):  # the first warms up
            cell.blocks = [
                clients.ask(0, [()], seed=NOTHING, first=0, seconds=_NOTHING_SECONDS, rate=self._options.rate,
                            connects=cache == COLD)
            ]  # fmt: skip
        return cell

    def _measure(self, clients: Fleet, request: Request) -> None:
        options = self._options
        able = self._able(request)
        cells = {number: Cell(request, self._versions[number].label) for number in able}
        self._under_way = list(cells.values())
        self._spent = 0.0
        first = dict.fromkeys(able, 0)
        if options.warmup:
            for number in able:
                self._ask(clients, request, number, 0, options.warmup, "warming up")
        before = {number: self._observer.counted(self._versions[number]) for number in able}
        counters = self._observer.counters()
        reference = self._results.references[request] = Cell(request, REFERENCE)
        for turn in range(options.blocks):
            reference.blocks.append(
                clients.ask(len(self._versions), [_WITHOUT], seed=REFERENCE, first=0, seconds=_REFERENCE_SECONDS)
            )
            for number in able if turn % 2 == 0 else reversed(able):
                cell = cells[number]
                doing = f"block {turn + 1} of {options.blocks}"
                block = self._ask(clients, request, number, first[number], options.seconds / options.blocks, doing)
                first[number] += len(block.milliseconds)
                cell.blocks.append(block)
                after = self._observer.counters()
                if counters is not None and after is not None and after.hits >= counters.hits:  # a crash empties them
                    cell.counters += after - counters
                counters = after
        for number, cell in cells.items():
            version = self._versions[number]
            cell.executions = self._observer.executions(version, before[number], self._parameters(request))

    def _ask(self, clients: Fleet, request: Request, number: int, first: int, seconds: float, doing: str) -> Answers:
        results, options = self._results, self._options
        key = request.collection, request.scope
        doing = f"{request.name}, {self._versions[number].label}: {doing}"
        each = options.seconds + options.warmup
        left = (self._cells - len(results.cells)) * each

        def tell(samples: Samples) -> None:
            self._recent = np.concatenate([self._recent, samples])[-_RECENT:]
            p95 = percentile(self._recent, 95) if len(self._recent) else None
            self._report(Progress(doing, len(results.cells), self._cells, left - self._spent, p95))

        began = time.monotonic()
        self._report(Progress(doing, len(results.cells), self._cells, left - self._spent))
        self._recent = np.empty(0)
        answers = clients.ask(
            number,
            self._parameters(request),
            seed=order_seed(options.seed, *key),
            first=first,
            seconds=seconds,
            rate=options.rate,
            connects=request.cache == COLD,
            report=tell,
        )
        self._spent += time.monotonic() - began
        return answers

    def explain(self, directory: Path) -> None:
        """Write the plan of every target in every cell into *directory*, a file each."""
        for request in self._requests:
            asked = zip(
                self._results.targets[request.collection, request.scope], self._parameters(request), strict=True
            )
            for target, parameters in asked:
                for number in self._able(request):
                    version = self._versions[number]
                    self._report(Progress(f"{request.name}: plans", len(self._results.cells), self._cells, None))
                    path = directory / f"{request.name}-{version.label}" / f"{target.contact}-{target.viewer}.txt"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(self._observer.plan(version, parameters), encoding="utf-8")
