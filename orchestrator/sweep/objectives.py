"""What a sweep shall show: ``p95=250ms``, ``p99=1s``, ``max=2s``, ``rate=500``, ``failed=0``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.compare import Comparison
from orchestrator.sweep.results import PERCENTS, Cell, Results

_LATENCIES = tuple(f"p{percent}" for percent in PERCENTS)
_LATENCY = re.compile(r"(p[0-9]+|max)=([0-9]+(?:\.[0-9]+)?)(ms|s)")
_NUMBER = re.compile(r"(rate|failed)=([0-9]+(?:\.[0-9]+)?)(%?)")


@dataclass(frozen=True)
class Objective:
    """A limit that every cell shall keep: milliseconds of a percentile or of the slowest request, answers a second at
    least, or the share of requests without an answer at most."""

    text: str
    measure: str
    limit: float

    def judge(self, cell: Cell, base: Cell | None = None) -> Judged:
        """Say whether *cell* keeps it, and what *base* shows; where there are too few samples, ``met`` is None."""
        found = self._measured(cell)
        met = None if found is None else found >= self.limit if self.measure == "rate" else found <= self.limit
        return Judged(self.text, cell.name, found, met, None if base is None else self._measured(base))

    def _measured(self, cell: Cell) -> float | None:
        if self.measure == "rate":
            return cell.rate
        if self.measure == "failed":
            return (cell.errors + cell.timeouts) / cell.requests if cell.requests else None
        if self.measure == "max":
            return cell.longest
        return cell.percentile(int(self.measure[1:]))


@dataclass(frozen=True)
class Judged:
    """What a cell showed, and whether that is within the objective; None: it cannot be told.

    ``base`` is what the cell that it is compared with showed, which is not judged; None: there is none.
    """

    objective: str
    cell: str
    found: float | None
    met: bool | None
    base: float | None = None


def parse(text: str) -> Objective:
    """Return the objective that *text* states; raises :class:`OrchestratorError` when it states none."""
    if found := _LATENCY.fullmatch(text):
        measure, number, unit = found.groups()
        if measure == "max" or measure in _LATENCIES:
            return Objective(text, measure, float(number) * (1000 if unit == "s" else 1))
    elif found := _NUMBER.fullmatch(text):
        measure, number, percent = found.groups()
        if measure == "failed" or not percent:
            return Objective(text, measure, float(number) / (100 if percent else 1))
    raise OrchestratorError(
        f"{text} is no objective: state {', '.join(_LATENCIES)} or max with ms or s as in p95=250ms, rate=500 (answers"
        " a second at least), or failed=0.1% (requests without an answer at most)"
    )


def judge(results: Results, objectives: Sequence[Objective], comparison: Comparison | None = None) -> list[Judged]:
    """Judge the cells of what is new by every objective; of *comparison*, the base is shown beside each."""
    bases = {id(cell.new): cell.base for cell in comparison.cells} if comparison is not None else {}
    return [objective.judge(cell, bases.get(id(cell))) for objective in objectives for cell in results.new_cells]
