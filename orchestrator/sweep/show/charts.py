"""The charts of a report, as SVG elements for the page.

Colours and dashes are classes (``finder-0``, ``finder-1``, …) that the page's style sheet defines for both themes, so
finders differ by colour and by dashes. Latency is on a logarithmic axis, the same in all charts of one kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from orchestrator.core.formats import milliseconds, number, percent
from orchestrator.sweep.measure.load_generator import Samples

STYLES = 6  # looks of finders; the next finders repeat them
_WIDTH, _HEIGHT = 360, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 18, 34
_POINTS = 120  # of a distribution's curve


@dataclass(frozen=True)
class Scale:
    """The logarithmic axis of milliseconds, from bottom to top."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Scale:
        """Return a scale with some room around the finite *values*."""
        finite = [value for value in values if math.isfinite(value) and value > 0] or [1.0, 10.0]
        return cls(min(finite) / 1.5, max(finite) * 1.5)

    def y(self, value: float) -> float:
        """Return the height of a value in the chart; a larger value than the scale's is at the top edge."""
        share = math.log(min(max(value, self.low), self.high) / self.low) / math.log(self.high / self.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def ticks(self) -> Iterator[float]:
        """Yield round values: 1, 2 and 5 of each decade, or only 1 where there are many decades."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for power in range(first, last + 1):
            for step in (1, 2, 5) if last - first <= 3 else (1,):
                if self.low <= step * 10.0**power <= self.high:
                    yield step * 10.0**power


def by_depth(finders: Mapping[str, Mapping[int, tuple[float, float]]], scale: Scale) -> Markup:
    """Draw p95 (thick) and the median (thin) by depth; *finders* maps names to depths to (median, p95)."""
    depths = sorted({depth for values in finders.values() for depth in values})
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(depths))
    x = {depth: _LEFT + step * (place + 0.5) for place, depth in enumerate(depths)}
    parts = []
    for place, values in enumerate(finders.values()):
        for thick, at in (("thin", 0), ("thick", 1)):
            points = [(x[depth], scale.y(value[at]), value[at]) for depth, value in sorted(values.items())]
            if points:
                parts.append(_line([(px, py) for px, py, _ in points], place, thick))
                parts += [_mark(px, py, place, math.isfinite(value)) for px, py, value in points]
    described = "; ".join(
        f"{name}: " + ", ".join(f"depth {depth} p50 {_time(p50)} p95 {_time(p95)}" for depth, (p50, p95) in
                                sorted(values.items()))
        for name, values in finders.items()
    )  # fmt: skip
    return _svg(parts, [(x[depth], str(depth)) for depth in depths], "depth", scale, f"Latency by depth. {described}")


def distribution(finders: Mapping[str, Samples], scale: Scale, most: int) -> Markup:
    """Draw, from every sample, the latency that each share of the requests did not exceed.

    The axis spreads the highest percentiles. A curve ends at its slowest request, or at the top edge where the
    remaining requests had no answer. ``most`` is the number of samples that the axis has room for.
    """
    end = max(1.0, math.log10(max(most, 1)))

    def x(share: float) -> float:
        return _LEFT - math.log10(max(1 - share, 10**-end)) / end * (_WIDTH - _LEFT - _RIGHT)

    parts, described = [], []
    for place, (name, samples) in enumerate(finders.items()):
        count, answered = len(samples), np.sort(samples[np.isfinite(samples)])
        if not count:
            described.append(f"{name}: no samples")
            continue
        points = [(x(share), scale.y(value)) for share, value in curve(answered, count)]
        failed = 1 - len(answered) / count
        if failed:
            points += [(x(1 - failed), scale.y(math.inf))]
        parts += [_line(points, place, "thick"), _mark(*points[-1], place, not failed)]
        slowest = _time(float(answered[-1])) if len(answered) else "none"
        described.append(f"{name}: {count:,} requests, slowest answer {slowest}, {percent(failed)} without an answer")
    marks = [(x(share / 100), f"{share:g}") for share in (0, 50, 90, 99, 99.9, 99.99) if 1 - share / 100 >= 10**-end]
    caption = "percentile of requests"
    return _svg(parts, marks, caption, scale, f"Distribution of latencies. {'; '.join(described)}")


def curve(answered: Samples, count: int) -> list[tuple[float, float]]:
    """Return points of a distribution, the first and the last included: the share of requests below a sample, and it.

    *answered* are the sorted samples with an answer, of *count* requests.
    """
    if not len(answered):
        return []
    ranks = np.floor(count * (1 - 10 ** -np.linspace(0, math.log10(count), _POINTS))).astype(np.int64)
    ranks = np.unique(np.append(ranks, [0, len(answered) - 1]))
    return [(int(rank) / count, float(answered[rank])) for rank in ranks if rank < len(answered)]


def look(place: int) -> str:
    """Return the class of the finder with that number."""
    return f"finder-{place % STYLES}"


def _line(points: Sequence[tuple[float, float]], place: int, weight: str) -> str:
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{look(place)} {weight}" points="{text}"/>'


def _mark(x: float, y: float, place: int, is_answered: bool) -> str:
    """Mark a value: a dot, or a triangle at the top edge where there is no answer."""
    if is_answered:
        return f'<circle class="{look(place)}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'
    return f'<path class="{look(place)} none" d="M{x - 5:.1f} {y + 8:.1f}h10l-5 -9z"/>'


def _time(value: float) -> str:
    return "no answer" if math.isinf(value) else milliseconds(value)


def _svg(
    parts: Sequence[str], marks: Sequence[tuple[float, str]], caption: str, scale: Scale, described: str
) -> Markup:
    """Return the chart with its axes; *described* is the same in words, for screen readers."""
    axes = [f'<text x="{_LEFT - 6}" y="10" class="end">ms</text>']
    for tick in scale.ticks():
        y = scale.y(tick)
        axes.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        axes.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="end">{number(tick)}</text>')
    axes += [f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 15}" class="middle">{text}</text>' for x, text in marks]
    axes.append(f'<text x="{(_LEFT + _WIDTH) / 2:.0f}" y="{_HEIGHT - 3}" class="middle">{caption}</text>')
    inside = "".join([*axes, *parts])
    return Markup(f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(described)}">{inside}</svg>')
