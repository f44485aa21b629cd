"""How many examples a property of Hypothesis gets, and which parameters of a test only `make long` runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

#: `make long` and `make soak` multiply the examples by this.
TIMES = int(os.environ.get("CONNECTION_PATHS_EXAMPLES", "1"))


def repeatable(max_examples: int) -> settings:
    """Return settings that draw the same examples in every run: ``max_examples`` times CONNECTION_PATHS_EXAMPLES."""
    return settings(
        max_examples=max_examples * TIMES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def first_of(every: int, values: Iterable[object], name: Callable[[Any], str] | None = None) -> list[Any]:
    """Return parameters for a test. Of each group of *every* values all but the first have the mark ``long``."""
    return [
        pytest.param(value, id=None if name is None else name(value), marks=[pytest.mark.long] if place % every else [])
        for place, value in enumerate(values)
    ]
