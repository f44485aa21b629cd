"""What samples say: percentiles, and how sure a ratio of two is.

A sample is what a request took in milliseconds; one that was not answered (an error, a timeout) is infinite. So it
ranks above every answer, and no percentile gets better because requests fail.

**Percentiles** are nearest ranks of all samples: the smallest value that the given share of them do not exceed, which
is NumPy's ``inverted_cdf``. They are never averaged: samples are put together first.

**Ratios** are bootstrapped by block. Requests that ran at the same time were slow or fast together, so what is drawn
with replacement is blocks and not requests; where two versions took turns, pairs of blocks. Each draw puts the samples
of its blocks together and takes their percentile, from histograms with bins of half a per cent. A handful of
blocks makes intervals too narrow, so they are widened as Student's distribution is wider than the normal one, for as
many blocks. (Efron and Tibshirani, An Introduction to the Bootstrap, chapters 8 and 14; the correction is the usual
one for the standard error of a mean of so many values.) What was not measured in turns met another state of the
machine, and two sweeps are no more alike than the blocks of one: there the interval is that of a single block, wider by
the square root of their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

CONFIDENCE = 0.95
FEWEST_FOR_P99 = 1000  # samples; below, the 99th percentile is the word of a handful
_BIN = math.log(1.005)
_RESAMPLES = 1000
_LEAST = 1e-3  # ms; a sample cannot be less


def percentile(samples: Samples, percent: int) -> float:
    """Return a percentile by the nearest rank; NaN of no samples."""
    count = len(samples)
    if not count:
        return math.nan
    rank = max(1, -(-count * percent // 100))
    return float(np.partition(samples, rank - 1)[rank - 1])


@dataclass(frozen=True)
class Interval:
    """A ratio, and the bounds it lies within by :data:`CONFIDENCE`."""

    ratio: float
    low: float
    high: float

    def less(self, other: Interval) -> Interval:
        """Return the interval that holds this ratio as it is, and without the part of it that is *other*'s.

        The ratio itself is without it. Where *other* is not known, neither are the bounds.
        """
        if math.isnan(self.low) or math.isnan(self.high):
            return self
        if not (0 < other.low <= other.high < math.inf and 0 < other.ratio < math.inf):
            return Interval(self.ratio, math.nan, math.nan)  # what is not known cannot be taken off
        adjusted = self.ratio / other.ratio
        below, above = (
            math.hypot(_logarithm_of(own, self.ratio), _logarithm_of(others, other.ratio))
            for own, others in ((self.low, other.high), (self.high, other.low))
        )
        return Interval(
            adjusted, min(self.low, adjusted * math.exp(-below)), max(self.high, adjusted * math.exp(above))
        )

    def verdict(self, margin: float, *, more_is_better: bool = False) -> str:
        """Return better, worse, same or inconclusive.

        A ratio is better or worse when the whole interval is beyond *margin* (0.05: five per cent), the same when the
        whole of it is within.
        """
        if any(map(math.isnan, (self.ratio, self.low, self.high))):
            return INCONCLUSIVE
        below, above = self.high < 1 / (1 + margin), self.low > 1 + margin
        if below or above:
            return BETTER if above == more_is_better else WORSE
        return SAME if self.low >= 1 / (1 + margin) and self.high <= 1 + margin else INCONCLUSIVE


BETTER, WORSE, SAME, INCONCLUSIVE = "better", "worse", "same", "inconclusive"
MIXED = "mixed"  # of several verdicts: better here, worse there


def compare(
    base: Sequence[Samples], new: Sequence[Samples], percents: Sequence[int], *, paired: bool, seed: int
) -> dict[int, Interval]:
    """Return the ratio of each of *percents*, new to base.

    *base* and *new* are the samples of each block; *paired*: the blocks took turns. The draws of the same seed are the
    same. Of fewer than two blocks there is no interval.
    """
    generator = np.random.default_rng(seed)
    drawn_base = _draws(len(base), generator)
    drawn_new = drawn_base if paired and len(base) == len(new) else _draws(len(new), generator)
    values_base, values_new = _percentiles(base, drawn_base, percents), _percentiles(new, drawn_new, percents)
    found = {}
    for at, percent in enumerate(percents):
        estimate = _logarithm(percentile(_together(new), percent)) - _logarithm(percentile(_together(base), percent))
        draws = _difference(values_new[:, at], values_base[:, at])
        found[percent] = interval(estimate, draws, min(len(base), len(new)), paired=paired)
    return found


def compare_rates(base: Sequence[float], new: Sequence[float], *, paired: bool, seed: int) -> Interval:
    """Return the ratio of the mean rates of blocks, new to base, likewise."""
    if not base or not new:
        return Interval(math.nan, math.nan, math.nan)
    generator = np.random.default_rng(seed)
    drawn_base = _draws(len(base), generator)
    drawn_new = drawn_base if paired and len(base) == len(new) else _draws(len(new), generator)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = [
            np.log(drawn @ np.array(rates) / len(rates)) for drawn, rates in ((drawn_base, base), (drawn_new, new))
        ]
        estimate = np.log(np.mean(new)) - np.log(np.mean(base))
    return interval(float(estimate), _difference(means[1], means[0]), min(len(base), len(new)), paired=paired)


def interval(estimate: float, draws: NDArray[np.float64], blocks: int, *, paired: bool) -> Interval:
    """Return the interval of a ratio whose logarithm is *estimate*, from the logarithms of draws of *blocks*."""
    if blocks < 2 or np.isnan(draws).any() or math.isnan(estimate):
        return Interval(_exponential(estimate), math.nan, math.nan)
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(np.quantile(draws, share, method="inverted_cdf")) for share in (tail, 1 - tail))
    wider = _student(1 - tail, blocks - 1) / NormalDist().inv_cdf(1 - tail) * math.sqrt(blocks / (blocks - 1))
    if not paired:
        wider *= math.sqrt(blocks)
    if math.isinf(estimate):
        return Interval(_exponential(estimate), _exponential(low), _exponential(high))
    return Interval(
        _exponential(estimate),
        _exponential(estimate - wider * max(0.0, estimate - low)),
        _exponential(estimate + wider * max(0.0, high - estimate)),
    )


def _draws(blocks: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return how often each block is drawn, a row a draw."""
    if not blocks:
        return np.zeros((_RESAMPLES, 0), dtype=np.int64)
    return generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=_RESAMPLES)


def _percentiles(blocks: Sequence[Samples], drawn: NDArray[np.int64], percents: Sequence[int]) -> NDArray[np.float64]:
    """Return the logarithms of the percentiles of each draw."""
    everything = _together(blocks)
    if not len(everything):
        return np.full((len(drawn), len(percents)), math.nan)
    failed = np.iinfo(np.int64).max
    numbers = [_bins(block, failed) for block in blocks]
    occupied = np.unique(np.concatenate(numbers))
    counts = np.stack([np.bincount(np.searchsorted(occupied, each), minlength=len(occupied)) for each in numbers])
    cumulative = np.cumsum(drawn @ counts, axis=1)  # of integers: no threads, which would disturb what is measured
    values = np.where(occupied == failed, math.inf, occupied * _BIN)
    total = cumulative[:, -1]
    found = np.empty((len(drawn), len(percents)))
    for at, percent in enumerate(percents):
        rank = np.maximum(1, -(-total * percent // 100))
        found[:, at] = values[np.minimum((cumulative < rank[:, None]).sum(axis=1), len(occupied) - 1)]
    return found


def _bins(block: Samples, failed: int) -> NDArray[np.int64]:
    finite = np.isfinite(block)
    numbers = np.full(len(block), failed, dtype=np.int64)
    numbers[finite] = np.floor(np.log(np.maximum(block[finite], _LEAST)) / _BIN).astype(np.int64)
    return numbers


def _together(blocks: Sequence[Samples]) -> Samples:
    return np.concatenate(blocks) if len(blocks) else np.empty(0)


def _difference(new: NDArray[np.float64], base: NDArray[np.float64]) -> NDArray[np.float64]:
    """Subtract; where both are infinite there is nothing to tell them apart."""
    with np.errstate(invalid="ignore"):
        return np.subtract(new, base)


def _logarithm(value: float) -> float:
    return math.log(max(value, _LEAST)) if not math.isnan(value) else math.nan


def _exponential(value: float) -> float:
    return math.inf if value > 700 else math.exp(value)


def _logarithm_of(bound: float, ratio: float) -> float:
    return math.log(bound / ratio) if 0 < bound < math.inf and 0 < ratio < math.inf else math.inf


def _student(share: float, freedom: int) -> float:
    """Return a quantile of Student's distribution, by the expansion of Cornish and Fisher around the normal one."""
    z = NormalDist().inv_cdf(share)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return float(z + sum(term / freedom**power for power, term in enumerate(terms, 1)))
