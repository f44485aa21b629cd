"""``orchestrator verify``: checks that the edges are right and that ``find_paths`` is fast enough.

The check only reads. It looks at a sample; the same seed gives the same contacts and questions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchestrator.changes.queue import failed_changes, has_changes, queue_state
from orchestrator.core.database import Connection, stateless, transaction
from orchestrator.core.errors import OrchestratorError
from orchestrator.host import left_out, sources
from orchestrator.host.installed import bound_host_schema, require_installed
from orchestrator.inspection import indexes
from orchestrator.inspection.subject import examine
from orchestrator.runs import runs
from orchestrator.verify import findings
from orchestrator.verify.comparison import Sample, Sizes, choose_contacts, compare_edges, compare_sizes
from orchestrator.verify.finder_times import FinderTimes, not_timed, time_finders
from orchestrator.verify.findings import Queue
from orchestrator.verify.time_limit import TimeLimit

#: Defaults: contacts to compare, the longest p95 of find_paths in milliseconds, the seconds that the check may take.
#: 500 contacts take seconds; 10,000 contacts of a large database take minutes.
SAMPLE, OBJECTIVE_MS, TIME_LIMIT = 500, 250.0, 300.0


@dataclass(frozen=True)
class Verdict:
    """The result of a verification.

    ``findings`` are the problems and ``unfinished`` the checks that were left out, one sentence each. ``advice`` is
    about rows that the rules leave out, so that contacts have no edges or no paths although nothing is wrong.
    """

    run: runs.Run | None
    set_aside: list[dict[str, Any]]
    queue: Queue
    sample: Sample
    finders: FinderTimes
    findings: list[str]
    unfinished: list[str]
    seconds: float
    advice: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every check was made and found no problem."""
        return not self.findings and not self.unfinished


def verify(
    dsn: str,
    *,
    sample: int = SAMPLE,
    seed: int = 1,
    objective_ms: float = OBJECTIVE_MS,
    time_limit: float = TIME_LIMIT,
    report: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Look for unfinished runs, waiting changes, wrong edges and slow finders.

    The edges of about *sample* contacts are compared, and of every contact that the latest run has set aside.
    ``objective_ms`` is the longest p95 of ``find_paths`` that is not a problem. ``report`` is called with each step.

    When an index of edges or finders is missing or not valid, every contact would cost a scan of whole tables. Then
    edges are not compared and finders are not measured. After ``time_limit`` seconds the remaining checks are left out.
    """
    limit = TimeLimit(time_limit)
    with stateless(dsn) as connection:
        with transaction(connection):
            require_installed(connection)
            row = connection.execute("SELECT clock_timestamp()").fetchone()
            assert row is not None
            bindings = sources.problems(connection, bound_host_schema(connection))
            sources.require_every_row(connection, "verify")
            if any(each.kind in sources.UNREADABLE for each in bindings):
                return _unreadable(bindings, limit)

            listed = runs.listed(connection)
            active = next((run for run in listed if run.is_active), None)
            latest = next((run for run in listed if not run.is_active and run.status != "cancelled"), None)
            set_aside = runs.set_aside(connection, latest.run_id) if latest is not None else []

            report("checking indexes")
            unusable = [finding.what for finding in indexes.unusable(examine(connection))]
        if unusable:
            compared, finders, sizes = Sample(0, {}, [], []), not_timed(objective_ms), Sizes()
            limit.unfinished.append("edges were not compared and find_paths was not timed, because indexes are missing")
        else:
            report("choosing contacts")
            strata = choose_contacts(connection, sample, seed, limit)
            # a range of ids without contacts may have been set aside, too
            more = [each["contact_id"] for each in set_aside if each["contact_id"] is not None]
            compared = compare_edges(connection, strata, more, limit, report)
            report("counting the people of organizations")
            sizes = compare_sizes(connection, limit)
            report("measuring find_paths")
            finders = time_finders(connection, seed, objective_ms, limit)

        with transaction(connection):
            state = queue_state(connection)
            queue = Queue(state.waiting, state.oldest, has_changes(connection, row[0]), failed_changes(connection))
        found = [
            *(f"{problem}; orchestrator doctor shows how to repair it" for problem in unusable),
            *(each.sentence for each in bindings),
            *findings.of_runs(active, latest, set_aside, compared),
            *findings.of_queue(queue),
            *findings.of_sample(compared),
            *findings.of_sizes(sizes),
            *findings.of_finders(finders),
        ]
        advice = _advice(connection, limit)
    return Verdict(
        active or latest, set_aside, queue, compared, finders, found, limit.unfinished, limit.seconds_spent, advice
    )


def _advice(connection: Connection, limit: TimeLimit) -> tuple[str, ...]:
    """Return the sentences about rows of the application that the rules leave out."""
    try:
        with (
            limit.leaving_out(lambda: "rows that are left out were not counted"),
            transaction(connection, limit.settings),
        ):
            return tuple(left_out.lines(connection))
    except OrchestratorError as error:
        limit.unfinished.append(str(error))
    return ()


def _unreadable(bindings: list[sources.Problem], limit: TimeLimit) -> Verdict:
    """Return the result when the application's tables cannot be read, so that nothing can be compared."""
    limit.unfinished.append("edges were not compared and find_paths was not timed")
    queue, sample, finders = Queue(0, None, False, []), Sample(0, {}, [], []), not_timed(0.0)
    found = [each.sentence for each in bindings]
    return Verdict(None, [], queue, sample, finders, found, limit.unfinished, limit.seconds_spent)
