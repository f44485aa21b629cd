"""Quantiles of Student's t distribution, compared with the published tables."""

from __future__ import annotations

import pytest

from orchestrator.core.student import student_quantile


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(4, 2.776), (5, 2.571), (10, 2.228), (30, 2.042), (float("inf"), 1.960)]
)
def test_quantiles_are_those_of_the_tables(freedom: float, quantile: float) -> None:
    assert student_quantile(0.975, freedom) == pytest.approx(quantile, abs=0.01)
