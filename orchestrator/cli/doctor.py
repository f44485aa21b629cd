"""``orchestrator doctor``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import click

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.core.formats import counted
from orchestrator.doctor.diagnosis import Diagnosis, diagnose


@click.command("doctor")
@shared_options
@pass_invocation
@click.pass_context
def command(ctx: click.Context, invocation: Invocation) -> None:
    """Check everything around the edges, and say what repairs each problem. Exit status 3 when something is wrong.

    Checks indexes, plans, statistics, triggers, policies, the queue, runs, settings, standbys and versions. Reads
    only; runs on a standby, too.
    """
    found = diagnose(invocation.connection_string(), report=invocation.screen.show_step)
    invocation.screen.result({**asdict(found), "ok": found.ok}, *diagnosis_lines(found))
    if not found.ok:
        ctx.exit(3)


def diagnosis_lines(found: Diagnosis) -> Iterator[str]:
    """Say what is wrong and what could be better, each with the command that repairs it, and what was not checked."""
    for finding in found.findings:
        yield f"{'WRONG' if finding.severity == 'wrong' else 'ADVICE'}: {finding.what}"
        yield from (f"    {line}" for line in (finding.repair or "").split("\n") if line)
    for skipped in found.skipped:
        yield f"NOT CHECKED: {skipped.check}: {skipped.why}"
    if found.standby and any(finding.repair for finding in found.findings):
        yield "This is a standby: type these commands on its primary, unless the finding names this standby."
    if found.findings:
        yield f"{counted(len(found.findings), 'finding')}."
    else:
        yield "No problems found in what was checked." if found.skipped else "No problems found."
