"""Indexes of the edge table, which is empty when it is new, so CREATE INDEX need not be CONCURRENTLY."""

from orchestrator.install.steps import index

__depends__ = {"0002_tables"}

index("idx_cc_walk_a")
index("idx_cc_walk_b")
index("idx_cc_strong_a")
index("idx_cc_strong_b")
