"""How sure a ratio of two percentiles or rates is: intervals by bootstrap, and the verdicts that follow from them.

**Blocks are resampled, not requests.** Requests that ran at the same time were slow or fast together. Each of 1,000
draws takes as many blocks as there are, with replacement, and computes the percentile of their samples, from histograms
with bins of half a per cent. Where two finders took turns, pairs of blocks are drawn. A few blocks make the interval
too narrow, so it is widened as Student's distribution is wider than the normal one for that many blocks (Efron and
Tibshirani, An Introduction to the Bootstrap, chapters 8 and 14).

**Two sweeps** met two states of the machine and are no more alike than two blocks of one sweep. Their interval is
therefore that of a single block: wider by the square root of the number of blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.student import student_quantile
from orchestrator.sweep.measure.load_generator import Samples, percentile

BETTER, WORSE, SAME, INCONCLUSIVE = "better", "worse", "same", "inconclusive"
MIXED = "mixed"  # of several verdicts: some better, some worse

CONFIDENCE = 0.95
_BIN = math.log(1.005)
_DRAWS = 1000
_LEAST = 1e-3  # milliseconds; a sample cannot be less
_FAILED = np.iinfo(np.int64).max  # the bin of requests without an answer


@dataclass(frozen=True)
class Interval:
    """A ratio, and the bounds between which it lies with :data:`CONFIDENCE`; NaN where they are unknown."""

    ratio: float
    low: float
    high: float

    def without(self, machine: Interval) -> Interval:
        """Divide by the ratio of the machines' speeds; the interval holds the ratio before and after the division.

        Where the machines' speeds are unknown, the bounds become unknown.
        """
        if math.isnan(self.low) or math.isnan(self.high):
            return self
        if not (0 < machine.low <= machine.high < math.inf and 0 < machine.ratio < math.inf):
            return Interval(self.ratio, math.nan, math.nan)
        ratio = self.ratio / machine.ratio
        below = math.hypot(_distance(self.low, self.ratio), _distance(machine.high, machine.ratio))
        above = math.hypot(_distance(self.high, self.ratio), _distance(machine.low, machine.ratio))
        return Interval(ratio, min(self.low, ratio * math.exp(-below)), max(self.high, ratio * math.exp(above)))

    def verdict(self, margin: float, *, more_is_better: bool = False) -> str:
        """Return better, worse, same or inconclusive.

        Better or worse: the whole interval is further from 1 than *margin* (0.05 is five per cent). Same: the whole
        interval is within the margin.
        """
        if any(map(math.isnan, (self.ratio, self.low, self.high))):
            return INCONCLUSIVE
        is_below, is_above = self.high < 1 / (1 + margin), self.low > 1 + margin
        if is_below or is_above:
            return BETTER if is_above == more_is_better else WORSE
        return SAME if self.low >= 1 / (1 + margin) and self.high <= 1 + margin else INCONCLUSIVE


def compare_percentiles(
    base: Sequence[Samples], new: Sequence[Samples], percents: Sequence[int], *, paired: bool, seed: int
) -> dict[int, Interval]:
    """Return the ratio, new to base, of each of *percents*; *base* and *new* hold the samples of each block.

    ``paired``: the blocks took turns. The same seed gives the same draws. With less than two blocks, the bounds are
    unknown.
    """
    drawn_base, drawn_new = _draw(len(base), len(new), paired=paired, seed=seed)
    found = {}
    for percent in percents:
        estimate = _log_percentile(new, percent) - _log_percentile(base, percent)
        with np.errstate(invalid="ignore"):  # two infinite percentiles cannot be told apart: NaN
            draws = _drawn_percentiles(new, drawn_new, percent) - _drawn_percentiles(base, drawn_base, percent)
        found[percent] = _interval(estimate, draws, min(len(base), len(new)), paired=paired)
    return found


def compare_rates(base: Sequence[float], new: Sequence[float], *, paired: bool, seed: int) -> Interval:
    """Return the ratio, new to base, of the blocks' mean rates, in the same way."""
    if not base or not new:
        return Interval(math.nan, math.nan, math.nan)
    drawn_base, drawn_new = _draw(len(base), len(new), paired=paired, seed=seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = np.log(drawn_new @ np.array(new) / len(new)) - np.log(drawn_base @ np.array(base) / len(base))
        estimate = float(np.log(np.mean(new)) - np.log(np.mean(base)))
    return _interval(estimate, draws, min(len(base), len(new)), paired=paired)


def _interval(estimate: float, draws: NDArray[np.float64], blocks: int, *, paired: bool) -> Interval:
    """Return the interval of a ratio from logarithms: the estimate, and the draws."""
    if blocks < 2 or np.isnan(draws).any() or math.isnan(estimate):
        return Interval(_exponential(estimate), math.nan, math.nan)
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(np.quantile(draws, share, method="inverted_cdf")) for share in (tail, 1 - tail))
    wider = student_quantile(1 - tail, blocks - 1) / NormalDist().inv_cdf(1 - tail) * math.sqrt(blocks / (blocks - 1))
    if not paired:
        wider *= math.sqrt(blocks)
    if math.isfinite(estimate):
        low, high = estimate - wider * max(0.0, estimate - low), estimate + wider * max(0.0, high - estimate)
    return Interval(_exponential(estimate), _exponential(low), _exponential(high))


def _draw(base: int, new: int, *, paired: bool, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how often each block of base and of new is drawn, one row for each draw."""
    generator = np.random.default_rng(seed)

    def draw(blocks: int) -> NDArray[np.int64]:
        if not blocks:
            return np.zeros((_DRAWS, 0), dtype=np.int64)
        return generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=_DRAWS)

    drawn = draw(base)
    return drawn, drawn if paired and base == new else draw(new)


def _log_percentile(blocks: Sequence[Samples], percent: int) -> float:
    value = percentile(np.concatenate(blocks), percent) if len(blocks) else math.nan
    return value if math.isnan(value) else math.log(max(value, _LEAST))


def _drawn_percentiles(blocks: Sequence[Samples], drawn: NDArray[np.int64], percent: int) -> NDArray[np.float64]:
    """Return the logarithm of the percentile of each draw."""
    filled = [place for place, block in enumerate(blocks) if len(block)]
    if not filled:
        return np.full(len(drawn), math.nan)
    drawn = drawn[:, filled]
    numbers = [_bins(blocks[place]) for place in filled]
    # The percentile of several blocks together lies between the lowest and the highest of the blocks' percentiles.
    ends = _bins(np.array([percentile(blocks[place], percent) for place in filled]))
    numbers = [np.clip(each, ends.min(), ends.max()) for each in numbers]
    occupied = np.unique(np.concatenate(numbers))
    counts = np.stack([np.bincount(np.searchsorted(occupied, each), minlength=len(occupied)) for each in numbers])
    cumulative = np.cumsum(drawn @ counts, axis=1)  # of integers: numpy uses no threads, which would disturb a sweep
    rank = np.maximum(1, -(-cumulative[:, -1] * percent // 100))
    values = np.where(occupied == _FAILED, math.inf, occupied * _BIN)
    found: NDArray[np.float64] = values[np.minimum((cumulative < rank[:, None]).sum(axis=1), len(occupied) - 1)]
    return found


def _bins(samples: Samples) -> NDArray[np.int64]:
    numbers = np.full(len(samples), _FAILED, dtype=np.int64)
    finite = np.isfinite(samples)
    numbers[finite] = np.floor(np.log(np.maximum(samples[finite], _LEAST)) / _BIN).astype(np.int64)
    return numbers


def _exponential(value: float) -> float:
    return math.inf if value > 700 else math.exp(value)


def _distance(bound: float, ratio: float) -> float:
    return math.log(bound / ratio) if 0 < bound < math.inf and 0 < ratio < math.inf else math.inf
