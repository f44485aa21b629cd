"""Comparisons: whether a finder, or a sweep, is better than another, for each cell and for all cells together.

Each cell has ratios of the median, of the 95th percentile and, in a closed loop, of the answers per second. Each ratio
has an interval and a verdict (see ``intervals.py``). A cell is better when a ratio is better and none is worse, worse
in the opposite case, mixed with both, the same when all are the same, else inconclusive. All cells together are mixed
when some are better and others worse, and worse when some are worse and none is better; else the verdict of their mean
ratios counts.

Two sweeps ran at two times, and the machine may have changed its speed. Each sweep measured the same reference work
between its blocks; the ratio of these times is taken out. When a reference has no answer, nothing is decided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.judge import intervals
from orchestrator.sweep.judge.intervals import BETTER, INCONCLUSIVE, MIXED, SAME, WORSE, Interval
from orchestrator.sweep.measure.matrix import Combination
from orchestrator.sweep.measure.results import Cell, Results, SweepOptions

MARGIN = 0.05
P50, P95, RATE = "p50", "p95", "rate"
MEASURES = (P50, P95, RATE)
_PERCENTS = {50: P50, 95: P95}
_FEWEST_BLOCKS = 4  # with fewer, an interval means nothing


@dataclass(frozen=True)
class CellComparison:
    """The cells of base and new for one combination, and the ratios, new to base, by measure."""

    combination: Combination
    base: Cell
    new: Cell
    ratios: Mapping[str, Interval]
    verdict: str

    @property
    def name(self) -> str:
        """The combination, with the finder where both sides have the same one."""
        same = f" {self.new.finder}" if self.base.finder == self.new.finder else ""
        return f"{self.combination.name}{same}"


@dataclass(frozen=True)
class Comparison:
    """Two finders of one sweep (``base`` and ``new`` are their names) or two sweeps (when they began).

    ``only`` names the cells that one side lacks; ``notes`` name other differences.
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
        """How many cells have each verdict."""
        verdicts = [cell.verdict for cell in self.cells]
        order = (BETTER, WORSE, MIXED, SAME, INCONCLUSIVE)
        return {verdict: verdicts.count(verdict) for verdict in order if verdict in verdicts}

    @property
    def summary(self) -> str:
        """The verdict, with the number of cells of each verdict when there are several cells."""
        if len(self.cells) < 2:
            return self.verdict
        return f"{self.verdict}: {', '.join(f'{number} {verdict}' for verdict, number in self.counts.items())}"

    @property
    def noise(self) -> float:
        """How far from 1 the widest interval of the 95th percentile reaches; NaN when no interval is known.

        When a finder is compared with itself, smaller differences are noise.
        """
        bounds = [bound for cell in self.cells for bound in (cell.ratios[P95].low, cell.ratios[P95].high)]
        finite = [abs(math.log(bound)) for bound in bounds if math.isfinite(bound) and bound > 0]
        return math.exp(max(finite)) - 1 if finite else math.nan


def compare_finders(results: Results, base: str, new: str, margin: float = MARGIN) -> Comparison:
    """Compare two finders of one sweep, whose blocks took turns."""
    pairs, only = [], []
    for combination in results.combinations:
        one, other = results.cell(combination, base), results.cell(combination, new)
        if one is not None and other is not None:
            pairs.append((one, other))
        else:
            only.append(combination.name)
    notes = [
        f"the rows of {parity.uncompared} of {parity.calls} calls of {combination.name} were not compared"
        for combination, parity in results.parity.items()
        if parity.uncompared
    ]

    def ratios(one: Cell, other: Cell, measures: Sequence[str], seed: int) -> dict[str, Interval]:
        return _ratios(one, other, measures, paired=True, seed=seed)

    return _compare(results.options, (base, new), pairs, ratios, only, notes, margin)


def compare_sweeps(base: Results, new: Results, margin: float = MARGIN) -> Comparison:
    """Compare two sweeps: every cell with the cell of the same combination and finder.

    When each sweep has one finder, these are compared, whatever their names are. Raises :class:`OrchestratorError` when
    the sweeps have no cell in common.
    """
    renamed: dict[str, str] = {}
    if len(base.finders) == len(new.finders) == 1:
        renamed = dict(zip(base.finders, new.finders, strict=True))
    pairs, only = [], []
    for cell in base.cells:
        counterpart = new.cell(cell.combination, renamed.get(cell.finder, cell.finder))
        if counterpart is None:
            only.append(cell.name)
        else:
            pairs.append((cell, counterpart))
    matched = {other.name for _, other in pairs}
    only += [cell.name for cell in new.cells if cell.name not in matched]
    if not pairs:
        raise OrchestratorError("the two sweeps have no cell in common")
    machines: dict[Combination, dict[str, Interval]] = {}

    def ratios(one: Cell, other: Cell, measures: Sequence[str], seed: int) -> dict[str, Interval]:
        if one.combination not in machines:
            missing = Cell(one.combination, "reference")
            then, now = (each.references.get(one.combination, missing) for each in (base, new))
            machines[one.combination] = _ratios(then, now, measures, paired=False, seed=seed)
        found = _ratios(one, other, measures, paired=False, seed=seed)
        return {measure: ratio.without(machines[one.combination][measure]) for measure, ratio in found.items()}

    notes = list(_differences(base, new))
    return _compare(base.options, (base.started, new.started), pairs, ratios, only, notes, margin)


def _compare(
    options: SweepOptions,
    names: tuple[str, str],
    pairs: Sequence[tuple[Cell, Cell]],
    ratios_of: Callable[[Cell, Cell, Sequence[str], int], dict[str, Interval]],
    only: Sequence[str],
    notes: Sequence[str],
    margin: float,
) -> Comparison:
    measures = MEASURES if options.rate is None else (P50, P95)  # the rate of an open loop was given
    cells = []
    for number, (one, other) in enumerate(pairs):
        ratios = ratios_of(one, other, measures, options.seed + number)
        few = min(len(one.blocks), len(other.blocks)) < _FEWEST_BLOCKS
        verdict = INCONCLUSIVE if few else _together([_verdict(ratios[each], each, margin) for each in measures])
        cells.append(CellComparison(one.combination, one, other, ratios, verdict))
    overall = {measure: _mean([cell.ratios[measure] for cell in cells]) for measure in measures}
    return Comparison(*names, cells, overall, _overall(cells, overall, margin), margin, only, notes)


def _ratios(base: Cell, new: Cell, measures: Sequence[str], *, paired: bool, seed: int) -> dict[str, Interval]:
    samples = [[block.milliseconds for block in cell.blocks] for cell in (base, new)]
    by_percent = intervals.compare_percentiles(samples[0], samples[1], tuple(_PERCENTS), paired=paired, seed=seed)
    found = {_PERCENTS[percent]: ratio for percent, ratio in by_percent.items()}
    if RATE in measures:
        rates = [[block.rate for block in cell.blocks] for cell in (base, new)]
        found[RATE] = intervals.compare_rates(rates[0], rates[1], paired=paired, seed=seed)
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
    """Return the geometric mean of independent ratios, without the infinite ones."""
    usable = [ratio for ratio in ratios if math.isfinite(ratio.high) and ratio.low > 0]
    if not usable:
        return Interval(math.nan, math.nan, math.nan)
    centre = sum(math.log(ratio.ratio) for ratio in usable) / len(usable)
    below = math.hypot(*(math.log(ratio.low / ratio.ratio) for ratio in usable)) / len(usable)
    above = math.hypot(*(math.log(ratio.high / ratio.ratio) for ratio in usable)) / len(usable)
    return Interval(math.exp(centre), math.exp(centre - below), math.exp(centre + above))


def _differences(base: Results, new: Results) -> Iterator[str]:
    """Yield what else differs between two sweeps, which may be the cause of a ratio."""
    for results in (base, new):
        missing = [each.name for each in results.combinations if not _has_answers(results.references.get(each))]
        if missing:
            yield (
                f"the sweep of {results.started} has no reference measurement in {len(missing)} combinations, for"
                f" example {missing[0]}: how fast the machine was is unknown, so nothing is decided there"
            )
    if base.options.loop != new.options.loop:
        yield f"different loads: {base.options.loop}; {new.options.loop}"
    if base.options.max_edges_per_hop != new.options.max_edges_per_hop:
        yield "different --max-edges-per-hop"
    if base.targets != new.targets:
        yield "different targets: use the same --seed and the same data"
    else:
        changed = [
            combination.name
            for combination, parity in base.parity.items()
            if combination in new.parity
            and set(parity.digests.values()).isdisjoint(new.parity[combination].digests.values())
        ]
        if changed:
            yield f"different rows in {len(changed)} combinations, for example {changed[0]}"
    servers, clients = ([each.environment[side] for each in (base, new)] for side in ("server", "client"))
    if servers[0]["version"] != servers[1]["version"]:
        yield f"different servers: PostgreSQL {servers[0]['version']} and {servers[1]['version']}"
    settings = [server["settings"] for server in servers]
    names = sorted(name for name in {**settings[0], **settings[1]} if settings[0].get(name) != settings[1].get(name))
    if names:
        yield f"different settings: {', '.join(names)}"
    if any(clients[0].get(name) != clients[1].get(name) for name in ("processor", "cores", "memory_bytes")):
        yield "different client machines"


def _has_answers(reference: Cell | None) -> bool:
    return reference is not None and math.isfinite(reference.percentile(95) or math.inf)
