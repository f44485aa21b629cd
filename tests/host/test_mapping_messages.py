"""What a command says about a wrong or a changed mapping: one message, with every fault that there is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.support.command_line import run
from tests.support.sessions import connect

#: Faults of the file itself, of names and types, of rows, and of tables; each in a place of its own.
MANY_FAULTS = """\
[contacts]
table = "people"
nam = "full_name"
where = "(SELECT true)"
id = "id * 9000000000000000000"
[organisations]
table = "companies"
[contact_work_experiences]
table = "jobs"
contact_id = "person_key"
organization_id = "company"
date_from = 2019
date_to = "100 / months"
[user_contact_collections]
table = "links"
contact_id = "contact"
user_id = "1 / owner"
collection_id = "now()"
[users]
table = "people and more"
[collections]
table = "secret.teams"
"""
FAULTS = {
    3: "contacts has no key 'nam'; did you mean name?",
    4: "where = (SELECT true) ",
    5: "bigint out of range",
    6: "there is no source 'organisations'; did you mean organizations?",
    10: "public.jobs has no column person_key; did you mean person_id?",
    11: "is text; write connection_paths.to_id(company)",
    12: "date_from is not a string",
    13: "is integer; write connection_paths.first_day(100 / months, month)",
    16: "is uuid; write connection_paths.uuid_key(contact)",
    17: "division by zero",
    18: "is timestamp with time zone; write an expression that gives a whole number",
    20: "'people and more' is not the name of a table",
    22: "this role may not read secret.teams",
}


OF_TABLES = ("idx_members_by_collection exists that connection_paths did not create", "people has child tables")


def test_one_message_lists_faults_of_every_kind(new_database: Callable[[], str], tmp_path: Path) -> None:
    """A fault hides no fault in another place, whichever finds it: the file, the catalog, a row or a table."""
    dsn, file = new_database(), tmp_path / "map.toml"
    role = f"connection_paths_{os.getpid()}_check"
    file.write_text(MANY_FAULTS)
    with connect(dsn) as connection:
        connection.execute(
            f"""
            CREATE TABLE people (id bigint PRIMARY KEY, full_name text);
            CREATE TABLE former_people () INHERITS (people);
            CREATE TABLE jobs (id bigint, person_id bigint, company text, months integer, date_to date);
            CREATE TABLE links (contact uuid, owner bigint);
            CREATE INDEX idx_members_by_collection ON links (owner);
            INSERT INTO people VALUES (3, 'Ana');
            INSERT INTO links VALUES (NULL, 0);
            CREATE SCHEMA secret;
            CREATE TABLE secret.teams (id bigint, name text);
            CREATE ROLE {role} LOGIN;
            GRANT SELECT ON people, former_people, jobs, links, secret.teams TO {role};
        """.encode()
        )
        try:
            checked = run("map", "--check", str(file), "--dsn", f"{dsn} user={role}")
        finally:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
    lines = checked.stdout.splitlines()
    assert checked.exit_code == 3
    assert [line.split(": ")[0] for line in lines[: len(FAULTS)]] == [f"{file}:{line}" for line in FAULTS]
    for line, part in zip(lines, (*FAULTS.values(), *OF_TABLES), strict=True):
        assert part in line


def test_a_file_that_does_not_exist_can_be_drafted(tmp_path: Path) -> None:
    file = tmp_path / "my map.toml"
    refused = run("install", "--map", str(file))
    assert refused.exit_code == 2
    assert f"to draft it: orchestrator map --suggest --output '{file}'" in refused.stderr.replace("\n", " ")


def test_a_check_finds_what_install_refuses(host: str, tmp_path: Path) -> None:
    """A file may fit tables on which the package cannot be installed."""
    file = tmp_path / "map.toml"
    file.write_text("[contacts]\ntable = 'people'\n")
    with connect(host) as connection:
        connection.execute("ALTER TABLE contacts RENAME TO people")
        connection.execute("CREATE TABLE former_people () INHERITS (people)")
        connection.execute("CREATE INDEX idx_members_by_collection ON user_contact_collections (user_id)")
    checked = run("map", "--check", str(file), "--dsn", host)
    refused = run("install", "--map", str(file), "--dsn", host)
    assert (checked.exit_code, len(checked.stdout.splitlines()), refused.exit_code) == (3, 2, 1)
    assert refused.stderr == f"Error: {checked.stdout}Nothing was installed.\n"


def test_install_says_that_the_mapping_has_changed(host: str, tmp_path: Path) -> None:
    """Views and indexes of another mapping are not damaged."""
    file = tmp_path / "map.toml"
    for rule, outcome in (
        ("id > 0", "Installed: "),
        ("id > 1", "Already installed; the mapping has changed.\n"),
        ("id > 1", "Already installed; nothing to do.\n"),
    ):
        file.write_text(f"[contacts]\nwhere = '{rule}'\n")
        done = run("install", "--map", str(file), "--dsn", host)
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith(outcome)
        assert "repaired" not in done.stdout
        assert ("made to fit the new mapping: view " in done.stdout) is ("changed" in outcome)
    with connect(host) as connection:
        connection.execute("DROP INDEX idx_experiences_by_contact")
    again = run("install", "--map", str(file), "--dsn", host)
    assert again.stdout.startswith("Already installed; repaired what was wrong.\nrepaired: ")
