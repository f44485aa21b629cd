"""The objectives of the walk, and what one run says about each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.cells import ANY, FEW, HUB, MANY, RANDOM
from bench.finders import Samples
from bench.measured import CellResult, Measured
from bench.throughput import CLIENTS

_LARGEST = 0.95  # share of all contacts
_MIDDLING = (0.002, 0.13)  # the collection of 12 % is a little larger in some worlds
_SLOW = 400.0  # ms


@dataclass(frozen=True)
class Objective:
    """One objective; ``met`` is None where nothing that decides it was measured."""

    where: str
    wanted: str
    found: str
    met: bool | None


def objectives(measured: Measured) -> list[Objective]:
    """Return the objectives and what the cells say about them."""
    base, judged = measured.base, measured.judged
    largest = f"collection of ≥ {_LARGEST:.0%} of contacts"
    hubs_and_random = "hub and random targets"

    def fast(scopes: Sequence[str], max_paths: int) -> list[CellResult]:
        return [
            result
            for result in measured.cells
            if result.cell.collection.share >= _LARGEST
            and result.cell.scope in scopes
            and (result.cell.depth, result.cell.max_paths) == (4, max_paths)
            and result.cell.target_class in (HUB, RANDOM)
        ]

    def speedup(where: str, results: Sequence[CellResult], least: float, about: int = 0) -> Objective:
        wanted = f"p95 {base}/{judged} ≥ {least:g}" + (f" ({judged} about ≤ {about} ms)" if about else "")
        if not results:
            return Objective(where, wanted, "not measured", None)
        worst = min(results, key=lambda result: _p95(result, base) / _p95(result, judged))
        slowest = max(_p95(result, judged) for result in results)
        ratio = _p95(worst, base) / _p95(worst, judged)
        calm = min(_calm(result, base) / _calm(result, judged) for result in results)
        found = (
            f"{ratio:.1f} at the least ({worst.cell.name}), calm {calm:.1f}; {judged} p95 ≤ {slowest:.2f} ms;"
            f" cells: {len(results)}"
        )
        return Objective(where, wanted, found, ratio >= least)

    middling = [
        result
        for result in measured.cells
        if _MIDDLING[0] <= result.cell.collection.share <= _MIDDLING[1]
        and result.cell.target_class == HUB
        and (result.cell.depth, result.cell.max_paths) == (4, 25)
    ]
    slow = [result for result in middling if _p95(result, base) > _SLOW]
    between = "collections of 0.2 % to 12 % of contacts, depth 4, 25 paths, hubs, any scope"
    return [
        speedup(f"{largest}, any, depth 4, 25 paths, {hubs_and_random}", fast([ANY], 25), 15, 3),
        speedup(f"{largest}, any, depth 4, 100 paths, {hubs_and_random}", fast([ANY], 100), 8),
        speedup(
            f"{largest}, importer (many and few), depth 4, 25 paths, {hubs_and_random}",
            fast([MANY, FEW], 25),
            3,
            8,
        ),
        speedup(f"{between}, where {base} p95 > {_SLOW:.0f} ms", slow, 20)
        if slow or not middling
        else Objective(between, f"p95 {base}/{judged} ≥ 20", f"{base} p95 is never above {_SLOW:.0f} ms here", None),
        _never_slow(between, middling, judged),
        _never_slower(measured),
        _throughput_objective(measured),
        _slowest(measured.cells, judged, "p95", lambda samples: samples.p95),
        _slowest(measured.cells, judged, "max", lambda samples: samples.longest),
    ]


def _p95(result: CellResult, version: str) -> float:
    return result.samples[version].p95


def _calm(result: CellResult, version: str) -> float:
    return result.samples[version].calm_p95


def _never_slow(where: str, results: Sequence[CellResult], version: str) -> Objective:
    wanted = f"{version} p95 ≤ 40 ms"
    if not results:
        return Objective(where, wanted, "not measured", None)
    worst = max(results, key=lambda result: _p95(result, version))
    p95 = _p95(worst, version)
    calm = max(_calm(result, version) for result in results)
    found = f"{p95:.2f} ms at the most ({worst.cell.name}), calm {calm:.2f} ms; cells: {len(results)}"
    return Objective(where, wanted, found, p95 <= 40)


def _never_slower(measured: Measured) -> Objective:
    base, judged = measured.base, measured.judged
    where, wanted = "depth 1 and 2, every cell", f"p50 {judged}/{base} ≤ 1.10"
    results = [result for result in measured.cells if result.cell.depth <= 2]
    if not results:
        return Objective(where, wanted, "not measured", None)

    def p50(result: CellResult, less: float = 0.0) -> float:
        return (result.samples[judged].p50 - less) / (result.samples[base].p50 - less)

    worst = max(results, key=p50)
    above = sum(p50(result) > 1.1 for result in results)
    net = max(p50(result, measured.world.round_trip) for result in results)
    tail = max(_p95(result, judged) / _p95(result, base) for result in results)
    calm = max(_calm(result, judged) / _calm(result, base) for result in results)
    return Objective(
        where,
        wanted,
        f"{p50(worst):.2f} at the most ({worst.cell.name}), {net:.2f} without the round trip; {above} of"
        f" {len(results)} cells above; p95 {tail:.2f} at the most, calm {calm:.2f}",
        above == 0,
    )


def _throughput_objective(measured: Measured) -> Objective:
    where = f"{CLIENTS} connections, largest collection, any, depth 4, 25 paths, hub and random targets"
    wanted = f"calls/s {measured.judged}/{measured.base} ≥ 12"
    if measured.throughput is None:
        return Objective(where, wanted, "not measured", None)
    before, after = measured.throughput.median(measured.base), measured.throughput.median(measured.judged)
    return Objective(where, wanted, f"{after / before:.1f} ({before:,.0f} → {after:,.0f})", after / before >= 12)


def _slowest(results: Sequence[CellResult], version: str, name: str, of: Callable[[Samples], float]) -> Objective:
    where = f"slowest cell of all by {version}'s {name}"
    if not results:
        return Objective(where, "", "not measured", None)
    worst = max(results, key=lambda result: of(result.samples[version]))
    return Objective(where, "", f"{of(worst.samples[version]):.2f} ms ({worst.cell.name})", None)
