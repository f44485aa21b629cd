"""Judging: intervals of ratios, verdicts, objectives, and reasons to doubt a result."""
