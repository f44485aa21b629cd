"""Doubts: what a reader must know before trusting the results of a sweep."""

from __future__ import annotations

import math

from orchestrator.sweep.measure.results import Results

_OVERHEAD_MATTERS = 0.1  # of a cell's median


def doubts(results: Results) -> list[str]:
    """Return one sentence for each reason to doubt the results, without a full stop."""
    found = []
    base = results.overhead_ms
    if base is not None:
        small = [cell.name for cell in results.cells if base > _OVERHEAD_MATTERS * (cell.percentile(50) or math.inf)]
        if small:
            found.append(
                f"a statement that does nothing takes {base:.2f} ms, more than a tenth of the median of {len(small)} of"
                f" {len(results.cells)} cells, for example {small[0]}"
            )
    server, client = results.environment["server"], results.environment["client"]
    if server["other_active_sessions"]:
        found.append(f"other sessions that were active on the server at the start: {server['other_active_sessions']}")
    if client["load_before"] > client["cores"] / 2:
        found.append(f"the client's load was {client['load_before']:g} on {client['cores']} cores at the start")
    uncompared = sum(parity.uncompared for parity in results.parity.values())
    if uncompared:
        found.append(f"the rows of {uncompared} calls were not compared: a finder did not answer within the timeout")
    failed = [cell for cell in results.references.values() if cell.errors + cell.timeouts]
    if failed:
        problems = ", ".join(dict.fromkeys(problem for cell in failed for problem in cell.failures))
        found.append(
            f"the reference measurement failed in {len(failed)} of {len(results.references)} combinations: {problems}"
        )
    if results.interrupted:
        why = "was stopped" if results.problem is None else f"ended early ({results.problem})"
        found.append(f"the sweep {why}: some cells are missing or have fewer blocks")
    return found
