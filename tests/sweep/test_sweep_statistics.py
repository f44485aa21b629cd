"""What sweeps make of samples: percentiles as NumPy has them, and verdicts that can be believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.sweep import compare, objectives, publish, statistics
from orchestrator.sweep.load import Answers
from orchestrator.sweep.matrix import WARM, Request
from orchestrator.sweep.results import Cell, Options, Results
from orchestrator.sweep.statistics import BETTER, INCONCLUSIVE, MIXED, SAME, WORSE, Interval, Samples, percentile
from orchestrator.sweep.summary import comparison_markdown, objective_lines

OPTIONS = Options(seed=1, connections=4, seconds=10, blocks=10, warmup=1, rate=None, timeout=1, max_edges_per_hop=15)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=300), st.sampled_from([1, 50, 90, 95, 99, 100]))
def test_percentiles_are_numpys_nearest_ranks(values: list[float], percent: int) -> None:
    samples = np.array(values)
    assert percentile(samples, percent) == np.percentile(samples, percent, method="inverted_cdf")


def test_requests_without_an_answer_rank_above_every_answer() -> None:
    samples = np.array([1.0] * 94 + [math.inf] * 6)
    assert percentile(samples, 50) == 1.0
    assert percentile(samples, 94) == 1.0
    assert percentile(samples, 95) == math.inf


def test_the_99th_percentile_wants_a_thousand_samples() -> None:
    assert _cell([np.ones(999)]).percentile(99) is None
    assert _cell([np.ones(500), np.ones(500)]).percentile(99) == 1.0
    assert _cell([np.ones(999)]).percentile(95) == 1.0


def test_percentiles_are_of_all_samples_and_not_means_of_blocks() -> None:
    cell = _cell([np.full(99, 1.0), np.full(1, 101.0)])
    assert cell.percentile(50) == 1.0
    assert cell.longest == 101.0


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (Interval(0.5, 0.4, 0.6), BETTER),
        (Interval(2, 1.5, 3), WORSE),
        (Interval(1, 0.99, 1.02), SAME),
        (Interval(1.1, 0.9, 1.3), INCONCLUSIVE),
        (Interval(1.1, 1.02, 1.3), INCONCLUSIVE),  # beyond 1, but not by the margin
        (Interval(math.nan, math.nan, math.nan), INCONCLUSIVE),
        (Interval(math.inf, math.inf, math.inf), WORSE),
    ],
)
def test_a_verdict_needs_the_whole_interval(interval: Interval, verdict: str) -> None:
    assert interval.verdict(0.05) == verdict
    turned = {BETTER: WORSE, WORSE: BETTER}.get(verdict, verdict)
    assert interval.verdict(0.05, more_is_better=True) == turned


def test_an_interval_holds_the_true_ratio() -> None:
    generator = np.random.default_rng(7)
    held = 0
    for number in range(200):
        base, new = _blocks(generator, 1.0, 8), _blocks(generator, 1.3, 8)
        found = statistics.compare(base, new, (50,), paired=True, seed=number)[50]
        held += found.low <= 1.3 <= found.high
    assert held >= 180  # of 200: 95 % and the luck of the draw


def test_half_the_speed_is_worse_and_twice_is_better() -> None:
    generator = np.random.default_rng(3)
    results = _results({"one": _blocks(generator, 2.0, 10), "other": _blocks(generator, 4.0, 10)})
    assert compare.versions(results, "one", "other").verdict == WORSE
    assert compare.versions(results, "other", "one").verdict == BETTER


def test_a_slow_tail_alone_is_worse() -> None:
    generator = np.random.default_rng(3)
    base = _blocks(generator, 2.0, 10)
    slow = [np.where(generator.random(len(block)) < 0.07, block * 20, block) for block in base]
    found = compare.versions(_results({"one": base, "other": slow}), "one", "other")
    assert found.cells[0].ratios["p50"].verdict(0.05) != WORSE
    assert found.verdict == WORSE


def test_what_no_longer_answers_is_worse() -> None:
    generator = np.random.default_rng(3)
    base = _blocks(generator, 2.0, 10)
    failing = [np.where(generator.random(len(block)) < 0.2, math.inf, block) for block in base]
    assert compare.versions(_results({"one": base, "other": failing}), "one", "other").verdict == WORSE
    both = compare.versions(_results({"one": failing, "other": failing}), "one", "other")
    assert both.verdict == INCONCLUSIVE  # nothing tells two infinite percentiles apart


def test_too_few_blocks_decide_nothing() -> None:
    generator = np.random.default_rng(3)
    results = _results({"one": _blocks(generator, 2.0, 3), "other": _blocks(generator, 9.0, 3)})
    assert compare.versions(results, "one", "other").verdict == INCONCLUSIVE


@pytest.mark.parametrize(
    ("factors", "told", "status"),
    [
        ((0.5, 0.5, 2.0, 1.0), "mixed: 2 better, 1 worse, 1 undecided", 4),
        ((2.0, 1.0, 1.0), "worse: 1 worse, 2 undecided", 3),
        ((0.5, 0.5), "better: 2 better", 0),
        ((0.5, 2.0), "mixed: 1 better, 1 worse", 4),
        ((1.0,), "inconclusive", 4),
        ((2.0,), "worse", 3),
    ],
)
def test_a_verdict_tells_how_many_requests_are_better_and_worse(
    factors: Sequence[float], told: str, status: int
) -> None:
    generator = np.random.default_rng(2)
    results = _results({"one": [], "other": []})
    results.cells = [
        _cell(_blocks(generator, 2.0 * by, 8), version, depth)
        for depth, factor in enumerate(factors)
        for version, by in (("one", 1.0), ("other", factor))
    ]
    found = compare.versions(results, "one", "other")
    assert found.told == told
    assert publish._status([], found) == status
    assert comparison_markdown(found).splitlines()[0] == f"## other against one is {told}"


def test_a_request_that_is_better_and_worse_is_mixed() -> None:
    generator = np.random.default_rng(2)
    base = _blocks(generator, 2.0, 8)
    tail = [np.where(generator.random(len(block)) < 0.07, block * 20, block / 2) for block in base]
    found = compare.versions(_results({"one": base, "other": tail}), "one", "other")
    assert {found.cells[0].ratios[name].verdict(0.05) for name in ("p50", "p95")} == {BETTER, WORSE}
    assert found.verdict == MIXED


@pytest.mark.parametrize("of_sweep", [0, 1])
@pytest.mark.parametrize("unanswered", ["absent", "without blocks", "failing"])
def test_a_sweep_without_its_reference_decides_nothing(of_sweep: int, unanswered: str) -> None:
    generator = np.random.default_rng(4)
    found = [_three_depths(generator, 2.0), _three_depths(generator, 20.0)]
    references = found[of_sweep].references
    for cell in references.values():
        cell.blocks = [
            replace(block, milliseconds=np.full(5, math.inf), answered=0)
            for block in cell.blocks
            if unanswered == "failing"
        ]
    if unanswered == "absent":
        references.clear()
    comparison = compare.sweeps(found[0], found[1])
    assert comparison.verdict == INCONCLUSIVE
    assert any("no reference measurement in 3 requests" in note for note in comparison.notes)


def test_objectives_judge_what_is_new_and_show_the_base() -> None:
    generator = np.random.default_rng(2)
    results = _results({"one": _blocks(generator, 20.0, 8), "other": _blocks(generator, 2.0, 8)})
    results.versions = {"one": "SELECT 1", "other": "SELECT 2"}
    objective = objectives.parse("p50=5ms")
    for versus, met, base in ((("one", "other"), True, False), (("other", "one"), False, True)):
        results.versus = versus
        (judged,) = objectives.judge(results, [objective], compare.versions(results, *versus))
        assert judged.cell.endswith(versus[1])
        assert judged.met is met
        assert judged.base is not None
        assert (judged.base < 5) is base
    assert "ms; the base 2" in "".join(objective_lines([judged]))
    results.versus = None
    assert len(objectives.judge(results, [objective])) == 2


@pytest.mark.parametrize("sweeps", [1, 2])
def test_what_is_identical_is_hardly_ever_called_better_or_worse(sweeps: int) -> None:
    """Blocks vary by 6 % as wholes, as on a shared machine, and the machine by 20 % from sweep to sweep."""
    generator = np.random.default_rng(11)
    false = 0
    for _ in range(50):
        found = [_three_depths(generator, 2.0 * math.exp(generator.normal(0, 0.2))) for _ in range(sweeps)]
        comparison = compare.versions(found[0], "one", "other") if sweeps == 1 else compare.sweeps(found[0], found[1])
        false += comparison.verdict in {BETTER, WORSE}
    assert false <= 2


def test_two_sweeps_on_a_machine_that_slowed_down_still_tell_what_is_much_slower() -> None:
    generator = np.random.default_rng(5)
    base, new = _three_depths(generator, 2.0), _three_depths(generator, 2.4)
    for cell in new.cells:
        cell.blocks = [replace(block, milliseconds=2 * block.milliseconds) for block in cell.blocks]
    found = compare.sweeps(base, new)
    assert found.verdict == WORSE
    assert 1.9 < found.overall["p50"].ratio < 2.1


def _three_depths(generator: np.random.Generator, median: float) -> Results:
    results = _results({"one": [], "other": []})
    results.cells = [
        _cell(_blocks(generator, median, 10), version, depth) for depth in range(1, 4) for version in ("one", "other")
    ]
    for cell in results.cells:
        results.references[cell.request] = _cell(_blocks(generator, median / 4, 10))
    return results


def _blocks(generator: np.random.Generator, median: float, number: int) -> list[Samples]:
    """Samples of blocks that were slow or fast as wholes."""
    return [
        np.exp(generator.normal(math.log(median) + generator.normal(0, 0.06), 0.4, size=300)) for _ in range(number)
    ]


def _cell(blocks: list[Samples], version: str = "one", depth: int = 1) -> Cell:
    answers = [
        Answers(
            seconds=1.0,
            milliseconds=block,
            connecting=None,
            answered=int(np.isfinite(block).sum() * 1000 / block[np.isfinite(block)].sum()),  # as one client gets
            timeouts=int(np.isinf(block).sum()),
            errors=0,
            failures={},
        )
        for block in blocks
    ]
    return Cell(Request(1, "any", depth, 25, WARM), version, answers)


def _results(blocks: dict[str, list[Samples]]) -> Results:
    server = {"version": "18.6", "settings": {}, "other_active_sessions": 0}
    client = {"processor": "a", "cores": 2, "memory_bytes": 1, "load_before": 0.0}
    return Results(
        started="2026-11-22T00:00:00+00:00",
        options=OPTIONS,
        versions=dict.fromkeys(blocks, ""),
        environment={"server": server, "client": client, "relations": []},
        members={1: 100},
        targets={(1, "any"): []},
        cells=[_cell(found, version) for version, found in blocks.items()],
    )
