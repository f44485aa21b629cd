"""From the tables of another application to a path, and what the expressions of a mapping cost.

``python -m bench.mapping`` writes ``bench/results/mapping.md``. For each application in ``tests/host/schemas`` it runs
the commands that a person would type, with the draft as it was written, and takes the time of each. Then it computes
each function for expressions for many rows, and compares the hash of a uuid with a table that gives each uuid a number.
Times are of the processor, and what is compared takes turns.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.finders import clock_of
from bench.world import environment
from orchestrator.core.database import Connection, connect
from orchestrator.core.embedded import serve_temporarily
from orchestrator.install.installation import install
from tests.support import schemas

RESULTS = Path(__file__).parent / "results" / "mapping.md"
_ROWS = 300_000
_ROUNDS = 5

#: What is computed for each row, beside the plain column.
EXPRESSIONS = (
    "r.id", "connection_paths.to_id(r.number)", "r.number::bigint", "connection_paths.uuid_key(r.key)", "r.day",
    "(r.instant AT TIME ZONE 'UTC')::date", "connection_paths.first_day(r.year, r.month)",
    "connection_paths.to_day(r.text)", "connection_paths.to_day(r.text, 'YYYY-MM')", "to_date(r.text, 'YYYY-MM')",
    "connection_paths.to_day(r.words)",
)  # fmt: skip

_TABLE = """
    CREATE TABLE public.rows AS
    SELECT
        i AS id, i::text AS number, gen_random_uuid() AS key, d.day, d.day::timestamptz AS instant,
        extract(year FROM d.day)::integer AS year, extract(month FROM d.day)::integer AS month,
        to_char(d.day, 'YYYY-MM') AS text, to_char(d.day, 'Mon YYYY') AS words
    FROM generate_series(1, {rows}) AS i
    CROSS JOIN LATERAL (SELECT '1990-01-01'::date + i % 12000) AS d (day)
"""


def commands(name: str, file: str, ids: Sequence[int]) -> Iterator[tuple[str, ...]]:
    """Yield the commands from the tables to a path; *ids*: the target, the collection and the viewer."""
    if name == "plain":
        yield ("install", "--backfill")
    else:
        yield ("map", "--suggest", "--output", file)
        yield ("install", "--map", file, "--backfill")
    yield ("paths", "--collection", str(ids[1]), "--viewer", str(ids[2]), "--", str(ids[0]))


def to_a_path(dsn: str, folder: Path) -> Iterator[tuple[str, ...]]:
    """Yield a row for each application: the seconds of each command, their sum, and the words to type."""
    with connect(dsn) as maintenance:
        for name in schemas.NAMES:
            maintenance.execute(f"CREATE DATABASE mapping_{name}".encode())
            own = f"{dsn} dbname=mapping_{name}"
            ids = (3, 1, 7)
            with connect(own) as connection:
                schemas.make(connection, name, schemas.OWN_SCHEMAS.get(name, "public"))
                if name == "uuids":
                    hashed = (
                        "SELECT array_agg(pg_catalog.uuid_hash_extended(public.as_uuid(i), 0)) FROM unnest(%s) AS i"
                    )
                    row = connection.execute(hashed, (list(ids),)).fetchone()
                    assert row is not None
                    ids = row[0]
            seconds, typed = [], 0
            for words in commands(name, str(folder / f"{name}.toml"), ids):
                started = time.perf_counter()
                done = subprocess.run(
                    [sys.executable, "-m", "orchestrator", *words],
                    env={**os.environ, "ORCHESTRATOR_DSN": own}, capture_output=True, text=True, check=False,
                )  # fmt: skip
                if done.returncode:
                    raise SystemExit(f"{name}: orchestrator {shlex.join(words)}: {done.stderr}")
                seconds.append(time.perf_counter() - started)
                typed += 1
            assert "→" in done.stdout, done.stdout
            yield (name, *([""] * (3 - typed)), *(f"{each:.1f}" for each in seconds), f"{sum(seconds):.1f}", str(typed))


def filled(dsn: str) -> str:
    """Return the connection string of a new database with the package and the table of expressions."""
    with connect(dsn) as connection:
        connection.execute("CREATE DATABASE expressions")
    own = f"{dsn} dbname=expressions"
    with connect(own) as connection:
        schemas.make(connection, "plain", "public")
    install(own)
    with connect(own) as connection:
        connection.execute(_TABLE.format(rows=_ROWS).encode())
        connection.execute("VACUUM (FREEZE, ANALYZE) public.rows")
    return own


def each_row(connection: Connection, queries: Sequence[str]) -> list[float]:
    """Return the microseconds of the processor that each query takes for a row, more than the first query takes."""
    connection.execute("SET max_parallel_workers_per_gather = 0; SET jit = off")
    clock = clock_of(connection, cpu=True)
    times: list[list[float]] = [[] for _ in queries]
    for _ in range(_ROUNDS):
        for query, found in zip(queries, times, strict=True):
            started = clock()
            connection.execute(query.encode()).fetchone()
            found.append(clock() - started)
    reading, *others = (statistics.median(found) for found in times)
    return [(found - reading) / _ROWS * 1e6 for found in others]


_READING = "SELECT count(*) FROM public.rows AS r"


def costs(dsn: str) -> list[tuple[str, str]]:
    """Return each expression with the microseconds that it takes for a row, without reading the row."""
    with connect(dsn) as connection:
        found = each_row(
            connection, [_READING, *(f"SELECT count({text}) FROM public.rows AS r" for text in EXPRESSIONS)]
        )
    return [(f"`{text.replace('r.', '')}`", f"{cost:.2f}") for text, cost in zip(EXPRESSIONS, found, strict=True)]


def surrogates(dsn: str) -> list[tuple[str, str]]:
    """Return what a table of uuids and numbers costs, beside the hash of a uuid."""
    joined = "SELECT count(k.id) FROM public.rows AS r JOIN public.keys AS k ON k.key = r.key"
    with connect(dsn) as connection:
        connection.execute(
            "CREATE TABLE public.keys (key uuid PRIMARY KEY, id bigint GENERATED ALWAYS AS IDENTITY UNIQUE)"
        )
        clock = clock_of(connection, cpu=True)
        started = clock()
        connection.execute("INSERT INTO public.keys (key) SELECT r.key FROM public.rows AS r")
        written = (clock() - started) / _ROWS * 1e6
        connection.execute("VACUUM (FREEZE, ANALYZE) public.keys")
        hashed, at_once = each_row(
            connection, [_READING, "SELECT count(connection_paths.uuid_key(r.key)) FROM public.rows AS r", joined]
        )
        connection.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
        (one_by_one,) = each_row(connection, [_READING, joined])
        row = connection.execute("SELECT pg_total_relation_size('public.keys')").fetchone()
    assert row is not None
    return [
        ("hash: a uuid to a number", f"{hashed:.2f} µs"),
        ("table: all uuids at once (hash join)", f"{at_once:.2f} µs"),
        ("table: one uuid after the other (index)", f"{one_by_one:.2f} µs"),
        ("table: one more row, without the trigger that writes it", f"{written:.2f} µs"),
        ("table: size", f"{row[0] / _ROWS:.0f} bytes a uuid"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.mapping", description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the tables go")
    given = parser.parse_args()
    with serve_temporarily() as (_, dsn), tempfile.TemporaryDirectory() as folder:
        paths = list(to_a_path(dsn, Path(folder)))
        own = filled(dsn)
        expressions, keys = costs(own), surrogates(own)
        with connect(dsn) as connection:
            settings = environment(connection)
    text = "\n\n".join([
        "# From the tables of another application to a path",
        "`python -m bench.mapping`",
        "Seconds of each command, each with the start of Python. The draft is used as it was written, so a person types"
        " the commands and no line of the file. Tables hold a few rows.",
        _table(("application", ">map --suggest", ">install --backfill", ">paths", ">sum", ">commands"), paths),
        "## What an expression costs",
        f"Microseconds of the processor for a row without reading it: medians of {_ROUNDS} rounds over {_ROWS:,} rows.",
        _table(("expression", ">µs"), expressions),
        "## A hash of a uuid, or a table that gives each uuid a number",
        _table(("", ">for a row"), keys),
        "## Environment",
        f"- load average: {os.getloadavg()[0]:.1f}\n"
        + "\n".join(f"- {name}: {value}" for name, value in settings.items()),
    ])  # fmt: skip
    given.output.write_text(text + "\n", encoding="utf-8")
    print(text)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    line = "|".join("---:" if head.startswith(">") else "---" for head in heads)
    shown = [[head.removeprefix(">") for head in heads], *rows]
    first, *others = (f"| {' | '.join(row)} |" for row in shown)
    return "\n".join([first, f"|{line}|", *others])


if __name__ == "__main__":
    main()
