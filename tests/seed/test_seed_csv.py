"""CSV files are loaded completely or not at all, and an error names the file and the line."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql

from orchestrator import cli
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.seed import csv_files as seed_csv
from orchestrator.seed import loading as seed
from tests.support.sessions import connect

GOOD = {
    "contacts": "id,name\n1,Ada\n2,\n",
    "organizations": "name,id\nHarbor Logistics,10\n",
    "contact_work_experiences": (
        "date_to,id,contact_id,organization_id,company_name,date_from,extra\n"
        ",1,1,10,,2019-03-31,x\n"
        "2020-02-29,2,2,,Elsewhere,,y\n"
    ),
    "user_contact_collections": ("user_id,contact_id,collection_id,source\n1001,1,1,5\n,2,1,-32768\n"),
}
HOSTILE = 'a"b; DROP SCHEMA public; --%s {}'

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write one file over a good set of four."""
    for table, text in GOOD.items():
        (tmp_path / f"{table}.csv").write_text(text)

    def write(name: str, content: str | bytes) -> Path:
        table = name.split(".", 1)[0]
        (tmp_path / f"{table}.csv").unlink(missing_ok=True)
        raw = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(raw)
        return tmp_path

    return write


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with connect(database) as connection:
        yield connection


def read(directory: Path) -> dict[str, str]:
    tables = seed_csv.tables(directory)
    return {table: b"".join(rows()).decode() for table, rows in tables.items()}


def contents(connection: Connection, table: str, schema: str = "public") -> list[tuple[Any, ...]]:
    query = sql.SQL("SELECT * FROM {} ORDER BY 1, 2").format(sql.Identifier(schema, table))
    return connection.execute(query).fetchall()


def test_correct_files_are_loaded(write: Write, tmp_path: Path) -> None:
    assert read(tmp_path) == {
        "contacts": "1\tAda\n2\t\\N\n",
        "organizations": "10\tHarbor Logistics\n",
        "contact_work_experiences": ("1\t1\t10\t\\N\t2019-03-31\t\\N\n2\t2\t\\N\tElsewhere\t\\N\t2020-02-29\n"),
        "user_contact_collections": "1001\t1\t1\t5\n\\N\t2\t1\t-32768\n",
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("contacts.csv", "id,name\n1,a\nx,b\n", "line 3: id: 'x' is not an integer"),
        ("contacts.csv", "id,name\n1_0,a\n", "line 2: id: '1_0' is not an integer"),
        ("contacts.csv", "id,name\n ٣,a\n", "line 2: id: ' ٣' is not an integer"),
        ("contacts.csv", "id,name\n1.0,a\n", "line 2: id: '1.0' is not an integer"),
        (
            "contacts.csv",
            "id,name\n9223372036854775808,a\n",
            "line 2: id: '9223372036854775808' is out of range",
        ),
        (
            "contacts.csv",
            f"id,name\n{'9' * 5000},a\n",
            f"line 2: id: '{'9' * 40}...' is out of range",
        ),
        ("contacts.csv", "id,name\n,a\n", "line 2: id: is empty, but required"),
        ("contacts.csv", "id,name\n1\n", "line 2: 1 field, the header has 2"),
        ("contacts.csv", "id,name\n1,a,b\n", "line 2: 3 fields, the header has 2"),
        ("contacts.csv", "id,name\n1,a\n\n2,b\n", "line 3: 0 fields, the header has 2"),
        ("contacts.csv", b"id,name\n1,a\n2,J\xf6rg\n", "line 3: not UTF-8 at byte 4 of the line"),
        ("contacts.csv", "id,name\n1,a\0b\n", "line 2: contains a NUL byte"),
        ("contacts.csv", "", "line 1: the header lacks id, name"),
        ("contacts.csv", "name,ID\n", "line 1: the header lacks id"),
        ("contacts.csv", "id,name,id\n", "line 1: the header repeats id"),
        ("contacts.csv", 'id,name\n1,"two\nlines"\nx,\n', "line 4: id: 'x' is not an integer"),
        ("contacts.csv", 'id,name\n1,"a\n2,b\n', "line 2: unexpected end of data"),
        ("contacts.csv", 'id,name\n1,"a"b\n', "line 2: ',' expected after '\"'"),
        ("contacts.csv", "id,name\r1,a\r", "line 1: new-line character seen in unquoted field"),
        ("contacts.csv", b"id,name\n" + b"x" * (1 << 26), "line 2: longer than 67108864 bytes"),
        (
            "contacts.csv",
            b'id,name\n1,"' + (b"x" * (1 << 20) + b"\n") * 65,
            "line 2: field larger than field limit (67108864)",
        ),
        (
            "contacts.csv.gz",
            b"id,name\n1,a\n",
            "line 1: cannot be read: Not a gzipped file (b'id')",
        ),
        (
            "contacts.csv.gz",
            gzip.compress(b"id,name\n" + b"1,a\n" * 9, mtime=0)[:-8],
            "line 11: the compressed data ends early; the file is truncated",
        ),
        ("contacts.csv.gz", gzip.compress(b"id,name\nx,\n", mtime=0), "line 2: id: 'x' is not an integer"),
        (
            "contact_work_experiences.csv",
            "id,contact_id,company_name,date_from\n",
            "line 1: the header lacks organization_id, date_to",
        ),
        (
            "user_contact_collections.csv",
            "user_id,contact_id,collection_id,source\n1,1,1,32768\n",
            "line 2: source: '32768' is out of range",
        ),
        (
            "user_contact_collections.csv",
            "user_id,contact_id,collection_id,source\n1,1,,5\n",
            "line 2: collection_id: is empty, but required",
        ),
    ],
)
def test_the_error_of_a_bad_file_has_file_line_and_reason(
    write: Write, name: str, content: str | bytes, message: str
) -> None:
    directory = write(name, content)
    with pytest.raises(OrchestratorError) as caught:
        read(directory)
    assert str(caught.value) == f"{name}, {message}"


@pytest.mark.parametrize("text", ["31.03.2019", "20190331", "2019-W13-7", "2019-3-31", "2019-03-31 ", "٢٠١٩-03-31"])
def test_date_in_another_style_is_refused(write: Write, text: str) -> None:
    with pytest.raises(OrchestratorError, match=r"line 2: date_from: .* is not a date like"):
        read(write("contact_work_experiences.csv", experience(text)))


@pytest.mark.parametrize("text", ["2019-02-29", "2019-13-01", "0000-01-01"])
def test_a_date_outside_the_calendar_is_refused(write: Write, text: str) -> None:
    with pytest.raises(OrchestratorError, match=r"line 2: date_from: '.*' is not in the calendar"):
        read(write("contact_work_experiences.csv", experience(text)))


def experience(date_from: str) -> str:
    header = ",".join(column.name for column in seed.TABLES["contact_work_experiences"])
    return f"{header}\n1,1,10,,{date_from},\n"


def test_one_error_names_all_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").touch()
    (tmp_path / "user_contact_collections.csv.gz").touch()
    with pytest.raises(OrchestratorError, match=r"lacks organizations\.csv, contact_work_experiences\.csv \("):
        seed_csv.tables(tmp_path)


def test_both_plain_and_compressed_is_ambiguous(write: Write, tmp_path: Path) -> None:
    (tmp_path / "contacts.csv.gz").touch()
    with pytest.raises(OrchestratorError, match=r"both contacts\.csv and contacts\.csv\.gz"):
        seed_csv.tables(tmp_path)


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OrchestratorError, match="is not a directory"):
        seed_csv.tables(tmp_path / "absent")


def test_every_text_is_loaded_unchanged(write: Write, tmp_path: Path, connection: Connection) -> None:
    names = [
        "\\N",
        "tab\there",
        "two\nlines",
        "cr\r\nlf",
        'quo"te',
        "\\.",
        "Zoë 木",
        " ",
        "x" * 99_999,
    ]
    with (tmp_path / "contacts.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerows([("id", "name"), *enumerate(names)])
    assert seed_csv.load(connection, "public", tmp_path, replace=False)["contacts"] == len(names)
    assert contents(connection, "contacts") == list(enumerate(names))


def test_compressed_files_load_into_a_schema_of_any_name(write: Write, tmp_path: Path, connection: Connection) -> None:
    for table, text in GOOD.items():
        write(f"{table}.csv.gz", gzip.compress(text.encode()))
    seen: list[tuple[str, int]] = []
    rows = seed_csv.load(connection, HOSTILE, tmp_path, replace=False, progress=lambda *step: seen.append(step))
    assert rows == dict(seen)
    assert rows == {
        "contacts": 2,
        "organizations": 1,
        "contact_work_experiences": 2,
        "user_contact_collections": 2,
    }
    assert contents(connection, "contacts", HOSTILE) == [(1, "Ada"), (2, None)]
    assert contents(connection, "user_contact_collections", HOSTILE) == [
        (1001, 1, 1, 5),
        (None, 2, 1, -32768),
    ]


def test_tables_have_the_columns_that_are_loaded(write: Write, tmp_path: Path, connection: Connection) -> None:
    seed_csv.load(connection, "public", tmp_path, replace=False)
    found = connection.execute(
        "SELECT table_name, column_name, data_type, is_nullable = 'NO'"
        " FROM information_schema.columns WHERE table_schema = 'public'"
    ).fetchall()
    assert set(found) == {
        (table, column.name, column.kind, column.required)
        for table, columns in seed.TABLES.items()
        for column in columns
    }


@pytest.mark.parametrize("name", ["contacts.csv", "contacts.csv.gz"])
def test_the_error_of_a_duplicate_id_has_the_physical_line(write: Write, connection: Connection, name: str) -> None:
    text = b'id,name\n1,"two\nlines"\n2,b\n1,"again\nand again"\n'
    directory = write(name, gzip.compress(text) if name.endswith("gz") else text)
    with pytest.raises(OrchestratorError) as caught:
        seed_csv.load(connection, "public", directory, replace=False)
    assert str(caught.value) == f"{name}, line 5: given twice: Key (id)=(1) already exists."


def test_bad_row_in_the_last_file_loads_nothing(write: Write, tmp_path: Path, connection: Connection) -> None:
    good = GOOD["user_contact_collections"]
    seed_csv.load(connection, "public", tmp_path, replace=False)
    before = [contents(connection, table) for table in seed.TABLES]
    write("contacts.csv", "id,name\n77,New\n")
    write("user_contact_collections.csv", f"{good}1,2,3\n")
    with pytest.raises(OrchestratorError, match="line 4: 3 fields"):
        seed_csv.load(connection, "public", tmp_path, replace=True)
    assert [contents(connection, table) for table in seed.TABLES] == before
    with pytest.raises(OrchestratorError, match="line 4: 3 fields"):
        seed_csv.load(connection, "fresh", tmp_path, replace=False)
    assert connection.execute("SELECT to_regnamespace('fresh')").fetchone() == (None,)


def test_rows_are_replaced_only_with_replace(write: Write, tmp_path: Path, connection: Connection) -> None:
    seed_csv.load(connection, "public", tmp_path, replace=False)
    connection.execute("TRUNCATE contacts, user_contact_collections")
    write("contacts.csv", "id,name\n77,New\n")
    with pytest.raises(
        OrchestratorError,
        match=r"^organizations, contact_work_experiences already hold rows; --replace",
    ):
        seed_csv.load(connection, "public", tmp_path, replace=False)
    assert contents(connection, "contacts") == []
    seed_csv.load(connection, "public", tmp_path, replace=True)
    assert contents(connection, "contacts") == [(77, "New")]


def test_tables_are_vacuumed_and_the_session_is_left_alone(
    write: Write, tmp_path: Path, connection: Connection
) -> None:
    settings = "SELECT current_setting('search_path'), current_setting('lock_timeout')"
    before = connection.execute(settings).fetchone()
    seed_csv.load(connection, "elsewhere", tmp_path, replace=False)
    assert connection.execute(settings).fetchone() == before
    query = "SELECT count(*) FROM pg_class WHERE relnamespace = 'elsewhere'::regnamespace"
    vacuumed = connection.execute(f"{query} AND relallvisible > 0 AND reltuples > 0").fetchone()
    assert vacuumed == (len(seed.TABLES),)


def test_a_load_waits_briefly_for_tables_in_use(
    write: Write,
    tmp_path: Path,
    connection: Connection,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seed_csv.load(connection, "public", tmp_path, replace=False)
    monkeypatch.setattr(seed, "_LOCK_TIMEOUT", "50ms")
    with psycopg.connect(database) as other:
        other.execute("SELECT count(*) FROM contacts")
        with pytest.raises(OrchestratorError, match="another session is using the tables in public"):
            seed_csv.load(connection, "public", tmp_path, replace=True)
    assert seed_csv.load(connection, "public", tmp_path, replace=True)["contacts"] == 2


def test_a_temporary_table_is_not_used(write: Write, tmp_path: Path, connection: Connection) -> None:
    connection.execute("CREATE TEMP TABLE contacts (id bigint, name text)")
    seed_csv.load(connection, "public", tmp_path, replace=False)
    assert contents(connection, "contacts") == [(1, "Ada"), (2, None)]


@pytest.mark.parametrize("size", [131_073, 200_000, 3 << 20])
@pytest.mark.parametrize("lines", [1, 50])
def test_a_large_field_is_accepted(write: Write, size: int, lines: int) -> None:
    large = "x" * (size // lines)
    large = "\n".join([large] * lines)
    directory = write("contacts.csv", f'id,ignored,name\n1,"{large}","{large}"\n')
    (row,) = read(directory)["contacts"].splitlines()
    assert row == f"1\t{large}".replace("\n", "\\n")


def test_members_that_do_not_count_are_reported(write: Write, database: str) -> None:
    rows = "\n".join(f"7,{contact},1,{source}" for contact in (1, 2) for source in (5, 7, -1))
    directory = write(
        "user_contact_collections.csv", f"user_id,contact_id,collection_id,source\n{rows}\n,1,1,5\n8,1,1,\n"
    )
    result = CliRunner().invoke(cli.main, ["--dsn", database, "seed", "csv", str(directory)])
    assert (
        "6 of 8 memberships are not counted: 2 of source -1, 2 of source 7, 1 without a source, 1 without a user."
        in (result.stdout)
    )
    assert "Only memberships of the sources 0, 1, 2, 3, 5, 10 count." in result.stdout
