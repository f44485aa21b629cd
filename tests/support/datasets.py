"""Real data sets that may lie beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

BASEBALL = Path(__file__).parents[3] / "shared" / "data" / "baseball"
needs_baseball = pytest.mark.skipif(not BASEBALL.is_dir(), reason="the baseball data set is not beside the checkout")
