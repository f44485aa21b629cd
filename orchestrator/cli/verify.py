"""``orchestrator verify``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import click

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import ID, Number
from orchestrator.core.formats import counted, milliseconds
from orchestrator.verify import verification


@click.command("verify")
@click.option(
    "--sample",
    type=click.IntRange(10, 1_000_000),
    default=verification.SAMPLE,
    show_default=True,
    metavar="N",
    help="Contacts to check.",
)
@click.option(
    "--seed", type=ID, default=1, show_default=True, metavar="NUMBER", help="The same seed gives the same sample."
)
@click.option(
    "--objective", type=Number(min=0.1), default=verification.OBJECTIVE_MS, show_default=True, metavar="MS",
    help="The p95 of find_paths must not be longer.",
)  # fmt: skip
@click.option(
    "--time-limit", type=click.FloatRange(min=1), default=verification.TIME_LIMIT, show_default=True, metavar="SECONDS",
    help="Checks that are not finished by then are left out.",
)  # fmt: skip
@shared_options
@pass_invocation
@click.pass_context
def command(
    ctx: click.Context, invocation: Invocation, sample: int, seed: int, objective: float, time_limit: float
) -> None:
    """Compare edges with the rows they come from. Exit status 3 when some are wrong, 4 when the time ran out."""
    found = verification.verify(
        invocation.connection_string(),
        sample=sample,
        seed=seed,
        objective_ms=objective,
        time_limit=time_limit,
        report=invocation.screen.show_step,
    )
    invocation.screen.result({**asdict(found), "ok": found.ok}, *verdict_lines(found))
    if not found.ok:
        ctx.exit(3 if found.findings else 4)


def verdict_lines(found: verification.Verdict) -> Iterator[str]:
    """Say what was checked, and what is wrong."""
    strata = ", ".join(f"{number:,} {name}" for name, number in found.sample.strata.items())
    yield f"{found.sample.contacts:,} contacts checked: {len(found.sample.wrong):,} edges differ."
    if strata:
        yield f"  How the contacts were chosen (one contact may count twice): {strata}."
    latencies = found.finders.latencies
    if latencies.calls:
        yield (
            f"{latencies.calls:,} random calls of find_paths: p50 {milliseconds(latencies.p50)},"
            f" p95 {milliseconds(latencies.p95)}; the objective is {milliseconds(found.finders.objective)}."
        )
    yield f"{found.queue.waiting:,} changes wait."
    yield from (f"ADVICE: {each}" for each in found.advice)
    yield from (f"WRONG: {finding}" for finding in found.findings)
    yield from (f"NOT CHECKED: {left_out}" for left_out in found.unfinished)
    if found.findings:
        yield f"{counted(len(found.findings), 'finding')}."
    else:
        yield "No problems found." if found.ok else "No problems found in what was checked."
