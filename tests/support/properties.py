"""How many examples a property of Hypothesis gets, and that every run draws the same ones."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

#: `make soak` multiplies the examples by this.
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
