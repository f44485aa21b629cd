"""How many company names `resolve propose` resolves rightly, and how long it takes.

``python -m bench.resolve`` writes ``bench/results/resolve.md``. It makes a world of nothing but names: organizations,
and one work experience for each company name. Of the names, 60 % mean an organization and are written as people write
(`orchestrator.seed.company_names`), 30 % mean a company that is not in the table, and 10 % are no company. The truth is
in the table ``seed_company_names``. Processor time is that of the one server process that does the work.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psycopg

from bench.world import environment, one
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, connect
from orchestrator.core.embedded import serve_temporarily
from orchestrator.install.installation import install
from orchestrator.names.propose import Proposed, propose
from orchestrator.seed import company_names
from orchestrator.seed.hashing import mixed

RESULTS = Path(__file__).parent / "results" / "resolve.md"
_SETTINGS = {"shared_buffers": "512MB", "maintenance_work_mem": "256MB", "max_wal_size": "4GB", "fsync": "off"}
_SCORES = """
    WITH truth AS (
        SELECT t.company_name COLLATE "C" AS company_name, array_agg(t.organization_id) AS ids
        FROM public.seed_company_names AS t
        GROUP BY 1
    ),
    judged AS (
        SELECT
            t.ids <> ARRAY[NULL]::bigint[] AS is_there,
            d.organization_id AS accepted,
            d.organization_id = ANY (t.ids) AS is_right,
            EXISTS (
                SELECT
                FROM connection_paths.name_proposals AS p
                WHERE p.company_name = t.company_name AND p.organization_id = ANY (t.ids)
            ) AS is_proposed
        FROM truth AS t
        LEFT JOIN connection_paths.name_decisions AS d ON d.company_name = t.company_name
    )
    SELECT
        count(*),
        count(*) FILTER (WHERE j.is_there),
        count(j.accepted),
        count(*) FILTER (WHERE j.is_right),
        count(j.accepted) FILTER (WHERE NOT j.is_there),
        count(*) FILTER (WHERE j.is_there AND j.is_proposed)
    FROM judged AS j"""


def names(count: int, organizations: int, seed: int) -> Iterator[tuple[str, int | None]]:
    """Yield company names, each with the organization that it means."""
    for number in range(count):
        bits = mixed(number ^ mixed(seed + 1))
        share, bits = bits % 100, bits // 100
        if share < 10:
            yield company_names.junk(bits), None
        elif share < 40:
            yield company_names.as_people_write(organizations + number, seed, bits), None
        else:
            which = mixed(bits) % organizations
            yield company_names.as_people_write(which, seed, bits), which + 1


def fill(dsn: str, count: int, organizations: int, seed: int) -> None:
    """Create the host tables with these organizations and names, and the truth."""
    with connect(dsn) as connection:
        connection.execute(sqlfiles.demo_tables("public"))
        connection.execute(
            "CREATE TABLE public.seed_company_names (company_name text NOT NULL, organization_id bigint)"
        )
        with connection.cursor() as cursor, cursor.copy("COPY public.organizations (id, name) FROM STDIN") as copy:
            for number in range(organizations):
                copy.write_row((number + 1, company_names.organization(number, seed)))
        into = "COPY public.seed_company_names (company_name, organization_id) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(into) as copy:
            for row in names(count, organizations, seed):
                copy.write_row(row)
        connection.execute("INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, 1000) AS g")
        connection.execute(
            "INSERT INTO public.contact_work_experiences (id, contact_id, company_name, date_from)"
            " SELECT row_number() OVER (), 1, t.company_name, '2020-01-01' FROM public.seed_company_names AS t"
        )
        connection.execute("VACUUM ANALYZE")


class Watch:
    """Wall time and processor time of each phase of ``propose``, and the most private memory of the server process."""

    def __init__(self, dsn: str) -> None:
        self.phases: dict[str, list[float]] = {}
        self.private_kib = 0
        self._watcher: Connection = psycopg.connect(dsn, autocommit=True)
        self._before: tuple[float, float] | None = None

    def __call__(self, state: Proposed) -> None:
        """Take a new state."""
        phase = "candidates and decisions" if state.taken else "company names" if state.names else "organizations"
        now = (time.monotonic(), self._processor_time())
        if self._before is not None:
            spent = self.phases.setdefault(phase, [0.0, 0.0])
            spent[0] += now[0] - self._before[0]
            spent[1] += max(0.0, now[1] - self._before[1])
        self._before = now

    def _processor_time(self) -> float:
        rows = self._watcher.execute(
            "SELECT a.pid FROM pg_stat_activity AS a WHERE a.datname = current_database()"
            " AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()"
        ).fetchall()
        spent = 0.0
        for (pid,) in rows:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            self.private_kib = max(self.private_kib, int(status.split("RssAnon:")[1].split()[0]))
            spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return spent


def report(connection: Connection, done: Proposed, watch: Watch, arguments: argparse.Namespace) -> str:
    """Return the results as Markdown."""
    row = connection.execute(_SCORES.encode()).fetchone()
    assert row is not None
    asked, there, accepted, right, strangers, proposed = row
    tables = "organization_names", "organization_keys", "organization_words", "company_names", "name_proposals"
    total = "SELECT pg_size_pretty(sum(pg_total_relation_size('connection_paths.' || t))) FROM unnest(%s::text[]) AS t"
    size = one(connection, total, (list(tables),))
    lines = [
        "# resolve propose: precision, recall and time",
        "",
        f"`python -m bench.resolve --names {arguments.names} --organizations {arguments.organizations}"
        f" --seed {arguments.seed}`",
        "",
        f"{asked:,} distinct company names against {arguments.organizations:,} organizations; {there:,} of the names"
        " mean one of them.",
        "",
        "| | |",
        "|---|---:|",
        f"| accepted without a person | {accepted:,} |",
        f"| of these right (precision) | {right / accepted:.2%} |",
        f"| accepted though the company is not there | {strangers:,} |",
        f"| accepted and right, of the names that mean an organization (recall) | {right / there:.2%} |",
        f"| the right organization is among the candidates (recall with review) | {proposed / there:.2%} |",
        f"| names that wait for a person | {done.proposed - done.accepted:,} |",
        "",
        f"Time: {done.seconds:,.0f} s.",
        "",
        "| phase | wall s | processor s |",
        "|---|---:|---:|",
        *(f"| {phase} | {wall:,.0f} | {processor:,.0f} |" for phase, (wall, processor) in watch.phases.items()),
        "",
        f"Memory: at most {watch.private_kib / 1024:,.0f} MB of the server process, shared buffers not counted, and"
        f" {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB of the client.",
        "",
        f"Tables of the package: {size}. Other processes may have shared the machine; only processor time counts.",
        "",
        ", ".join(f"{name} {value}" for name, value in environment(connection).items()) + ".",
    ]
    return "\n".join(lines) + "\n"


def main(given: list[str] | None = None) -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--organizations", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dsn", help="an empty database; by default a private server")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args(given)
    served: Any = nullcontext((None, arguments.dsn)) if arguments.dsn else serve_temporarily(settings=_SETTINGS)
    with served as (_, dsn):
        fill(dsn, arguments.names, arguments.organizations, arguments.seed)
        install(dsn, names=True)
        watch = Watch(dsn)
        done = propose(dsn, report=watch)
        with connect(dsn) as connection:
            text = report(connection, done, watch, arguments)
    print(text)
    arguments.results.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
