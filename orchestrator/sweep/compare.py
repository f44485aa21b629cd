"""Whether one version, or one sweep, is better than another: cell by cell, and all together.

A verdict is of the median, of the 95th percentile and, in a closed loop, of answers a second: each is a ratio with an
interval, better or worse when all of the interval is further from 1 than a margin, the same when none of it is. A cell
is worse when anything in it is worse and nothing is better, better when it is the other way round, mixed when it has
both, the same when everything is, else the comparison does not tell: inconclusive. All together are mixed when some
cells are better and others worse, worse when cells are and none is better, else the verdict of the mean ratio of all
cells.

Two sweeps were not measured at the same time, and the machine may have been another one meanwhile. Each has done a
piece of work that is always the same between its blocks; what that took is taken off the ratio, and the interval holds
both, with and without, so that a verdict rests on neither alone. A sweep whose reference did not answer cannot be
compared with another one: every verdict of that request is inconclusive, and a note says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep import statistics
from orchestrator.sweep.matrix import Request
from orchestrator.sweep.results import Cell, Options, Results
from orchestrator.sweep.statistics import BETTER, INCONCLUSIVE, MIXED, SAME, WORSE, Interval

MARGIN = 0.05
RATE = "rate"
P50, P95 = "p50", "p95"
MEASURES = (P50, P95, RATE)
_PERCENTS = {50: P50, 95: P95}
_FEWEST_BLOCKS = 4  # whose draws say something
_COUNTED = {INCONCLUSIVE: "undecided"}


@dataclass(frozen=True)
class CellComparison:
    """One kind of request: the cells of base and new, and the ratios new to base by measure."""

    request: Request
    base: Cell
    new: Cell
    ratios: Mapping[str, Interval]
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """All cells that both have. ``only`` are the names of those that one of them has; ``notes`` what differs besides.

    ``noise`` is the largest distance from 1 that an interval of the 95th percentile reaches: where a version is
    compared with itself, smaller differences cannot be told from none.
    """

    base: str
    new: str
    cells: Sequence[CellComparison]
    overall: Mapping[str, Interval]
    verdict: str
    margin: float
    only: Sequence[str]
    notes: Sequence[str]

    @property
    def counts(self) -> dict[str, int]:
        """How many cells have each verdict, those that any has."""
        verdicts = [cell.verdict for cell in self.cells]
        order = (BETTER, WORSE, MIXED, SAME, INCONCLUSIVE)
        return {verdict: verdicts.count(verdict) for verdict in order if verdict in verdicts}

    @property
    def told(self) -> str:
        """The verdict, with how many cells are better, worse and undecided where there are several."""
        if len(self.cells) < 2:
            return self.verdict
        counts = [f"{number} {_COUNTED.get(verdict, verdict)}" for verdict, number in self.counts.items()]
        return f"{self.verdict}: {', '.join(counts)}"

    @property
    def noise(self) -> float:
        """As the class says."""
        bounds = [bound for cell in self.cells for bound in (cell.ratios[P95].low, cell.ratios[P95].high)]
        finite = [abs(math.log(bound)) for bound in bounds if math.isfinite(bound) and bound > 0]
        return math.exp(max(finite)) - 1 if finite else math.nan


def versions(results: Results, base: str, new: str, margin: float = MARGIN) -> Comparison:
    """Compare two versions of one sweep, whose blocks took turns."""
    pairs, only = [], []
    for request in results.requests:
        one, other = results.cell(request, base), results.cell(request, new)
        if one is not None and other is not None:
            pairs.append((one, other))
        else:
            only.append(request.name)
    notes = [
        f"{parity.uncompared} of {parity.questions} questions of {request.name} were not compared"
        for request, parity in results.parity.items()
        if parity.uncompared
    ]
    return _compare(results.options, base, new, pairs, only, notes, margin)


def sweeps(base: Results, new: Results, margin: float = MARGIN) -> Comparison:
    """Compare two sweeps: every cell with that of the same request and version.

    Where each has one version, those are compared, whatever they are called. Raises :class:`OrchestratorError` when
    there is no cell in common.
    """
    called: dict[str, str] = {}
    if len(base.versions) == len(new.versions) == 1:
        called = dict(zip(base.versions, new.versions, strict=True))
    pairs, only = [], []
    for cell in base.cells:
        counterpart = new.cell(cell.request, called.get(cell.version, cell.version))
        if counterpart is None:
            only.append(cell.name)
        else:
            pairs.append((cell, counterpart))
    matched = {other.name for _, other in pairs}
    only += [cell.name for cell in new.cells if cell.name not in matched]
    if not pairs:
        raise OrchestratorError("the two sweeps have no cell in common")
    notes = _differences(base, new)
    references = base.references, new.references
    return _compare(base.options, base.started, new.started, pairs, only, notes, margin, references=references)


def _compare(
    options: Options,
    base: str,
    new: str,
    pairs: Sequence[tuple[Cell, Cell]],
    only: Sequence[str],
    notes: Sequence[str],
    margin: float,
    *,
    references: tuple[Mapping[Request, Cell], Mapping[Request, Cell]] | None = None,
) -> Comparison:
    """Compare pairs of cells. Without *references* they are of one sweep, and their blocks took turns."""
    measures = MEASURES if options.rate is None else (P50, P95)  # an open loop's rate is what was asked for
    cells = []
    for number, (one, other) in enumerate(pairs):
        seed = options.seed + number
        ratios = _ratios(one, other, measures, paired=references is None, seed=seed)
        if references is not None:
            then, now = (of_sweep.get(one.request, Cell(one.request, "none")) for of_sweep in references)
            machine = _ratios(then, now, measures, paired=False, seed=seed)
            ratios = {measure: ratio.less(machine[measure]) for measure, ratio in ratios.items()}
        few = min(len(one.blocks), len(other.blocks)) < _FEWEST_BLOCKS
        verdict = INCONCLUSIVE if few else _together([_verdict(ratios[each], each, margin) for each in measures])
        cells.append(CellComparison(one.request, one, other, ratios, verdict))
    overall = {measure: _mean([cell.ratios[measure] for cell in cells]) for measure in measures}
    return Comparison(base, new, cells, overall, _overall(cells, overall, margin), margin, only, notes)


def _ratios(base: Cell, new: Cell, measures: Sequence[str], *, paired: bool, seed: int) -> dict[str, Interval]:
    samples = [[block.milliseconds for block in cell.blocks] for cell in (base, new)]
    by_percent = statistics.compare(samples[0], samples[1], tuple(_PERCENTS), paired=paired, seed=seed)
    found = {_PERCENTS[percent]: ratio for percent, ratio in by_percent.items()}
    if RATE in measures:
        rates = [[block.rate for block in cell.blocks] for cell in (base, new)]
        found[RATE] = statistics.compare_rates(rates[0], rates[1], paired=paired, seed=seed)
    return found


def _verdict(interval: Interval, measure: str, margin: float) -> str:
    return interval.verdict(margin, more_is_better=measure == RATE)


def _together(verdicts: Sequence[str]) -> str:
    decided = {BETTER, WORSE, MIXED}.intersection(verdicts)
    if decided:
        return decided.pop() if len(decided) == 1 else MIXED
    return SAME if verdicts and all(verdict == SAME for verdict in verdicts) else INCONCLUSIVE


def _overall(cells: Sequence[CellComparison], overall: Mapping[str, Interval], margin: float) -> str:
    of_cells = _together([cell.verdict for cell in cells])
    if of_cells in (WORSE, MIXED) or all(cell.verdict == INCONCLUSIVE for cell in cells):
        return of_cells
    return _together([_verdict(interval, measure, margin) for measure, interval in overall.items()])


def _mean(ratios: Sequence[Interval]) -> Interval:
    """Return the geometric mean of ratios, which are independent of each other; infinite ones are left out."""
    usable = [ratio for ratio in ratios if math.isfinite(ratio.high) and ratio.low > 0]
    if not usable:
        return Interval(math.nan, math.nan, math.nan)
    centre = sum(math.log(ratio.ratio) for ratio in usable) / len(usable)
    below, above = (
        math.sqrt(sum(math.log(bound / ratio.ratio) ** 2 for bound, ratio in pairs)) / len(usable)
        for pairs in ([(ratio.low, ratio) for ratio in usable], [(ratio.high, ratio) for ratio in usable])
    )
    return Interval(math.exp(centre), math.exp(centre - below), math.exp(centre + above))


def _unanswered_references(base: Results, new: Results) -> Iterator[str]:
    """Say which sweep cannot be corrected for the speed of its machine."""
    for results in (base, new):
        missing = [request.name for request in results.requests if not _has_answered(results.references.get(request))]
        if missing:
            yield (
                f"the sweep of {results.started} has no reference measurement in {len(missing)} requests,"
                f" {missing[0]} for instance: how fast the machine was is not known, so nothing is decided there"
            )


def _has_answered(reference: Cell | None) -> bool:
    return reference is not None and math.isfinite(reference.percentile(95) or math.inf)


def _differences(base: Results, new: Results) -> list[str]:
    """Return what else differs between two sweeps, without which their ratio may mean something else."""
    notes = list(_unanswered_references(base, new))
    if base.options.loop != new.options.loop:
        notes.append(f"{base.options.loop} and {new.options.loop}")
    if base.options.max_edges_per_hop != new.options.max_edges_per_hop:
        notes.append("another number of edges a hop")
    if base.targets != new.targets:
        notes.append("other targets: use the same --seed, and the same data")
    answers = [
        request.name
        for request, parity in base.parity.items()
        if request in new.parity and set(parity.digests.values()).isdisjoint(new.parity[request].digests.values())
    ]
    if answers and base.targets == new.targets:
        notes.append(f"other rows in {len(answers)} requests, {answers[0]} for instance")
    servers = [results.environment["server"] for results in (base, new)]
    clients = [results.environment["client"] for results in (base, new)]
    if servers[0]["version"] != servers[1]["version"]:
        notes.append(f"PostgreSQL {servers[0]['version']} and {servers[1]['version']}")
    changed = sorted(
        name
        for name in {*servers[0]["settings"], *servers[1]["settings"]}
        if servers[0]["settings"].get(name) != servers[1]["settings"].get(name)
    )
    if changed:
        notes.append(f"other settings: {', '.join(changed)}")
    if any(clients[0].get(name) != clients[1].get(name) for name in ("processor", "cores", "memory_bytes")):
        notes.append("another machine of the client")
    return notes
