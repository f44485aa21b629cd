"""Objectives: limits that every cell must keep, such as ``p95=250ms``, ``max=2s``, ``rate=500`` or ``failed=0``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.judge.compare import RATE, Comparison
from orchestrator.sweep.measure.results import PERCENTS, Cell, Results

FAILED, MAX = "failed", "max"

_LATENCIES = tuple(f"p{percent}" for percent in PERCENTS)
_LATENCY = re.compile(r"(p[0-9]+|max)=([0-9]+(?:\.[0-9]+)?)(ms|s)")
_NUMBER = re.compile(r"(rate|failed)=([0-9]+(?:\.[0-9]+)?)(%?)")


@dataclass(frozen=True)
class Objective:
    """A limit: of a percentile or the slowest request at most so many milliseconds, at least so many answers per
    second, or at most this share of requests without an answer."""

    text: str
    measure: str
    limit: float

    def judge(self, cell: Cell, base: Cell | None = None) -> Judgement:
        """Judge a cell; *base* is the cell that it is compared with, whose value is shown beside it."""
        value = self._value(cell)
        met = None if value is None else value >= self.limit if self.measure == RATE else value <= self.limit
        return Judgement(self.text, cell.name, value, met, None if base is None else self._value(base))

    def _value(self, cell: Cell) -> float | None:
        if self.measure == RATE:
            return cell.rate
        if self.measure == FAILED:
            return (cell.errors + cell.timeouts) / cell.requests if cell.requests else None
        return cell.longest if self.measure == MAX else cell.percentile(int(self.measure[1:]))


@dataclass(frozen=True)
class Judgement:
    """The value of a cell, and whether it meets the objective; None: too few samples to decide.

    ``base`` is the value of the cell that it is compared with, None without one.
    """

    objective: str
    cell: str
    value: float | None
    met: bool | None
    base: float | None = None


def parse(text: str) -> Objective:
    """Return the objective that *text* states; raises :class:`OrchestratorError` when it states none."""
    if found := _LATENCY.fullmatch(text):
        measure, number, unit = found.groups()
        if measure == MAX or measure in _LATENCIES:
            return Objective(text, measure, float(number) * (1000 if unit == "s" else 1))
    elif found := _NUMBER.fullmatch(text):
        measure, number, percent = found.groups()
        if measure == FAILED or not percent:
            return Objective(text, measure, float(number) / (100 if percent else 1))
    raise OrchestratorError(
        f"{text!r} is not an objective; give {', '.join(_LATENCIES)} or max with ms or s (p95=250ms), rate=500 (answers"
        " per second, at least), or failed=0.1% (requests without an answer, at most)"
    )


def judge(results: Results, objectives: Sequence[Objective], comparison: Comparison | None = None) -> list[Judgement]:
    """Judge the new cells by every objective, with the base's values from *comparison*."""
    bases = {id(cell.new): cell.base for cell in comparison.cells} if comparison is not None else {}
    return [objective.judge(cell, bases.get(id(cell))) for objective in objectives for cell in results.judged_cells]
