"""A sweep or a comparison as CSV and as Markdown, fit for a spreadsheet and for a pull request."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.sweep.compare import P50, P95, RATE, Comparison
from orchestrator.sweep.objectives import Judged
from orchestrator.sweep.results import PERCENTS, Cell, Results
from orchestrator.sweep.statistics import FEWEST_FOR_P99, Interval

METHOD = (
    "Percentiles are nearest ranks of every sample (NumPy's inverted_cdf), requests without an answer ranking above"
    f" every answer; p99 is told from {FEWEST_FOR_P99:,} samples on."
)


def rows(results: Results) -> list[dict[str, Any]]:
    """Return a row per cell: figures in milliseconds, None where there is none, infinite where requests failed."""
    return [_row(cell) for cell in results.cells]


def _row(cell: Cell) -> dict[str, Any]:
    request, executions = cell.request, cell.executions
    return {
        "version": cell.version,
        "collection": request.collection,
        "scope": request.scope,
        "depth": request.depth,
        "max_paths": request.max_paths,
        "cache": request.cache,
        "requests": cell.requests,
        "errors": cell.errors,
        "timeouts": cell.timeouts,
        "answers_per_second": round(cell.rate, 1),
        **{f"p{percent}_ms": cell.percentile(percent) for percent in PERCENTS},
        "max_ms": cell.longest,
        "connecting_p50_ms": cell.connecting,
        "server_ms": executions.milliseconds if executions is not None else None,
        "server_buffers": executions.buffers if executions is not None else None,
        "server_source": executions.source if executions is not None else None,
        "hit_ratio": cell.counters.hit_ratio,
        "heap_fetches_per_request": cell.counters.heap_fetches / cell.requests if cell.requests else None,
    }


def as_csv(results: Results) -> str:
    """Return ``summary.csv``: an infinite figure is ``inf``, a missing one empty."""
    found = rows(results)
    file = io.StringIO()
    if found:
        writer = csv.DictWriter(file, fieldnames=list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()}
            for row in found
        )
    return file.getvalue()


def as_markdown(
    results: Results, warnings: Sequence[str], judged: Sequence[Judged] = (), comparison: Comparison | None = None
) -> str:
    """Return ``summary.md``."""
    server, client = results.environment["server"], results.environment["client"]
    parts = [
        "# Sweep",
        f"{results.started}, {results.options.loop}, {results.options.seconds:g} s a cell in {results.options.blocks}"
        f" blocks, seed {results.options.seed}. PostgreSQL {server['version']}; {client['processor']},"
        f" {client['cores']} cores; connection_paths {client['package']} ({client['commit'] or 'no checkout'}).",
        *(f"**Note:** {warning}." for warning in warnings),
        cells_table(results),
        METHOD,
    ]
    if judged:
        parts += ["## Objectives", *objective_lines(judged)]
    if comparison is not None:
        parts.append(comparison_markdown(comparison))
    return "\n\n".join(parts) + "\n"


def cells_table(results: Results) -> str:
    """Return the cells as a Markdown table, milliseconds."""
    heads = ["request", "version", "requests", "p50", "p90", "p95", "p99", "max", "answers/s", "errors", "timeouts",
             "server", "buffers", "hit ratio"]  # fmt: skip
    return _table(heads, [_cells(cell) for cell in results.cells], texts=2)


def _cells(cell: Cell) -> list[str]:
    executions, ratio = cell.executions, cell.counters.hit_ratio
    return [
        cell.request.name,
        cell.version,
        f"{cell.requests:,}",
        *(milliseconds(cell.percentile(percent)) for percent in PERCENTS),
        milliseconds(cell.longest),
        f"{cell.rate:,.0f}",
        f"{cell.errors:,}",
        f"{cell.timeouts:,}",
        milliseconds(executions.milliseconds if executions is not None else None),
        f"{executions.buffers:,.0f}" if executions is not None else "–",
        f"{ratio:.3f}" if ratio is not None else "–",
    ]


def objective_lines(judged: Sequence[Judged]) -> Iterator[str]:
    """Tell of each objective whether it is met, and which cells miss it."""
    for objective in dict.fromkeys(each.objective for each in judged):
        of_it = [each for each in judged if each.objective == objective]
        missed = [f"{each.cell} ({figures(each)})" for each in of_it if each.met is False]
        unknown = [each.cell for each in of_it if each.met is None]
        if missed:
            yield f"{objective}: MISSED by {len(missed)} of {len(of_it)} cells: {', '.join(missed)}"
        elif unknown:
            yield f"{objective}: cannot be told of {len(unknown)} of {len(of_it)} cells, too few samples"
        else:
            yield f"{objective}: met by all {len(of_it)} cells"


def figures(judged: Judged) -> str:
    """Return what a cell showed of an objective, and what its base did."""
    measure = judged.objective.partition("=")[0]
    found = measured(measure, judged.found)
    return found if judged.base is None else f"{found}; the base {measured(measure, judged.base)}"


def measured(measure: str, value: float | None) -> str:
    """Return what was found of an objective's measure, with its unit."""
    if value is None:
        return "–"
    if measure == RATE:
        return f"{value:,.0f} /s"
    if measure == "failed":
        return f"{100 * value:.3g} %"
    return "no answer" if math.isinf(value) else f"{milliseconds(value)} ms"


def comparison_markdown(comparison: Comparison) -> str:
    """Return a comparison as Markdown: ratios below 1 are faster, above 1 more answers a second."""
    heads = ["request", "version", "p50", "p95", "answers/s", "verdict"]
    found = [
        [
            cell.request.name,
            cell.new.version if cell.base.version == cell.new.version else f"{cell.base.version} → {cell.new.version}",
            *(interval(cell.ratios.get(measure)) for measure in (P50, P95, RATE)),
            cell.verdict,
        ]
        for cell in comparison.cells
    ]
    overall = [interval(comparison.overall.get(measure)) for measure in (P50, P95, RATE)]
    found.append(["all together", "", *overall, f"**{comparison.verdict}**"])
    parts = [
        f"## {comparison.new} against {comparison.base} is {comparison.told}",
        _table(heads, found, texts=2),
        f"Ratios with 95 % intervals, bootstrapped by block; a difference below {comparison.margin:.0%} is none.",
        *(f"**Note:** {note}." for note in comparison.notes),
    ]
    if comparison.only:
        parts.append(f"Not compared, for one side only has them: {', '.join(comparison.only)}.")
    return "\n\n".join(parts)


def milliseconds(value: float | None) -> str:
    """Write a latency with three digits, – where there is none, ∞ where there was no answer."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def interval(found: Interval | None) -> str:
    """Write a ratio with its bounds."""
    if found is None or math.isnan(found.ratio):
        return "–"
    low, high = (f"{bound:.2f}" if math.isfinite(bound) else "?" for bound in (found.low, found.high))
    return f"{found.ratio:.2f} ({low}–{high})"


def _table(heads: Sequence[str], found: Sequence[Sequence[str]], texts: int) -> str:
    lines = [heads, ["---" if at < texts else "---:" for at in range(len(heads))], *found]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
