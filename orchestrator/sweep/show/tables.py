"""A sweep and a comparison as CSV for a spreadsheet, and as Markdown for a terminal and a pull request."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.core.formats import NOTHING, milliseconds, number
from orchestrator.sweep.judge.compare import P50, P95, RATE, Comparison
from orchestrator.sweep.judge.intervals import Interval
from orchestrator.sweep.judge.objectives import FAILED, Judgement
from orchestrator.sweep.measure.results import FEWEST_FOR_P99, PERCENTS, Cell, Results

METHOD = (
    "Percentiles are nearest ranks of every sample; a request without an answer ranks above every answer. p99 needs"
    f" {FEWEST_FOR_P99:,} samples."
)


def rows(results: Results) -> list[dict[str, Any]]:
    """Return one row for each cell: times in milliseconds, None where unknown, infinite where requests failed."""
    return [_row(cell) for cell in results.cells]


def _row(cell: Cell) -> dict[str, Any]:
    combination, server = cell.combination, cell.server
    return {
        "finder": cell.finder,
        "collection": combination.collection,
        "scope": combination.scope,
        "depth": combination.depth,
        "max_paths": combination.max_paths,
        "order": combination.order,
        "requests": cell.requests,
        "errors": cell.errors,
        "timeouts": cell.timeouts,
        "answers_per_second": round(cell.rate, 1),
        **{f"p{percent}_ms": cell.percentile(percent) for percent in PERCENTS},
        "max_ms": cell.longest,
        "server_ms": server.milliseconds if server is not None else None,
        "server_buffers": server.buffers if server is not None else None,
    }


def as_csv(results: Results) -> str:
    """Return ``summary.csv``; an infinite value is ``inf``, an unknown one empty."""
    file = io.StringIO()
    found = rows(results)
    if found:
        writer = csv.DictWriter(file, fieldnames=list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()}
            for row in found
        )
    return file.getvalue()


def as_markdown(
    results: Results, doubts: Sequence[str], judgements: Sequence[Judgement], comparison: Comparison | None
) -> str:
    """Return ``summary.md``."""
    server, client, options = results.environment["server"], results.environment["client"], results.options
    parts = [
        "# Sweep",
        f"{results.started}, {options.loop}, {options.seconds:g} s a cell in {options.blocks} blocks, seed"
        f" {options.seed}. PostgreSQL {server['version']}; {client['processor']}, {client['cores']} cores;"
        f" connection_paths {client['package']} ({client['commit'] or 'not a checkout'}).",
        *(f"**Note:** {doubt}." for doubt in doubts),
        cells_table(results),
        METHOD,
    ]
    if judgements:
        parts += ["## Objectives", *objective_lines(judgements)]
    if comparison is not None:
        parts.append(comparison_markdown(comparison))
    return "\n\n".join(parts) + "\n"


HEADS = ("combination", "finder", "requests", "p50", "p90", "p95", "p99", "max", "answers/s", "errors", "timeouts",
         "server ms", "server buffers")  # fmt: skip


def figures(cell: Cell) -> list[str]:
    """Return a cell as a line of a table with :data:`HEADS`; times are in milliseconds."""
    server = cell.server
    return [
        cell.combination.name,
        cell.finder,
        f"{cell.requests:,}",
        *(number(cell.percentile(percent)) for percent in PERCENTS),
        number(cell.longest),
        number(cell.rate),
        f"{cell.errors:,}",
        f"{cell.timeouts:,}",
        number(server.milliseconds if server is not None else None),
        f"{server.buffers:,.0f}" if server is not None else NOTHING,
    ]


def cells_table(results: Results) -> str:
    """Return all cells as a Markdown table."""
    return _table(HEADS, [figures(cell) for cell in results.cells])


def objective_lines(judgements: Sequence[Judgement]) -> Iterator[str]:
    """Yield for each objective whether it is met, and which cells miss it."""
    for objective in dict.fromkeys(each.objective for each in judgements):
        cells = [each for each in judgements if each.objective == objective]
        missed = [f"{each.cell} ({value_of(each)})" for each in cells if each.met is False]
        unknown = [each.cell for each in cells if each.met is None]
        if missed:
            yield f"{objective}: MISSED by {len(missed)} of {len(cells)} cells: {', '.join(missed)}"
        elif unknown:
            yield f"{objective}: too few samples to decide in {len(unknown)} of {len(cells)} cells"
        else:
            yield f"{objective}: met by all {len(cells)} cells"


def value_of(judgement: Judgement) -> str:
    """Return the value of a cell, and that of its base, with the unit of the objective's measure."""
    measure = judgement.objective.partition("=")[0]
    value = _with_unit(measure, judgement.value)
    return value if judgement.base is None else f"{value}; the base {_with_unit(measure, judgement.base)}"


def _with_unit(measure: str, value: float | None) -> str:
    if measure == RATE:
        return f"{number(value)} /s"
    if measure == FAILED:
        return NOTHING if value is None else f"{100 * value:.3g}%"
    return "no answer" if value is not None and math.isinf(value) else milliseconds(value)


def comparison_markdown(comparison: Comparison) -> str:
    """Return a comparison: of times a ratio below 1 is faster, of answers per second a ratio above 1 is more."""
    lines = [[cell.name, *(interval(cell.ratios.get(each)) for each in (P50, P95, RATE)), cell.verdict]
             for cell in comparison.cells]  # fmt: skip
    overall = [interval(comparison.overall.get(measure)) for measure in (P50, P95, RATE)]
    lines.append(["all cells", *overall, f"**{comparison.verdict}**"])
    parts = [
        f"## {comparison.new} against {comparison.base}: {comparison.summary}",
        _table(("combination", "p50", "p95", "answers/s", "verdict"), lines),
        f"Ratios with 95% intervals, bootstrapped by block. A difference of less than {comparison.margin:.0%} counts as"
        " the same.",
        *(f"**Note:** {note}." for note in comparison.notes),
    ]
    if comparison.only:
        parts.append(f"Not compared, because one side lacks them: {', '.join(comparison.only)}.")
    return "\n\n".join(parts)


def interval(found: Interval | None) -> str:
    """Write a ratio with its bounds: ``0.52 (0.48–0.57)``."""
    if found is None or math.isnan(found.ratio):
        return NOTHING
    low, high = (f"{bound:.2f}" if math.isfinite(bound) else "?" for bound in (found.low, found.high))
    return f"{found.ratio:.2f} ({low}–{high})"


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---" if head in ("combination", "finder", "verdict") else "---:" for head in heads]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, rule, *lines])
