"""The report of ``bench.scale``: tables, charts, and what the figures would be with more edges."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.scale_charts import Points, chart, fit

#: Edges to project to: those of 3.5 million contacts as in the runbook, and about nine times as many.
PROJECTED = (570e6, 5e9)
_PERCENTILES = ("p50", "p95", "p99")

#: A line of the file of figures.
Line = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """One figure of every world: a name, a unit, the chart it is in, and the step and the way to read it."""

    name: str
    unit: str
    chart: str
    step: str
    read: Callable[[Line], float]


def read(file: Path) -> list[Line]:
    """Return the lines of the file of figures; none where there is no file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def write(file: Path, directory: Path) -> None:
    """Write ``scale.md`` and a chart for each kind of figure into *directory*."""
    lines = read(file)
    worlds = _worlds(lines)
    if not worlds:
        raise SystemExit(f"{file} has no world with edges; measure one first: python -m bench.scale --copies 1")
    figures = [*_fixed(), *_of_questions(worlds)]
    points = {figure: _points(figure, worlds) for figure in figures}
    charts: dict[str, dict[str, Points]] = {}
    for figure, found in points.items():
        if found and (figure.chart not in ("warm", "cold") or figure.name.endswith("p95")):
            charts.setdefault(figure.chart, {})[figure.name] = found
    units = {figure.chart: figure.unit for figure in figures}
    for name, drawn in charts.items():
        (directory / f"scale_{name}.svg").write_text(chart(_TITLES[name], units[name], drawn), encoding="utf-8")
    (directory / "scale.md").write_text(_text(lines, worlds, points, list(charts)), encoding="utf-8")


_TITLES = {
    "plan": "Plan: processor seconds",
    "rebuild": "Rebuild: processor seconds, and seconds of its index builds",
    "in_place": "Edges in place, from empty",
    "bytes": "Bytes an edge",
    "sync": "Sync: processor time for a changed contact",
    "repair": "Edges made again in the full table",
    "warm": "find_paths, warm: p95 of processor time",
    "cold": "find_paths after a start with empty caches: p95 of wall time",
}


def _fixed() -> Iterator[Figure]:
    yield Figure("plan, processor", "s", "plan", "plan", lambda f: f["processor_seconds"])
    yield Figure("rebuild, processor", "s", "rebuild", "rebuild", lambda f: f["processor_seconds"])
    yield Figure("index builds of a rebuild, wall", "s", "rebuild", "rebuild", lambda f: f["steps"]["building"])
    yield Figure("in place, processor", "s", "in_place", "in_place", lambda f: f["processor_seconds"])
    yield Figure("bytes an edge", "bytes", "bytes", "rebuild", _bytes_per_edge)
    yield Figure("sync, a changed contact, processor", "ms", "sync", "sync", lambda f: f["ms_per_contact"])
    yield Figure(
        "an edge made again in the full table, processor", "µs", "repair", "repair", lambda f: f["us_per_edge"]
    )


def _of_questions(worlds: Mapping[int, Mapping[str, Line]]) -> Iterator[Figure]:
    for step, key in (("warm", "processor_ms"), ("cold", "wall_ms")):
        cells = [steps[step]["figures"] for steps in worlds.values() if step in steps]
        for cell in (name for name, found in (cells[0] if cells else {}).items() if _is_cell(found)):
            for percentile in _PERCENTILES:
                yield Figure(f"{cell} {percentile}", "ms", step, step, _from_cell(cell, key, percentile))


def _is_cell(found: object) -> bool:
    return isinstance(found, dict) and "wall_ms" in found


def _from_cell(cell: str, key: str, percentile: str) -> Callable[[Line], float]:
    return lambda figures: float(figures[cell][key][percentile])


def _bytes_per_edge(figures: Line) -> float:
    return float((figures["table_bytes"] + sum(figures["index_bytes"].values())) / figures["edges"])


def _worlds(lines: Sequence[Line]) -> dict[int, dict[str, Line]]:
    """Return the lines of each world that has edges, by their number and by step."""
    by_world: dict[tuple[int, int, int], dict[str, Line]] = {}
    for line in lines:
        by_world.setdefault((line["contacts"], line["copies"], line["seed"]), {})[line["step"]] = line
    with_edges = [steps for steps in by_world.values() if "rebuild" in steps]
    return {
        steps["rebuild"]["figures"]["edges"]: steps
        for steps in sorted(with_edges, key=lambda steps: int(steps["rebuild"]["figures"]["edges"]))
    }


def _points(figure: Figure, worlds: Mapping[int, Mapping[str, Line]]) -> list[tuple[float, float]]:
    return [
        (float(edges), figure.read(steps[figure.step]["figures"]))
        for edges, steps in worlds.items()
        if figure.step in steps
    ]


def _text(
    lines: Sequence[Line],
    worlds: Mapping[int, Mapping[str, Line]],
    points: Mapping[Figure, Points],
    charts: Sequence[str],
) -> str:
    commits = sorted({str(line["commit"]) for line in lines})
    loads = [float(line["load"]) for line in lines]
    parts = [
        "# How cost grows with the number of edges",
        "`python -m bench.scale --copies N`, then `python -m bench.scale --report`",
        "A world is N copies of one synthetic world that share nothing. Every world is asked the same questions, each"
        " about a copy that was drawn at random. So the answers are equal, and what grows is due to the size of the"
        " database alone. Processor time is that of all processes of the server, so that other work on the machine"
        " counts little; times marked as wall include waiting for the disk and for other work."
        f" The load average was {min(loads):.1f} to {max(loads):.1f} on two cores. Measured at {', '.join(commits)}.",
        "## Figures",
        _figures(worlds, points),
        "An exponent of 1.00 means that the figure grows as the number of edges does, one of 0 that it does not grow."
        " The last columns assume that the power law goes on, that memory grows with the data, and that the disk is as"
        " fast. With two worlds the fit is a line through two points. Cold questions that follow each other read pages"
        " for each other; with more copies they do so less often, and this is a part of what grows.",
        "## Charts",
        "\n\n".join(f"![{_TITLES[name]}](scale_{name}.svg)" for name in charts),
        "## Worlds",
        _of_worlds(worlds),
        "## Environment",
        ", ".join(f"{name} {value}" for name, value in _environment(lines).items()) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _figures(worlds: Mapping[int, Mapping[str, Line]], points: Mapping[Figure, Points]) -> str:
    heads = ["", *(f"{edges / 1e6:,.1f} M" for edges in worlds), "exponent"]
    heads += [f"at {edges / 1e6:,.0f} M" for edges in PROJECTED]
    rows = []
    for figure, found in points.items():
        if not found:
            continue
        by_edges, law = dict(found), fit(found)
        row = [f"{_LABELS.get(figure.step, '')}{figure.name}, {figure.unit}"]
        row += [number(by_edges[edges]) if edges in by_edges else "–" for edges in worlds]
        row += ["–"] * 3 if law is None else [f"{law.exponent:.2f}", *(number(law.at(edges)) for edges in PROJECTED)]
        rows.append(row)
    return _table(heads, rows)


_LABELS = {
    "warm": "find_paths warm, processor: ",
    "cold": "find_paths cold, wall: ",
}


def _of_worlds(worlds: Mapping[int, Mapping[str, Line]]) -> str:
    rows = []
    for edges, steps in worlds.items():
        made = steps["rebuild"]["figures"]
        loaded = steps["load"]["figures"] if "load" in steps else {}
        sizes = {_short(name): size for name, size in made["index_bytes"].items()}
        rows.append(
            [
                f"{edges:,}",
                str(steps["rebuild"]["copies"]),
                f"{loaded.get('contacts', 0):,}",
                f"{loaded.get('experiences', 0):,}",
                f"{loaded.get('source_bytes', 0) / 1e9:.2f}",
                f"{made['table_bytes'] / 1e9:.2f}",
                ", ".join(f"{name} {size / 1e9:.2f}" for name, size in sizes.items()),
                f"{made['most_bytes'] / 1e9:.1f}",
                f"{edges / made['seconds']:,.0f}",
                ", ".join(f"{name} {seconds:.0f}" for name, seconds in made["steps"].items() if seconds >= 0.5),
            ]
        )
    heads = ["edges", "copies", "contacts", "usable experiences", "sources, GB", "table, GB", "indexes, GB"]
    heads += ["most on the disk during the rebuild, GB", "rebuild, edges/s wall", "its steps, s wall"]
    return _table(heads, rows)


def _short(index: str) -> str:
    """Return the name of an index without its schema and its revision."""
    return index.rpartition(".")[2].rpartition("_r")[0]


def _environment(lines: Sequence[Line]) -> Mapping[str, str]:
    return next((line["figures"]["environment"] for line in lines if line["step"] == "load"), {})


def number(value: float) -> str:
    """Return a figure with about three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    marks = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, marks, *rows])
