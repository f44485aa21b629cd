"""How good the paths of an answer are: for each order, with and without a limit of paths per introducer.

``python -m bench.quality`` writes ``bench/results/quality.md``. It asks the same questions of a synthetic world and of
the baseball data, where it lies beside the checkout: random targets in the largest
collections, depth 3, at most 25 paths. Nothing is timed.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.world import counts, environment, fill_edges
from orchestrator.core.database import Connection, connect
from orchestrator.core.embedded import serve_temporarily
from orchestrator.core.formats import percent
from orchestrator.finders import paths, wording
from orchestrator.finders.question import Question
from orchestrator.install.installation import install
from orchestrator.seed import csv_files, loading
from orchestrator.seed import synthetic as seed_synthetic
from tests.support.datasets import BASEBALL

RESULTS = Path(__file__).parent / "results" / "quality.md"
_QUESTIONS, _DEPTH, _PATHS = 500, 3, 25
_FEW = 4  # paths with an introducer; an answer of fewer does not show whether one introducer dominates
_LARGE = 500  # people
_LONG_AGO = 3652  # days: ten years
_COLLECTIONS = """
    SELECT m.collection_id, min(m.user_id)
    FROM connection_paths.collection_members AS m
    GROUP BY m.collection_id
    ORDER BY count(DISTINCT m.contact_id) DESC, m.collection_id
    LIMIT 20"""
_TARGETS = """
    SELECT c.id
    FROM connection_paths.live_contacts AS c
    WHERE EXISTS (SELECT FROM connection_paths.contact_connections AS e WHERE e.contact_a_id = c.id)
    ORDER BY hashint8(c.id)
    LIMIT %s"""
VARIANTS: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("recency", {}),
    ("recency, 3 per introducer", {"max_per_introducer": 3}),
    ("strength", {"order_by": "strength"}),
    ("strength, 3 per introducer", {"order_by": "strength", "max_per_introducer": 3}),
)


def questions(connection: Connection, number: int) -> list[Question]:
    """Return questions about targets with edges, in turn in the largest collections; the same ones in the same data."""
    collections = connection.execute(_COLLECTIONS).fetchall()
    targets = connection.execute(_TARGETS, (number,)).fetchall()
    return [
        Question(target, collection, viewer, _DEPTH, _PATHS, time_budget_ms=60_000)
        for (target,), (collection, viewer) in zip(targets, cycle(collections), strict=False)
    ]


def measure(answers: Sequence[Sequence[Mapping[str, Any]]]) -> Iterator[tuple[str, str]]:
    """Yield each figure with its label; an answer is a list of paths."""
    with_hops = [path for answer in answers for path in answer if path["hops"]]
    introducers = [Counter(filter(None, map(wording.introducer, answer))) for answer in answers]
    shares = [max(each.values()) / each.total() for each in introducers if each.total() >= _FEW]
    yield "questions with a path", f"{sum(bool(answer) for answer in answers):,} of {len(answers):,}"
    yield "paths", f"{len(with_hops):,}"
    yield (
        f"questions with {_FEW} paths or more where one introducer has half of them",
        percent(sum(share >= 0.5 for share in shares) / len(shares)),
    )
    yield "share of the most frequent introducer, mean", percent(statistics.fmean(shares))
    yield (
        f"paths through an overlap with more than {_LARGE} people",
        percent(sum(any((hop["people"] or 0) > _LARGE for hop in path["hops"]) for path in with_hops) / len(with_hops)),
    )
    yield (
        "paths with an edge that ended ten years before the date they rank by",
        percent(sum(any(_is_old(hop, path) for hop in path["hops"]) for path in with_hops) / len(with_hops)),
    )
    yield "strength of the weakest edge, median", f"{statistics.median(path['strength'] for path in with_hops):g}"
    tiers = Counter(path["tier"] for path in with_hops)
    for tier in ("strong", "moderate", "weak"):
        yield f"{tier} paths", percent(tiers[tier] / len(with_hops))
    best = [
        max(strengths) for answer in answers if (strengths := [path["strength"] for path in answer if path["hops"]])
    ]
    yield "strongest path of an answer, mean", f"{statistics.fmean(best):.0f}"


def _is_old(hop: Mapping[str, Any], path: Mapping[str, Any]) -> bool:
    if hop["date_to"] is None:
        return False
    return (date.fromisoformat(path["recency"]) - date.fromisoformat(hop["date_to"])).days >= _LONG_AGO


def compare(connection: Connection) -> list[list[str]]:
    """Return a row for each figure, with a column for each variant."""
    asked = questions(connection, _QUESTIONS)
    columns: list[dict[str, str]] = []
    for _, arguments in VARIANTS:
        found = [paths.find_paths(connection, replace(question, **arguments))["paths"] for question in asked]
        columns.append(dict(measure(found)))
    return [[label, *(column[label] for column in columns)] for label in columns[0]]


def worlds(contacts: int) -> Iterator[tuple[str, loading.Tables]]:
    """Yield the names and the tables of the worlds that can be loaded here."""
    yield "Synthetic", seed_synthetic.tables(contacts, 1)
    if BASEBALL.is_dir():
        yield "Baseball", csv_files.tables(BASEBALL)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument("--contacts", type=int, default=60_000, help="of the synthetic world (default: 60,000)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the tables go")
    given = parser.parse_args()
    parts = [
        "# How good the paths of an answer are",
        "`python -m bench.quality`",
        f"{_QUESTIONS} questions about random targets in the 20 largest collections, the same ones for every"
        f" column: depth {_DEPTH}, at most {_PATHS} paths, any user opens. An *introducer* is here the contact before"
        " the target.",
    ]
    for name, tables in worlds(given.contacts):
        with serve_temporarily() as (_, dsn):
            with connect(dsn) as connection:
                loading.load(connection, "public", tables, replace=False)
            install(dsn)
            fill_edges(dsn)
            with connect(dsn) as connection:
                size, rows, settings = counts(connection), compare(connection), environment(connection)
        parts += [f"## {name}: {size.contacts:,} contacts, {size.organizations:,} organizations", _table(rows)]
    parts += ["## Environment", f"- PostgreSQL: {settings['PostgreSQL']}\n- load average: {os.getloadavg()[0]:.1f}"]
    text = "\n\n".join(parts) + "\n"
    given.output.write_text(text, encoding="utf-8")
    print(text)


def _table(rows: Sequence[Sequence[str]]) -> str:
    heads = f"| | {' | '.join(name for name, _ in VARIANTS)} |"
    return "\n".join([heads, f"|---|{'---:|' * len(VARIANTS)}", *(f"| {' | '.join(row)} |" for row in rows)])


if __name__ == "__main__":
    main()
