"""``report.html``: a sweep as one page that needs nothing else, for people who were not there.

Words and figures are made here, drawings in :mod:`orchestrator.sweep.charts`, and the page is ``report.html.j2``. It
holds no script and loads nothing. What is written is a function of the results: no clock, no chance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from orchestrator.sweep import charts, summary, wording
from orchestrator.sweep.compare import MEASURES, P95, RATE, Comparison
from orchestrator.sweep.headline import headline, is_same, noise
from orchestrator.sweep.matrix import Request
from orchestrator.sweep.objectives import Judged
from orchestrator.sweep.results import PERCENTS, Cell, Results
from orchestrator.sweep.statistics import BETTER, SAME, WORSE, Interval, percentile
from orchestrator.sweep.summary import figures, interval, measured
from orchestrator.sweep.sweep import warnings
from orchestrator.sweep.targets import DEGREES, Target

FILE = "report.html"
NO_ANSWER, NOTHING = "no answer", "–"

_FEWEST_FOR_P95 = 20  # samples of a kind of target; of fewer, the percentile is the slowest
_OPEN = 12  # charts of distributions that are shown at once; of more, the first group
_HEAT = 42  # per cent of the colour behind the slowest kind of target; more, and its figure is hard to read


@dataclass(frozen=True)
class _Group:
    """Requests that differ in nothing but their depth, which is one chart."""

    name: str
    title: str
    requests: Sequence[Request]


@dataclass(frozen=True)
class _Page:
    """A report in the making."""

    results: Results
    comparison: Comparison | None
    groups: Sequence[_Group]
    styles: Mapping[str, charts.Style]
    limits: charts.Limits
    most: int  # samples in a cell


def write(results: Results, comparison: Comparison | None, objectives: Sequence[Judged], directory: Path) -> Path:
    """Write ``report.html`` into *directory* and return its path."""
    measured = [cell for cell in results.cells if cell.requests]
    page = _Page(
        results,
        comparison,
        _groups(results),
        {label: charts.style(number) for number, label in enumerate(_labels(results))},
        charts.Limits.of([value for cell in measured for value in _ends(cell)]),
        max((cell.requests for cell in measured), default=1),
    )
    looks = list(page.styles.items())
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("report.html.j2").render(
        colours=charts.COLOURS,
        summary=[_unbroken(sentence) for sentence in headline(results, comparison)],
        badges=list(_badges(page, objectives)),
        notes=[*warnings(results), *(comparison.notes if comparison is not None else ())],
        facts=_facts(results),
        objectives=[_objective(name, objectives) for name in dict.fromkeys(each.objective for each in objectives)],
        legends={
            place: [(label, charts.key(f"key-{place}-{number}", look)) for number, (label, look) in enumerate(looks)]
            for place in ("depth", "distributions")
        },
        constants=_constants(results),
        depths=[(group, _depth_chart(page, group)) for group in page.groups],
        distributions=_distributions(page),
        is_short=len(results.requests) <= _OPEN,
        strata=_strata(page),
        throughput=_throughput(page),
        failures=_failures(results),
        cells=[_row(cell) for cell in results.cells],
        is_measured=bool(measured),
        sources=sorted({cell.executions.source for cell in results.cells if cell.executions is not None}),
        has_connecting=any(cell.connecting is not None for cell in results.cells),
        comparison=_compared(page) if comparison is not None else None,
        parity=_parity(results),
        overhead=[_timed(cache, cell) for cache, cell in results.overhead.items()],
        references=[_timed(request.name, cell) for request, cell in results.references.items()],
        environment=_environment(results),
        targets=_targets(results),
        method=summary.METHOD,
    )
    path = directory / FILE
    path.write_text(text, encoding="utf-8")
    return path


def _labels(results: Results) -> list[str]:
    return list(dict.fromkeys([*results.versions, *(cell.version for cell in results.cells)]))


def _ends(cell: Cell) -> tuple[float, float]:
    """Return the fastest and the slowest answer, which the axes have room for."""
    samples = cell.samples
    answered = samples[samples < math.inf]
    return (float(answered.min()), float(answered.max())) if len(answered) else (math.inf, math.inf)


# What is asked, in words


def _groups(results: Results) -> list[_Group]:
    found: dict[tuple[int, str, int, str], list[Request]] = {}
    for request in results.requests:
        key = request.collection, request.scope, request.max_paths, request.cache
        found.setdefault(key, []).append(request)
    return [
        _Group(f"g{number}", wording.title(results, requests[0]), sorted(requests, key=lambda request: request.depth))
        for number, requests in enumerate(found.values())
    ]


def _constants(results: Results) -> str:
    """Say what every request asks alike, which no heading repeats."""
    requests = results.requests
    if not requests:
        return ""
    parts = []
    if len({each.scope for each in requests}) == 1:
        parts.append(f"scope {requests[0].scope}")
    if len({each.max_paths for each in requests}) == 1:
        parts.append(wording.paths(requests[0]))
    if len({each.cache for each in requests}) == 1:
        parts.append(wording.cache(requests[0]))
    return f"Every request: {', '.join(parts)}." if parts else ""


def _badges(page: _Page, objectives: Sequence[Judged]) -> Iterator[tuple[str, str]]:
    """Yield the kind and the words of the verdicts."""
    comparison = page.comparison
    if comparison is not None:
        base, new = _sides(comparison)
        yield _kind(comparison.verdict), f"{new} against {base} is {comparison.told}"
    if objectives:
        states = [
            _state([each.met for each in objectives if each.objective == name])
            for name in dict.fromkeys(each.objective for each in objectives)
        ]
        missed, unknown = states.count(False), states.count(None)
        if missed:
            yield "bad", f"Objectives: {missed} of {len(states)} missed"
        elif unknown:
            yield "unsure", f"Objectives: {unknown} of {len(states)} cannot be told"
        else:
            yield "good", f"Objectives: {len(states)} of {len(states)} met"


def _kind(verdict: str) -> str:
    """Return the look of a verdict."""
    return {BETTER: "good", WORSE: "bad", SAME: "plain"}.get(verdict, "unsure")


def _sides(comparison: Comparison) -> tuple[str, str]:
    """Return what base and new are called: versions of this sweep, or when two sweeps began."""
    return wording.moment(comparison.base), wording.moment(comparison.new)


def _state(met: Sequence[bool | None]) -> bool | None:
    """Return whether all are met; one that is missed outweighs one that cannot be told."""
    return False if False in met else None if None in met else True


def _objective(name: str, objectives: Sequence[Judged]) -> dict[str, Any]:
    found = [each for each in objectives if each.objective == name]
    met = _state([each.met for each in found])
    values = [each.found for each in found if each.found is not None and not math.isnan(each.found)]
    measure = name.partition("=")[0]
    worst = (min if measure == RATE else max)(values) if values else None
    return {
        "name": name,
        "kind": {True: "good", False: "bad", None: "unsure"}[met],
        "state": {True: "met", False: "missed", None: "cannot be told"}[met],
        "met": f"{sum(each.met is True for each in found)} of {len(found)}",
        "worst": measured(measure, worst),
        "missed": [(each.cell, figures(each)) for each in found if each.met is False],
        "unknown": [each.cell for each in found if each.met is None],
    }


def _facts(results: Results) -> list[tuple[str, str]]:
    options, cells = results.options, results.cells
    failed = sum(cell.errors + cell.timeouts for cell in cells)
    return [
        ("When", f"{wording.moment(results.started)}, for {wording.duration(results.seconds)}"),
        ("Load", options.loop),
        ("Each cell", f"{options.seconds:g} s in {options.blocks} blocks, after {options.warmup:g} s of warm-up"),
        (
            "Requests",
            f"{sum(cell.requests for cell in cells):,} in {len(cells):,} {'cell' if len(cells) == 1 else 'cells'},"
            f" {f'{failed:,}' if failed else 'none'} without an answer",
        ),
        ("Server", f"PostgreSQL {results.environment.get('server', {}).get('version', NOTHING)}"),
    ]


# Charts


def _depth_chart(page: _Page, group: _Group) -> Markup:
    lines = []
    for label, look in page.styles.items():
        known = [cell for request in group.requests if (cell := page.results.cell(request, label)) and cell.requests]
        if known:
            p50, p95 = ([_value(cell, percent) for cell in known] for percent in (50, 95))
            lines.append(charts.Line(label, look, [cell.request.depth for cell in known], p50, p95))
    values = [value for cell in page.results.cells if cell.requests for value in (_value(cell, 50), _value(cell, 95))]
    return charts.by_depth(f"depth-{group.name}", lines, charts.Limits.of(values))


def _value(cell: Cell, percent: int) -> float:
    found = cell.percentile(percent)
    return math.nan if found is None else found


def _distributions(page: _Page) -> list[dict[str, Any]]:
    """Return a chart for each request, by group."""
    found: list[dict[str, Any]] = []
    for group in page.groups:
        drawn = []
        for request in group.requests:
            cells = [(label, page.results.cell(request, label)) for label in page.styles]
            curves = [
                charts.Curve(label, page.styles[label], cell.samples) for label, cell in cells if cell is not None
            ]
            name = f"all-{group.name}-{request.depth}"
            drawn.append((request, charts.distribution(name, curves, page.limits, page.most)))
        found.append({"group": group, "charts": drawn})
    return found


def _throughput(page: _Page) -> list[tuple[_Group, Markup]]:
    most = max((cell.rate for cell in page.results.cells), default=0.0)
    found = []
    for group in page.groups:
        bars = {}
        for request in group.requests:
            cells = [(label, page.results.cell(request, label)) for label in page.styles]
            bars[f"depth {request.depth}"] = [
                charts.Bar(label, page.styles[label], cell.rate) for label, cell in cells if cell is not None
            ]
        found.append((group, charts.throughput(f"rate-{group.name}", bars, most)))
    return found


# Tables


def _strata(page: _Page) -> list[dict[str, Any]]:
    """Return, by group, p95 by kind of target: kinds down, cells across."""
    results = page.results
    found = []
    for group in page.groups:
        cells = [
            cell
            for request in group.requests
            for label in page.styles
            if (cell := results.cell(request, label)) and cell.requests
            and results.targets.get((request.collection, request.scope))
        ]  # fmt: skip
        if not cells:
            continue
        by_cell = [results.by_stratum(cell) for cell in cells]
        kinds = {
            target.stratum: target for target in results.targets[cells[0].request.collection, cells[0].request.scope]
        }
        values = {
            kind: [percentile(each[kind], 95) if len(each[kind]) >= _FEWEST_FOR_P95 else None for each in by_cell]
            for kind, _ in sorted(kinds.items(), key=lambda each: _place(each[1]))
        }
        spans = [(request.depth, sum(cell.request == request for cell in cells)) for request in group.requests]
        found.append(
            {
                "group": group,
                "depths": [(depth, span) for depth, span in spans if span],
                "versions": [cell.version for cell in cells],
                "rows": [
                    (kind, [(_milliseconds(value), _heat(value, values.values())) for value in row])
                    for kind, row in values.items()
                ],
            }
        )
    return found


def _place(target: Target) -> tuple[int, float]:
    """Return where a kind of target stands: by degree, then by distance."""
    degree = DEGREES.index(target.degree) if target.degree in DEGREES else len(DEGREES)
    return degree, math.inf if target.distance is None else target.distance


def _heat(value: float | None, rows: Any) -> int:
    """Return the per cent of colour behind a figure, by its logarithm between the least and the most of its table."""
    known = [each for row in rows for each in row if each is not None]
    finite = [max(each, 1e-3) for each in known if math.isfinite(each)]
    if value is None or not finite:
        return 0
    if math.isinf(value):
        return _HEAT
    low, high = math.log(min(finite)), math.log(max(finite))
    return round(_HEAT * (math.log(max(value, 1e-3)) - low) / (high - low)) if high > low else 0


def _failures(results: Results) -> list[dict[str, Any]]:
    """Return a row per cell with requests that were not answered."""
    return [
        {
            "name": cell.name,
            "errors": f"{cell.errors:,}",
            "timeouts": f"{cell.timeouts:,}",
            "share": charts.share((cell.errors + cell.timeouts) / cell.requests) if cell.requests else NOTHING,
            "reasons": [
                (f"{times:,}", reason) for reason, times in sorted(cell.failures.items(), key=lambda each: -each[1])
            ],
        }
        for cell in results.cells
        if cell.errors or cell.timeouts
    ]


def _row(cell: Cell) -> dict[str, Any]:
    executions, ratio = cell.executions, cell.counters.hit_ratio
    return {
        "name": cell.name,
        "request": cell.request.name,
        "version": cell.version,
        "figures": {
            "requests": f"{cell.requests:,}",
            **{f"p{percent}": _milliseconds(cell.percentile(percent)) for percent in PERCENTS},
            "max": _milliseconds(cell.longest),
            "rate": f"{cell.rate:,.0f}" if cell.rate >= 10 else f"{cell.rate:.2g}",
            "errors": f"{cell.errors:,}",
            "timeouts": f"{cell.timeouts:,}",
            "server": _milliseconds(executions.milliseconds if executions is not None else None),
            "buffers": f"{executions.buffers:,.0f}" if executions is not None else NOTHING,
            "hits": f"{ratio:.3f}" if ratio is not None else NOTHING,
            "heap": f"{cell.counters.heap_fetches / cell.requests:,.1f}" if cell.requests else NOTHING,
            "connecting": _milliseconds(cell.connecting),
        },
        "source": executions.source if executions is not None else NOTHING,
    }


def _milliseconds(value: float | None) -> str:
    if value is None or math.isnan(value):
        return NOTHING
    # as many digits in each line of a table, even where the last is a zero
    return NO_ANSWER if math.isinf(value) else f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def _compared(page: _Page) -> dict[str, Any]:
    comparison = page.comparison
    assert comparison is not None
    is_sweeps = comparison.base not in page.results.versions
    rows = [
        (f"{cell.request.name} {cell.new.version}" if is_sweeps else cell.request.name, cell.ratios, cell.verdict)
        for cell in comparison.cells
    ]
    rows.append(("all together", comparison.overall, comparison.verdict))

    def verdict(ratio: Interval | None, measure: str) -> str:
        return "" if ratio is None else ratio.verdict(comparison.margin, more_is_better=measure == RATE)

    drawn = [charts.Ratio(label, ratios[P95], verdict(ratios[P95], P95)) for label, ratios, _ in rows]
    base, new = _sides(comparison)
    return {
        "base": base,
        "new": new,
        "verdict": comparison.verdict,
        "kind": _kind(comparison.verdict),
        "margin": wording.percent(comparison.margin),
        "chart": charts.ratios("ratios", drawn, comparison.margin),
        "rows": [
            {
                "name": label,
                "ratios": [
                    (interval(ratio := ratios.get(measure)), _kind(verdict(ratio, measure))) for measure in MEASURES
                ],
                "verdict": told,
                "kind": _kind(told),
            }
            for label, ratios, told in rows
        ],
        "is_sweeps": is_sweeps,
        "noise": noise(comparison) if is_same(page.results, comparison) else None,
        "only": comparison.only,
    }


def _parity(results: Results) -> list[dict[str, Any]]:
    return [
        {
            "name": request.name,
            "questions": f"{parity.questions:,}",
            "uncompared": f"{parity.uncompared:,}",
            "rows": _by_version({label: f"{rows:,}" for label, rows in parity.rows.items()}),
            "digests": _by_version(parity.digests),
        }
        for request, parity in results.parity.items()
    ]


def _by_version(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the value that all versions have, or each version's."""
    different = set(values.values())
    return [("", different.pop())] if len(different) == 1 else list(values.items())


def _timed(name: str, cell: Cell) -> tuple[str, str, list[str]]:
    """Return a cell of the sweep's own statements."""
    return name, f"{cell.requests:,}", [_milliseconds(cell.percentile(percent)) for percent in PERCENTS]


def _environment(results: Results) -> dict[str, Any]:
    found = results.environment
    server = dict(found.get("server") or {})
    settings = server.pop("settings", None) or {}
    server = {"version": server.pop("version", None), **server}
    options = results.options
    return {
        "parts": [
            ("Server", [_pair(name, value) for name, value in server.items()]),
            ("Client", [_pair(name, value) for name, value in (found.get("client") or {}).items()]),
            (
                "Sweep",
                [
                    ("seed", str(options.seed)),
                    ("load", options.loop),
                    ("blocks a cell", f"{options.blocks}, {options.seconds / max(options.blocks, 1):g} s each"),
                    ("timeout", f"{options.timeout:g} s"),
                    ("edges a hop", "no cap" if options.max_edges_per_hop is None else str(options.max_edges_per_hop)),
                    ("read into the cache first", "yes" if options.prewarmed else "no"),
                ],
            ),
        ],
        "settings": sorted((str(name), str(value)) for name, value in settings.items()),
        "statements": list(results.versions.items()),
        "relations": [
            {
                "name": relation.get("relation"),
                "definition": relation.get("definition"),
                "size": wording.bytes(relation["bytes"]) if relation.get("bytes") is not None else NOTHING,
                "rows": f"{relation['rows']:,}" if relation.get("rows") is not None else NOTHING,
                "visible": f"{relation['visible']:.1%}" if relation.get("visible") is not None else NOTHING,
            }
            for relation in found.get("relations") or ()
        ],
    }


def _pair(name: str, value: Any) -> tuple[str, str]:
    words = name.removesuffix("wording.bytes").replace("_", " ")
    if value is None:
        return words, NOTHING
    if isinstance(value, bool):
        return words, "yes" if value else "no"
    if isinstance(value, Mapping):
        return words, ", ".join(f"{each} {of_it}" for each, of_it in value.items())
    if name.endswith("wording.bytes"):
        return words, wording.bytes(value)
    return words, f"{value:,}" if isinstance(value, int) else str(value)


def _targets(results: Results) -> list[dict[str, Any]]:
    found = []
    for (collection, scope), targets in results.targets.items():
        ordered = sorted(targets, key=_place)
        kinds = dict.fromkeys(target.stratum for target in ordered)
        found.append(
            {
                "title": f"Collection {collection}, scope {scope}",
                "count": len(targets),
                "kinds": [(kind, sum(target.stratum == kind for target in targets)) for kind in kinds],
                "targets": [
                    (target.stratum, str(target.contact), str(target.viewer), f"{target.edges:,}") for target in ordered
                ],
            }
        )
    return found


# Words for numbers


def _unbroken(sentence: str) -> str:
    """Keep numbers on a line with what they count."""
    return re.sub(r"(?<=\d) (?=%|ms\b|s\b|times\b)|(?<=depth|ction) (?=\d)", "\N{NO-BREAK SPACE}", sentence)
