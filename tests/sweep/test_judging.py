"""Verdicts and objectives: a verdict can be trusted, and an objective states one limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep import commands
from orchestrator.sweep.judge import objectives
from orchestrator.sweep.judge.compare import compare_finders, compare_sweeps
from orchestrator.sweep.judge.doubts import doubts
from orchestrator.sweep.judge.intervals import (
    BETTER,
    INCONCLUSIVE,
    MIXED,
    SAME,
    WORSE,
    Interval,
    _drawn_percentiles,
    compare_percentiles,
)
from orchestrator.sweep.measure.load_generator import percentile
from orchestrator.sweep.measure.parity import Parity
from orchestrator.sweep.measure.results import Results
from orchestrator.sweep.show.tables import comparison_markdown, objective_lines
from tests.support.properties import first_of
from tests.support.sweeps import cell_of, random_blocks, results_of


def test_the_99th_percentile_needs_a_thousand_samples() -> None:
    assert cell_of([np.ones(999)]).percentile(99) is None
    assert cell_of([np.ones(500), np.ones(500)]).percentile(99) == 1.0
    assert cell_of([np.ones(999)]).percentile(95) == 1.0


def test_percentiles_are_of_all_samples_and_not_means_of_blocks() -> None:
    cell = cell_of([np.full(99, 1.0), np.full(1, 101.0)])
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
        base, new = random_blocks(generator, 1.0, 8), random_blocks(generator, 1.3, 8)
        found = compare_percentiles(base, new, (50,), paired=True, seed=number)[50]
        held += found.low <= 1.3 <= found.high
    assert held >= 180  # of 200: 95 % and the luck of the draw


@pytest.mark.parametrize("percent", [1, 50, 95, 99])
def test_drawn_percentiles_are_those_of_the_drawn_samples(percent: int) -> None:
    generator = np.random.default_rng(percent)
    blocks = [*random_blocks(generator, 2.0, 3), np.where(generator.random(300) < 0.3, math.inf, 2.5), np.empty(0)]
    drawn = generator.multinomial(5, np.full(5, 0.2), size=100)
    found = _drawn_percentiles(blocks, drawn, percent)
    for counts, value in zip(drawn, found, strict=True):
        samples = np.concatenate([np.repeat(block, count) for block, count in zip(blocks, counts, strict=True)])
        if len(samples):
            exact = math.log(percentile(samples, percent))
            assert value == exact or 0 <= exact - value <= math.log(1.0051)


def test_half_the_speed_is_worse_and_twice_is_better() -> None:
    generator = np.random.default_rng(3)
    results = results_of({"one": random_blocks(generator, 2.0, 10), "other": random_blocks(generator, 4.0, 10)})
    assert compare_finders(results, "one", "other").verdict == WORSE
    assert compare_finders(results, "other", "one").verdict == BETTER


def test_a_slow_tail_alone_is_worse() -> None:
    generator = np.random.default_rng(3)
    base = random_blocks(generator, 2.0, 10)
    slow = [np.where(generator.random(len(block)) < 0.07, block * 20, block) for block in base]
    found = compare_finders(results_of({"one": base, "other": slow}), "one", "other")
    assert found.cells[0].ratios["p50"].verdict(0.05) != WORSE
    assert found.verdict == WORSE


def test_a_finder_that_no_longer_answers_is_worse() -> None:
    generator = np.random.default_rng(3)
    base = random_blocks(generator, 2.0, 10)
    failing = [np.where(generator.random(len(block)) < 0.2, math.inf, block) for block in base]
    assert compare_finders(results_of({"one": base, "other": failing}), "one", "other").verdict == WORSE
    both = compare_finders(results_of({"one": failing, "other": failing}), "one", "other")
    assert both.verdict == INCONCLUSIVE  # two infinite percentiles cannot be distinguished


def test_too_few_blocks_decide_nothing() -> None:
    generator = np.random.default_rng(3)
    results = results_of({"one": random_blocks(generator, 2.0, 3), "other": random_blocks(generator, 9.0, 3)})
    assert compare_finders(results, "one", "other").verdict == INCONCLUSIVE


@pytest.mark.parametrize(
    ("factors", "summary", "status"),
    [
        ((0.5, 0.5, 2.0, 1.0), "mixed: 2 better, 1 worse, 1 inconclusive", 4),
        ((2.0, 1.0, 1.0), "worse: 1 worse, 2 inconclusive", 3),
        ((0.5, 0.5), "better: 2 better", 0),
        ((0.5, 2.0), "mixed: 1 better, 1 worse", 4),
        ((1.0,), "inconclusive", 4),
        ((2.0,), "worse", 3),
    ],
)
def test_a_verdict_says_how_many_cells_are_better_and_worse(
    factors: Sequence[float], summary: str, status: int
) -> None:
    generator = np.random.default_rng(2)
    results = results_of({"one": [], "other": []})
    results.cells = [
        cell_of(random_blocks(generator, 2.0 * by, 8), finder, depth)
        for depth, factor in enumerate(factors)
        for finder, by in (("one", 1.0), ("other", factor))
    ]
    found = compare_finders(results, "one", "other")
    assert found.summary == summary
    assert commands._status([], found) == status
    assert comparison_markdown(found).splitlines()[0] == f"## other against one: {summary}"


def test_a_cell_that_is_better_and_worse_is_mixed() -> None:
    generator = np.random.default_rng(2)
    base = random_blocks(generator, 2.0, 8)
    tail = [np.where(generator.random(len(block)) < 0.07, block * 20, block / 2) for block in base]
    found = compare_finders(results_of({"one": base, "other": tail}), "one", "other")
    assert {found.cells[0].ratios[name].verdict(0.05) for name in ("p50", "p95")} == {BETTER, WORSE}
    assert found.verdict == MIXED


@pytest.mark.parametrize("of_sweep", [0, 1])
@pytest.mark.parametrize("unanswered", ["absent", "without blocks", "failing"])
def test_a_sweep_without_its_reference_decides_nothing(of_sweep: int, unanswered: str) -> None:
    generator = np.random.default_rng(4)
    found = [three_depths(generator, 2.0), three_depths(generator, 20.0)]
    references = found[of_sweep].references
    for cell in references.values():
        cell.blocks = [
            replace(block, milliseconds=np.full(5, math.inf), answered=0)
            for block in cell.blocks
            if unanswered == "failing"
        ]
    if unanswered == "absent":
        references.clear()
    comparison = compare_sweeps(found[0], found[1])
    assert comparison.verdict == INCONCLUSIVE
    assert any("no reference measurement in 3 combinations" in note for note in comparison.notes)


@pytest.mark.parametrize("sweeps", first_of(2, [1, 2]))
def test_identical_finders_are_hardly_ever_called_better_or_worse(sweeps: int) -> None:
    """Blocks vary by 6 % as wholes, as on a shared machine, and the machine by 20 % from sweep to sweep."""
    generator = np.random.default_rng(11)
    false = 0
    for _ in range(30):
        found = [three_depths(generator, 2.0 * math.exp(generator.normal(0, 0.2))) for _ in range(sweeps)]
        comparison = compare_finders(found[0], "one", "other") if sweeps == 1 else compare_sweeps(found[0], found[1])
        false += comparison.verdict in {BETTER, WORSE}
    assert false <= 1


def test_two_sweeps_on_a_machine_that_slowed_down_still_show_a_much_slower_finder() -> None:
    generator = np.random.default_rng(5)
    base, new = three_depths(generator, 2.0), three_depths(generator, 2.4)
    for cell in new.cells:
        cell.blocks = [replace(block, milliseconds=2 * block.milliseconds) for block in cell.blocks]
    found = compare_sweeps(base, new)
    assert found.verdict == WORSE
    assert 1.9 < found.overall["p50"].ratio < 2.1


def test_other_differences_of_two_sweeps_are_notes() -> None:
    generator = np.random.default_rng(5)
    base, new = three_depths(generator, 2.0), three_depths(generator, 2.0)
    assert list(compare_sweeps(base, new).notes) == []
    new.options = replace(new.options, rate=50, max_edges_per_hop=None)
    new.environment["server"] = {"version": "15.1", "settings": {"work_mem": "1GB"}, "other_active_sessions": 0}
    new.environment["client"] = {**new.environment["client"], "cores": 64}
    for results, digest in ((base, "a"), (new, "b")):
        results.parity = {results.cells[0].combination: Parity(1, 0, {"one": 1}, {"one": digest})}
    notes = "; ".join(compare_sweeps(base, new).notes)
    for part in ("different loads", "max-edges-per-hop", "different rows in 1", "PostgreSQL 18.6 and 15.1",
                 "different settings: work_mem", "different client machines"):  # fmt: skip
        assert part in notes


def test_reasons_to_doubt_are_listed() -> None:
    results = results_of({"one": [np.ones(30)]})
    assert doubts(results) == []
    results.overhead_ms = 0.5
    results.environment["server"]["other_active_sessions"] = 2
    results.environment["client"]["load_before"] = 3.0
    results.interrupted, results.problem = True, "server gone"
    found = "; ".join(doubts(results))
    for part in (
        "does nothing takes 0.50 ms",
        "other sessions that were active on the server at the start: 2",
        "load was 3 on 2 cores",
        "ended early (server gone)",
    ):
        assert part in found


# Objectives.


@pytest.mark.parametrize("text", ["p95", "p95=250", "p97=1s", "rate=10%", "speed=1ms", "p95=-1ms", ""])
def test_an_objective_that_states_nothing_is_refused(text: str) -> None:
    with pytest.raises(OrchestratorError, match="is not an objective"):
        objectives.parse(text)


def test_objectives_judge_the_new_finder_and_show_the_base() -> None:
    generator = np.random.default_rng(2)
    results = results_of({"one": random_blocks(generator, 20.0, 8), "other": random_blocks(generator, 2.0, 8)})
    objective = objectives.parse("p50=5ms")
    for versus, met, base in ((("one", "other"), True, False), (("other", "one"), False, True)):
        results.versus = versus
        (judgement,) = objectives.judge(results, [objective], compare_finders(results, *versus))
        assert judgement.cell.endswith(versus[1])
        assert judgement.met is met
        assert judgement.base is not None
        assert (judgement.base < 5) is base
    assert "ms; the base 2" in "".join(objective_lines([judgement]))
    results.versus = None
    assert len(objectives.judge(results, [objective])) == 2


def three_depths(generator: np.random.Generator, median: float) -> Results:
    results = results_of({"one": [], "other": []})
    results.cells = [
        cell_of(random_blocks(generator, median, 10), finder, depth)
        for depth in range(1, 4)
        for finder in ("one", "other")
    ]
    for cell in results.cells:
        results.references[cell.combination] = cell_of(random_blocks(generator, median / 4, 10))
    return results
