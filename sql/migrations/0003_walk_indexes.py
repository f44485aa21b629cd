"""Indexes of the edge table. It is our own and, at first, empty: no need to build them beside writers."""

from orchestrator.install.steps import index

__depends__ = {"0002_tables"}

index("idx_cc_walk_a")
index("idx_cc_walk_b")
