"""Checks the workers of Citus, where these have the edges.

A transaction that writes edges on workers ends in two phases: each worker prepares its part, and then all commit. When
a server stops between the phases, the prepared part holds its locks until Citus recovers it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.host.installed import is_distributed
from orchestrator.inspection.finding import Finding
from orchestrator.inspection.subject import EDGES, Subject

#: Seconds. Citus recovers prepared transactions every minute.
_LONG = 120


def citus(subject: Subject) -> Iterator[Finding]:
    """Find workers that cannot be asked, transactions that are left prepared, and shards that a search cannot ask."""
    if not is_distributed(subject.connection):
        return
    workers = subject.query("doctor/citus_workers", {"seconds": _LONG})
    for worker in workers:
        yield from _of_worker(worker, f"{worker.nodename}:{worker.nodeport}")
    if not all(worker.success for worker in workers):
        return  # the other questions need every worker
    (shards,) = subject.query("install/edge_shards")
    if shards.shards != shards.shards_with_key:
        what = f"edge_shards has one row for {shards.shards_with_key} of {shards.shards} shards, so finders raise CP013"
        yield Finding("citus", "wrong", what, "orchestrator install", "edge_shards")
    (cluster,) = subject.query("install/citus_cluster")
    if shards.shards < cluster.workers:
        what = (
            f"the edges have {shards.shards} shards, and {cluster.workers} workers take shards, so some store no edges;"
            " docs/how-to/citus.md shows how to split a shard"
        )
        yield Finding("citus", "advice", what, None, EDGES)
    for row in subject.query("doctor/citus_roles"):
        name = f"{row.nodename}:{row.nodeport}"
        for role in row.roles:
            what = (
                f"role {role} cannot search: it does not exist on worker {name}, or has no rights there;"
                " docs/how-to/citus.md shows how to create it"
            )
            yield Finding("citus", "wrong", what, None, name)
    for other in subject.query("install/worker_functions"):
        if other.is_same is False:
            name = f"{other.nodename}:{other.nodeport}"
            what = (
                f"function shard_edges on worker {name} differs from this package, so searches may fail or miss edges"
            )
            yield Finding("citus", "wrong", what, "orchestrator install", name)


def _of_worker(worker: Any, name: str) -> Iterator[Finding]:
    if not worker.success:
        what = f"worker {name} does not answer, so finders and sync fail: {worker.error}"
        yield Finding("citus", "wrong", what, None, name)
        return
    if worker.max_prepared == 0:
        what = f"max_prepared_transactions is 0 on worker {name}, so no edges can be written; set it, then restart it"
        yield Finding("citus", "wrong", what, None, name)
    if worker.number_left > 0:
        noun = "transaction" if worker.number_left == 1 else "transactions"
        what = (
            f"{worker.number_left} {noun} on worker {name} stayed prepared for up to {worker.oldest:.0f} s, with locks"
            " on edges"
        )
        yield Finding("citus", "wrong", what, "SELECT recover_prepared_transactions();", name)
