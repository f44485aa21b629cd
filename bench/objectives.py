"""The objectives of the search, and what one run of the walk benchmark says about each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.cells import FEW, HUB, MANY, RANDOM
from bench.finders import Samples
from bench.measured import CellResult, Measured
from bench.throughput import CLIENTS

#: The versions that the objectives compare with: the last generation, and the plain recursion.
LAST, RECURSION = "v3", "v2"

_LARGEST = 0.95  # share of all contacts
_SMALLER = 0.13  # share of all contacts; the collection of 12 % is a little larger in some worlds
_AT_MOST = 1.25  # of the last generation, in the largest collection
_SLOW = 5.0  # ms; cells above it must not become slower
_NEVER = 40.0  # ms
_IMPORTER = 10.0  # ms, at depth 2 around hubs
_FIRST_CALL = 0.5  # of the last generation
_NAMED = 3  # worst cells that a row names


@dataclass(frozen=True)
class Objective:
    """One objective; ``met`` is None where nothing that decides it was measured."""

    where: str
    wanted: str
    found: str
    met: bool | None


@dataclass(frozen=True)
class _Statistic:
    """A number of a cell's samples, by which versions are compared."""

    name: str
    of: Callable[[Samples], float]


_P50 = _Statistic("p50", lambda samples: samples.p50)
_P95 = _Statistic("p95", lambda samples: samples.p95)


def objectives(measured: Measured) -> list[Objective]:
    """Return the objectives and what the cells say about them."""
    judged = measured.judged
    found: list[Objective] = []
    if LAST in measured.versions[:-1]:
        largest = [result for result in measured.cells if result.cell.collection.share >= _LARGEST]
        where = f"collection of ≥ {_LARGEST:.0%} of contacts, every cell"
        found += [_ratio(where, largest, statistic, judged, LAST, _AT_MOST) for statistic in (_P50, _P95)]
        for statistic in (_P50, _P95):
            slow = [result for result in measured.cells if statistic.of(result.samples[LAST]) > _SLOW]
            where = f"every cell where the {statistic.name} of {LAST} is above {_SLOW:.0f} ms"
            found.append(_ratio(where, slow, statistic, judged, LAST, 1.0))
    if RECURSION in measured.versions[:-1]:
        random = [
            result
            for result in measured.cells
            if result.cell.collection.share <= _SMALLER and result.cell.target_class == RANDOM
        ]
        where = "collections of 12 % of contacts and less, random targets, every cell"
        found.append(_ratio(where, random, _P50, judged, RECURSION, 1.0))
    importer = [
        result
        for result in measured.cells
        if result.cell.scope in (MANY, FEW) and result.cell.depth == 2 and result.cell.target_class == HUB
    ]
    return [
        *found,
        _limit("importer, depth 2, hubs, every collection", importer, judged, _IMPORTER),
        _limit("every cell", measured.cells, judged, _NEVER),
        *_first_calls(measured),
        *_throughputs(measured),
        _slowest(measured.cells, judged, "longest call", lambda samples: samples.longest),
    ]


def _ratio(
    where: str, results: Sequence[CellResult], statistic: _Statistic, judged: str, base: str, at_most: float
) -> Objective:
    wanted = f"{statistic.name} {judged}/{base} ≤ {at_most:g}"
    if not results:
        return Objective(where, wanted, "not measured", None)

    def ratio(result: CellResult) -> float:
        return statistic.of(result.samples[judged]) / statistic.of(result.samples[base])

    worst = sorted(results, key=ratio, reverse=True)
    above = [result for result in worst if ratio(result) > at_most]
    named = ", ".join(f"{ratio(result):.2f} in {result.cell.name}" for result in worst[:_NAMED])
    same = [result for result in worst if not result.changed]
    found = (
        f"{len(above)} of {len(results)} cells above; worst: {named}. Of the {len(same)} cells with the same rows,"
        f" {sum(not result.changed for result in above)} above"
    )
    if same:
        found += f"; worst: {ratio(same[0]):.2f} in {same[0].cell.name}"
    return Objective(where, wanted, found, not above)


def _limit(where: str, results: Sequence[CellResult], judged: str, at_most: float) -> Objective:
    wanted = f"p95 {judged} ≤ {at_most:g} ms"
    if not results:
        return Objective(where, wanted, "not measured", None)
    worst = max(results, key=lambda result: result.samples[judged].p95)
    samples = worst.samples[judged]
    above = sum(result.samples[judged].p95 > at_most for result in results)
    return Objective(
        where,
        wanted,
        f"{above} of {len(results)} cells above; worst {samples.p95:.2f} ms, calm {samples.calm_p95:.2f} ms, in"
        f" {worst.cell.name}",
        above == 0,
    )


def _first_calls(measured: Measured) -> list[Objective]:
    judged = {calls.depth: calls.call(1) for calls in measured.first_calls if calls.version == measured.judged}
    last = {calls.depth: calls.call(1) for calls in measured.first_calls if calls.version == LAST}
    return [
        Objective(
            f"first call of a connection, depth {depth}",
            f"{measured.judged}/{LAST} ≤ {_FIRST_CALL:g}",
            f"{judged[depth] / last[depth]:.2f} ({last[depth]:.2f} → {judged[depth]:.2f} ms)",
            judged[depth] / last[depth] <= _FIRST_CALL,
        )
        for depth in judged
        if depth in last
    ]


def _throughputs(measured: Measured) -> list[Objective]:
    if measured.throughput is None:
        return []
    where = f"{CLIENTS} connections, largest collection, any, depth 4, 25 paths, hub and random targets"
    after = measured.throughput.median(measured.judged)
    ratios = [
        f"{measured.judged}/{version} {after / measured.throughput.median(version):.2f}"
        for version in measured.versions[:-1]
    ]
    return [Objective(where, "", f"{after:,.0f} calls/s; {', '.join(ratios)}", None)]


def _slowest(results: Sequence[CellResult], version: str, name: str, of: Callable[[Samples], float]) -> Objective:
    where = f"{name} of {version} in any cell"
    if not results:
        return Objective(where, "", "not measured", None)
    worst = max(results, key=lambda result: of(result.samples[version]))
    return Objective(where, "", f"{of(worst.samples[version]):.2f} ms ({worst.cell.name})", None)
