"""Where a mapping makes ids of uuids, a person gives the uuid, and negative ids are ids like any other."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.database import Connection
from orchestrator.host.mapping import load
from orchestrator.install.installation import install
from tests.support import schemas
from tests.support.command_line import run
from tests.support.schemas import uuid
from tests.support.sessions import connect, value


@pytest.fixture(scope="module")
def database(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """People, companies, users and a workspace with uuids, and company names; user 7 brought contact 1, user 8 2."""
    dsn = new_database()
    file = tmp_path_factory.mktemp("mapping") / "map.toml"
    text = (schemas.FOLDER / "uuids.toml").read_text()
    file.write_text(text.replace("date_from =", "company_name = 'note'\ndate_from ="))
    with connect(dsn) as connection:
        schemas.make(connection, "uuids", "app")
        connection.execute('ALTER TABLE app."Job" ADD note text')
        install(dsn, host_schema="app", mapping=load(file))
        connection.execute("SELECT connection_paths.backfill_contact(c.id) FROM connection_paths.live_contacts AS c")
        yield connection


def key(connection: Connection, number: int) -> int:
    return int(value(connection, "SELECT connection_paths.uuid_key(%s::uuid)", uuid(number)))


def paths(connection: Connection, *words: str) -> Any:
    done = run("--json", "paths", "--dsn", connection.info.dsn, *words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_paths_takes_uuids_for_every_id(database: Connection) -> None:
    numbers = {each: key(database, each) for each in (1, 2, 3, 7, 8)}
    assert min(numbers.values()) < 0 < max(numbers.values())
    of_uuids = paths(database, uuid(3), "--collection", uuid(1), "--viewer", uuid(7).upper(), "--depth", "3")
    of_numbers = paths(
        database,
        "--collection",
        str(numbers[1]),
        "--viewer",
        str(numbers[7]),
        "--depth",
        "3",
        "--",
        str(numbers[3]),
    )
    assert of_uuids == of_numbers
    assert [path["contact_ids"] for path in of_uuids["paths"]] == [
        [numbers[2], numbers[3]], [numbers[1], numbers[2], numbers[3]],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("option", "number", "depths"),
    [("--exclude", 2, []), ("--opener", 7, [3]), ("--opener", 8, [2]), ("--not-via", 2, []), ("--via", 2, [2])],
)
def test_filters_take_uuids(database: Connection, option: str, number: int, depths: list[int]) -> None:
    asked = [uuid(3), "--viewer", uuid(7), "--depth", "3", option, uuid(number)]
    assert [path["depth"] for path in paths(database, *asked)["paths"]] == depths


def test_organizations_by_uuid(database: Connection) -> None:
    dsn = database.info.dsn
    assert run("organizations", "exclude", uuid(2), "--dsn", dsn).exit_code == 0
    ids = "SELECT array_agg(organization_id) FROM connection_paths.organization_policy"
    assert value(database, ids) == [key(database, 2)]
    assert run("organizations", "allow", uuid(2), "--dsn", dsn).exit_code == 0
    assert value(database, ids) is None
    unknown = run("organizations", "exclude", uuid(99), "--dsn", dsn)
    assert (unknown.exit_code, f"no organization with the id {uuid(99)}" in unknown.stderr) == (1, True)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_decisions_by_uuid_and_by_negative_ids(database: Connection, tmp_path: Path, number: int) -> None:
    """Some of the ids are negative, and a file has them as candidates and as ids."""
    dsn, file, id = database.info.dsn, tmp_path / "names.csv", key(database, number)
    name = value(database, f"SELECT name FROM app.\"Company\" WHERE id = '{uuid(number)}'")
    database.execute('DELETE FROM app."Job" WHERE note IS NOT NULL')
    database.execute("DELETE FROM connection_paths.name_decisions")
    database.execute(
        f'INSERT INTO app."Job" ("personId", "startedAt", note) VALUES (\'{uuid(1)}\', now(), \'{name}\')'.encode()
    )
    assert run("resolve", "propose", "--accept", "none", "--again", "--dsn", dsn).exit_code == 0
    decided = "SELECT organization_id FROM connection_paths.name_decisions"
    assert run("resolve", "accept", name, uuid(number), "--dsn", dsn).exit_code == 0
    assert value(database, decided) == id
    for decision, given in (("1", ""), ("accept", uuid(number)), ("accept", f"#{id}"), ("accept", str(id))):
        database.execute("DELETE FROM connection_paths.name_decisions")
        file.unlink(missing_ok=True)
        assert run("resolve", "export", str(file), "--dsn", dsn).exit_code == 0
        with file.open(newline="", encoding="utf-8-sig") as opened:
            rows = [*csv.DictReader(opened)]
        rows[0] |= {"decision": decision, "organization_id": given}
        with file.open("w", newline="", encoding="utf-8-sig") as opened:
            writer = csv.DictWriter(opened, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        done = run("resolve", "import", str(file), "--dsn", dsn)
        assert done.exit_code == 0, done.output
        assert value(database, decided) == id


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("Ana", "'Ana' is neither a whole number nor a uuid"),
        ("00000000-0000-4000-8000", "is neither a whole number nor a uuid"),
        ("{00000000-0000-4000-8000-000000000001}", "is neither a whole number nor a uuid"),
        (str(2**63), "is not in the range"),
        (str(-5), "Write -- before a negative id, after all options."),
    ],
)
def test_other_words(database: Connection, word: str, message: str) -> None:
    done = run("paths", word, "--dsn", database.info.dsn)
    assert (done.exit_code, message in done.stderr) == (2, True), done.stderr


def test_a_uuid_where_ids_are_numbers(installed: Connection) -> None:
    for words in (
        ["paths", uuid(1)],
        ["paths", "1", "--collection", "1", "--viewer", uuid(1)],
        ["paths", "1", "--collection", "1", "--viewer", "1", "--via", uuid(1)],
        ["organizations", "exclude", uuid(1)],
    ):
        done = run(*words, "--dsn", installed.info.dsn)
        assert done.exit_code == 1, done.output
        assert "the mapping does not make ids of" in done.stderr
        assert "give the number that is the id" in done.stderr
