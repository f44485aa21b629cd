"""The report of the comparison with other engines."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

from bench.peers.times import CellTimes, Measured, Times

FLOOR = "arrays in memory"


def report(measured: Measured, command: str) -> str:
    """Return the results file."""
    (ours, *_), *_ = measured.engines
    names = [name for name, _, _ in measured.engines]
    compared = [name for name, _, note in measured.engines if name not in (ours, FLOOR) and not note]
    parts = [
        "# Other engines at the same task",
        f"`{command}`",
        f"{measured.contacts:,} contacts, {measured.edges:,} edges. Every engine had the same edges and members in it,"
        " and they answered the same questions in turns, on one machine. Before a cell was timed, the rows of all"
        " engines were compared with ours, but for those named below: they were equal, and in the same order.",
        "Processor time is that of all processes and threads that take part, the client included. Wall time is what the"
        " client waits; other work ran on the machine, with a load average of"
        f" {measured.load:.1f} before the first question, so read its ratios only.",
        "## Where we lose",
        _lost(measured, ours, compared),
        f"To {FLOOR}: {_ratios(measured, ours, FLOOR)}.",
        "## Processor time, ms",
        _cells(measured, names, lambda times: times.processor),
        "## Wall time, ms",
        _cells(measured, names, lambda times: times.wall),
        "## Loading, memory and disk",
        _loaded(measured),
        *(f"{name}: {note}." for name, _, note in measured.engines if note),
        "pgRouting returns one path to each contact that it reaches. So it cannot be asked for paths of more than two"
        " contacts.",
        "## Environment",
        ", ".join(f"{name} {value}" for name, value in measured.environment.items()) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _lost(measured: Measured, ours: str, compared: Sequence[str]) -> str:
    lines = []
    for name in compared:
        both = [cell for cell in measured.cells if name in cell.times]
        if not both:
            continue
        ratios = {cell.name: _p50(cell.times[ours]) / _p50(cell.times[name]) for cell in both}
        lost = {cell: ratio for cell, ratio in ratios.items() if ratio > 1}
        worst = ", ".join(f"{cell} {ratio:.1f}×" for cell, ratio in sorted(lost.items(), key=lambda item: -item[1])[:4])
        middle = math.exp(statistics.fmean(map(math.log, ratios.values())))
        lines.append(
            f"| {name} | {len(lost)} of {len(ratios)} | {worst or '–'} | {middle:.2f} |",
        )
    heads = "| engine | cells where its median of processor time is below ours | our time / its time, worst cells |"
    return "\n".join([f"{heads} mean of all |", "|---|---:|---|---:|", *lines])


def _ratios(measured: Measured, ours: str, other: str) -> str:
    ratios = sorted(
        (_p50(cell.times[ours]) / _p50(cell.times[other]), cell.name) for cell in measured.cells if other in cell.times
    )
    if not ratios:
        return "not measured"
    middle = statistics.median(ratio for ratio, _ in ratios)
    return f"{ratios[0][0]:.0f}× ({ratios[0][1]}) to {ratios[-1][0]:.0f}× ({ratios[-1][1]}), median {middle:.0f}×"


def _p50(times: Times) -> float:
    return statistics.median(times.processor)


def _cells(measured: Measured, names: Sequence[str], values: Callable[[Times], list[float]]) -> str:
    rows = [["cell", "paths", *names], ["---", *["---:"] * (len(names) + 1)]]
    for cell in measured.cells:
        rows.append([cell.name, f"{cell.paths:.1f}", *(_shown(cell, name, values) for name in names)])
    return (
        "p50 / p95. A cell's name: share of the contacts who are members, who may open a path, depth, targets.\n\n"
        + "\n".join(f"| {' | '.join(row)} |" for row in rows)
    )


def _shown(cell: CellTimes, name: str, values: Callable[[Times], list[float]]) -> str:
    if name not in cell.times:
        return "–" if cell.absent.get(name, "not") == "not expressible" else cell.absent.get(name, "–")
    ordered = sorted(values(cell.times[name]))
    return f"{_ms(statistics.median(ordered))} / {_ms(ordered[math.ceil(0.95 * len(ordered)) - 1])}"


def _loaded(measured: Measured) -> str:
    rows = [["engine", "version", "loading, s", "private memory, MB", "disk, MB"], ["---", "---", *["---:"] * 3]]
    for name, version, _ in measured.engines:
        loaded = measured.loaded[name]
        rows.append(
            [
                name,
                version,
                *(f"{value:,.0f}" if value else "–" for value in (loaded.seconds, loaded.memory, loaded.disk)),
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
