"""The load generator counts every request once, and shows a stall to everyone whom it delayed."""

from __future__ import annotations

import math
import time
from collections import Counter

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.judge import objectives
from orchestrator.sweep.measure.load_generator import LoadGenerator, Order, load_generator, percentile, planned_times
from orchestrator.sweep.measure.matrix import Combination
from orchestrator.sweep.measure.results import Cell
from tests.support.properties import repeatable
from tests.support.sessions import connect, value
from tests.support.waiting import in_the_background


def test_every_request_is_counted_once(clients: LoadGenerator, plain: str) -> None:
    clients.prepare(["SELECT nextval('public.calls')"], types=())
    with connect(plain) as connection:
        before = value(connection, "SELECT nextval('calls')")
        block = clients.run(0, [()], seed="1", first=0, seconds=0.3)
        assert value(connection, "SELECT last_value FROM calls") - before == len(block.milliseconds)
    assert np.isfinite(block.milliseconds).all()
    assert len(block.milliseconds) - 4 <= block.answered <= len(block.milliseconds)  # each client has one in flight
    assert block.timeouts == block.errors == 0

    block = clients.run(0, [()], seed="1", first=0, seconds=0.3, rate=200)
    assert len(block.milliseconds) == len(planned_times(200, 0.3, "1 0"))


def test_failures_are_counted_apart_and_stay_in_the_denominator(clients: LoadGenerator) -> None:
    clients.prepare(["SELECT 1 / $1"], types=(23,))
    block = clients.run(0, [(b"1",), (b"1",), (b"1",), (b"0",)], seed="1", first=0, seconds=0.6)
    requests = len(block.milliseconds)
    assert block.errors == np.isinf(block.milliseconds).sum()
    assert abs(block.errors - requests / 4) <= 4  # the order is shuffled in fours, and the last four may be incomplete
    assert block.failures == {"division by zero": block.errors}
    cell = Cell(Combination(1, "any", 1, 25), "one", [block])
    assert cell.percentile(95) == math.inf
    assert cell.percentile(50) < math.inf  # type: ignore[operator]
    assert objectives.parse("failed=10%").judge(cell).met is False
    assert objectives.parse("p95=1s").judge(cell).met is False


def test_a_call_beyond_the_timeout_has_timed_out(plain: str) -> None:
    with load_generator(plain, 2, timeout=0.1) as clients:
        clients.prepare(["SELECT pg_sleep($1)"], types=(701,))
        block = clients.run(0, [(b"0",), (b"5",)], seed="1", first=0, seconds=0.5)
    assert block.timeouts > 0
    assert block.errors == 0
    assert block.failures == {"statement timeout": block.timeouts}
    assert np.isinf(block.milliseconds).sum() == block.timeouts


def test_a_server_that_stays_silent_is_given_up(plain: str) -> None:
    with load_generator(plain, 2, timeout=0.1) as clients:
        clients.prepare(["SELECT set_config('statement_timeout', '0', false)", "SELECT pg_sleep(20)"], types=())
        assert clients.run(0, [()], seed="1", first=0, seconds=0.1).timeouts == 0
        began = time.monotonic()
        block = clients.run(1, [()], seed="1", first=0, seconds=0.2)
        assert time.monotonic() - began < 15
    assert block.timeouts == len(block.milliseconds) == 2
    assert block.failures == {"no answer": 2}


def test_lost_connections_are_errors_and_the_clients_continue(clients: LoadGenerator, plain: str) -> None:
    clients.prepare(["SELECT pg_sleep(0.01)"], types=())

    def terminate() -> None:
        time.sleep(0.3)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'orchestrator sweep' AND datname = current_database()"
            )

    with in_the_background(terminate):
        block = clients.run(0, [()], seed="1", first=0, seconds=1.0)
    assert 1 <= block.errors <= 8
    assert np.isfinite(block.milliseconds[-10:]).all()


def test_an_open_loop_shows_a_stall_in_every_request_that_it_delayed(clients: LoadGenerator, plain: str) -> None:
    clients.prepare(["SELECT count(*) FROM public.stalled"], types=())
    with in_the_background(lambda: stall(plain, after=0.5)):
        block = clients.run(0, [()], seed="1", first=0, seconds=2.0, rate=100)
    planned = np.array(planned_times(100, 2.0, "1 0")) / 1e9
    delayed = int(((planned > 0.6) & (planned < 1.2)).sum())
    assert delayed > 30
    assert (block.milliseconds > 200).sum() >= delayed
    assert block.milliseconds.max() > 800
    assert percentile(block.milliseconds, 90) > 400


def test_a_closed_loop_shows_a_stall_once_per_client(clients: LoadGenerator, plain: str) -> None:
    clients.prepare(["SELECT count(*) FROM public.stalled"], types=())
    with in_the_background(lambda: stall(plain, after=0.5)):
        block = clients.run(0, [()], seed="1", first=0, seconds=2.0)
    assert (block.milliseconds > 500).sum() == 4
    assert percentile(block.milliseconds, 90) < 100


def test_requests_that_an_open_loop_never_began_have_timed_out(plain: str) -> None:
    with load_generator(plain, 1, timeout=0.3) as clients:
        clients.prepare(["SELECT pg_sleep(0.1)"], types=())
        block = clients.run(0, [()], seed="1", first=0, seconds=0.5, rate=100)
    assert len(block.milliseconds) == len(planned_times(100, 0.5, "1 0"))
    assert block.timeouts > 20
    assert block.failures["not begun before the timeout"] == block.timeouts


def test_a_client_that_cannot_connect_is_reported() -> None:
    with load_generator("host=127.0.0.1 port=1 user=nobody", 1, timeout=1) as clients:
        clients.prepare(["SELECT 1"], types=())
        with pytest.raises(OrchestratorError, match=r"cannot continue: cannot connect"):
            clients.run(0, [()], seed="1", first=0, seconds=0.2)


def test_the_same_seed_gives_the_same_order_and_times() -> None:
    order = [Order("5 1 any", 20)[number] for number in range(60)]
    assert order == [Order("5 1 any", 20)[number] for number in range(60)]
    assert Counter(order[:20]) == Counter(order[20:40]) == Counter(range(20))
    assert order[:20] != order[20:40]
    assert [Order("5 1 any", 20)[number] for number in range(45, 60)] == order[45:]
    assert planned_times(50, 2, "5") == planned_times(50, 2, "5") != planned_times(50, 2, "6")


@repeatable(100)
@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=300), st.sampled_from([1, 50, 90, 95, 99, 100]))
def test_percentiles_are_numpys_nearest_ranks(values: list[float], percent: int) -> None:
    samples = np.array(values)
    assert percentile(samples, percent) == np.percentile(samples, percent, method="inverted_cdf")


def test_requests_without_an_answer_rank_above_every_answer() -> None:
    samples = np.array([1.0] * 94 + [math.inf] * 6)
    assert percentile(samples, 50) == 1.0
    assert percentile(samples, 94) == 1.0
    assert percentile(samples, 95) == math.inf


def stall(dsn: str, after: float) -> None:
    """Hold a lock for a second that every reader of the table waits for."""
    time.sleep(after)
    with psycopg.connect(dsn) as connection:
        connection.execute("LOCK TABLE stalled IN ACCESS EXCLUSIVE MODE")
        time.sleep(1.0)
