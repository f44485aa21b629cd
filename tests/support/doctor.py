"""A database without findings, and how to carry out the repair that a finding of doctor names."""

from __future__ import annotations

import shlex
from pathlib import Path

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.inspection.finding import Finding
from orchestrator.install.installation import install
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.command_line import run

CONTACTS = 3_000
HOSTILE = 'we"ird; schema --'
EDGES = "connection_paths.contact_connections"
MEMBERS = "idx_members_by_collection"
TABLE = "user_contact_collections"
RULE = "source IN (0, 1, 2, 3, 5, 10) AND user_id IS NOT NULL"
#: Settings that doctor advises on a server with the defaults of PostgreSQL.
WELL = {"jit": "off", "random_page_cost": "1.1", "client_connection_check_interval": "'10s'"}
COLUMNS = "(collection_id, contact_id) INCLUDE (user_id)"


def fill(connection: Connection) -> None:
    """Careers, eight colleagues at a time, and teams; every table is large enough to be checked."""
    connection.execute("INSERT INTO contacts SELECT g, '' FROM generate_series(1, %s) AS g", (CONTACTS,))
    connection.execute("INSERT INTO organizations SELECT g, '' FROM generate_series(1, %s) AS g", (CONTACTS,))
    connection.execute(
        "INSERT INTO contact_work_experiences SELECT g, 1 + g %% %s, 1 + g / 8, '', '2010-01-01', '2012-01-01'"
        " FROM generate_series(1, 8 * %s - 1) AS g",
        (CONTACTS, CONTACTS),
    )
    connection.execute(
        "INSERT INTO user_contact_collections SELECT 1 + g %% 7, 1 + g %% %s, 1 + g %% 5, g %% 11"
        " FROM generate_series(1, 10 * %s) AS g",
        (CONTACTS, CONTACTS),
    )


def analyse(connection: Connection) -> None:
    connection.execute("SELECT pg_stat_force_next_flush()")  # or what was written before is counted after
    for table in ("contacts", "organizations", "contact_work_experiences", TABLE, EDGES):
        connection.execute(f"VACUUM (ANALYZE) {table}".encode())


def advise(connection: Connection) -> None:
    """Make the settings that doctor advises on a server with the defaults of PostgreSQL."""
    for name, value in WELL.items():
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET {name} = {value}".encode())


def make(given: str) -> str:
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        fill(connection)
        install(given)
        advise(connection)
        backfill(given, BackfillOptions(workers=2, limits=None))
        analyse(connection)
    findings = diagnose(given).findings
    assert findings == [], findings
    return given


def keep(connection: Connection) -> None:
    connection.execute(f"CREATE TABLE kept AS SELECT * FROM {TABLE}")


def restore(connection: Connection) -> None:
    """Restore the table as it was kept."""
    connection.execute(
        f"TRUNCATE {TABLE}; INSERT INTO {TABLE} SELECT * FROM kept; DROP TABLE kept; REINDEX TABLE {TABLE}"
    )
    analyse(connection)


def sole(dsn: str) -> Finding:
    (finding,) = diagnose(dsn).findings
    return finding


def repair(dsn: str, finding: Finding) -> None:
    """Type what it says, line by line: SQL and ``\\i`` in one session of psql, commands in a shell."""
    assert finding.repair is not None
    with psycopg.connect(dsn, autocommit=True) as psql:
        for line in finding.repair.splitlines():
            command, _, rest = line.partition(" ")
            if command == "orchestrator":
                words = [word for word in shlex.split(rest) if word != "--follow"]  # which does not end
                words += ["--no-throttle"] * (words[0] == "backfill")  # which looks around first
                result = run("--dsn", dsn, *words)
                assert result.exit_code == 0, result.output
            elif command == "\\i":
                psql.execute(Path(rest.strip("'")).read_bytes())
            else:
                assert line.endswith(";")
                psql.execute(line.encode())


def check_cured(dsn: str, finding: Finding) -> None:
    repair(dsn, finding)
    left = diagnose(dsn).findings
    assert left == [], left


def invalid(index: str) -> str:
    return f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{index}'::regclass"


def other_index(index: str, definition: str) -> str:
    mark = f"COMMENT ON INDEX {index} IS 'connection_paths: x'"
    return f"DROP INDEX {index}; CREATE INDEX {index.rpartition('.')[2]} ON {definition}; {mark}"
