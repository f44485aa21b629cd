"""What was found, in the two or three sentences that people who were not there will read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from orchestrator.sweep.compare import MEASURES, P95, RATE, CellComparison, Comparison
from orchestrator.sweep.matrix import Request
from orchestrator.sweep.results import Cell, Results
from orchestrator.sweep.statistics import BETTER, MIXED, SAME, WORSE, Interval
from orchestrator.sweep.wording import listed, moment, percent, where


def headline(results: Results, comparison: Comparison | None) -> list[str]:
    """Return what was found in a sentence or two: of the slowest kind of request, and of all."""
    measured = [cell for cell in results.cells if cell.requests]
    if not measured:
        return ["Nothing was measured."]
    if all(math.isinf(cell.samples.min()) for cell in measured):
        return [f"None of {sum(cell.requests for cell in measured):,} requests was answered."]
    if comparison is None or not any(cell.base.requests and cell.new.requests for cell in comparison.cells):
        return list(_described(results, measured))
    return [noise(comparison)] if is_same(results, comparison) else list(_told(results, comparison))


def is_same(results: Results, comparison: Comparison) -> bool:
    """Whether a version was compared with itself in one sweep."""
    statements = results.versions
    base, new = statements.get(comparison.base), statements.get(comparison.new)
    return base is not None and base == new


def noise(comparison: Comparison) -> str:
    """Say how large a difference must be to be one."""
    if math.isnan(comparison.noise):
        return f"{comparison.base} was compared with itself, in too few blocks to say how large the noise is."
    return (
        f"{comparison.base} was compared with itself: here, a p95 that differs by less than"
        f" {percent(comparison.noise)} cannot be told from one that does not."
    )


def _described(results: Results, measured: Sequence[Cell]) -> Iterator[str]:
    """Tell the slowest kind of request, of those that several versions were asked, and the fastest beside it."""
    by_request: dict[Request, list[Cell]] = {}
    for cell in measured:
        by_request.setdefault(cell.request, []).append(cell)
    is_several = max(map(len, by_request.values())) > 1
    able = {request: sorted(cells, key=_p95) for request, cells in by_request.items() if len(cells) > is_several}
    slowest = max(able, key=lambda request: _p95(able[request][-1]))
    cells = able[slowest]
    place = f"At {where(results, slowest)}"
    if not is_several:
        yield f"{place}, {cells[0].version} {_answering(_p95(cells[0]))}."
    else:
        answering = [cell for cell in cells if math.isfinite(_p95(cell))]
        shown = answering if len(answering) <= 3 else [answering[0], answering[-1]]
        told = listed([f"by {cell.version} {_within(_p95(cell))}" for cell in shown])
        more = ", the others between" if len(shown) < len(answering) else ""
        failing = listed([cell.version for cell in cells if math.isinf(_p95(cell))])
        parts = [f"95 % of requests are answered {told}{more}"] if told else []
        parts += [f"more than 5 % of requests have no answer from {failing}"] if failing else []
        yield f"{place}, {'; '.join(parts)}."
    fastest = min(able, key=lambda request: _p95(able[request][0]))
    quick = able[fastest][0]
    if len(able) > 1 and math.isfinite(_p95(quick)):
        yield (
            f"That is the slowest of {len(able)} kinds of request; the fastest, {where(results, fastest)}, is answered"
            f" {_within(_p95(quick))}{f' by {quick.version}' if is_several else ''}."
        )


def _told(results: Results, comparison: Comparison) -> Iterator[str]:
    """Tell where the base is slowest, then of all requests, then where the new one is worst."""
    cells = comparison.cells
    slowest = max(cells, key=lambda cell: _p95(cell.base))
    base, new = _names(comparison, slowest)
    taken = _p95(slowest.new)
    if math.isinf(taken):
        told = f"{base} {_answering(_p95(slowest.base))}"
    else:
        told = _faster(slowest.ratios[P95], comparison.margin, base, _p95(slowest.base))
    yield f"At {where(results, slowest.request)}, {new} {_answering(taken)}, {told}."
    worse = [cell for cell in cells if cell.verdict in (WORSE, MIXED)]
    overall = comparison.overall[P95]
    if len(cells) > 1 and not math.isnan(overall.ratio) and not math.isnan(overall.low):
        verdict = overall.verdict(comparison.margin)
        kinds = f"Over all {len(cells)} kinds of request"
        if verdict == BETTER:
            yield f"{kinds}, p95 is {_times(1 / overall.ratio)} times as fast ({_bounds(_inverse(overall))})."
        elif verdict == WORSE:
            yield f"{kinds}, p95 takes {_times(overall.ratio)} times as long ({_bounds(overall)})."
        elif verdict == SAME:
            yield f"{kinds}, p95 is the same within {percent(comparison.margin)}."
        else:
            yield f"{kinds}, no difference of p95 can be told."
    if worse:
        worst = max(worse, key=lambda cell: _worst(cell, comparison.margin))
        yield (
            f"It is worse in {len(worse)} of {len(cells)}: at {where(results, worst.request)},"
            f" {_slower(worst, comparison.margin)}."
        )


def _names(comparison: Comparison, cell: CellComparison) -> tuple[str, str]:
    """Return what the base and the new one are called; of one version in two sweeps, the base is the other sweep."""
    base, new = cell.base.version, cell.new.version
    return (base if base != new else f"the sweep of {moment(comparison.base)}"), new


def _faster(ratio: Interval, margin: float, base: str, taken: float) -> str:
    """Say how the base's p95, *taken*, relates to the new one's, which are *ratio* apart."""
    if math.isinf(taken):
        return f"where {base} leaves more than 5 % without an answer"
    if math.isnan(ratio.low):
        return f"{base} {_within(taken)}"
    verdict = ratio.verdict(margin)
    if verdict == BETTER:
        return f"{_times(1 / ratio.ratio)} times as fast as {base} ({_bounds(_inverse(ratio))})"
    if verdict == WORSE:
        return f"{_times(ratio.ratio)} times as long as {base} takes ({_bounds(ratio)})"
    if verdict == SAME:
        return f"as {base} does: the same within {percent(margin)}"
    return f"{base} {_within(taken)}: no difference that can be told"


def _worst(cell: CellComparison, margin: float) -> tuple[float, str]:
    """Return by how much a cell is worse, as the logarithm of a ratio, and in what."""
    found = [(-math.inf, P95)]
    for measure in MEASURES:
        ratio = cell.ratios.get(measure)
        if ratio is not None and ratio.verdict(margin, more_is_better=measure == RATE) == WORSE:
            size = math.log(ratio.ratio) if 0 < ratio.ratio < math.inf else math.inf
            found.append((abs(size), measure))
    return max(found)


def _slower(cell: CellComparison, margin: float) -> str:
    _, measure = _worst(cell, margin)
    ratio = cell.ratios[measure]
    if not 0 < ratio.ratio < math.inf:
        return f"{measure} has no answer"
    if measure == RATE:
        return f"there are {_times(ratio.ratio)} times as many answers a second ({_bounds(ratio)})"
    return f"{measure} takes {_times(ratio.ratio)} times as long ({_bounds(ratio)})"


def _inverse(ratio: Interval) -> Interval:
    low, high = (1 / bound if bound else math.inf for bound in (ratio.high, ratio.low))
    return Interval(1 / ratio.ratio if ratio.ratio else math.inf, low, high)


def _bounds(ratio: Interval) -> str:
    return f"{_times(ratio.low)} to {_times(ratio.high)}"


def _times(ratio: float) -> str:
    if math.isinf(ratio):
        return "any number of"
    return f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.1f}" if ratio >= 2 else f"{ratio:.2f}"


def _p95(cell: Cell) -> float:
    """Return the cell's p95; of no samples, less than any."""
    found = cell.percentile(95)
    return -math.inf if found is None else found


def _within(value: float) -> str:
    """Return a time as a person says it."""
    if value >= 1000:
        return f"within {value / 1000:.3g} s"
    return f"within {value:.0f} ms" if value >= 100 else f"within {value:.2g} ms"


def _answering(value: float) -> str:
    """Say what a p95 means."""
    if math.isinf(value):
        return "answers nothing" if value < 0 else "leaves more than 5 % of requests without an answer"
    return f"answers 95 % of requests {_within(value)}"
