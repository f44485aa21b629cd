"""What the commands ``sweep`` and ``compare`` do: write the files, and return what to print and the exit status."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.judge.compare import MARGIN, Comparison, compare_finders, compare_sweeps
from orchestrator.sweep.judge.doubts import doubts
from orchestrator.sweep.judge.intervals import INCONCLUSIVE, MIXED, WORSE
from orchestrator.sweep.judge.objectives import Judgement, judge, parse
from orchestrator.sweep.measure import results as files
from orchestrator.sweep.measure import sweep as measuring
from orchestrator.sweep.measure.matrix import Matrix
from orchestrator.sweep.measure.results import Results, SweepOptions
from orchestrator.sweep.measure.sweep import SweepProgress
from orchestrator.sweep.show import report, tables
from orchestrator.sweep.show.headline import noise

__all__ = ["Matrix", "SweepOptions", "SweepOutcome", "compare", "new_directory", "sweep"]

DONE, FAILED, MISSED, UNDECIDED = 0, 1, 3, 4  # exit statuses


@dataclass(frozen=True)
class SweepOutcome:
    """A command's result: as data for ``--json``, as lines for a person, and the exit status."""

    data: dict[str, Any]
    lines: Sequence[str]
    status: int


def new_directory(given: Path | None) -> Path:
    """Return the directory for a sweep's files; raises :class:`OrchestratorError` when it already holds results."""
    directory = given or Path(f"sweep-{datetime.now():%Y%m%d-%H%M%S}")
    if (directory / files.FILE).exists():
        raise OrchestratorError(f"{directory} already holds the results of a sweep; choose another with --output")
    if directory.exists() and not directory.is_dir():
        raise OrchestratorError(f"{directory} is not a directory")
    return directory


def sweep(
    dsn: str,
    matrix: Matrix,
    options: SweepOptions,
    directory: Path,
    *,
    objectives: Sequence[str] = (),
    margin: float = MARGIN,
    progress: Callable[[SweepProgress], None] = lambda _: None,
) -> SweepOutcome:
    """Measure, write all files into *directory*, and return what was found."""
    limits = [parse(objective) for objective in objectives]

    def save(found: Results) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        files.write(found, directory)

    found = measuring.sweep(dsn, matrix, options, progress, save)
    save(found)
    comparison = None
    if found.versus is not None and found.cells:
        comparison = compare_finders(found, *found.versus, margin)
    judgements = judge(found, limits, comparison if found.compares_two else None)
    reasons = doubts(found)
    (directory / "summary.csv").write_text(tables.as_csv(found), encoding="utf-8")
    markdown = tables.as_markdown(found, reasons, judgements, comparison)
    (directory / "summary.md").write_text(markdown, encoding="utf-8")
    page = report.write(found, comparison, judgements, directory)
    lines = [
        tables.cells_table(found),
        *(f"Note: {reason}." for reason in reasons),
        *tables.objective_lines(judgements),
    ]
    if comparison is not None:
        lines.append(tables.comparison_markdown(comparison))
        lines += [noise(comparison)] if matrix.against_itself else []
    return SweepOutcome(
        data={
            "directory": str(directory),
            "report": str(page),
            "interrupted": found.interrupted,
            "problem": found.problem,
            "warnings": reasons,
            "cells": [_finite(row) for row in tables.rows(found)],
            **_judged(judgements, comparison),
        },
        lines=[*lines, f"Report: {page}"],
        status=FAILED if found.interrupted else _status(judgements, None if matrix.against_itself else comparison),
    )


def compare(base: Path, new: Path, *, objectives: Sequence[str] = (), margin: float = MARGIN) -> SweepOutcome:
    """Compare the results of two sweeps; objectives apply to the new one."""
    limits = [parse(objective) for objective in objectives]
    found = files.read(new)
    comparison = compare_sweeps(files.read(base), found, margin)
    judgements = judge(found, limits, comparison)
    return SweepOutcome(
        data=_judged(judgements, comparison),
        lines=[tables.comparison_markdown(comparison), *tables.objective_lines(judgements)],
        status=_status(judgements, comparison),
    )


def _status(judgements: Sequence[Judgement], comparison: Comparison | None) -> int:
    verdict = comparison.verdict if comparison is not None else None
    if verdict == WORSE or any(each.met is False for each in judgements):
        return MISSED
    if verdict in (INCONCLUSIVE, MIXED) or any(each.met is None for each in judgements):
        return UNDECIDED
    return DONE


def _judged(judgements: Sequence[Judgement], comparison: Comparison | None) -> dict[str, Any]:
    return {
        "objectives": [_finite(vars(each)) for each in judgements],
        "comparison": None
        if comparison is None
        else {
            "base": comparison.base,
            "new": comparison.new,
            "verdict": comparison.verdict,
            "counts": comparison.counts,
            "margin": comparison.margin,
            "overall": {measure: _finite(vars(ratio)) for measure, ratio in comparison.overall.items()},
            "cells": [
                {
                    "combination": cell.combination.name,
                    "base": cell.base.finder,
                    "new": cell.new.finder,
                    "verdict": cell.verdict,
                    **{measure: _finite(vars(ratio)) for measure, ratio in cell.ratios.items()},
                }
                for cell in comparison.cells
            ],
            "only": list(comparison.only),
            "notes": list(comparison.notes),
        },
    }


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """Replace infinity and NaN by null: JSON has neither."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }
