"""Output on a terminal has no control characters and no secrets, in every encoding."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import Result
from psycopg import sql

from orchestrator import cli
from orchestrator.cli import run_lines
from orchestrator.cli.screen import SafeTable, Screen
from orchestrator.cli.status import status_tables
from orchestrator.core import text
from orchestrator.install.status import Status
from orchestrator.seed import loading as seed
from tests.support.command_line import ASK, IN_PLACE, finish, run, start
from tests.support.properties import first_of
from tests.support.sessions import connect


def test_text_of_the_database_is_shown_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    name = "Acme [in liquidation] [/x] :rocket:"
    table = SafeTable("name")
    table.add_row(name)
    Screen().say(name, table)
    Screen(as_json=True).result({"name": name})
    assert capsys.readouterr().out.count(name) == 3


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("canary", "slow searches"),
        ("4 workers were too many: canary: 7 slow calls, the limit is 3",
         "4 workers were too many: slow searches: 7 slow calls, the limit is 3"),
        ("replica lag of canary: 12 s, the limit is 10", "replica lag of canary: 12 s, the limit is 10"),
    ],
)  # fmt: skip
def test_slow_searches_are_named_without_the_word_canary(reason: str, shown: str) -> None:
    assert run_lines.shown_reason(reason) == shown


#: Names with characters that add lines, change colours, hide or reorder text; and harmless names of many scripts.
HOSTILE = (
    "\x1b[2J\x1b[31mred",
    "two\nWRONG: lines",
    "a\r\tb",
    "\x9b8mhidden",
    "\u202egnihton",
    "\u2066x\u2028y\x7f",
    "\x07",
)


SCRIPTS = ("Ødegård → Škoda", "Ελένη", "Владимир", "山田太郎", "مريم", "שרה", "हिन्दी", "👩‍💻", "Zoë…")


UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|^WRONG: lines|^forged", re.MULTILINE)


def name_everything(dsn: str, names: Sequence[str]) -> None:
    """Give every contact, organization and other object one of *names*, and make a contact fail with such a text."""
    with connect(dsn) as connection:
        for number, name in enumerate(names, 100):
            connection.execute("INSERT INTO contacts VALUES (%s, %s)", (number, name))
            connection.execute("INSERT INTO organizations VALUES (%s, %s)", (number, name))
            connection.execute(
                "INSERT INTO contact_work_experiences SELECT %(n)s * 10 + i, CASE i WHEN 1 THEN 2 ELSE %(n)s END,"
                " %(n)s, '', '2019-01-01' FROM generate_series(1, 2) AS i",
                {"n": number},
            )
            connection.execute("INSERT INTO user_contact_collections VALUES (7, %s, 9, 1)", (number,))
        quoted = sql.Identifier(f"odd{names[0]}")
        connection.execute(sql.SQL("CREATE INDEX {} ON contact_work_experiences (company_name)").format(quoted))
        connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE IF NOT EXISTS 'friend'")
        refusal = sql.SQL("$f$ BEGIN RAISE EXCEPTION {} USING DETAIL = {}; END $f$").format(
            sql.Literal("refused"), sql.Literal(f"{names[1]}\nforged {names[0]}")
        )
        connection.execute(sql.SQL("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS ") + refusal)
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON connection_paths.contact_connections"
            " FOR EACH ROW WHEN (NEW.contact_a_id = 1 OR NEW.contact_b_id = 4) EXECUTE FUNCTION refuse()"
        )


def shown_by_every_command(dsn: str, tmp_path: Path, *options: str) -> Iterator[tuple[tuple[str, ...], Result]]:
    """Run every command that prints a name, a value or an error."""
    for table, columns in seed.TABLES.items():
        (tmp_path / f"{table}.csv").write_text(",".join(column.name for column in columns) + "\n")
    (tmp_path / "contacts.csv").write_text(f'id,name\n"{HOSTILE[0]}{HOSTILE[1]}",x\n', encoding="utf-8")
    for arguments in (
        IN_PLACE, ("runs", "list"), ("runs", "show"), ("plan",), ("verify",), ("doctor",), ("status",), ("sync",),
        (*ASK, "--depth", "3"), ("paths", "106", *ASK[2:]), ("paths", "1", *ASK[2:]),
        ("install", "--host-schema", HOSTILE[0]), ("seed", "synthetic", "--contacts", "1"),
        ("seed", "csv", str(tmp_path), "--host-schema", "elsewhere"), (HOSTILE[0],), ("status", f"--{HOSTILE[4]}"),
        ("--dsn", f"host={HOSTILE[0]} user={HOSTILE[4]}", "status"),
    ):  # fmt: skip
        yield arguments, run("--dsn", dsn, *arguments, *options)


@pytest.mark.parametrize("options", first_of(2, [(), ("--json",)]))
def test_control_characters_of_names_are_escaped(small: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    name_everything(small, HOSTILE)
    printed = ""
    for arguments, result in shown_by_every_command(small, tmp_path, *options):
        assert result.exception is None or isinstance(result.exception, SystemExit), (arguments, result.exc_info)
        assert UNSAFE.search(result.output) is None, (arguments, result.output)
        printed += result.output
    assert "u202egnihton" in printed
    assert "x1b[2J" in printed.replace("u001b", "x1b")


@pytest.mark.parametrize("encoding", first_of(2, ["ascii", "iso-8859-1", "shift_jis", "ascii:surrogateescape"]))
def test_every_name_can_be_printed_in_every_locale(small: str, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    name_everything(small, SCRIPTS)
    asked = (IN_PLACE, ("plan",), ("doctor",), ASK, ("paths", "106", *ASK[2:]), ("runs", "show"), ("nonsense→",))
    charset, _, errors = encoding.partition(":")
    for options in ((), ("--json",)) if encoding == "ascii" else ((),):
        written = [io.BytesIO(), io.BytesIO()]
        for name, stream in zip(("stdout", "stderr"), written, strict=True):
            monkeypatch.setattr(sys, name, io.TextIOWrapper(stream, charset, errors or "strict", write_through=True))
        before = 0
        for arguments in asked:
            with pytest.raises(SystemExit) as ended:
                cli.main(["--dsn", small, *arguments, *options])
            assert ended.value.code in (0, 1, 2, 3), arguments
            after = sum(len(stream.getvalue()) for stream in written)
            assert after > before, arguments
            before = after
        printed = written[0].getvalue().decode(charset)
        assert options or ("->" in printed) == (charset != "shift_jis")


@pytest.mark.parametrize(
    "locale", first_of(2, [{"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
)
def test_a_backfill_succeeds_in_an_ascii_locale(small: str, locale: dict[str, str]) -> None:
    name_everything(small, SCRIPTS)
    with connect(small) as connection:
        connection.execute("DROP TRIGGER refuse ON connection_paths.contact_connections")
    code, out, err = finish(start("--dsn", small, "backfill", "--no-throttle", **locale))
    assert (code, "succeeded" in out, "Traceback" in err) == (0, True, False), err


def test_every_date_has_its_year(small: str) -> None:
    for day, shown in (
        ("2019-03-31", " since 2019 ("),
        ("0900-03-31", " since 900 ("),
        ("0044-03-15 BC", " since 44 BC ("),
        ("12019-03-01", None),  # the overlap is in the future
        ("-infinity", " (about 2 people)"),
        ("4713-11-24 BC", " since 4713 BC ("),
    ):
        with connect(small) as connection:
            assert connection.execute("SELECT to_jsonb(%s::date)", (day,)).fetchone() == (day,)
            connection.execute("UPDATE contact_work_experiences SET date_from = %s, date_to = 'infinity'", (day,))
            connection.execute("SELECT connection_paths.backfill_contact(1)")
        if shown is not None:
            assert f"overlapped at Acme{shown}" in run("--dsn", small, *ASK).stdout
            assert json.loads(run("--dsn", small, "--json", *ASK).stdout)["paths"][0]["hops"][0]["date_from"] == day


MARKER = "s3cretMarker"


@pytest.mark.parametrize(
    "dsn",
    [
        f"host=h password={MARKER} dbname=d",
        f"host=h password='{MARKER} and more' sslpassword={MARKER}",
        f"postgresql://u:{MARKER}@h/d",
        f"postgresql://u:{MARKER}%40x@h,i/d?application_name=it's",
        f"postgresql://u:{MARKER}%zz@h/d",
        f"password={MARKER} nonsense",
    ],
)
def test_a_connection_string_is_shown_without_its_secrets(dsn: str) -> None:
    assert MARKER not in text.without_secrets(dsn)


def test_status_shows_what_a_mapping_changes(capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the sources, and without columns that have the package's own names."""

    def shown(people: str) -> str:
        mapping = {
            "organizations": {"schema": None, "table": "organizations", "columns": {"id": "id"}, "where": None},
            "contacts": {"schema": None, "table": people, "columns": {"name": "name", "id": '"id"'}, "where": None},
        }
        found = Status("1", "18", "public", ["0001"], [], [], [], 0, mapping=mapping)
        Screen().say("", *status_tables(found))
        return capsys.readouterr().out

    written = shown("people")
    assert written.index("public.people") < written.index("public.organizations")
    assert "id =" not in written
    assert "name =" not in written
    assert "public.contacts" not in shown("contacts")
