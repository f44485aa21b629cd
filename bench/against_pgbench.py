"""Whether a sweep and ``pgbench`` measure the same: one cell by both, with the same statement and arguments.

``python -m bench.against_pgbench`` writes ``bench/results/against_pgbench.md``. Depth 4 in the largest collection, 25
targets, ``-M prepared``. ``pgbench`` draws a random target for each call, the sweep takes the targets in turns. The
latency percentiles of ``pgbench`` come from its ``--log``, which has every transaction. Each round runs both, and the
order is swapped from round to round.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from bench.world import environment, server_settings, world
from orchestrator.core.database import connect
from orchestrator.core.embedded import embedded_binaries
from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.measure import matrix, targets
from orchestrator.sweep.measure.connection import Parameters
from orchestrator.sweep.measure.load_generator import LoadGenerator, Samples, load_generator, percentile
from orchestrator.sweep.measure.matrix import DEEP_FINDER, Finder

RESULTS = Path(__file__).parent / "results" / "against_pgbench.md"
_DEPTH, _MAX_PATHS, _EDGES = 4, 25, 15
_TARGETS = 25
_TIMEOUT = 10.0  # seconds


@dataclass
class CallTimes:
    """Milliseconds of every call, and calls a second of each round."""

    samples: list[Samples] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def percentile(self, percent: int) -> float:
        """Of all rounds together."""
        return percentile(np.concatenate(self.samples), percent)

    @property
    def rate(self) -> float:
        """The mean of all rounds, which are equally long."""
        return float(np.mean(self.rates))


def measure(dsn: str, clients: int, seconds: int, rounds: int, seed: int) -> tuple[CallTimes, CallTimes]:
    """Return the measurements of the sweep's clients and of ``pgbench``."""
    with connect(dsn) as connection:
        collection = next(iter(targets.choose_collections(connection)))
        viewer = targets.viewers(connection, collection)[0]
        distance = targets.distance_in(connection, collection, "any", _DEPTH)
        drawn = targets.ContactPool(connection, seed).draw(_TARGETS, [viewer], str(seed), distance)
        finder = matrix.resolve(connection, DEEP_FINDER)
    fixed = [viewer, _DEPTH, _MAX_PATHS, "any", _EDGES]
    asked: list[Parameters] = [
        [str(value).encode() for value in (target.contact, collection, *fixed)] for target in drawn
    ]
    ours, theirs = CallTimes(), CallTimes()
    with load_generator(dsn, clients, _TIMEOUT) as started:
        started.prepare([finder.statement])
        started.run(0, asked, seed=str(seed), first=0, seconds=2)
        for number in range(rounds):
            contacts = [target.contact for target in drawn]
            both = [
                partial(_by_sweep, started, asked, seconds, seed, ours),
                partial(_by_pgbench, dsn, finder, collection, fixed, contacts, clients, seconds, seed + number, theirs),
            ]
            for run in both if number % 2 == 0 else reversed(both):
                run()
            print(f"round {number + 1}/{rounds}: {ours.rates[-1]:,.0f} and {theirs.rates[-1]:,.0f} calls/s", flush=True)
    return ours, theirs


def _by_sweep(clients: LoadGenerator, asked: Sequence[Parameters], seconds: int, seed: int, into: CallTimes) -> None:
    first = sum(map(len, into.samples))
    answers = clients.run(0, asked, seed=str(seed), first=first, seconds=seconds)
    if answers.failures:
        raise SystemExit(f"requests failed: {answers.failures}")
    into.samples.append(answers.milliseconds)
    into.rates.append(answers.rate)


def _by_pgbench(
    dsn: str,
    finder: Finder,
    collection: int,
    fixed: Sequence[object],
    contacts: Sequence[int],
    clients: int,
    seconds: int,
    seed: int,
    into: CallTimes,
) -> None:
    """Run pgbench with a script for each target. It picks one at random for each call; all arguments are parameters."""
    viewer, depth, max_paths, scope, edges = fixed
    names = {"c": collection, "v": viewer, "d": depth, "p": max_paths, "s": scope, "e": edges}
    statement = finder.statement
    for number, name in enumerate(("t", *names), 1):
        statement = statement.replace(f"${number}", f":{name}")
    with tempfile.TemporaryDirectory() as directory:
        scripts = []
        for contact in contacts:
            path = Path(directory) / f"{contact}.sql"
            path.write_text(f"\\set t {contact}\n{statement};\n")
            scripts.append(f"--file={path}")
        command: list[str | Path] = [
            embedded_binaries() / "pgbench", "--no-vacuum", "--protocol=prepared", f"--client={clients}",
            f"--jobs={min(clients, 2)}", f"--time={seconds}", f"--random-seed={seed}", "--log",
            f"--log-prefix={directory}/log", *(f"--define={name}={value}" for name, value in names.items()),
            *scripts, dsn,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"pgbench failed: {done.stderr.strip()}")
        logs = [np.loadtxt(path, usecols=2, ndmin=1) for path in Path(directory).glob("log.*") if path.stat().st_size]
    microseconds = np.concatenate(logs)
    into.samples.append(microseconds / 1000)
    into.rates.append(len(microseconds) / seconds)


def report(ours: CallTimes, theirs: CallTimes, command: str, conditions: str) -> str:
    """Return the result as Markdown."""
    rows = [
        ("calls/s", ours.rate, theirs.rate),
        *((f"p{percent}, ms", ours.percentile(percent), theirs.percentile(percent)) for percent in (50, 95, 99)),
    ]
    return "\n".join(
        [
            "# A sweep against pgbench",
            "",
            f"`{command}`: deep_finder at depth {_DEPTH}, {_MAX_PATHS} paths, largest collection, {_TARGETS} targets.",
            conditions,
            "",
            "| | sweep | pgbench -M prepared | ratio |",
            "|---|---:|---:|---:|",
            *(f"| {name} | {one:,.2f} | {other:,.2f} | {one / other:.3f} |" for name, one, other in rows),
            "",
            "Calls/s by round: "
            + ", ".join(f"{one:,.0f} / {other:,.0f}" for one, other in zip(ours.rates, theirs.rates, strict=True)),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.against_pgbench", description=__doc__)
    parser.add_argument("--contacts", type=int, default=20_000, help="size of the world (%(default)s)")
    parser.add_argument("--clients", type=int, default=4, help="connections (%(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="a round of each (%(default)s)")
    parser.add_argument("--rounds", type=int, default=6, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which world, which targets (%(default)s)")
    parser.add_argument("--dsn", help="measure in this database instead of a private server")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the table goes")
    given = parser.parse_args()
    try:
        with world(given.contacts, given.seed, given.dsn, edges=True, settings=server_settings(given.contacts)) as dsn:
            ours, theirs = measure(dsn, given.clients, given.seconds, given.rounds, given.seed)
            with connect(dsn) as connection:
                found = environment(connection)
    except OrchestratorError as error:
        raise SystemExit(f"bench.against_pgbench: {error}") from error
    command = f"python -m bench.against_pgbench --contacts {given.contacts} --clients {given.clients}"
    command += f" --seconds {given.seconds} --rounds {given.rounds} --seed {given.seed}"
    text = report(ours, theirs, command, "; ".join(f"{name} {value}" for name, value in found.items()) + ".")
    print(text)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
