"""How many examples a property of Hypothesis gets, and which parameters of a test only `make long` runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet
from hypothesis import HealthCheck, Phase, settings

#: `make test` makes half of the examples of each property, `make long` all, and `make soak` a multiple: this, halved.
TIMES = int(os.environ.get("CONNECTION_PATHS_EXAMPLES", "1"))


def repeatable(max_examples: int) -> settings:
    """Return settings that draw the same examples in every run; `make long` makes ``max_examples``."""
    return settings(
        max_examples=(max_examples * TIMES + 1) // 2,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def long(*values: object, id: str | None = None) -> ParameterSet:
    """Return the parameters of one test that only ``make long`` runs."""
    return pytest.param(*values, id=id, marks=pytest.mark.long)


def long_if(
    is_long: Callable[[Any], bool], values: Iterable[object], name: Callable[[Any], str] | None = None
) -> list[ParameterSet]:
    """Return a parameter for each value. Those that *is_long* chooses have the mark ``long``."""
    return [_parameter(value, is_long(value), name) for value in values]


def first_of(every: int, values: Iterable[object], name: Callable[[Any], str] | None = None) -> list[ParameterSet]:
    """Return a parameter for each value. Of each group of *every* values all but the first have the mark ``long``."""
    assert every > 1, "no parameter would have the mark long"
    return [_parameter(value, place % every > 0, name) for place, value in enumerate(values)]


def _parameter(value: object, is_long: bool, name: Callable[[Any], str] | None) -> ParameterSet:
    return (long if is_long else pytest.param)(value, id=None if name is None else name(value))
