"""``report.html``: a sweep as one page that needs nothing else, for people who were not there.

The words and figures are made here, the charts in ``charts.py``; the page is ``report.html.j2``. It has no script and
loads nothing. The same results give the same page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from orchestrator.core.formats import NOTHING, counted, duration, number, size
from orchestrator.core.formats import percent as share
from orchestrator.sweep.judge.compare import MEASURES, RATE, Comparison
from orchestrator.sweep.judge.doubts import doubts
from orchestrator.sweep.judge.intervals import BETTER, SAME, WORSE, Interval
from orchestrator.sweep.judge.objectives import Judgement
from orchestrator.sweep.measure.load_generator import percentile
from orchestrator.sweep.measure.matrix import Combination
from orchestrator.sweep.measure.results import Cell, Results
from orchestrator.sweep.measure.targets import DEGREES, Target
from orchestrator.sweep.show import charts, tables
from orchestrator.sweep.show.headline import headline, is_against_itself, noise

FILE = "report.html"

#: The page's colours: in the light and in the dark theme. The finders' colours are near those of Okabe and Ito, which
#: colour-blind people can tell apart, and are dark or light enough to be read as text.
COLOURS: Mapping[str, tuple[str, str]] = {
    "page": ("#fdfdfb", "#14161a"),
    "panel": ("#f4f4f0", "#1d2026"),
    "ink": ("#1c1e22", "#e9e9e6"),
    "muted": ("#595e68", "#a6abb5"),
    "line": ("#dcdcd6", "#363a43"),
    "good": ("#0a6b4b", "#4cc79a"),
    "bad": ("#ad2b1d", "#ff8f7f"),
    "unsure": ("#7a5700", "#e0bb55"),
    "finder-0": ("#0068b0", "#62b5f2"),
    "finder-1": ("#b54700", "#ff985c"),
    "finder-2": ("#007657", "#38c99d"),
    "finder-3": ("#a0357c", "#e79bcb"),
    "finder-4": ("#765c00", "#e3c14b"),
    "finder-5": ("#555b66", "#b8bdc7"),
}

_FEWEST_FOR_P95 = 20  # samples; with fewer, p95 is only the slowest of them


def write(results: Results, comparison: Comparison | None, judgements: Sequence[Judgement], directory: Path) -> Path:
    """Write ``report.html`` into *directory* and return its path."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("report.html.j2").render(
        colours=COLOURS,
        results=results,
        comparison=comparison,
        method=tables.METHOD,
        headline=headline(results, comparison),
        doubts=[*doubts(results), *(comparison.notes if comparison is not None else ())],
        facts=_facts(results),
        objectives=[_objective(name, judgements) for name in dict.fromkeys(each.objective for each in judgements)],
        legend=[(name, charts.look(place)) for place, name in enumerate(results.finders)],
        groups=_groups(results),
        heads=tables.HEADS,
        cells=[(cell.name, tables.figures(cell)) for cell in results.cells],
        failures=_failures(results),
        strata=_strata(results),
        ratios=_ratios(comparison) if comparison is not None else [],
        noise=noise(comparison) if comparison is not None and is_against_itself(results, comparison) else None,
        kind=_kind,
        environment=_environment(results),
        relations=_relations(results),
    )
    path = directory / FILE
    path.write_text(text, encoding="utf-8")
    return path


def _facts(results: Results) -> list[tuple[str, str]]:
    options, cells = results.options, results.cells
    failed = sum(cell.errors + cell.timeouts for cell in cells)
    return [
        ("When", f"{results.started}, for {duration(results.seconds)}"),
        ("Load", options.loop),
        ("Each cell", f"{options.seconds:g} s in {options.blocks} blocks, after {options.warmup:g} s of warm-up"),
        ("Requests", f"{sum(cell.requests for cell in cells):,} in {counted(len(cells), 'cell')}"),
        ("Without an answer", f"{failed:,}"),
        ("Server", f"PostgreSQL {results.environment['server']['version']}"),
    ]


def _objective(name: str, judgements: Sequence[Judgement]) -> dict[str, Any]:
    cells = [each for each in judgements if each.objective == name]
    met = [each.met for each in cells]
    kind, state = ("bad", "missed") if False in met else ("unsure", "undecided") if None in met else ("good", "met")
    lines = list(tables.objective_lines(cells))
    return {"name": name, "kind": kind, "state": state, "line": lines[0].partition(": ")[2]}


# Charts: one of each kind for all combinations that differ only in depth.


def _groups(results: Results) -> list[tuple[str, Markup, list[tuple[Combination, Markup]]]]:
    """Return for each group its title, its chart by depth, and a distribution for each combination."""
    groups: dict[tuple[int, str, int, str], list[Combination]] = {}
    for each in results.combinations:
        groups.setdefault((each.collection, each.scope, each.max_paths, each.order), []).append(each)
    measured = [cell for cell in results.cells if cell.requests]
    medians = charts.Scale.of([_percentile(cell, percent) for cell in measured for percent in (50, 95)])
    everything = charts.Scale.of([float(end) for cell in measured for end in _ends(cell)])
    most = max((cell.requests for cell in measured), default=1)
    found = []
    for (collection, scope, paths, order), combinations in groups.items():
        members = f"{results.members[collection]:,} members"
        title = f"Collection {collection} ({members}), scope {scope}, {paths} paths by {order}"
        by_depth = {
            finder: {cell.combination.depth: (_percentile(cell, 50), _percentile(cell, 95)) for cell in measured
                     if cell.finder == finder and cell.combination in combinations}
            for finder in results.finders
        }  # fmt: skip
        distributions = []
        for combination in combinations:
            cells = [cell for finder in results.finders if (cell := results.cell(combination, finder))]
            samples = {cell.finder: cell.samples for cell in cells}
            distributions.append((combination, charts.distribution(samples, everything, most)))
        found.append((title, charts.by_depth(by_depth, medians), distributions))
    return found


def _percentile(cell: Cell, percent: int) -> float:
    found = cell.percentile(percent)
    return math.nan if found is None else found


def _ends(cell: Cell) -> tuple[float, float]:
    answered = cell.samples[cell.samples < math.inf]
    return (answered.min(), answered.max()) if len(answered) else (math.inf, math.inf)


# Tables


def _failures(results: Results) -> list[tuple[str, str, list[str]]]:
    """Return, for each cell with requests without an answer, their share and the reasons."""
    return [
        (cell.name, share((cell.errors + cell.timeouts) / cell.requests),
         [f"{times:,} × {reason}" for reason, times in sorted(cell.failures.items(), key=lambda each: -each[1])])
        for cell in results.cells if cell.errors or cell.timeouts
    ]  # fmt: skip


def _strata(results: Results) -> list[tuple[str, list[str], list[tuple[str, list[str]]]]]:
    """Return, by collection and scope, p95 by kind of target: the kinds in rows, the cells in columns."""
    found = []
    for (collection, scope), targets in results.targets.items():
        cells = [
            cell
            for cell in results.cells
            if (cell.combination.collection, cell.combination.scope) == (collection, scope) and cell.requests
        ]
        if not cells or not targets:
            continue
        by_cell = [results.by_stratum(cell) for cell in cells]
        kinds = dict.fromkeys(target.stratum for target in sorted(targets, key=_place))
        rows = [
            (kind, [number(percentile(each[kind], 95)) if len(each[kind]) >= _FEWEST_FOR_P95 else NOTHING
                    for each in by_cell])
            for kind in kinds
        ]  # fmt: skip
        found.append((f"Collection {collection}, scope {scope}", [cell.name for cell in cells], rows))
    return found  # fmt: skip


def _place(target: Target) -> tuple[int, float]:
    """Return where a target stands in a table: by degree, then by distance."""
    degree = DEGREES.index(target.degree) if target.degree in DEGREES else len(DEGREES)
    return degree, math.inf if target.distance is None else target.distance


def _ratios(comparison: Comparison) -> list[tuple[str, list[tuple[str, str]], str]]:
    """Return the rows of the comparison: a name, ratios with their look, and the verdict."""
    rows = [(cell.name, cell.ratios, cell.verdict) for cell in comparison.cells]
    rows.append(("all cells", comparison.overall, comparison.verdict))

    def shown(ratios: Mapping[str, Interval]) -> Iterator[tuple[str, str]]:
        for measure in MEASURES:
            ratio = ratios.get(measure)
            verdict = ratio.verdict(comparison.margin, more_is_better=measure == RATE) if ratio is not None else ""
            yield tables.interval(ratio), _kind(verdict)

    return [(name, list(shown(ratios)), verdict) for name, ratios, verdict in rows]


def _kind(verdict: str) -> str:
    """Return the look of a verdict."""
    return {BETTER: "good", WORSE: "bad", SAME: "plain"}.get(verdict, "unsure")


def _environment(results: Results) -> list[tuple[str, list[tuple[str, str]]]]:
    server = dict(results.environment["server"])
    settings = server.pop("settings")
    options = {**vars(results.options), "load": results.options.loop, "overhead_ms": number(results.overhead_ms)}
    return [
        (title, [_pair(name, value) for name, value in found.items()])
        for title, found in (
            ("Server", server),
            ("Client", results.environment["client"]),
            ("Sweep", options),
            ("Statements", results.finders),
            ("Settings of the server (a fixed list)", dict(sorted(settings.items()))),
        )
    ]


def _pair(name: str, value: Any) -> tuple[str, str]:
    words = name.removesuffix("_bytes").replace("_", " ")
    if value is None:
        return words, NOTHING
    if isinstance(value, bool):
        return words, "yes" if value else "no"
    if isinstance(value, Mapping):
        return words, ", ".join(f"{each} {of_it}" for each, of_it in value.items())
    if name.endswith("_bytes"):
        return words, size(value)
    return words, f"{value:,}" if isinstance(value, int) and name != "seed" else str(value)


def _relations(results: Results) -> list[list[str]]:
    return [
        [
            each["relation"],
            size(each["bytes"]),
            f"{each['rows']:,}" if each["rows"] is not None else NOTHING,
            share(each["visible"]) if each["visible"] is not None else NOTHING,
            each["definition"] or "",
        ]
        for each in results.environment["relations"]
    ]
