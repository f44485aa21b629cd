"""The results of the walk benchmark as Markdown: the objectives first, then every table."""

from __future__ import annotations

from collections.abc import Sequence

from bench.cells import Collection, percent
from bench.first_calls import FirstCalls
from bench.measured import Measured
from bench.objectives import Objective, objectives
from bench.throughput import Throughput


def objectives_table(found: Sequence[Objective]) -> str:
    """Return the objectives as a Markdown table."""
    verdicts = {True: "yes", False: "no", None: "–"}
    return _table(
        ["where", "objective", "found", "met"],
        [[row.where, row.wanted or "–", row.found, verdicts[row.met]] for row in found],
    )


def report(measured: Measured, command: str, repeats: int, *, cpu: bool) -> str:
    """Return the results file."""
    world = measured.world
    targets = ", ".join(f"{number} {name}" for name, number in world.targets.items())
    text = [
        f"# {measured.judged} against {' and '.join(measured.versions[:-1])}, cell by cell",
        f"`{command}`",
        "Read ratios, not milliseconds. Machines differ and are shared, but the versions of a cell took turns on one"
        " connection, so a disturbance hit all of them. The p95 of calls that take less than a millisecond mostly shows"
        " disturbances of the machine; “calm” is the p95 of the targets' median calls. v1, v2 and v3 are earlier"
        " generations (`bench/generations`): they cap depth 2, so they may return fewer paths of two contacts.",
        "Times are processor time of the server process, without what the client and the connection add."
        if cpu
        else "Times are those that the client waits.",
        "## Objectives",
        objectives_table(objectives(measured)),
        _compared(measured),
        "## World and environment",
        f"{world.counts.contacts:,} contacts, {world.counts.organizations:,} organizations,"
        f" {world.counts.experiences:,} usable experiences, {world.edges:,} edges. Edges of a contact that has any:"
        f" p50 {world.degrees.p50:,}, p90 {world.degrees.p90:,}, p99 {world.degrees.p99:,}, max"
        f" {world.degrees.largest:,}; {world.degrees.without:,} contacts have none.",
        _collections(world.collections),
        _table(["table or index", "MB"], [[name, f"{size / 1e6:,.0f}"] for name, size in world.sizes.items()], "lr"),
        ", ".join(f"{name} {value}" for name, value in world.environment.items())
        + f". {'Read into the cache by pg_prewarm' if world.prewarmed else 'Not prewarmed'}; load average of the"
        f" machine before the first call {world.load:.1f}; a prepared query that does nothing takes"
        f" {world.round_trip:.3f} ms.",
    ]
    if measured.cells:
        text += [
            "## Cells",
            "A cell's name: collection and its share of contacts, scope, depth, paths, targets. Targets:"
            f" {targets}. Each version was called {repeats} times for each target, and more often where that took less"
            " than a fifth of a second. Every call is a sample. Rows: the mean of the rows that"
            f" {measured.judged} returned for a target. Changed: for how many targets a generation returned other rows,"
            " because it caps depth 2. Times in ms.",
            _cells(measured),
        ]
    if measured.throughput is not None:
        text += ["## Throughput", *_throughput(measured, measured.throughput)]
    if measured.first_calls:
        text += ["## First calls of a session", *_first_calls(measured.first_calls)]
    return "\n\n".join(text) + "\n"


def _compared(measured: Measured) -> str:
    stopped = [
        f"{version} {result.samples[version].stopped} in {result.cell.name}"
        for result in measured.cells
        for version in measured.versions
        if result.samples[version].stopped
    ]
    uncompared = [f"{result.uncompared} in {result.cell.name}" for result in measured.cells if result.uncompared]
    sentences = [
        "Before a cell was timed, the rows for each of its targets were compared: of the generations with each other,"
        " of the others with the plain recursion of today's meaning (`generations.recursive_finder`). All were equal."
    ]
    if uncompared:
        sentences.append(
            "For these targets the statement timeout stopped a version, so its rows could not be compared:"
            f" {'; '.join(uncompared)}."
        )
    if stopped:
        sentences.append(
            "It stopped these timed calls too. They count with the time they had taken, so the ratio is a bound:"
            f" {'; '.join(stopped)}."
        )
    if not stopped and not uncompared:
        sentences.append("The statement timeout stopped no call.")
    return " ".join(sentences)


def _collections(collections: Sequence[Collection]) -> str:
    rows = [
        [
            f"c{found.id}",
            f"{found.members:,}",
            percent(found.share),
            f"{found.users:,}",
            f"{found.many.contacts:,}",
            f"{found.few.contacts:,}" if found.few else "–",
        ]
        for found in collections
    ]
    heads = ["collection", "members", "of contacts", "users", "importer-many brought", "importer-few brought"]
    return _table(heads, rows, "lrrrrr")


def _cells(measured: Measured) -> str:
    *others, judged = measured.versions
    heads = ["cell", "rows", "changed"]
    heads += [f"{version} {name}" for version in measured.versions for name in ("p50", "p95", "calm", "max")]
    heads += [f"{name} {judged}/{version}" for version in others for name in ("p50", "p95", "calm")]
    rows = []
    for result in measured.cells:
        row = [result.cell.name, f"{result.rows:.1f}", str(result.changed)]
        for version in measured.versions:
            samples = result.samples[version]
            row += [_ms(samples.p50), _ms(samples.p95), _ms(samples.calm_p95), _ms(samples.longest)]
        of_judged = result.samples[judged]
        for version in others:
            samples = result.samples[version]
            row += [_ratio(of_judged.p50 / samples.p50), _ratio(of_judged.p95 / samples.p95)]
            row.append(_ratio(of_judged.calm_p95 / samples.calm_p95))
        rows.append(row)
    return _table(heads, rows, "l" + "r" * (len(heads) - 1))


def _throughput(measured: Measured, found: Throughput) -> list[str]:
    rows = [
        [version, ", ".join(f"{tps:,.0f}" for tps in found.tps[version]), f"{found.median(version):,.0f}"]
        for version in measured.versions
    ]
    ratios = [
        f"{measured.judged}/{version} **{found.median(measured.judged) / found.median(version):.2f}**"
        for version in measured.versions[:-1]
    ]
    return [
        f"{found.client}, {found.seconds} s a block, blocks of the versions in turn; largest collection, any, depth 4,"
        " 25 paths, hub and random targets.",
        _table(["version", "calls/s, each block", "median"], rows, "llr"),
        f"Ratio of medians: {', '.join(ratios)}.",
    ]


def _first_calls(found: Sequence[FirstCalls]) -> list[str]:
    heads = ["depth", "version", "call 1", "call 5", "call 6", "call 7", "call 8", "calls 20 to 40"]
    heads += ["first/warm", "longest of 6 to 8/warm"]
    rows = [
        [
            str(calls.depth),
            calls.version,
            *(_ms(value) for value in (calls.call(1), *calls.shown, calls.warm)),
            _ratio(calls.first_ratio),
            _ratio(calls.sixth_ratio),
        ]
        for calls in found
    ]
    return [
        f"Medians of {len(found[0].sessions)} new sessions in ms; largest collection, any, 25 paths, one random"
        " target a session. Call 1 is not prepared, the others are. PostgreSQL may change from planning each call"
        " to one plan for all at the sixth.",
        _table(heads, rows, "ll" + "r" * (len(heads) - 2)),
    ]


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], alignment: str = "") -> str:
    marks = [":".rjust(4, "-") if side == "r" else "---" for side in alignment.ljust(len(heads), "l")]
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, marks, *rows])
