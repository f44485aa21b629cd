"""Sweeps and comparisons as they are handed out: files, what is told of them, and the exit status."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep import compare as comparing
from orchestrator.sweep import report, results, summary
from orchestrator.sweep import sweep as measuring
from orchestrator.sweep.compare import Comparison
from orchestrator.sweep.objectives import Judged, judge, parse
from orchestrator.sweep.results import Options, Results
from orchestrator.sweep.statistics import INCONCLUSIVE, MIXED, WORSE
from orchestrator.sweep.sweep import Asked, Progress

DONE, FAILED, MISSED, UNDECIDED = 0, 1, 3, 4  # exit status


@dataclass(frozen=True)
class Told:
    """A command's result: for programs, for a person, and the exit status."""

    data: dict[str, Any]
    lines: Sequence[str]
    status: int


def new_directory(given: Path | None) -> Path:
    """Return where a sweep's files go; one that holds results already is refused."""
    directory = given or Path(f"sweep-{datetime.now():%Y%m%d-%H%M%S}")
    if (directory / results.FILE).exists():
        raise OrchestratorError(f"{directory} holds the results of a sweep already; name another with --output")
    if directory.exists() and not directory.is_dir():
        raise OrchestratorError(f"{directory} is no directory")
    return directory


def sweep(
    dsn: str,
    asked: Asked,
    options: Options,
    directory: Path,
    *,
    objectives: Sequence[str] = (),
    margin: float = comparing.MARGIN,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Told:
    """Measure, write every file into *directory*, and say what was found."""
    limits = [parse(objective) for objective in objectives]

    def save(found: Results) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        results.write(found, directory)

    found = measuring.sweep(dsn, asked, options, progress, save)
    save(found)
    comparison = None
    if found.versus is not None and found.cells:
        comparison = comparing.versions(found, *found.versus, margin)
    judged = judge(found, limits, comparison if found.is_versus else None)
    warnings = measuring.warnings(found)
    (directory / "summary.csv").write_text(summary.as_csv(found), encoding="utf-8")
    text = summary.as_markdown(found, warnings, judged, comparison)
    (directory / "summary.md").write_text(text, encoding="utf-8")
    page = report.write(found, comparison, judged, directory)
    status = _status(judged, None if asked.twice else comparison)
    return Told(
        data={
            "directory": str(directory),
            "report": str(page),
            "interrupted": found.interrupted,
            "problem": found.problem,
            "warnings": warnings,
            "cells": [_finite(row) for row in summary.rows(found)],
            "objectives": [_finite(vars(each)) for each in judged],
            "comparison": _comparison(comparison),
        },
        lines=[
            summary.cells_table(found),
            *(f"Note: {warning}." for warning in warnings),
            *summary.objective_lines(judged),
            *([summary.comparison_markdown(comparison)] if comparison is not None else []),
            *([_noise(comparison)] if comparison is not None and asked.twice else []),
            f"Report: {page}",
        ],
        status=FAILED if found.interrupted else status,
    )


def compare(base: Path, new: Path, *, objectives: Sequence[str] = (), margin: float = comparing.MARGIN) -> Told:
    """Compare two sweeps' results; objectives are for the new one."""
    limits = [parse(objective) for objective in objectives]
    found = results.read(new)
    comparison = comparing.sweeps(results.read(base), found, margin)
    judged = judge(found, limits, comparison)
    return Told(
        data={"objectives": [_finite(vars(each)) for each in judged], "comparison": _comparison(comparison)},
        lines=[summary.comparison_markdown(comparison), *summary.objective_lines(judged)],
        status=_status(judged, comparison),
    )


def _status(judged: Sequence[Judged], comparison: Comparison | None) -> int:
    verdict = comparison.verdict if comparison is not None else None
    if verdict == WORSE or any(each.met is False for each in judged):
        return MISSED
    if verdict in (INCONCLUSIVE, MIXED) or any(each.met is None for each in judged):
        return UNDECIDED
    return DONE


def _noise(comparison: Comparison) -> str:
    return (
        f"Noise floor: a version against itself, its 95th percentiles are up to {comparison.noise:.1%} apart by their"
        " intervals. Smaller differences cannot be told from none in a sweep like this one."
    )


def _comparison(comparison: Comparison | None) -> dict[str, Any] | None:
    if comparison is None:
        return None
    return {
        "base": comparison.base,
        "new": comparison.new,
        "verdict": comparison.verdict,
        "counts": comparison.counts,
        "margin": comparison.margin,
        "overall": {measure: _finite(vars(ratio)) for measure, ratio in comparison.overall.items()},
        "cells": [
            {
                "request": cell.request.name,
                "base": cell.base.version,
                "new": cell.new.version,
                "verdict": cell.verdict,
                **{measure: _finite(vars(ratio)) for measure, ratio in cell.ratios.items()},
            }
            for cell in comparison.cells
        ],
        "only": list(comparison.only),
        "notes": list(comparison.notes),
    }


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """Say null for what is no number: JSON knows neither infinity nor NaN."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }
