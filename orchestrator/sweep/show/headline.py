"""The headline of a report: what was found, in one or two sentences for people who were not there."""

from __future__ import annotations

import math
from collections.abc import Iterator

from orchestrator.core.formats import milliseconds, percent
from orchestrator.sweep.judge.compare import P95, Comparison
from orchestrator.sweep.judge.intervals import BETTER, MIXED, SAME, WORSE, Interval
from orchestrator.sweep.measure.matrix import Combination
from orchestrator.sweep.measure.results import Cell, Results


def headline(results: Results, comparison: Comparison | None) -> list[str]:
    """Return the sentences; without a comparison, one about the slowest combination."""
    measured = [cell for cell in results.cells if cell.requests]
    if not measured:
        return ["Nothing was measured."]
    if all(math.isinf(cell.samples.min()) for cell in measured):
        return [f"None of {sum(cell.requests for cell in measured):,} requests was answered."]
    if comparison is None or not any(cell.base.requests and cell.new.requests for cell in comparison.cells):
        slowest = max(measured, key=_p95)
        return [f"At {place(results, slowest.combination)}, the slowest combination, {answers(slowest)}."]
    if is_against_itself(results, comparison):
        return [noise(comparison)]
    return list(_compared(results, comparison))


def is_against_itself(results: Results, comparison: Comparison) -> bool:
    """Whether a finder was compared with itself in one sweep."""
    base, new = (results.finders.get(name) for name in (comparison.base, comparison.new))
    return base is not None and base == new


def noise(comparison: Comparison) -> str:
    """Return how large a difference must be to mean something."""
    if math.isnan(comparison.noise):
        return f"{comparison.base} was compared with itself, in too few blocks to know the noise."
    return (
        f"{comparison.base} was compared with itself: a p95 that differs by less than {percent(comparison.noise)} is"
        " noise in a sweep like this one."
    )


def place(results: Results, combination: Combination) -> str:
    """Return a combination in words, with its scope, paths and order where these differ between combinations."""
    found = [f"{results.members[combination.collection]:,} members"]
    if len({each.scope for each in results.combinations}) > 1:
        found.append(f"scope {combination.scope}")
    if len({each.max_paths for each in results.combinations}) > 1:
        found.append(f"{combination.max_paths:,} paths")
    if len({each.order for each in results.combinations}) > 1:
        found.append(f"by {combination.order}")
    return f"depth {combination.depth} in collection {combination.collection} ({', '.join(found)})"


def answers(cell: Cell) -> str:
    """Return what a cell's p95 means."""
    p95 = _p95(cell)
    if math.isinf(p95):
        return f"{cell.finder} leaves more than 5% of the requests without an answer"
    return f"{cell.finder} answers 95% of the requests within {milliseconds(p95)}"


def _compared(results: Results, comparison: Comparison) -> Iterator[str]:
    """Compare p95 where the base is slowest, then where the new side is worst."""
    cells, margin = comparison.cells, comparison.margin
    slowest = max(cells, key=lambda cell: _p95(cell.base))
    yield (
        f"At {place(results, slowest.combination)}, {answers(slowest.new)}; as the base, {answers(slowest.base)}:"
        f" {_ratio(slowest.ratios[P95], margin)}."
    )
    worse = [cell for cell in cells if cell.verdict in (WORSE, MIXED)]
    if worse:
        worst = max(worse, key=lambda cell: cell.ratios[P95].ratio)
        yield (
            f"{len(worse)} of {len(cells)} combinations are worse or mixed; at {place(results, worst.combination)},"
            f" {_ratio(worst.ratios[P95], margin)}."
        )


def _ratio(ratio: Interval, margin: float) -> str:
    """Return a ratio of p95 in words."""
    verdict = ratio.verdict(margin)
    if verdict == SAME:
        return f"p95 is the same within {percent(margin)}"
    if verdict not in (BETTER, WORSE):
        return "no difference of p95 can be shown"
    if not 0 < ratio.ratio < math.inf:
        return f"p95 is {verdict}, without an answer on one side"
    if verdict == BETTER:
        most = f"{1 / ratio.low:.2g}" if ratio.low else "any number"
        return f"p95 is {1 / ratio.ratio:.2g} times as fast ({1 / ratio.high:.2g} to {most})"
    return f"p95 takes {ratio.ratio:.2g} times as long ({ratio.low:.2g} to {ratio.high:.2g})"


def _p95(cell: Cell) -> float:
    """Return a cell's p95; without samples, less than any."""
    found = cell.percentile(95)
    return -math.inf if found is None else found
