"""A throttled backfill takes its limits from options, gives its reasons and leaves a receipt."""

from __future__ import annotations

import json
import threading
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.core.errors import OrchestratorError
from orchestrator.runs.backfill import BackfillOptions, BackfillProgress, backfill
from orchestrator.runs.signals import ThrottleLimits
from orchestrator.runs.throttle import Throttle
from tests.support.throttle import kill_sessions
from tests.support.waiting import until


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), ThrottleLimits()),
        (("--replica-lag", "3600"), ThrottleLimits(replica_lag_seconds=3600.0)),
        (("--replica-lag", "off", "--replica-backlog", "off"), ThrottleLimits(1.5, 1.0, None, None)),
        (("--ignore-replica", "a", "--ignore-replica", "b c"), ThrottleLimits(ignored_replicas=("a", "b c"))),
        (("--no-throttle", "--replica-lag", "1"), None),
        (("--replica-lag", "0"), 2),
        (("--replica-backlog", "much"), 2),
    ],
)
def test_the_limits_are_options(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], expected: ThrottleLimits | int | None
) -> None:
    given: list[Any] = []

    def backfill(dsn: str, options: BackfillOptions, **_: Any) -> None:
        given.append(options.limits)
        raise OrchestratorError("not now")

    monkeypatch.setattr("orchestrator.cli.backfill.backfill", backfill)
    ran = CliRunner().invoke(main, ["backfill", "--yes", *arguments])
    if expected == 2:
        assert ran.exit_code == 2
    else:
        assert given == [expected]


def test_fewer_workers_than_wanted_always_have_a_reason(small: str) -> None:
    """A reason is given while workers are added, while none may work, while the run is paused, and at its end."""
    seen: list[tuple[float, tuple[str, ...]]] = []
    steps = iter(
        [
            "SELECT connection_paths.set_max_workers(%(run_id)s, 0)",
            "SELECT connection_paths.set_max_workers(%(run_id)s, 1)",
            "SELECT connection_paths.pause_run(%(run_id)s)",
            "SELECT connection_paths.resume_run(%(run_id)s), connection_paths.set_max_workers(%(run_id)s, NULL)",
        ]
    )
    with psycopg.connect(small, autocommit=True) as connection:

        def report(progress: BackfillProgress) -> None:
            seen.append((progress.allowed, progress.reasons))
            if progress.run.is_active and progress.doing in ("filling", "paused"):
                statement = next(steps, None)
                if statement is not None:
                    connection.execute(statement.encode(), {"run_id": progress.run.run_id})

        backfill(small, BackfillOptions(workers=2, limits=ThrottleLimits(floor_milliseconds=500)), report=report)
    assert all(bool(reasons) == (allowed < 2) for allowed, reasons in seen)
    shown = {reason for _, reasons in seen for reason in reasons}
    assert {f"the run is limited to {most} in all processes together" for most in ("0 workers", "1 worker")} <= shown
    assert "the run is paused" in shown
    assert seen[-1] == (2, ())


def test_the_receipt_is_json_and_adds_up(small: str, throttled: Throttle) -> None:
    until(lambda: throttled.tick() >= 2)
    receipt = json.loads(json.dumps(throttled.receipt()))
    assert receipt.keys() == {"canary", "seconds", "throttled_seconds", "rebaselined"}
    assert receipt["canary"]["available"]
    assert receipt["canary"]["before"].keys() == {"calls", "p50", "p95", "p99"}
    assert receipt["canary"]["during"]["calls"] > 0
    assert 0 < sum(receipt["throttled_seconds"].values()) <= receipt["seconds"]


def test_the_end_of_the_block_ends_threads_and_sessions(small: str) -> None:
    before = threading.active_count()
    with Throttle(small, baseline_seconds=0.2) as throttle:
        until(lambda: throttle.canary.samples)
    assert threading.active_count() == before
    seconds = throttle.receipt()["seconds"]
    assert throttle.receipt()["seconds"] == seconds
    until(lambda: kill_sessions(small) == 0)
